/**
 * Calls that arrive one upon the other: what rings their phones waits until no more arrive, so that every push goes first. What is composed for
 * a call is more work for Asterisk than its arrival, and the later ones would wait for it. A call that comes alone waits for nothing.
 */
import type { DurationMs } from '../../../plugin/core/time.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';

/** A call that arrives within this time after another one is not alone. */
const NEAR: DurationMs = 6;
/** They have ceased to arrive. */
const CALM: DurationMs = 4;
/** The caller hears nothing meanwhile, and the guard of the dialplan has 1.5 s. */
const AT_MOST: DurationMs = 60;

export class Rush {
  readonly #clock: Clock;
  #lastMs = Number.NEGATIVE_INFINITY;
  #lastCall = '';
  /** Since when they arrive. Undefined: the last one came alone. */
  #sinceMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `call`: its legs, one for each account of a ring group, are one call. */
  arrived(call: string): void {
    if (call === this.#lastCall) return;
    this.#lastCall = call;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lastMs > NEAR) this.#sinceMs = undefined;
    else this.#sinceMs ??= this.#lastMs;
    this.#lastMs = nowMs;
  }

  /** Resolves when no more calls arrive, after 60 ms at the latest; at once for a call that came alone. */
  async over(): Promise<void> {
    const untilMs = this.#clock.monotonicMs() + AT_MOST;
    while (this.#sinceMs !== undefined) {
      const nowMs = this.#clock.monotonicMs();
      if (nowMs - this.#lastMs >= CALM || nowMs >= untilMs) return;
      await new Promise<void>((resolve) => void this.#clock.after(CALM, resolve));
    }
  }
}
