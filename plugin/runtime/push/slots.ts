/**
 * How many pushes a service bears in flight, and who goes first: calls before everything, and never a place taken by others
 * that a call could need. Knows nothing of pushes.
 */

/** Higher goes first. */
const URGENCIES = 4;

interface Waiting {
  readonly go: () => void;
  left: boolean;
}

export class Places {
  readonly #most: number;
  readonly #mostOthers: number;
  readonly #queues: Waiting[][] = Array.from({ length: URGENCIES }, () => []);
  #heads = Array.from({ length: URGENCIES }, () => 0);
  #inFlight = 0;
  #others = 0;
  #waiting = 0;

  /** `mostOthers`: places that everybody but calls may take; the rest is free for calls at any moment. */
  constructor(most: number, mostOthers: number) {
    this.#most = most;
    this.#mostOthers = Math.max(1, Math.floor(mostOthers));
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Undefined: a place is taken, go on. Else `go` is called when one is, never at once; what is returned gives the waiting up
   * and says whether it still waited.
   */
  take(urgency: number, go: () => void): (() => boolean) | undefined {
    if (this.#isFree(urgency) && !this.#isSomebodyBefore(urgency)) {
      this.#enter(urgency);
      return undefined;
    }
    const entry: Waiting = { left: false, go };
    this.#waiting++;
    this.#queues[urgency]?.push(entry);
    return () => {
      if (entry.left) return false;
      entry.left = true;
      this.#waiting--;
      return true;
    };
  }

  leave(urgency: number): void {
    this.#inFlight--;
    if (!isCall(urgency)) this.#others--;
    // Not called from here: thousands that wait may each leave at once, and each would be one deeper.
    for (let next = this.#next(); next; next = this.#next()) queueMicrotask(next.go);
  }

  #isFree(urgency: number): boolean {
    return this.#inFlight < this.#most && (isCall(urgency) || this.#others < this.#mostOthers);
  }

  /** Those who wait in vain (others, while only calls have places) hold up no call. */
  #isSomebodyBefore(urgency: number): boolean {
    for (let u = URGENCIES - 1; u >= urgency; u--) if (this.#first(u)) return true;
    return false;
  }

  #next(): Waiting | undefined {
    for (let u = URGENCIES - 1; u >= 0; u--) {
      if (!this.#isFree(u)) continue;
      const first = this.#first(u);
      if (!first) continue;
      this.#heads[u] = (this.#heads[u] ?? 0) + 1;
      first.left = true;
      this.#waiting--;
      this.#enter(u);
      return first;
    }
    return undefined;
  }

  #enter(urgency: number): void {
    this.#inFlight++;
    if (!isCall(urgency)) this.#others++;
  }

  /** The first who still waits. Those who gave up are passed over, and the front of the queue is cut off now and then. */
  #first(u: number): Waiting | undefined {
    const queue = this.#queues[u] ?? [];
    let head = this.#heads[u] ?? 0;
    while (queue[head]?.left) head++;
    if (head > 1_000 && head * 2 > queue.length) {
      queue.splice(0, head);
      head = 0;
    }
    this.#heads[u] = head;
    return queue[head];
  }
}

const isCall = (urgency: number) => urgency === URGENCIES - 1;
