/**
 * Asterisk by ARI, with HEP beside it where the administrator turned it on. Main-thread side: translates what the worker
 * reads into the port's facts, keeps which channel is which leg, and asks the worker for what the core decided.
 */
import { randomUUID } from 'node:crypto';
import type { Aor } from '../../../plugin/core/aor.ts';
import { aorOf, aorUser } from '../../../plugin/core/aor.ts';
import { type DurationMs, type Instant, SECOND } from '../../../plugin/core/time.ts';
import type { ClosingWord, WakeStatus } from '../../../plugin/core/wake.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import {
  type AskAnswer,
  type DeviceLeg,
  type HeldContact,
  type LegOutcome,
  LinkError,
  type PbxEvent,
  type PbxLink,
  type RingTarget,
} from '../../../plugin/ports/pbx-link.ts';
import { SupervisedWorker } from '../supervised-worker.ts';
import { CALL_DEADLINE, CALM_DEADLINE } from './deadlines.ts';
import { compose, dialText, dialVia, handOverText, withPushId } from './dial.ts';
import { DialledBy } from './dialled-by.ts';
import { type Leg, Legs } from './legs.ts';
import type { AsteriskOptions } from './options.ts';
import { aorIdOf, Registrations } from './registrations.ts';
import { type AriFact, LATE, translate, translateWaiting } from './translate.ts';

export { check } from './check.ts';
export { optionsSchema } from './options.ts';

/** A phone that hears nothing of the call within this hears no more of it. */
const LATE_RINGS_AT_MOST: DurationMs = 3 * SECOND;
export function create(options: AsteriskOptions, deps: AdapterDeps): PbxLink {
  return new AsteriskLink(options, deps);
}

class AsteriskLink implements PbxLink {
  readonly name: string;
  readonly #o: AsteriskOptions;
  readonly #deps: AdapterDeps;
  readonly #worker: SupervisedWorker;
  readonly #registrations: Registrations;
  readonly #legs = new Legs();
  /** Calls that are shown to phones that came too late. */
  readonly #late = new Map<string, { readonly cause: number; readonly cancel: () => void }>();
  /** The endpoint by which an AOR was dialled last, where the two have different names. */
  readonly #dialled = new DialledBy();
  #emit: (event: PbxEvent) => void = () => undefined;
  #stopped = false;

  constructor(options: AsteriskOptions, deps: AdapterDeps) {
    this.name = deps.name;
    this.#o = options;
    this.#deps = deps;
    const script = new URL(import.meta.url.endsWith('.ts') ? './link.ts' : './link.js', import.meta.url);
    const { url, username, password, app } = options;
    this.#worker = new SupervisedWorker({
      name: deps.name,
      script,
      workerData: { options: { url, username, password, app } },
      log: deps.log,
      onUp: () => void this.#linkUp(),
      onDown: (reason) => this.#say({ type: 'linkDown', pbx: this.name, reason }),
      onEvent: (event) => this.#event(translate(event), false),
    });
    this.#registrations = new Registrations({
      pbx: deps.name,
      realm: options.realm,
      hep: options.hep,
      deps,
      call: (operation, args, deadlineMs) => this.#worker.call(operation, args, deadlineMs),
      say: (event) => this.#say(event),
    });
  }

  get ringsVia(): ReadonlySet<string> {
    return new Set(Object.keys(this.#o.via));
  }

  get up(): boolean {
    return this.#worker.up;
  }

  sensors() {
    return this.#registrations.sensors();
  }

  async start(emit: (event: PbxEvent) => void): Promise<void> {
    this.#emit = emit;
    await this.#registrations.start();
    await this.#worker.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#registrations.stopLooking();
    for (const { cancel } of this.#late.values()) cancel();
    await this.#registrations.stop();
    await this.#worker.stop();
  }

  #say(event: PbxEvent): void {
    if (!this.#stopped) this.#emit(event);
  }

  // ── Facts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #linkUp(): Promise<void> {
    this.#registrations.forget();
    this.#say({ type: 'linkUp', pbx: this.name });
    // Those of now: legs of calls that come while we ask are in no list.
    const known = this.#legs.channels();
    try {
      // Calls first: they wait; the resync can.
      const channels = await this.#worker.call<unknown[]>('waitingChannels', {}, CALL_DEADLINE);
      const waiting = channels
        .map((channel) => translateWaiting(channel, this.#o.app))
        .filter((fact) => fact !== undefined);
      this.#legsSince(known, channels, waiting);
      for (const fact of waiting) this.#event(fact, true);
    } catch (error) {
      this.#deps.log.warn({ pbx: this.name, reason: String(error) }, 'could not look for calls that wait');
    }
  }

  /** Legs we knew before the link went down: those that are gone have ended, those that ring are followed again. */
  #legsSince(known: readonly string[], channels: readonly unknown[], waiting: readonly AriFact[]): void {
    const there = new Set(channels.map((channel) => (channel as { id?: string }).id));
    const held = new Set(waiting.map((fact) => ('channelId' in fact ? fact.channelId : undefined)));
    for (const channelId of known) {
      for (const leg of this.#legs.ofChannel(channelId)) {
        if (!there.has(channelId)) this.#ended(leg, leg.cause);
        else if (!held.has(channelId)) this.#follow(leg);
      }
    }
  }

  #aor(aorId: string): Aor | undefined {
    return aorOf(aorId, this.#o.realm);
  }

  #event(fact: AriFact | undefined, takenUp: boolean): void {
    if (!fact || this.#stopped) return;
    switch (fact.fact) {
      case 'contactNew':
      case 'contactHeld':
        return this.#registrations.shown(fact);
      case 'contactRemoved':
        return this.#registrations.removed(fact);
      case 'wakeLeg': {
        const aor = this.#aor(fact.aorId);
        if (!aor) return void this.#goOn(fact.channelId, {}).catch(() => undefined);
        const { channelId, aorId, endpoint, own } = fact;
        const added = this.#legs.add({ kind: 'wake', channelId, aorId, endpoint, own, callId: '' });
        this.#dialled.set(aorId, endpoint);
        const { linkedId, caller } = fact;
        const leg = { legId: added.legId, aor, linkedId, ...(caller && { caller }) };
        this.#say({ type: 'wakeLegArrived', pbx: this.name, leg, startedAt: this.#at(fact.startedEpochMs) });
        return this.#follow(added);
      }
      case 'deviceLeg': {
        const aor = this.#aor(fact.aorId);
        if (!aor) return;
        const { channelId, kind, aorId, endpoint, callId } = fact;
        const added = this.#legs.add({ kind, channelId, aorId, endpoint, callId, own: false });
        const leg: DeviceLeg = { legId: added.legId, kind, ref: fact.ref, aor, callId };
        this.#follow(added);
        return this.#say({
          type: 'deviceLegArrived',
          pbx: this.name,
          leg,
          startedAt: this.#at(fact.startedEpochMs),
          takenUp,
        });
      }
      case 'leftStasis': {
        for (const leg of this.#legs.ofChannel(fact.channelId)) {
          leg.left = true;
          if (leg.kind === 'stored') this.#say({ type: 'legDials', pbx: this.name, legId: leg.legId });
          if (leg.unfollowed) this.#ended(leg, leg.cause);
        }
        return;
      }
      case 'hangupRequested': {
        for (const leg of this.#legs.ofChannel(fact.channelId)) {
          // What its own dialplan says on the way out (16) must not hide why the call ended it (26, 127).
          if (fact.fromOutside || !leg.hungUp) leg.cause = fact.cause;
          leg.hungUp ||= fact.fromOutside;
        }
        return;
      }
      case 'ringing':
        return this.#say({ type: 'legRinging', pbx: this.name, ref: fact.ref });
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
        this.#deps.log.error(
          { pbx: this.name, app: this.#o.app, hint: 'give each pushwake node its own `app`, here and in the dialplan' },
          'another process took over our stasis application',
        );
        return;
      default:
        fact satisfies never;
    }
  }

  /**
   * A caller's own channel may be up long before its Dial is answered (a menu, voicemail), so that only its Dial counts; a phone that
   * leaves it was sent away by the administrator's own subroutine. A Local leg is left for the caller by the phone that answers.
   */
  #answered(channelId: string, how: 'state' | 'dial' | 'leaves'): void {
    for (const { legId, own } of this.#legs.ofChannel(channelId)) {
      if (how === 'dial' || own === undefined) this.#say({ type: 'legAnswered', pbx: this.name, legId });
    }
  }

  #ended(leg: Leg, cause: number): void {
    const over = this.#legs.remove(leg);
    const { legId, hungUp } = leg;
    this.#say({ type: 'legEnded', pbx: this.name, legId, cause, hungUp });
    if (!over) return;
    // The caller's channel goes on with its dialplan; what became of its Dial is what its last leg was told.
    this.#legs.remove(over);
    this.#say({ type: 'legEnded', pbx: this.name, legId: over.legId, cause, hungUp });
  }

  /** Keeps telling us about a leg after it left Stasis: how it ends is how the call ended. */
  #follow(leg: Leg): void {
    leg.followed = this.#worker.call<LegOutcome>('follow', { channelId: leg.channelId }, CALL_DEADLINE).then(
      (outcome) => {
        if (outcome !== 'gone' || !this.#legs.get(leg.legId)) return;
        // Answered or cancelled within the first milliseconds. Whichever comes last, this or StasisEnd, tells the end.
        leg.unfollowed = true;
        if (leg.left) this.#ended(leg, leg.cause);
      },
      (error: unknown) => this.#deps.log.debug({ pbx: this.name, reason: String(error) }, 'cannot follow a leg'),
    );
  }

  #at(epochMs: number): Instant {
    return Number.isFinite(epochMs) ? this.#deps.clock.fromPbx(epochMs) : this.#deps.clock.now();
  }

  // ── Registrations ──────────────────────────────────────────────────────────────────────────────────────────────────

  ask(aor: Aor): Promise<AskAnswer> {
    return this.#registrations.ask(aor);
  }

  list(): AsyncIterable<HeldContact> {
    return this.#registrations.list();
  }

  removeContact(contact: Pick<HeldContact, 'aor' | 'uri'>): Promise<'gone'> {
    return this.#registrations.remove(contact);
  }

  watch(aor: Aor, on: boolean): void {
    this.#registrations.watch(aor, on);
  }

  // ── Orders ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async compose(legId: string, callId: string, ring: readonly RingTarget[]): Promise<LegOutcome> {
    const leg = this.#legs.get(legId);
    if (!leg) return this.#goOn(legId, {});
    // Nobody wants to know how the plain path ends, so it does not wait to be followed.
    if (ring.length === 0) {
      this.#legs.remove(leg);
      return leg.own ? this.#handOver(leg, handOverText('', leg.own.status, {})) : this.#goOn(leg.channelId, {});
    }
    const { variables, refused } = compose(leg.endpoint, callId, ring);
    for (const reason of refused) this.#refused(leg.aorId, reason);
    this.#legs.composed(leg, callId, ring.filter((target) => target.kind !== 'contact').length);
    await leg.followed;
    return leg.own
      ? this.#handOver(leg, handOverText(callId, leg.own.status, variables))
      : this.#goOn(leg.channelId, variables);
  }

  #handOver({ channelId }: Leg, text: string): Promise<LegOutcome> {
    return this.#worker.call<LegOutcome>('handOver', { channelId, text }, CALL_DEADLINE);
  }

  async ring(leg: DeviceLeg, contact?: HeldContact): Promise<LegOutcome> {
    // A phone may answer within milliseconds: what it answers must not be missed. Asked for at its arrival, so done by now.
    await this.#legs.get(leg.legId)?.followed;
    if (leg.kind === 'stored' || !contact) return this.#goOn(leg.legId, {});
    const aorId = aorIdOf(leg.aor, this.#o.realm);
    const isHere = contact.pbx === this.name;
    const endpoint = this.#legs.get(leg.legId)?.endpoint ?? this.#dialled.endpointOf(aorId);
    const dial = isHere ? dialText(endpoint, contact) : dialVia(this.#o.via[contact.pbx], aorUser(contact.aor));
    if (!dial.ok) {
      this.#refused(aorId, dial.reason);
      return this.giveUp(leg.legId, 20);
    }
    return this.#goOn(leg.legId, { PUSHWAKE_CONTACT: withPushId([dial], leg.callId) });
  }

  #goOn(channelId: string, variables: Record<string, string>): Promise<LegOutcome> {
    return this.#worker.call<LegOutcome>('goOn', { channelId, variables }, CALL_DEADLINE);
  }

  #refused(aorId: string, reason: string): void {
    this.#deps.log.warn(
      { pbx: this.name, aor: aorId, reason },
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
    return this.#worker.call<LegOutcome>('hangup', { channelId: legId, cause }, CALL_DEADLINE);
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
    await this.#worker.call('setVariable', { channelId, variable, value: status }, CALL_DEADLINE);
  }

  async showEnded(contact: HeldContact, callId: string, word: ClosingWord): Promise<void> {
    const aorId = aorIdOf(contact.aor, this.#o.realm);
    const dial = dialText(this.#dialled.endpointOf(aorId), contact);
    if (!dial.ok) return this.#refused(aorId, dial.reason);
    const channelId = `${LATE}${randomUUID()}`;
    const variables = { PUSHWAKE_ID: callId, PUSHWAKE_CONTACT: dial.text };
    await this.#worker.call(
      'originate',
      { channelId, endpoint: `Local/${channelId}@pushwake-late/n`, variables },
      CALL_DEADLINE,
    );
    // A phone that says nothing shall not ring for ever either.
    const cancel = this.#deps.clock.after(LATE_RINGS_AT_MOST, () => this.#endLate(channelId));
    this.#late.set(channelId, { cause: word === 'elsewhere' ? 26 : word === 'cancelled' ? 127 : 16, cancel });
  }

  /** The phone has heard of the call: now it may hear that it is over. */
  #endLate(channelId: string): void {
    const late = this.#late.get(channelId);
    if (!late) return;
    this.#late.delete(channelId);
    late.cancel();
    this.giveUp(channelId, late.cause).catch(() => undefined);
  }

  async setReachable(aor: Aor, reachable: boolean): Promise<void> {
    const name = `Stasis:pushwake-${aorIdOf(aor, this.#o.realm)}`;
    if (!this.up) throw new LinkError(`link ${this.name} is down`);
    await this.#worker.call('deviceState', { name, state: reachable ? 'NOT_INUSE' : 'UNAVAILABLE' }, CALM_DEADLINE);
  }
}
