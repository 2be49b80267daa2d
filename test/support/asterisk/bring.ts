/**
 * Brings a real Asterisk for the tests: Debian sid (for version 16: bullseye) in a cache folder, Asterisk installed inside by chroot. The machine's
 * own Asterisk, if there is one, is never touched: apart from the package `debootstrap` nothing outside the folder changes.
 * The first time takes a minute or two and about 700 MB, later ones a few milliseconds.
 */
import {
  accessSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { chooseMirror, debianCodename, readAptSources } from './apt-sources.ts';
import { deleteChroot, mountProc, unmountAll } from './mounts.ts';
import { run, tryRun } from './shell.ts';

/** A chroot that holds a complete Asterisk. Nothing is mounted in it and nothing runs in it yet. */
export interface AsteriskHome {
  /** Absolute path of the chroot. */
  readonly root: string;
  /** As Asterisk tells it, e.g. `22.10.1`. */
  readonly version: string;
  /** Asterisk's module folder as seen from inside the chroot; its name depends on the processor. */
  readonly moduleDir: string;
  /** True when this call built it. */
  readonly built: boolean;
}

/** Told one line per step of a build; a reuse is silent. */
export type Progress = (line: string) => void;

/** The only error `bringAsterisk` throws on purpose: it says what is missing on this machine. */
export class CannotBringAsterisk extends Error {
  override readonly name = 'CannotBringAsterisk';
}

/** Where Debian has which version: the one the tests run on, and the oldest that is supported. */
const SUITES: Readonly<Record<string, string>> = { '22': 'sid', '16': 'bullseye' };
/** `PUSHWAKE_ASTERISK=16 npm test -- …` runs suites on the oldest one; a path, on the Asterisk of that root folder. Default: 22. */
const WANTED = process.env.PUSHWAKE_ASTERISK || '22';
/** Raise it when the build changes, so that old folders are built anew. */
const BUILD_FORMAT = 1;
const MARKER = '.pushwake-ready.json';

export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env.PUSHWAKE_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'pushwake');
}

/** Builds the chroot, or finds it built. Several processes may call this at once: one builds, the others wait. */
export async function bringAsterisk(progress: Progress = () => undefined, version = WANTED): Promise<AsteriskHome> {
  if (isAbsolute(version)) return ownHome(version);
  const cache = cacheFolder();
  const suite = SUITES[version];
  if (suite === undefined)
    throw new CannotBringAsterisk(
      `PUSHWAKE_ASTERISK=${version}: there is ${Object.keys(SUITES).join(', ')}, or the path of a folder with a whole system and an Asterisk`,
    );
  const root = join(cache, `asterisk-${version}`);
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new CannotBringAsterisk(
      'a real Asterisk for the tests needs Linux and root (chroot): run as root, or in a container',
    );
  }
  const ready = readMarker(root);
  if (ready) return { ...ready, root, built: false };

  makeFolder(cache);
  const lockFile = await lock(join(cache, `asterisk-${version}.lock`), () =>
    progress('waiting: another process builds Asterisk'),
  );
  try {
    // Whoever held the lock may have done the work meanwhile.
    const done = readMarker(root);
    if (done) return { ...done, root, built: false };
    return await build(root, suite, join(cache, `asterisk-${version}.build.log`), lockFile, progress);
  } finally {
    closeSync(lockFile);
  }
}

/** A folder that somebody else made: nothing in it is changed, nor is it looked whether it is whole. */
async function ownHome(root: string): Promise<AsteriskHome> {
  const { output } = await tryRun('chroot', [root, 'asterisk', '-V'], {});
  const version = /Asterisk (\S*\d)/.exec(output)?.[1];
  if (version === undefined) throw new CannotBringAsterisk(`${root} holds no Asterisk that starts: ${output.trim()}`);
  return { root, version, moduleDir: findModuleDir(root), built: false };
}

async function build(
  root: string,
  suite: string,
  logFile: string,
  lockFile: number,
  progress: Progress,
): Promise<AsteriskHome> {
  const codename = debianCodename();
  if (!codename)
    throw new CannotBringAsterisk('a real Asterisk for the tests needs Debian: /etc/os-release names another system');
  const mirror = chooseMirror(readAptSources(), codename);
  if (!mirror)
    throw new CannotBringAsterisk(
      `no Debian mirror with "${codename} main" found in /etc/apt/sources.list or sources.list.d`,
    );
  writeFileSync(logFile, '');
  const env = { DEBIAN_FRONTEND: 'noninteractive', ...(await aptProxy()) };
  const step = async (what: string, program: string, args: readonly string[]): Promise<void> => {
    progress(what);
    const { code, output } = await tryRun(program, args, { env, logFile, holdFile: lockFile });
    if (code !== 0) {
      throw new CannotBringAsterisk(
        `${what}: ${program} failed (code ${code}); ${adviceFor(output)}. Whole log: ${logFile}`,
      );
    }
  };

  if (existsSync(root)) {
    progress('a build was broken off: starting over');
    await deleteChroot(root);
  }
  if (!findProgram('debootstrap')) {
    await step('reading package lists', 'apt-get', ['update']);
    await step('installing debootstrap', 'apt-get', ['install', '-y', '--no-install-recommends', 'debootstrap']);
  }
  try {
    await step(`unpacking Debian ${suite}`, 'debootstrap', [
      '--variant=minbase',
      '--include=ca-certificates',
      suite,
      root,
      mirror,
    ]);
    prepareChroot(root);
    const refused = await mountProc(root);
    if (refused) progress(`going on without /proc in the chroot (${refused})`);
    const inside = (what: string, ...args: string[]) => step(what, 'chroot', [root, ...args]);
    await inside('reading package lists of the chroot', 'apt-get', 'update');
    const packages = ['asterisk', 'asterisk-modules'];
    await inside('installing Asterisk', 'apt-get', 'install', '-y', '--no-install-recommends', ...packages);
    await inside('clearing downloaded packages', 'apt-get', 'clean');
  } finally {
    await unmountAll(root);
  }
  const version = /Asterisk (\d+(?:\.\d+)*)/.exec(await run('chroot', [root, 'asterisk', '-V']))?.[1] ?? 'unknown';
  const moduleDir = findModuleDir(root);
  // Last of all: a folder without this file is a build that was broken off.
  const marker = { format: BUILD_FORMAT, version, moduleDir, builtAt: new Date().toISOString() };
  writeFileSync(join(root, `${MARKER}.new`), `${JSON.stringify(marker)}\n`);
  renameSync(join(root, `${MARKER}.new`), join(root, MARKER));
  progress(`Asterisk ${version} is ready`);
  return { root, version, moduleDir, built: true };
}

/** Settings that must be there before apt runs inside. */
function prepareChroot(root: string): void {
  // The machine's own apt options (proxy, date checks of a frozen mirror) hold for the same mirror inside.
  for (const name of readdirSync('/etc/apt/apt.conf.d').filter((file) => file.startsWith('99'))) {
    copyFileSync(join('/etc/apt/apt.conf.d', name), join(root, 'etc/apt/apt.conf.d', name));
  }
  for (const name of ['/etc/resolv.conf', '/etc/hosts']) {
    if (existsSync(name)) copyFileSync(name, join(root, name));
  }
  // Debian's own way to keep packages from starting their service (here: an Asterisk on port 5060).
  writeFileSync(join(root, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  // A power cut costs a rebuild, nothing else: no fsync per package.
  writeFileSync(
    join(root, 'etc/dpkg/dpkg.cfg.d/pushwake'),
    'force-unsafe-io\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/doc/*\n',
  );
}

function readMarker(root: string): { version: string; moduleDir: string } | undefined {
  try {
    const marker: unknown = JSON.parse(readFileSync(join(root, MARKER), 'utf8'));
    if (typeof marker !== 'object' || marker === null) return undefined;
    const { format, version, moduleDir } = marker as Record<string, unknown>;
    if (format !== BUILD_FORMAT || typeof version !== 'string' || typeof moduleDir !== 'string') return undefined;
    return { version, moduleDir };
  } catch {
    return undefined;
  }
}

function findModuleDir(root: string): string {
  const triplets = readdirSync(join(root, 'usr/lib')).map((name) => `/usr/lib/${name}/asterisk/modules`);
  const found = ['/usr/lib/asterisk/modules', ...triplets].find((dir) => existsSync(join(root, dir, 'res_pjsip.so')));
  if (!found) throw new CannotBringAsterisk('Asterisk was installed, but its modules were not found below /usr/lib');
  return found;
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.W_OK);
  } catch (cause) {
    throw new CannotBringAsterisk(`cannot write to ${path}: set PUSHWAKE_CACHE to a folder with 1 GB free`, { cause });
  }
}

/** debootstrap loads by wget, which does not read apt's proxy setting. */
async function aptProxy(): Promise<Record<string, string>> {
  const { output } = await tryRun('apt-config', ['shell', 'proxy', 'Acquire::http::Proxy']);
  const proxy = /^proxy='(.+)'$/m.exec(output)?.[1];
  return proxy && !process.env.http_proxy ? { http_proxy: proxy, https_proxy: proxy } : {};
}

/** apt, wget and debootstrap say it in many words; the reader wants to know what to do. */
function adviceFor(output: string): string {
  const last = output.trimEnd().split('\n').slice(-8).join('\n');
  if (/mknod|noexec or nodev/i.test(output)) {
    return `this container may not create devices: give it CAP_MKNOD, and a cache folder not mounted nodev or noexec\n${last}`;
  }
  if (/resolve|unable to connect|could not connect|failed getting release|unreachable|timed out/i.test(output)) {
    return `the Debian mirror of this machine's apt sources must be reachable\n${last}`;
  }
  if (/no space left/i.test(output)) return `1 GB of free disk is needed\n${last}`;
  return `last lines:\n${last}`;
}

function findProgram(name: string): boolean {
  return (
    (process.env.PATH ?? '').split(delimiter).some((dir) => existsSync(join(dir, name))) ||
    existsSync(`/usr/sbin/${name}`)
  );
}

/**
 * A lock the kernel frees when its last holder dies, whatever kills it: `flock` (util-linux, part of every Debian) locks
 * our open file, and each program of the build holds that file as well. So an installation that outlives us by a minute
 * is waited for, and none is deleted from under it. A file with a pid in it would have to be judged stale by guesswork.
 */
async function lock(path: string, onWait: () => void): Promise<number> {
  const file = openSync(path, 'a');
  const slow = setTimeout(onWait, 500);
  const { code, output } = await tryRun('flock', ['--exclusive', '8'], { holdFile: file });
  clearTimeout(slow);
  if (code === 0) return file;
  closeSync(file);
  throw new CannotBringAsterisk(`cannot lock ${path} with "flock" of package util-linux: ${output.trim()}`);
}
