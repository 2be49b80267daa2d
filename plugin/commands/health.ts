/** `pushwake health`: for a container's health check, where there is no curl. */
import type { Command } from 'commander';
import { askAdmin, NO_ADMIN } from './admin-client.ts';
import { CommandError, EXIT } from './exit.ts';
import { load, withConfig } from './setup.ts';
import { say } from './terminal.ts';

export function addHealth(program: Command): void {
  withConfig(program.command('health'))
    .description('Whether the running pushwake works: its main loop answers. Reads nothing from the store.')
    .option('--ready', 'whether it has started and some PBX link is up, too')
    .addHelpText(
      'after',
      `
Asks the admin listener: \`http: { admin: {} }\` in the configuration. A health check that restarts the container should not
use --ready: a PBX that is away is no reason for a restart.

Exit codes: 0 it works · 1 it does not · 2 a mistake in the configuration · 3 it has no admin listener

Example:
  $ pushwake health`,
    )
    .action(async (o: { config: string; ready?: boolean }) => {
      const { config } = await load(o.config);
      if (!config.http.admin) throw new CommandError(NO_ADMIN, EXIT.cannotAsk);
      const what = o.ready ? 'ready' : 'live';
      const answer = await askAdmin(config.http.admin, { path: `/health/${what}` });
      if ('unreachable' in answer) throw new CommandError(answer.unreachable, EXIT.failed);
      if (answer.status !== 200) throw new CommandError(`not ${what}: it answers ${answer.status}`, EXIT.failed);
      say(what);
    });
}
