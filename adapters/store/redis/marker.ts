/**
 * Whether Redis still is the one that we wrote to. Flushed, or started again without its append log, it answers "absent" for every account; a
 * marker that is gone, or another one, tells that from the truth. In a cluster each shard has one, since its servers are lost one by one.
 */
import { randomBytes } from 'node:crypto';
import { type DurationMs, SECOND } from '../../../plugin/core/time.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';

/** An answer of the marker holds for this long: accounts without a record are asked for at every call of theirs. */
const HOLDS_FOR: DurationMs = 1 * SECOND;

export interface MarkerIo {
  readonly clock: Clock;
  /** Reads the marker; undefined: there is none. */
  readonly read: () => Promise<string | undefined>;
  /** Writes it unless there is one. */
  readonly write: (value: string) => Promise<void>;
}

export class Marker {
  readonly #io: MarkerIo;
  /** What we found or wrote. Undefined: Redis was away since the start. */
  #known: string | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(io: MarkerIo) {
    this.#io = io;
  }

  /** From here on this Redis, as it is, is the one that counts. Rejects while it is away. */
  async accept(): Promise<void> {
    const found = await this.#io.read();
    if (found === undefined) await this.#io.write(randomBytes(8).toString('hex'));
    this.#known = found ?? (await this.#io.read());
    this.#lookedMs = this.#io.clock.monotonicMs();
  }

  /** Rejects while it is away. `lately`: an answer of the last second will do. */
  async wasEmptied(lately = false): Promise<boolean> {
    if (this.#known === undefined) {
      // Away when we started: what it holds when it is there counts.
      if (!lately) await this.accept();
      return false;
    }
    const nowMs = this.#io.clock.monotonicMs();
    if (lately && nowMs - this.#lookedMs < HOLDS_FOR) return false;
    if ((await this.#io.read()) !== this.#known) return true;
    this.#lookedMs = nowMs;
    return false;
  }
}
