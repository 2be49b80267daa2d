/** One queue per key: work of one AOR runs in order, work of different AORs side by side. Forgets a key that is idle. */
export class KeyedQueue<K> {
  readonly #tails = new Map<K, Promise<void>>();

  /** Runs `work` after everything queued for `key` before. A failure reaches its caller only. */
  run<T>(key: K, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const result = before.then(work);
    const ended = () => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    };
    // Never rejects, so that the next one begins whatever became of this one.
    const tail: Promise<void> = result.then(ended, ended);
    this.#tails.set(key, tail);
    return result;
  }

  get size(): number {
    return this.#tails.size;
  }

  /** Resolves when everything queued so far is done. */
  async idle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values());
  }
}
