/** What pushwake has stored, read from outside, as an administrator with `sqlite3` would: read-only, while it runs. */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import type { Aor } from '../../plugin/core/aor.ts';
import { type AorRecord, type Binding, decodeRecord, emptyRecord } from '../../plugin/core/binding.ts';

/** How often a waiting test looks, in ms: also how exact its figures are. */
const LOOK_EVERY_MS = 1;

export class StoredRecords {
  readonly #path: string;
  #db: DatabaseSync | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** The record as stored now; an empty one when there is none. */
  get(aor: string): AorRecord {
    if (!this.#db) {
      if (!existsSync(this.#path)) return emptyRecord(aor as Aor);
      this.#db = new DatabaseSync(this.#path, { readOnly: true, timeout: 1_000 });
    }
    const row = this.#db.prepare('SELECT value FROM record WHERE key = ?').get(aor);
    return typeof row?.value === 'string' ? decodeRecord(row.value) : emptyRecord(aor as Aor);
  }

  bindings(aor: string): readonly Binding[] {
    return this.get(aor).bindings;
  }

  /** Resolves with the record and when it was seen (`performance.now()`) as soon as it fits. */
  async waitFor(
    aor: string,
    what: string,
    fits: (record: AorRecord) => boolean,
    timeoutMs = 5_000,
  ): Promise<{ record: AorRecord; at: number }> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const record = this.get(aor);
      if (fits(record)) return { record, at: performance.now() };
      if (performance.now() > deadline)
        throw new Error(`${aor}: ${what} is not so\n${JSON.stringify(record, null, 1)}`);
      await delay(LOOK_EVERY_MS);
    }
  }

  close(): void {
    this.#db?.close();
    this.#db = undefined;
  }
}
