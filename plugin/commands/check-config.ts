import type { Command } from 'commander';
import { ConfigError, ConfigFileError } from '../../config/load.ts';
import { EXIT } from './exit.ts';
import { loadAndTryOut, withConfig } from './setup.ts';
import { say, tellText } from './terminal.ts';

export function addCheckConfig(program: Command): void {
  withConfig(program.command('check-config'))
    .description('Reads the configuration and lists every mistake with file, line and column. Changes nothing.')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  $ pushwake check-config
  $ pushwake check-config -c new.yaml && systemctl reload pushwake`,
    )
    .action(async (o: { config: string; json?: boolean }) => {
      try {
        const { config, warnings } = await loadAndTryOut(o.config);
        const pbx = Object.keys(config.pbx).length;
        if (o.json) return say(JSON.stringify({ file: o.config, right: true, mistakes: [], warnings }));
        for (const w of warnings) tellText(`warning: ${o.config}:${w.line}:${w.column} ${w.path}: ${w.message}`);
        say(`${o.config} is right: mode ${config.mode}, ${pbx} PBX`);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        process.exitCode = EXIT.mistake;
        if (o.json)
          return say(
            JSON.stringify({
              file: o.config,
              right: false,
              mistakes: error instanceof ConfigFileError ? error.mistakes : [],
            }),
          );
        tellText(error.message);
      }
    });
}
