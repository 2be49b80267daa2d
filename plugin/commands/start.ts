import type { Command } from 'commander';
import { start } from '../main.ts';
import { withConfig } from './setup.ts';
import { compileEarly, growHeapSlowly } from './v8.ts';

export function addStart(program: Command): void {
  withConfig(program.command('start'))
    .description('Runs in the foreground until SIGTERM or SIGINT. Logs JSON lines to stdout.')
    .addHelpText(
      'after',
      `
SIGHUP reads the configuration again: a right one is applied without losing a call, one with a mistake changes nothing and
is logged with line and column. The store and the listeners' addresses wait for the next start; the log names them.

Examples:
  $ pushwake start -c /etc/pushwake/pushwake.yaml
  $ kill -HUP $(pidof pushwake)      or: systemctl reload pushwake`,
    )
    .action((o: { config: string }) => {
      growHeapSlowly();
      compileEarly();
      return start(o.config);
    });
}
