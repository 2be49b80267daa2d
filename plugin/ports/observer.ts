/** Counts what happens, for the metrics. Nothing waits for it, and nothing it does can fail a call. */
import type { Report } from '../core/events.ts';
import type { CallTrace } from '../core/trace.ts';

/** What is asked of the store, and timed. */
export type StoreOperation = 'get' | 'put' | 'claimDue' | 'remove';

export interface Observer {
  /** A call is over; its trace is whole but for what comes after the end. */
  callOver(trace: CallTrace): void;
  /** A stage change of a binding, as it is logged. */
  bindingChanged(what: Report, reason?: string): void;
  /** The store answered, or did not: `ok` false. */
  storeAnswered?(operation: StoreOperation, ms: number, ok: boolean): void;
}
