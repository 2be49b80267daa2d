/** What happened to each call: steps with monotonic times and reasons, in a bounded ring, and one log line per call. */
import type { Aor } from '../core/aor.ts';
import type { BindingId } from '../core/binding.ts';
import type { Instant } from '../core/time.ts';

export interface TraceStep {
  /** Milliseconds since the call was seen, monotonic. */
  readonly ms: number;
  readonly step: string;
  readonly device?: BindingId;
  readonly detail?: string;
}

export interface CallTrace {
  readonly callId: string;
  readonly aor: Aor;
  readonly pbx: string;
  readonly at: Instant;
  readonly steps: readonly TraceStep[];
  readonly outcome?: string;
}

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
}
