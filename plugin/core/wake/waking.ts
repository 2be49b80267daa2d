/** The phone wakes: its REGISTER, what became of its push, and when its waiting leg goes on. */
import type { Binding } from '../binding.ts';
import type { Policy } from '../policy.ts';
import { between, type DurationMs, type Instant, plus, SECOND } from '../time.ts';
import { dropStored, endLeg, isLost } from './leg-state.ts';
import { isDatagram, wokenBy } from './stored.ts';
import { Cause, type StoredContact, type Wake, type WakeDevice, type WakeEffect, type WakeEvent } from './types.ts';
import { deviceOf } from './who.ts';
import { status } from './words.ts';

/** RFC 3261 §17.1.1.2, timer A: an INVITE over UDP is sent again after these times, also when its channel is long gone. */
const INVITE_RETRANSMITTED_AT: readonly DurationMs[] = [500, 1_500, 3_500, 7_500, 15_500, 31_500];
/** An awake phone on a live connection answers 100 or 180 within a round trip. */
const STREAM_GRACE: DurationMs = 400;
/** Longer than this the phone shall not wait for a retransmission; a second INVITE is the smaller evil. */
const RETRANSMISSION_GRACE: DurationMs = 1_200;
/** A phone that is woken with less than this left would ring for nobody. */
const TIME_TO_ANSWER: DurationMs = 5 * SECOND;

export function registered(wake: Wake, contact: StoredContact, now: Instant): readonly WakeEffect[] {
  const known = deviceOf(wake, contact);
  if (!known && wake.phase === 'asking') wake.early.push(contact);
  const d = known ?? (wake.phase === 'waiting' ? wokenBy(wake, contact) : undefined);
  if (!d || d.deviceState === 'answered' || d.storedState === 'answered') return [];
  const first = d.fresh === undefined;
  d.fresh = contact;
  const effects: WakeEffect[] = first ? [{ type: 'step', step: { step: 'registered', device: d.bindingId } }] : [];
  if (d.deviceState === 'held') effects.push(...goOn(wake, d, now));
  return effects;
}

/** The device is awake and its leg is here: ring it, unless its stored contact rings or is about to. */
export function goOn(wake: Wake, d: WakeDevice, now: Instant): readonly WakeEffect[] {
  const contact = d.fresh;
  if (!contact || !d.deviceLeg) return [];
  if (d.storedState === 'ringing') return [endLeg(d, 'device', Cause.subscriberAbsent)];
  if (d.storedState === 'dialling' && d.storedContact?.uri === contact.uri) {
    const until = graceOf(d, contact, now);
    if (until !== undefined && until > now) {
      d.graceUntil = until;
      return [{ type: 'step', step: { step: 'storedIsRung', device: d.bindingId } }];
    }
  }
  delete d.graceUntil;
  const drop = dropStored(d);
  d.deviceState = 'dialling';
  return [
    ...drop,
    { type: 'ring', legId: d.deviceLeg, ref: d.ref, kind: 'device', contact },
    { type: 'step', step: { step: 'dialled', device: d.bindingId } },
    // For the trace: the link that rings it tells the dialplan, without an order of its own in the way of the INVITE.
    ...status(wake, 'WOKEN'),
  ];
}

/** Until when an INVITE already under way to this very address may still make the phone ring. */
export function graceOf(d: WakeDevice, contact: StoredContact, now: Instant): Instant | undefined {
  if (d.graceUntil !== undefined) return d.graceUntil;
  if (d.storedDialledAt === undefined) return undefined;
  if (!isDatagram(contact)) return plus(now, STREAM_GRACE);
  const since = between(d.storedDialledAt, now);
  const next = INVITE_RETRANSMITTED_AT.find((ms) => ms >= since);
  return next !== undefined && next - since <= RETRANSMISSION_GRACE ? plus(d.storedDialledAt, next + 300) : undefined;
}

export function timePassed(wake: Wake, now: Instant): readonly WakeEffect[] {
  return wake.devices.flatMap((d) => {
    if (d.graceUntil !== undefined && d.graceUntil <= now && d.deviceState === 'held') return goOn(wake, d, now);
    return isRetryDue(d, now) ? pushAgain(d) : [];
  });
}

export function pushSettled(
  wake: Wake,
  event: Extract<WakeEvent, { type: 'PushSettled' }>,
  now: Instant,
  policyFor: (b: Binding) => Policy,
): readonly WakeEffect[] {
  const d = wake.devices.find((x) => x.bindingId === event.bindingId);
  if (!d || (d.push !== 'sent' && d.push !== 'delayed')) return [];
  d.push = event.outcome;
  if (event.outcome === 'accepted') planRetry(wake, d, now, policyFor(d.binding));
  // Nobody knows when it will be woken: what is stored is rung now, the leg that waits goes on waiting.
  if (event.outcome === 'delayed') return d.storedState === 'held' && !d.fresh ? [ringStored(d, now)] : [];
  return unreachable(d, now);
}

/** The service took the push, which says nothing of the phone. One more may be sent while there is time to answer. */
function planRetry(wake: Wake, d: WakeDevice, now: Instant, policy: Policy): void {
  const afterMs = isForCallsOnly(d) ? policy.retryVoipAfterMs : policy.retryWakeAfterMs;
  const at = plus(wake.startedAt, afterMs);
  if (afterMs === 0 || d.pushes > 1 || d.fresh || at <= now || between(at, wake.endsAt) < TIME_TO_ANSWER) return;
  d.retryAt = at;
}

/** iOS: each VoIP push must become a call on the screen, so a second one for the same call is another policy. */
const isForCallsOnly = ({ binding: { targets }, target }: WakeDevice): boolean =>
  targets.call !== undefined &&
  target.token.fingerprint === targets.call.token.fingerprint &&
  targets.other?.token.fingerprint !== target.token.fingerprint;

/** When it is pushed again, while that could still help. */
export const retryAt = (d: WakeDevice): Instant | undefined =>
  d.push === 'accepted' && !d.fresh && !d.rang && d.deviceState !== 'ended' ? d.retryAt : undefined;

function isRetryDue(d: WakeDevice, now: Instant): boolean {
  const at = retryAt(d);
  return at !== undefined && at <= now;
}

function pushAgain(d: WakeDevice): readonly WakeEffect[] {
  delete d.retryAt;
  d.push = 'sent';
  d.pushes++;
  return [
    { type: 'step', step: { step: 'pushedAgain', device: d.bindingId } },
    { type: 'push', device: d },
  ];
}

export function ringStored(d: WakeDevice, now: Instant): WakeEffect {
  d.storedState = 'dialling';
  d.storedDialledAt = now;
  return { type: 'ring', legId: d.storedLeg as string, ref: d.storedRef, kind: 'stored' };
}

/** No push will wake it: ring what is stored at once, and where nothing is stored do not keep the caller waiting for it. */
export function unreachable(d: WakeDevice, now: Instant): readonly WakeEffect[] {
  if (!isLost(d) || d.fresh) return [];
  if (d.storedLeg && d.storedState === 'held') return [ringStored(d, now)];
  const mayStillRing = d.storedContact !== undefined && d.storedState !== 'ended';
  if (d.deviceLeg && d.deviceState === 'held' && !mayStillRing) {
    return [
      { type: 'step', step: { step: 'cannotBeWoken', device: d.bindingId, push: d.push } },
      // As for a phone that is not registered, which it would be without us.
      endLeg(d, 'device', Cause.noRoute),
    ];
  }
  return [];
}
