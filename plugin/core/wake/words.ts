/** The end of a call, and the word each pushed device hears of it. */
import type { Binding } from '../binding.ts';
import type { Policy } from '../policy.ts';
import { type Instant, plus } from '../time.ts';
import { isDialling, isOpen } from './leg-state.ts';
import {
  type CallOutcome,
  Cause,
  type ClosingWord,
  type StoredContact,
  type Wake,
  type WakeDevice,
  type WakeEffect,
  type WakeStatus,
} from './types.ts';
import { deviceOf } from './who.ts';

export function wordOf(cause: number, hungUp: boolean): ClosingWord {
  if (cause === Cause.answeredElsewhere) return 'elsewhere';
  // Asterisk makes 127 of a phone's 487 or 420 as well; then nobody hung the leg up.
  return cause === Cause.interworking && hungUp ? 'cancelled' : 'gave-up';
}

/** Each pushed device that did not get the call and did not ring hears one closing word; one that rang heard it by SIP. */
export function finish(
  wake: Wake,
  word: ClosingWord,
  now: Instant,
  outcome: CallOutcome = word,
): readonly WakeEffect[] {
  wake.phase = 'over';
  wake.outcome = outcome;
  wake.endedAt = now;
  const ours = wake.devices.some((d) => d.deviceState === 'answered' || d.storedState === 'answered');
  const effects: WakeEffect[] =
    word === 'elsewhere' && !ours && wake.status === 'NOBODY' ? [...status(wake, 'ELSEWHERE')] : [];
  for (const device of wake.devices) {
    // An INVITE under way to a contact that has just registered: the CANCEL tells it. A stored contact may be dead.
    const hearsBySip = device.rang || isDialling(device.deviceState) || device.deviceState === 'answered';
    if (device.told || hearsBySip || device.push === 'dead') continue;
    device.told = true;
    effects.push({ type: 'tell', device, word });
  }
  effects.push({ type: 'watch', on: false }, { type: 'over' });
  return effects;
}

/** Told once, by way of a leg that waits: the dialplan is not written to for what it knows. */
export function status(wake: Wake, said: WakeStatus, legId?: string): readonly WakeEffect[] {
  if (wake.status === said && wake.statusTold) return [];
  wake.status = said;
  wake.statusTold = legId !== undefined;
  return [{ type: 'status', status: said, ...(legId === undefined ? {} : { legId }) }];
}

/** The person said no at one device. Where the policy says so that holds for all of them; the others ring on otherwise. */
export function declinedEverywhere(
  wake: Wake,
  d: WakeDevice,
  cause: number,
  now: Instant,
  policy: Policy,
): readonly WakeEffect[] {
  if (cause !== Cause.rejected || !policy.declineEverywhere) return [];
  const legs = wake.devices.flatMap((x) => [
    ...(x.deviceLeg && isOpen(x.deviceState) ? [x.deviceLeg] : []),
    ...(x.storedLeg && isOpen(x.storedState) ? [x.storedLeg] : []),
  ]);
  d.told = true;
  return [
    ...(wake.wakeLeg === undefined ? legs : [wake.wakeLeg]).map((legId) => ({ type: 'giveUp', legId, cause }) as const),
    ...finish(wake, 'declined', now),
  ];
}

/**
 * A phone that registers just after the end was woken for nothing and may wait for its INVITE (an iPhone has shown the call
 * already). It gets one, and the CANCEL that says how the call ended.
 */
export function registeredLate(
  wake: Wake,
  contact: StoredContact,
  now: Instant,
  policyFor: (b: Binding) => Policy,
): readonly WakeEffect[] {
  const d = deviceOf(wake, contact);
  if (!d || wake.endedAt === undefined || wake.outcome === undefined || d.shownLate) return [];
  const knows = d.fresh !== undefined || d.rang || d.declined !== undefined || d.pushes === 0;
  if (knows || now > plus(wake.endedAt, policyFor(d.binding).showEndedMs)) return [];
  d.shownLate = true;
  return [
    { type: 'step', step: { step: 'registeredLate', device: d.bindingId } },
    { type: 'showEnded', contact, word: wake.outcome === 'answered' ? 'elsewhere' : wake.outcome },
  ];
}

/** Until when somebody may come too late; undefined when nobody is expected. */
export function lateUntil(wake: Wake, policyFor: (b: Binding) => Policy): Instant | undefined {
  if (wake.endedAt === undefined) return undefined;
  const expected = wake.devices.filter(
    (d) => d.fresh === undefined && !d.rang && d.declined === undefined && d.pushes > 0,
  );
  const longest = Math.max(0, ...expected.map((d) => policyFor(d.binding).showEndedMs));
  return longest > 0 ? plus(wake.endedAt, longest) : undefined;
}
