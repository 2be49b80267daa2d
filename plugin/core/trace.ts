/** What happened to one call, as it is kept for people: steps with their times and reasons. */
import type { Aor } from './aor.ts';
import type { Instant } from './time.ts';
import type { CallStep } from './wake/steps.ts';
import type { CallOutcome, WakeStatus } from './wake/types.ts';

/** `ms`: milliseconds since the call was seen, monotonic. */
export type TraceStep = CallStep & { readonly ms: number };

export interface CallTrace {
  readonly callId: string;
  readonly aor: Aor;
  readonly pbx: string;
  readonly at: Instant;
  /** Grows while the call waits, and a little after. */
  readonly steps: readonly TraceStep[];
  /** How it ended; undefined while it waits, and for the plain path. */
  outcome?: CallOutcome;
  status?: WakeStatus;
  /** False while it waits. */
  over: boolean;
}

/** Whether its link was away for a part of it: what happened then is not known, nor when. */
export const wasBlind = (trace: CallTrace): boolean => trace.steps.some((s) => s.step === 'linkLost');
