/** Predicates over a leg, and over a device by its legs. */
import type { LegState, WakeDevice } from './types.ts';

export const isDialling = (s: LegState) => s === 'dialling' || s === 'ringing';
export const isOpen = (s: LegState) => s === 'held' || s === 'dialling' || s === 'ringing';

/** True when no push will wake the device. */
export const isLost = ({ push }: Pick<WakeDevice, 'push'>): boolean => push === 'dead' || push === 'failed';

/** True when a REGISTER of the device was seen since the call began. */
export const hasRegistered = ({ legs }: Pick<WakeDevice, 'legs'>): boolean => legs.fresh.contact !== undefined;

/** True when its leg waits for a REGISTER after an INVITE that reached no phone. */
export const waitsAnew = ({ legs }: Pick<WakeDevice, 'legs'>): boolean =>
  legs.fresh.state === 'held' && legs.fresh.notReached !== undefined;

/** True when the device was reached: it registered, or its phone rang at the stored contact. */
export const hasCome = (d: Pick<WakeDevice, 'legs' | 'rang'>): boolean => hasRegistered(d) || d.rang;

/** The same, and it is certain that it was this device: a contact that names nothing of it may be another one's. */
export const cameProved = (d: Pick<WakeDevice, 'legs' | 'rang'>): boolean => hasCome(d) && !d.legs.fresh.isUnproved;

/** True when the device got a VoIP push: iOS demands that each becomes a call on the screen, at once and whatever has happened since. */
export const isForCallsOnly = ({ binding: { targets }, target }: WakeDevice): boolean =>
  targets.call !== undefined && target.token.equals(targets.call.token) && !target.token.equals(targets.other?.token);
