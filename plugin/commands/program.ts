/** The list of commands; `exit.ts` says how they end. */
import { Command, CommanderError } from 'commander';
import { ConfigError } from '../../config/load.ts';
import { fileTrouble } from '../app/mistakes.ts';
import { readManifest } from '../manifest.ts';
import { StoreError } from '../ports/binding-store.ts';
import { addAppKeys } from './app-keys.ts';
import { addAppTest } from './app-test.ts';
import { addBackup, addRestore } from './backup.ts';
import { addBindings } from './bindings.ts';
import { addBrake } from './brake.ts';
import { addCheck } from './check.ts';
import { addCheckConfig } from './check-config.ts';
import { addDemo } from './demo.ts';
import { addDrain } from './drain.ts';
import { CommandError, EXIT, EXIT_HELP } from './exit.ts';
import { addExplain } from './explain.ts';
import { addHealth } from './health.ts';
import { addInit } from './init.ts';
import { addPhone } from './phone.ts';
import { addPushTest } from './push-test.ts';
import { addSimulate } from './simulate.ts';
import { addStart } from './start.ts';
import { addStatus } from './status.ts';
import { tellText } from './terminal.ts';

export function buildProgram(): Command {
  const program = new Command('pushwake')
    .description('Makes softphones on sleeping mobiles ring, beside your own PBX.')
    .version(readManifest().version)
    .showHelpAfterError('(see --help)')
    .exitOverride()
    .addHelpText('after', `\nFirst: pushwake init, then pushwake check, then pushwake start.\n${EXIT_HELP}`);

  for (const add of [
    addInit,
    addCheck,
    addCheckConfig,
    addStart,
    addStatus,
    addHealth,
    addExplain,
    addBindings,
    addBackup,
    addRestore,
    addBrake,
    addDrain,
    addPushTest,
    addAppTest,
    addSimulate,
    addAppKeys,
    addPhone,
    addDemo,
  ]) {
    add(program);
  }
  return program;
}

/** Runs one command line, without the program's own name. What it prints goes to stdout and stderr. */
export async function runCommand(args: readonly string[]): Promise<void> {
  try {
    await buildProgram().parseAsync(args, { from: 'user' });
  } catch (error) {
    process.exitCode = codeOf(error);
  }
}

/** A mistake is printed as one line; anything else is a bug of ours and shows its stack. */
function codeOf(error: unknown): number {
  // commander has said it already; help and version are no mistakes.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.mistake;
  const file = fileTrouble(error);
  if (file !== undefined) {
    tellText(file);
    return EXIT.mistake;
  }
  const isKnown = error instanceof Error && (error instanceof ConfigError || error instanceof CommandError);
  if (!isKnown && !(error instanceof StoreError)) throw error;
  tellText(error.message);
  if (error instanceof CommandError) return error.exitCode;
  return error instanceof ConfigError ? EXIT.mistake : EXIT.failed;
}
