import type { Command } from 'commander';
import { policyChooser } from '../../config/policies.ts';
import { parseAor } from '../core/aor.ts';
import { instant } from '../core/time.ts';
import { simulate, stamp } from '../simulate/simulate.ts';
import { CLAUSES, parseStory, StoryError } from '../simulate/story.ts';
import { CommandError } from './exit.ts';
import { load } from './setup.ts';
import { say } from './terminal.ts';

/** The Monday of every simulated story; any would do. */
const MONDAY = instant(Date.UTC(2026, 2, 2));

export function addSimulate(program: Command): void {
  program
    .command('simulate')
    .description('Shows what would happen to one phone: every push with its reason. Sends nothing, asks nobody.')
    .argument('<story>', 'for example: "registered Monday 9:00, iOS, phone off from Tuesday"')
    .option('-c, --config <file>', 'take the policies of this configuration; without it the defaults')
    .option('--aor <aor>', 'the account, for policies by AOR', '1001@example.com')
    .option('--json', 'one JSON object per line')
    .addHelpText('after', `\nA story is a list of clauses, separated by commas:\n${CLAUSES}`)
    .action(async (story: string, o: { config?: string; aor: string; json?: boolean }) => {
      const aor = parseAor(o.aor);
      if (!aor) throw new CommandError(`--aor: "${o.aor}" is no AOR; expected for example 1001@example.com`);
      const policies = o.config ? (await load(o.config)).config : { policy: {}, policies: [] };
      try {
        const parsed = parseStory(story, MONDAY);
        for (const entry of simulate(parsed, policyChooser(policies)(aor), aor)) {
          const why = entry.why ? ` (${entry.why})` : '';
          say(
            o.json
              ? JSON.stringify({ ...entry, at: new Date(entry.at).toISOString() })
              : `${stamp(entry.at, parsed.registeredAt)}  ${entry.who.padEnd(9)} ${entry.what}${why}`,
          );
        }
      } catch (error) {
        if (error instanceof StoryError) throw new CommandError(error.message);
        throw error;
      }
    });
}
