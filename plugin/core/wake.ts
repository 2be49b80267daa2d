/**
 * One waiting call of one AOR: whom to push, what to ring, and which devices get a closing push. Pure: (wake, fact, now) to the next
 * wake and effects; it lives in memory only and dies with the call. Fork, timeout, CANCEL and "answered elsewhere" are
 * the PBX's own; here is decided only when a waiting leg goes on and with which contact.
 *
 * Per pushed device there are up to two legs: `stored` rings the contact the PBX still holds (nobody knows whether it is
 * dead), `fresh` waits for a REGISTER. At most one of them ends up ringing the phone.
 */
import type { Binding } from './binding.ts';
import type { Policy } from './policy.ts';
import { earliest, type Instant } from './time.ts';
import { CallDraft, type WakeStep } from './wake/call-draft.ts';
import { registeredLate, ringTooLate, toldLate } from './wake/end.ts';
import { legAnswered, legArrived, legDials, legEnded, legRinging } from './wake/legs.ts';
import { asked } from './wake/stored.ts';
import type { Wake, WakeEvent } from './wake/types.ts';
import { pushSettled, registered, registerRefused, retryAt, timePassed } from './wake/waking.ts';

export { beginWake, takeUpDevice } from './wake/begin.ts';
export type { WakeStep } from './wake/call-draft.ts';
export { lateUntil } from './wake/end.ts';
export { cameProved, hasCome, hasRegistered } from './wake/leg-state.ts';
export { callIdOf, parseRef } from './wake/names.ts';
export {
  type CallOutcome,
  Cause,
  type ClosingWord,
  type ComposeTarget,
  NO_ANSWER_CAME,
  type PushedDevice,
  type StoredContact,
  type Wake,
  type WakeArrival,
  type WakeDevice,
  type WakeEffect,
  type WakeEvent,
  type WakeStatus,
} from './wake/types.ts';
export { cameItself, deviceOf } from './wake/who.ts';

export function stepWake(wake: Wake, event: WakeEvent, now: Instant, policyFor: (b: Binding) => Policy): WakeStep {
  const draft = new CallDraft(wake, now, policyFor);
  if (wake.phase !== 'over') apply(draft, event);
  else if (event.type === 'Registered') registeredLate(draft, wake, event);
  else if (event.type === 'RingTooLate') toldLate(draft, wake, event);
  return draft.finish();
}

function apply(draft: CallDraft, event: WakeEvent): void {
  switch (event.type) {
    case 'Asked':
      return asked(draft, event.contacts);
    case 'LegArrived':
      return legArrived(draft, event);
    case 'LegDials':
      return legDials(draft, event.legId);
    case 'LegRinging':
      return legRinging(draft, event.ref);
    case 'LegAnswered':
      return legAnswered(draft, event.legId);
    case 'LegEnded':
      return legEnded(draft, event);
    case 'RingTooLate':
      return ringTooLate(draft, event);
    case 'Registered':
      return registered(draft, event);
    case 'RegisterRefused':
      return registerRefused(draft, event);
    case 'PushSettled':
      return pushSettled(draft, event);
    case 'TimePassed':
      return timePassed(draft, event.linkUp);
    default:
      event satisfies never;
  }
}

/** When `TimePassed` must come, if nothing else happens. */
export function wakeDueAt(wake: Wake): Instant | undefined {
  if (wake.phase === 'over') return undefined;
  return wake.devices.reduce<Instant | undefined>((a, d) => {
    const { state, graceUntil, anewAt } = d.legs.fresh;
    const grace = state === 'held' ? graceUntil : undefined;
    return earliest(a, grace, state === 'ended' ? undefined : anewAt, retryAt(d));
  }, undefined);
}
