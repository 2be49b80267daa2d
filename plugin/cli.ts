#!/usr/bin/env node
/** The commands. Exit codes: 0 done, 1 failed, 2 a mistake in the configuration or in the arguments. */
import { Command } from 'commander';
import { ConfigError, loadConfig } from '../config/load.ts';
import { policyChooser } from '../config/policies.ts';
import { parseAor } from './core/aor.ts';
import { instant } from './core/time.ts';
import { adapters, schemasOf, start } from './main.ts';
import { readManifest } from './manifest.ts';
import { simulate, stamp } from './runtime/simulate.ts';
import { CLAUSES, parseStory, StoryError } from './runtime/story.ts';

/** The Monday of every simulated story; any would do. */
const MONDAY = instant(Date.UTC(2026, 2, 2));
const DEFAULT_CONFIG = '/etc/pushwake/pushwake.yaml';

const program = new Command('pushwake')
  .description('Makes softphones on sleeping mobiles ring, beside your own PBX.')
  .version(readManifest().version)
  .showHelpAfterError();

program
  .command('start')
  .description('Runs in the foreground until SIGTERM or SIGINT. Logs JSON lines to stdout.')
  .option('-c, --config <file>', 'configuration', DEFAULT_CONFIG)
  .action((o: { config: string }) => start(o.config));

program
  .command('check-config')
  .description('Reads the configuration and lists every mistake with file, line and column. Changes nothing.')
  .option('-c, --config <file>', 'configuration', DEFAULT_CONFIG)
  .action(async (o: { config: string }) => {
    try {
      const config = loadConfig(o.config, schemasOf(await adapters()));
      process.stdout.write(`${o.config} is right: mode ${config.mode}, ${Object.keys(config.pbx).length} PBX\n`);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 2;
    }
  });

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
    if (!aor) return fail(`--aor: "${o.aor}" is no AOR; expected for example 1001@example.com`);
    const policies = o.config ? loadConfig(o.config, schemasOf(await adapters())) : { policy: {}, policies: [] };
    try {
      const parsed = parseStory(story, MONDAY);
      for (const entry of simulate(parsed, policyChooser(policies)(aor), aor)) {
        const line = o.json
          ? JSON.stringify({ ...entry, at: new Date(entry.at).toISOString() })
          : `${stamp(entry.at, parsed.registeredAt)}  ${entry.who.padEnd(9)} ${entry.what}${entry.why ? ` (${entry.why})` : ''}`;
        process.stdout.write(`${line}\n`);
      }
    } catch (error) {
      if (!(error instanceof StoryError)) throw error;
      fail(error.message);
    }
  });

function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 2;
}

try {
  await program.parseAsync();
} catch (error) {
  // Every mistake of the file at once, as `check-config` prints them; anything else is a bug and shows its stack.
  if (!(error instanceof ConfigError)) throw error;
  fail(error.message);
}
