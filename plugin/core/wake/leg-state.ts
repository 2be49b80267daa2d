/** What may be said of a leg, and how it is ended. */
import { Cause, type LegState, type WakeDevice, type WakeEffect } from './types.ts';

export const isDialling = (s: LegState) => s === 'dialling' || s === 'ringing';
export const isOpen = (s: LegState) => s === 'held' || s === 'dialling' || s === 'ringing';

export function endLeg(d: WakeDevice, which: 'device' | 'stored', cause: number): WakeEffect {
  const legId = (which === 'device' ? d.deviceLeg : d.storedLeg) as string;
  if (which === 'device') d.deviceState = 'ended';
  else d.storedState = 'ended';
  return { type: 'giveUp', legId, cause };
}

export function dropStored(d: WakeDevice): readonly WakeEffect[] {
  return d.storedLeg && isOpen(d.storedState) ? [endLeg(d, 'stored', Cause.requestedChannelUnavailable)] : [];
}

/** No push will wake it. */
export const isLost = <D extends WakeDevice>(d: D): d is D & { push: 'dead' | 'failed' } =>
  d.push === 'dead' || d.push === 'failed';
