/** Applies what the legs of a call do: they arrive, dial, ring, are answered, end. */
import { between, type DurationMs, SECOND } from '../time.ts';
import type { CallDraft, DeviceDraft } from './call-draft.ts';
import { declinedEverywhere, wordOf } from './end.ts';
import { hasRegistered, isDialling, isLost, isOpen } from './leg-state.ts';
import { pushAfterAll } from './stored.ts';
import { Cause, type ClosingWord, NO_ANSWER_CAME, type WakeEvent } from './types.ts';
import { dropStored, goOn, ringStored, waitAnew } from './waking.ts';

type Arrived = Extract<WakeEvent, { type: 'LegArrived' }>;

export function legArrived(draft: CallDraft, event: Arrived): void {
  const { legId, notReached } = event;
  const stored = draft.devices.find((d) => d.legs.stored.ref === event.ref);
  if (stored) return storedLegArrived(draft, stored, legId);
  const device = draft.devices.find((d) => d.legs.fresh.ref === event.ref);
  if (!device) return draft.do({ type: 'giveUp', legId, cause: Cause.subscriberAbsent });
  device.legs.fresh.legId = legId;
  device.legs.fresh.state = 'held';
  // The device's other leg was faster: the person has declined already, or the phone rings.
  if (device.declined !== undefined) return draft.giveUp(device, 'fresh', device.declined);
  if (device.legs.stored.state === 'ringing') return draft.giveUp(device, 'fresh', Cause.subscriberAbsent);
  if (notReached !== undefined) return waitAnew(draft, device, notReached);
  if (hasRegistered(device)) goOn(draft, device);
}

function storedLegArrived(draft: CallDraft, d: DeviceDraft, legId: string): void {
  d.legs.stored.legId = legId;
  d.legs.stored.state = 'held';
  if (hasRegistered(d) && d.legs.fresh.state !== 'none') return dropStored(draft, d);
  if (d.legs.stored.atOnce || isLost(d) || d.push === 'delayed') ringStored(draft, d);
}

export function legDials(draft: CallDraft, legId: string): void {
  const stored = draft.devices.find((d) => d.legs.stored.legId === legId)?.legs.stored;
  if (stored?.state !== 'held') return;
  stored.state = 'dialling';
  stored.dialledAt = draft.now;
}

export function legRinging(draft: CallDraft, ref: string): void {
  for (const d of draft.devices) {
    const { stored, fresh } = d.legs;
    if (fresh.ref === ref) {
      fresh.state = 'ringing';
      fresh.anewAt = undefined;
      d.rang = true;
      return draft.step({ step: 'ringing', device: d.bindingId, at: 'fresh' });
    }
    if (stored.ref === ref) {
      stored.state = 'ringing';
      d.rang = true;
      fresh.graceUntil = undefined;
      draft.step({ step: 'ringing', device: d.bindingId, at: 'stored' });
      draft.status('WOKEN', fresh.state === 'held' ? fresh.legId : undefined);
      // The phone is awake and rings: its other leg must not make it ring twice.
      if (fresh.state === 'held') draft.giveUp(d, 'fresh', Cause.subscriberAbsent);
      return;
    }
  }
}

export function legAnswered(draft: CallDraft, legId: string): void {
  for (const d of draft.devices) {
    const leg = Object.values(d.legs).find((l) => l.legId === legId);
    if (!leg) continue;
    leg.state = 'answered';
    d.told = true;
    draft.step({ step: 'answered', device: d.bindingId });
    return draft.end('elsewhere', 'answered');
  }
  // The wake leg is up because one of its legs is. While one of ours may be that one, its own event decides.
  const maybeOurs = draft.devices.some((d) => isDialling(d.legs.fresh.state) || isDialling(d.legs.stored.state));
  if (legId !== draft.call.wakeLeg || maybeOurs) return;
  draft.step({ step: 'answered' });
  draft.end('elsewhere', 'answered');
}

type Ended = Extract<WakeEvent, { type: 'LegEnded' }>;

export function legEnded(draft: CallDraft, event: Ended): void {
  const { legId } = event;
  if (legId === draft.call.wakeLeg) return draft.end(wordOfWakeLeg(draft, event));
  const d = draft.devices.find((x) => x.legs.fresh.legId === legId || x.legs.stored.legId === legId);
  if (!d) return;
  if (d.legs.stored.legId === legId) storedLegEnded(draft, d, event);
  else freshLegEnded(draft, d, event);
}

function storedLegEnded(draft: CallDraft, d: DeviceDraft, { cause, hungUp }: Ended): void {
  const { stored, fresh } = d.legs;
  const rang = stored.state === 'ringing';
  const givenUp = stored.state === 'ended';
  // An edge proxy (Path) answers 480 for a phone that sleeps behind it: no person declined.
  const mayBeProxy = cause === Cause.noAnswer && !rang && stored.contact?.path !== undefined;
  stored.state = 'ended';
  if (hungUp) return;
  if (!givenUp && saidNo(cause, rang) && !mayBeProxy) {
    d.told = true;
    d.declined = cause;
    draft.step({ step: 'declined', device: d.bindingId, cause });
    // The person declined: the leg that still waits for this phone must not keep the caller waiting.
    if (fresh.state === 'held') draft.giveUp(d, 'fresh', cause);
    declinedEverywhere(draft, d, cause);
  } else if (d.push === 'awake' && !hasRegistered(d)) {
    pushAfterAll(draft, d);
  } else if (fresh.state === 'held' && hasRegistered(d)) {
    // The REGISTER that the leg waits for will not come any more.
    goOn(draft, d);
  }
}

function freshLegEnded(draft: CallDraft, d: DeviceDraft, { cause, hungUp }: Ended): void {
  const was = d.legs.fresh.state;
  d.legs.fresh.state = 'ended';
  // Whatever its phone answered, it got the INVITE, and that call is over for it; the CANCEL ends it there as well.
  if (isDialling(was) && (hungUp || !NO_ANSWER_CAME.has(cause))) d.told = true;
  // Causes that end the whole call, whichever leg reports them.
  const word = wordOf(cause, hungUp);
  if (word !== 'gave-up') return draft.end(word);
  // A leg that we gave up ends with the cause we gave it, and Asterisk 16 has 19 for our 20: that is no answer of the phone.
  if (!hungUp && was !== 'ended' && saidNo(cause, was === 'ringing')) {
    d.declined = cause;
    draft.step({ step: 'declined', device: d.bindingId, cause });
    if (isOpen(d.legs.stored.state)) draft.giveUp(d, 'stored', cause);
    declinedEverywhere(draft, d, cause);
  }
  // Without a wake leg (taken up after we were away) the end of the last device leg is the end of the call.
  const isOpenStill = draft.devices.some((x) => isOpen(x.legs.fresh.state) || x.legs.fresh.state === 'none');
  if (draft.call.wakeLeg === undefined && !isOpenStill && !draft.isOver) draft.end(word);
}

/** A wake leg that ends within this time was hung up with its caller: no configured ring time is this short. */
const COMPOSING: DurationMs = 1 * SECOND;

/**
 * A wake leg that ends at once and before any leg of its devices has come was still waiting for what to ring: the caller is
 * gone, whatever cause is in the air.
 */
function wordOfWakeLeg({ call, devices, now }: CallDraft, { cause, hungUp }: Ended): ClosingWord {
  const word = wordOf(cause, hungUp);
  const composed = devices.some((d) => d.legs.fresh.state !== 'none' || d.legs.stored.state !== 'none');
  return word === 'gave-up' && !composed && between(call.startedAt, now) < COMPOSING ? 'cancelled' : word;
}

function saidNo(cause: number, rang: boolean): boolean {
  if (cause === Cause.answeredElsewhere || cause === Cause.interworking || cause === 16) return false;
  return cause === Cause.busy || cause === Cause.rejected || cause === Cause.noAnswer || rang;
}
