/** Node itself, as npm brings it: of this machine's processor it is there already, of another one it is fetched and compared. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** As Node calls processors. */
export type Architecture = 'x64' | 'arm64';

/** npm's `integrity` of `node-linux-<architecture>` (SHA-512 in base64), by version. */
const KNOWN: Readonly<Record<string, string>> = {
  '24.21.0 arm64': 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
};

/** Path of a program `node` for that processor. Throws when it is not the one whose sum stands here. */
export function nodeFor(architecture: Architecture): string {
  const brought = join(ROOT, 'node_modules/node/bin/node');
  if (architecture === process.arch) return existsSync(brought) ? brought : process.execPath;
  return fetched(architecture);
}

const cache = new Map<Architecture, string>();

function fetched(architecture: Architecture): string {
  const known = cache.get(architecture);
  if (known !== undefined) return known;
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const version = String(devDependencies.node);
  const expected = KNOWN[`${version} ${architecture}`];
  if (expected === undefined) {
    throw new Error(
      `config/release/node.ts has no sum of node-linux-${architecture}@${version}: npm view … dist.integrity`,
    );
  }
  const folder = mkdtempSync(join(tmpdir(), 'pushwake-node-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', `node-linux-${architecture}@${version}`], { cwd: folder, encoding: 'utf8' }),
  ) as [{ filename: string }];
  const archive = join(folder, packed.filename);
  const sum = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (sum !== expected)
    throw new Error(`node-linux-${architecture}@${version} is another file than the one that is known`);
  execFileSync('tar', ['-xzf', archive, '-C', folder, 'package/bin/node']);
  const node = join(folder, 'package/bin/node');
  cache.set(architecture, node);
  return node;
}
