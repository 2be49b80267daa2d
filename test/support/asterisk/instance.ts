/**
 * Runs Asterisk for a test: several at once from the one chroot, each with its own folders, configuration and ports, all
 * on 127.0.0.1. An instance dies with the process that started it.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { selfSignedCertificate } from '../tls.ts';
import { type AsteriskHome, bringAsterisk } from './bring.ts';
import { type AriUser, configFiles, type HepTarget, PLAIN_DIALPLAN, type SipUser, TEST_ARI_USER } from './config.ts';
import { type GuardedProcess, startGuarded } from './guarded-process.ts';
import { type AsteriskPorts, holdName, reservePorts } from './ports.ts';
import { lastLines, tryRun } from './shell.ts';

/** A file of the product (or of the test) copied into the configuration and included where it belongs. */
export interface Snippet {
  /** Path of the file to copy. */
  readonly file: string;
  /** The configuration file that includes it: `extensions.conf`, `ari.conf`, `hep.conf`, `queues.conf`, … */
  readonly into: string;
  /** What an administrator would change by hand: each first text, wherever it stands, becomes the second. A text that does not occur is an error. */
  readonly replace?: readonly (readonly [search: string, replacement: string])[];
}

export interface AsteriskOptions {
  /** Names the folder of this instance; two running instances must differ. Letters, digits, `-`. */
  readonly name: string;
  readonly users?: readonly SipUser[];
  /** Besides the user `test` every instance has. */
  readonly ariUsers?: readonly AriUser[];
  readonly snippets?: readonly Snippet[];
  /** Further text of extensions.conf. Default: `PLAIN_DIALPLAN`. Phones call in the context `internal`. */
  readonly extensions?: string;
  /** Text of queues.conf. */
  readonly queues?: string;
  /** Loads res_hep and sends there. A snippet into `hep.conf` loads it as well and is used instead. Default: not loaded. */
  readonly hep?: HepTarget;
  /** Keep what an earlier instance of this name had stored (contacts, device states). Default false. */
  readonly keepDb?: boolean;
  /** Modules to load that a PBX for softphones does without, without `.so`. Default: none. */
  readonly modules?: readonly string[];
  /** Modules that stay away, as on an older Asterisk, without `.so`. Default: none. */
  readonly without?: readonly string[];
  /** Further configuration files by name; one of the same name replaces a generated one. */
  readonly extra?: Readonly<Record<string, string>>;
  /** Default: free ones. */
  readonly ports?: Partial<AsteriskPorts>;
  /** Default: brought by `bringAsterisk`. */
  readonly home?: AsteriskHome;
}

export interface RunningAsterisk {
  readonly name: string;
  readonly version: string;
  readonly host: '127.0.0.1';
  readonly ports: AsteriskPorts;
  /** The user every instance has, with `http://127.0.0.1:<ari>`. */
  readonly ari: { readonly url: string; readonly user: string; readonly password: string };
  /** PEM of its TLS certificate. */
  readonly certificate: string;
  /** Of the process running now; another one after `restart`. */
  readonly pid: number;
  readonly running: boolean;
  /** How long the last start took, to "fully booted". */
  readonly startedInMs: number;
  /** Folder of this instance as seen from outside the chroot. */
  readonly folder: string;
  /** Runs one CLI command and answers what it printed. */
  cli(command: string): Promise<string>;
  /** Ends it: the signal, and SIGKILL if it is still there after 10 s. Default SIGTERM. The folder stays for a look. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** SIGKILL, as a crash. Asterisk writes its database once a second: what came later than that is lost. */
  kill(): Promise<void>;
  /** Any signal, e.g. SIGSTOP and SIGCONT; does not wait. */
  signal(signal: NodeJS.Signals): void;
  /** Ends and starts it on the same ports. Default: SIGTERM, database kept. */
  restart(options?: { readonly signal?: NodeJS.Signals; readonly keepDb?: boolean }): Promise<void>;
  /** Asterisk's log: notices, warnings, errors, verbose 3. */
  logText(): string;
  /** Call detail records, one CSV line each. */
  cdrText(): string;
  /** Resolves when no channel is left; throws with the list of channels when the time is up. */
  waitForNoChannels(timeoutMs?: number): Promise<void>;
}

const BOOT_DEADLINE_MS = 20_000;

export async function startAsterisk(options: AsteriskOptions): Promise<RunningAsterisk> {
  if (!/^[0-9A-Za-z-]{1,40}$/.test(options.name))
    throw new Error(`"${options.name}" cannot name an instance: letters, digits, "-"`);
  const home = options.home ?? (await bringAsterisk());
  const hold = await holdName(`pushwake-asterisk-name-${options.name}`);
  if (!hold) throw new Error(`an Asterisk named "${options.name}" is running already: give this one another name`);
  const slot = await reservePorts(options.ports).catch((error: unknown) => {
    hold.close();
    throw error;
  });

  const inside = `/srv/pushwake/${options.name}`;
  const folder = join(home.root, inside);
  const certificate = selfSignedCertificate();
  writeFolder(folder, inside, options, home, slot.ports, certificate);
  const command = ['chroot', home.root, '/usr/sbin/asterisk', '-C', `${inside}/etc/asterisk.conf`];
  const cli = async (line: string): Promise<string> =>
    (await tryRun(command[0]!, [...command.slice(1), '-rx', line], { timeoutMs: 30_000 })).output;

  let current: GuardedProcess | undefined;
  let startedInMs = 0;
  const start = async (): Promise<void> => {
    const begun = performance.now();
    // One left by a crash would be asked although nobody listens.
    rmSync(join(folder, 'run/asterisk.ctl'), { force: true });
    current = await startGuarded([...command, '-f'], join(folder, 'log/console'));
    await waitUntilBooted(current, folder, cli, options.name);
    startedInMs = Math.round(performance.now() - begun);
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (!current) return;
    // A stopped process would sleep through SIGTERM.
    current.signal('SIGCONT');
    current.signal(signal);
    if (await endsWithin(current, 10_000)) return;
    current.signal('SIGKILL');
    await endsWithin(current, 10_000);
  };
  const release = (): void => {
    slot.release();
    hold.close();
  };

  try {
    await start();
  } catch (error) {
    await end('SIGKILL');
    release();
    throw error;
  }
  return {
    name: options.name,
    version: home.version,
    host: '127.0.0.1',
    ports: slot.ports,
    ari: { url: `http://127.0.0.1:${slot.ports.ari}`, user: TEST_ARI_USER.name, password: TEST_ARI_USER.password },
    certificate: certificate.cert,
    folder,
    get pid() {
      return current?.pid ?? 0;
    },
    get running() {
      return current !== undefined && current.exitCode === undefined;
    },
    get startedInMs() {
      return startedInMs;
    },
    cli,
    async stop(signal = 'SIGTERM') {
      await end(signal);
      release();
    },
    async kill() {
      await end('SIGKILL');
      release();
    },
    signal: (signal) => current?.signal(signal),
    async restart({ signal = 'SIGTERM', keepDb = true } = {}) {
      await end(signal);
      if (!keepDb) rmSync(join(folder, 'db'), { recursive: true, force: true });
      makeFolders(folder);
      await start();
    },
    logText: () => readIfThere(join(folder, 'log/messages')),
    cdrText: () => readIfThere(join(folder, 'log/cdr-csv/Master.csv')),
    async waitForNoChannels(timeoutMs = 5000) {
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        const channels = (await cli('core show channels concise')).trim();
        if (channels === '') return;
        if (performance.now() > deadline) throw new Error(`channels left after ${timeoutMs} ms:\n${channels}`);
        await delay(50);
      }
    },
  };
}

const FOLDERS = ['etc/keys', 'lib/keys', 'db', 'spool', 'run', 'log/cdr-csv', 'log/cel-custom'];

function makeFolders(folder: string): void {
  for (const name of FOLDERS) mkdirSync(join(folder, name), { recursive: true });
}

function writeFolder(
  folder: string,
  inside: string,
  options: AsteriskOptions,
  home: AsteriskHome,
  ports: AsteriskPorts,
  certificate: { readonly key: string; readonly cert: string },
): void {
  for (const name of ['etc', 'lib', 'spool', 'run', 'log', ...(options.keepDb ? [] : ['db'])]) {
    rmSync(join(folder, name), { recursive: true, force: true });
  }
  makeFolders(folder);
  const etc = join(folder, 'etc');
  const includes = new Map<string, string[]>();
  for (const snippet of options.snippets ?? []) {
    const name = `snippet-${basename(snippet.file)}`;
    includes.set(snippet.into, [...(includes.get(snippet.into) ?? []), name]);
    writeFileSync(join(etc, name), replaceAll(readFileSync(snippet.file, 'utf8'), snippet));
  }
  const files = configFiles({
    folder: inside,
    moduleDir: home.moduleDir,
    ports,
    users: options.users ?? [],
    ariUsers: [TEST_ARI_USER, ...(options.ariUsers ?? [])],
    extensions: options.extensions ?? PLAIN_DIALPLAN,
    queues: options.queues ?? '',
    hep: options.hep,
    modules: options.modules ?? [],
    without: options.without ?? [],
    includes,
  });
  for (const [name, text] of [...files, ...Object.entries(options.extra ?? {})]) writeFileSync(join(etc, name), text);
  writeFileSync(join(etc, 'keys/key.pem'), certificate.key, { mode: 0o600 });
  writeFileSync(join(etc, 'keys/cert.pem'), certificate.cert);
}

function replaceAll(text: string, { file, replace = [] }: Snippet): string {
  let result = text;
  for (const [search, replacement] of replace) {
    // A replacement that silently does nothing would leave a test with a password nobody uses.
    if (!result.includes(search)) throw new Error(`"${search}" does not occur in ${basename(file)}`);
    result = result.replaceAll(search, () => replacement);
  }
  return result;
}

async function waitUntilBooted(
  asterisk: GuardedProcess,
  folder: string,
  cli: (line: string) => Promise<string>,
  name: string,
): Promise<void> {
  const deadline = performance.now() + BOOT_DEADLINE_MS;
  const control = join(folder, 'run/asterisk.ctl');
  while (performance.now() < deadline) {
    if (asterisk.exitCode !== undefined) break;
    // Asking costs a process; the control socket appears early in the start, and before it nobody could answer.
    if (existsSync(control) && (await cli('core waitfullybooted')).includes('fully booted')) return;
    await delay(40);
  }
  const how =
    asterisk.exitCode === undefined
      ? `did not boot within ${BOOT_DEADLINE_MS} ms`
      : `ended with code ${asterisk.exitCode} while starting`;
  const said = `${readIfThere(join(folder, 'log/console'))}\n${readIfThere(join(folder, 'log/messages'))}`;
  throw new Error(`Asterisk "${name}" ${how}; it said:\n${lastLines(said, 20)}`);
}

/** True when the process ended in time. */
async function endsWithin(asterisk: GuardedProcess, timeoutMs: number): Promise<boolean> {
  const stop = new AbortController();
  const ended = asterisk.exited.then(() => true);
  const late = delay(timeoutMs, false, { signal: stop.signal }).catch(() => false);
  const inTime = await Promise.race([ended, late]);
  stop.abort();
  return inTime;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
