/**
 * `npm run test:browser [-- --screenshots] [filter…]`: the status pages in a real Chromium. `--screenshots` also renews those in
 * docs/screenshots. Exit codes: 0 all passed, 1 something failed, 3 there is no Chromium and nothing was tested.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bringChromium, CannotBringChromium } from '../support/chromium/bring.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const args = process.argv.slice(2);
const screenshots = args.includes('--screenshots');

try {
  await bringChromium((line) => process.stdout.write(`${line}\n`));
} catch (error) {
  if (!(error instanceof CannotBringChromium)) throw error;
  process.stderr.write(`NOT TESTED: ${error.message}\n`);
  process.exit(3);
}
const filters = args.filter((a) => a !== '--screenshots');
const { status } = spawnSync(join(ROOT, 'node_modules/.bin/vitest'), ['run', '--project', 'browser', ...filters], {
  cwd: ROOT,
  stdio: 'inherit',
  env: { ...process.env, ...(screenshots ? { PUSHWAKE_SCREENSHOTS: '1' } : {}) },
});
process.exit(status === 0 ? 0 : 1);
