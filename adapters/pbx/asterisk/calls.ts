/**
 * The calls of one Asterisk: which channel is which leg, what its channels do as facts of the port, and the core's orders to
 * it. Knows nothing of registrations.
 */
import { randomUUID } from 'node:crypto';
import type { Aor } from '../../../plugin/core/aor.ts';
import { aorOf, aorUser } from '../../../plugin/core/aor.ts';
import { between, type DurationMs, type Instant, SECOND } from '../../../plugin/core/time.ts';
import { Cause, type ClosingWord, type WakeStatus } from '../../../plugin/core/wake.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import type {
  DeviceLeg,
  HeldContact,
  LegOutcome,
  PbxEvent,
  RingTarget,
  TestCall,
  TestCallEnd,
} from '../../../plugin/ports/pbx-link.ts';
import { CALL_DEADLINE } from './deadlines.ts';
import { compose, dialText, dialVia, handOverText, withPushId } from './dial.ts';
import { type DialOptions, dialOptions } from './dial-options.ts';
import { DialledBy } from './dialled-by.ts';
import { DialplanVersion } from './dialplan-version.ts';
import { type Leg, Legs } from './legs.ts';
import type { AsteriskOptions } from './options.ts';
import { aorIdOf } from './registrations.ts';
import { Rush } from './rush.ts';
import { TestCalls } from './test-calls.ts';
import { type CallFact, LATE, translateWaiting } from './translate.ts';

/** The INVITE that shows a late phone its ended call is given up when the phone has not answered with 180 within this time. */
const LATE_RINGS_AT_MOST: DurationMs = 3 * SECOND;

const LATE_DIALS_SECONDS = 10;

/** The dialplan's guard: a wake leg that has waited for longer is no longer ours (see pushwake-extensions.conf). */
const GUARD: DurationMs = 1.5 * SECOND;

/** The cause of an INVITE that gives way to another one to the same phone: answered elsewhere, so that it shows no missed call. */
const TAKEN_BACK = Cause.answeredElsewhere;

const TAKEN_OVER = 'leg taken over: its node is gone';

/** The legs that a wake leg dials end with it; their events come behind its own by a few milliseconds. */
const LAST_LEGS_WITHIN: DurationMs = SECOND / 2;

type Fact<F extends CallFact['fact']> = Extract<CallFact, { fact: F }>;

export interface CallsIo {
  readonly pbx: string;
  readonly options: AsteriskOptions;
  readonly deps: AdapterDeps;
  /** Carries out a named operation of `session.ts`. Rejects with `LinkError`. */
  readonly call: <T>(operation: string, args: object, deadlineMs: number) => Promise<T>;
  readonly say: (event: PbxEvent) => void;
  /** Whether the address of a contact is all that dialling it needs. */
  readonly isPathless: (aor: Aor) => boolean;
}

export class Calls {
  readonly #io: CallsIo;
  readonly #legs = new Legs();
  /** Calls that are shown to phones that came too late. */
  readonly #late = new Map<string, { readonly cause: number; readonly cancel: () => void }>();
  /** The endpoint by which an AOR was dialled last, where the two have different names. */
  readonly #dialled = new DialledBy();
  readonly #testCalls: TestCalls;
  readonly #rush: Rush;
  readonly #dialplan: DialplanVersion;

  constructor(io: CallsIo) {
    this.#io = io;
    this.#rush = new Rush(io.deps.clock);
    this.#dialplan = new DialplanVersion(io.deps);
    this.#testCalls = new TestCalls(io.options.app, io.call);
  }

  placeCall(call: TestCall): Promise<string> {
    const aorId = aorIdOf(call.aor, this.#io.options.realm);
    return this.#testCalls.place(call, this.#dialled.endpointOf(aorId));
  }

  endCall(id: string, how: TestCallEnd): Promise<void> {
    return this.#testCalls.end(id, how);
  }

  /** Ends all timers. */
  stop(): void {
    for (const { cancel } of this.#late.values()) cancel();
    this.#legs.stop();
  }

  /** The link is up: finds the calls that wait, and learns what became of the legs that it knew before. */
  async takeUp(): Promise<void> {
    // Take the legs of this moment: legs of calls that come while we ask are in no list.
    const known = this.#legs.channels();
    const channels = await this.#io.call<unknown[]>('waitingChannels', {}, CALL_DEADLINE);
    if (known.length > 0) {
      // Not to know costs a closing word too many; the calls that wait must be taken up all the same.
      const asked = this.#io.call<readonly string[]>('takenFromUs', {}, CALL_DEADLINE);
      const taken = await asked.catch(() => []);
      for (const channelId of taken) this.takenOver(channelId);
    }
    const waiting = channels
      .map((channel) => translateWaiting(channel, this.#io.options.app))
      .filter((fact) => fact !== undefined);
    this.#legsSince(known, channels, waiting);
    this.#testCalls.endLeftOvers(channels);
    for (const fact of waiting) this.seen(fact, true);
  }

  /** The node of this application is gone: the legs that wait on it begin anew with us, by events of their own. */
  async takeOver(app: string): Promise<void> {
    const channels = await this.#io.call<unknown[]>('waitingChannels', {}, CALL_DEADLINE);
    for (const channel of channels) {
      const fact = translateWaiting(channel, app);
      if (fact?.fact !== 'deviceLeg') continue;
      const { channelId } = fact;
      const [, ...args] = String((channel as { dialplan: { app_data: string } }).dialplan.app_data).split(',');
      const outcome = await this.#io.call<LegOutcome>('takeOver', { channelId, from: app, args }, CALL_DEADLINE);
      const { pbx, deps } = this.#io;
      if (outcome === 'done') deps.log.info({ pbx, aor: this.#aor(fact.aorId), from: app }, TAKEN_OVER);
    }
  }

  /** Legs we knew before the link went down: those that are gone have ended, those that ring are followed again. */
  #legsSince(known: readonly string[], channels: readonly unknown[], waiting: readonly CallFact[]): void {
    const there = new Set(channels.map((channel) => (channel as { id?: string }).id));
    const held = new Set(waiting.map((fact) => ('channelId' in fact ? fact.channelId : undefined)));
    for (const channelId of known) {
      for (const leg of this.#legs.ofChannel(channelId)) {
        if (!there.has(channelId)) this.#ended(leg, leg.cause);
        else if (!held.has(channelId)) this.#follow(leg);
      }
    }
  }

  /** Another node has this leg: we stood still, or our link was away. */
  takenOver(channelId: string): void {
    for (const leg of this.#legs.ofChannel(channelId)) {
      this.#legs.remove(leg);
      this.#io.say({ type: 'legTakenOver', pbx: this.#io.pbx, legId: leg.legId });
    }
  }

  #aor(aorId: string): Aor | undefined {
    return aorOf(aorId, this.#io.options.realm);
  }

  /** `takenUp`: the call waited already when the link came up. */
  seen(fact: CallFact, takenUp: boolean): void {
    switch (fact.fact) {
      case 'wakeLeg':
        return takenUp || !this.#isLongAgo(fact.startedEpochMs) ? this.#wakeLeg(fact) : void this.#wakeLegIfThere(fact);
      case 'deviceLeg': {
        const aor = this.#aor(fact.aorId);
        if (!aor) return;
        const { channelId, kind, aorId, endpoint, callId, afterCause } = fact;
        const comesBack = afterCause !== undefined;
        const added = this.#legs.add({ kind, channelId, aorId, endpoint, callId, comesBack, own: false });
        const leg: DeviceLeg = { legId: added.legId, kind, ref: fact.ref, aor, callId };
        this.#follow(added, kind === 'device' && this.#io.isPathless(aor) ? aorId : undefined);
        // The caller's own Dial has begun since that channel asked; every other leg has inherited what its wake leg learnt.
        const caller = this.#legs.wakeLegOf(callId);
        if (caller?.own) added.options = this.#optionsOf(caller.channelId);
        if (added.next) return this.#dialsNext(added, added.next);
        return this.#io.say({
          type: 'deviceLegArrived',
          pbx: this.#io.pbx,
          leg,
          startedAt: this.#at(fact.startedEpochMs),
          takenUp,
          // An INVITE that was taken back says nothing of its phone.
          ...(afterCause && afterCause !== TAKEN_BACK && { notReached: afterCause }),
        });
      }
      case 'dialling': {
        for (const leg of this.#legs.ofChannel(fact.channelId)) leg.peer = fact.peerId;
        return;
      }
      case 'leftStasis': {
        for (const leg of this.#legs.ofChannel(fact.channelId)) {
          leg.left = true;
          if (leg.kind === 'stored') this.#io.say({ type: 'legDials', pbx: this.#io.pbx, legId: leg.legId });
          if (leg.unfollowed) this.#ended(leg, leg.cause);
        }
        return;
      }
      case 'hangupRequested': {
        for (const leg of this.#legs.ofChannel(fact.channelId)) {
          // The cause of its own dialplan's end (16) must not replace the cause with which the call ended it (26, 127).
          if (fact.fromOutside || !leg.hungUp) leg.cause = fact.cause;
          leg.hungUp ||= fact.fromOutside;
        }
        return;
      }
      case 'ringing':
        return this.#io.say({ type: 'legRinging', pbx: this.#io.pbx, ref: fact.ref });
      case 'lateRinging':
        return this.#endLate(fact.channelId);
      case 'answered':
        return this.#answered(fact.channelId, 'state');
      case 'dialAnswered':
        return this.#answered(fact.channelId, fact.leaves ? 'leaves' : 'dial');
      case 'ended':
        for (const leg of this.#legs.ofChannel(fact.channelId)) this.#ended(leg, fact.cause);
        return;
      case 'replaced':
        this.#io.deps.log.error(
          {
            pbx: this.#io.pbx,
            app: this.#io.options.app,
            hint: 'give each pushwake node its own `app`, here and in the dialplan',
          },
          'another process took over our stasis application',
        );
        return;
      default:
        fact satisfies never;
    }
  }

  #isLongAgo(epochMs: number): boolean {
    return between(this.#at(epochMs), this.#io.deps.clock.now()) > GUARD;
  }

  /**
   * We were stopped for a while, or the clocks differ: another node, or the plain path, may have this call by now, and its phone would be
   * pushed again. Asterisk knows. Where it cannot be asked the link is down: when it is up again, calls that wait are looked for.
   */
  async #wakeLegIfThere(fact: Fact<'wakeLeg'>): Promise<void> {
    const { channelId } = fact;
    const channel = await this.#io.call<unknown>('channel', { channelId }, CALL_DEADLINE).catch(() => undefined);
    if (translateWaiting(channel, this.#io.options.app)) return this.#wakeLeg(fact);
    this.#io.deps.log.info(
      { pbx: this.#io.pbx, aor: fact.aorId },
      'call came too late to be looked at, nobody is pushed',
    );
  }

  #wakeLeg(fact: Fact<'wakeLeg'>): void {
    const aor = this.#aor(fact.aorId);
    if (!aor) return void this.#goOn(fact.channelId, {}).catch(() => undefined);
    this.#rush.arrived(fact.linkedId);
    const { channelId, aorId, endpoint, own, linkedId, caller } = fact;
    const of = { kind: 'wake', channelId, aorId, endpoint, own, callId: '', comesBack: false, linkedId } as const;
    const added = this.#legs.add(of);
    this.#dialled.set(aorId, endpoint);
    const leg = { legId: added.legId, aor, linkedId, ...(caller && { caller }) };
    this.#io.say({ type: 'wakeLegArrived', pbx: this.#io.pbx, leg, startedAt: this.#at(fact.startedEpochMs) });
    // After its push. One that takes the plain way has been ordered to go on already.
    if (this.#legs.get(added.legId) === added) this.#follow(added);
    this.#dialplan.seen(fact.dialplan);
  }

  /**
   * A caller's own channel may be up long before its Dial is answered (a menu, voicemail), so that only its Dial counts; a phone that
   * leaves it was sent away by the administrator's own subroutine. A Local leg is left for the caller by the phone that answers.
   */
  #answered(channelId: string, how: 'state' | 'dial' | 'leaves'): void {
    for (const { legId, own } of this.#legs.ofChannel(channelId)) {
      if (how === 'dial' || own === undefined) this.#io.say({ type: 'legAnswered', pbx: this.#io.pbx, legId });
    }
  }

  /**
   * What a phone answered is told by the end of its own leg, and must be known before its call is over: Asterisk may report the wake leg
   * first, because each channel ends in a thread of its own.
   */
  #ended(leg: Leg, cause: number): void {
    const dialled = leg.kind === 'wake' && !leg.own ? this.#legs.waitingOf(leg.callId) : [];
    if (dialled.length === 0) return this.#over(leg, cause);
    leg.cause = cause;
    leg.cancelEnd ??= this.#io.deps.clock.after(LAST_LEGS_WITHIN, () => this.#over(leg, leg.cause));
  }

  #over(leg: Leg, cause: number): void {
    if (this.#legs.get(leg.legId) !== leg) return;
    leg.cancelEnd?.();
    const over = this.#legs.remove(leg);
    const { legId, hungUp } = leg;
    this.#io.say({ type: 'legEnded', pbx: this.#io.pbx, legId, cause, hungUp });
    if (leg.kind !== 'wake' && this.#legs.waitingOf(leg.callId).length === 0) this.#wakeLegToo(leg.callId);
    if (!over) return;
    // The caller's channel goes on with its dialplan; its Dial ended with the cause that its last leg got.
    this.#legs.remove(over);
    this.#io.say({ type: 'legEnded', pbx: this.#io.pbx, legId: over.legId, cause, hungUp });
  }

  /** The last leg of a call has ended: its wake leg may have done so before. */
  #wakeLegToo(callId: string): void {
    const wake = this.#legs.wakeLegOf(callId);
    if (wake?.cancelEnd) this.#over(wake, wake.cause);
  }

  /** What the Dial or Queue of the caller says of the phones that it dials. Never rejects: not to know it must not keep a call waiting. */
  async #optionsOf(channelId: string): Promise<DialOptions> {
    type Channel = { readonly dialplan?: { readonly app_name?: string; readonly app_data?: string } };
    const asked = this.#io.call<Channel | undefined>('channel', { channelId }, CALL_DEADLINE);
    const found = await asked.catch(() => undefined);
    return dialOptions(found?.dialplan?.app_name, found?.dialplan?.app_data);
  }

  /** Subscribes to a leg's events after it left Stasis, because its end is the end of the call. `expects`: see `session.ts`. */
  #follow(leg: Leg, expects?: string): void {
    const o = { channelId: leg.channelId, ...(expects === undefined ? {} : { expects }) };
    leg.isFollowed = false;
    leg.followed = this.#io.call<LegOutcome>('follow', o, CALL_DEADLINE).then(
      (outcome) => {
        leg.isFollowed = true;
        if (outcome !== 'gone' || !this.#legs.get(leg.legId)) return;
        // Answered or cancelled within the first milliseconds. The later of the two, this answer or StasisEnd, reports the end.
        leg.unfollowed = true;
        if (leg.left) this.#ended(leg, leg.cause);
      },
      (error: unknown) => {
        leg.isFollowed = true;
        this.#io.deps.log.debug({ pbx: this.#io.pbx, reason: String(error) }, 'cannot follow a leg');
      },
    );
  }

  #at(epochMs: number): Instant {
    return Number.isFinite(epochMs) ? this.#io.deps.clock.fromPbx(epochMs) : this.#io.deps.clock.now();
  }

  // ── Orders ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async compose(legId: string, callId: string, ring: readonly RingTarget[]): Promise<LegOutcome> {
    const leg = this.#legs.get(legId);
    if (!leg) return this.#goOn(legId, {});
    // The end of the plain path decides nothing, so the order does not wait for the subscription.
    if (ring.length === 0) {
      this.#legs.remove(leg);
      await leg.statusWritten;
      return leg.own
        ? this.#handOver(leg, handOverText('', leg.own.status, {}))
        : this.#goOn(leg.channelId, await this.#optionsOf(leg.linkedId));
    }
    const { variables, refused } = compose(leg.endpoint, callId, ring);
    for (const reason of refused) this.#refused(leg.aorId, reason);
    this.#legs.composed(leg, callId, ring.filter((target) => target.kind !== 'contact').length);
    // A phone may come at once: its dialplan writes WOKEN, which our NOBODY must not overtake.
    await Promise.all([leg.followed, leg.statusWritten, this.#rush.over()]);
    if (leg.own) return this.#handOver(leg, handOverText(callId, leg.own.status, variables));
    // Behind the pushes of all calls that came at once.
    return this.#goOn(leg.channelId, { ...(await this.#optionsOf(leg.linkedId)), ...variables });
  }

  #handOver({ channelId }: Leg, text: string): Promise<LegOutcome> {
    return this.#io.call<LegOutcome>('handOver', { channelId, text }, CALL_DEADLINE);
  }

  async ring(leg: DeviceLeg, contact?: HeldContact): Promise<LegOutcome> {
    const known = this.#legs.get(leg.legId);
    // A phone may answer within milliseconds: what it answers must not be missed. Asked for at its arrival, so done by now, and nothing comes before
    // the order.
    if (known && !known.isFollowed) await known.followed;
    const options = known?.options && (await known.options);
    if (leg.kind === 'stored' || !contact) return this.#goOn(leg.legId, { ...options });
    const aorId = aorIdOf(leg.aor, this.#io.options.realm);
    const isHere = contact.pbx === this.#io.pbx;
    const endpoint = this.#legs.get(leg.legId)?.endpoint ?? this.#dialled.endpointOf(aorId);
    const dial = isHere
      ? dialText(endpoint, contact)
      : dialVia(this.#io.options.via[contact.pbx], aorUser(contact.aor));
    if (!dial.ok) {
      this.#refused(aorId, dial.reason);
      return this.giveUp(leg.legId, 20);
    }
    const variables = { ...options, PUSHWAKE_CONTACT: withPushId([dial], leg.callId) };
    return known?.left ? this.#dialInstead(known, variables) : this.#goOn(leg.legId, variables);
  }

  /** It dials already: its INVITE is taken back, whereupon its dialplan asks again. */
  async #dialInstead(leg: Leg, variables: Readonly<Record<string, string>>): Promise<LegOutcome> {
    if (!leg.comesBack || leg.peer === undefined) return 'gone';
    leg.next = variables;
    // Where the phone's channel has just ended by itself the leg comes back all the same.
    await this.#io.call<LegOutcome>('hangup', { channelId: leg.peer, cause: TAKEN_BACK }, CALL_DEADLINE);
    return 'done';
  }

  #dialsNext(leg: Leg, variables: Readonly<Record<string, string>>): void {
    leg.next = undefined;
    leg.followed
      .then(() => this.#goOn(leg.channelId, variables))
      .catch((error: unknown) => {
        // Its dialplan ends it after ten seconds.
        this.#io.deps.log.warn(
          { pbx: this.#io.pbx, reason: String(error) },
          'a leg could not be given its next contact',
        );
      });
  }

  #goOn(channelId: string, variables: Record<string, string>): Promise<LegOutcome> {
    return this.#io.call<LegOutcome>('goOn', { channelId, variables }, CALL_DEADLINE);
  }

  #refused(aorId: string, reason: string): void {
    this.#io.deps.log.warn(
      { pbx: this.#io.pbx, aor: aorId, reason },
      'a contact is not dialled: it could change the dial string',
    );
  }

  async giveUp(legId: string, cause: number): Promise<LegOutcome> {
    const own = this.#legs.get(legId)?.own;
    if (own) {
      // The call is not ours to end: what waits for phones ends, and the caller's Dial sees why.
      const ended = await Promise.all([...own.open].map((waiting) => this.giveUp(waiting, cause)));
      return ended.includes('done') ? 'done' : 'gone';
    }
    return this.#io.call<LegOutcome>('hangup', { channelId: legId, cause }, CALL_DEADLINE);
  }

  async tellStatus(legId: string, status: WakeStatus): Promise<void> {
    // ARI writes to channels of its own application only; a function of the dialplan reaches the caller's from there.
    const variable = 'MASTER_CHANNEL(PUSHWAKE_STATUS)';
    const leg = this.#legs.get(legId);
    if (leg?.own) {
      leg.own.status = status;
      return;
    }
    const channelId = leg?.channelId ?? legId;
    const written = this.#io.call('setVariable', { channelId, variable, value: status }, CALL_DEADLINE);
    if (leg) leg.statusWritten = written.then(nothing, nothing);
    await written;
  }

  async showEnded(contact: HeldContact, callId: string, word: ClosingWord): Promise<void> {
    const aorId = aorIdOf(contact.aor, this.#io.options.realm);
    const dial = dialText(this.#dialled.endpointOf(aorId), contact);
    if (!dial.ok) return this.#refused(aorId, dial.reason);
    const channelId = `${LATE}${randomUUID()}`;
    const variables = { PUSHWAKE_ID: callId, PUSHWAKE_CONTACT: dial.text };
    await this.#io.call(
      'originate',
      {
        channelId,
        endpoint: `Local/${channelId}@pushwake-late/n`,
        variables,
        appArgs: 'late',
        seconds: LATE_DIALS_SECONDS,
      },
      CALL_DEADLINE,
    );
    // A phone that sends no 180 must not ring for ever either.
    const cancel = this.#io.deps.clock.after(LATE_RINGS_AT_MOST, () => this.#endLate(channelId));
    this.#late.set(channelId, { cause: word === 'elsewhere' ? 26 : word === 'cancelled' ? 127 : 16, cancel });
  }

  /** The phone shows the call now, so its INVITE is ended with the word that explains why. */
  #endLate(channelId: string): void {
    const late = this.#late.get(channelId);
    if (!late) return;
    this.#late.delete(channelId);
    late.cancel();
    this.giveUp(channelId, late.cause).catch(() => undefined);
  }
}

function nothing(): void {}
