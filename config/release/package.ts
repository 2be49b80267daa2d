/**
 * `npm run package`: one package into `dist/`. Without options the .deb for this machine's processor; `--arch arm64` and `--format rpm`
 * or `image` choose another.
 */
import { rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { debianOf } from './debian.ts';
import { imageOf } from './image.ts';
import type { Architecture } from './node.ts';
import { rpmOf } from './rpm.ts';
import { ROOT, say, withTree } from './tree.ts';

const FORMATS = { deb: debianOf, rpm: rpmOf, image: imageOf };
const INSTALL: Readonly<Record<keyof typeof FORMATS, string>> = {
  deb: 'apt install ./',
  rpm: 'dnf install ./',
  image: 'podman load -i ',
};

const { values } = parseArgs({
  options: { arch: { type: 'string', default: process.arch }, format: { type: 'string', default: 'deb' } },
});
const { arch, format } = values;
if (arch !== 'x64' && arch !== 'arm64') fail(`--arch: expected x64 or arm64, not "${arch}"`);
if (format !== 'deb' && format !== 'rpm' && format !== 'image')
  fail(`--format: expected deb, rpm or image, not "${format}"`);
if (format === 'image' && arch !== 'x64')
  fail('--format image: only for x64; its libraries come from the Debian that builds it');

const folder = join(ROOT, 'dist');
// No earlier package shall be taken for this one.
rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
const file = withTree(arch as Architecture, (tree) => FORMATS[format](tree, folder, arch as Architecture));
say(`${join('dist', basename(file))}  ${(statSync(file).size / 1e6).toFixed(1)} MB`);
say(`install it: ${INSTALL[format]}${basename(file)}`);

function fail(words: string): never {
  process.stderr.write(`${words}\n`);
  process.exit(2);
}
