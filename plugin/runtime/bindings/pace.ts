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

export class Pace {
  readonly #wire: Clock;
  readonly #freeUntilMs: number;
  #begunMs: number;
  #wake: (() => void) | undefined;
  #stopped = false;

  /** `wire`: the machine's own time. `hurry`: it may begin at full speed. */
  constructor(wire: Clock, hurry: boolean) {
    this.#wire = wire;
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

  /** Rests for what was done since the last rest. Resolves at once after `stop`. */
  async rest(): Promise<void> {
    // What was done while it was free is not rested for.
    const worked = this.#wire.monotonicMs() - Math.max(this.#begunMs, this.#freeUntilMs);
    const ms = Math.min(LONGEST_REST, REST * worked);
    if (ms > 0 && !this.#stopped) {
      await new Promise<void>((done) => {
        const cancel = this.#wire.after(ms, done);
        this.#wake = () => {
          cancel();
          done();
        };
      });
      this.#wake = undefined;
    }
    this.#begunMs = this.#wire.monotonicMs();
  }

  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }
}
