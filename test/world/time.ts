/**
 * Time of the world: one heap of what will happen, rung one by one. Between two rings everything that is ready runs: one macrotask is one
 * ring, and Node drains its promises before the next. No real time passes.
 */
import { DAY, type DurationMs, type Instant, instant } from '../../plugin/core/time.ts';
import type { Clock } from '../../plugin/ports/clock.ts';

interface Entry {
  readonly dueMs: number;
  readonly order: number;
  ring: (() => void) | undefined;
}

/** Rings between two rounds of Node's event loop: a rejection that nobody handles is reported there. */
const RINGS_A_ROUND = 128;
/** What follows it runs after all that is ready. `queueMicrotask` would make a resource and a wrapper for each. */
const READY = Promise.resolve();

/** A Monday noon, UTC: the world's zero. */
const ZERO = Date.UTC(2026, 0, 5, 12);

export class WorldTime {
  /** True time since the beginning of the world, in ms. Nothing sets it back. */
  nowMs = 0;
  /** How many rings there were. */
  rings = 0;
  #order = 0;
  readonly #heap: Entry[] = [];

  /** Rings once after `ms` of true time. Returns what cancels it. */
  after(ms: DurationMs, ring: () => void): () => void {
    const entry: Entry = { dueMs: this.nowMs + Math.max(0, ms), order: this.#order++, ring };
    this.#push(entry);
    return () => {
      entry.ring = undefined;
    };
  }

  /** Lets the world go on until then, or until `stop` says so. Rejects with what a ring throws. */
  run(untilMs: number, stop: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const afterThat = () => process.nextTick(step);
      const step = () => {
        try {
          const next = stop() ? undefined : this.#next(untilMs);
          if (!next) {
            if (!stop()) this.nowMs = Math.max(this.nowMs, untilMs);
            resolve();
            return;
          }
          this.nowMs = Math.max(this.nowMs, next.dueMs);
          this.rings++;
          next.ring?.();
        } catch (error) {
          reject(error);
          return;
        }
        // A round of Node's event loop costs more than most rings; promises are drained before each tick as well.
        if (this.rings % RINGS_A_ROUND === 0) setImmediate(step);
        else void READY.then(afterThat);
      };
      setImmediate(step);
    });
  }

  #next(untilMs: number): Entry | undefined {
    for (let first = this.#heap[0]; first && first.dueMs <= untilMs; first = this.#heap[0]) {
      this.#pop();
      if (first.ring) return first;
    }
    return undefined;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up] as Entry;
      if (!isBefore(entry, parent)) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let i = 0;
    for (let child = 1; child < heap.length; child = 2 * i + 1) {
      const right = heap[child + 1];
      if (right && isBefore(right, heap[child] as Entry)) child++;
      if (!isBefore(heap[child] as Entry, last)) break;
      heap[i] = heap[child] as Entry;
      i = child;
    }
    heap[i] = last;
  }
}

const isBefore = (a: Entry, b: Entry) => a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);

/** The wall clock that is right. */
export function trueWall(time: WorldTime): Instant {
  return instant(ZERO + time.nowMs);
}

/** The clock of one life of a node: may be wrong, may jump, may stand still; silent once its node is dead. */
export class NodeClock implements Clock {
  readonly #time: WorldTime;
  readonly #timers = new Map<() => void, { dueMs: number; cancel: () => void }>();
  #aheadMs: DurationMs;
  #stoodMs = 0;
  #frozenUntilMs = 0;
  #isDead = false;

  constructor(time: WorldTime, aheadMs: DurationMs = 0) {
    this.#time = time;
    this.#aheadMs = aheadMs;
  }

  now(): Instant {
    return instant(trueWall(this.#time) + this.#aheadMs);
  }

  monotonicMs(): number {
    return Math.max(0, this.#time.nowMs - this.#stoodMs);
  }

  fromPbx(epochMs: number): Instant {
    return instant(epochMs);
  }

  after(ms: DurationMs, ring: () => void): () => void {
    if (Number.isNaN(ms)) throw new RangeError('a timer needs a number of milliseconds');
    if (this.#isDead) return () => undefined;
    const key = () => {
      this.#timers.delete(key);
      ring();
    };
    this.#set(key, Math.min(Math.max(ms, 0), DAY));
    return () => {
      this.#timers.get(key)?.cancel();
      this.#timers.delete(key);
    };
  }

  /** How far its wall clock is ahead of the right one, in ms. */
  get aheadMs(): DurationMs {
    return this.#aheadMs;
  }

  get pending(): number {
    return this.#timers.size;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get isFrozen(): boolean {
    return this.#time.nowMs < this.#frozenUntilMs;
  }

  /** The wall clock is set; the monotonic one does not notice. */
  jump(ms: DurationMs): void {
    this.#aheadMs += ms;
  }

  /** The machine stands still: timers ring later, the monotonic clock does not count it. */
  freeze(ms: DurationMs): void {
    // It may stand still already.
    const fromMs = Math.max(this.#time.nowMs, this.#frozenUntilMs);
    const moreMs = Math.max(0, this.#time.nowMs + ms - fromMs);
    this.#stoodMs += moreMs;
    this.#frozenUntilMs = fromMs + moreMs;
    for (const [key, { dueMs, cancel }] of [...this.#timers]) {
      cancel();
      this.#set(key, dueMs - this.#time.nowMs + moreMs);
    }
  }

  /** Calls in from outside: at once, or when the node runs again; never once it is dead. */
  deliver(what: () => void): void {
    if (this.#isDead) return;
    if (!this.isFrozen) return what();
    this.#time.after(this.#frozenUntilMs - this.#time.nowMs, () => this.deliver(what));
  }

  /** The process is gone: nothing of it rings any more. */
  kill(): void {
    this.#isDead = true;
    for (const { cancel } of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  #set(key: () => void, ms: DurationMs): void {
    this.#timers.set(key, { dueMs: this.#time.nowMs + ms, cancel: this.#time.after(ms, key) });
  }
}
