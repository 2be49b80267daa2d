/** What happened to each call, in a bounded ring: those that wait and the latest that are over. */
import type { CallTrace } from '../../core/trace.ts';

export type { CallTrace, TraceStep } from '../../core/trace.ts';

const CALLS_KEPT = 2_000;

export class TraceBook {
  readonly #calls: CallTrace[] = [];

  add(trace: CallTrace): void {
    this.#calls.push(trace);
    if (this.#calls.length > CALLS_KEPT) this.#calls.splice(0, this.#calls.length - CALLS_KEPT);
  }

  /** The latest calls first; of one AOR or one call id where given. */
  find(key?: string): readonly CallTrace[] {
    const found = key === undefined ? this.#calls : this.#calls.filter((c) => c.aor === key || c.callId === key);
    return [...found].reverse();
  }

  /** The latest of one call. Asked at the end of each: it is one of the last of the book. */
  latest(callId: string): CallTrace | undefined {
    return this.#calls.findLast((c) => c.callId === callId);
  }
}
