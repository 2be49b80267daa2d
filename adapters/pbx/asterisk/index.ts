/**
 * Asterisk by ARI, with HEP beside it where the administrator turned it on. Main-thread side: translates what the worker
 * reads into the port's facts, keeps which channel is which leg, and asks the worker for what the core decided.
 */
import { randomUUID } from 'node:crypto';
import type { Aor } from '../../../plugin/core/aor.ts';
import { aorOf, aorUser } from '../../../plugin/core/aor.ts';
import { LONGEST_USER_AGENT, shortened } from '../../../plugin/core/detached.ts';
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
import { compose, contactObjectId, dialText, dialVia, handOverText, withPushId } from './dial.ts';
import { DialledBy } from './dialled-by.ts';
import { HepSensor } from './hep.ts';
import type { WireRegister } from './hep-register.ts';
import { type Leg, Legs } from './legs.ts';
import type { AsteriskOptions } from './options.ts';
import { type Removal, Removals } from './removals.ts';
import { type AriFact, LATE, translate, translateWaiting } from './translate.ts';
import { ContactWatch } from './watch.ts';
import { ShownContacts, WireFacts } from './wire-facts.ts';

export { check } from './check.ts';
export { optionsSchema } from './options.ts';

/** A call waits for these: a PBX that takes longer is treated as one that does not answer. */
const CALL_DEADLINE: DurationMs = 1 * SECOND;
/** Nobody waits for these. */
const CALM_DEADLINE: DurationMs = 5 * SECOND;
/** A phone that hears nothing of the call within this hears no more of it. */
const LATE_RINGS_AT_MOST: DurationMs = 3 * SECOND;
/** Reads in flight during a resync: 4.5 k contacts/s at this figure, without hurting calls. */
const RESYNC_AT_ONCE = 8;

export function create(options: AsteriskOptions, deps: AdapterDeps): PbxLink {
  return new AsteriskLink(options, deps);
}

/** res_pjsip's own words for a contact. */
type ContactFields = Readonly<Record<string, string>>;

interface AorAnswer {
  readonly exists: boolean;
  readonly contacts: readonly ContactFields[];
  readonly maximumExpiration: number;
}

class AsteriskLink implements PbxLink {
  readonly name: string;
  readonly #o: AsteriskOptions;
  readonly #deps: AdapterDeps;
  readonly #worker: SupervisedWorker;
  readonly #hep: HepSensor | undefined;
  readonly #watch: ContactWatch;
  readonly #removals: Removals;
  readonly #legs = new Legs();
  /** Accounts a call waits for, and how many calls. */
  readonly #waiting = new Map<Aor, number>();
  /** Calls that are shown to phones that came too late. */
  readonly #late = new Map<string, { readonly cause: number; readonly cancel: () => void }>();
  /** The endpoint by which an AOR was dialled last, where the two have different names. */
  readonly #dialled = new DialledBy();
  readonly #shown: ShownContacts;
  readonly #wire: WireFacts;
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
    this.#hep = options.hep && new HepSensor(options.hep, deps, (register) => this.#wireRegister(register));
    this.#removals = new Removals(deps.clock, (removal) => this.#removed(removal));
    this.#shown = new ShownContacts(deps.clock);
    this.#wire = new WireFacts({
      pbx: deps.name,
      clock: deps.clock,
      shown: this.#shown,
      removals: this.#removals,
      isWaiting: (aor) => this.#waiting.has(aor),
      contacts: (aorUser) => this.#contacts(aorUser, CALL_DEADLINE),
      contact: (aorUser, uri) => this.#contact(aorUser, uri),
      say: (event) => this.#say(event),
    });
    this.#watch = new ContactWatch(deps.clock, {
      read: (aor) => this.#contacts(aorIdOf(aor, this.#o.realm), CALL_DEADLINE),
      seen: (contact, since) => this.#seen(contact, 'watch', since),
    });
  }

  get ringsVia(): ReadonlySet<string> {
    return new Set(Object.keys(this.#o.via));
  }

  get up(): boolean {
    return this.#worker.up;
  }

  sensors() {
    return this.#hep ? { hep: { listening: this.#hep.address ? 1 : 0, ...this.#hep.counters } } : {};
  }

  async start(emit: (event: PbxEvent) => void): Promise<void> {
    this.#emit = emit;
    await this.#hep?.start();
    await this.#worker.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watch.stop();
    this.#removals.stop();
    for (const { cancel } of this.#late.values()) cancel();
    await this.#hep?.stop();
    await this.#worker.stop();
  }

  #say(event: PbxEvent): void {
    if (!this.#stopped) this.#emit(event);
  }

  // ── Facts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #linkUp(): Promise<void> {
    this.#shown.clear();
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
        return this.#contactNew(fact);
      case 'contactRemoved': {
        const aor = this.#aor(fact.aorId);
        if (!aor) return;
        this.#shown.remove(aor, fact.uri);
        const removal = { aor, uri: fact.uri, at: this.#at(fact.atEpochMs) };
        if (this.#hep) this.#removals.hold(removal);
        else this.#removed(removal);
        return;
      }
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
        return this.#answered(fact.channelId, false);
      case 'dialAnswered':
        return this.#answered(fact.channelId, true);
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

  /** A caller's own channel may be up long before its Dial is answered (a menu, voicemail), so that only its Dial counts. */
  #answered(channelId: string, byItsDial: boolean): void {
    for (const { legId, own } of this.#legs.ofChannel(channelId)) {
      if ((own !== undefined) === byItsDial) this.#say({ type: 'legAnswered', pbx: this.name, legId });
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

  /** A new contact came with what the PBX stored of it: its expiry now is what was granted. */
  #contactNew(fact: Extract<AriFact, { fact: 'contactNew' | 'contactHeld' }>): void {
    const aor = this.#aor(fact.aorId);
    if (!aor) return;
    this.#removals.forget(aor, fact.uri);
    const at = this.#at(fact.atEpochMs);
    // Could not be read: the event alone is enough to bind; what was granted stays unknown.
    const contact = this.#held(aor, { ...fact.stored, uri: fact.uri });
    if (fact.stored) this.#shown.add(contact);
    this.#seen(contact, fact.fact === 'contactNew' ? 'event' : 'ask', at);
  }

  #seen(contact: HeldContact, how: 'event' | 'ask' | 'watch', at: Instant): void {
    // Asterisk counts from the beginning of the second: rounded up, or the contact would later prove a second too much.
    const grantedMs =
      how !== 'ask' && contact.expiresAt !== undefined
        ? Math.ceil((contact.expiresAt - at) / SECOND) * SECOND
        : undefined;
    this.#say({
      type: 'contactSeen',
      contact,
      how,
      at,
      ...(grantedMs !== undefined && grantedMs > 0 ? { grantedMs } : {}),
    });
  }

  #wireRegister(r: WireRegister): void {
    const aor = this.#aor(r.aorUser);
    if (aor && !this.#stopped) void this.#wire.take(aor, r);
  }

  #removed({ aor, uri, at }: Removal): void {
    this.#say({ type: 'contactRemoved', pbx: this.name, aor, uri, at });
  }

  // ── Questions ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async ask(aor: Aor): Promise<AskAnswer> {
    const aorId = aorIdOf(aor, this.#o.realm);
    const answer = await this.#worker.call<AorAnswer>('readAor', { id: aorId }, CALL_DEADLINE);
    const contacts = answer.contacts.map((c) => this.#held(aor, c));
    for (const contact of contacts) this.#shown.add(contact);
    const maximum = answer.maximumExpiration;
    return { aorExists: answer.exists, contacts, ...(maximum > 0 ? { maximumExpiresMs: maximum * SECOND } : {}) };
  }

  async *list(): AsyncIterable<HeldContact> {
    const endpoints = await this.#worker.call<string[]>('onlineEndpoints', {}, CALM_DEADLINE);
    // Several endpoints may share an AOR.
    const listed = new Set<string>();
    for (let i = 0; i < endpoints.length; i += RESYNC_AT_ONCE) {
      const page = endpoints.slice(i, i + RESYNC_AT_ONCE);
      const aors = await Promise.all(page.map((id) => this.#aorsOf(id)));
      const fresh = new Set(aors.flat().filter((id) => !listed.has(id)));
      for (const id of fresh) listed.add(id);
      const found = await Promise.all([...fresh].map((id) => this.#contacts(id, CALM_DEADLINE)));
      yield* found.flat();
    }
  }

  async #aorsOf(endpoint: string): Promise<readonly string[]> {
    return (await this.#worker.call<string[] | undefined>('aorsOf', { id: endpoint }, CALM_DEADLINE)) ?? [];
  }

  async #contacts(aorId: string, deadlineMs: number): Promise<readonly HeldContact[]> {
    const aor = this.#aor(aorId);
    if (!aor) return [];
    const answer = await this.#worker.call<AorAnswer>('readAor', { id: aorId }, deadlineMs);
    return answer.contacts.map((c) => this.#held(aor, c));
  }

  /** One contact, read out of the way of calls. */
  async #contact(aorId: string, uri: string): Promise<HeldContact | undefined> {
    const aor = this.#aor(aorId);
    const id = contactObjectId(aorId, uri);
    const found = await this.#worker.call<ContactFields | undefined>('readContactCalmly', { id }, CALM_DEADLINE);
    return aor && found ? this.#held(aor, found) : undefined;
  }

  #held(aor: Aor, o: ContactFields): HeldContact {
    const expires = Number(o.expiration_time);
    return {
      pbx: this.name,
      aor,
      uri: String(o.uri),
      ...(Number.isFinite(expires) && expires > 0 ? { expiresAt: this.#deps.clock.fromPbx(expires * 1_000) } : {}),
      ...(o.user_agent ? { userAgent: shortened(o.user_agent, LONGEST_USER_AGENT) } : {}),
      ...(o.path ? { path: o.path } : {}),
    };
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

  async removeContact(contact: Pick<HeldContact, 'aor' | 'uri'>): Promise<'gone'> {
    const id = contactObjectId(aorIdOf(contact.aor, this.#o.realm), contact.uri);
    await this.#worker.call('deleteContact', { id }, CALM_DEADLINE);
    return 'gone';
  }

  watch(aor: Aor, on: boolean): void {
    const calls = (this.#waiting.get(aor) ?? 0) + (on ? 1 : -1);
    if (calls > 0) this.#waiting.set(aor, calls);
    else this.#waiting.delete(aor);
    // HEP tells each REGISTER within a tenth of a millisecond; without it a waiting AOR is looked at closely.
    if (this.#hep) return;
    if (on) this.#watch.add(aor);
    else this.#watch.remove(aor);
  }

  async setReachable(aor: Aor, reachable: boolean): Promise<void> {
    const name = `Stasis:pushwake-${aorIdOf(aor, this.#o.realm)}`;
    if (!this.up) throw new LinkError(`link ${this.name} is down`);
    await this.#worker.call('deviceState', { name, state: reachable ? 'NOT_INUSE' : 'UNAVAILABLE' }, CALM_DEADLINE);
  }
}

/** `1001@realm` is `1001` on the PBX; another realm stays as it is (AOR ids may hold an `@`). */
function aorIdOf(aor: Aor, realm: string): string {
  return aor.endsWith(`@${realm.toLowerCase()}`) ? aorUser(aor) : aor;
}
