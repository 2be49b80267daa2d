/**
 * The files around the store: directory 0700, file 0600 (it holds device tokens), and the lock that keeps a second process
 * away. The lock is one of the kernel's (fcntl, by way of SQLite), so it ends with the process however it ends.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../../../plugin/ports/binding-store.ts';
import { inWords } from './trouble.ts';

export interface Claimed {
  /** Absolute, links followed: two names of one file are one store. */
  readonly path: string;
  release(): void;
}

/** Makes the file ours. Throws `StoreError`. SQLite gives `-wal` and `-shm` the mode of the file itself. */
export function claim(configured: string): Claimed {
  const path = existing(resolve(configured));
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new StoreError(`store file ${path} is a directory; name a file in it`);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    createFile(`${path}.lock`);
  } catch (cause) {
    throw new StoreError(inWords(path, cause).replace('cannot be used', 'cannot be created; check its directory'), {
      cause,
    });
  }
  const release = lock(path);
  try {
    createFile(path);
    return { path, release };
  } catch (cause) {
    release();
    throw new StoreError(inWords(path, cause), { cause });
  }
}

/** Which file this is, whatever it is called: of the one that was opened. */
export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
}

/** Undefined: there is none. */
export function identityOf(path: string): FileIdentity | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat && { device: stat.dev, inode: stat.ino };
}

/**
 * What happened to the file under its name since it was opened, in a sentence that says what to do; undefined: nothing. SQLite goes
 * on with the file it has opened, so that all looks well until the restart, which finds another one or none.
 */
export function whatBecameOf(path: string, opened: FileIdentity | undefined): string | undefined {
  const now = identityOf(path);
  if (now !== undefined && now.device === opened?.device && now.inode === opened.inode) return undefined;
  const [what, back] =
    now === undefined
      ? ['is not there any more', 'if it was moved, move it back, with -wal and -shm']
      : [
          'is not the file that was opened: it was replaced',
          'if the old one was moved, stop pushwake and move it back',
        ];
  return `store file ${path} ${what}; what is saved now is lost at the next start. ${back}; if it is gone for good, restart pushwake: phones bind again as they register`;
}

function existing(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}

/** Never opens a file that exists: closing it again would drop every fcntl lock this process holds on it. */
export function createFile(path: string): void {
  if (!existsSync(path)) {
    closeSync(openSync(path, 'wx', 0o600));
    handOver(path);
    const directory = openSync(dirname(path), 'r');
    // The name must survive a power cut as well as the bytes.
    fsyncSync(directory);
    closeSync(directory);
  }
  chmodSync(path, 0o600);
}

/**
 * What root makes (`pushwake bindings import`) is for the user whose folder it lies in, the service's: root's file would keep the service
 * from starting. SQLite gives `-wal` and `-shm` the owner of the file itself.
 */
function handOver(path: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(dirname(path));
  if (uid !== 0) chownSync(path, uid, gid);
}

/** A lock file of its own: an exclusive lock on the store itself would shut out our own reading connection. */
function lock(path: string): () => void {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(`${path}.lock`, { timeout: 0 });
    db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    const held = db;
    return () => held.close();
  } catch (cause) {
    db?.close();
    const busy = cause instanceof Error && 'errcode' in cause && cause.errcode === 5;
    throw new StoreError(
      busy
        ? `store file ${path} is in use by another pushwake; stop that one, or give this one a path of its own`
        : inWords(`${path}.lock`, cause),
      { cause },
    );
  }
}
