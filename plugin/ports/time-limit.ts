/**
 * One time limit for many requests. Each ends as long after its beginning as all the others, so the first that began is the first
 * that is over: one timer does for all of them, where each would set and cancel its own. What runs is linked to the one before and
 * after it, since a push that makes less garbage costs less. Knows nothing of HTTP.
 */
import type { DurationMs } from '../core/time.ts';
import type { Clock } from './clock.ts';

/** Something that runs under one limit at a time. */
export abstract class Limited {
  /** Of `TimeLimit` alone. */
  under: TimeLimit | undefined = undefined;
  before: Limited | undefined = undefined;
  after: Limited | undefined = undefined;
  overAtMs = 0;

  /** Its time is up; it runs under no limit now. */
  abstract over(): void;
}

/** What is called when the time is up. */
export class CallWhenOver extends Limited {
  readonly over: () => void;

  constructor(over: () => void) {
    super();
    this.over = over;
  }
}

export class TimeLimit {
  readonly #clock: Clock;
  readonly #limitMs: DurationMs;
  #first: Limited | undefined;
  #last: Limited | undefined;
  #cancelTimer: (() => void) | undefined;

  /** `limitMs` as for any timer of `clock`. */
  constructor(clock: Clock, limitMs: DurationMs) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  /** Calls its `over` once, `limitMs` from now, unless `end` is called before. */
  begin(one: Limited): void {
    one.under = this;
    one.overAtMs = this.#clock.monotonicMs() + this.#limitMs;
    const last = this.#last;
    one.before = last;
    this.#last = one;
    if (last) last.after = one;
    else this.#first = one;
    if (!last) this.#setTimer(this.#limitMs);
  }

  /** Nothing where it does not run under this limit. */
  end(one: Limited): void {
    if (one.under !== this) return;
    const { before, after } = one;
    if (before) before.after = after;
    else this.#first = after;
    if (after) after.before = before;
    else this.#last = before;
    one.under = undefined;
    one.before = undefined;
    one.after = undefined;
    // A timer that is left would keep the process from ending.
    if (!this.#first) this.#clearTimer();
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
    for (let one = this.#first; one && one.overAtMs <= nowMs; one = this.#first) {
      this.end(one);
      one.over();
    }
    if (this.#first && !this.#cancelTimer) this.#setTimer(this.#first.overAtMs - nowMs);
  }
}
