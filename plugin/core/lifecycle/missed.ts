/** Calls that a phone slept through: counted until it is heard of again, and said in one notice that a later one replaces. */
import type { Binding } from '../binding.ts';
import type { LifecycleEvent } from '../events.ts';
import { between, DAY, type DurationMs, plus } from '../time.ts';
import { collapseId } from './collapse-id.ts';
import type { Draft } from './draft.ts';

/** How long the service keeps the notice for a phone that is off, in ms. */
const WAITS_FOR: DurationMs = 7 * DAY;
/** Longer after the call we do not try again: the call is no news any more. */
const TRY_FOR: DurationMs = 1 * DAY;

export function callMissed(draft: Draft, event: Extract<LifecycleEvent, { type: 'CallMissed' }>): void {
  const b = draft.find(event.bindingId);
  if (!b || b.ending || !draft.policy(b).missedCalls) return;
  // The rounds of a queue are one call.
  if (b.missed?.callId === event.callId) return;
  const { callId } = event;
  send(draft, { ...b, missed: { count: (b.missed?.count ?? 0) + 1, callId, at: draft.now } }, event.caller);
}

/** Saved before it is sent: after a crash it goes out once more, under the same collapse id and without the caller. */
function send(draft: Draft, b: Binding, caller?: { readonly name?: string; readonly number?: string }): void {
  const { missed } = b;
  const target = b.targets.other;
  // A VoIP push for anything but a call ends the app.
  if (!missed || !target) return;
  const againAt = plus(draft.now, draft.policy(b).resendAfterMs);
  draft.replace({ ...b, missed: { ...missed, againAt } });
  draft.effects.push({
    type: 'sendMissed',
    bindingId: b.id,
    target,
    callId: missed.callId,
    count: missed.count,
    ...(caller && { caller }),
    collapseId: collapseId(target, `missed ${draft.before.aor}`, b.renewedAt),
    expiresAt: plus(draft.now, WAITS_FOR),
  });
}

export function sendMissedAgain(draft: Draft, b: Binding): void {
  if (b.missed && b.targets.other && between(b.missed.at, draft.now) <= TRY_FOR) send(draft, b);
  else settle(draft, b);
}

export function missedSettled(draft: Draft, event: Extract<LifecycleEvent, { type: 'MissedSettled' }>): void {
  const b = draft.find(event.bindingId);
  if (b?.missed?.againAt === undefined) return;
  if (event.isOver) return settle(draft, b);
  draft.replace({ ...b, missed: { ...b.missed, againAt: plus(draft.now, draft.policy(b).putOffMaxMs) } });
}

function settle(draft: Draft, b: Binding): void {
  if (!b.missed) return;
  const { againAt: _, ...missed } = b.missed;
  draft.replace({ ...b, missed });
}
