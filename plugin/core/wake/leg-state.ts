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
