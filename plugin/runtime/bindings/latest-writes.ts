/**
 * What this node has written in the last seconds. A replica that takes the place of a Redis that died does not have it yet, and a Redis that
 * lost its power has not got it on its disk: until they were looked at, such records are believed rather than the store.
 */
import type { Aor } from '../../core/aor.ts';
import type { AorRecord } from '../../core/binding.ts';
import { type DurationMs, SECOND } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';

/** How long a write is remembered (ms) while the connection lasts: ten times what Redis promises to lose at most. */
const KEPT_FOR: DurationMs = 10 * SECOND;
/** How many records at most, about 2 kB each, the latest; so many when they have become too many. */
const KEPT_MOST = 10_000;
const KEPT_AGAIN = 9_000;
const PRUNED_EVERY: DurationMs = SECOND / 4;

interface Write {
  readonly record: AorRecord;
  readonly connection: number;
  readonly atMs: number;
}

export class LatestWrites {
  readonly #clock: Clock;
  /** How many connections were lost so far. Undefined: the store has none to lose. */
  readonly #lost: (() => number) | undefined;
  /** The oldest first. */
  readonly #writes = new Map<Aor, Write>();

  #prunedMs = 0;

  constructor(clock: Clock, lost: (() => number) | undefined) {
    this.#clock = clock;
    this.#lost = lost;
  }

  wrote(record: AorRecord): void {
    if (!this.#lost) return;
    this.#writes.delete(record.aor);
    this.#writes.set(record.aor, { record, connection: this.#lost(), atMs: this.#clock.monotonicMs() });
    // Not at each write: to begin at the oldest is slow in a map of which much was deleted.
    if (this.#writes.size > KEPT_MOST || this.#clock.monotonicMs() - this.#prunedMs > PRUNED_EVERY) this.prune();
  }

  /** What was written long before now, over a connection that lasts, is safe. Called often while the store is well, never while it is away. */
  prune(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#prunedMs = nowMs;
    const most = this.#writes.size > KEPT_MOST ? KEPT_AGAIN : KEPT_MOST;
    for (const [aor, { connection, atMs }] of this.#writes) {
      const isSafe = connection === this.#lost?.() && nowMs - atMs > KEPT_FOR;
      if (!isSafe && this.#writes.size <= most) return;
      this.#writes.delete(aor);
    }
  }

  clear(): void {
    this.#writes.clear();
  }

  forget(aor: Aor): void {
    this.#writes.delete(aor);
  }

  /** What was written of an account before a connection was lost, where the store now holds less than that. */
  lostOf(aor: Aor, stored: AorRecord | undefined): AorRecord | undefined {
    const write = this.#writes.get(aor);
    if (!write || write.connection === this.#lost?.()) return undefined;
    return write.record.version > (stored?.version ?? 0) ? write.record : undefined;
  }

  /** Accounts whose last write may be lost. */
  inDoubt(): readonly Aor[] {
    return [...this.#writes].flatMap(([aor, { connection }]) => (connection === this.#lost?.() ? [] : [aor]));
  }
}
