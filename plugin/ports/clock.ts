/** Where time comes from. The only implementation that reads the machine's clock lies in `adapters/clock`. */
import type { DurationMs, Instant } from '../core/time.ts';

export interface Clock {
  /** Wall clock. May jump; nothing may break when it does. */
  now(): Instant;
  /** Milliseconds since an arbitrary start, never jumps. For traces and deadlines inside one call. */
  monotonicMs(): number;
  /**
   * Calls back once after `ms` of this clock's time (0 … 24 h; longer is cut to 24 h, callers look again when it rings:
   * a ring is a hint). Returns a function that cancels it.
   */
  after(ms: DurationMs, ring: () => void): () => void;
  /** An instant as a PBX states it (epoch ms of ITS clock) in this clock's time. The identity on a real clock. */
  fromPbx(epochMs: number): Instant;
}

/** Work took longer than somebody waits for it. The work itself goes on. */
export class TimeUp extends Error {
  override name = 'TimeUp';
}

/** Settles as `work` does, or rejects with `TimeUp` after `ms` of this clock. Leaves no timer behind. */
export function within<T>(clock: Pick<Clock, 'after'>, ms: DurationMs, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(new TimeUp(`no answer within ${ms} ms`)));
    work.then(
      (value) => {
        cancel();
        resolve(value);
      },
      (error: unknown) => {
        cancel();
        reject(error);
      },
    );
  });
}
