/** The time in which the store of texts does not answer: one line in the log, and what has to be done for which account afterwards. */
import type { Aor } from '../../core/aor.ts';
import { BoundedMap, upTo } from '../../core/bounded-map.ts';
import { type DurationMs, SECOND } from '../../core/time.ts';
import type { Logger } from '../../ports/adapter.ts';
import { type Clock, within } from '../../ports/clock.ts';
import type { KeptText } from '../../ports/text-store.ts';
import type { BridgedStore } from './bridged-store.ts';

export interface OutageOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly store: BridgedStore;
  /** The store answers again. `text`: the last that came for the account meanwhile. Rejects when it is away once more. */
  readonly catchUp: (aor: Aor, text: KeptText | undefined) => Promise<void>;
  /** Keeps track of work that runs by itself; it never rejects. */
  readonly run: (work: Promise<void>) => void;
}

const TRIED_EVERY: DurationMs = 1 * SECOND;
/** The last try of a pushwake that ends. */
const LAST_TRY: DurationMs = 2 * SECOND;
/** Accounts that are looked at afterwards; the others are found by what their phones do next. */
const ACCOUNTS = 10_000;

export class Outage {
  readonly #o: OutageOptions;
  readonly #accounts = new BoundedMap<Aor, KeptText | undefined>(upTo(ACCOUNTS));
  #cancel: (() => void) | undefined;
  #logged = false;
  #stopped = false;

  constructor(options: OutageOptions) {
    this.#o = options;
  }

  /** Something of this account was not done because the store did not answer. */
  of(aor: Aor, text: KeptText | undefined, error?: unknown): void {
    this.#accounts.set(aor, text ?? this.#accounts.get(aor));
    if (error === undefined) this.#tryLater();
    else this.complain(error);
  }

  /** Logged once until the store answers again: a flood of texts must not fill the log. */
  complain(error: unknown): void {
    this.#tryLater();
    if (this.#logged) return;
    this.#logged = true;
    const reason = error instanceof Error ? error.message : String(error);
    this.#o.log.error({ reason }, 'the store of texts does not answer, texts are held in memory');
  }

  /** What is still in memory then is lost, and the log says how many. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    const { store, clock, log } = this.#o;
    if (store.isWhole) return;
    await within(clock, LAST_TRY, store.flush()).catch(() => undefined);
    if (store.held > 0) log.error({ texts: store.held }, 'texts lost, the store did not take them before the end');
  }

  #tryLater(): void {
    if (this.#stopped) return;
    this.#cancel ??= this.#o.clock.after(TRIED_EVERY, () => {
      this.#cancel = undefined;
      this.#o.run(this.#tryNow());
    });
  }

  async #tryNow(): Promise<void> {
    const { store, log, catchUp } = this.#o;
    try {
      await store.flush();
      for (const [aor, text] of [...this.#accounts]) {
        await catchUp(aor, text);
        if (this.#accounts.get(aor) === text) this.#accounts.delete(aor);
      }
    } catch (error) {
      return this.complain(error);
    }
    if (!store.isWhole || this.#accounts.size > 0) return this.#tryLater();
    if (this.#logged) log.info({}, 'the store of texts answers again');
    this.#logged = false;
  }
}
