/** What a waiting call is given at its start, and what it can have done: its only ways out. */
import type { Aor } from '../../../../plugin/core/aor.ts';
import type { LegOutcome, PbxEvent } from '../../../../plugin/ports/pbx-link.ts';
import type { Caller } from './dial.ts';
import type { Exports } from './exports.ts';

export interface Orders {
  /** Hands the caller a dial string and ends his wait. */
  compose(caller: string, dial: string): Promise<LegOutcome>;
  originate(uuid: string, command: string): Promise<void>;
  kill(uuid: string, cause: string): Promise<LegOutcome>;
  /** Sets a variable of the caller's channel; an empty value unsets it. */
  set(caller: string, name: string, value: string): void;
  newUuid(): string;
  /** Calls back after `ms` of real time. */
  later(ms: number, what: () => void): void;
}

export interface WaitingCallOptions {
  readonly pbx: string;
  readonly aor: Aor;
  readonly caller: Caller;
  readonly answered: boolean;
  /** What the administrator's dialplan gives to each leg of this call. */
  readonly exports: Exports;
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
