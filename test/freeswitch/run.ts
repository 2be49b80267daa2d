/**
 * `npm run test:freeswitch [-- filter…]`: the tests that need a real FreeSWITCH, on the one `PUSHWAKE_FREESWITCH` (its prefix)
 * names, or the one on the PATH. Exit codes: 0 all passed, 1 something failed, 3 there is no FreeSWITCH and nothing was tested.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { locateFreeswitch } from '../support/freeswitch/index.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const home = locateFreeswitch();
if (!home) {
  process.stderr.write(
    'NOT TESTED: there is no FreeSWITCH here. Debian has no package of it; build one (1.10.5 or newer, with mod_sofia,\n' +
      'mod_loopback, mod_hash, mod_db, mod_commands, mod_dptools, mod_dialplan_xml, mod_event_socket, mod_logfile,\n' +
      'mod_tone_stream, and for the table of calls mod_callcenter, mod_fifo, mod_valet_parking) and name its prefix:  PUSHWAKE_FREESWITCH=/usr/local/freeswitch npm run test:freeswitch\n',
  );
  process.exit(3);
}
const version = spawnSync(home.program, ['-version'], { encoding: 'utf8' }).stdout.trim();
process.stdout.write(`${version}\n${home.program}\n`);
const vitest = join(ROOT, 'node_modules/.bin/vitest');
const { status } = spawnSync(vitest, ['run', '--project', 'freeswitch', ...process.argv.slice(2)], {
  cwd: ROOT,
  stdio: 'inherit',
  env: { ...process.env, ...(process.env.PUSHWAKE_FREESWITCH ? {} : { PUSHWAKE_FREESWITCH: home.prefix }) },
});
process.exit(status === 0 ? 0 : 1);
