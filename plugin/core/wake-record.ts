/** How well a device wakes: its last call pushes, and what they say. */
import type { Binding } from './binding.ts';
import type { DurationMs } from './time.ts';

/** How many are kept. */
const KEPT = 10;
/** Fewer say nothing. */
const ENOUGH = 5;

/** An awake phone answers the INVITE at its stored contact with 180 within this time; a push that wakes a phone takes longer. */
const AWAKE_WITHIN: DurationMs = 500;

/**
 * Milliseconds that the phone took to come, from the call to its REGISTER or from its INVITE to its 180; null where it did not come.
 * Oldest first.
 */
export type WakeRecord = readonly (DurationMs | null)[];

/** The record with one more call push. `afterMs` undefined: it came, nobody knows how fast. */
export function withWake(record: WakeRecord | undefined, came: boolean, afterMs: DurationMs | undefined): WakeRecord {
  const median = medianMs(record) ?? 0;
  return [...(record ?? []), came ? (afterMs ?? median) : null].slice(-KEPT);
}

/** A device that always wakes is not written to disk for waking once more, unless it begins to sleep, or to be awake. */
export function isWorthKeeping(before: WakeRecord | undefined, after: WakeRecord): boolean {
  if (before === undefined || before.length < KEPT || before.includes(null) || after.at(-1) === null) return true;
  return isLate(before.at(-1)) !== isLate(after.at(-1)) || sleptLately(before) !== sleptLately(after);
}

/** It did not come for its last call push, or for neither of the last two as fast as an awake phone: no living phone was at its stored contact. */
export function sleptLately(record: WakeRecord | undefined): boolean {
  return record?.at(-1) === null || (isLate(record?.at(-1)) && isLate(record?.at(-2)));
}

const isLate = (ms: DurationMs | null | undefined): boolean => typeof ms === 'number' && ms > AWAKE_WITHIN;

export function medianMs(record: WakeRecord | undefined): DurationMs | undefined {
  const came = (record ?? []).filter((ms) => ms !== null).sort((a, b) => a - b);
  return came.length === 0 ? undefined : came[came.length >> 1];
}

/** Of its last call pushes fewer than half woke it. */
export function wakesSeldom({ wakes }: Pick<Binding, 'wakes'>): boolean {
  return wakes !== undefined && wakes.length >= ENOUGH && wakes.filter((ms) => ms !== null).length * 2 < wakes.length;
}

/** "of the last 10 call pushes 9 woke it, median 1.8 s" */
export function recordInWords(record: WakeRecord | undefined): string {
  if (!record || record.length === 0) return 'no call push yet';
  const came = record.filter((ms) => ms !== null).length;
  const median = medianMs(record);
  const speed = median === undefined ? '' : `, median ${(median / 1_000).toFixed(1)} s`;
  return `of the last ${record.length} call pushes ${came} woke it${speed}`;
}
