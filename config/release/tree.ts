/**
 * What every package and the image hold: the compiled program, its packages without the development ones, Node itself, the files for the
 * PBX, the unit, the documentation, laid out as they are installed. What goes in is what `package.json` lists under `files`, so that all
 * of them and `npm pack` hold the same. Two trees of one commit are the same, byte for byte and by their times.
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
import { type Architecture, nodeFor } from './node.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export const MAINTAINER = 'The pushwake authors <pushwake@example.org>';

/** A line for each of some 14,000 files. */
const MOST_OUTPUT = 16 * 1024 * 1024;

export const say = (line: string) => process.stdout.write(`${line}\n`);

/** What the program printed. Throws when it fails; its errors are seen at the terminal. */
export const run = (program: string, args: readonly string[], options: { cwd?: string; env?: object } = {}): string =>
  execFileSync(program, [...args], {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, SOURCE_DATE_EPOCH: String(builtAt()), LC_ALL: 'C', ...options.env },
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: MOST_OUTPUT,
  });

/** Seconds since 1970: `SOURCE_DATE_EPOCH`, else the time of the commit, so that a later build of it is the same. */
export function builtAt(): number {
  const given = Number(process.env.SOURCE_DATE_EPOCH);
  if (Number.isSafeInteger(given) && given > 0) return given;
  try {
    return Number(execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }));
  } catch {
    // A source archive has no history. Its changelog is as old as the release.
    return Math.floor(statSync(join(ROOT, 'CHANGELOG.md')).mtimeMs / 1_000);
  }
}

export interface PackageJson {
  readonly version: string;
  readonly description: string;
  readonly files: readonly string[];
}

export const packageJson = (): PackageJson => JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** Makes it in a folder of its own, and removes that when `use` is through. */
export function withTree<T>(architecture: Architecture, use: (tree: string) => T): T {
  const tree = mkdtempSync(join(tmpdir(), 'pushwake-tree-'));
  try {
    chmodSync(tree, 0o755);
    stage(tree, architecture);
    return use(tree);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

function stage(tree: string, architecture: Architecture): void {
  const lib = join(tree, 'usr/lib/pushwake');
  const doc = join(tree, 'usr/share/doc/pushwake');
  for (const dir of [join(lib, 'bin'), join(tree, 'usr/bin'), doc]) mkdirSync(dir, { recursive: true });

  say('compiling');
  // Nothing of an earlier build shall end up in this one.
  for (const name of ['plugin', 'adapters', 'config', 'test']) {
    rmSync(join(ROOT, 'dist', name), { recursive: true, force: true });
  }
  run('npm', ['run', '--silent', 'build']);
  say('run-time packages');
  for (const name of ['package.json', 'package-lock.json', '.npmrc']) copyFileSync(join(ROOT, name), join(lib, name));
  run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--silent'], { cwd: lib });
  for (const name of ['package-lock.json', '.npmrc']) rmSync(join(lib, name));
  // What nobody runs: a fifth of the size. Licences stay.
  removeWhere(
    join(lib, 'node_modules'),
    (path) => FOR_DEVELOPERS.test(basename(path)) && !/licen[cs]e|notice/i.test(path),
  );

  say('files');
  const shipped = packageJson().files.filter((f) => !f.startsWith('!') && !APART.includes(f));
  for (const name of shipped) cpSync(join(ROOT, name), join(lib, name), { recursive: true });
  // The sources of the configuration's own readers are in dist already; what stays is for people and PBXs.
  removeWhere(join(lib, 'config'), (path) => path.endsWith('.ts'));
  for (const dir of ['debian', 'release', 'systemd', 'container', 'ansible']) {
    rmSync(join(lib, 'config', dir), { recursive: true, force: true });
  }
  rmSync(join(lib, 'dist/test'), { recursive: true, force: true });
  // Packages that were built into the folder before.
  for (const name of readdirSync(join(lib, 'dist'))) {
    if (!['plugin', 'adapters', 'config'].includes(name)) rmSync(join(lib, 'dist', name), { recursive: true });
  }
  removeWhere(join(lib, 'dist'), (path) => path.endsWith('.d.ts'));
  copyFileSync(nodeFor(architecture), join(lib, 'bin/node'));
  write(join(tree, 'usr/bin/pushwake'), WRAPPER);
  cpSync(join(ROOT, 'docs'), join(doc, 'docs'), { recursive: true });
  write(join(doc, 'copyright'), copyright(join(lib, 'node_modules')));
  write(join(doc, 'CHANGELOG.md.gz'), gzipSync(readFileSync(join(ROOT, 'CHANGELOG.md')), { level: 9 }));
  write(
    join(tree, 'usr/share/man/man1/pushwake.1.gz'),
    gzipSync(readFileSync(join(ROOT, 'config/debian/pushwake.1')), { level: 9 }),
  );
  write(
    join(tree, 'usr/lib/systemd/system/pushwake.service'),
    readFileSync(join(ROOT, 'config/systemd/pushwake.service')),
  );
  plainModes(join(tree, 'usr'));
  for (const name of ['usr/lib/pushwake/bin/node', 'usr/bin/pushwake']) chmodSync(join(tree, name), 0o755);
}

/** Stands elsewhere in a package, or not at all. */
const APART: readonly string[] = ['docs', 'test/support', 'CHANGELOG.md'];

/** A small young generation and one arena, as `plugin/cli.ts` says why. */
const WRAPPER = `#!/bin/sh
MALLOC_ARENA_MAX="\${MALLOC_ARENA_MAX:-1}"
export MALLOC_ARENA_MAX
exec /usr/lib/pushwake/bin/node --max-semi-space-size=4 /usr/lib/pushwake/dist/plugin/cli.js "$@"
`;

const FOR_DEVELOPERS =
  /\.(?:d\.[cm]?ts|map|md|markdown|html)$|^\.(?:eslint|npmignore|nycrc|travis|prettier|editorconfig|git)/;

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

Files: usr/lib/pushwake/dist/plugin/phone/*.js
Copyright: The pushwake authors, and the authors of the packages that licences.txt beside them names
License: Apache-2.0 and MIT
 See usr/lib/pushwake/dist/plugin/phone/licences.txt

Files: usr/lib/pushwake/node_modules/*
Copyright: the authors of each package; see its folder
License: various
${[...found]
  .sort()
  .map((line) => ` ${line}`)
  .join('\n')}
`;
}

export function write(path: string, data: string | Uint8Array, mode = 0o644): void {
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

export function sizeOf(dir: string): number {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** Every file of one time, so that a package does not depend on when it was built. */
export function sameTimes(dir: string): void {
  run('find', [dir, '-exec', 'touch', '--no-dereference', `--date=@${builtAt()}`, '{}', '+']);
}
