/** How well a device wakes: its last call pushes, and what they say. */
import type { Binding } from './binding.ts';
import type { DurationMs } from './time.ts';

/** How many are kept. */
const KEPT = 10;
/** Fewer say nothing. */
const ENOUGH = 5;

/** Milliseconds from the call to the phone's REGISTER, or null where it did not come. Oldest first. */
export type WakeRecord = readonly (DurationMs | null)[];

/** The record with one more call push. `afterMs` undefined: it came, nobody knows how fast. */
export function withWake(record: WakeRecord | undefined, came: boolean, afterMs: DurationMs | undefined): WakeRecord {
  const median = medianMs(record) ?? 0;
  return [...(record ?? []), came ? (afterMs ?? median) : null].slice(-KEPT);
}

/** A device that always wakes is not written to disk for waking once more. */
export function isWorthKeeping(before: WakeRecord | undefined, came: boolean): boolean {
  return !came || before === undefined || before.length < KEPT || before.includes(null);
}

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
