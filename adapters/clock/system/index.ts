/**
 * The machine's clock and its dice: the only file that reads `Date.now`, `performance.now` and `Math.random` or sets a timer.
 * `affineClock` is the same clock run faster, so that a week can pass against a real PBX in half a minute.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { DAY, type DurationMs, type Instant, instant } from '../../../plugin/core/time.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';

/** Beyond this one real millisecond, the least a timer can wait, is more than 20 s: notices would run into each other. */
const MAX_SPEED = 20_000;

export const optionsSchema = z.strictObject({
  /** How many times as fast as real time. For demonstrations and tests; 1 in service. */
  speed: z.number().min(1).max(MAX_SPEED).default(1),
});

export function create(options: z.output<typeof optionsSchema>): Clock {
  return options.speed === 1 ? systemClock() : affineClock({ k: options.speed, startAt: instant(Date.now()) });
}

export function systemClock(): Clock {
  return {
    now: () => instant(Date.now()),
    monotonicMs: () => performance.now(),
    after: (ms, ring) => timer(within(ms), ring),
    fromPbx: (epochMs) => instant(epochMs),
  };
}

export interface AffineOptions {
  /** Times as fast as real time, 1 … 20,000. */
  readonly k: number;
  /** What this clock shows at `realStartMs`. */
  readonly startAt: Instant;
  /** The real instant (epoch ms) at which it shows `startAt`; default: now. Give the same one to a process that continues another's time. */
  readonly realStartMs?: number;
}

/** Wall clock, monotonic time, timers and PBX instants all run `k` times as fast, so that none of them disagree. */
export function affineClock({ k, startAt, realStartMs = Date.now() }: AffineOptions): Clock {
  if (!(k >= 1 && k <= MAX_SPEED)) throw new RangeError(`the clock's speed must lie between 1 and ${MAX_SPEED}`);
  // Monotonic on purpose: a step of the machine's clock would be a step of k times its size here.
  const startMs = performance.now() - (Date.now() - realStartMs);
  const monotonicMs = (): number => k * (performance.now() - startMs);
  return {
    now: () => instant(startAt + monotonicMs()),
    monotonicMs,
    after: (ms, ring) => timer(within(ms) / k, ring),
    fromPbx: (epochMs) => instant(startAt + k * (epochMs - realStartMs)),
  };
}

/** The wall clock of `life` with the machine's own timers: for whatever waits for a disk or a wire while a week passes. */
export function wireClock(life: Clock): Clock {
  const machine = systemClock();
  return { now: life.now, fromPbx: life.fromPbx, monotonicMs: machine.monotonicMs, after: machine.after };
}

/** Random bytes as lower-case hex, two digits each; fit for ids nobody may guess. */
export function randomId(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}

/** 0 ≤ x < 1, for jitter. Not fit for secrets. */
export function random(): number {
  return Math.random();
}

function within(ms: DurationMs): DurationMs {
  if (Number.isNaN(ms)) throw new RangeError('a timer needs a number of milliseconds');
  return Math.min(Math.max(ms, 0), DAY);
}

/**
 * Not unref'ed: work that waits for its time (a retry, the ticker) must not let the process end by itself, and a timer
 * somebody forgot shows as a process that does not stop. `main.ts` cancels them all when it shuts down.
 */
function timer(ms: number, ring: () => void): () => void {
  const handle = setTimeout(ring, ms);
  return () => clearTimeout(handle);
}
