/**
 * Runs a FreeSWITCH for a test: its own folders, configuration and ports, all on 127.0.0.1. Dies with the process that
 * started it.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { SipUser } from '../asterisk/config.ts';
import { type GuardedProcess, startGuarded } from '../asterisk/guarded-process.ts';
import { reservePorts } from '../asterisk/ports.ts';
import { selfSignedCertificate } from '../tls.ts';
import { type FreeswitchAccount, type FreeswitchPorts, freeswitchXml } from './config.ts';
import { EslClient } from './esl.ts';
import { type FreeswitchHome, locateFreeswitch } from './locate.ts';

export interface FreeswitchOptions {
  readonly users?: readonly SipUser[];
  /** Default example.com. */
  readonly domain?: string;
  /** `<extension>` elements of the context in which phones call. */
  readonly extensions: string;
  /** A third profile, `v6`, on ::1. */
  readonly ipv6?: boolean;
  /** Variables of a user's directory entry, by user. */
  readonly directory?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly accounts?: Readonly<Record<string, FreeswitchAccount>>;
  readonly modules?: readonly string[];
  readonly moduleOrder?: 'prompt' | 'vanilla';
  readonly configurations?: string;
  /** Extensions of the chatplan. */
  readonly chatplan?: string;
  /** Dialplan files of the product. */
  readonly dialplans?: readonly string[];
  readonly eslPassword: string;
  /** Parameters of the profile `internal`. */
  readonly profile?: Readonly<Record<string, string>>;
  /** Folder of its Lua scripts. */
  readonly scripts?: string;
  readonly home?: FreeswitchHome;
}

export interface RestartOptions {
  /** Default SIGTERM. */
  readonly signal?: NodeJS.Signals;
  /** How long it is away, in ms. Default 0. */
  readonly pauseMs?: number;
}

export interface RunningFreeswitch {
  readonly version: string;
  readonly host: '127.0.0.1';
  readonly ports: FreeswitchPorts;
  readonly folder: string;
  readonly running: boolean;
  readonly pid: number;
  /** An `api` command, and what it answered. */
  cli(command: string): Promise<string>;
  /** A connection of its own. */
  esl(): Promise<EslClient>;
  stop(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Ends it (default SIGTERM) and starts it on the same ports; registrations are on its disk. */
  restart(options?: RestartOptions): Promise<void>;
  logText(): string;
  /** Resolves when no channel is left; throws with the list of channels when the time is up. */
  waitForNoChannels(timeoutMs?: number): Promise<void>;
}

const BOOT_DEADLINE_MS = 40_000;
const END_DEADLINE_MS = 20_000;

export async function startFreeswitch(options: FreeswitchOptions): Promise<RunningFreeswitch> {
  const home = options.home ?? locateFreeswitch();
  if (!home)
    throw new Error('there is no FreeSWITCH: PUSHWAKE_FREESWITCH does not name its prefix, and it is not on the PATH');
  const slot = await reservePorts();
  const { udp, tcp, tls, ari: esl, rtpFirst, rtpLast } = slot.ports;
  const more = { second: udp + 10, ws: udp + 11, wss: udp + 12, v6: udp + 13 };
  const ports: FreeswitchPorts = { udp, tcp, tls, esl, ...more, rtpFirst, rtpLast };
  const folder = mkdtempSync(join(tmpdir(), 'pushwake-freeswitch-'));
  for (const name of ['conf/tls', 'log', 'db', 'run', 'temp', 'storage', 'cache']) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  const certificate = selfSignedCertificate();
  writeFileSync(join(folder, 'conf/tls/agent.pem'), certificate.cert + certificate.key);
  writeFileSync(join(folder, 'conf/tls/wss.pem'), certificate.cert + certificate.key);
  writeFileSync(join(folder, 'conf/tls/cafile.pem'), certificate.cert);
  const xml = freeswitchXml({
    folder,
    ports,
    domain: options.domain ?? 'example.com',
    users: options.users ?? [],
    eslPassword: options.eslPassword,
    extensions: options.extensions,
    dialplans: options.dialplans ?? [],
    ...(options.chatplan === undefined ? {} : { chatplan: options.chatplan }),
    ...(options.profile ? { profile: options.profile } : {}),
    ...(options.ipv6 ? { ipv6: true } : {}),
    ...(options.directory ? { directory: options.directory } : {}),
    ...(options.accounts ? { accounts: options.accounts } : {}),
    ...(options.modules ? { modules: options.modules } : {}),
    ...(options.moduleOrder ? { moduleOrder: options.moduleOrder } : {}),
    ...(options.configurations ? { configurations: options.configurations } : {}),
  });
  writeFileSync(join(folder, 'conf/freeswitch.xml'), xml);
  const command = [
    home.program,
    ...['-nf', '-nc', '-np', '-nonat', '-nort', '-nocal'],
    ...['conf', 'log', 'db', 'run', 'temp', 'storage', 'cache'].flatMap((name) => [`-${name}`, join(folder, name)]),
    ...(options.scripts === undefined ? [] : ['-scripts', options.scripts]),
  ];
  const address = { port: ports.esl, password: options.eslPassword };

  let current: GuardedProcess | undefined;
  let console: EslClient | undefined;
  const start = async (): Promise<void> => {
    current = await startGuarded(command, join(folder, 'log/console'));
    const deadline = performance.now() + BOOT_DEADLINE_MS;
    for (;;) {
      if (current.exitCode !== undefined || performance.now() > deadline) {
        const how = current.exitCode === undefined ? 'did not start in time' : `ended with code ${current.exitCode}`;
        throw new Error(`FreeSWITCH ${how}; it said:\n${lastLines(folder)}`);
      }
      try {
        console = await EslClient.connect(address);
        // Both profiles take REGISTERs.
        if (((await console.api('sofia status')).match(/RUNNING/g) ?? []).length >= 3) return;
        console.close();
      } catch {
        // Not listening yet.
      }
      await delay(50);
    }
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    console?.close();
    if (!current) return;
    current.signal('SIGCONT');
    current.signal(signal);
    const late = new AbortController();
    const inTime = await Promise.race([
      current.exited.then(() => true),
      delay(END_DEADLINE_MS, false, { signal: late.signal }).catch(() => false),
    ]);
    late.abort();
    if (inTime) return;
    current.signal('SIGKILL');
    await current.exited;
  };
  const cli = async (line: string): Promise<string> => {
    if (!console) throw new Error('FreeSWITCH is not running');
    return console.api(line);
  };
  try {
    await start();
  } catch (error) {
    await end('SIGKILL');
    slot.release();
    throw error;
  }
  return {
    version: (await cli('version')).trim(),
    host: '127.0.0.1',
    ports,
    folder,
    get running() {
      return current !== undefined && current.exitCode === undefined;
    },
    get pid() {
      return current?.pid ?? 0;
    },
    cli,
    esl: () => EslClient.connect(address),
    async stop() {
      await end('SIGTERM');
      slot.release();
      rmSync(folder, { recursive: true, force: true });
    },
    signal: (signal) => current?.signal(signal),
    async restart({ signal = 'SIGTERM', pauseMs = 0 } = {}) {
      await end(signal);
      await delay(pauseMs);
      await start();
    },
    logText: () => readIfThere(join(folder, 'log/freeswitch.log')),
    async waitForNoChannels(timeoutMs = 5_000) {
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        const channels = await cli('show channels');
        if (/^\s*0 total/m.test(channels)) return;
        if (performance.now() > deadline) throw new Error(`channels left after ${timeoutMs} ms:\n${channels}`);
        await delay(50);
      }
    },
  };
}

function lastLines(folder: string): string {
  const said = `${readIfThere(join(folder, 'log/console'))}\n${readIfThere(join(folder, 'log/freeswitch.log'))}`;
  return said.trimEnd().split('\n').slice(-20).join('\n');
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
