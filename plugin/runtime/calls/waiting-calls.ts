/**
 * The calls that wait now: which event belongs to which call, and calls that waited while we were away. In memory only: the
 * PBX holds the call, so that our death costs the caller nothing. What a call does with its events is `waiting-call.ts`.
 */
import type { Aor } from '../../core/aor.ts';
import type { Binding } from '../../core/binding.ts';
import type { PolicyFor } from '../../core/lifecycle.ts';
import type { Mode, Policy } from '../../core/policy.ts';
import { between, earliest, plus, SECOND } from '../../core/time.ts';
import {
  beginWake,
  callIdOf,
  parseRef,
  takeUpDevice,
  type Wake,
  type WakeEvent,
  type WakeStatus,
} from '../../core/wake.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { Clock } from '../../ports/clock.ts';
import { isRegister, type PbxEvent, type PbxLink } from '../../ports/pbx-link.ts';
import type { Bindings } from '../bindings/records.ts';
import type { Delivery } from '../push/delivery.ts';
import { Rounds } from './queue-rounds.ts';
import type { TraceBook } from './trace-book.ts';
import { type CallArrival, LiveWake, type LiveWakeDeps } from './waiting-call.ts';

export interface WakesOptions {
  readonly mode: Mode;
  readonly clock: Clock;
  readonly log: Logger;
  /** Reads records; writes none. */
  readonly bindings: Pick<Bindings, 'atHand' | 'read'>;
  readonly intake: LiveWakeDeps['intake'];
  readonly delivery: Delivery;
  readonly links: ReadonlyMap<string, PbxLink>;
  readonly policyFor: (aor: Aor) => PolicyFor;
  readonly traces: TraceBook;
  /** Whether the pushes of a call say who calls. Default false. */
  readonly showCaller?: boolean;
  /** The same AOR on the PBXs whose phones the call's own can ring. */
  readonly callKey?: LiveWakeDeps['callKey'];
  readonly watchElsewhere: (link: PbxLink, aor: Aor, on: boolean) => void;
  /** Eight characters of [0-9a-z], unguessable enough to be unique. */
  readonly newStem: () => string;
  /** A call is over, or was forgotten. */
  readonly onOver?: (wake: Wake) => void;
}

/** Which word of two accounts of one call is worth more to its dialplan. */
const RANK: Readonly<Record<WakeStatus, number>> = { UNAVAILABLE: 0, NOBINDING: 1, NOBODY: 2, ELSEWHERE: 3, WOKEN: 4 };

type Ref = NonNullable<ReturnType<typeof parseRef>>;

/** How many calls that are over are remembered, so that a late leg of theirs is not taken for a waiting call. */
const OVER_REMEMBERED = 10_000;

export class Wakes {
  readonly #o: WakesOptions;
  readonly #deps: LiveWakeDeps;
  readonly #byStem = new Map<string, LiveWake>();
  readonly #byAor = new Map<Aor, Set<LiveWake>>();
  readonly #byLeg = new Map<string, LiveWake>();
  readonly #rounds = new Rounds();
  /** Calls that are over and whose phones may still be on their way. */
  readonly #late = new Map<Aor, Set<LiveWake>>();
  /** What happens to a leg while its record is still being read. */
  readonly #arriving = new Map<string, WakeEvent[]>();
  /** Stems of calls that are over: a leg of theirs that comes late is not a call to take up. */
  #overStems = new Set<string>();
  #stopped = false;
  /** Of the next call: made beforehand, because its push would wait for it. */
  #nextStem: string | undefined;

  constructor(options: WakesOptions) {
    this.#o = options;
    const { clock, log, intake, delivery, traces } = options;
    this.#deps = {
      clock,
      log,
      intake,
      delivery,
      traces,
      watchElsewhere: options.watchElsewhere,
      callKey: options.callKey,
      policyOf: (aor, binding) => this.#policy(aor, binding),
      forgotten: (live) => remove(this.#late, live),
      statusOfCall: (linkedId, said) => this.#statusOfCall(linkedId, said),
      isWaiting: (callId) => [...this.#byStem.values()].some((live) => live.wake.callId === callId),
      ringsElsewhere: (live, contact) =>
        [...(this.#byAor.get(live.wake.aor) ?? [])].some((other) => other.knows(contact)),
      left: (live) => {
        this.#forget(live);
        options.onOver?.(live.wake);
      },
      closed: (live) => {
        this.#forget(live);
        put(this.#late, live);
        this.#rounds.over(live.wake, clock.monotonicMs());
        options.onOver?.(live.wake);
      },
    };
  }

  get waiting(): number {
    return this.#byStem.size;
  }

  waitsFor(aor: Aor): boolean {
    return this.#byAor.has(aor);
  }

  /** A PBX has a new link: its calls go on by that one. */
  moveTo(link: PbxLink): void {
    const late = [...this.#late.values()].flatMap((lives) => [...lives]);
    for (const live of [...this.#byStem.values(), ...late]) if (live.wake.pbx === link.name) live.moveTo(link);
  }

  async onPbxEvent(event: PbxEvent): Promise<void> {
    if (this.#stopped) return;
    switch (event.type) {
      case 'wakeLegArrived':
        return this.#arrived(event);
      case 'deviceLegArrived':
        return this.#legArrived(event);
      case 'legDials':
      case 'legAnswered':
        return this.#toLeg(event.pbx, event.legId, {
          type: event.type === 'legDials' ? 'LegDials' : 'LegAnswered',
          legId: event.legId,
        });
      case 'legEnded':
        return this.#toLeg(event.pbx, event.legId, {
          type: 'LegEnded',
          legId: event.legId,
          cause: event.cause,
          hungUp: event.hungUp,
        });
      case 'legTakenOver':
        return this.#byLeg.get(legKey(event.pbx, event.legId))?.leave();
      case 'legRinging':
        return this.#byStem.get(parseRef(event.ref)?.stem ?? '')?.step({ type: 'LegRinging', ref: event.ref });
      case 'contactComing': {
        for (const live of [...(this.#byAor.get(event.contact.aor) ?? [])])
          if (event.pbx === live.wake.pbx && event.at >= live.arrived.registersFrom)
            live.coming(event.contact, event.at);
        return;
      }
      case 'contactSeen': {
        // A contact that is merely still stored proves nothing: only a REGISTER rings a phone.
        if (!isRegister(event.how)) return;
        const { aor, pbx } = event.contact;
        for (const live of [...(this.#byAor.get(aor) ?? []), ...(this.#late.get(aor) ?? [])]) {
          if (pbx !== live.wake.pbx && !live.link.ringsVia?.has(pbx)) continue;
          if (event.at < live.arrived.registersFrom) continue;
          live.seen(event.contact, event.how, event.at);
        }
        return;
      }
      case 'registerRefused': {
        const { pbx, aor, uri, instanceId, status } = event;
        const contact = { pbx, uri, ...(instanceId === undefined ? {} : { instanceId }) };
        for (const live of [...(this.#byAor.get(aor) ?? [])]) {
          if (live.wake.pbx === pbx) live.step({ type: 'RegisterRefused', contact, status });
        }
        return;
      }
      case 'linkUp':
        // The link was away: who registered meanwhile was not seen.
        for (const live of this.#byStem.values()) if (live.wake.pbx === event.pbx) void this.#registeredMeanwhile(live);
        return;
      case 'linkDown':
        for (const live of this.#byStem.values()) if (live.wake.pbx === event.pbx) live.trace({ step: 'linkLost' });
        return;
      default:
        return;
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const live of this.#byStem.values()) live.stop();
    for (const late of this.#late.values()) for (const live of late) live.stop();
    this.#late.clear();
    this.#byStem.clear();
    this.#byAor.clear();
    this.#byLeg.clear();
  }

  // ── A call ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #arrived(event: Extract<PbxEvent, { type: 'wakeLegArrived' }>): Promise<void> {
    const { leg } = event;
    const link = this.#o.links.get(event.pbx);
    if (!link) return;
    const seenMs = this.#o.clock.monotonicMs();
    const key = legKey(event.pbx, leg.legId);
    const known = this.#byLeg.get(key);
    if (known) return known.composeAgain();
    let record = this.#o.bindings.atHand(leg.aor);
    // Without waiting where nothing must be read: the push then goes before anything else that the call's arrival makes us do.
    if (!record) {
      const { value, missed } = await this.#whileArriving(key, this.#o.bindings.read(leg.aor));
      if (this.#stopped) return;
      if (missed.some((e) => e.type === 'LegEnded')) {
        this.#o.log.info({ aor: leg.aor, pbx: event.pbx }, 'call ended before it was looked at, nobody is pushed');
        return;
      }
      record = value;
    }
    const targetFor = (b: Binding) => this.#o.delivery.targetFor('call', b.targets);
    const observing = this.#o.mode === 'observe';
    if (observing) {
      const wouldPush = (record?.bindings ?? []).filter((b) => targetFor(b) !== undefined).length;
      this.#o.log.info({ aor: leg.aor, pbx: event.pbx, wouldPush }, 'observe: would wake');
    }
    const stem = this.#nextStem ?? `w${this.#o.newStem()}`;
    this.#nextStem = undefined;
    const callId = callIdOf(event.pbx, leg.linkedId, leg.aor);
    const startedAt = this.#o.clock.now();
    const begun = beginWake(
      { pbx: event.pbx, aor: leg.aor, wakeLeg: leg.legId, callId, stem, startedAt, observed: observing },
      observing ? undefined : record,
      (b) => this.#policy(leg.aor, b),
      targetFor,
      (b) => this.#rounds.isAwake(callId, b.id, seenMs, this.#policy(leg.aor, b).freshContactMs),
    );
    const caller = this.#o.showCaller ? leg.caller : undefined;
    const registersFrom = earliest(event.startedAt, startedAt) ?? startedAt;
    const live = this.#open(begun.wake, stem, link, { seenMs, registersFrom, linkedId: leg.linkedId, caller });
    this.#byLeg.set(key, live);
    live.trace({ step: 'seen', toWake: begun.wake.devices.length });
    live.carryOut(begun.effects);
    this.#nextStem = `w${this.#o.newStem()}`;
  }

  /** Events of a leg that come while something is awaited for it; nobody would know the leg yet. */
  async #whileArriving<T>(key: string, work: Promise<T>): Promise<{ value: T; missed: readonly WakeEvent[] }> {
    const missed: WakeEvent[] = [];
    this.#arriving.set(key, missed);
    try {
      return { value: await work, missed };
    } finally {
      this.#arriving.delete(key);
    }
  }

  async #legArrived(event: Extract<PbxEvent, { type: 'deviceLegArrived' }>): Promise<void> {
    const { leg } = event;
    const ref = parseRef(leg.ref);
    if (!ref) return;
    const key = legKey(event.pbx, leg.legId);
    let live = this.#known(ref);
    let missed: readonly WakeEvent[] = [];
    if (!live) {
      const takenUp = await this.#whileArriving(key, this.#takeUp(event, ref));
      if (!takenUp.value) return;
      live = takenUp.value;
      missed = takenUp.missed;
    }
    this.#byLeg.set(key, live);
    live.legArrived(leg, event.notReached);
    for (const event of missed) live.step(event);
  }

  #known(ref: Ref): LiveWake | undefined {
    const live = this.#byStem.get(ref.stem);
    return live?.has(ref.bindingId) ? live : undefined;
  }

  #policy(aor: Aor, binding: Binding): Policy {
    return this.#o.policyFor(aor)(binding);
  }

  /** Several accounts of one call (a ring group) speak with one voice: the best news of those that still wait. */
  #statusOfCall(linkedId: string, said: WakeStatus): WakeStatus {
    const others = [...this.#byStem.values()]
      .filter((l) => l.arrived.linkedId === linkedId)
      .map((l) => l.wake.status ?? said);
    return [said, ...others].reduce((a, b) => (RANK[b] > RANK[a] ? b : a));
  }

  #open(wake: Wake, stem: string, link: PbxLink, arrived: CallArrival): LiveWake {
    const live = new LiveWake(wake, stem, link, arrived, this.#deps);
    this.#byStem.set(stem, live);
    put(this.#byAor, live);
    return live;
  }

  #forget(live: LiveWake): void {
    this.#byStem.delete(live.stem);
    for (const [key, value] of this.#byLeg) if (value === live) this.#byLeg.delete(key);
    remove(this.#byAor, live);
    this.#overStems.add(live.stem);
    if (this.#overStems.size > OVER_REMEMBERED) {
      this.#overStems = new Set([...this.#overStems].slice(-OVER_REMEMBERED / 2));
    }
  }

  #toLeg(pbx: string, legId: string, event: WakeEvent): void {
    const key = legKey(pbx, legId);
    const live = this.#byLeg.get(key);
    if (live) live.step(event);
    else this.#arriving.get(key)?.push(event);
  }

  // ── A call that waited while we were away ──────────────────────────────────────────────────────────────────────────

  async #takeUp(event: Extract<PbxEvent, { type: 'deviceLegArrived' }>, ref: Ref): Promise<LiveWake | undefined> {
    const { leg, pbx } = event;
    const link = this.#o.links.get(pbx);
    if (!link || this.#overStems.has(ref.stem)) return undefined;
    const record = await this.#o.bindings.read(leg.aor);
    const binding = record?.bindings.find((b) => b.id === ref.bindingId);
    const target = binding && this.#o.delivery.targetFor('call', binding.targets);
    if (!binding || !target) {
      await link.giveUp(leg.legId, 20).catch(() => undefined);
      return undefined;
    }
    // The other leg of this device may have been faster.
    const same = this.#known(ref);
    if (same || this.#stopped) return same;
    const known = this.#byStem.get(ref.stem);
    const arrival = { pbx, aor: leg.aor, callId: leg.callId, stem: ref.stem, startedAt: event.startedAt };
    const wake = takeUpDevice(known?.wake, arrival, binding, target, this.#policy(leg.aor, binding).ringTimeMs);
    known?.takeUp(wake);
    // Its times count from the call's beginning, as for one that was seen from there on.
    const waitedMs = Math.max(0, between(event.startedAt, this.#o.clock.now()));
    const seenMs = this.#o.clock.monotonicMs() - waitedMs;
    const arrived = { seenMs, registersFrom: wake.startedAt, linkedId: undefined, caller: undefined };
    const live = known ?? this.#open(wake, ref.stem, link, arrived);
    live.trace({ step: 'takenUp', device: binding.id });
    if (!known) live.watch(true);
    void this.#registeredMeanwhile(live);
    return live;
  }

  /** The phone may have registered while nobody looked: what its contact's expiry proves is enough. */
  async #registeredMeanwhile(live: LiveWake): Promise<void> {
    try {
      const { contacts } = await live.link.ask(live.wake.aor);
      const known = live.wake.devices.flatMap((d) => d.binding.contacts);
      for (const contact of contacts) {
        // What Asterisk granted is the same for all contacts of an account.
        const before = known.find((c) => c.uri === contact.uri);
        const grantedMs = before?.grantedMs ?? known[0]?.grantedMs;
        const provedAt =
          grantedMs !== undefined && contact.expiresAt !== undefined ? plus(contact.expiresAt, -grantedMs) : undefined;
        // Whole seconds on the PBX's side: one more counts as since.
        if (provedAt === undefined || between(live.wake.startedAt, provedAt) < -SECOND) continue;
        // It registered a moment before the call, and that is all that is proved: it has been rung, and may be dead.
        const isKnown = before && before.seenAt < live.wake.startedAt && between(before.seenAt, provedAt) <= SECOND;
        if (isKnown) continue;
        live.registered(contact, 'undated');
      }
    } catch {
      // The next REGISTER will be seen.
    }
  }
}

const legKey = (pbx: string, legId: string) => `${pbx} ${legId}`;

function put(of: Map<Aor, Set<LiveWake>>, live: LiveWake): void {
  of.set(live.wake.aor, (of.get(live.wake.aor) ?? new Set()).add(live));
}

function remove(of: Map<Aor, Set<LiveWake>>, live: LiveWake): void {
  const ofAor = of.get(live.wake.aor);
  ofAor?.delete(live);
  if (ofAor?.size === 0) of.delete(live.wake.aor);
}
