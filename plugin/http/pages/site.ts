/** The view of a running pushwake that the pages get. */
import type { RunningStatus } from '../../ports/status.ts';

export type Site = RunningStatus;
