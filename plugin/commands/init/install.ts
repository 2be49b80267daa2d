/** Writes a plan: each file that existed is copied aside first, and no file is ever half written. */
import {
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { PlannedFile } from './plan.ts';

export interface Written {
  readonly path: string;
  /** Where the file as it was lies. */
  readonly backup?: string;
}

export function install(files: readonly PlannedFile[]): Written[] {
  return files.map((file) => {
    const { path, before, after, mode } = file;
    mkdirSync(dirname(path), { recursive: true });
    const old = before === undefined ? undefined : statSync(path);
    const model = old ?? neighbour(file);
    const group = model ? 0 : readersOf(file);
    const bits = model ? model.mode & 0o777 : group > 0 ? mode | 0o040 : mode;
    const temporary = `${path}.new-${process.pid}`;
    const backup = old && freeName(`${path}.before-pushwake`);
    try {
      // What nobody else may read must not be readable for a moment either.
      writeFileSync(temporary, after, { mode: 0o600, flag: 'wx' });
      giveTo(temporary, group > 0 ? { uid: 0, gid: group } : model);
      chmodSync(temporary, bits);
      if (backup) {
        copyFileSync(path, backup, constants.COPYFILE_EXCL);
        giveTo(backup, old);
        chmodSync(backup, bits);
      }
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
    return { path, ...(backup ? { backup } : {}) };
  });
}

function neighbour({ like }: PlannedFile): Stats | undefined {
  return like === undefined ? undefined : statSync(like, { throwIfNoEntry: false });
}

/** 0: nobody but the owner. Only root may give files away. */
function readersOf({ path, readers }: PlannedFile): number {
  return readers && process.getuid?.() === 0 ? statSync(dirname(path)).gid : 0;
}

/** Only root may give files away. */
function giveTo(path: string, owner: { uid: number; gid: number } | undefined): void {
  if (owner && process.getuid?.() === 0) chownSync(path, owner.uid, owner.gid);
}

function freeName(wanted: string): string {
  for (let n = 0; ; n++) {
    const name = n === 0 ? wanted : `${wanted}.${n}`;
    if (!existsSync(name)) return name;
  }
}
