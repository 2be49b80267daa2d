/** The store's worker on a disk whose fsync takes 50 ms: every commit waits that much longer. */
import { DatabaseSync } from 'node:sqlite';

const SLOWER_MS = 50;
const exec = DatabaseSync.prototype.exec;
DatabaseSync.prototype.exec = function slowly(sql: string): void {
  exec.call(this, sql);
  if (/^\s*COMMIT/i.test(sql)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SLOWER_MS);
};
await import('../../adapters/store/sqlite/worker.ts');
