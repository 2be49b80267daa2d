/** The legs of a waiting call, as FreeSWITCH's channels: what each is, and which channel of an earlier life is the same one. */

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

/** Refs are `<stem><d|s><binding>`: the stem is of this life, the rest of the device. */
export const sameLeg = (a: string, b: string) => a.slice(9) === b.slice(9);
export const sameDevice = (a: string, b: string) => a.slice(10) === b.slice(10);
