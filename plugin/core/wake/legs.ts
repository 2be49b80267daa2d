/** What the legs of a call do: they arrive, dial, ring, are answered, end. */
import type { Binding } from '../binding.ts';
import type { Policy } from '../policy.ts';
import { between, type DurationMs, type Instant, SECOND } from '../time.ts';
import { dropStored, endLeg, isDialling, isLost, isOpen } from './leg-state.ts';
import { pushAfterAll } from './stored.ts';
import { Cause, type ClosingWord, type Wake, type WakeEffect, type WakeEvent } from './types.ts';
import { goOn, ringStored, unreachable } from './waking.ts';
import { declinedEverywhere, finish, status, wordOf } from './words.ts';

const isOver = (wake: Wake): boolean => wake.phase === 'over';

export function legArrived(
  wake: Wake,
  event: { readonly legId: string; readonly ref: string },
  now: Instant,
): readonly WakeEffect[] {
  const stored = wake.devices.find((d) => d.storedRef === event.ref);
  if (stored) {
    stored.storedLeg = event.legId;
    stored.storedState = 'held';
    if (stored.fresh && stored.deviceState !== 'none') return dropStored(stored);
    return stored.ringStoredAtOnce || isLost(stored) || stored.push === 'delayed' ? [ringStored(stored, now)] : [];
  }
  const device = wake.devices.find((d) => d.ref === event.ref);
  if (!device) return [{ type: 'giveUp', legId: event.legId, cause: Cause.subscriberAbsent }];
  device.deviceLeg = event.legId;
  device.deviceState = 'held';
  // Its other leg was faster: the person has said no already, or the phone rings.
  if (device.declined !== undefined) return [endLeg(device, 'device', device.declined)];
  if (device.storedState === 'ringing') return [endLeg(device, 'device', Cause.subscriberAbsent)];
  if (device.fresh) return goOn(wake, device, now);
  return unreachable(device, now);
}

export function legDials(wake: Wake, legId: string, now: Instant): readonly WakeEffect[] {
  const device = wake.devices.find((d) => d.storedLeg === legId);
  if (device && device.storedState === 'held') {
    device.storedState = 'dialling';
    device.storedDialledAt = now;
  }
  return [];
}

export function legRinging(wake: Wake, ref: string): readonly WakeEffect[] {
  for (const d of wake.devices) {
    if (d.ref === ref) {
      d.deviceState = 'ringing';
      d.rang = true;
      return [{ type: 'step', step: { step: 'ringing', device: d.bindingId, at: 'fresh' } }];
    }
    if (d.storedRef === ref) {
      d.storedState = 'ringing';
      d.rang = true;
      delete d.graceUntil;
      const effects: WakeEffect[] = [
        { type: 'step', step: { step: 'ringing', device: d.bindingId, at: 'stored' } },
        ...status(wake, 'WOKEN', d.deviceState === 'held' ? d.deviceLeg : undefined),
      ];
      // The phone is awake and rings: its other leg must not make it ring twice.
      if (d.deviceLeg && d.deviceState === 'held') effects.push(endLeg(d, 'device', Cause.subscriberAbsent));
      return effects;
    }
  }
  return [];
}

export function legAnswered(wake: Wake, legId: string, now: Instant): readonly WakeEffect[] {
  for (const d of wake.devices) {
    if (d.deviceLeg === legId) d.deviceState = 'answered';
    else if (d.storedLeg === legId) d.storedState = 'answered';
    else continue;
    d.told = true;
    return [
      { type: 'step', step: { step: 'answered', device: d.bindingId } },
      ...finish(wake, 'elsewhere', now, 'answered'),
    ];
  }
  // The wake leg is up because one of its legs is. While one of ours may be that one, its own event decides.
  const maybeOurs = wake.devices.some((d) => isDialling(d.deviceState) || isDialling(d.storedState));
  if (legId === wake.wakeLeg && !maybeOurs) {
    return [{ type: 'step', step: { step: 'answered' } }, ...finish(wake, 'elsewhere', now, 'answered')];
  }
  return [];
}

export function legEnded(
  wake: Wake,
  { legId, cause, hungUp }: Extract<WakeEvent, { type: 'LegEnded' }>,
  now: Instant,
  policyFor: (b: Binding) => Policy,
): readonly WakeEffect[] {
  if (legId === wake.wakeLeg) return finish(wake, wordOfWakeLeg(wake, cause, hungUp, now), now);
  const d = wake.devices.find((x) => x.deviceLeg === legId || x.storedLeg === legId);
  if (!d) return [];
  const effects: WakeEffect[] = [];
  if (d.storedLeg === legId) {
    const rang = d.storedState === 'ringing';
    // An edge proxy (Path) says 480 for a phone that sleeps behind it: nobody said no.
    const mayBeProxy = cause === Cause.noAnswer && !rang && d.storedContact?.path !== undefined;
    d.storedState = 'ended';
    if (hungUp) return [];
    if (saidNo(cause, rang) && !mayBeProxy) {
      d.told = true;
      d.declined = cause;
      effects.push({ type: 'step', step: { step: 'declined', device: d.bindingId, cause } });
      // The person said no: the leg that still waits for this phone must not keep the caller waiting.
      if (d.deviceLeg && d.deviceState === 'held') effects.push(endLeg(d, 'device', cause));
      effects.push(...declinedEverywhere(wake, d, cause, now, policyFor(d.binding)));
      if (isOver(wake)) return effects;
    } else if (d.push === 'awake' && !d.fresh) {
      effects.push(...pushAfterAll(d));
    } else if (d.deviceState === 'held') {
      // What it waited for, if it has registered meanwhile, will not come any more.
      effects.push(...(d.fresh ? goOn(wake, d, now) : unreachable(d, now)));
    }
  } else {
    const was = d.deviceState;
    d.deviceState = 'ended';
    // Whatever its phone answered, it has had the INVITE, and that call is over for it; the CANCEL tells it as well.
    if (isDialling(was) && (hungUp || !NO_ANSWER_CAME.has(cause))) d.told = true;
    // Causes that end the whole call, told by any of its legs.
    const word = wordOf(cause, hungUp);
    if (word !== 'gave-up') return finish(wake, word, now);
    if (!hungUp && saidNo(cause, was === 'ringing')) {
      effects.push({ type: 'step', step: { step: 'declined', device: d.bindingId, cause } });
      if (d.storedLeg && isOpen(d.storedState)) effects.push(endLeg(d, 'stored', cause));
      effects.push(...declinedEverywhere(wake, d, cause, now, policyFor(d.binding)));
      if (isOver(wake)) return effects;
    }
    // Without a wake leg (taken up after we were away) the last device leg tells how the call ended.
    if (wake.wakeLeg === undefined && wake.devices.every((x) => !isOpen(x.deviceState) && x.deviceState !== 'none')) {
      effects.push(...finish(wake, word, now));
    }
  }
  return effects;
}

/** No ring time is this short. */
const COMPOSING: DurationMs = 1 * SECOND;

/**
 * A wake leg that ends at once and before any leg of its devices has come was still waiting for what to ring: the caller is
 * gone, whatever cause is in the air.
 */
function wordOfWakeLeg(wake: Wake, cause: number, hungUp: boolean, now: Instant): ClosingWord {
  const word = wordOf(cause, hungUp);
  const composed = wake.devices.some((d) => d.deviceState !== 'none' || d.storedState !== 'none');
  return word === 'gave-up' && !composed && between(wake.startedAt, now) < COMPOSING ? 'cancelled' : word;
}

/** What Asterisk makes of a contact that cannot be reached: no route, 408, 502, 503. */
export const NO_ANSWER_CAME: ReadonlySet<number> = new Set([Cause.noRoute, 18, Cause.subscriberAbsent, 27, 34]);

export function saidNo(cause: number, rang: boolean): boolean {
  if (cause === Cause.answeredElsewhere || cause === Cause.interworking || cause === 16) return false;
  return cause === Cause.busy || cause === Cause.rejected || cause === Cause.noAnswer || rang;
}
