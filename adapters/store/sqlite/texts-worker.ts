/**
 * The writer of the file of texts, in a thread of its own: a flood of texts must not hold up the records, nor the main thread by its
 * fsyncs. Reads are done here as well, because nothing waits for them.
 */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { TextAnswer, TextRequest, TextRow } from './texts.ts';

const port = parentPort;
if (!port) throw new Error('texts-worker.ts runs as a worker thread only');
const { path, readOnly } = workerData as { path: string; readOnly: boolean };

const db = new DatabaseSync(path, { timeout: 2_000, readOnly });
if (!readOnly) {
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864');
  db.exec(`
  CREATE TABLE IF NOT EXISTS text (
    aor TEXT NOT NULL, id TEXT NOT NULL, received_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, waiting TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (aor, id)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS text_expires ON text (expires_at);
`);
}
const one = db.prepare('SELECT * FROM text WHERE aor = ? AND id = ?');
const ofAccount = db.prepare("SELECT * FROM text WHERE aor = ? AND waiting <> '' ORDER BY received_at, id");
const countOf = db.prepare("SELECT count(*) AS n FROM text WHERE aor = ? AND waiting <> ''");
const countAll = db.prepare('SELECT count(*) AS n, coalesce(sum(octet_length(value)), 0) AS bytes FROM text');
const insert = db.prepare(
  'INSERT INTO text (aor, id, received_at, expires_at, waiting, value) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
);
const lessen = db.prepare('UPDATE text SET waiting = ? WHERE aor = ? AND id = ?');
const done = db.prepare("UPDATE text SET waiting = '', value = '', expires_at = ? WHERE aor = ? AND id = ?");
const remove = db.prepare('DELETE FROM text WHERE aor = ? AND id = ?');
const expired = db.prepare('SELECT * FROM text WHERE expires_at <= ? ORDER BY expires_at LIMIT ?');
const accounts = db.prepare("SELECT DISTINCT aor FROM text WHERE waiting <> ''");
/** What lies in the file; nobody else writes it. */
let all = counted();

const queue: TextRequest[] = [];
port.on('message', (message: TextRequest | 'close') => {
  if (message === 'close') {
    drain();
    db.close();
    port.close();
    return;
  }
  queue.push(message);
  // What is here already shares one commit.
  if (queue.length === 1) setImmediate(drain);
});

function counted(): { n: number; bytes: number } {
  const row = countAll.get();
  return { n: Number(row?.n ?? 0), bytes: Number(row?.bytes ?? 0) };
}

function drain(): void {
  const batch = queue.splice(0);
  if (batch.length === 0) return;
  const before = { ...all };
  let answers: TextAnswer[];
  try {
    db.exec(readOnly ? 'BEGIN' : 'BEGIN IMMEDIATE');
    answers = batch.map((r) => ({ id: r.id, value: apply(r) }));
    db.exec('COMMIT');
  } catch (error) {
    all = before;
    if (db.isTransaction) db.exec('ROLLBACK');
    const words = error instanceof Error ? error.message : String(error);
    answers = batch.map((r) => ({ id: r.id, error: words }));
  }
  port?.postMessage(answers);
}

function apply(r: TextRequest): unknown {
  switch (r.op) {
    case 'keep': {
      if (one.get(r.row.aor, r.row.id)) return 'there';
      const { aor, id, received_at, expires_at, waiting, value } = r.row;
      const bytes = Buffer.byteLength(value);
      if (all.n >= r.room.inAll || all.bytes + bytes > r.room.bytesInAll) return 'full';
      if (Number(countOf.get(aor)?.n) >= r.room.ofAccount) return 'full';
      insert.run(aor, id, received_at, expires_at, waiting, value);
      all.n++;
      all.bytes += bytes;
      return 'kept';
    }
    case 'of':
      return ofAccount.all(r.aor);
    case 'taken': {
      const row = one.get(r.aor, r.text) as TextRow | undefined;
      if (!row || row.waiting === '') return undefined;
      const left = row.waiting.split(' ').filter((device) => !r.by.includes(device));
      if (left.length > 0) {
        lessen.run(left.join(' '), r.aor, r.text);
        return undefined;
      }
      done.run(r.rememberUntil, r.aor, r.text);
      all.bytes -= Buffer.byteLength(row.value);
      return undefined;
    }
    case 'expired':
      return expired.all(r.now, r.limit);
    case 'drop': {
      const row = one.get(r.aor, r.text) as TextRow | undefined;
      if (!row) return undefined;
      remove.run(r.aor, r.text);
      all.n--;
      all.bytes -= Buffer.byteLength(row.value);
      return undefined;
    }
    case 'accounts':
      return accounts.all().map((row) => row.aor);
  }
}
