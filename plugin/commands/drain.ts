import type { Command } from 'commander';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { SECOND } from '../core/time.ts';
import type { Health } from '../http/health.ts';
import { askAdmin, refusal } from './admin-client.ts';
import { CommandError, EXIT } from './exit.ts';
import { load, withConfig } from './setup.ts';
import { say } from './terminal.ts';

/** How often it is asked whether it still runs. */
const LOOK_EVERY = SECOND;

export function addDrain(program: Command): void {
  withConfig(program.command('drain'))
    .description('Stops the running pushwake without a lost call: new calls go to another node, its own are finished.')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      `
For several nodes beside one PBX (docs/scaling.md): look first that another one runs. It waits until no call waits
for a phone, at most three minutes, and until the due work that it claimed is done; then the process ends with exit code 4, which
the shipped unit of systemd does not start again. A call that comes to it all the same is served. Start it again with \`systemctl start pushwake\`.

Asks the admin listener: \`http: { admin: { tokens: [{ name: cli, role: operate, token: … }] } }\` in the configuration.

Exit codes: 0 it has ended · 2 a mistake in the configuration · 3 no running pushwake can be asked

Examples:
  $ pushwake drain`,
    )
    .action(async (o: { config: string; json?: boolean }) => {
      const { admin } = (await load(o.config)).config.http;
      const answer = await askAdmin(admin, { method: 'POST', path: '/v1/drain', role: 'operate', body: {} });
      if ('unreachable' in answer) throw new CommandError(answer.unreachable, EXIT.cannotAsk);
      if (answer.status !== 202) throw new CommandError(refusal(answer), EXIT.cannotAsk);
      const { waiting } = answer.body as Pick<Health, 'waiting'>;
      if (!o.json) say(`New calls go to the other node. Calls that wait here: ${waiting}.`);
      const clock = systemClock();
      const begunMs = clock.monotonicMs();
      for (;;) {
        await new Promise<void>((done) => void clock.after(LOOK_EVERY, done));
        const now = await askAdmin(admin, { path: '/v1/status' });
        // A service manager that was not told otherwise has started it again meanwhile.
        if ('unreachable' in now || (now.status === 200 && !(now.body as Health).draining)) break;
      }
      const tookMs = Math.round(clock.monotonicMs() - begunMs);
      say(o.json ? JSON.stringify({ drained: true, waiting, tookMs }) : 'It has ended.');
    });
}
