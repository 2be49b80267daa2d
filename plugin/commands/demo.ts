import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { PACKAGE_ROOT } from '../manifest.ts';
import { CommandError, EXIT } from './exit.ts';

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description(
      'Plays a sleeping phone on a real Asterisk of its own, on loopback. Options: see `pushwake demo -- --help`.',
    )
    .argument('[options...]', 'handed on, after `--`: --week, --keep, --sabotage <step>, …')
    .addHelpText('after', '\nExamples:\n  $ pushwake demo\n  $ pushwake demo -- --week')
    .action((options: string[]) => {
      const script = join(PACKAGE_ROOT, 'test', 'demo', 'demo.ts');
      if (!existsSync(script)) {
        throw new CommandError('the demo runs from the sources: clone them, then `npm ci && npm run demo`');
      }
      const child = spawn(process.execPath, [script, ...options], { stdio: 'inherit' });
      child.on('exit', (code, signal) => {
        process.exitCode = code ?? (signal ? EXIT.failed : EXIT.done);
      });
    });
}
