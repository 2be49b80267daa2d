/**
 * Whether Asterisk still says which contacts are new. How we hear of them leans on what Asterisk does rather than promises
 * (`contact-events.ts`): where contacts are found by looking, and not one was ever told, it does so no more.
 */
import { type DurationMs, SECOND } from '../../../plugin/core/time.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';

/** Contacts found by looking before silence means anything: a single one may have come while the link did. */
const FOUND_AT_LEAST = 3;
/** An event may come after the look that found its contact. */
const TOLD_WITHIN: DurationMs = 5 * SECOND;

export class Hearing {
  readonly #clock: Clock;
  readonly #silent: () => void;
  #found = 0;
  #isTold = false;
  #cancel: () => void = () => undefined;

  /** `silent` is called at most once for each link. */
  constructor(clock: Clock, silent: () => void) {
    this.#clock = clock;
    this.#silent = silent;
  }

  /** A new link. */
  begin(): void {
    this.stop();
    this.#found = 0;
    this.#isTold = false;
  }

  /** Asterisk told of a new contact. */
  told(): void {
    this.#isTold = true;
    this.stop();
  }

  /** A new contact was found by looking. */
  found(): void {
    if (this.#isTold || ++this.#found !== FOUND_AT_LEAST) return;
    this.#cancel = this.#clock.after(TOLD_WITHIN, this.#silent);
  }

  stop(): void {
    this.#cancel();
  }
}
