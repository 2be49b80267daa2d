/** `pushwake backup` and `pushwake restore`: everything that is stored, in one file. */
import type { Command } from 'commander';
import { readIn, writeOut } from './bindings/files.ts';
import { load, withConfig } from './setup.ts';
import { say } from './terminal.ts';

export function addBackup(program: Command): void {
  withConfig(program.command('backup'))
    .description('Writes everything that is stored into one file, also while pushwake runs: bindings, texts that wait.')
    .argument('<file>', 'new file, made with mode 0600')
    .option('--json', 'one JSON object that says how many')
    .addHelpText(
      'after',
      `
The file holds push tokens and texts: keep it as secret as the store. The configuration and its keys are not in it.

Example:
  $ pushwake backup /var/backups/pushwake-$(date +%F).jsonl`,
    )
    .action(async (file: string, o: { config: string; json?: boolean }) => {
      const { records, texts } = await writeOut(await load(o.config), file, { texts: true, recordFormat: undefined });
      say(
        o.json ? JSON.stringify({ file, records, texts }) : `${records} accounts and ${texts} texts written to ${file}`,
      );
    });
}

export function addRestore(program: Command): void {
  withConfig(program.command('restore'))
    .description('Reads a backup into the store. With SQLite stop pushwake first; with Redis it may run.')
    .argument(
      '<file>',
      'made by `pushwake backup` or `pushwake bindings export`, of this version or of the two after it',
    )
    .option('--replace', 'accounts that are stored already give way; without it they are left as they are, being newer')
    .option('--json', 'one JSON object that says how many')
    .addHelpText(
      'after',
      `
A file with a mistake changes nothing. Exit code 1: the store cannot be written, for example because pushwake runs.

Example:
  $ systemctl stop pushwake
  $ pushwake restore /var/backups/pushwake-2026-11-28.jsonl
  $ systemctl start pushwake`,
    )
    .action(async (file: string, o: { config: string; replace?: boolean; json?: boolean }) => {
      const { imported, kept, texts } = await readIn(await load(o.config), file, { replace: o.replace ?? false });
      say(
        o.json
          ? JSON.stringify({ file, restored: imported, kept: kept.length, texts })
          : `${imported} accounts restored, ${kept.length} left as they are; ${texts} texts wait`,
      );
    });
}
