/** One push service as the delivery sees it: its provider, who is in flight there, and whether it answers at all. */
import { type DurationMs, SECOND } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PushProvider } from '../../ports/push-provider.ts';
import { TimeLimit } from '../../ports/time-limit.ts';
import { Breaker } from './circuit-breaker.ts';
import { Places } from './slots.ts';

/** The rest is free for calls at any moment. */
const SHARE_OF_OTHERS = 0.8;
/** Some 1,500 a second at Apple's distance. More would keep this thread so busy that a call waits for it, not for a place. */
const MOST_OTHERS = 64;
const MAX_IN_FLIGHT = 100;

/** Above every provider's own limit: for one that never answers. */
export const ATTEMPT_LASTS_AT_MOST: DurationMs = 15 * SECOND;

/** An attempt that was given up after this long without an answer says that the service does not answer; they take 0.2 s. */
export const SLOW: DurationMs = 2 * SECOND;

/** An attempt for a call that has no answer yet. */
export interface OpenCall {
  /** The service takes others meanwhile. */
  overtaken(): void;
}

export interface Lane {
  readonly provider: PushProvider;
  readonly breaker: Breaker;
  readonly places: Places;
  /** Why the last push that had an end was not taken, monotonic; absent once one was answered. */
  trouble?: { readonly reason: string; readonly atMs: number } | undefined;
  /** Monotonic: since when the breaker is not closed. */
  openedAtMs?: number | undefined;
  /** Calls between two attempts: the first success of anybody's wakes them all. */
  readonly waitingCalls: Set<() => void>;
  /** How many pushes it has accepted: a success since a call's attempt began says that the attempt may have been sent into nothing. */
  accepted: number;
  /** Calls whose attempt is older than `SLOW`, without a success since then: the next one ends it. */
  readonly slowCalls: Set<OpenCall>;
  /** Of an attempt for anybody but a call, where its own deadline is later: `ATTEMPT_LASTS_AT_MOST`. */
  readonly late: TimeLimit;
  /** Of an attempt for a call: `SLOW`; then what is left of `ATTEMPT_LASTS_AT_MOST`. */
  readonly slow: TimeLimit;
  readonly lateSinceSlow: TimeLimit;
  /** Attempts that wait or are made. */
  users: number;
  /** Called when the last of them has ended, once the provider is to go. */
  onUnused?: () => void;
}

export function laneOf(provider: PushProvider, clock: Clock): Lane {
  const most = provider.maxInFlight ?? MAX_IN_FLIGHT;
  return {
    provider,
    breaker: new Breaker(),
    waitingCalls: new Set(),
    accepted: 0,
    slowCalls: new Set(),
    late: new TimeLimit(clock, ATTEMPT_LASTS_AT_MOST),
    slow: new TimeLimit(clock, SLOW),
    lateSinceSlow: new TimeLimit(clock, ATTEMPT_LASTS_AT_MOST - SLOW),
    users: 0,
    places: new Places(most, Math.min(MOST_OTHERS, most * SHARE_OF_OTHERS)),
  };
}
