/**
 * `npm run test:fusionpbx [-- filter…]`: FusionPBX's own scripts on a real FreeSWITCH. Exit codes: 0 all passed, 1 something failed,
 * 3 a part is not here and nothing was tested.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { locateFreeswitch } from '../support/freeswitch/index.ts';
import { Checkout } from '../support/fusionpbx/checkout.ts';
import { locatePostgres } from '../support/fusionpbx/postgres.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const home = locateFreeswitch();
const module = (name: string) =>
  home !== undefined &&
  ['lib/freeswitch/mod', 'mod'].some((folder) => existsSync(join(home.prefix, folder, `${name}.so`)));
const missing = [
  ...(Checkout.find() ? [] : ['a checkout of FusionPBX: name its folder in PUSHWAKE_FUSIONPBX']),
  ...(home ? [] : ['a FreeSWITCH: name its prefix in PUSHWAKE_FREESWITCH']),
  ...['mod_lua', 'mod_pgsql', 'mod_callcenter', 'mod_sndfile']
    .filter((name) => home && !module(name))
    .map((name) => `${name} of FreeSWITCH`),
  ...(locatePostgres() ? [] : ['a PostgreSQL (Debian: postgresql)']),
];
if (missing.length > 0) {
  process.stderr.write(`NOT TESTED: there is no\n${missing.map((one) => `  ${one}\n`).join('')}`);
  process.exit(3);
}
const vitest = join(ROOT, 'node_modules/.bin/vitest');
const { status } = spawnSync(vitest, ['run', '--project', 'fusionpbx', ...process.argv.slice(2)], {
  cwd: ROOT,
  stdio: 'inherit',
});
process.exit(status === 0 ? 0 : 1);
