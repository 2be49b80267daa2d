/**
 * After 20 wrong tokens within a minute an address gets 429 for further wrong ones until that minute is over, and the log names
 * it. The right token is always served. Addresses are kept for as long, and not more of them than fit.
 */
import { BoundedMap, upTo } from '../core/bounded-map.ts';
import { type DurationMs, MINUTE } from '../core/time.ts';
import type { Logger } from '../ports/adapter.ts';
import type { Clock } from '../ports/clock.ts';

/** A person mistypes a few; Prometheus with an old token asks four times a minute. */
const MOST = 20;
const WINDOW: DurationMs = MINUTE;
const ADDRESSES = 10_000;

interface Tries {
  readonly sinceMs: number;
  count: number;
}

export class WrongTokens {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #log: Logger;
  readonly #tries = new BoundedMap<string, Tries>(upTo(ADDRESSES));

  constructor(clock: Pick<Clock, 'monotonicMs'>, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** How long wrong tokens of this address are answered 429, in ms; 0: they are not. */
  waitMs(address: string): DurationMs {
    const tries = this.#of(address);
    return tries && tries.count >= MOST ? tries.sinceMs + WINDOW - this.#clock.monotonicMs() : 0;
  }

  add(address: string): void {
    const tries = this.#of(address) ?? { sinceMs: this.#clock.monotonicMs(), count: 0 };
    this.#tries.set(address, tries);
    tries.count++;
    if (tries.count === MOST) {
      this.#log.warn({ address, tries: MOST, forMs: WINDOW }, 'too many wrong tokens from this address');
    }
  }

  #of(address: string): Tries | undefined {
    const tries = this.#tries.get(address);
    if (!tries || this.#clock.monotonicMs() - tries.sinceMs < WINDOW) return tries;
    this.#tries.delete(address);
    return undefined;
  }
}
