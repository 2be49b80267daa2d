/** How long pushwake waits for an answer of Asterisk. */
import { type DurationMs, SECOND } from '../../../plugin/core/time.ts';

/** For what a call waits for, in ms: a PBX that takes longer is treated as one that does not answer. */
export const CALL_DEADLINE: DurationMs = 1 * SECOND;
/** For what no call waits for, in ms. */
export const CALM_DEADLINE: DurationMs = 5 * SECOND;
