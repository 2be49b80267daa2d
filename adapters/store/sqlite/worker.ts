/**
 * The one writer of the file, in a thread of its own: an fsync may take 50 ms on a customer's disk. What arrives while one
 * commit runs is the next batch (group commit). Answers are sent when the batch would survive a power cut, not before.
 */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { Answer, FromWorker, Request, ToWorker, WorkerInput } from './protocol.ts';
import { prepare } from './schema.ts';
import { inWords } from './trouble.ts';

/** Rows per transaction: about 5 ms of work, so that a waiting put is not held up by a long queue before it. */
const MAX_BATCH = 200;

const port = parentPort;
if (!port) throw new Error('worker.ts runs as a worker thread only');
const { path, busyTimeoutMs } = workerData as WorkerInput;
const say = (message: FromWorker) => port.postMessage(message);

const db = open();
if (db) {
  say({ type: 'ready' });
  serve(db);
} else port.close();

function open(): DatabaseSync | undefined {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: busyTimeoutMs });
    prepare(db, path);
    return db;
  } catch (error) {
    db?.close();
    const ours = error instanceof Error && error.message.startsWith('store file');
    say({ type: 'refused', message: ours ? error.message : inWords(path, error) });
    return undefined;
  }
}

function serve(db: DatabaseSync): void {
  const insert = db.prepare(
    'INSERT INTO record (key, version, due_at, value) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING',
  );
  const update = db.prepare('UPDATE record SET version = ?, due_at = ?, value = ? WHERE key = ? AND version = ?');
  const remove = db.prepare('DELETE FROM record WHERE key = ? AND version = ?');
  const exists = db.prepare('SELECT 1 FROM record WHERE key = ?');
  const count = db.prepare('SELECT count(*) AS n FROM record WHERE due_at >= ? AND due_at < ?');

  const queue: Request[] = [];
  let scheduled = false;

  port?.on('message', (message: ToWorker) => {
    if (message.type === 'close') {
      while (queue.length > 0) drain();
      db.close();
      port?.close();
      return;
    }
    queue.push(...message.requests);
    // After the messages that are already here, so that they share one commit.
    if (!scheduled) setImmediate(drain);
    scheduled = true;
  });

  function drain(): void {
    scheduled = false;
    const batch = queue.splice(0, MAX_BATCH);
    if (batch.length === 0) return;
    say({ type: 'answers', answers: commit(batch) });
    if (queue.length === 0 || scheduled) return;
    scheduled = true;
    setImmediate(drain);
  }

  function commit(batch: readonly Request[]): readonly Answer[] {
    try {
      db.exec('BEGIN IMMEDIATE');
      const answers = batch.map((r) => ({ id: r.id, value: apply(r) }));
      db.exec('COMMIT');
      return answers;
    } catch (error) {
      // When even this throws the thread ends, and the main thread starts another one.
      if (db.isTransaction) db.exec('ROLLBACK');
      const words = inWords(path, error);
      return batch.map((r) => ({ id: r.id, error: words }));
    }
  }

  function apply(request: Request): number {
    switch (request.op) {
      case 'put': {
        const { key, version, dueAt, value } = request;
        const done =
          version === 1 ? insert.run(key, 1, dueAt, value) : update.run(version, dueAt, value, key, version - 1);
        return Number(done.changes);
      }
      case 'remove':
        if (Number(remove.run(request.key, request.version).changes) === 1) return 1;
        return exists.get(request.key) ? 0 : 1;
      case 'count':
        return Number(count.get(request.from, request.to)?.n ?? 0);
    }
  }
}
