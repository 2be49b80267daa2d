/** Once a minute: texts whose time is over are given up. After a start: phones whose texts an earlier life left behind are marked again. */
import type { Aor } from '../../core/aor.ts';
import type { LifecycleEvent } from '../../core/events.ts';
import { type DurationMs, MINUTE } from '../../core/time.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { Clock } from '../../ports/clock.ts';
import type { KeptText } from '../../ports/text-store.ts';
import type { BridgedStore } from './bridged-store.ts';

export interface UpkeepOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly store: BridgedStore;
  readonly apply: (aor: Aor, ...facts: readonly LifecycleEvent[]) => Promise<void>;
  /** The record knows of the texts of this account again: a phone that registered before found nothing to fetch. */
  readonly onMarked: (aor: Aor) => Promise<void>;
  readonly onExpired: (text: KeptText) => void;
  readonly complain: (error: unknown) => void;
  /** Keeps track of work that runs by itself; it never rejects. */
  readonly run: (work: Promise<void>) => void;
}

const LOOK_EVERY: DurationMs = MINUTE;
const EXPIRED_AT_ONCE = 200;

export class Upkeep {
  readonly #o: UpkeepOptions;
  #cancel: () => void = () => undefined;
  #stopped = true;

  constructor(options: UpkeepOptions) {
    this.#o = options;
  }

  start(): void {
    this.#cancel();
    this.#stopped = false;
    this.#look(true);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  /** `first`: again until the store has answered once. */
  #look(first: boolean): void {
    const { run, complain, clock } = this.#o;
    const looking = this.#lookNow(first).then(
      () => false,
      (error: unknown) => {
        complain(error);
        return first;
      },
    );
    run(
      looking.then((again) => {
        this.#cancel();
        if (!this.#stopped) this.#cancel = clock.after(LOOK_EVERY, () => this.#look(again));
      }),
    );
  }

  async #lookNow(first: boolean): Promise<void> {
    const { store, clock } = this.#o;
    await store.open();
    if (first) for (const aor of await store.accounts()) await this.#markAgain(aor);
    for (const text of await store.expired(clock.now(), EXPIRED_AT_ONCE)) {
      if (this.#stopped) return;
      await store.drop(text.aor, text.id);
      if (text.waiting.length > 0) await this.#expire(text);
    }
  }

  async #expire(text: KeptText): Promise<void> {
    const { aor, pbx, waiting } = text;
    this.#o.log.info({ aor, pbx, devices: waiting.length }, 'text expired, nobody fetched it');
    this.#o.onExpired(text);
    const left = await this.#o.store.of(aor);
    await this.#o.apply(
      aor,
      ...waiting.map((bindingId): LifecycleEvent => {
        const count = left.filter((t) => t.waiting.includes(bindingId)).length;
        return { type: 'TextsLeft', bindingId, count };
      }),
    );
  }

  /** A crash between the text and the mark in the record leaves a phone without a push. */
  async #markAgain(aor: Aor): Promise<void> {
    const waiting = await this.#o.store.of(aor);
    const devices = [...new Set(waiting.flatMap((t) => t.waiting))];
    await this.#o.apply(
      aor,
      ...devices.map((bindingId): LifecycleEvent => {
        const count = waiting.filter((t) => t.waiting.includes(bindingId)).length;
        return { type: 'TextsWait', bindingId, count, found: true };
      }),
    );
    await this.#o.onMarked(aor);
  }
}
