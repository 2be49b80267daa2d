/**
 * The legs that pushwake knows on one Asterisk, by their id and by their channel. A channel is one leg, but for the caller's own
 * channel (`Gosub(pushwake-dial,…)`): it may ask for several accounts, one after the other, and stays when its Dial is over.
 */
import type { WakeStatus } from '../../../plugin/core/wake.ts';
import type { DialOptions } from './dial-options.ts';

export interface Leg {
  readonly legId: string;
  readonly channelId: string;
  readonly kind: 'wake' | 'device' | 'stored';
  readonly aorId: string;
  readonly endpoint: string;
  /** The call that it is a part of; empty for a wake leg that has not been composed yet. */
  callId: string;
  /** For the caller's own channel: the waiting legs of its Dial. Undefined for every other leg. */
  readonly own: undefined | { expected: number; readonly open: Set<string>; status: WakeStatus | undefined };
  left: boolean;
  /** It ended before we could follow it: its end comes without a ChannelDestroyed. */
  unfollowed: boolean;
  /** Settles when its events are sure to reach us after it has left Stasis, or it is known that they cannot. */
  followed: Promise<void>;
  /** That has settled. */
  isFollowed: boolean;
  /** The caller's channel, of a wake leg. */
  readonly linkedId: string;
  /** Of a leg that waits in the caller's own Dial: what that says of its phones. Never rejects. */
  options: Promise<DialOptions> | undefined;
  /** Settles when the last status of the call that goes by this leg is written, or could not be. */
  statusWritten: Promise<void>;
  /** It was hung up, rather than having come to its end. */
  hungUp: boolean;
  /** Cause of the last request to hang it up. */
  cause: number;
  /** Its dialplan asks again when its Dial is over. */
  readonly comesBack: boolean;
  /** The phone's channel that it dials. */
  peer: string | undefined;
  /** What it dials when it is back, in place of what it was dialling. */
  next: Readonly<Record<string, string>> | undefined;
  /** The channel is gone, and the end is reported once the legs that it dials have reported theirs. Ends that wait. */
  cancelEnd: (() => void) | undefined;
}

export class Legs {
  readonly #byId = new Map<string, Leg>();
  readonly #ofChannel = new Map<string, Set<Leg>>();
  /** Wake legs that have been composed, by call. */
  readonly #wake = new Map<string, Leg>();
  /** Callers' own legs, by call. */
  readonly #owners = new Map<string, Leg>();
  /** Legs that wait for phones, by call. */
  readonly #waiting = new Map<string, Set<Leg>>();
  #visits = 0;

  /** A leg that is known already begins anew: it waits again, or the link was away. */
  add(
    leg: Pick<Leg, 'channelId' | 'kind' | 'aorId' | 'endpoint' | 'callId' | 'comesBack'> & {
      readonly own: boolean;
      readonly linkedId?: string;
    },
  ): Leg {
    const before = leg.own ? undefined : this.#byId.get(leg.channelId);
    const added: Leg = {
      ...leg,
      // The core knows legs by their id, and a channel that asks twice is two legs to it.
      legId: leg.own ? `${leg.channelId}/${++this.#visits}` : leg.channelId,
      own: leg.own ? { expected: 0, open: new Set(), status: undefined } : undefined,
      left: false,
      followed: Promise.resolve(),
      isFollowed: true,
      linkedId: leg.linkedId ?? '',
      options: undefined,
      statusWritten: Promise.resolve(),
      unfollowed: false,
      hungUp: false,
      cause: 0,
      peer: undefined,
      next: before?.next,
      cancelEnd: undefined,
    };
    this.#byId.set(added.legId, added);
    const all = this.#ofChannel.get(leg.channelId) ?? new Set();
    if (before) {
      before.cancelEnd?.();
      all.delete(before);
      this.#waiting.get(before.callId)?.delete(before);
    }
    this.#ofChannel.set(leg.channelId, all.add(added));
    if (leg.kind !== 'wake') {
      const waiting = this.#waiting.get(leg.callId) ?? new Set();
      this.#waiting.set(leg.callId, waiting.add(added));
    }
    const owner = this.#owners.get(leg.callId)?.own;
    if (owner && leg.kind !== 'wake') {
      if (!before) owner.expected--;
      owner.open.add(added.legId);
    }
    return added;
  }

  /** The wake leg may dial `waiting` legs of this call now. */
  composed(leg: Leg, callId: string, waiting: number): void {
    leg.callId = callId;
    this.#wake.set(callId, leg);
    if (!leg.own) return;
    leg.own.expected = waiting;
    this.#owners.set(callId, leg);
  }

  get(legId: string): Leg | undefined {
    return this.#byId.get(legId);
  }

  ofChannel(channelId: string): readonly Leg[] {
    return [...(this.#ofChannel.get(channelId) ?? [])];
  }

  /** The legs of a call that wait for phones and have not ended. */
  waitingOf(callId: string): readonly Leg[] {
    return [...(this.#waiting.get(callId) ?? [])];
  }

  wakeLegOf(callId: string): Leg | undefined {
    return this.#wake.get(callId);
  }

  /** Ends all timers. */
  stop(): void {
    for (const leg of this.#byId.values()) leg.cancelEnd?.();
  }

  channels(): readonly string[] {
    return [...this.#ofChannel.keys()];
  }

  /** Answers with the caller's own leg whose last waiting leg this was: its Dial is over for us. */
  remove(leg: Leg): Leg | undefined {
    this.#byId.delete(leg.legId);
    const all = this.#ofChannel.get(leg.channelId);
    all?.delete(leg);
    if (all?.size === 0) this.#ofChannel.delete(leg.channelId);
    const waiting = this.#waiting.get(leg.callId);
    waiting?.delete(leg);
    if (waiting?.size === 0) this.#waiting.delete(leg.callId);
    if (this.#wake.get(leg.callId) === leg) this.#wake.delete(leg.callId);
    if (leg.own) {
      this.#owners.delete(leg.callId);
      return undefined;
    }
    const owner = this.#owners.get(leg.callId);
    const waits = owner?.own;
    if (!waits?.open.delete(leg.legId)) return undefined;
    return waits.expected <= 0 && waits.open.size === 0 ? owner : undefined;
  }
}
