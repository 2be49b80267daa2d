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

export class BoundedMap<K, V> {
  readonly #bounds: Bounds<K, V>;
  readonly #entries = new Map<K, { readonly value: V; readonly bytes: number }>();
  /** What it has passed is deleted. A new iterator for each would walk over all that was deleted before, which V8 keeps for long. */
  #fromOldest: Iterator<K> = this.#entries.keys();
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
    this.delete(key);
    const bytes = this.#bounds.bytesOf(key, value);
    if (bytes > this.#bounds.mostBytes) return;
    this.#entries.set(key, { value, bytes });
    this.#bytes += bytes;
    while (this.#entries.size > this.#bounds.most || this.#bytes > this.#bounds.mostBytes) this.delete(this.#oldest());
  }

  #oldest(): K {
    const next = this.#fromOldest.next();
    if (next.done !== true) return next.value;
    this.#fromOldest = this.#entries.keys();
    return this.#oldest();
  }

  delete(key: K): boolean {
    const entry = this.#entries.get(key);
    if (!entry) return false;
    this.#bytes -= entry.bytes;
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  /** Oldest first; entries may be deleted meanwhile. */
  *[Symbol.iterator](): IterableIterator<readonly [K, V]> {
    for (const [key, { value }] of this.#entries) yield [key, value];
  }
}
