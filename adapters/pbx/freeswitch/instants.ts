/** FreeSWITCH's word on when something was, in the time the bindings live by. */
import { type DurationMs, type Instant, SECOND } from '../../../plugin/core/time.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';

/** An event older than this was held up somewhere, and its stamp is the better word. */
const STAMP_LAG: DurationMs = 2 * SECOND;

export class Instants {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  at(epochMs: number): Instant {
    return Number.isFinite(epochMs) ? this.#clock.fromPbx(epochMs) : this.#clock.now();
  }

  /**
   * The instant of a REGISTER whose event arrives now. FreeSWITCH stamps events with a clock that stands still for up to 20 ms, which
   * would put a phone's REGISTER before the call that woke it. What comes after the call in the stream came after it.
   */
  heard(epochMs: number): Instant {
    const [stamp, now] = [this.at(epochMs), this.#clock.now()];
    return stamp > now || now - stamp < STAMP_LAG ? now : stamp;
  }

  /** Seconds of the PBX in the time the bindings live by. */
  lasting(seconds: number): DurationMs {
    return this.#clock.fromPbx(seconds * SECOND) - this.#clock.fromPbx(0);
  }
}
