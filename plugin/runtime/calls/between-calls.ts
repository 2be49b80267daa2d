/**
 * Something that takes the processor for a millisecond or two is done when no call waits: V8 collects young garbage when there is much of it, which is most often in the
 * middle of a call, since a call makes most of it.
 */
import type { DurationMs } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';

/** The end of a call is told first. */
const MOMENT: DurationMs = 10;

export interface BetweenCallsOptions {
  readonly clock: Pick<Clock, 'after'>;
  /** How many calls wait now. */
  readonly waiting: () => number;
  /** Absent: nothing is done. */
  readonly work: (() => void) | undefined;
}

export class BetweenCalls {
  readonly #o: BetweenCallsOptions;
  #cancel: (() => void) | undefined;

  constructor(options: BetweenCallsOptions) {
    this.#o = options;
  }

  /** A call is over. */
  over(): void {
    const { clock, work, waiting } = this.#o;
    if (!work || this.#cancel) return;
    this.#cancel = clock.after(MOMENT, () => {
      this.#cancel = undefined;
      if (waiting() === 0) work();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
