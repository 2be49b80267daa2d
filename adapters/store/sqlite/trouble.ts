/** SQLite's error codes in words an administrator can act on. */

/** https://sqlite.org/rescode.html; the low byte of the extended codes. */
const WORDS: Readonly<Record<number, string>> = {
  5: 'is held by another program; let it finish (a backup, the sqlite3 tool)',
  6: 'is held by another program; let it finish (a backup, the sqlite3 tool)',
  3: 'may not be accessed; check owner and mode of the file and its directory',
  8: 'cannot be written; check owner and mode of the file and its directory, and that the file was not moved or replaced',
  10: 'cannot be read or written, the disk reports an error; look at the system log',
  11: 'is damaged; stop pushwake, keep a copy, restore a backup or move the file away (phones bind again when they next register)',
  13: 'cannot grow, the disk is full; make space, writing goes on by itself',
  14: 'cannot be opened; check that its directory exists and may be written',
  26: 'is no pushwake store, or is damaged; give another path, restore a backup or move the file away',
};

/** Whether it is the file's content that stops us, rather than who may read it or a file that is busy. */
export function isOfTheFile(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return true;
  return [11, 26].includes(Number(error.errcode) & 0xff);
}

/** `store file <path> <what is wrong and what to do> (<SQLite's own words>)`. */
export function inWords(path: string, error: unknown): string {
  const code = error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : 0;
  const own = error instanceof Error ? error.message : String(error);
  // The words of our own checks name the file and say what to do.
  if (code === 0 && own.startsWith('store file ')) return own;
  return `store file ${path} ${WORDS[code & 0xff] ?? 'cannot be used'} (${own})`;
}
