/**
 * The pace of work in the background: at full speed for a moment, which is all a small site needs, then with rests, so
 * that a call meets a PBX that has time for it. Knows nothing of what is done.
 */
import { type DurationMs, SECOND } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';

/** Enough for some ten thousand accounts on Asterisk. */
const FREE: DurationMs = 3 * SECOND;
/** Rest nine times as long as the last piece of work took: a duty cycle of 10 %. */
const REST = 9;
/** The longest rest, in ms. With a PBX that is far away, or answers in rounds only, most of the time is waiting and not work, so it needs no longer rest. */
const LONGEST_REST: DurationMs = 50;
/**
 * A call that waits for a phone is let go first, for this time at most: eight questions that the PBX answers one after the other would stand before the order to ring
 * it. Where calls wait all the time the work goes on at a third of its speed.
 */
const CALLS_FIRST: DurationMs = 100;
const LOOKS_EVERY: DurationMs = 10;

export class Pace {
  readonly #wire: Clock;
  readonly #waiting: () => number;
  readonly #freeUntilMs: number;
  #begunMs: number;
  #wake: (() => void) | undefined;
  #stopped = false;

  /** `wire`: the machine's own time. `hurry`: it may begin at full speed. `waiting`: how many calls wait for phones now. */
  constructor(wire: Clock, hurry: boolean, waiting: () => number) {
    this.#wire = wire;
    this.#waiting = waiting;
    this.#begunMs = wire.monotonicMs();
    this.#freeUntilMs = this.#begunMs + (hurry ? FREE : 0);
  }

  /** Whether it may work without rest. */
  get isFree(): boolean {
    return this.#wire.monotonicMs() < this.#freeUntilMs;
  }

  /** Whether all of it is to end. */
  get isStopped(): boolean {
    return this.#stopped;
  }

  /** Rests for what was done since the last rest, and while calls wait. Resolves at once after `stop`. */
  async rest(): Promise<void> {
    // What was done while it was free is not rested for.
    const worked = this.#wire.monotonicMs() - Math.max(this.#begunMs, this.#freeUntilMs);
    const ms = Math.min(LONGEST_REST, REST * worked);
    if (ms > 0) await this.#sleep(ms);
    for (let slept = 0; slept < CALLS_FIRST && this.#waiting() > 0 && !this.#stopped; slept += LOOKS_EVERY)
      await this.#sleep(LOOKS_EVERY);
    this.#begunMs = this.#wire.monotonicMs();
  }

  async #sleep(ms: DurationMs): Promise<void> {
    if (this.#stopped) return;
    await new Promise<void>((done) => {
      const cancel = this.#wire.after(ms, done);
      this.#wake = () => {
        cancel();
        done();
      };
    });
    this.#wake = undefined;
  }

  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }
}
