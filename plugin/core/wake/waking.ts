/** Handles a waking phone: its REGISTER, the result of its push, and when its waiting leg goes on. */

import { dialableUri, sameAddress } from '../contact-uri.ts';
import type { Policy } from '../policy.ts';
import { between, type DurationMs, type Instant, latest, plus, SECOND } from '../time.ts';
import type { CallDraft, DeviceDraft } from './call-draft.ts';
import { hasRegistered, isForCallsOnly, isLost, isOpen, waitsAnew } from './leg-state.ts';
import { isDatagram } from './stored.ts';
import { Cause, type StoredContact, type WakeDevice, type WakeEvent } from './types.ts';
import { deviceOf, mayStillCome, takeBack, takeItsOwn, takenFor } from './who.ts';

/** RFC 3261 §17.1.1.2, timer A: an INVITE over UDP is sent again after these times, also when its channel is long gone. */
const INVITE_RETRANSMITTED_AT: readonly DurationMs[] = [500, 1_500, 3_500, 7_500, 15_500, 31_500];
/** An awake phone on a live connection answers 100 or 180 within a round trip. */
const STREAM_GRACE: DurationMs = 400;
/** Longer than this the phone shall not wait for a retransmission; a second INVITE is the smaller evil. */
const RETRANSMISSION_GRACE: DurationMs = 1_200;
/** How long a second push that is due waits while the link is away, until it is looked for again. */
const LOOK_FOR_LINK: DurationMs = 1 * SECOND;
/**
 * A phone that has registered and is dialled answers with 180 within this time. One that registers at another address before that (it has changed its network, or the PBX
 * had shut its connection) is dialled there then.
 */
const RINGS_WITHIN: DurationMs = 2 * SECOND;
/** A phone whose connection was shut comes back within this time; afterwards its leg ends as it would have without waiting. */
const COMES_BACK_WITHIN: DurationMs = 8 * SECOND;
/** INVITEs of one leg: a phone that cannot be reached at three addresses is not sought at a fourth. */
const INVITES_AT_MOST = 3;
/** Addresses that are remembered of one phone within one call. */
const LEFT_AT_MOST = 4;
/** A phone is not pushed again when less ring time than this is left: nobody could answer in time. */
const TIME_TO_ANSWER: DurationMs = 5 * SECOND;

export function registered(draft: CallDraft, event: Extract<WakeEvent, { type: 'Registered' }>): void {
  const { contact, undated, at } = event;
  const known = deviceOf(draft, contact);
  if (known) takeBack(draft, known, contact);
  if (known && takeItsOwn(draft, known, contact)) dropStored(draft, known);
  if (!known && draft.phase === 'asking') draft.early = [...draft.early, contact];
  const d = known ?? (draft.phase === 'waiting' ? takenFor(draft, contact) : undefined);
  if (!d || d.legs.fresh.state === 'answered' || d.legs.stored.state === 'answered') return;
  if (isOvertaken(d, event) || wasDialledInVain(d, event)) return;
  if (known && ringsWhatWasKept(draft, known, contact)) return;
  if (!hasRegistered(d)) {
    const step = { step: 'registered', device: d.bindingId, proved: known !== undefined } as const;
    draft.step(undated ? { ...step, undated } : step);
  }
  const { fresh } = d.legs;
  if (fresh.contact && fresh.contact.uri !== contact.uri)
    fresh.left = [...(fresh.left ?? []), fresh.contact.uri].slice(-LEFT_AT_MOST);
  // A sensor that looks says since when, which is earlier: the latest report of any counts.
  if (at !== undefined) fresh.registeredAt = latest(at, fresh.registeredAt);
  fresh.contact = contact;
  // With new tokens at the address where it had come it is still the one that had proved itself.
  fresh.isUnproved = known === undefined && fresh.isUnproved !== false;
  if (fresh.state === 'held') goOn(draft, d);
  else if (!undated) planAnew(draft, d, contact);
}

/** Two sensors report one REGISTER. The slower report came when the phone had registered at another address: it has left this one. */
function isOvertaken(
  { legs: { fresh } }: WakeDevice,
  { contact, at }: Extract<WakeEvent, { type: 'Registered' }>,
): boolean {
  const { registeredAt, left } = fresh;
  if (at === undefined || registeredAt === undefined || at >= registeredAt) return false;
  return fresh.contact?.uri !== contact.uri && left?.includes(contact.uri) === true;
}

/** The same of a phone that was dialled there and not reached: it has not come back, and its INVITEs are few. */
function wasDialledInVain(d: WakeDevice, { contact, at }: Extract<WakeEvent, { type: 'Registered' }>): boolean {
  const { registeredAt, invite } = d.legs.fresh;
  return (
    waitsAnew(d) && at !== undefined && registeredAt !== undefined && at <= registeredAt && invite?.uri === contact.uri
  );
}

/** It is dialled, and has registered at another address: the INVITE under way may be on its way to nobody. */
function planAnew({ now }: CallDraft, { legs: { fresh } }: DeviceDraft, contact: StoredContact): void {
  const { invite } = fresh;
  if (fresh.state !== 'dialling' || !invite || invite.nth >= INVITES_AT_MOST) return;
  // Back at the address that is being dialled: nothing is to be done.
  fresh.anewAt = sameAddress(invite.uri, contact.uri) ? undefined : latest(plus(invite.at, RINGS_WITHIN), plus(now, 1));
}

/** The leg has come back from an INVITE that reached no phone. */
export function waitAnew(draft: CallDraft, d: DeviceDraft, cause: number): void {
  const { fresh } = d.legs;
  fresh.notReached = cause;
  // It may have rung before its connection broke: no CANCEL told it the end.
  d.rang = false;
  draft.step({ step: 'notReached', device: d.bindingId, cause });
  const { invite, contact } = fresh;
  if (!invite || invite.nth >= INVITES_AT_MOST) return draft.giveUp(d, 'fresh', cause);
  // It has registered anew meanwhile.
  if (contact && contact.uri !== invite.uri) return goOn(draft, d);
  fresh.anewAt = plus(draft.now, COMES_BACK_WITHIN);
}

/** Its leg waits on: the next REGISTER may be taken. Noted once per device, because anybody can be refused as often as they like. */
export function registerRefused(draft: CallDraft, event: Extract<WakeEvent, { type: 'RegisterRefused' }>): void {
  const known = deviceOf(draft, event.contact);
  const d = known ?? takenFor(draft, event.contact);
  if (!d || d.refused !== undefined) return;
  d.refused = event.status;
  draft.step({ step: 'registerRefused', device: d.bindingId, status: event.status, proved: known !== undefined });
}

/** The device is awake and its leg is here: ring it, unless its stored contact rings or is about to. */
export function goOn(draft: CallDraft, d: DeviceDraft): void {
  const { stored, fresh } = d.legs;
  const { contact, legId } = fresh;
  if (!contact || legId === undefined) return;
  if (stored.state === 'ringing') return draft.giveUp(d, 'fresh', Cause.subscriberAbsent);
  if (stored.state === 'dialling' && stored.contact?.uri === contact.uri) {
    const until = graceOf(d, contact, draft.now);
    if (until !== undefined && until > draft.now) {
      fresh.graceUntil = until;
      return draft.step({ step: 'storedIsRung', device: d.bindingId });
    }
  }
  fresh.graceUntil = undefined;
  // Another REGISTER of it may be one that can be dialled: the leg waits on.
  const refused = whyNotDialled(draft.pbx, contact);
  if (refused !== undefined) return draft.step({ step: 'notDialable', device: d.bindingId, reason: refused });
  dropStored(draft, d);
  invite(draft, d, contact);
  draft.step({ step: 'dialled', device: d.bindingId });
  // For the trace only: the order to ring also sets the status in the dialplan, so that no second order delays the INVITE.
  draft.status('WOKEN', undefined);
}

function invite(draft: CallDraft, { legs: { fresh } }: DeviceDraft, contact: StoredContact): void {
  const { legId, ref } = fresh;
  if (legId === undefined) return;
  fresh.state = 'dialling';
  fresh.anewAt = undefined;
  fresh.notReached = undefined;
  fresh.invite = { uri: contact.uri, at: draft.now, nth: (fresh.invite?.nth ?? 0) + 1 };
  draft.do({ type: 'ring', legId, ref, kind: 'device', contact });
}

/** The time is over that was left to its last INVITE, or to a phone that had not been reached. */
function anew(draft: CallDraft, d: DeviceDraft): void {
  const { fresh } = d.legs;
  fresh.anewAt = undefined;
  if (waitsAnew(d)) return draft.giveUp(d, 'fresh', fresh.notReached ?? Cause.subscriberAbsent);
  if (fresh.state !== 'dialling' || !fresh.contact || whyNotDialled(draft.pbx, fresh.contact) !== undefined) return;
  invite(draft, d, fresh.contact);
  draft.step({ step: 'dialledAnew', device: d.bindingId });
}

/** A contact behind an edge proxy, or of another PBX, is dialled by a name. */
function whyNotDialled(pbx: string, contact: StoredContact): string | undefined {
  if (contact.path !== undefined || (contact.pbx !== undefined && contact.pbx !== pbx)) return undefined;
  const dialable = dialableUri(contact.uri);
  return dialable.ok ? undefined : dialable.reason;
}

/** Another phone has its leg. Its stored one was kept, and rings it where it has registered again. */
function ringsWhatWasKept(draft: CallDraft, d: DeviceDraft, contact: StoredContact): boolean {
  const { stored } = d.legs;
  if (!mayStillCome(d) || stored.state !== 'held' || stored.contact?.uri !== contact.uri) return false;
  ringStored(draft, d);
  return true;
}

/** Its stored contact must not ring a phone that is rung, or was reached, in another way. */
export function dropStored(draft: CallDraft, d: DeviceDraft): void {
  const { stored } = d.legs;
  // It rings nobody while it is held, and the phone that has the other leg may not be this one.
  if (stored.state === 'held' && mayStillCome(d)) return;
  if (isOpen(stored.state)) draft.giveUp(d, 'stored', Cause.requestedChannelUnavailable);
}

/** Until when an INVITE already under way to this very address may still make the phone ring. */
function graceOf(d: WakeDevice, contact: StoredContact, now: Instant): Instant | undefined {
  const { dialledAt } = d.legs.stored;
  if (d.legs.fresh.graceUntil !== undefined) return d.legs.fresh.graceUntil;
  if (dialledAt === undefined) return undefined;
  if (!isDatagram(contact)) return plus(now, STREAM_GRACE);
  const since = between(dialledAt, now);
  const next = INVITE_RETRANSMITTED_AT.find((ms) => ms >= since);
  return next !== undefined && next - since <= RETRANSMISSION_GRACE ? plus(dialledAt, next + 300) : undefined;
}

export function timePassed(draft: CallDraft, linkUp: boolean): void {
  for (const d of draft.devices) {
    const { graceUntil, anewAt, state } = d.legs.fresh;
    if (anewAt !== undefined && anewAt <= draft.now) anew(draft, d);
    else if (graceUntil !== undefined && graceUntil <= draft.now && state === 'held') goOn(draft, d);
    else if (!isRetryDue(d, draft.now)) continue;
    else if (linkUp) pushAgain(draft, d);
    else putOffRetry(draft, d);
  }
}

/** Its caller may have hung up, and until the link is back a phone that comes could not be rung. */
function putOffRetry({ call, now }: CallDraft, d: DeviceDraft): void {
  d.retryAt = between(now, call.endsAt) < TIME_TO_ANSWER ? undefined : plus(now, LOOK_FOR_LINK);
}

export function pushSettled(draft: CallDraft, event: Extract<WakeEvent, { type: 'PushSettled' }>): void {
  const d = draft.devices.find((x) => x.bindingId === event.bindingId);
  if (!d || (d.push !== 'sent' && d.push !== 'delayed')) return;
  d.push = event.outcome;
  if (event.outcome === 'accepted') planRetry(draft, d, draft.policy(d));
  ringStoredUnlessWoken(draft, d);
}

/**
 * No push wakes it, or nobody knows when: what is stored is rung now. The leg that waits goes on waiting, however the push
 * ended: the ring time is the caller's, and the REGISTER of an app that was opened by hand rings as well (ADR 0030).
 */
function ringStoredUnlessWoken(draft: CallDraft, d: DeviceDraft): void {
  if (!isLost(d) && d.push !== 'delayed') return;
  if (d.legs.stored.state === 'held' && !hasRegistered(d)) ringStored(draft, d);
}

/** The service took the push, which says nothing of the phone. One more may be sent while there is time to answer. */
function planRetry({ call, now }: CallDraft, d: DeviceDraft, policy: Policy): void {
  const afterMs = isForCallsOnly(d) ? policy.retryVoipAfterMs : policy.retryWakeAfterMs;
  const at = plus(call.startedAt, afterMs);
  if (afterMs === 0 || d.pushes > 1 || hasRegistered(d) || at <= now || between(at, call.endsAt) < TIME_TO_ANSWER)
    return;
  d.retryAt = at;
}

/** The instant of the next push, as long as one could still help. */
export const retryAt = (d: WakeDevice): Instant | undefined =>
  d.push === 'accepted' && !hasRegistered(d) && !d.rang && d.legs.fresh.state !== 'ended' ? d.retryAt : undefined;

function isRetryDue(d: WakeDevice, now: Instant): boolean {
  const at = retryAt(d);
  return at !== undefined && at <= now;
}

function pushAgain(draft: CallDraft, d: DeviceDraft): void {
  d.retryAt = undefined;
  d.push = 'sent';
  d.pushes++;
  draft.step({ step: 'pushedAgain', device: d.bindingId });
  draft.do({ type: 'push', device: d });
}

export function ringStored(draft: CallDraft, d: DeviceDraft): void {
  const { stored } = d.legs;
  if (stored.legId === undefined) return;
  stored.state = 'dialling';
  stored.dialledAt = draft.now;
  draft.do({ type: 'ring', legId: stored.legId, ref: stored.ref, kind: 'stored' });
}
