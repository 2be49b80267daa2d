/**
 * A clock that stands still until a test moves it. Timers follow the monotonic time, as on a real machine: setting the wall
 * clock rings nothing. `pending()` is the leak check of an `afterEach`.
 */
import { setImmediate as realImmediate } from 'node:timers';
import { DAY, type DurationMs, type Instant, instant } from '../../plugin/core/time.ts';
import type { Clock } from '../../plugin/ports/clock.ts';

/** Fixed reference instant of the tests: a Monday noon, UTC. */
export const NOON: Instant = instant(Date.UTC(2026, 0, 5, 12));

/** More rings than this inside one `advance` is a timer that sets itself again without time passing. */
const MAX_RINGS = 1_000_000;

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly ring: () => void;
}

/** Lets everything that is ready run: promise chains, and one round of real I/O. No real time passes. */
export async function settle(rounds = 1): Promise<void> {
  for (let i = 0; i < rounds; i++) await new Promise<void>((done) => realImmediate(done));
}

export class FakeClock implements Clock {
  #monotonicMs = 0;
  #wallOffset: number;
  #order = 0;
  #timers = new Set<Timer>();
  /** What the PBX's clock is ahead of ours, for `fromPbx`. */
  pbxAheadMs: DurationMs = 0;

  constructor(startAt: Instant = NOON) {
    this.#wallOffset = startAt;
  }

  now(): Instant {
    return instant(this.#wallOffset + this.#monotonicMs);
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(ms: DurationMs, ring: () => void): () => void {
    if (Number.isNaN(ms)) throw new RangeError('a timer needs a number of milliseconds');
    const wait = Math.min(Math.max(ms, 0), DAY);
    const timer: Timer = { dueMs: this.#monotonicMs + wait, order: this.#order++, ring };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  fromPbx(epochMs: number): Instant {
    return instant(epochMs - this.pbxAheadMs);
  }

  /**
   * Lets `ms` pass: rings what falls due, in order, and lets the promises behind each ring run before the next one.
   * A timer set by a ring rings too when it falls into the same span.
   */
  async advance(ms: DurationMs): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    await settle();
    for (let rings = 0; ; rings++) {
      if (rings > MAX_RINGS) throw new Error('a timer sets itself again and again without time passing');
      const next = this.#first();
      if (next === undefined || next.dueMs > endMs) break;
      this.#timers.delete(next);
      this.#monotonicMs = Math.max(this.#monotonicMs, next.dueMs);
      next.ring();
      await settle();
    }
    this.#monotonicMs = Math.max(this.#monotonicMs, endMs);
    await settle();
  }

  /** Lets time pass until the wall clock shows `at`. */
  async advanceTo(at: Instant): Promise<void> {
    await this.advance(Math.max(0, at - this.now()));
  }

  /** The wall clock jumps, as when an administrator or NTP sets it. Monotonic time stands still, no timer rings. */
  set(at: Instant): void {
    this.#wallOffset = at - this.#monotonicMs;
  }

  /** As `set`, by a distance: negative is backwards. */
  jump(ms: DurationMs): void {
    this.#wallOffset += ms;
  }

  /** How many timers are set: a test that ends with some has leaked them. */
  pending(): number {
    return this.#timers.size;
  }

  /** How long until the first timer rings; undefined when none is set. */
  nextInMs(): DurationMs | undefined {
    const next = this.#first();
    return next && next.dueMs - this.#monotonicMs;
  }

  #first(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (!first || timer.dueMs < first.dueMs || (timer.dueMs === first.dueMs && timer.order < first.order))
        first = timer;
    }
    return first;
  }
}
