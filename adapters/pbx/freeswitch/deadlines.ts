/** How long an operation of the worker may take. */
import { type DurationMs, SECOND } from '../../../plugin/core/time.ts';

/** A call waits for these: a PBX that takes longer is treated as one that does not answer. */
export const CALL_DEADLINE: DurationMs = 1 * SECOND;
/** Nobody waits for these. */
export const CALM_DEADLINE: DurationMs = 5 * SECOND;
/** Every registration of a profile in one answer: 5,000 rows take 50 ms. */
export const LIST_DEADLINE: DurationMs = 30 * SECOND;
