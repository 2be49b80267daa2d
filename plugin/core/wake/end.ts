/** Ends a call, and handles the phones that come too late for it. */
import type { Binding } from '../binding.ts';
import type { Policy } from '../policy.ts';
import { type Instant, plus } from '../time.ts';
import type { CallDraft, DeviceDraft } from './call-draft.ts';
import { isForCallsOnly, isOpen } from './leg-state.ts';
import { Cause, type ClosingWord, type Wake, type WakeDevice, type WakeEvent } from './types.ts';
import { cameItself, deviceOf, mayBeAnother } from './who.ts';

export function wordOf(cause: number, hungUp: boolean): ClosingWord {
  if (cause === Cause.answeredElsewhere) return 'elsewhere';
  // Asterisk makes 127 of a phone's 487 or 420 as well; then nobody hung the leg up.
  return cause === Cause.interworking && hungUp ? 'cancelled' : 'gave-up';
}

/** The person declined at one device. If the policy says so, that ends the call at all devices; otherwise the others ring on. */
export function declinedEverywhere(draft: CallDraft, d: DeviceDraft, cause: number): void {
  if (cause !== Cause.rejected || !draft.policy(d).declineEverywhere) return;
  d.told = true;
  const open = draft.devices
    .flatMap((x) => Object.values(x.legs))
    .flatMap((leg) => (isOpen(leg.state) && leg.legId !== undefined ? [leg.legId] : []));
  const { wakeLeg } = draft.call;
  for (const legId of wakeLeg === undefined ? open : [wakeLeg]) draft.do({ type: 'giveUp', legId, cause });
  draft.end('declined');
}

/**
 * A phone that registers just after the end was woken for nothing. One that was pushed by a VoIP push has shown the call already
 * (iOS demands it) and waits for its INVITE: it gets one, and the CANCEL that says how the call ended. Any other would make a
 * missed call of it, or answer it, and has been sent its closing word.
 */
export function registeredLate(
  draft: CallDraft,
  wake: Wake,
  { contact, undated }: Extract<WakeEvent, { type: 'Registered' }>,
): void {
  const d = deviceOf(draft, contact);
  const { endedAt, outcome } = wake;
  if (!d || endedAt === undefined || outcome === undefined || d.shownLate) return;
  if (!isAwaitedLate(d) || draft.now > plus(endedAt, draft.policy(d).showEndedMs)) return;
  d.shownLate = true;
  // It may have come in time, when nobody could see it.
  if (!undated) draft.step({ step: 'registeredLate', device: d.bindingId });
  if (isForCallsOnly(d)) {
    draft.do({ type: 'showEnded', contact, word: outcome === 'answered' ? 'elsewhere' : outcome });
  }
}

/** Where a later order is not taken, the INVITE of an earlier one is under way. */
const wasFirst = ({ legs: { fresh } }: WakeDevice, legId: string): boolean =>
  fresh.legId === legId && fresh.invite?.nth === 1;

/** A device that came and was to be rung has got no INVITE, so no CANCEL tells it the end either. */
export function ringTooLate(draft: CallDraft, { legId }: Extract<WakeEvent, { type: 'RingTooLate' }>): void {
  const d = draft.devices.find((x) => wasFirst(x, legId));
  if (d?.legs.fresh.state === 'dialling') d.legs.fresh.state = 'ended';
}

/** The same is learnt when the call is over, and its device was left to the CANCEL. */
export function toldLate(draft: CallDraft, wake: Wake, { legId }: Extract<WakeEvent, { type: 'RingTooLate' }>): void {
  const d = draft.devices.find((x) => wasFirst(x, legId));
  if (!d || wake.outcome === undefined || d.rang || d.legs.fresh.state === 'answered') return;
  // One whose leg another phone had was told with all others.
  if (d.pushes === 0 || d.push === 'dead' || d.declined !== undefined || mayBeAnother(d)) return;
  d.told = true;
  draft.do({ type: 'tell', device: d, word: wake.outcome === 'answered' ? 'elsewhere' : wake.outcome });
}

/** True for a device that was pushed, has not registered, and was not used to decline. */
const isAwaitedLate = (d: WakeDevice): boolean => !cameItself(d) && d.declined === undefined && d.pushes > 0;

/** The instant until which a late phone is awaited; undefined when none is. */
export function lateUntil(wake: Wake, policyFor: (b: Binding) => Policy): Instant | undefined {
  if (wake.endedAt === undefined) return undefined;
  const expected = wake.devices.filter(isAwaitedLate);
  const longest = Math.max(0, ...expected.map((d) => policyFor(d.binding).showEndedMs));
  return longest > 0 ? plus(wake.endedAt, longest) : undefined;
}
