/**
 * One waiting call of one AOR: whom to push, what to ring, and who is told how it ended. Pure: (wake, fact, now) to
 * effects; the wake itself lives in memory only and dies with the call. Fork, timeout, CANCEL and "answered elsewhere" are
 * the PBX's own; here is decided only when a waiting leg goes on and with which contact.
 *
 * Per pushed device there are up to two legs: `stored` rings the contact the PBX still holds (nobody knows whether it is
 * dead), `device` waits for a fresh REGISTER. At most one of them ends up ringing the phone.
 */
import type { Binding } from './binding.ts';
import type { Policy } from './policy.ts';
import { earliest, type Instant } from './time.ts';
import { legAnswered, legArrived, legDials, legEnded, legRinging } from './wake/legs.ts';
import { asked } from './wake/stored.ts';
import type { Wake, WakeEffect, WakeEvent } from './wake/types.ts';
import { pushSettled, registered, retryAt, timePassed } from './wake/waking.ts';
import { registeredLate } from './wake/words.ts';

export { beginWake, takeUpDevice } from './wake/begin.ts';
export { callIdOf, parseRef } from './wake/names.ts';
export {
  type CallOutcome,
  Cause,
  type ClosingWord,
  type ComposeTarget,
  type StoredContact,
  type Wake,
  type WakeArrival,
  type WakeDevice,
  type WakeEffect,
  type WakeEvent,
  type WakeStatus,
} from './wake/types.ts';
export { deviceOf } from './wake/who.ts';
export { lateUntil } from './wake/words.ts';

export function stepWake(
  wake: Wake,
  event: WakeEvent,
  now: Instant,
  policyFor: (b: Binding) => Policy,
): readonly WakeEffect[] {
  if (wake.phase === 'over') {
    return event.type === 'Registered' ? registeredLate(wake, event.contact, now, policyFor) : [];
  }
  switch (event.type) {
    case 'Asked':
      return asked(wake, event.contacts, now, policyFor);
    case 'LegArrived':
      return legArrived(wake, event, now);
    case 'LegDials':
      return legDials(wake, event.legId, now);
    case 'LegRinging':
      return legRinging(wake, event.ref);
    case 'LegAnswered':
      return legAnswered(wake, event.legId, now);
    case 'LegEnded':
      return legEnded(wake, event, now, policyFor);
    case 'Registered':
      return registered(wake, event.contact, now);
    case 'PushSettled':
      return pushSettled(wake, event, now, policyFor);
    case 'TimePassed':
      return timePassed(wake, now);
    default:
      return event satisfies never;
  }
}

/** When `TimePassed` must come, if nothing else happens. */
export function wakeDueAt(wake: Wake): Instant | undefined {
  if (wake.phase === 'over') return undefined;
  return wake.devices.reduce<Instant | undefined>((a, d) => {
    const grace = d.deviceState === 'held' ? d.graceUntil : undefined;
    return earliest(a, grace, retryAt(d));
  }, undefined);
}
