/**
 * `npm run test:app [-- filter…]`: `pushwake app-test` on a real Asterisk, and on a FreeSWITCH where there is one (see `test:freeswitch`).
 * `APP_REPORTS=1` writes the reports of apps that do everything right to docs/apps.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { locateFreeswitch } from '../../support/freeswitch/index.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const home = locateFreeswitch();
if (!home)
  process.stderr.write('NOT TESTED on FreeSWITCH: there is none here; name its prefix in PUSHWAKE_FREESWITCH.\n');
const without = home ? [] : ['--exclude', 'test/app-test/real/freeswitch.test.ts'];
const { status } = spawnSync(
  join(ROOT, 'node_modules/.bin/vitest'),
  ['run', '--project', 'app', ...without, ...process.argv.slice(2)],
  {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ...(home && !process.env.PUSHWAKE_FREESWITCH && { PUSHWAKE_FREESWITCH: home.prefix }) },
  },
);
process.exit(status === 0 ? 0 : 1);
