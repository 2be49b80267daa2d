/**
 * A Debian 12 of its own with a booted systemd, by systemd-nspawn: the packages' scripts, the unit and the journal are the real ones. It shares
 * the loopback with this machine, so that a PBX and a push service outside are reached; what it writes goes with it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { chooseMirror, debianCodename, readAptSources } from '../asterisk/apt-sources.ts';
import { cacheFolder } from '../asterisk/bring.ts';
import { deleteChroot } from '../asterisk/mounts.ts';
import { programEnv, type RunResult, run, tryRun } from '../asterisk/shell.ts';

/** Debian 12 and 13. */
export type Suite = 'bookworm' | 'trixie';
const ROOTS: Readonly<Record<Suite, string>> = { bookworm: 'debian-12-systemd', trixie: 'debian-13-systemd' };
/** What a Debian server has that a package may depend on, and nothing of ours. */
const PACKAGES = 'systemd,systemd-sysv,dbus,adduser,init-system-helpers,ca-certificates,libstdc++6,procps';
const BOOTS_WITHIN_MS = 60_000;
const MARKER = 'pushwake-ready';

/** Absolute path of the root. The first time takes a minute and 300 MB. */
export async function bringDebian(
  progress: (line: string) => void = () => undefined,
  suite: Suite = 'bookworm',
): Promise<string> {
  if (process.getuid?.() !== 0) throw new Error('a machine with systemd needs root');
  const root = join(cacheFolder(), ROOTS[suite]);
  if (existsSync(join(root, MARKER))) return root;
  const codename = debianCodename();
  const mirror = codename && chooseMirror(readAptSources(), codename);
  if (!mirror) throw new Error('a machine with systemd needs Debian with a mirror in its apt sources');
  for (const [program, name] of [
    ['debootstrap', 'debootstrap'],
    ['systemd-nspawn', 'systemd-container'],
  ] as const) {
    if ((await tryRun('sh', ['-c', `command -v ${program}`])).code === 0) continue;
    progress(`installing ${name}`);
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    await run('apt-get', ['update'], { env });
    await run('apt-get', ['install', '-y', '--no-install-recommends', name], { env });
  }
  progress(`unpacking Debian ${suite}`);
  await deleteChroot(root);
  await deleteChroot(`${root}.new`);
  mkdirSync(cacheFolder(), { recursive: true });
  await run('debootstrap', ['--variant=minbase', `--include=${PACKAGES}`, suite, `${root}.new`, mirror]);
  writeFileSync(join(`${root}.new`, MARKER), '');
  renameSync(`${root}.new`, root);
  return root;
}

export class Machine {
  readonly #nspawn: ChildProcess;
  readonly #leader: number;

  private constructor(nspawn: ChildProcess, leader: number) {
    this.#nspawn = nspawn;
    this.#leader = leader;
  }

  /** Resolves when systemd says that it runs. */
  static async boot(root: string): Promise<Machine> {
    const args = [
      '--register=no',
      '--keep-unit',
      '--volatile=overlay',
      '--quiet',
      '--link-journal=no',
      '--boot',
      `--directory=${root}`,
      `--machine=pushwake-${process.pid}`,
    ];
    const nspawn = spawn('systemd-nspawn', args, { env: programEnv(), stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [nspawn.stdout, nspawn.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk));
    const deadline = performance.now() + BOOTS_WITHIN_MS;
    while (performance.now() < deadline && nspawn.exitCode === null) {
      await delay(200);
      const leader = leaderOf(nspawn.pid);
      if (leader === undefined) continue;
      const machine = new Machine(nspawn, leader);
      const { output } = await machine.try('systemctl', 'is-system-running');
      if (/^(running|degraded)$/m.test(output)) return machine;
    }
    nspawn.kill('SIGKILL');
    throw new Error(`the machine did not boot:\n${said}`);
  }

  /** Runs a program inside, as root. */
  try(program: string, ...args: readonly string[]): Promise<RunResult> {
    return tryRun('nsenter', ['--target', String(this.#leader), '--all', '--', program, ...args], {
      timeoutMs: 120_000,
      env: { LC_ALL: 'C.UTF-8', PATH: '/usr/sbin:/usr/bin:/sbin:/bin', JOURNAL_STREAM: '' },
    });
  }

  /** The same for one that must succeed. */
  async run(program: string, ...args: readonly string[]): Promise<string> {
    const { code, output } = await this.try(program, ...args);
    if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${output}`);
    return output;
  }

  /** Writes a file inside; its folder is there. */
  async write(path: string, data: string | Uint8Array, mode = '0644'): Promise<void> {
    const child = spawn(
      'nsenter',
      ['--target', String(this.#leader), '--all', '--', 'sh', '-c', `cat > "$0" && chmod ${mode} "$0"`, path],
      { env: programEnv(), stdio: ['pipe', 'inherit', 'inherit'] },
    );
    child.stdin?.end(data);
    const code = await new Promise((done) => child.once('close', done));
    if (code !== 0) throw new Error(`${path} could not be written`);
  }

  async stop(): Promise<void> {
    if (this.#nspawn.exitCode !== null) return;
    const ended = new Promise((done) => this.#nspawn.once('exit', done));
    // systemd-nspawn(1): the machine is shut down in order; once more ends it at once.
    this.#nspawn.kill('SIGTERM');
    const late = setTimeout(() => this.#nspawn.kill('SIGKILL'), 30_000);
    await ended;
    clearTimeout(late);
  }
}

/** The init of the machine, as this machine numbers it. */
function leaderOf(pid: number | undefined): number | undefined {
  try {
    const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    return first ? Number(first) : undefined;
  } catch {
    return undefined;
  }
}
