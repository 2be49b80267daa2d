/** The legs of a waiting call, as FreeSWITCH's channels: what each is, and which channel of an earlier life is the same one. */
import type { DialledLeg } from './dial.ts';

type State = 'held' | 'dialling' | 'answered' | 'ended';

export interface Leg {
  readonly kind: 'device' | 'stored';
  readonly ref: string;
  /** What it dials; a device leg learns it when its phone registers. */
  dial?: string;
  /** Its app finds the account by `To` alone: see `originateText`. */
  toAccount?: boolean;
  /** Its channel, once there is one or will be. */
  uuid?: string;
  /** The command that was to make its channel, and that FreeSWITCH did not say it took: the link broke. */
  lostOrder?: string;
  /** Stands in the caller's dial string, rather than in an originate of its own. */
  inDial: boolean;
  state: State;
  /** We ended it, or its call did. */
  hungUp: boolean;
}

export type Target =
  | { readonly kind: 'contact'; readonly dial: string }
  | { readonly kind: 'device'; readonly ref: string }
  | { readonly kind: 'stored'; readonly ref: string; readonly dial: string };

/** A channel of an earlier life of ours that still rings. */
export interface Adopted {
  readonly ref: string;
  readonly uuid: string;
}

/** A leg as it arrives: `known` rings already. */
export function legOf(target: Extract<Target, { kind: 'device' | 'stored' }>, known: Adopted | undefined): Leg {
  return {
    kind: target.kind,
    ref: target.ref,
    inDial: false,
    // Before it is told: an order to ring it may come at once, and its phone rings already.
    state: known ? 'dialling' : 'held',
    hungUp: false,
    ...(known ? { uuid: known.uuid } : {}),
    ...(target.kind === 'stored' ? { dial: target.dial } : {}),
  };
}

/** Puts a stored leg into the caller's dial string, where it is a channel of its own from now on. */
export function intoDial(leg: Leg, newUuid: () => string): readonly DialledLeg[] {
  if (leg.kind !== 'stored' || leg.state === 'ended' || leg.dial === undefined) return [];
  leg.uuid = newUuid();
  leg.inDial = true;
  return [{ dial: leg.dial, ours: { ref: leg.ref, uuid: leg.uuid, delayed: leg.state === 'held' } }];
}

/** Refs are `<stem><d|s><binding>`: the stem is of this life, the rest of the device. */
export const sameLeg = (a: string, b: string) => a.slice(9) === b.slice(9);
export const sameDevice = (a: string, b: string) => a.slice(10) === b.slice(10);
