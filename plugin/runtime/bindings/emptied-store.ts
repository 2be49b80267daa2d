/**
 * Looks whether the store has lost something and answers as if nothing were wrong. All of it (flushed): then what this node remembers is
 * written back, and the PBXs are asked what they hold: a phone that sleeps is in no PBX, so memory is all that is left of it. Its latest
 * changes (a replica took over): then those are written again. The look also shows that the store is well while nobody asks it anything.
 */
import { type DurationMs, SECOND } from '../../core/time.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { BindingStore } from '../../ports/binding-store.ts';
import type { Clock } from '../../ports/clock.ts';

/** One small question and one small write. What calls are told meanwhile comes from memory. */
const LOOK_EVERY: DurationMs = 2 * SECOND;

export interface EmptiedStoreOptions {
  readonly store: Pick<BindingStore, 'name' | 'wasEmptied' | 'acceptEmptied'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Writes back what is remembered and not there. Resolves with how many records were written. Rejects when the store is away. */
  readonly writeBack: () => Promise<number>;
  /** After each look: writes again what this node wrote shortly before a connection was lost and the store no longer holds. As `writeBack`. */
  readonly writeLatest: () => Promise<number>;
  /** Asks the PBXs for what they hold. Never rejects. */
  readonly resync: () => void;
}

export class EmptiedStore {
  readonly #o: EmptiedStoreOptions;
  #cancel: () => void = () => undefined;
  #looking: Promise<void> | undefined;
  #stopped = false;
  #isSaid = false;

  constructor(options: EmptiedStoreOptions) {
    this.#o = options;
  }

  start(): void {
    if (!this.#o.store.wasEmptied) return;
    const next = () => {
      if (this.#stopped) return;
      this.#cancel = this.#o.clock.after(LOOK_EVERY, () => {
        this.#looking = this.look().finally(next);
      });
    };
    next();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#looking;
  }

  /** Never rejects: a store that is away is looked at again. */
  async look(): Promise<void> {
    const { store, log, writeBack, resync } = this.#o;
    try {
      if (!(await store.wasEmptied?.())) return await this.#writeLatest();
      if (!this.#isSaid) {
        const hint = 'somebody flushed it, or it was started again without its append log (appendonly yes)';
        log.error({ store: store.name, hint }, 'store has come back empty, what is remembered is written back');
      }
      this.#isSaid = true;
      const records = await writeBack();
      await store.acceptEmptied?.();
      this.#isSaid = false;
      log.warn(
        { store: store.name, records },
        'store was filled again; phones that are not among them bind as they register',
      );
      resync();
    } catch (error) {
      log.debug({ store: store.name, reason: String(error) }, 'store could not be looked at');
    }
  }
  async #writeLatest(): Promise<void> {
    const { store, log, writeLatest } = this.#o;
    const records = await writeLatest();
    if (records === 0) return;
    const hint = 'a replica took over, or its machine lost power';
    log.warn({ store: store.name, records, hint }, 'store had lost its latest changes, they are written again');
  }
}
