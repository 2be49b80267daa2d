/**
 * One call as the PBX carries it: the shipped dialplan with its guard, its second node and its fallback, the legs that it dials, and how
 * it ends. Pushwake may say what is dialled; fork, timeout and CANCEL are the PBX's own.
 */
import type { Aor } from '../../plugin/core/aor.ts';
import { type DurationMs, type Instant, SECOND } from '../../plugin/core/time.ts';
import type { DeviceLeg, LegOutcome, PbxEvent, RingTarget } from '../../plugin/ports/pbx-link.ts';
import type { WorldLink } from './link.ts';
import type { Pbx } from './pbx.ts';
import type { Phone } from './phone.ts';

/** The guards of the shipped dialplan. */
const GUARD: DurationMs = 1_500;
const STORED_WAITS: DurationMs = 1_800;
const DEVICE_WAITS: DurationMs = 120 * SECOND;
/** A device leg that is back from a Dial which reached nobody, and how often it comes back. */
const DEVICE_WAITS_ANEW: DurationMs = 10 * SECOND;
const ROUNDS = 4;
/** RFC 3261, timer A. */
const RETRANSMITTED: readonly DurationMs[] = [500, 1_500, 3_500, 7_500, 15_500, 31_500];
/** Timer B. */
const NO_ANSWER_AFTER: DurationMs = 32 * SECOND;

export interface Leg {
  readonly id: string;
  readonly kind: 'plain' | 'device' | 'stored';
  readonly ref: string;
  state: 'held' | 'dialling' | 'ringing' | 'answered' | 'ended';
  uri: string | undefined;
  phone: Phone | undefined;
  /** How often it has dialled. */
  dials: number;
}

/** Who wants to know what becomes of it. */
export interface CallWatcher {
  rang(call: Call, phone: Phone, leg: Leg, atOnce: number): void;
  ended(call: Call): void;
}

export interface CallOptions {
  readonly pbx: Pbx;
  readonly id: string;
  readonly linkedId: string;
  readonly aor: Aor;
  /** What the administrator wrote into his Dial. */
  readonly ringTimeMs: DurationMs;
  /** How long the caller waits. */
  readonly patienceMs: DurationMs;
  readonly watcher: CallWatcher;
  /** Called before anything happens. */
  readonly started: (call: Call) => void;
}

export type CallEnd = 'answered' | 'elsewhere' | 'cancelled' | 'time up' | 'refused' | 'nobody' | 'PBX died';

export class Call {
  readonly o: CallOptions;
  readonly startedMs: number;
  /** By the PBX's clock. */
  readonly startedAt: Instant;
  readonly legs: Leg[] = [];
  end: CallEnd | undefined;
  endedMs: number | undefined;
  winner: Leg | undefined;
  /** The dialplan went its own way: pushwake was not there, or had nothing to say. */
  wentPlain = false;
  /** Whom pushwake composed it for. */
  callId: string | undefined;
  /** The node that has it. */
  link: WorldLink | undefined;
  status: string | undefined;
  readonly #asked = new Set<number>();
  /** Links that follow its wake leg, whatever way it goes: they learn when it ends. */
  readonly #followed = new Set<WorldLink>();
  /** A new life of a node has it: which legs ring is not known there. */
  changedHands = false;
  #isComposed = false;
  readonly #timers: (() => void)[] = [];
  #guard: (() => void) | undefined;

  constructor(options: CallOptions) {
    this.o = options;
    this.startedMs = options.pbx.o.time.nowMs;
    this.startedAt = options.pbx.wall();
  }

  get id(): string {
    return this.o.id;
  }

  get aor(): Aor {
    return this.o.aor;
  }

  get isOver(): boolean {
    return this.end !== undefined;
  }

  hasEnded(legId: string): boolean {
    if (this.isOver) return true;
    return this.legs.some((leg) => leg.id === legId && leg.state === 'ended');
  }

  get wakeLeg(): string {
    return `${this.id}/wake`;
  }

  start(): void {
    const { pbx, ringTimeMs, patienceMs, aor } = this.o;
    this.o.started(this);
    this.#after(patienceMs, () => this.#finish('cancelled', 127));
    this.#after(ringTimeMs, () => this.#finish('time up', 16));
    if (pbx.o.kind === 'freeswitch') {
      if (!pbx.hasLease() || pbx.reachable.get(aor) !== true) return this.#plain();
      // It counts on the node that its mark names, and waits as long for one that has just died.
      if (pbx.askable.length === 0) return void this.#waitFor(() => this.#plain());
    }
    this.#askNext();
  }

  #askNext(): void {
    const next = this.o.pbx.askable.find((link) => !this.#asked.has(link.node));
    if (!next || this.#isComposed) return this.#plain();
    this.#asked.add(next.node);
    this.link = next;
    this.#arrive(next);
    this.#waitFor(() => (this.o.pbx.o.kind === 'freeswitch' ? this.#plain() : this.#askNext()));
  }

  #waitFor(then: () => void): void {
    this.#guard?.();
    this.#guard = this.#after(GUARD, () => {
      this.#guard = undefined;
      then();
    });
  }

  #arrive(link: WorldLink): void {
    const { pbx, aor, linkedId } = this.o;
    this.#followed.add(link);
    const leg = { legId: this.wakeLeg, aor, linkedId, caller: { name: CALLER_MARK, number: CALLER_MARK } };
    link.receive({ type: 'wakeLegArrived', pbx: pbx.name, leg, startedAt: this.startedAt });
  }

  // ── Orders of pushwake ─────────────────────────────────────────────────────────────────────────────────────────────

  composed(link: WorldLink, legId: string, callId: string, ring: readonly RingTarget[]): LegOutcome {
    if (this.isOver || this.#isComposed || link !== this.link || legId !== this.wakeLeg || !this.#guard) return 'gone';
    this.#guard();
    this.#guard = undefined;
    if (ring.length === 0) {
      // Its end decides nothing there.
      this.#followed.delete(link);
      this.#plain();
      return 'done';
    }
    this.#isComposed = true;
    this.callId = callId;
    for (const [i, target] of ring.entries()) {
      const id = `${this.id}/${i}`;
      if (target.kind === 'contact') {
        this.#dial(this.#leg(id, 'plain', ''), target.contact.uri);
        continue;
      }
      const leg = this.#leg(id, target.kind, target.ref);
      if (target.kind === 'stored') leg.uri = target.contact.uri;
      this.#after(this.o.pbx.o.chance.int(1, 6), () => this.#arrived(leg, false));
    }
    return 'done';
  }

  #arrived(leg: Leg, takenUp: boolean, notReached?: number): void {
    if (leg.state !== 'held') return;
    const { pbx, aor } = this.o;
    const port: DeviceLeg = {
      legId: leg.id,
      kind: leg.kind === 'stored' ? 'stored' : 'device',
      ref: leg.ref,
      aor,
      callId: this.callId ?? '',
    };
    const again = notReached === undefined ? {} : { notReached };
    this.#emit({ type: 'deviceLegArrived', pbx: pbx.name, leg: port, startedAt: this.startedAt, takenUp, ...again });
    if (takenUp || notReached !== undefined) return;
    if (leg.kind === 'device') this.#after(DEVICE_WAITS, () => leg.state === 'held' && this.#endLeg(leg, 20, false));
    else this.#after(STORED_WAITS, () => leg.state === 'held' && this.#dialStored(leg));
  }

  ring(legId: string, uri: string | undefined): LegOutcome {
    const leg = this.legs.find((l) => l.id === legId);
    if (leg?.kind === 'device' && leg.state === 'dialling' && !this.isOver) this.#takeBack(leg);
    if (leg?.state !== 'held' || this.isOver) return 'gone';
    if (leg.kind === 'stored') this.#dialStored(leg);
    else if (uri !== undefined) this.#dial(leg, uri);
    else return this.giveUp(legId, 20);
    return 'done';
  }

  /** Its INVITE gives way to another one. */
  #takeBack(leg: Leg): void {
    leg.phone?.uninvited(this, leg);
    leg.phone = undefined;
    leg.state = 'held';
  }

  giveUp(legId: string, cause: number): LegOutcome {
    if (this.isOver) return 'gone';
    if (legId === this.wakeLeg) {
      this.#finish('refused', cause);
      return 'done';
    }
    const leg = this.legs.find((l) => l.id === legId);
    if (!leg || leg.state === 'ended') return 'gone';
    this.#endLeg(leg, cause, this.o.pbx.o.chance.happens(0.5));
    return 'done';
  }

  statusIs(status: string): void {
    this.status = status;
  }

  /** A node's link is there again: what waits in its application is reported to it. */
  takeUp(link: WorldLink): void {
    if (this.isOver || this.link?.node !== link.node || this.link.pbx !== link.pbx) return;
    this.changedHands ||= this.link.clock !== link.clock;
    this.link = link;
    this.#followed.add(link);
    if (!this.#isComposed) {
      if (this.#guard) this.#arrive(link);
      return;
    }
    for (const leg of this.legs) if (leg.kind !== 'plain') this.#arrived(leg, true);
  }

  // ── Phones ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  ringing(leg: Leg, phone: Phone, atOnce: number): void {
    if (this.isOver || (leg.state !== 'dialling' && leg.state !== 'ringing')) return;
    leg.state = 'ringing';
    this.o.watcher.rang(this, phone, leg, atOnce);
    if (leg.ref !== '') this.#emit({ type: 'legRinging', pbx: this.o.pbx.name, ref: leg.ref });
  }

  answered(leg: Leg): void {
    if (this.isOver || leg.state === 'ended') return;
    leg.state = 'answered';
    this.winner = leg;
    const legId = leg.ref === '' ? this.wakeLeg : leg.id;
    if (this.#isComposed) this.#emit({ type: 'legAnswered', pbx: this.o.pbx.name, legId });
    this.#finish('answered', 26);
  }

  declined(leg: Leg, cause: number): void {
    this.#endLeg(leg, cause, false);
  }

  /** Its phone has lost its sockets while it rang, or was about to: over UDP nobody tells the PBX, a connection that is shut is seen. */
  vanished(leg: Leg): void {
    leg.phone = undefined;
    const isUnderWay = leg.state === 'dialling' || leg.state === 'ringing';
    if (isUnderWay && !leg.uri?.includes('transport=udp')) this.#notReached(leg, 27);
  }

  /** Another account of the same call was answered. */
  takenElsewhere(): void {
    this.#finish('elsewhere', 26);
  }

  /** Its caller hangs up. */
  callerGone(): void {
    this.#finish('cancelled', 127);
  }

  /** The PBX died, and with it everything that it would have told. */
  died(): void {
    this.end = 'PBX died';
    this.#over();
  }

  // ── Inside ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #plain(): void {
    if (this.isOver || this.wentPlain) return;
    this.wentPlain = true;
    this.#guard?.();
    this.#guard = undefined;
    const held = this.o.pbx.held(this.aor);
    for (const [i, { uri }] of held.entries()) this.#dial(this.#leg(`${this.id}/p${i}`, 'plain', ''), uri);
    if (held.length === 0) this.#finish('nobody', 3);
  }

  #leg(id: string, kind: Leg['kind'], ref: string): Leg {
    const leg: Leg = { id, kind, ref, state: 'held', uri: undefined, phone: undefined, dials: 0 };
    this.legs.push(leg);
    return leg;
  }

  #dialStored(leg: Leg): void {
    if (leg.uri === undefined) return;
    this.#emit({ type: 'legDials', pbx: this.o.pbx.name, legId: leg.id });
    this.#dial(leg, leg.uri);
  }

  #dial(leg: Leg, uri: string): void {
    leg.state = 'dialling';
    leg.uri = uri;
    const nth = ++leg.dials;
    const { chance } = this.o.pbx.o;
    const first = chance.int(2, 6);
    const then = (ms: DurationMs, what: () => void) => this.#after(ms, () => leg.dials === nth && what());
    const reachesNobody = (cause: number) => leg.state === 'dialling' && !leg.phone && this.#notReached(leg, cause);
    then(first, () => this.#invite(leg, uri));
    if (!uri.startsWith(DESK) && uri.includes('transport=udp')) {
      for (const ms of RETRANSMITTED) then(first + ms, () => this.#invite(leg, uri));
    } else if (chance.happens(0.6)) {
      // The connection is known to be closed.
      then(first + 5, () => reachesNobody(34));
    }
    then(NO_ANSWER_AFTER, () => leg.state === 'dialling' && this.#notReached(leg, 18));
  }

  /** The leg of a woken phone comes back from its Dial, and is gone by itself after a while. */
  #notReached(leg: Leg, cause: number): void {
    if (leg.kind !== 'device' || leg.dials >= ROUNDS) return this.#endLeg(leg, cause, false);
    leg.state = 'held';
    leg.phone?.uninvited(this, leg);
    leg.phone = undefined;
    const nth = leg.dials;
    this.#arrived(leg, false, cause);
    this.#after(DEVICE_WAITS_ANEW, () => leg.state === 'held' && leg.dials === nth && this.#endLeg(leg, cause, false));
  }

  #invite(leg: Leg, uri: string): void {
    if (leg.state !== 'dialling' || leg.phone) return;
    if (uri.startsWith(DESK)) return this.#desk(leg);
    for (const phone of this.o.pbx.phones.get(this.aor) ?? []) {
      if (!phone.invited(this, leg, uri)) continue;
      leg.phone = phone;
      return;
    }
  }

  /** A desk phone: rings, and is answered now and then. */
  #desk(leg: Leg): void {
    const { chance } = this.o.pbx.o;
    this.#after(20, () => {
      if (leg.state === 'dialling') leg.state = 'ringing';
    });
    if (chance.happens(0.25)) this.#after(chance.int(3 * SECOND, 20 * SECOND), () => this.answered(leg));
  }

  #endLeg(leg: Leg, cause: number, hungUp: boolean): void {
    if (leg.state === 'ended') return;
    leg.state = 'ended';
    leg.phone?.uninvited(this, leg);
    if (leg.ref !== '') this.#emit({ type: 'legEnded', pbx: this.o.pbx.name, legId: leg.id, cause, hungUp });
    if (!this.isOver && this.legs.every((l) => l.state === 'ended')) this.#finish('refused', cause);
  }

  #finish(end: CallEnd, cause: number): void {
    if (this.isOver) return;
    this.end = end;
    const wake = () => {
      const hungUp = end !== 'refused';
      for (const link of this.#followed)
        link.receive({ type: 'legEnded', pbx: this.o.pbx.name, legId: this.wakeLeg, cause, hungUp });
    };
    const isFirst = this.o.pbx.o.chance.happens(0.3);
    if (isFirst) wake();
    for (const leg of this.legs) {
      if (leg === this.winner) leg.phone?.uninvited(this, leg);
      else this.#endLeg(leg, cause, true);
    }
    if (!isFirst) wake();
    this.#over();
  }

  #over(): void {
    const { pbx, watcher } = this.o;
    this.endedMs = pbx.o.time.nowMs;
    for (const cancel of this.#timers) cancel();
    this.#guard = undefined;
    for (const leg of this.legs) {
      leg.phone?.uninvited(this, leg);
      leg.phone?.forget(this);
    }
    pbx.calls.delete(this);
    watcher.ended(this);
  }

  #emit(event: PbxEvent): void {
    this.link?.receive(event);
  }

  #after(ms: DurationMs, then: () => unknown): () => void {
    const cancel = this.o.pbx.o.time.after(ms, () => {
      if (!this.isOver) then();
    });
    this.#timers.push(cancel);
    return cancel;
  }
}

/** How the Contact of a desk phone begins, which always answers. */
export const DESK = 'sip:desk@';

/** Who calls: nothing that leaves the PBX by push or log may hold it. */
export const CALLER_MARK = '4915550199';
