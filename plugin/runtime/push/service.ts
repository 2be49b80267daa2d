/** One push service as the delivery sees it: its provider, who is in flight there, and whether it answers at all. */
import type { PushProvider } from '../../ports/push-provider.ts';
import { Breaker } from './circuit-breaker.ts';
import { Places } from './slots.ts';

/** The rest is free for calls at any moment. */
const SHARE_OF_OTHERS = 0.8;
/** Some 1,500 a second at Apple's distance. More would keep this thread so busy that a call waits for it, not for a place. */
const MOST_OTHERS = 64;
const MAX_IN_FLIGHT = 100;

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
  /** Calls whose attempt has no answer yet: the success of another says that theirs may have been sent into nothing. */
  readonly openCalls: Set<() => void>;
  /** Attempts that wait or are made. */
  users: number;
  /** Called when the last of them has ended, once the provider is to go. */
  onUnused?: () => void;
}

export function laneOf(provider: PushProvider): Lane {
  const most = provider.maxInFlight ?? MAX_IN_FLIGHT;
  return {
    provider,
    breaker: new Breaker(),
    waitingCalls: new Set(),
    openCalls: new Set(),
    users: 0,
    places: new Places(most, Math.min(MOST_OTHERS, most * SHARE_OF_OTHERS)),
  };
}
