/** A store into a file and back, for the commands `backup`, `restore`, `bindings export` and `bindings import`. */
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { systemClock } from '../../../adapters/clock/system/index.ts';
import { CommandError } from '../exit.ts';
import { type Loaded, openStore } from '../setup.ts';
import { progress } from '../terminal.ts';
import {
  type Count,
  endLine,
  exportLines,
  ImportError,
  type ImportResult,
  importLines,
  textLines,
} from './transfer.ts';

/** Also beside a pushwake that runs: each record as of its own reading. What could not be written to its end is removed. */
export async function writeOut(
  loaded: Loaded,
  file: string,
  { texts, recordFormat }: { readonly texts: boolean; readonly recordFormat: number | undefined },
): Promise<Count> {
  const store = await openStore(loaded, 'read');
  const bar = progress('records written:');
  const count = { records: -1, texts: 0 };
  try {
    const out = created(file);
    try {
      const at = new Date(systemClock().now()).toISOString();
      for await (const line of exportLines(store, at, { recordFormat, counted: texts })) {
        writeSync(out, `${line}\n`);
        count.records++;
        bar.step();
      }
      if (texts) {
        for await (const line of textLines(store)) {
          writeSync(out, `${line}\n`);
          count.texts++;
        }
        writeSync(out, `${endLine(count)}\n`);
      }
      fsyncSync(out);
    } catch (error) {
      rmSync(file, { force: true });
      throw error;
    } finally {
      closeSync(out);
    }
    return count;
  } finally {
    bar.end();
    await store.close();
  }
}

function created(file: string): number {
  try {
    return openSync(file, 'wx', 0o600);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why =
      code === 'EEXIST'
        ? 'it is there, and is not overwritten'
        : code === 'ENOENT'
          ? 'its folder does not exist'
          : code;
    throw new CommandError(`cannot create ${file}: ${why}`);
  }
}

/** A store with one writer is refused while pushwake runs. A file with a mistake changes nothing. */
export async function readIn(
  loaded: Loaded,
  file: string,
  { replace }: { readonly replace: boolean },
): Promise<ImportResult> {
  const text = textOf(file);
  const store = await openStore(loaded, 'write');
  const bar = progress('records', text.split('\n').length - 2);
  try {
    return await importLines(store, text, { replace, onRecord: () => bar.step() });
  } catch (error) {
    if (error instanceof ImportError) throw new CommandError(`${file}: ${error.message}; nothing was imported`);
    throw error;
  } finally {
    bar.end();
    await store.close();
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(`cannot read ${file} (${(error as NodeJS.ErrnoException).code})`);
  }
}
