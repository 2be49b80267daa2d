import type { Command } from 'commander';
import type { BrakeState } from '../ports/status.ts';
import { askAdmin, refusal } from './admin-client.ts';
import { CommandError, EXIT } from './exit.ts';
import { load, withConfig } from './setup.ts';
import { say } from './terminal.ts';

export function addBrake(program: Command): void {
  const brake = program
    .command('brake')
    .description('The brake, which stops notices and drops when too many devices look dead at once.')
    .addHelpText('after', '\nExamples:\n  $ pushwake brake release');
  withConfig(brake.command('release'))
    .description('Lets the brake go: notices are sent and bindings end again.')
    .option('--app <app>', 'only this app, as `pushwake status` names it')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      `
Asks the admin listener: \`http: { admin: { tokens: [{ name: cli, role: operate, token: … }] } }\` in the configuration.
Look first at the push key and its environment, and try a phone that works with \`pushwake push-test\`.

Exit codes: 0 it holds nothing any more · 2 a mistake in the configuration · 3 no running pushwake can be asked

Examples:
  $ pushwake brake release
  $ pushwake brake release --app "apns TEAM123456.com.example.phone"`,
    )
    .action(async (o: { config: string; app?: string; json?: boolean }) => {
      const { config } = await load(o.config);
      const answer = await askAdmin(config.http.admin, {
        method: 'POST',
        path: '/v1/brake/release',
        role: 'operate',
        body: o.app === undefined ? {} : { app: o.app },
      });
      if ('unreachable' in answer) throw new CommandError(answer.unreachable, EXIT.cannotAsk);
      if (answer.status !== 200) throw new CommandError(refusal(answer), EXIT.cannotAsk);
      const { released } = answer.body as { released: readonly BrakeState[] };
      if (o.json) return say(JSON.stringify({ released }));
      if (released.length === 0)
        return say(o.app === undefined ? 'The brake held nothing.' : `The brake did not hold ${o.app}.`);
      for (const { app, reason } of released) say(`Released ${app ?? 'everything'}: it was held because of ${reason}.`);
    });
}
