/**
 * `npm run test:app [-- filter…]`: `pushwake app-test` on a real Asterisk, and on a FreeSWITCH where there is one (see `test:freeswitch`), with the
 * SIP phone of the tests and with those of Debian's softphones that are installed. `APP_TEST_ONLY=A4,baresip-1.0` chooses misbehaviours and
 * programs; `APP_REPORTS=1` writes the reports of apps that do everything right to docs/apps. What is left out is named.
 * Exit codes: 0 all passed, 1 something failed, 3 nothing was tested.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { locateFreeswitch } from '../../support/freeswitch/index.ts';
import { choosePrograms } from './apps/needs.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const home = locateFreeswitch();
const only = process.env.APP_TEST_ONLY;
const { names, missing } = choosePrograms(only);
const say = (line: string) => process.stderr.write(`${line}\n`);

if (!home) say('NOT TESTED on FreeSWITCH: there is none here; name its prefix in PUSHWAKE_FREESWITCH.');
for (const { name, packages } of missing)
  say(`NOT TESTED with ${name}: missing from Debian: apt-get install ${packages.join(' ')}`);
// Only programs were chosen, and none of them is here.
if (names.length === 0 && missing.length > 0 && only?.split(',').length === missing.length) process.exit(3);

const without = [
  ...(home ? [] : ['test/app-test/real/freeswitch.test.ts', 'test/app-test/real/apps-freeswitch.test.ts']),
  ...(names.length > 0 ? [] : ['test/app-test/real/apps-*.test.ts']),
].flatMap((files) => ['--exclude', files]);
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
