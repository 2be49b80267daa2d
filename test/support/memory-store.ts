/** A store in memory that can be made to fail, to hang, and to have somebody else write first. A neighbour, no mock. */
import type { Aor } from '../../plugin/core/aor.ts';
import { type AorRecord, decodeRecord, encodeRecord } from '../../plugin/core/binding.ts';
import type { Instant } from '../../plugin/core/time.ts';
import { type BindingStore, type PutOutcome, StoreError } from '../../plugin/ports/binding-store.ts';
import { MemoryTexts } from './memory-texts.ts';

export class MemoryStore implements BindingStore {
  readonly name = 'memory';
  /** As of a file that nobody else may write to. */
  isOurs = false;
  readonly #records = new Map<Aor, string>();
  /** Every operation rejects with this while it is set. */
  down: string | undefined;
  /** Nothing can be written, as when another program holds the file. */
  locked: string | undefined;
  /** A write is done, and its answer never comes. */
  losesAnswers = false;
  /** Reads never come back. */
  hangs = false;
  /** AORs whose record cannot be read. */
  readonly damaged = new Set<Aor>();
  /** Called before each put: the place for somebody else's write. */
  beforePut: ((record: AorRecord) => void) | undefined;
  puts = 0;
  gets = 0;

  readonly kept = new MemoryTexts();

  texts(): MemoryTexts {
    return this.kept;
  }

  async open(): Promise<void> {}
  async openForReading(): Promise<void> {}
  async close(): Promise<void> {}

  async get(aor: Aor): Promise<AorRecord | undefined> {
    this.gets++;
    if (this.hangs) return new Promise(() => undefined);
    this.#check(this.down);
    if (this.damaged.has(aor)) throw new StoreError(`the record of ${aor} cannot be read`);
    const text = this.#records.get(aor);
    return text === undefined ? undefined : decodeRecord(text);
  }

  async put(record: AorRecord, expectedVersion: number): Promise<PutOutcome> {
    this.#check(this.down ?? this.locked);
    this.beforePut?.(record);
    this.puts++;
    if (this.#version(record.aor) !== expectedVersion) return { ok: false, reason: 'conflict' };
    this.write({ ...record, version: expectedVersion + 1 });
    if (this.losesAnswers) throw new StoreError('connection lost');
    return { ok: true, version: expectedVersion + 1 };
  }

  async remove(aor: Aor, expectedVersion: number): Promise<PutOutcome> {
    this.#check(this.down ?? this.locked);
    if (this.#records.has(aor) && this.#version(aor) !== expectedVersion) return { ok: false, reason: 'conflict' };
    this.#records.delete(aor);
    return { ok: true, version: 0 };
  }

  async claimDue(now: Instant, limit: number): Promise<readonly Aor[]> {
    return [...this.#records.entries()]
      .map(([aor, text]) => ({ aor, dueAt: decodeRecord(text).dueAt }))
      .filter((r) => r.dueAt !== undefined && r.dueAt <= now)
      .slice(0, limit)
      .map((r) => r.aor);
  }

  async *scan(): AsyncIterable<AorRecord> {
    this.#check(this.down);
    for (const [aor, text] of [...this.#records]) if (!this.damaged.has(aor)) yield decodeRecord(text);
    if (this.damaged.size > 0) throw new StoreError(`${this.damaged.size} records could not be read`);
  }

  async countDue(): Promise<number> {
    return 0;
  }

  /** As somebody else would, whatever is set here. */
  write(record: AorRecord): void {
    this.#records.set(record.aor, encodeRecord(record));
  }

  #version(aor: Aor): number {
    const text = this.#records.get(aor);
    return text === undefined ? 0 : decodeRecord(text).version;
  }

  #check(trouble: string | undefined): void {
    if (trouble !== undefined) throw new StoreError(trouble);
  }
}
