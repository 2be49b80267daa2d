/** The machine's time, whatever clock the bindings live by: a wire and a thread are as slow as they are while a week passes in a minute. */
import type { Clock } from '../../plugin/ports/clock.ts';

export type RealTime = Pick<Clock, 'after' | 'monotonicMs'>;

export const REAL_TIME: RealTime = {
  monotonicMs: () => performance.now(),
  after: (ms, ring) => {
    const timer = setTimeout(ring, ms);
    return () => clearTimeout(timer);
  },
};

/** Calls again and again, each time after so many ms. Returns a function that ends it. */
export function every(ms: number, work: () => void): () => void {
  const timer = setInterval(work, ms);
  return () => clearInterval(timer);
}

/** Behind what else this turn of the event loop has to write, in the order in which it was asked for. */
export const atEndOfTurn = (work: () => void): void => void setImmediate(work);
