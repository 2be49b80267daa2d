#!/usr/bin/env node
/** The commands. Exit codes: 0 done, 1 failed, 2 a mistake in the configuration or in the arguments. */
import { Command } from 'commander';
import { ConfigError, loadConfig } from '../config/load.ts';
import { adapters, schemasOf, start } from './main.ts';
import { readManifest } from './manifest.ts';

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

await program.parseAsync();
