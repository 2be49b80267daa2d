/**
 * `npm run package`: one Debian package with everything in it: the compiled program, its packages without the development ones,
 * Node itself, the files for the PBX, the unit, the documentation. Needs dpkg-deb; says where the package lies. What ends up
 * in it is what `package.json` lists under `files`, so that it and `npm pack` hold the same.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const HERE = join(ROOT, 'config/debian');

const MAINTAINER = 'The pushwake authors <pushwake@example.org>';

/** Names of Debian's for what Node calls them. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** A line for each of some 14,000 files. */
const MOST_OUTPUT = 16 * 1024 * 1024;

const say = (line: string) => process.stdout.write(`${line}\n`);
const run = (program: string, args: readonly string[], cwd = ROOT) =>
  execFileSync(program, [...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: MOST_OUTPUT,
  });

interface PackageJson {
  readonly version: string;
  readonly description: string;
  readonly files: readonly string[];
}

/** Builds it into `folder`. Resolves with its path. */
export function buildPackage(folder: string): string {
  const { version, description, files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as PackageJson;
  const architecture = ARCHITECTURES[process.arch];
  if (!architecture) throw new Error(`no name of Debian's is known for the processor ${process.arch}`);
  const tree = mkdtempSync(join(tmpdir(), 'pushwake-deb-'));
  try {
    const lib = join(tree, 'usr/lib/pushwake');
    const doc = join(tree, 'usr/share/doc/pushwake');
    for (const dir of [join(lib, 'bin'), join(tree, 'usr/bin'), doc, join(tree, 'DEBIAN')])
      mkdirSync(dir, { recursive: true });

    say('compiling');
    // Nothing of an earlier build, and no earlier package, shall end up in this one.
    rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
    run('npm', ['run', '--silent', 'build']);
    say('run-time packages');
    for (const name of ['package.json', 'package-lock.json', '.npmrc']) copyFileSync(join(ROOT, name), join(lib, name));
    run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--silent'], lib);
    for (const name of ['package-lock.json', '.npmrc']) rmSync(join(lib, name));

    // What nobody runs: a fifth of the size. Licences stay.
    removeWhere(
      join(lib, 'node_modules'),
      (path) => FOR_DEVELOPERS.test(basename(path)) && !/licen[cs]e|notice/i.test(path),
    );

    say('files');
    for (const name of files.filter((f) => f !== 'docs' && f !== 'test/support' && f !== 'CHANGELOG.md')) {
      cpSync(join(ROOT, name), join(lib, name), { recursive: true });
    }
    // The sources of the configuration's own readers are in dist already; what stays is for people and PBXs.
    removeWhere(join(lib, 'config'), (path) => path.endsWith('.ts'));
    rmSync(join(lib, 'config/debian'), { recursive: true, force: true });
    for (const dir of ['dist/test', 'dist/config/debian']) rmSync(join(lib, dir), { recursive: true, force: true });
    removeWhere(join(lib, 'dist'), (path) => path.endsWith('.d.ts'));
    copyFileSync(realNode(), join(lib, 'bin/node'));
    write(join(tree, 'usr/bin/pushwake'), WRAPPER, 0o755);
    cpSync(join(ROOT, 'docs'), join(doc, 'docs'), { recursive: true });
    write(join(doc, 'copyright'), copyright(join(lib, 'node_modules')));
    write(join(doc, 'changelog.gz'), gzipSync(changelog(version), { level: 9 }));
    write(join(doc, 'CHANGELOG.md.gz'), gzipSync(readFileSync(join(ROOT, 'CHANGELOG.md')), { level: 9 }));
    write(
      join(tree, 'usr/share/man/man1/pushwake.1.gz'),
      gzipSync(readFileSync(join(HERE, 'pushwake.1')), { level: 9 }),
    );
    write(join(tree, 'usr/share/lintian/overrides/pushwake'), readFileSync(join(HERE, 'lintian-overrides')));
    write(
      join(tree, 'lib/systemd/system/pushwake.service'),
      readFileSync(join(ROOT, 'config/systemd/pushwake.service')),
    );
    removeWhere(join(lib, 'config/systemd'), () => true);

    for (const script of ['postinst', 'prerm', 'postrm']) {
      write(join(tree, 'DEBIAN', script), readFileSync(join(HERE, script)), 0o755);
    }
    plainModes(join(tree, 'usr'));
    chmodSync(join(lib, 'bin/node'), 0o755);
    chmodSync(join(tree, 'usr/bin/pushwake'), 0o755);
    write(join(tree, 'DEBIAN/control'), control(version, description, architecture, sizeOf(tree)));
    write(
      join(tree, 'DEBIAN/md5sums'),
      run('sh', ['-c', 'find usr lib -type f -print0 | sort -z | xargs -0 md5sum'], tree),
    );

    say('packing');
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `pushwake_${version}_${architecture}.deb`);
    run('dpkg-deb', ['--root-owner-group', '-Zxz', '-z2', '--build', tree, file]);
    return file;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

/** A small young generation, as `plugin/cli.ts` says why. */
const WRAPPER = `#!/bin/sh
exec /usr/lib/pushwake/bin/node --max-semi-space-size=4 /usr/lib/pushwake/dist/plugin/cli.js "$@"
`;

/** The Node the project is developed on, brought by npm as a development dependency. */
function realNode(): string {
  const brought = join(ROOT, 'node_modules/node/bin/node');
  return existsSync(brought) ? brought : process.execPath;
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

const FOR_DEVELOPERS =
  /\.(?:d\.[cm]?ts|map|md|markdown|html)$|^\.(?:eslint|npmignore|nycrc|travis|prettier|editorconfig|git)/;

/** In Debian's form; what changed stands in `CHANGELOG.md`. */
function changelog(version: string): string {
  return `pushwake (${version}) stable; urgency=medium

  * What changed: /usr/share/doc/pushwake/CHANGELOG.md.gz

 -- ${MAINTAINER}  ${run('date', ['-R']).trim()}
`;
}

/** Whose work is in it, by package. */
function copyright(modules: string): string {
  const found = new Set<string>();
  const visit = (dir: string): void => {
    for (const name of readdirSync(dir)) {
      if (name.startsWith('.')) continue;
      const folder = join(dir, name);
      if (name.startsWith('@')) visit(folder);
      else if (existsSync(join(folder, 'package.json'))) {
        const { version, license, licenses } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
          version: string;
          license?: string | { type?: string };
          licenses?: readonly { type?: string }[];
        };
        const words =
          typeof license === 'string' ? license : (license?.type ?? licenses?.map((l) => l.type).join(' or '));
        found.add(`${folder.slice(modules.length + 1)} ${version}: ${words ?? 'see its folder'}`);
        if (existsSync(join(folder, 'node_modules'))) visit(join(folder, 'node_modules'));
      }
    }
  };
  visit(modules);
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: pushwake

Files: *
Copyright: 2026 The pushwake authors
License: Apache-2.0
 On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.

Files: usr/lib/pushwake/bin/node
Copyright: Node.js contributors and the authors of what it includes
License: MIT
 See https://github.com/nodejs/node/blob/main/LICENSE

Files: usr/lib/pushwake/node_modules/*
Copyright: the authors of each package; see its folder
License: various
${[...found]
  .sort()
  .map((line) => ` ${line}`)
  .join('\n')}
`;
}

function write(path: string, data: string | Uint8Array, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, data);
  chmodSync(path, mode);
}

function removeWhere(dir: string, goes: (path: string) => boolean): void {
  for (const entry of readdirSync(dir, { recursive: true, encoding: 'utf8' })) {
    const path = join(dir, entry);
    if (existsSync(path) && lstatSync(path).isFile() && goes(path)) rmSync(path);
  }
}

/** Whatever umask or archive they came with: readable by everybody, writable by root. */
function plainModes(dir: string): void {
  chmodSync(dir, 0o755);
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) plainModes(path);
    else if (entry.isFile()) chmodSync(path, 0o644);
  }
}

function sizeOf(dir: string): number {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = buildPackage(join(ROOT, 'dist'));
  say(`${join('dist', basename(file))}  ${(statSync(file).size / 1e6).toFixed(1)} MB`);
  say(`install it: apt install ./${basename(file)}`);
}
