/** What a waiting call is given at its start, and what it can have done: its only ways out. */
import type { Aor } from '../../../../plugin/core/aor.ts';
import type { LegOutcome, PbxEvent } from '../../../../plugin/ports/pbx-link.ts';
import type { Caller, Part, SaidOfPhones } from './dial.ts';
import type { Exports } from './exports.ts';

/** The caller's variable for what follows in the dialplan. */
export const STATUS = 'pushwake_status';
/** The caller's variable with what mod_sofia answers him at the end, before any cause. */
export const LAST_SIP_ANSWER = 'last_bridge_proto_specific_hangup_cause';

/** How long an answer may be on its way to us, in ms: the event socket writes in rounds of 20 ms. */
export const ANSWER_ON_THE_WAY_MS = 100;
/** By then, in ms, a caller whom two phones have answered is bridged to one of them. */
export const SETTLED_MS = 500;

export interface Orders {
  /** Hands over what is dialled for this account; absent: what the dialplan says. Resolves when the caller dials. */
  compose(part: Part | undefined): Promise<LegOutcome>;
  /** `gone`: another node has the call. */
  originate(uuid: string, command: string): Promise<LegOutcome>;
  /** Whether there is such a channel. */
  isThere(uuid: string): Promise<boolean>;
  kill(uuid: string, cause: string): Promise<LegOutcome>;
  /** Ends those of these channels whose phone was picked up but that do not have the caller. */
  letGo(caller: string, uuids: readonly string[]): void;
  /** Sets a variable of the caller's channel; an empty value unsets it. */
  set(caller: string, name: string, value: string): void;
  newUuid(): string;
  /** Calls back after `ms` of real time. */
  later(ms: number, what: () => void): void;
}

export interface WaitingCallOptions {
  readonly pbx: string;
  readonly aor: Aor;
  /** The port's name for the caller's leg of this account. */
  readonly legId: string;
  readonly caller: Caller;
  /** The dialplan context that holds our extensions. */
  readonly context: string;
  readonly answered: boolean;
  /** What the administrator's dialplan gives to each leg of this call. */
  readonly exports: Exports;
  /** Causes at which one phone's refusal ends the call: FreeSWITCH's `fail_on_single_reject`. Absent: none does. */
  readonly failsOn: string | undefined;
  /** `{…}` and `[…]` that the dialplan writes for a leg of this account. */
  readonly written: string;
  /** The dialplan dials others beside the account. */
  readonly forked: boolean;
  /** It stands in one of several dial strings that are dialled at the same time. */
  readonly enterprise: boolean;
  /** What the directory says of the account, and what FreeSWITCH holds of it. */
  readonly said: () => Promise<SaidOfPhones | undefined>;
  /** Somebody else whom this caller rings has picked up. */
  readonly othersAnswered: () => boolean;
  /** It waited already when we came, and is past the point where a dial string could be handed over. */
  readonly takenUp: boolean;
  readonly startedAt: DeviceLegArrival['startedAt'];
  /** Seconds of ringing left, for a leg dialled now. */
  readonly secondsLeft: () => number;
  readonly orders: Orders;
  readonly emit: (event: PbxEvent) => void;
  /** This leg is that channel, whatever name it carries. */
  readonly onAdopted: (uuid: string, ref: string) => void;
  /** Called once; afterwards nothing happens any more. */
  readonly onOver: () => void;
}

export type DeviceLegArrival = Extract<PbxEvent, { type: 'deviceLegArrived' }>;
