/**
 * A memory of what strangers send: a map with a bound in number and, where its values differ in size, in bytes. The entry that
 * was set longest ago goes first, never the newest. Nothing here reads a clock: who needs an expiry sweeps from the oldest.
 */

export interface Bounds<K, V> {
  readonly most: number;
  /** All entries together, by `bytesOf`. Infinity: the number alone is the bound. */
  readonly mostBytes: number;
  /** Weight of one entry, the same whenever it is asked. */
  readonly bytesOf: (key: K, value: V) => number;
}

/** For entries of one size. */
export const upTo = (most: number): Bounds<unknown, unknown> => ({
  most,
  mostBytes: Number.POSITIVE_INFINITY,
  bytesOf: () => 0,
});

interface Entry<K, V> {
  readonly key: K;
  readonly value: V;
  readonly bytes: number;
  older: Entry<K, V> | undefined;
  newer: Entry<K, V> | undefined;
  isThere: boolean;
}

/**
 * The entries are linked in their order. A Map keeps that order too, but what was deleted of it lies in the way of who looks for its oldest entry: in a full
 * one each new entry would cost the more, the more it may hold.
 */
export class BoundedMap<K, V> {
  readonly #bounds: Bounds<K, V>;
  readonly #entries = new Map<K, Entry<K, V>>();
  #oldest: Entry<K, V> | undefined;
  #newest: Entry<K, V> | undefined;
  #bytes = 0;

  constructor(bounds: Bounds<K, V>) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)?.value;
  }

  /** The entry is the newest then. One that is alone beyond the bound in bytes is not kept. */
  set(key: K, value: V): void {
    const bytes = this.#bounds.bytesOf(key, value);
    const before = this.#entries.get(key);
    if (before) this.#unlink(before);
    if (bytes > this.#bounds.mostBytes) {
      this.#entries.delete(key);
      return;
    }
    const entry: Entry<K, V> = { key, value, bytes, older: this.#newest, newer: undefined, isThere: true };
    if (this.#newest) this.#newest.newer = entry;
    else this.#oldest = entry;
    this.#newest = entry;
    // In the place of the one before: a key that comes and goes in a Map makes it grow and be built anew.
    this.#entries.set(key, entry);
    this.#bytes += bytes;
    while (this.#oldest && (this.#entries.size > this.#bounds.most || this.#bytes > this.#bounds.mostBytes))
      this.delete(this.#oldest.key);
  }

  delete(key: K): boolean {
    const entry = this.#entries.get(key);
    if (!entry) return false;
    this.#entries.delete(key);
    this.#unlink(entry);
    return true;
  }

  #unlink(entry: Entry<K, V>): void {
    this.#bytes -= entry.bytes;
    const { older, newer } = entry;
    if (older) older.newer = newer;
    else this.#oldest = newer;
    if (newer) newer.older = older;
    else this.#newest = older;
    // Its way to the newer ones stays, for whoever stands at it in an iteration; nobody holds it otherwise.
    entry.isThere = false;
    entry.older = undefined;
  }

  clear(): void {
    for (const key of [...this.#entries.keys()]) this.delete(key);
  }

  /** Oldest first; entries may be deleted meanwhile. */
  *[Symbol.iterator](): IterableIterator<readonly [K, V]> {
    for (let entry = this.#oldest; entry; entry = entry.newer) if (entry.isThere) yield [entry.key, entry.value];
  }
}
