/** What may be said of a leg, and of a device by its legs. */
import type { LegState, WakeDevice } from './types.ts';

export const isDialling = (s: LegState) => s === 'dialling' || s === 'ringing';
export const isOpen = (s: LegState) => s === 'held' || s === 'dialling' || s === 'ringing';

/** No push will wake it. */
export const isLost = ({ push }: Pick<WakeDevice, 'push'>): boolean => push === 'dead' || push === 'failed';

/** A REGISTER of it was seen since the call began. */
export const hasRegistered = ({ legs }: Pick<WakeDevice, 'legs'>): boolean => legs.fresh.contact !== undefined;

/** It was reached: it registered, or its phone rang at the contact that was stored. */
export const hasCome = (d: Pick<WakeDevice, 'legs' | 'rang'>): boolean => hasRegistered(d) || d.rang;

/** It was pushed by a VoIP push: iOS demands that each becomes a call on the screen, at once and whatever has happened since. */
export const isForCallsOnly = ({ binding: { targets }, target }: WakeDevice): boolean =>
  targets.call !== undefined &&
  target.token.fingerprint === targets.call.token.fingerprint &&
  targets.other?.token.fingerprint !== target.token.fingerprint;
