/** The end of a call, and the word each pushed device hears of it. */
import { isDialling } from './leg-state.ts';
import { Cause, type ClosingWord, type Wake, type WakeEffect } from './types.ts';

export function wordOf(cause: number, hungUp: boolean): ClosingWord {
  if (cause === Cause.answeredElsewhere) return 'elsewhere';
  // Asterisk makes 127 of a phone's 487 or 420 as well; then nobody hung the leg up.
  return cause === Cause.interworking && hungUp ? 'cancelled' : 'gave-up';
}

/** Each pushed device that did not get the call and did not ring hears one closing word; one that rang heard it by SIP. */
export function finish(wake: Wake, word: ClosingWord, outcome: 'answered' | ClosingWord = word): readonly WakeEffect[] {
  wake.phase = 'over';
  wake.outcome = outcome;
  const effects: WakeEffect[] = [];
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
