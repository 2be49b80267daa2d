/**
 * Keeps a service that does not answer from being asked by every push at once. closed → open → half-open (one push asks)
 * → closed, or open for longer. Knows nothing of pushes; monotonic time and chance are handed in.
 */
import { type DurationMs, MINUTE, SECOND } from '../../core/time.ts';

import type { BreakerState } from '../../ports/status.ts';

/** How many failures in a row open the breaker. */
const OPENS_AFTER = 5;
/** A connection that is cut fails a hundred pushes in one moment: that is one failure. */
const ONE_MOMENT: DurationMs = 100;
const FIRST_PAUSE = 2 * SECOND;
const LONGEST_PAUSE = MINUTE;
/** What has to wait while another push asks looks again after this. */
const WHILE_ASKING: DurationMs = SECOND;
/** Of the calls that wait while it is open, one asks this often: a pause of a minute would outlast them all. */
const A_CALL_ASKS_EVERY: DurationMs = SECOND;

export class Breaker {
  #failures = 0;
  #failedAtMs = Number.NEGATIVE_INFINITY;
  #pauses = 0;
  #openUntilMs: number | undefined;
  #asking = false;
  #callAskedMs = Number.NEGATIVE_INFINITY;

  state(nowMs: number): BreakerState {
    if (this.#openUntilMs === undefined) return 'closed';
    return nowMs < this.#openUntilMs ? 'open' : 'half-open';
  }

  /** 0: go ahead, and give the result to `report`. Otherwise the time to wait before asking again. */
  waitMs(nowMs: number, isCall = false): DurationMs {
    if (this.#openUntilMs === undefined) return 0;
    if (isCall) {
      const waitMs = Math.max(0, this.#callAskedMs + A_CALL_ASKS_EVERY - nowMs);
      if (waitMs === 0) this.#callAskedMs = nowMs;
      return waitMs;
    }
    if (nowMs < this.#openUntilMs) return this.#openUntilMs - nowMs;
    if (this.#asking) return WHILE_ASKING;
    this.#asking = true;
    return 0;
  }

  /**
   * What came of an attempt. `unknown`: it was given up before the service could answer. Returns what that changed for
   * everybody: `opened` once until it is `closed`.
   */
  report(
    result: 'answered' | 'unreachable' | 'unknown',
    nowMs: number,
    random: number,
  ): 'opened' | 'closed' | undefined {
    const wasHalfOpen = this.state(nowMs) === 'half-open';
    const wasClosed = this.#openUntilMs === undefined;
    if (result === 'answered') {
      this.#failures = 0;
      this.#pauses = 0;
      this.#openUntilMs = undefined;
    }
    if (result === 'unreachable') {
      if (nowMs - this.#failedAtMs >= ONE_MOMENT) {
        this.#failures++;
        this.#failedAtMs = nowMs;
      }
      const opens = this.#openUntilMs === undefined ? this.#failures >= OPENS_AFTER : wasHalfOpen;
      if (opens) {
        const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#pauses++);
        this.#openUntilMs = nowMs + pause * (0.75 + 0.25 * random);
      }
    }
    if (wasHalfOpen || result === 'answered') this.#asking = false;
    const isClosed = this.#openUntilMs === undefined;
    return wasClosed === isClosed ? undefined : isClosed ? 'closed' : 'opened';
  }
}
