/** The types of a waiting call: its devices and their legs, the facts that reach it, its effects. Shapes only. */
import type { Aor } from '../aor.ts';
import type { Binding, BindingId, Target } from '../binding.ts';
import type { Instant } from '../time.ts';
import type { CallStep } from './steps.ts';

/** Q.850 causes a leg may end with, as far as they decide anything here. */
export const Cause = {
  /** What Asterisk gives for an account nobody is registered for. */
  noRoute: 3,
  /** 486 and 600: the person at the phone said no. */
  busy: 17,
  noAnswer: 19,
  subscriberAbsent: 20,
  /** 603. */
  rejected: 21,
  answeredElsewhere: 26,
  requestedChannelUnavailable: 44,
  /** The caller is gone. */
  interworking: 127,
} as const;

/** The causes of an INVITE that reached no phone, as Asterisk gives them: no route, 408, 502, 503. The shipped dialplan has the same ones. */
export const NO_ANSWER_CAME: ReadonlySet<number> = new Set([Cause.noRoute, 18, Cause.subscriberAbsent, 27, 34]);

/** A contact the PBX holds, as the wake needs it. */
export interface StoredContact {
  /** The PBX that holds it; absent: the call's own. */
  readonly pbx?: string;
  readonly uri: string;
  readonly expiresAt?: Instant;
  readonly path?: string;
  readonly instanceId?: string;
}

export type LegState = 'none' | 'held' | 'dialling' | 'ringing' | 'answered' | 'ended';

/** A leg of the call that rings, or will ring, one device. */
interface Leg {
  /** How the dialplan names it. */
  readonly ref: string;
  /** The PBX's own id, once it is there. */
  readonly legId?: string;
  readonly state: LegState;
}

/** The leg that rings the contact which the PBX still holds and which may be dead. */
export interface StoredLeg extends Leg {
  readonly contact?: StoredContact;
  readonly dialledAt?: Instant;
  /** It does not wait for a push to fail. */
  readonly atOnce: boolean;
}

/** The leg that waits for a REGISTER and rings the contact that registered. */
export interface FreshLeg extends Leg {
  /** The last REGISTER of this device since the call began. */
  readonly contact?: StoredContact;
  /** When that was, as far as its sensor can tell: the latest report of any. */
  readonly registeredAt?: Instant | undefined;
  /** Where it had registered before that, the last of them. */
  readonly left?: readonly string[];
  /** Its contact named nothing of this device: a new contact of the account, which no other device has. */
  readonly isUnproved?: boolean;
  /** It registered at the address its stored leg already rings: until this instant that leg may still answer with 180. */
  readonly graceUntil?: Instant | undefined;
  /** The last INVITE of this leg. Absent: it has dialled nobody yet. */
  readonly invite?: Invite;
  /** Its phone was not reached, or has registered at another address before it rang: at this instant the leg ends, or dials that address. */
  readonly anewAt?: Instant | undefined;
  /** With which cause its last INVITE ended without having reached a phone. */
  readonly notReached?: number | undefined;
}

/** An INVITE under way. */
interface Invite {
  readonly uri: string;
  readonly at: Instant;
  /** Which one of its leg: 1 is the first. */
  readonly nth: number;
}

export interface WakeDevice {
  readonly bindingId: BindingId;
  readonly binding: Binding;
  readonly target: Target;
  /** At most one of them ends up ringing the phone. */
  readonly legs: { readonly stored: StoredLeg; readonly fresh: FreshLeg };
  /** `awake`: it registered for an earlier round of this very call, so it is rung and not pushed. */
  readonly push: 'sent' | 'delayed' | 'accepted' | 'dead' | 'failed' | 'awake';
  /** Pushes of this call so far, tries of one push not counted. */
  readonly pushes: number;
  /** Pushed again then, if it has not registered. */
  readonly retryAt?: Instant | undefined;
  readonly rang: boolean;
  /** The cause with which its phone said no. */
  readonly declined?: number;
  /** The PBX refused a REGISTER of it, or one that may be of it, with this SIP status. */
  readonly refused?: number;
  /** It knows how the call ended: it took it, declined it, or was sent the closing word. */
  readonly told: boolean;
  /** It registered just after the end and was shown the call that is over. */
  readonly shownLate: boolean;
}

export interface Wake {
  readonly pbx: string;
  readonly aor: Aor;
  /** The wake leg; absent for a wake that was taken up after we were away. */
  readonly wakeLeg?: string;
  readonly callId: string;
  readonly startedAt: Instant;
  readonly endsAt: Instant;
  readonly devices: readonly WakeDevice[];
  /** Contacts without push parameters that were rung at once: no phone that had to be woken. */
  readonly rungAtOnce: readonly string[];
  /** Contacts that registered before the PBX had said what it holds, when their devices could not be identified yet. */
  readonly early: readonly StoredContact[];
  readonly phase: 'asking' | 'waiting' | 'over';
  readonly outcome?: CallOutcome;
  readonly endedAt?: Instant;
  /** The last status for the dialplan, and whether a leg has written it there. */
  readonly status?: WakeStatus;
  readonly isStatusTold?: boolean;
}

/** The device of an effect: whom to push. */
export type PushedDevice = Pick<WakeDevice, 'bindingId' | 'binding' | 'target'>;

/** How a call ended for a device that did not get it. `declined`: the same person said no at another device. */
export type ClosingWord = 'elsewhere' | 'cancelled' | 'gave-up' | 'declined';

/** How a call ended. */
export type CallOutcome = 'answered' | ClosingWord;

/** The status for the administrator's own dialplan (`PUSHWAKE_STATUS`). */
export type WakeStatus =
  /** Phones were pushed, none has come (yet). */
  | 'NOBODY'
  /** A phone came and was rung; whether it answered is the PBX's own word. */
  | 'WOKEN'
  /** Somebody else answered before a phone had come: a desk phone, another account of the group. */
  | 'ELSEWHERE'
  /** Nobody of this account can be woken: rung as without pushwake. */
  | 'NOBINDING'
  /** The PBX did not say what it holds: rung as without pushwake. The dialplan says the same when pushwake is not there. */
  | 'UNAVAILABLE';

export type WakeEvent =
  /** What the PBX holds for the AOR; `unknown` when it could not say. */
  | { readonly type: 'Asked'; readonly contacts: readonly StoredContact[] | 'unknown' }
  /** `notReached`: it has dialled, its INVITE ended with this cause without having reached a phone, and it waits anew. */
  | { readonly type: 'LegArrived'; readonly legId: string; readonly ref: string; readonly notReached?: number }
  | { readonly type: 'LegDials'; readonly legId: string }
  | { readonly type: 'LegRinging'; readonly ref: string }
  | { readonly type: 'LegAnswered'; readonly legId: string }
  /**
   * `hungUp`: from outside, with the call or by us. Asterisk gives such a leg the cause that was in the air, which may be
   * another phone's 486; only of a leg that ended by itself the cause is what its own phone said.
   */
  | { readonly type: 'LegEnded'; readonly legId: string; readonly cause: number; readonly hungUp: boolean }
  /** The order to ring a phone came too late: its leg had ended, and no INVITE has gone. */
  | { readonly type: 'RingTooLate'; readonly legId: string }
  /**
   * A REGISTER that happened after the call began. `at`: when, or since when, as its sensor says; several sensors may report one REGISTER.
   * `undated`: it was learnt by asking, and when it happened is not known.
   */
  | { readonly type: 'Registered'; readonly contact: StoredContact; readonly at?: Instant; readonly undated?: true }
  /** The PBX refused a REGISTER of the account with this SIP status. */
  | { readonly type: 'RegisterRefused'; readonly contact: StoredContact; readonly status: number }
  | {
      readonly type: 'PushSettled';
      readonly bindingId: BindingId;
      /** `delayed`: the service did not take it at the first attempt; more follow. */
      readonly outcome: 'accepted' | 'delayed' | 'dead' | 'failed';
    }
  /** `linkUp`: the PBX would have said so if the call had ended. */
  | { readonly type: 'TimePassed'; readonly linkUp: boolean };

export type WakeEffect =
  | { readonly type: 'push'; readonly device: PushedDevice }
  | { readonly type: 'ask' }
  | { readonly type: 'compose'; readonly ring: readonly ComposeTarget[] }
  | {
      readonly type: 'ring';
      readonly legId: string;
      readonly ref: string;
      readonly kind: 'device' | 'stored';
      readonly contact?: StoredContact;
    }
  | { readonly type: 'giveUp'; readonly legId: string; readonly cause: number }
  | { readonly type: 'tell'; readonly device: PushedDevice; readonly word: ClosingWord }
  /** INVITE and CANCEL at a phone that came too late and shows the call already, so that it knows how it ended. */
  | { readonly type: 'showEnded'; readonly contact: StoredContact; readonly word: ClosingWord }
  /** `legId`: a waiting leg through which the status is written; absent: for the trace only, the dialplan finds it out by itself. */
  | { readonly type: 'status'; readonly status: WakeStatus; readonly legId?: string }
  | { readonly type: 'watch'; readonly on: boolean }
  | { readonly type: 'step'; readonly step: CallStep }
  | { readonly type: 'over' };

export type ComposeTarget =
  | { readonly kind: 'contact'; readonly contact: StoredContact }
  | { readonly kind: 'stored'; readonly ref: string; readonly contact: StoredContact }
  | { readonly kind: 'device'; readonly ref: string };

export interface WakeArrival {
  readonly pbx: string;
  readonly aor: Aor;
  readonly wakeLeg?: string;
  readonly callId: string;
  /** Unique per wake: the stem of its legs' refs; `w` and eight of [0-9a-z]. */
  readonly stem: string;
  readonly startedAt: Instant;
  /** `mode: observe`: we have no part in the call. */
  readonly observed?: boolean;
}
