/** The package of the RHEL family, from the same tree. Needs rpmbuild (Debian's package `rpm` has it). */
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Architecture } from './node.ts';
import { builtAt, packageJson, ROOT, run, sameTimes, say } from './tree.ts';

const ARCHITECTURES: Readonly<Record<Architecture, string>> = { x64: 'x86_64', arm64: 'aarch64' };

/** Of a tree that is there; leaves it as it was. Returns the path of the package in `folder`. */
export function rpmOf(source: string, folder: string, architecture: Architecture): string {
  const { version, description } = packageJson();
  const top = mkdtempSync(join(tmpdir(), 'pushwake-rpm-'));
  try {
    const tree = join(top, 'tree');
    cpSync(source, tree, { recursive: true, verbatimSymlinks: true });
    mkdirSync(join(tree, 'etc/pushwake'), { recursive: true });
    sameTimes(tree);
    const spec = join(top, 'pushwake.spec');
    const words = readFileSync(join(ROOT, 'config/rpm/pushwake.spec'), 'utf8');
    writeFileSync(
      spec,
      words
        .replaceAll('@VERSION@', version)
        .replaceAll('@SUMMARY@', description.split(':')[0] ?? description)
        .replaceAll('@TREE@', tree)
        .replaceAll('@DATE@', rpmDate(builtAt())),
    );
    say('packing the .rpm');
    const defined = Object.entries({
      _topdir: top,
      _rpmdir: join(top, 'out'),
      // Neither the machine's name nor its clock may be in the package.
      _buildhost: 'pushwake.invalid',
      use_source_date_epoch_as_buildtime: '1',
      clamp_mtime_to_source_date_epoch: '1',
      _binary_payload: 'w6.gzdio',
    }).flatMap(([name, value]) => ['--define', `${name} ${value}`]);
    run('rpmbuild', ['-bb', '--quiet', '--target', `${ARCHITECTURES[architecture]}-linux`, ...defined, spec]);
    const built = run('find', [join(top, 'out'), '-name', '*.rpm']).trim();
    mkdirSync(folder, { recursive: true });
    const file = join(folder, basename(built));
    copyFileSync(built, file);
    return file;
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
}

const rpmDate = (seconds: number): string => {
  const [day, , month, date, year] = new Date(seconds * 1_000)
    .toUTCString()
    .replace(/^(\w+), (\d+) (\w+) (\d+).*$/, '$1 - $3 $2 $4')
    .split(' ');
  return `${day} ${month} ${date} ${year}`;
};
