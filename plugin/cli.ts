#!/usr/bin/env -S node --max-semi-space-size=4
// A small young generation: V8 would rather grow to 400 MB than collect what a busy minute leaves behind.
/** The list of commands; each is a file under `commands/`. `commands/exit.ts` says how they end. */
import { Command, CommanderError } from 'commander';
import { ConfigError } from '../config/load.ts';
import { addAppKeys } from './commands/app-keys.ts';
import { addBindings } from './commands/bindings.ts';
import { addCheck } from './commands/check.ts';
import { addCheckConfig } from './commands/check-config.ts';
import { addDemo } from './commands/demo.ts';
import { CommandError, EXIT, EXIT_HELP } from './commands/exit.ts';
import { addExplain } from './commands/explain.ts';
import { addInit } from './commands/init.ts';
import { addPushTest } from './commands/push-test.ts';
import { addSimulate } from './commands/simulate.ts';
import { addStart } from './commands/start.ts';
import { addStatus } from './commands/status.ts';
import { readManifest } from './manifest.ts';
import { StoreError } from './ports/binding-store.ts';

const program = new Command('pushwake')
  .description('Makes softphones on sleeping mobiles ring, beside your own PBX.')
  .version(readManifest().version)
  .showHelpAfterError('(--help tells more)')
  .exitOverride()
  .addHelpText('after', `\nFirst: pushwake init, then pushwake check, then pushwake start.\n${EXIT_HELP}`);

for (const add of [
  addInit,
  addCheck,
  addCheckConfig,
  addStart,
  addStatus,
  addExplain,
  addBindings,
  addPushTest,
  addSimulate,
  addAppKeys,
  addDemo,
]) {
  add(program);
}

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = codeOf(error);
}

/** Mistakes are told in a line; anything else is a bug of ours and shows its stack. */
function codeOf(error: unknown): number {
  // commander has said it already; help and version are no mistakes.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.mistake;
  const isKnown = error instanceof Error && (error.name === 'ConfigError' || error instanceof CommandError);
  if (!isKnown && !(error instanceof StoreError)) throw error;
  process.stderr.write(`${error.message}\n`);
  if (error instanceof CommandError) return error.exitCode;
  return error instanceof ConfigError || error.name === 'ConfigError' ? EXIT.mistake : EXIT.failed;
}
