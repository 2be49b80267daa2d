/**
 * Brings a real redis-server for the tests: the machine's own if it is 7 or newer, else Debian's packages, unpacked into a
 * cache folder. Nothing is installed on the machine and no service is started.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder } from '../asterisk/bring.ts';
import { tryRun } from '../asterisk/shell.ts';

export interface RedisHome {
  /** Command lines begin with these: `env LD_LIBRARY_PATH=… /…/redis-server`. */
  readonly server: readonly string[];
  readonly cli: readonly string[];
  /** As it tells it, e.g. `7.0.15`. */
  readonly version: string;
}

/** Says what is missing on this machine. */
export class CannotBringRedis extends Error {
  override readonly name = 'CannotBringRedis';
}

const OLDEST = 7;
/** What Debian's redis-server links to besides what every system has. */
const PACKAGES = ['redis-server', 'redis-tools', 'liblzf1', 'libjemalloc2', 'libatomic1'];

export async function bringRedis(): Promise<RedisHome> {
  const own = await homeOf(['redis-server'], ['redis-cli']);
  if (own) return own;
  const root = join(cacheFolder(), 'redis');
  if (!existsSync(root)) await unpack(root);
  const libraries = [join(root, 'lib'), join(root, 'usr/lib')].flatMap((dir) =>
    existsSync(dir) ? [dir, ...readdirSync(dir).map((name) => join(dir, name))] : [],
  );
  const env = ['env', `LD_LIBRARY_PATH=${libraries.join(':')}`];
  const found = await homeOf([...env, join(root, 'usr/bin/redis-server')], [...env, join(root, 'usr/bin/redis-cli')]);
  if (!found) throw new CannotBringRedis(`${root} holds no redis-server that runs: delete it and try again`);
  return found;
}

async function unpack(root: string): Promise<void> {
  mkdirSync(dirname(root), { recursive: true });
  // Beside its place and renamed at the end: several processes may do this at once, and one may be broken off.
  const folder = mkdtempSync(`${root}.new-`);
  try {
    const download = () => tryRun('sh', ['-c', `cd "$0" && apt-get download "$@"`, folder, ...PACKAGES]);
    let { code, output } = await download();
    if (code !== 0) {
      await tryRun('apt-get', ['update']);
      ({ code, output } = await download());
    }
    if (code !== 0) {
      throw new CannotBringRedis(
        `a real Redis for the tests needs redis-server 7 on this machine, or apt-get:\n${output}`,
      );
    }
    for (const deb of readdirSync(folder).filter((name) => name.endsWith('.deb'))) {
      const unpacked = await tryRun('dpkg-deb', ['-x', join(folder, deb), folder]);
      if (unpacked.code !== 0) throw new CannotBringRedis(`dpkg-deb cannot unpack ${deb}: ${unpacked.output}`);
    }
    if (!existsSync(root)) renameSync(folder, root);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function homeOf(server: readonly string[], cli: readonly string[]): Promise<RedisHome | undefined> {
  const [program = '', ...args] = server;
  const { code, output } = await tryRun(program, [...args, '--version']);
  const version = /v=(\d+\.\d+\.\d+)/.exec(output)?.[1];
  return code === 0 && version && Number.parseInt(version, 10) >= OLDEST ? { server, cli, version } : undefined;
}
