/**
 * The calls that wait now. Carries out what `core/wake.ts` decides, feeds back what happens, keeps the trace. In memory
 * only: the PBX holds the call, so that our death costs the caller nothing.
 */
import type { Aor } from '../core/aor.ts';
import type { Binding, Targets } from '../core/binding.ts';
import type { LifecycleEvent } from '../core/events.ts';
import type { Mode, Policy } from '../core/policy.ts';
import { between, type DurationMs, type Instant, MINUTE, plus, SECOND } from '../core/time.ts';
import {
  beginWake,
  callIdOf,
  parseRef,
  stepWake,
  takeUpDevice,
  type Wake,
  type WakeDevice,
  type WakeEffect,
  type WakeEvent,
  wakeDueAt,
} from '../core/wake.ts';
import type { Logger } from '../ports/adapter.ts';
import type { Clock } from '../ports/clock.ts';
import type { DeviceLeg, HeldContact, PbxEvent, PbxLink, RingTarget } from '../ports/pbx-link.ts';
import type { PushOutcome } from '../ports/push-provider.ts';
import type { Bindings } from './bindings.ts';
import type { Delivery } from './delivery.ts';
import type { TraceBook, TraceStep } from './trace.ts';

/** A wake whose end nobody told us (the link was away) is forgotten this long after the ring time. */
const FORGET_AFTER: DurationMs = 5 * MINUTE;
/** A phone that had less time than this to register has not failed to. */
const FAIR_CHANCE: DurationMs = 10 * SECOND;
/** How long a closing word is worth delivering. */
const WORD_LASTS: DurationMs = 30 * SECOND;

export interface WakesOptions {
  readonly mode: Mode;
  readonly clock: Clock;
  readonly log: Logger;
  readonly bindings: Bindings;
  readonly delivery: Delivery;
  readonly links: ReadonlyMap<string, PbxLink>;
  readonly policyFor: (aor: Aor) => (targets: Targets) => Policy;
  readonly traces: TraceBook;
  /** Eight characters of [0-9a-z], unguessable enough to be unique. */
  readonly newStem: () => string;
}

interface Live {
  readonly wake: Wake;
  readonly stem: string;
  readonly link: PbxLink;
  readonly held: Map<string, HeldContact>;
  readonly legs: Map<string, DeviceLeg>;
  readonly steps: TraceStep[];
  readonly seenMs: number;
  /** Aborted when a push would be tried again after the end: it would ring for a call that is over. */
  readonly pushing: AbortController;
  composed?: WakeEffect;
  cancelTimer: () => void;
  cancelForget: () => void;
}

export class Wakes {
  readonly #o: WakesOptions;
  readonly #byStem = new Map<string, Live>();
  readonly #byAor = new Map<Aor, Set<Live>>();
  readonly #byLeg = new Map<string, Live>();
  /** What happens to a leg while its record is still being read. */
  readonly #arriving = new Map<string, WakeEvent[]>();
  /** Stems of calls that are over: a leg of theirs that comes late is not a call to take up. */
  #overStems = new Set<string>();
  #stopped = false;

  constructor(options: WakesOptions) {
    this.#o = options;
  }

  get waiting(): number {
    return this.#byStem.size;
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
      case 'legRinging': {
        const live = this.#byStem.get(parseRef(event.ref)?.stem ?? '');
        if (live) this.#step(live, { type: 'LegRinging', ref: event.ref });
        return;
      }
      case 'contactSeen': {
        // A contact that is merely still stored proves nothing: only a REGISTER rings a phone.
        if (event.how !== 'event' && event.how !== 'hep' && event.how !== 'watch') return;
        for (const live of this.#byAor.get(event.contact.aor) ?? []) {
          if (live.wake.pbx !== event.contact.pbx || event.at < live.wake.startedAt) continue;
          live.held.set(event.contact.uri, event.contact);
          this.#trace(live, `REGISTER seen by ${event.how}`);
          this.#step(live, { type: 'Registered', contact: event.contact });
        }
        return;
      }
      default:
        return;
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const live of this.#byStem.values()) {
      live.cancelTimer();
      live.cancelForget();
      live.link.watch(live.wake.aor, false);
    }
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
    if (known) {
      // The link went down before it had passed on what to ring; nobody is pushed again.
      if (known.composed) this.#one(known, known.composed);
      return;
    }
    const { value: record, missed } = await this.#whileArriving(key, this.#o.bindings.read(leg.aor));
    if (this.#stopped) return;
    if (missed.some((e) => e.type === 'LegEnded')) {
      this.#o.log.info({ aor: leg.aor, pbx: event.pbx }, 'call ended before it was looked at, nobody is pushed');
      return;
    }
    const targetFor = (b: Binding) => this.#o.delivery.targetFor('call', b.targets);
    const observing = this.#o.mode === 'observe';
    if (observing) {
      const wouldPush = (record?.bindings ?? []).filter((b) => targetFor(b) !== undefined).length;
      this.#o.log.info({ aor: leg.aor, pbx: event.pbx, wouldPush }, 'observe: would wake');
    }
    const stem = `w${this.#o.newStem()}`;
    const callId = callIdOf(event.pbx, leg.linkedId, leg.aor);
    const startedAt = this.#o.clock.now();
    const begun = beginWake(
      { pbx: event.pbx, aor: leg.aor, wakeLeg: leg.legId, callId, stem, startedAt },
      observing ? undefined : record,
      (b) => this.#policy(leg.aor, b),
      targetFor,
    );
    const live = this.#open(begun.wake, stem, link, seenMs);
    this.#byLeg.set(key, live);
    this.#trace(live, 'call seen', undefined, `${begun.wake.devices.length} to wake`);
    this.#carryOut(live, begun.effects);
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
    // The link was away, the wake is ours: who registered meanwhile was not seen.
    if (live && event.takenUp) void this.#registeredMeanwhile(live);
    if (!live) {
      const takenUp = await this.#whileArriving(key, this.#takeUp(event, ref));
      if (!takenUp.value) return;
      live = takenUp.value;
      missed = takenUp.missed;
    }
    live.legs.set(leg.legId, leg);
    this.#byLeg.set(key, live);
    this.#step(live, { type: 'LegArrived', legId: leg.legId, ref: leg.ref });
    for (const event of missed) this.#step(live, event);
  }

  #known(ref: NonNullable<ReturnType<typeof parseRef>>): Live | undefined {
    const live = this.#byStem.get(ref.stem);
    return live?.wake.devices.some((d) => d.bindingId === ref.bindingId) ? live : undefined;
  }

  /** A leg of a call we know nothing of: we were away when it began. */
  async #takeUp(
    event: Extract<PbxEvent, { type: 'deviceLegArrived' }>,
    ref: NonNullable<ReturnType<typeof parseRef>>,
  ): Promise<Live | undefined> {
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
    const live = known ?? this.#open(wake, ref.stem, link, this.#o.clock.monotonicMs());
    this.#trace(live, 'waiting call taken up', binding.id);
    if (!known) link.watch(leg.aor, true);
    void this.#registeredMeanwhile(live);
    return live;
  }

  /** The phone may have registered while nobody looked: what its contact's expiry proves is enough. */
  async #registeredMeanwhile(live: Live): Promise<void> {
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
        live.held.set(contact.uri, contact);
        this.#step(live, { type: 'Registered', contact });
      }
    } catch {
      // The next REGISTER will be seen.
    }
  }

  #policy(aor: Aor, binding: Binding): Policy {
    return this.#o.policyFor(aor)(binding.targets);
  }

  #open(wake: Wake, stem: string, link: PbxLink, seenMs: number): Live {
    const live: Live = {
      wake,
      stem,
      link,
      held: new Map(),
      legs: new Map(),
      steps: [],
      seenMs,
      pushing: new AbortController(),
      cancelTimer: () => undefined,
      cancelForget: this.#o.clock.after(Math.max(0, between(this.#o.clock.now(), wake.endsAt)) + FORGET_AFTER, () => {
        this.#trace(live, 'its end was never told');
        link.watch(wake.aor, false);
        this.#close(live);
      }),
    };
    this.#byStem.set(stem, live);
    const ofAor = this.#byAor.get(wake.aor) ?? new Set();
    this.#byAor.set(wake.aor, ofAor.add(live));
    return live;
  }

  #toLeg(pbx: string, legId: string, event: WakeEvent): void {
    const key = legKey(pbx, legId);
    const live = this.#byLeg.get(key);
    if (live) this.#step(live, event);
    else this.#arriving.get(key)?.push(event);
  }

  #step(live: Live, event: WakeEvent): void {
    const now = this.#o.clock.now();
    this.#carryOut(
      live,
      stepWake(live.wake, event, now, (b) => this.#policy(live.wake.aor, b)),
    );
    live.cancelTimer();
    const dueAt = wakeDueAt(live.wake);
    live.cancelTimer =
      dueAt === undefined
        ? () => undefined
        : this.#o.clock.after(Math.max(1, between(now, dueAt)), () => this.#step(live, { type: 'TimePassed' }));
  }

  // ── Effects ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #carryOut(live: Live, effects: readonly WakeEffect[]): void {
    for (const effect of effects) this.#one(live, effect);
  }

  #one(live: Live, effect: WakeEffect): void {
    const { wake, link } = live;
    switch (effect.type) {
      case 'push':
        return void this.#push(live, effect.device);
      case 'ask':
        return void this.#ask(live);
      case 'compose': {
        const ring = effect.ring.flatMap((t): RingTarget[] => {
          if (t.kind === 'device') return [t];
          const contact = live.held.get(t.contact.uri);
          return contact ? [{ ...t, contact }] : [];
        });
        if (wake.wakeLeg === undefined) return;
        live.composed = effect;
        const wakeLeg = wake.wakeLeg;
        return this.#order(live, 'composed', link.compose(wakeLeg, wake.callId, ring));
      }
      case 'ring': {
        const leg = live.legs.get(effect.legId);
        const contact = effect.contact && live.held.get(effect.contact.uri);
        if (!leg) return;
        return this.#order(
          live,
          effect.kind === 'device' ? 'dial sent' : 'stored contact dialled',
          link.ring(leg, contact),
        );
      }
      case 'giveUp':
        return this.#order(live, 'leg ended', link.giveUp(effect.legId, effect.cause));
      case 'tell':
        return void this.#tell(live, effect.device, effect.word);
      case 'watch':
        return link.watch(wake.aor, effect.on);
      case 'step':
        return this.#trace(live, effect.step, effect.device, effect.detail);
      case 'over':
        return this.#close(live);
      default:
        effect satisfies never;
    }
  }

  #order(live: Live, step: string, work: Promise<'done' | 'gone'>): void {
    work.then(
      (outcome) => this.#trace(live, step, undefined, outcome === 'gone' ? 'the leg had ended' : undefined),
      (error: unknown) => this.#trace(live, `${step}: failed`, undefined, String(error)),
    );
  }

  async #push(live: Live, device: WakeDevice): Promise<void> {
    const { wake } = live;
    const { bindingId } = device;
    this.#trace(live, 'push sent', bindingId, device.target.provider);
    const outcome = await this.#o.delivery.send(
      {
        purpose: 'call',
        aor: wake.aor,
        callId: wake.callId,
        expiresAt: plus(wake.startedAt, this.#policy(wake.aor, device.binding).ringTimeMs),
      },
      device.binding.targets,
      live.pushing.signal,
      () => {
        if (wake.phase === 'over') return live.pushing.abort();
        this.#trace(live, 'push delayed', bindingId);
        this.#step(live, { type: 'PushSettled', bindingId, outcome: 'delayed' });
      },
    );
    this.#trace(live, `push ${outcome.kind}`, bindingId, 'reason' in outcome ? outcome.reason : undefined);
    // The call first: it does not wait until the verdict is written.
    const settled = outcome.kind === 'accepted' ? 'accepted' : outcome.kind === 'tokenDead' ? 'dead' : 'failed';
    this.#step(live, { type: 'PushSettled', bindingId, outcome: settled });
    if (outcome.kind === 'tokenDead') await this.#tokenDied(wake.aor, device, outcome);
  }

  #tokenDied(aor: Aor, device: WakeDevice, outcome: Extract<PushOutcome, { kind: 'tokenDead' }>): Promise<void> {
    const event: LifecycleEvent = {
      type: 'TokenDied',
      bindingId: device.bindingId,
      token: device.target.token.fingerprint,
      ...(outcome.since === undefined ? {} : { since: outcome.since }),
    };
    return this.#o.bindings.apply(aor, event);
  }

  async #ask(live: Live): Promise<void> {
    try {
      const { contacts } = await live.link.ask(live.wake.aor);
      for (const contact of contacts) live.held.set(contact.uri, contact);
      this.#step(live, { type: 'Asked', contacts });
    } catch (error) {
      this.#trace(live, 'the pbx did not say what it holds', undefined, String(error));
      this.#step(live, { type: 'Asked', contacts: 'unknown' });
    }
  }

  async #tell(live: Live, device: WakeDevice, word: 'elsewhere' | 'cancelled' | 'gave-up'): Promise<void> {
    const { wake } = live;
    const targets = device.binding.targets;
    // By Apple's rule a VoIP push must become a call: who has only that token learns it from SIP or not at all.
    if (!this.#o.delivery.targetFor('cancel', targets)) return;
    this.#trace(live, `told: ${word}`, device.bindingId);
    await this.#o.delivery.send(
      {
        purpose: 'cancel',
        aor: wake.aor,
        callId: wake.callId,
        word,
        collapseId: wake.callId,
        expiresAt: plus(this.#o.clock.now(), WORD_LASTS),
      },
      targets,
    );
  }

  // ── The end ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #close(live: Live): void {
    const { wake, stem } = live;
    if (this.#byStem.get(stem) !== live) return;
    live.cancelTimer();
    live.cancelForget();
    // What is under way may still bring a verdict on the token; another attempt may not follow.
    if (wake.devices.some((d) => d.push === 'delayed')) live.pushing.abort();
    this.#byStem.delete(stem);
    for (const [key, value] of this.#byLeg) if (value === live) this.#byLeg.delete(key);
    const ofAor = this.#byAor.get(wake.aor);
    ofAor?.delete(live);
    if (ofAor?.size === 0) this.#byAor.delete(wake.aor);
    this.#overStems.add(stem);
    if (this.#overStems.size > 10_000) this.#overStems = new Set([...this.#overStems].slice(-5_000));
    const now = this.#o.clock.now();
    this.#trace(live, 'over', undefined, wake.outcome ?? 'plain path');
    this.#o.traces.add({
      callId: wake.callId,
      aor: wake.aor,
      pbx: wake.pbx,
      at: wake.startedAt,
      steps: live.steps,
      ...(wake.outcome ? { outcome: wake.outcome } : {}),
    });
    this.#o.log.info(
      {
        aor: wake.aor,
        pbx: wake.pbx,
        callId: wake.callId,
        outcome: wake.outcome ?? 'plain path',
        devices: wake.devices.map((d) => ({
          bindingId: d.bindingId,
          push: d.push,
          registered: d.fresh !== undefined,
          rang: d.rang,
        })),
        ms: Math.round(this.#o.clock.monotonicMs() - live.seenMs),
      },
      'call over',
    );
    this.#settleDevices(wake, now);
  }

  #settleDevices(wake: Wake, now: Instant): void {
    for (const d of wake.devices) {
      const came = d.fresh !== undefined || d.rang;
      if (d.push !== 'accepted' || (!came && between(wake.startedAt, now) < FAIR_CHANCE)) continue;
      void this.#o.bindings.apply(wake.aor, { type: 'WakeSettled', bindingId: d.bindingId, registered: came });
    }
  }

  #trace(live: Live, step: string, device?: Binding['id'], detail?: string): void {
    const ms = Math.round((this.#o.clock.monotonicMs() - live.seenMs) * 10) / 10;
    live.steps.push({
      ms,
      step,
      ...(device === undefined ? {} : { device }),
      ...(detail === undefined ? {} : { detail }),
    });
    this.#o.log.debug({ callId: live.wake.callId, aor: live.wake.aor, step, device, detail, ms }, 'call step');
  }
}

const legKey = (pbx: string, legId: string) => `${pbx} ${legId}`;
