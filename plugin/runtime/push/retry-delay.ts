/** Whether and when a push is tried again. Pure: the only place that knows the pace of retries. */
import { type DurationMs, MINUTE, SECOND } from '../../core/time.ts';
import type { PushOutcome, PushPurpose } from '../../ports/push-provider.ts';

export interface Tried {
  readonly purpose: PushPurpose;
  /** Attempts made so far, at least 1. */
  readonly attempts: number;
  readonly outcome: PushOutcome;
  /** Until the push is useless. */
  readonly leftMs: DurationMs;
  /** 0 ≤ random < 1. */
  readonly random: number;
}

/** A caller waits a few rings, so a call push is tried again within the first second. The others have hours. */
const PACE: { readonly [purpose in PushPurpose]: { readonly firstMs: DurationMs; readonly mostMs: DurationMs } } = {
  call: { firstMs: 150, mostMs: 2 * SECOND },
  cancel: { firstMs: SECOND, mostMs: 10 * SECOND },
  refresh: { firstMs: 5 * SECOND, mostMs: 5 * MINUTE },
  notice: { firstMs: 2 * SECOND, mostMs: 5 * MINUTE },
  missed: { firstMs: 2 * SECOND, mostMs: 5 * MINUTE },
  message: { firstMs: 2 * SECOND, mostMs: 5 * MINUTE },
  voicemail: { firstMs: 2 * SECOND, mostMs: 5 * MINUTE },
  custom: { firstMs: 2 * SECOND, mostMs: 5 * MINUTE },
};

/** A wait the service asked for is stretched by up to this share, so that what waits together does not come together. */
const SPREAD = 0.2;
const MOST_SPREAD = 10 * SECOND;

/** How long to wait before the next attempt; undefined: the outcome stands. */
export function retryInMs({ purpose, attempts, outcome, leftMs, random }: Tried): DurationMs | undefined {
  if (outcome.kind !== 'retryLater' || outcome.reason === 'aborted') return undefined;
  const { firstMs, mostMs } = PACE[purpose];
  const step = Math.min(mostMs, firstMs * 2 ** (attempts - 1));
  const own = step * (0.5 + 0.5 * random);
  const asked = outcome.afterMs === undefined ? own : asAsked(outcome.afterMs, attempts, own, random);
  // A caller waits for seconds: where the service wants more than a third of what is left, it is asked once more before.
  const waitMs = purpose === 'call' && asked > mostMs ? Math.min(asked, Math.max(mostMs, leftMs / 3)) : asked;
  // An attempt that starts when the push is useless only costs the service.
  return waitMs < leftMs ? waitMs : undefined;
}

function asAsked(afterMs: DurationMs, attempts: number, own: DurationMs, random: number): DurationMs {
  // "At once" is meant once; a service that says so again and again is treated as one that says nothing.
  if (afterMs === 0) return attempts === 1 ? 0 : own;
  return afterMs + random * Math.min(afterMs * SPREAD, MOST_SPREAD);
}
