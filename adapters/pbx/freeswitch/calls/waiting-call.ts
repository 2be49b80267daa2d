/**
 * One caller who waits, in FreeSWITCH's terms. The port's legs are kept here: a device leg is only a note until its phone has
 * registered, then a channel of its own that takes the caller over (`intercept`); a stored leg stands in the dial string,
 * delayed, or is such a channel. One placeholder in the dial string waits for all of them. Knows no socket and no clock:
 * what it wants done goes to `orders`, what happened to `emit`.
 */
import { Cause, NO_ANSWER_CAME, type WakeStatus } from '../../../../plugin/core/wake.ts';
import type { DeviceLeg, LegOutcome } from '../../../../plugin/ports/pbx-link.ts';
import { nameOf } from './causes.ts';
import { type Caller, type DialledLeg, originateText, partOf, type SaidOfPhones } from './dial.ts';
import { type Adopted, intoDial, type Leg, legOf, sameDevice, sameLeg, type Target } from './leg.ts';
import { ANSWER_ON_THE_WAY_MS, LAST_SIP_ANSWER, SETTLED_MS, STATUS, type WaitingCallOptions } from './orders.ts';
import { failsOn, type PhonesWord, readEnd } from './phones-word.ts';

export class WaitingCall {
  readonly #o: WaitingCallOptions;
  readonly #legs = new Map<string, Leg>();
  /** Legs whose phone was picked up, in that order. */
  readonly #answers: Leg[] = [];
  #callId = '';
  #hold: string | undefined;
  /** Channels of the dial string that were ended, perhaps before they existed. */
  readonly #ended = new Map<string, string>();
  #composed: Promise<LegOutcome> | undefined;
  #said: SaidOfPhones | undefined;
  #status: WakeStatus | undefined;
  /** What a phone's own end was called, by the core's number for it: several names have the same number. */
  readonly #named = new Map<number, string>();
  #over = false;

  constructor(options: WaitingCallOptions) {
    this.#o = options;
  }

  get caller(): string {
    return this.#o.caller.uuid;
  }

  get from(): Caller {
    return this.#o.caller;
  }

  get refs(): readonly string[] {
    return [...this.#legs.keys()];
  }

  /** Channels of ours that must still be there. */
  get channels(): readonly { ref: string; uuid: string }[] {
    return [...this.#legs.values()].flatMap(({ ref, uuid, state }) =>
      uuid !== undefined && state !== 'ended' && state !== 'held' ? [{ ref, uuid }] : [],
    );
  }

  /** One of its phones has been picked up. */
  get isAnswered(): boolean {
    return this.#answers.length > 0;
  }

  // ── Orders of the core ─────────────────────────────────────────────────────────────────────────────────────────────

  async compose(callId: string, targets: readonly Target[], adopted: readonly Adopted[] = []): Promise<LegOutcome> {
    this.#callId = callId;
    this.#said = await this.#o.said();
    if (this.#over) return 'gone';
    const contacts: DialledLeg[] = [];
    for (const target of targets) {
      if (target.kind === 'contact') contacts.push({ dial: target.dial });
      else this.#arrive(target, adopted);
    }
    if (this.#o.takenUp) {
      this.#composed = Promise.resolve('done');
      return this.#composed;
    }
    // Whatever was ordered while the legs were announced is known by now: rung at once, or ended.
    const stored = [...this.#legs.values()].flatMap((leg) => intoDial(leg, this.#o.orders.newUuid));
    if (this.#open().length > 0) this.#hold = this.#o.orders.newUuid();
    const part = partOf({
      aor: this.#o.aor,
      callId,
      caller: this.caller,
      ...(this.#hold === undefined ? {} : { hold: this.#hold }),
      // The last leg is the one that hears "Call completed elsewhere": a desk phone rather than a contact that may be dead.
      legs: [...stored, ...contacts],
      said: this.#said,
      forked: this.#o.forked,
    });
    this.#composed = this.#o.orders.compose(part);
    return this.#composed;
  }

  /** The plain path: the dialplan's own dial string rings. */
  plain(): Promise<LegOutcome> {
    this.#end();
    return this.#o.takenUp ? Promise.resolve('done') : this.#o.orders.compose(undefined);
  }

  async ring(ref: string, dial?: string, toAccount = false): Promise<LegOutcome> {
    const leg = this.#legs.get(ref);
    // One of an earlier life of ours rings, and what it dialled is not known.
    const dialled = leg?.kind === 'device' && leg.state === 'dialling' ? leg.dial : undefined;
    if (leg && dialled !== undefined && dialled !== dial && !this.#over) this.#takeBack(leg);
    if (leg?.state === 'dialling' && leg.lostOrder !== undefined && !this.#over) return this.#orderAgain(leg);
    if (leg?.state !== 'held' || this.#over) return leg?.state === 'dialling' ? 'done' : 'gone';
    leg.state = 'dialling';
    if (dial !== undefined) leg.dial = dial;
    leg.toAccount = toAccount;
    if (leg.kind === 'stored') this.#emit({ type: 'legDials', legId: ref });
    // While the dial string is being made, a stored leg only has to stand in it without delay.
    if (this.#composed === undefined && leg.kind === 'stored') return 'done';
    if ((await this.#composed) === 'gone' || this.#over) return 'gone';
    if (leg.dial === undefined) return 'gone';
    const delayed = leg.inDial ? leg.uuid : undefined;
    const uuid = this.#o.orders.newUuid();
    leg.uuid = uuid;
    leg.inDial = false;
    // Its delayed channel has sent nothing yet.
    if (delayed !== undefined) void this.#killInDial(delayed, nameOf(Cause.answeredElsewhere));
    if (leg.kind === 'device') this.tellStatus('WOKEN');
    const command = originateText({
      aor: this.#o.aor,
      callId: this.#callId,
      uuid,
      ref,
      dial: leg.dial,
      toAccount: leg.toAccount,
      caller: this.#o.caller,
      context: this.#o.context,
      answered: this.#o.answered,
      timeoutSeconds: this.#o.secondsLeft(),
      exports: this.#o.exports,
      written: this.#o.written,
      said: this.#said,
      forked: this.#o.forked,
      enterprise: this.#o.enterprise,
    });
    return this.#order(leg, uuid, command);
  }

  async #order(leg: Leg, uuid: string, command: string): Promise<LegOutcome> {
    delete leg.lostOrder;
    try {
      return await this.#o.orders.originate(uuid, command);
    } catch (error) {
      leg.lostOrder = command;
      throw error;
    }
  }

  /** FreeSWITCH did not say that it took the order; it may have taken it all the same, and there is one channel of a name. */
  async #orderAgain(leg: Leg): Promise<LegOutcome> {
    const { uuid, lostOrder: command } = leg;
    if (uuid === undefined || command === undefined) return 'gone';
    if (!(await this.#o.orders.isThere(uuid))) return this.#order(leg, uuid, command);
    delete leg.lostOrder;
    return 'done';
  }

  /** For what follows in the dialplan and for the CDR. */
  tellStatus(status: WakeStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#o.orders.set(this.caller, STATUS, status);
  }

  async giveUp(ref: string, cause: number): Promise<LegOutcome> {
    const leg = this.#legs.get(ref);
    if (!leg || leg.state === 'ended' || this.#over) return 'gone';
    leg.hungUp = true;
    if (leg.uuid === undefined) this.#legOver(leg, cause);
    else if (leg.state === 'held') {
      // Delayed: nobody has heard of it.
      this.#legOver(leg, cause);
      return this.#killInDial(leg.uuid, nameOf(cause));
    } else return this.#o.orders.kill(leg.uuid, nameOf(cause));
    return 'done';
  }

  // ── Facts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  legDials(ref: string, uuid: string): void {
    const leg = this.#legOf(ref, uuid);
    if (leg?.state !== 'held') return;
    leg.state = 'dialling';
    this.#emit({ type: 'legDials', legId: ref });
  }

  legRinging(ref: string, uuid: string): void {
    if (this.#legOf(ref, uuid)) this.#emit({ type: 'legRinging', ref });
  }

  /** It has the call only when the caller has been taken over: another phone may have been a moment faster. */
  legAnswered(ref: string, uuid: string): void {
    const leg = this.#legOf(ref, uuid);
    if (leg) this.#pickedUp(leg);
  }

  /** `byPhone`: its phone said so itself. */
  legEnded(ref: string, uuid: string, cause: string, byPhone = false): void {
    const leg = this.#legOf(ref, uuid);
    if (!leg || leg.state === 'ended') return;
    const word = readEnd(leg.dial, cause, byPhone);
    if (word.isTimeUp) leg.hungUp = true;
    // A dead contact's 503 is nothing the caller should be told at the end.
    if (leg.inDial && !leg.hungUp && !word.isOwn && !word.isPersons)
      this.#o.orders.set(this.caller, LAST_SIP_ANSWER, '');
    if (!leg.hungUp) this.#named.set(word.cause, cause);
    const ends = !leg.inDial && !leg.hungUp && failsOn(this.#o.failsOn, cause);
    if (!ends && this.#waitsAnew(leg, word)) return;
    this.#legOver(leg, word.cause, cause);
    // A refusal that ends the call: the placeholder refuses as the phone did, and FreeSWITCH does what it does then.
    if (ends && this.#hold !== undefined && !this.#over) void this.#killInDial(this.#hold, cause);
  }

  /** The originate failed before there was a channel, or told what its channel's end has told already. */
  jobFailed(uuid: string, reason: string): void {
    const leg = [...this.#legs.values()].find((l) => l.uuid === uuid);
    if (leg) this.legEnded(leg.ref, uuid, reason);
  }

  /** `byPhone`: by one that was rung. Otherwise the dialplan went on, and what answered is its voicemail or the like. */
  callerAnswered(byPhone: boolean): void {
    const winner = this.#answered();
    if (byPhone || winner) this.#taken(winner);
    else this.#finish(Cause.noAnswer);
  }

  /** A caller that is a leg of another call (loopback) may have lost to somebody else. */
  callerEnded(cause: string): void {
    this.#finish(cause === 'LOSE_RACE' || cause === 'PICKED_OFF' ? Cause.answeredElsewhere : Cause.interworking);
  }

  /** FreeSWITCH has come to the dial string: what had been ended before is there only now. */
  holdBegan(): void {
    for (const [uuid, cause] of this.#ended) void this.#o.orders.kill(uuid, cause);
  }

  /** Why the placeholder ended says how the waiting ended. */
  holdEnded(uuid: string, cause: string): void {
    if (!this.#o.takenUp && this.#hold !== uuid) return;
    const winner = this.#answered();
    // One of the dial string: the desk phone, a contact, or a stored leg of ours.
    if (cause === 'LOSE_RACE') this.#taken(winner?.inDial ? winner : undefined);
    else if (cause === 'PICKED_OFF' || (cause === 'ORIGINATOR_CANCEL' && (winner || this.#o.othersAnswered())))
      this.#taken(winner);
    else this.#finish(cause === 'ORIGINATOR_CANCEL' ? Cause.interworking : Cause.noAnswer);
  }

  /** Another node has the call, with every channel of it: nothing of it may be ended or told. */
  takenOver(): void {
    if (this.#over) return;
    const { pbx, legId, emit } = this.#o;
    for (const of of [legId, ...this.refs]) emit({ type: 'legTakenOver', pbx, legId: of });
    this.#end();
  }

  /** After the link was away: which channels are still there, of those it had when that was asked, and who talks. */
  resume(there: ReadonlyMap<string, { readonly talks: boolean }>, known: WaitingCall['channels']): void {
    if (this.#over) return;
    const caller = there.get(this.caller);
    if (!caller) return this.#finish(Cause.noAnswer);
    for (const { ref, uuid } of known) {
      const channel = there.get(uuid);
      const leg = this.#legs.get(ref);
      if (!leg) continue;
      // The order to dial went down with the link.
      if (!channel && leg.lostOrder !== undefined) void this.#order(leg, uuid, leg.lostOrder).catch(() => undefined);
      else if (!channel) this.legEnded(ref, uuid, 'NO_ANSWER');
      else if (channel.talks) this.#pickedUp(leg);
    }
    if (caller.talks && !this.#o.answered) this.#taken(this.#answered());
  }

  // ── Inside ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #emit(event: { type: 'legDials' | 'legAnswered'; legId: string } | { type: 'legRinging'; ref: string }): void {
    if (!this.#over) this.#o.emit({ ...event, pbx: this.#o.pbx });
  }

  #legOf(ref: string, uuid: string): Leg | undefined {
    const leg = this.#legs.get(ref);
    // A delayed channel that gave way to another one is nobody's any more.
    return leg?.uuid === uuid ? leg : undefined;
  }

  #open(): Leg[] {
    return [...this.#legs.values()].filter((l) => l.state !== 'ended');
  }

  #killInDial(uuid: string, cause: string): Promise<LegOutcome> {
    this.#ended.set(uuid, cause);
    return this.#o.orders.kill(uuid, cause);
  }

  #pickedUp(leg: Leg): void {
    if (this.#answers.includes(leg)) return;
    this.#answers.push(leg);
    if (leg.state !== 'ended') leg.state = 'answered';
  }

  #answered(): Leg | undefined {
    return this.#answers.find((l) => l.state === 'answered');
  }

  #arrive(target: Extract<Target, { kind: 'device' | 'stored' }>, adopted: readonly Adopted[]): void {
    const { kind, ref } = target;
    const known = adopted.find((a) => sameLeg(a.ref, ref));
    // The phone rings already at its other leg, which an earlier life of ours dialled.
    if (!known && adopted.some((a) => sameDevice(a.ref, ref))) return;
    // The dial string is past being changed: what it does not ring is not rung by this leg.
    if (this.#o.takenUp && kind === 'stored' && !known) return;
    this.#legs.set(ref, legOf(target, known));
    const { aor, pbx, startedAt, takenUp } = this.#o;
    const arrived: DeviceLeg = { legId: ref, kind, ref, aor, callId: this.#callId };
    this.#o.emit({ type: 'deviceLegArrived', pbx, leg: arrived, startedAt, takenUp });
    if (!known) return;
    this.#o.onAdopted(known.uuid, ref);
    this.#emit({ type: 'legRinging', ref });
  }

  /** `cause` for the core, `name` for the caller. */
  #legOver(leg: Leg, cause: number, name = this.#named.get(cause) ?? nameOf(cause)): void {
    leg.state = 'ended';
    if (this.#over) return;
    const { hungUp, ref } = leg;
    this.#o.emit({ type: 'legEnded', pbx: this.#o.pbx, legId: ref, cause, hungUp });
    // Nothing is waited for any more: the caller hears what the last phone said, unless another one rings.
    if (this.#hold !== undefined && this.#open().length === 0 && !this.#over) {
      const hold = this.#hold;
      this.#hold = undefined;
      void this.#composed?.then(() => this.#killInDial(hold, name));
    }
  }

  /** Its channel gives way to another one, which dials the same phone. Its end is nobody's any more. */
  #takeBack(leg: Leg): void {
    const { uuid } = leg;
    leg.state = 'held';
    delete leg.uuid;
    if (uuid !== undefined) void this.#o.orders.kill(uuid, nameOf(Cause.answeredElsewhere)).catch(() => undefined);
  }

  /** A woken phone that no INVITE has reached may register anew: its leg is a note again. The placeholder still holds the caller. */
  #waitsAnew(leg: Leg, word: PhonesWord): boolean {
    const isLeft = leg.kind !== 'device' || leg.hungUp || word.isOwn || !NO_ANSWER_CAME.has(word.cause) || this.#over;
    const isHeld = this.#hold !== undefined || this.#o.takenUp;
    if (isLeft || !isHeld) return false;
    leg.state = 'held';
    delete leg.uuid;
    const { aor, pbx, startedAt } = this.#o;
    const arrived: DeviceLeg = { legId: leg.ref, kind: 'device', ref: leg.ref, aor, callId: this.#callId };
    this.#o.emit({ type: 'deviceLegArrived', pbx, leg: arrived, startedAt, takenUp: false, notReached: word.cause });
    return true;
  }

  #taken(winner: Leg | undefined): void {
    if (this.#over) return;
    if (winner) this.tellStatus('WOKEN');
    if (winner && !winner.inDial && !this.#o.enterprise) {
      // The caller's own bridge was given up for this phone, and calls itself cancelled.
      this.#o.orders.later(ANSWER_ON_THE_WAY_MS, () => {
        for (const name of ['DIALSTATUS', 'originate_disposition']) this.#o.orders.set(this.caller, name, 'SUCCESS');
      });
    }
    // Two phones picked up in the same moment may both have found the caller free; FreeSWITCH lets the loser go, but not always.
    const both = this.#answers.flatMap(({ uuid, inDial }) => (inDial || uuid === undefined ? [] : [uuid]));
    if (both.length > 1) this.#o.orders.later(SETTLED_MS, () => this.#o.orders.letGo(this.caller, both));
    if (!winner && this.#status === 'NOBODY') this.tellStatus('ELSEWHERE');
    if (winner) {
      this.#emit({ type: 'legAnswered', legId: winner.ref });
      winner.state = 'ended';
    }
    this.#finish(Cause.answeredElsewhere);
  }

  /** The call is over for all legs that are left: the phones that ring are told why, then the core is. */
  #finish(cause: number): void {
    if (this.#over) return;
    const open = this.#open();
    for (const leg of open) {
      leg.state = 'ended';
      const { uuid } = leg;
      // What stands in the dial string ends with it.
      if (uuid === undefined || leg.inDial || this.#answers.includes(leg)) continue;
      if (cause !== Cause.answeredElsewhere) void this.#o.orders.kill(uuid, nameOf(cause));
      else {
        // A phone picked up in the same moment may be the one that has the caller: FreeSWITCH sorts that out by itself, and
        // lets the other go. Its answer may be on the way to us.
        this.#o.orders.later(ANSWER_ON_THE_WAY_MS, () => {
          if (!this.#answers.includes(leg)) void this.#o.orders.kill(uuid, nameOf(cause));
        });
      }
    }
    for (const { ref } of open) this.#o.emit({ type: 'legEnded', pbx: this.#o.pbx, legId: ref, cause, hungUp: true });
    this.#o.emit({ type: 'legEnded', pbx: this.#o.pbx, legId: this.#o.legId, cause, hungUp: true });
    this.#end();
  }

  #end(): void {
    this.#over = true;
    this.#o.onOver();
  }
}
