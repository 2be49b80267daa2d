/** The Debian package: the tree with control files around it. Needs dpkg-deb. */
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Architecture } from './node.ts';
import { builtAt, MAINTAINER, packageJson, ROOT, run, sameTimes, say, sizeOf, withTree, write } from './tree.ts';

const HERE = join(ROOT, 'config/debian');

/** Names of Debian's for what Node calls them. */
const ARCHITECTURES: Readonly<Record<Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };

/** Builds it into `folder`, for this machine's processor. Returns its path. */
export function buildPackage(folder: string): string {
  const architecture = process.arch === 'arm64' ? 'arm64' : 'x64';
  return withTree(architecture, (tree) => debianOf(tree, folder, architecture));
}

/** Of a tree that is there; leaves it as it was. */
export function debianOf(source: string, folder: string, architecture: Architecture): string {
  const { version, description } = packageJson();
  const tree = `${source}.deb`;
  try {
    cpSync(source, tree, { recursive: true, verbatimSymlinks: true });
    // Debian 12 reads both places; 11 this one.
    mkdirSync(join(tree, 'lib'));
    renameSync(join(tree, 'usr/lib/systemd'), join(tree, 'lib/systemd'));
    const doc = join(tree, 'usr/share/doc/pushwake');
    write(join(doc, 'changelog.gz'), gzipSync(changelog(version), { level: 9 }));
    write(join(tree, 'usr/share/lintian/overrides/pushwake'), readFileSync(join(HERE, 'lintian-overrides')));
    for (const script of ['postinst', 'prerm', 'postrm']) {
      write(join(tree, 'DEBIAN', script), readFileSync(join(HERE, script)), 0o755);
    }
    write(join(tree, 'DEBIAN/control'), control(version, description, ARCHITECTURES[architecture], sizeOf(tree)));
    const sums = run('sh', ['-c', 'find usr lib -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum'], { cwd: tree });
    write(join(tree, 'DEBIAN/md5sums'), sums);
    sameTimes(tree);

    say('packing the .deb');
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `pushwake_${version}_${ARCHITECTURES[architecture]}.deb`);
    // One thread: xz divides the work, and so the bytes, by their number.
    run('dpkg-deb', ['--root-owner-group', '-Zxz', '-z2', '--threads-max=1', '--build', tree, file]);
    return file;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

function control(version: string, description: string, architecture: string, bytes: number): string {
  return `Package: pushwake
Version: ${version}
Architecture: ${architecture}
Maintainer: ${MAINTAINER}
Installed-Size: ${Math.ceil(bytes / 1_024)}
Depends: libc6 (>= 2.28), libstdc++6, libgcc-s1, adduser, ca-certificates, init-system-helpers
Recommends: systemd
Suggests: asterisk (>= 1:16), redis-server (>= 5:7)
Section: comm
Priority: optional
Description: ${description.split(':')[0] ?? description}
 Sees which phones registered with your own Asterisk or FreeSWITCH can be
 woken by push, sends the push when a call comes, and lets the PBX ring the
 phone as soon as it has registered. Keeps each push binding alive for a week,
 warns the user before it ends, and cleans up after apps that were deleted.
 .
 No call fails because of it: absent, dead or hung, the PBX rings every
 contact it knows by itself.
`;
}

/** In Debian's form; what changed stands in `CHANGELOG.md`. */
function changelog(version: string): string {
  return `pushwake (${version}) stable; urgency=medium

  * What changed: /usr/share/doc/pushwake/CHANGELOG.md.gz

 -- ${MAINTAINER}  ${run('date', ['-u', '-R', `--date=@${builtAt()}`]).trim()}
`;
}
