/** What happened to one call, as it is kept for people: steps with their times and reasons. Shapes only. */
import type { Aor } from './aor.ts';
import type { BindingId } from './binding.ts';
import type { Instant } from './time.ts';
import type { WakeStatus } from './wake/types.ts';

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
  /** Grows while the call waits, and a little after. */
  readonly steps: readonly TraceStep[];
  /** How it ended; undefined while it waits, and for the plain path. */
  outcome?: string;
  status?: WakeStatus;
  /** False while it waits. */
  over: boolean;
}
