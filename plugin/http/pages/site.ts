/** What the pages are shown of a running pushwake. */
import type { RunningStatus } from '../../ports/status.ts';

export type Site = RunningStatus;
