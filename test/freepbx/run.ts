/**
 * `npm run test:freepbx [-- filter…]`: the tests on a site that FreePBX's own generators write, from the checkouts that `PUSHWAKE_FREEPBX`
 * names. Exit codes: 0 all passed, 1 something failed, 3 there are no checkouts, PHP or MariaDB, and nothing was tested.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MODULES, missing } from './site.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const reason = missing(process.env.PUSHWAKE_FREEPBX);
if (reason) {
  process.stderr.write(
    `NOT TESTED: ${reason}. Name a folder in which FreePBX’s modules (${MODULES.join(', ')}) lie, each checked out\n` +
      'from its branch release/17.0; PHP 8.2 (cli, mysql, xml) and MariaDB must be installed:\n' +
      '    PUSHWAKE_FREEPBX=/srv/freepbx npm run test:freepbx\n',
  );
  process.exit(3);
}
const vitest = join(ROOT, 'node_modules/.bin/vitest');
const { status } = spawnSync(vitest, ['run', '--project', 'freepbx', ...process.argv.slice(2)], {
  cwd: ROOT,
  stdio: 'inherit',
});
process.exit(status === 0 ? 0 : 1);
