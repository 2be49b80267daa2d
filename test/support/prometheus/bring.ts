/**
 * Brings `promtool` for the tests: the machine's own, else that of Debian's package, unpacked into a cache folder. Nothing is
 * installed on the machine and no Prometheus is started.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder } from '../asterisk/bring.ts';
import { tryRun } from '../asterisk/shell.ts';

/** Says what is missing on this machine. */
export class CannotBringPromtool extends Error {
  override readonly name = 'CannotBringPromtool';
}

/** The program to run. */
export async function bringPromtool(): Promise<string> {
  if (await runs('promtool')) return 'promtool';
  const root = join(cacheFolder(), 'prometheus');
  const program = join(root, 'usr/bin/promtool');
  if (!existsSync(program)) await unpack(root);
  if (!(await runs(program))) throw new CannotBringPromtool(`${program} does not run: delete ${root} and try again`);
  return program;
}

async function unpack(root: string): Promise<void> {
  mkdirSync(dirname(root), { recursive: true });
  // Beside its place and renamed at the end: several processes may do this at once, and one may be broken off.
  const folder = mkdtempSync(`${root}.new-`);
  try {
    const download = () => tryRun('sh', ['-c', 'cd "$0" && apt-get download prometheus', folder]);
    let { code, output } = await download();
    if (code !== 0) {
      await tryRun('apt-get', ['update']);
      ({ code, output } = await download());
    }
    if (code !== 0) {
      throw new CannotBringPromtool(
        `tests of the alert rules need promtool of the package prometheus, or apt-get:\n${output}`,
      );
    }
    for (const deb of readdirSync(folder).filter((name) => name.endsWith('.deb'))) {
      const unpacked = await tryRun('dpkg-deb', ['-x', join(folder, deb), folder]);
      if (unpacked.code !== 0) throw new CannotBringPromtool(`dpkg-deb cannot unpack ${deb}: ${unpacked.output}`);
      rmSync(join(folder, deb));
    }
    if (!existsSync(root)) renameSync(folder, root);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const runs = async (program: string): Promise<boolean> => (await tryRun(program, ['--version'])).code === 0;
