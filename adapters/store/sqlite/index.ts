/**
 * The embedded store: one SQLite file, one process. Records are stored and read through Keyv; the schedule is an index on the
 * same row, so the two cannot part. Any error means *unknown*, never *absent*.
 */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Keyv } from 'keyv';
import { z } from 'zod';
import type { Aor } from '../../../plugin/core/aor.ts';
import { type AorRecord, decodeRecord } from '../../../plugin/core/binding.ts';
import type { Instant } from '../../../plugin/core/time.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import { type BindingStore, type PutOutcome, StoreError } from '../../../plugin/ports/binding-store.ts';
import type { TextStore } from '../../../plugin/ports/text-store.ts';
import { rowOf } from '../row-text.ts';
import { type Claimed, claim, type FileIdentity, identityOf, whatBecameOf } from './files.ts';
import { SqliteKeyvAdapter } from './keyv-adapter.ts';
import { checked } from './schema.ts';
import { SqliteTexts } from './texts.ts';
import { inWords, isOfTheFile } from './trouble.ts';
import { WORKER_URL, Writer } from './writer.ts';

export { check } from './check.ts';

export const optionsSchema = z.strictObject({
  /** The file. Its directory is made if need be; on a local disk (locks on network file systems do not hold). */
  path: z.string().min(1).default('/var/lib/pushwake/bindings.db'),
});

export type SqliteOptions = z.output<typeof optionsSchema>;

/** Between two pages of a scan the event loop runs: calls go first. */
const SCAN_PAGE = 200;
const BUSY_TIMEOUT_MS = 2_000;

/** What tests replace. */
export interface Internals {
  readonly workerUrl: URL;
  readonly busyTimeoutMs: number;
}

export function create(options: SqliteOptions, deps: AdapterDeps, internals: Partial<Internals> = {}): BindingStore {
  return new SqliteStore(options, deps, { workerUrl: WORKER_URL, busyTimeoutMs: BUSY_TIMEOUT_MS, ...internals });
}

interface Opened {
  readonly claimed: Claimed;
  readonly identity: FileIdentity | undefined;
  readonly writer: Writer;
  readonly adapter: SqliteKeyvAdapter;
  readonly keyv: Keyv<AorRecord>;
}

class SqliteStore implements BindingStore {
  readonly name = 'sqlite';
  /** By the lock beside the file; not when it is opened for reading beside the process that writes. */
  get isOurs(): boolean {
    return !this.#reading;
  }
  readonly #options: SqliteOptions;
  readonly #deps: AdapterDeps;
  readonly #internals: Internals;
  #opening: Promise<Opened> | undefined;
  #opened: Opened | undefined;
  #closing: Promise<void> | undefined;
  /** What was logged of the file's fate. */
  #said: string | undefined;
  /** Writes that `close` waits for. */
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(options: SqliteOptions, deps: AdapterDeps, internals: Internals) {
    this.#options = options;
    this.#deps = deps;
    this.#internals = internals;
  }

  open(): Promise<void> {
    return this.#openBy(() => this.#doOpen());
  }

  async tryOut(): Promise<void> {
    const path = resolve(this.#options.path);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) throw new StoreError(`store file ${path} is a directory; name a file in it`);
    // It is made at the start.
    if (!stat) return;
    let db: DatabaseSync | undefined;
    try {
      db = new DatabaseSync(path, { readOnly: true });
      checked(db, path);
    } catch (cause) {
      // Who tries it out may be somebody who must not read it: that says nothing of the user that the service runs as.
      if (isOfTheFile(cause)) throw new StoreError(inWords(path, cause), { cause });
    } finally {
      db?.close();
    }
  }

  openForReading(): Promise<void> {
    this.#reading = true;
    return this.#openBy(async () => {
      const path = this.#options.path;
      if (!existsSync(path)) throw new StoreError(`store file ${path} does not exist`);
      // Never opened for writing: whatever would change something is refused by the writer itself.
      const writer = new Writer({ path, busyTimeoutMs: this.#internals.busyTimeoutMs }, this.#deps, WORKER_URL);
      try {
        const adapter = new SqliteKeyvAdapter(path, writer);
        return {
          claimed: { path, release: () => undefined },
          identity: identityOf(path),
          writer,
          adapter,
          keyv: keyvOver(adapter),
        };
      } catch (cause) {
        throw new StoreError(inWords(path, cause), { cause });
      }
    });
  }

  async #openBy(doOpen: () => Promise<Opened>): Promise<void> {
    if (this.#closing) throw new StoreError(`store file ${this.#options.path} was closed`);
    this.#opening ??= doOpen();
    try {
      this.#opened = await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  async #doOpen(): Promise<Opened> {
    const claimed = claim(this.#options.path);
    const { workerUrl, busyTimeoutMs } = this.#internals;
    const writer = new Writer({ path: claimed.path, busyTimeoutMs }, this.#deps, workerUrl);
    try {
      await writer.open();
      const adapter = new SqliteKeyvAdapter(claimed.path, writer);
      return { claimed, identity: identityOf(claimed.path), writer, adapter, keyv: keyvOver(adapter) };
    } catch (error) {
      await writer.close();
      claimed.release();
      throw error;
    }
  }

  async get(aor: Aor): Promise<AorRecord | undefined> {
    const { keyv, claimed } = this.#open();
    try {
      return await keyv.get(aor);
    } catch (cause) {
      if (cause instanceof StoreError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new StoreError(`the record of ${aor} in store file ${claimed.path} cannot be read: ${reason}`, { cause });
    }
  }

  async put(record: AorRecord, expectedVersion: number): Promise<PutOutcome> {
    const version = expectedVersion + 1;
    const done = await this.#begun(this.#open().keyv.set(record.aor, { ...record, version }));
    return done ? { ok: true, version } : { ok: false, reason: 'conflict' };
  }

  async remove(aor: Aor, expectedVersion: number): Promise<PutOutcome> {
    const done = await this.#begun(this.#open().adapter.removeIf(aor, expectedVersion));
    return done ? { ok: true, version: 0 } : { ok: false, reason: 'conflict' };
  }

  /** One writer: nothing to lease, just read. */
  async claimDue(now: Instant, limit: number): Promise<readonly Aor[]> {
    this.#checkFile();
    return this.#open().adapter.due(now, limit) as readonly Aor[];
  }

  /**
   * Asked with what is due, once a minute: while the file under the name is another one, nothing is sent and nothing ends, and
   * status, pages and metrics say why. Calls and registrations go on with the file that was opened.
   */
  #checkFile(): void {
    const { claimed, identity } = this.#open();
    const became = whatBecameOf(claimed.path, identity);
    if (became !== undefined && became !== this.#said) this.#deps.log.error({ reason: became }, 'store file is gone');
    if (became === undefined && this.#said !== undefined) this.#deps.log.info({}, 'store file is back');
    this.#said = became;
    if (became !== undefined) throw new StoreError(became);
  }

  /** One that cannot be read does not hide the others: they come first, then the error. */
  async *scan(): AsyncIterable<AorRecord> {
    let after = '';
    let unreadable = 0;
    let first: string | undefined;
    const unreadableRecord = (error: StoreError): void => {
      unreadable++;
      first ??= error.message;
    };
    for (;;) {
      const keys = this.#open().adapter.keysAfter(after, SCAN_PAGE) as readonly Aor[];
      for (const key of keys) {
        after = key;
        const record = await this.get(key).catch(unreadableRecord);
        if (record) yield record;
      }
      if (keys.length < SCAN_PAGE) break;
      await new Promise<void>((next) => setImmediate(next));
    }
    if (unreadable > 0) throw new StoreError(`${unreadable} records could not be read; the first: ${first}`);
  }

  async countDue(from: Instant, to: Instant): Promise<number> {
    return this.#begun(this.#open().adapter.countDue(from, to));
  }

  #reading = false;
  #texts: SqliteTexts | undefined;
  texts(): TextStore {
    this.#texts ??= new SqliteTexts(resolve(this.#options.path), this.#reading);
    return this.#texts;
  }

  close(): Promise<void> {
    this.#closing ??= this.#doClose();
    return this.#closing;
  }

  async #doClose(): Promise<void> {
    await this.#texts?.close();
    const opened = await this.#opening?.catch(() => undefined);
    this.#opened = undefined;
    if (!opened) return;
    await Promise.allSettled(this.#underWay);
    // Reads first: the last connection to go tidies the write-ahead log away, and only the writer may. The lock last of all.
    opened.adapter.closeReads();
    await opened.writer.close();
    opened.claimed.release();
  }

  async #begun<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    try {
      return await work;
    } finally {
      this.#underWay.delete(work);
    }
  }

  #open(): Opened {
    if (!this.#opened) throw new StoreError(`store file ${this.#options.path} is not open`);
    return this.#opened;
  }
}

function keyvOver(adapter: SqliteKeyvAdapter): Keyv<AorRecord> {
  return new Keyv<AorRecord>({
    store: adapter,
    useKeyPrefix: false,
    // A failure must reach the caller; Keyv would otherwise swallow it and answer "absent".
    throwOnErrors: true,
    emitErrors: false,
    serialize: ({ value }) => rowOf(value as AorRecord),
    deserialize: <Value>(text: string) => ({ value: decodeRecord(text) as Value }),
  });
}
