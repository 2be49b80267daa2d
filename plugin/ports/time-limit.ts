/**
 * One time limit for many requests. Each ends as long after its beginning as all the others, so the first that began is the first
 * that is over: one timer does for all of them, where each would set and cancel its own. Knows nothing of HTTP.
 */
import type { DurationMs } from '../core/time.ts';
import type { Clock } from './clock.ts';

export class TimeLimit {
  readonly #clock: Clock;
  readonly #limitMs: DurationMs;
  /** In the order of their beginning. What is called, and when, in monotonic time. */
  readonly #running = new Map<() => void, number>();
  #cancelTimer: (() => void) | undefined;

  /** `limitMs` as for any timer of `clock`. */
  constructor(clock: Clock, limitMs: DurationMs) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  /** Calls `over` once, `limitMs` from now, unless `end` is called with the same function before. */
  begin(over: () => void): void {
    this.#running.set(over, this.#clock.monotonicMs() + this.#limitMs);
    if (this.#running.size === 1) this.#setTimer(this.#limitMs);
  }

  end(over: () => void): void {
    this.#running.delete(over);
    // A timer that is left would keep the process from ending.
    if (this.#running.size === 0) this.#clearTimer();
  }

  #setTimer(ms: DurationMs): void {
    this.#clearTimer();
    this.#cancelTimer = this.#clock.after(ms, () => this.#ring());
  }

  #clearTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #ring(): void {
    this.#clearTimer();
    const nowMs = this.#clock.monotonicMs();
    for (const [over, atMs] of this.#running) {
      if (atMs > nowMs) break;
      this.#running.delete(over);
      over();
    }
    const next = this.#running.values().next();
    if (!next.done && !this.#cancelTimer) this.#setTimer(next.value - nowMs);
  }
}
