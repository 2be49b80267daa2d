/** The tables, and how an older file becomes a newer one. Checks first, writes later: a file we do not know is left alone. */
import type { DatabaseSync } from 'node:sqlite';

/**
 * One step per version of the file; step n brings version n to n + 1. Steps are never changed once released, only added.
 * (The form of a record inside `value` has its own version, see `core/binding.ts`.)
 */
const STEPS: readonly ((db: DatabaseSync) => void)[] = [
  // Files of 0.1.0 have this table WITHOUT ROWID, and keep it: every statement means the same there (ADR 0150).
  (db) =>
    db.exec(`
      CREATE TABLE record (key TEXT PRIMARY KEY NOT NULL, version INTEGER NOT NULL, due_at INTEGER, value TEXT NOT NULL);
      CREATE INDEX record_due ON record (due_at, key) WHERE due_at IS NOT NULL;
    `),
];

const SCHEMA_VERSION = STEPS.length;

/** The version of the file; 0: it is empty. Throws an Error that says what to do when the file is not ours or newer. Writes nothing. */
export function checked(db: DatabaseSync, path: string): number {
  const found = versionOf(db, path);
  if (found > SCHEMA_VERSION)
    throw new Error(
      `store file ${path} has format ${found}, this pushwake knows ${SCHEMA_VERSION}: a newer version wrote it; run that one, or give another path`,
    );
  return found;
}

/** Brings the file to `SCHEMA_VERSION`. Throws as `checked` does. */
export function prepare(db: DatabaseSync, path: string): void {
  const found = checked(db, path);
  // Only now is anything written.
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864');
  if (found === SCHEMA_VERSION) return;
  db.exec('BEGIN IMMEDIATE');
  db.exec('CREATE TABLE IF NOT EXISTS pushwake_schema (version INTEGER NOT NULL)');
  for (const step of STEPS.slice(found)) step(db);
  db.exec('DELETE FROM pushwake_schema');
  db.prepare('INSERT INTO pushwake_schema (version) VALUES (?)').run(SCHEMA_VERSION);
  db.exec('COMMIT');
}

/** 0: an empty file. */
function versionOf(db: DatabaseSync, path: string): number {
  const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
  if (tables.length === 0) return 0;
  if (!tables.some((t) => t.name === 'pushwake_schema'))
    throw new Error(`store file ${path} is the database of another program; give pushwake a path of its own`);
  const row = db.prepare('SELECT version FROM pushwake_schema').get();
  if (typeof row?.version !== 'number' || row.version < 1)
    throw new Error(`store file ${path} states no format; restore a backup or move the file away`);
  return row.version;
}
