/**
 * A Keyv storage adapter: reads on a read-only connection in the main thread (microseconds), writes through the writer thread.
 * Keyv knows neither versions nor due times, so a value carries both before its text (`row-text.ts`); the adapter turns them
 * into columns, and a `set` whose version does not follow on the stored one answers false.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { KeyvStoreAdapter, StoredData } from 'keyv';
import { StoreError } from '../../../plugin/ports/binding-store.ts';
import { inWords } from './trouble.ts';
import type { Writer } from './writer.ts';

export class SqliteKeyvAdapter implements KeyvStoreAdapter {
  readonly opts = { dialect: 'sqlite' };
  namespace?: string;
  readonly #path: string;
  readonly #writer: Writer;
  readonly #db: DatabaseSync;
  readonly #byKey: StatementSync;
  readonly #due: StatementSync;
  readonly #keysAfter: StatementSync;

  constructor(path: string, writer: Writer) {
    this.#path = path;
    this.#writer = writer;
    this.#db = new DatabaseSync(path, { readOnly: true });
    this.#byKey = this.#db.prepare('SELECT value FROM record WHERE key = ?');
    this.#due = this.#db.prepare(
      'SELECT key FROM record WHERE due_at IS NOT NULL AND due_at <= ? ORDER BY due_at, key LIMIT ?',
    );
    this.#keysAfter = this.#db.prepare('SELECT key FROM record WHERE key > ? ORDER BY key LIMIT ?');
  }

  async get<Value>(key: string): Promise<StoredData<Value> | undefined> {
    const row = this.#read(() => this.#byKey.get(key));
    // Keyv's types know only what it deserialises itself; a string is what it deserialises.
    return row?.value as StoredData<Value> | undefined;
  }

  async set(key: string, value: unknown): Promise<boolean> {
    const row = typeof value === 'string' ? /^(\d+),(\d*),/.exec(value) : null;
    if (!row || typeof value !== 'string') throw new StoreError('only values made by rowText can be stored');
    const dueAt = row[2] ? Number(row[2]) : null;
    const text = value.slice(row[0].length);
    return (await this.#writer.run({ op: 'put', key, version: Number(row[1]), dueAt, value: text })) === 1;
  }

  async removeIf(key: string, version: number): Promise<boolean> {
    return (await this.#writer.run({ op: 'remove', key, version })) === 1;
  }

  /** Keyv's unconditional ways to lose records: nobody here may use them. */
  async delete(): Promise<boolean> {
    throw new StoreError('records are removed with their version only');
  }

  async clear(): Promise<void> {
    throw new StoreError('a store of bindings is never cleared');
  }

  due(now: number, limit: number): readonly string[] {
    return this.#read(() => this.#due.all(now, limit).map((row) => String(row.key)));
  }

  /** A page of keys, in order, after `key` (`''`: from the start). */
  keysAfter(key: string, limit: number): readonly string[] {
    return this.#read(() => this.#keysAfter.all(key, limit).map((row) => String(row.key)));
  }

  countDue(from: number, to: number): Promise<number> {
    return this.#writer.run({ op: 'count', from, to });
  }

  /** This adapter has no events; Keyv asks for the method. Errors are thrown. */
  on(): this {
    return this;
  }

  closeReads(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #read<T>(read: () => T): T {
    try {
      return read();
    } catch (cause) {
      throw new StoreError(inWords(this.#path, cause), { cause });
    }
  }
}
