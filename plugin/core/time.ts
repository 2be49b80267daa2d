/**
 * Time as the core sees it: instants are branded so that adding two of them does not compile into a third;
 * durations are plain milliseconds so that `12 * HOUR` reads as it is said. Nothing here reads a clock.
 */

/** Milliseconds since the Unix epoch. Only the clock adapter and the record codec make one. */
export type Instant = number & { readonly __instant: unique symbol };

/** A length of time in milliseconds; may exceed 24.8 days (no timer is ever set for that long). */
export type DurationMs = number;

export const SECOND: DurationMs = 1_000;
export const MINUTE: DurationMs = 60 * SECOND;
export const HOUR: DurationMs = 60 * MINUTE;
export const DAY: DurationMs = 24 * HOUR;

/** Reads a number from outside (a record, a PBX) as an instant. Whole milliseconds. */
export function instant(epochMs: number): Instant {
  return Math.round(epochMs) as Instant;
}

/** The instant `ms` after `at` (before it, when negative). */
export function plus(at: Instant, ms: DurationMs): Instant {
  return (at + ms) as Instant;
}

/** How long it is from `from` to `to`; negative when `to` lies before it. */
export function between(from: Instant, to: Instant): DurationMs {
  return to - from;
}

/** Clocks of one site may differ by this much (a PBX's from ours); beyond it one of them was wrong. */
export const CLOCKS_DIFFER: DurationMs = 10 * MINUTE;
/** PBXs state an expiry in whole seconds: what it proves may be wrong by this much (ms), and must not pass for a renewal. */
export const EXPIRY_ROUNDING: DurationMs = 5 * SECOND;

/**
 * Whether a stored stamp was made by a clock that was wrong: a wall clock may have been two days ahead for a few minutes. What
 * happened before what, nobody knows of it then; it must neither hide what happens now nor pass for recent.
 */
export function isFromFuture(at: Instant, now: Instant): boolean {
  return between(now, at) > CLOCKS_DIFFER;
}

/** A stored stamp as far as it can be true. */
export function capped(at: Instant, now: Instant): Instant {
  return isFromFuture(at, now) ? now : at;
}

export function earliest(...at: readonly (Instant | undefined)[]): Instant | undefined {
  return at.reduce((a, b) => (a === undefined ? b : b === undefined ? a : a < b ? a : b), undefined);
}

export function latest(first: Instant, ...at: readonly (Instant | undefined)[]): Instant {
  return at.reduce<Instant>((a, b) => (b !== undefined && b > a ? b : a), first);
}
