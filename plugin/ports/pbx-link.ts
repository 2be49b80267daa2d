/**
 * One PBX. A link translates the PBX's own events into the facts below and carries out what the core decided; it decides
 * nothing itself. It reconnects by itself, for ever; `start` resolves when it is subscribed for the first time or when
 * the first attempt failed (calls then take the plain path until the link is up).
 */

import type { Aor } from '../core/aor.ts';
import type { Choice } from '../core/binding.ts';
import type { TextOutcome } from '../core/text-trace.ts';
import type { DurationMs, Instant } from '../core/time.ts';
import type { RegisterSensor } from '../core/wake/steps.ts';
import type { ClosingWord, WakeStatus } from '../core/wake.ts';
import { isErrorNamed } from './error-name.ts';

/** A contact as the PBX holds it now. */
export interface HeldContact {
  readonly pbx: string;
  readonly aor: Aor;
  /** Exactly as stored, `pn-*` and all. Written by a stranger: never dialled without passing `contact-uri.ts`. */
  readonly uri: string;
  /** End of the SIP registration. Absent: the PBX does not say. */
  readonly expiresAt?: Instant;
  readonly userAgent?: string;
  /** RFC 3327 Path: dial by endpoint name, a stripped URI would lose the route. */
  readonly path?: string;
  /** `+sip.instance`, where the sensor sees header parameters (HEP). */
  readonly instanceId?: string;
}

/**
 * How a contact came to be known: the PBX's event, a REGISTER on the wire (HEP), a contact that is watched while a call waits,
 * or an answer to a question.
 */
export type Sensor = RegisterSensor | 'ask';

/** Whether a REGISTER was seen as it happened. Otherwise the PBX merely holds the contact. */
export function isRegister(how: Sensor): how is RegisterSensor {
  return how !== 'ask';
}

/** Text of a stranger's: shown to the called person at most, never logged. */
export interface Caller {
  readonly name?: string;
  readonly number?: string;
}

/** The AOR's own part of the dial string. Its arrival is a call. */
export interface WakeLeg {
  readonly legId: string;
  readonly aor: Aor;
  /** The PBX's id for the whole call; equal for all legs and queue rounds of one call. */
  readonly linkedId: string;
  /** Who calls, where the PBX says so and the caller does not withhold it. */
  readonly caller?: Caller;
}

/**
 * One device's part. `stored` rings the contact the PBX still holds (dead or alive, nobody knows), `device` waits for a
 * fresh REGISTER. `ref` is unique per wake, device and attempt.
 */
export interface DeviceLeg {
  readonly legId: string;
  readonly kind: 'stored' | 'device';
  readonly ref: string;
  readonly aor: Aor;
  readonly callId: string;
}

export type PbxEvent =
  | { readonly type: 'linkUp'; readonly pbx: string }
  | { readonly type: 'linkDown'; readonly pbx: string; readonly reason: string }
  /** A REGISTER proved at `at`, or (`ask`, `sweep`) a contact that is merely held: then `at` is what its expiry proves, if anything. */
  | {
      readonly type: 'contactSeen';
      readonly contact: HeldContact;
      readonly how: Sensor;
      readonly at: Instant;
      /** SIP `Expires` granted to this REGISTER, where known. */
      readonly grantedMs?: DurationMs;
      /** What the PBX's directory says of the account; `{}` when that is nothing. Absent: this PBX has no such directory. */
      readonly choice?: Choice;
      /** HEP only: the exact text on the wire, escapes kept. Absent values were not on the wire. */
      readonly wire?: {
        readonly contact: string;
        readonly source: string;
        /** Push parameters stood behind the `>`. */
        readonly misplaced?: boolean;
      };
    }
  /**
   * A REGISTER of a phone that a call waits for, a moment before its `contactSeen`: no more is known of the contact than its address, and that
   * dialling needs no more. For calls alone; nothing is recorded of it.
   */
  | { readonly type: 'contactComing'; readonly pbx: string; readonly contact: HeldContact; readonly at: Instant }
  /**
   * The PBX refused a REGISTER, seen on the wire: nothing is stored of it. `status`: what it answered; 401 or 407 only
   * for credentials that it does not take, for a challenge is no refusal.
   * `uri`: its Contact as on the wire, written by a stranger; empty where the PBX does not say it.
   */
  | {
      readonly type: 'registerRefused';
      readonly pbx: string;
      readonly aor: Aor;
      readonly status: number;
      readonly at: Instant;
      readonly uri: string;
      readonly instanceId?: string;
    }
  /** Log-out, expiry or a closed socket: the PBX does not say which, so it ends no binding. It proves a REGISTER no earlier than `at − granted`. */
  | {
      readonly type: 'contactRemoved';
      readonly pbx: string;
      readonly aor: Aor;
      readonly uri: string;
      readonly at: Instant;
    }
  /**
   * A REGISTER that asks for push at an account or a place that is not ours by the configuration: nothing is bound. `account`: as the PBX
   * names it. `reason` is the same for all accounts that it concerns; neither text holds what the phone wrote.
   */
  | {
      readonly type: 'notBound';
      readonly pbx: string;
      readonly account: string;
      readonly reason: string;
      readonly remedy: string;
    }
  /** A REGISTER with Expires 0, seen on the wire and confirmed by the contact store. `uri` absent: `Contact: *`. */
  | {
      readonly type: 'unregistered';
      readonly pbx: string;
      readonly aor: Aor;
      readonly uri?: string;
      readonly at: Instant;
    }
  /**
   * A SIP MESSAGE that the PBX's dialplan gives to us. The PBX holds it until `answerText`, or until its own guard lets it go the way it goes
   * without us. May come more than once, with the same `id`. Everything in it is a stranger's.
   */
  | {
      readonly type: 'textArrived';
      readonly pbx: string;
      readonly id: string;
      readonly aor: Aor;
      readonly from: string;
      readonly to: string;
      readonly contentType: string;
      readonly body: string;
    }
  /** The mailbox of an account. `asked`: somebody asked what it holds, nothing needs to have happened. */
  | {
      readonly type: 'voicemailChanged';
      readonly pbx: string;
      readonly aor: Aor;
      readonly newMessages: number;
      readonly urgent: number;
      readonly why: 'changed' | 'asked';
      readonly caller?: Caller;
    }
  | { readonly type: 'wakeLegArrived'; readonly pbx: string; readonly leg: WakeLeg; readonly startedAt: Instant }
  /**
   * `takenUp`: it waited already when the link came up (we or the link were away); `startedAt` is the PBX's. `notReached`: it has dialled, the
   * INVITE ended with this cause (Q.850) without having reached a phone, and it waits anew.
   */
  | {
      readonly type: 'deviceLegArrived';
      readonly pbx: string;
      readonly leg: DeviceLeg;
      readonly startedAt: Instant;
      readonly takenUp: boolean;
      readonly notReached?: number;
    }
  /** The leg dials by itself now: its waiting time is over, or `ring` was called. */
  | { readonly type: 'legDials'; readonly pbx: string; readonly legId: string }
  /** 180 from the contact this leg dialled. */
  | { readonly type: 'legRinging'; readonly pbx: string; readonly ref: string }
  | { readonly type: 'legAnswered'; readonly pbx: string; readonly legId: string }
  /**
   * `cause`: Q.850; 26 somebody else answered, 127 the caller is gone. `hungUp`: the call (or we) ended the leg; otherwise
   * it ended by itself, because of what its phone answered.
   */
  | {
      readonly type: 'legEnded';
      readonly pbx: string;
      readonly legId: string;
      readonly cause: number;
      readonly hungUp: boolean;
    }
  /** Another node beside this PBX has the call of this leg, which goes on there. Nothing is told, ended or pushed for it here any more. */
  | { readonly type: 'legTakenOver'; readonly pbx: string; readonly legId: string };

/** What a wake leg shall dial. */
export type RingTarget =
  | { readonly kind: 'contact'; readonly contact: HeldContact }
  /** A device that sleeps. `stored`: a contact the PBX still holds for it, to be rung by the leg `stored.ref`. */
  | { readonly kind: 'device'; readonly ref: string }
  | { readonly kind: 'stored'; readonly ref: string; readonly contact: HeldContact };

/** `gone`: the leg had ended meanwhile. That is no error: its end was or will be emitted. */
export type LegOutcome = 'done' | 'gone';

/** A text on its way to a phone, as its sender wrote it. */
export interface OutgoingText {
  readonly from: string;
  readonly to: string;
  readonly contentType: string;
  readonly body: string;
}

/** `id` is the same at each attempt: the phone gets a word made of it (`textWord`), by which its app drops a repeat. */
export interface NamedText extends OutgoingText {
  readonly id: string;
}

export type { TextOutcome };

/** A call that `app-test` places, as a caller would by the shipped dialplan. */
export interface TestCall {
  /** Unique; `[0-9a-f]{8,32}`. */
  readonly id: string;
  readonly aor: Aor;
  /** Letters, digits and blanks. Two calls that ring at once have two: Linphone refuses a second call of the caller who rings already. */
  readonly caller: { readonly name: string; readonly number: string };
  /** The PBX ends it by itself when nobody has answered within this time, also without us. */
  readonly ringMs: DurationMs;
}

/** How a test call ends: its caller hangs up, or somebody else has taken it. */
export type TestCallEnd = 'cancelled' | 'elsewhere';

export interface PbxLink {
  /** Name in the configuration. */
  readonly name: string;
  /** After `stop` resolved, `emit` is never called again. */
  start(emit: (event: PbxEvent) => void): Promise<void>;
  /** What the PBX holds for this AOR now. Rejects with `LinkError`: unknown, not absent. */
  ask(aor: Aor): Promise<AskAnswer>;
  /** Every contact the PBX holds, for the resync after a reconnect. */
  list(): AsyncIterable<HeldContact>;
  /** Lets a wake leg dial these. An empty list lets it take the plain path (every contact the PBX holds). */
  compose(legId: string, callId: string, ring: readonly RingTarget[]): Promise<LegOutcome>;
  /**
   * Lets a device leg dial `contact`, and writes the status `WOKEN` (see `tellStatus`) as it does; a stored leg rings the contact
   * it was composed with. A device leg that dials already gives its INVITE up ("answered elsewhere") and dials this contact; `gone` where that
   * cannot be.
   */
  ring(leg: DeviceLeg, contact?: HeldContact): Promise<LegOutcome>;
  /** Ends one leg; the rest of the call rings on. `cause`: Q.850, what the caller's dial shall see of it. */
  giveUp(legId: string, cause: number): Promise<LegOutcome>;
  /**
   * Writes `PUSHWAKE_STATUS` where the administrator's own dialplan reads it, the caller's channel, by way of a leg of that call
   * that waits. A leg that is gone is no error.
   */
  tellStatus?(legId: string, status: WakeStatus): Promise<void>;
  /**
   * INVITE and, as soon as the phone has got it, the CANCEL that says how the call ended. The INVITE carries the call id
   * of the push. Resolves when it is under way.
   */
  showEnded?(contact: HeldContact, callId: string, word: ClosingWord): Promise<void>;
  /** Whether texts are wanted. Called when the link comes up and when that changes. Absent: the dialplan asks for each. */
  takesTexts?(on: boolean): void;
  /** What becomes of a text that arrived: `kept`, we have it and the PBX may forget it; `plain`, as without us. An id it does not hold is no error. */
  answerText?(id: string, answer: 'kept' | 'plain'): Promise<void>;
  /** Sends a text to this contact. Absent: this PBX cannot. */
  sendText?(contact: HeldContact, text: NamedText): Promise<TextOutcome>;
  /** Removes a contact. One that is not there any more is success. Rejects with `LinkError`. */
  removeContact(contact: Pick<HeldContact, 'aor' | 'uri'>): Promise<'gone'>;
  /** Places a call to an account and answers with its linked id, as `wakeLegArrived` will carry it. Absent: this PBX cannot. Rejects with `LinkError`. */
  placeCall?(call: TestCall): Promise<string>;
  /** Ends a test call, whatever its state. One that is gone is no error. */
  endCall?(id: string, how: TestCallEnd): Promise<void>;
  /** What it is and which version, once it was up: `Asterisk 22.10.1`. */
  readonly product?: string;
  /** While a call waits: look closely at this AOR's contacts, report each REGISTER as `watch`. */
  watch(aor: Aor, on: boolean): void;
  /** Sends the PBX whether a live binding makes this AOR reachable (BLF, queues). */
  setReachable(aor: Aor, reachable: boolean): Promise<void>;
  /** `observing` of the adapter's deps has changed while it runs: what was set on the PBX because of it must follow. */
  modeChanged?(): void;
  /** Other PBXs whose phones this one can ring through a trunk: `ring` takes their contacts as well. Default: none. */
  readonly ringsVia?: ReadonlySet<string>;
  /** What its sensors beside the PBX's own events have counted since the start, by name: `hep`. Default: it has none. */
  sensors?(): Readonly<Record<string, Readonly<Record<string, number>>>>;
  /**
   * Lets new calls go to the other node beside this PBX, until this process is started again. Never rejects. Absent: this PBX asks every
   * node, or there is no other.
   */
  drain?(): Promise<void>;
  /**
   * Where several nodes have a link to this PBX: `works`, it asks this one; `spare`, it asks another one, and this one while that is away;
   * `shares`, it asks all at once, and each call has one of them. Absent: it has no order.
   */
  readonly duty?: 'works' | 'spare' | 'shares' | undefined;
  readonly up: boolean;
  stop(): Promise<void>;
}

/** `aorExists: false`: the PBX answered that it knows no such AOR. */
export interface AskAnswer {
  readonly aorExists: boolean;
  /** The longest SIP `Expires` that the PBX grants for this AOR, in ms. Absent: it does not say. */
  readonly maximumExpiresMs?: DurationMs;
  readonly contacts: readonly HeldContact[];
}

/** The PBX could not be reached or did not answer in time. Always worth another try; never means "absent". */
export class LinkError extends Error {
  override name = 'LinkError';

  static override [Symbol.hasInstance](value: unknown): boolean {
    return isErrorNamed(value, 'LinkError');
  }
}
