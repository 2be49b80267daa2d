/**
 * One call that waits: carries out what `core/wake.ts` decides for it, feeds back what became of that, keeps its trace. Which
 * event belongs to which call, and calls that began while we were away, are `waiting-calls.ts`.
 */
import type { Aor } from '../../core/aor.ts';
import type { Binding } from '../../core/binding.ts';
import type { Policy } from '../../core/policy.ts';
import { between, type DurationMs, type Instant, MINUTE, plus } from '../../core/time.ts';
import { stepInWords } from '../../core/wake/step-words.ts';
import type { CallStep, LegOrder, RegisterSensor } from '../../core/wake/steps.ts';
import {
  type ClosingWord,
  deviceOf,
  hasRegistered,
  lateUntil,
  stepWake,
  type Wake,
  type WakeEffect,
  type WakeEvent,
  type WakeStatus,
  wakeDueAt,
} from '../../core/wake.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Caller, DeviceLeg, HeldContact, PbxLink, RingTarget } from '../../ports/pbx-link.ts';
import type { Intake } from '../intake.ts';
import type { Delivery } from '../push/delivery.ts';
import { type AfterCallOptions, reportMissed, settleDevices } from './after-call.ts';
import { CallPushes } from './call-pushes.ts';
import type { CallTrace, TraceBook, TraceStep } from './trace-book.ts';

/** A wake whose end was not seen (the link was away) is forgotten this long after the ring time, in ms. */
const FORGET_AFTER: DurationMs = 5 * MINUTE;

/** An order to ring that failed is given once more after this time, in ms; where it was carried out after all it finds the leg gone on. */
const RING_AGAIN_AFTER: DurationMs = 300;
const RINGS_AT_MOST = 2;

/** Orders for legs, and the status, which one of them must bear before it ends. */
const TOLD_TO_LEGS: ReadonlySet<WakeEffect['type']> = new Set(['compose', 'ring', 'giveUp', 'status']);

type RingEffect = Extract<WakeEffect, { type: 'ring' }>;

export interface LiveWakeDeps extends AfterCallOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly intake: AfterCallOptions['intake'] & Pick<Intake, 'fromPushOutcome'>;
  readonly delivery: Delivery;
  readonly traces: TraceBook;
  readonly watchElsewhere: (link: PbxLink, aor: Aor, on: boolean) => void;
  readonly policyOf: (aor: Aor, binding: Binding) => Policy;
  /** Makes what an app shows to ask whether its call still waits. Absent: nobody listens for that. */
  readonly callKey?: ((callId: string, until: Instant) => string) | undefined;
  /** Called once, when another node has the call. */
  readonly left: (live: LiveWake) => void;
  /** Called once, when the call is over or forgotten. */
  readonly closed: (live: LiveWake) => void;
  /** Called once no late REGISTER is awaited (see `lateUntil`). */
  readonly forgotten: (live: LiveWake) => void;
  /** The word that stands for the whole call, of which this may be one account of several. */
  readonly statusOfCall: (linkedId: string, said: WakeStatus) => WakeStatus;
  /** Another call waits for this device: it rings for that one. */
  readonly ringsElsewhere: (live: LiveWake, contact: HeldContact) => boolean;
}

/** How the call came. Of one that was taken up after we were away, nothing is known of the whole call. */
export interface CallArrival {
  /** Monotonic, ms. */
  readonly seenMs: number;
  /** A REGISTER from then on may answer the push. The PBX dates both by its own clock, which may be behind ours. */
  readonly registersFrom: Instant;
  readonly linkedId: string | undefined;
  /** Only where the pushes may say it. */
  readonly caller: Caller | undefined;
}

export class LiveWake {
  #wake: Wake;
  readonly stem: string;
  #link: PbxLink;
  #watched = false;
  readonly #o: LiveWakeDeps;
  readonly #held = new Map<string, HeldContact>();
  readonly #legs = new Map<string, DeviceLeg>();
  readonly #steps: TraceStep[] = [];
  readonly #trace: CallTrace;
  readonly arrived: CallArrival;
  /** A call lasts as long as it lasts, also when the wall clock is set meanwhile. */
  readonly #begun: { readonly at: Instant; readonly ms: number };
  readonly #pushes: CallPushes;
  #composed: WakeEffect | undefined;
  /** Closing pushes that are under way. */
  readonly #words: Promise<void>[] = [];
  #cancelTimer: () => void = () => undefined;
  /** The address of a phone that has come, and of which no more is known yet. */
  #coming: string | undefined;
  /** Orders to ring that are given once more in a moment, by leg: how to cancel each. */
  readonly #ringsAgain = new Map<string, () => void>();
  /** Legs whose order to end did not get through, with its cause. */
  readonly #notEnded = new Map<string, number>();
  #cancelForget: () => void;
  #isClosed = false;

  constructor(wake: Wake, stem: string, link: PbxLink, arrived: CallArrival, deps: LiveWakeDeps) {
    this.#wake = wake;
    this.stem = stem;
    this.#link = link;
    this.#o = deps;
    this.arrived = arrived;
    const { callId, aor, pbx, startedAt: at } = wake;
    this.#trace = { callId, aor, pbx, at, steps: this.#steps, over: false };
    deps.traces.add(this.#trace);
    const { clock } = deps;
    this.#begun = { at: clock.now(), ms: clock.monotonicMs() };
    this.#pushes = new CallPushes({
      clock,
      delivery: deps.delivery,
      intake: deps.intake,
      callKey: deps.callKey,
      caller: arrived.caller,
      ringTimeOf: (binding) => deps.policyOf(aor, binding).ringTimeMs,
      wake: () => this.#wake,
      now: () => this.#now(),
      trace: (step) => this.trace(step),
      step: (event) => this.step(event),
    });
    this.#cancelForget = clock.after(Math.max(0, between(this.#now(), wake.endsAt)) + FORGET_AFTER, () => {
      this.trace({ step: 'endUnknown' });
      this.#close();
    });
  }

  #now(): Instant {
    return plus(this.#begun.at, this.#o.clock.monotonicMs() - this.#begun.ms);
  }

  has(bindingId: Binding['id']): boolean {
    return this.wake.devices.some((d) => d.bindingId === bindingId);
  }

  get wake(): Wake {
    return this.#wake;
  }

  get link(): PbxLink {
    return this.#link;
  }

  /** One more of its devices, of a call that waited while we were away. */
  takeUp(wake: Wake): void {
    this.#wake = wake;
  }

  /** The same PBX by a new link: its configuration has changed. */
  moveTo(link: PbxLink): void {
    this.#link = link;
    if (this.#watched) link.watch(this.wake.aor, true);
  }

  /** Its PBX, and those whose contacts it can ring, look closely at the AOR while the call waits. */
  watch(on: boolean): void {
    this.#watched = on;
    this.link.watch(this.wake.aor, on);
    this.#o.watchElsewhere(this.link, this.wake.aor, on);
  }

  /** Whether a contact belongs to one of its devices. */
  knows(contact: HeldContact): boolean {
    return deviceOf(this.wake, contact) !== undefined;
  }

  /** A contact that was seen registering then, or, `undated`, proves that it has. */
  registered(contact: HeldContact, at: Instant | 'undated'): void {
    this.#held.set(contact.uri, contact);
    this.step({ type: 'Registered', contact, ...(at === 'undated' ? { undated: true } : { at }) });
  }

  /** A contact that was seen registering, and of which more follows in a moment by `seen`. */
  coming(contact: HeldContact, at: Instant): void {
    // What would be composed now needs to know all of it.
    if (this.wake.phase !== 'waiting') return;
    this.#coming = contact.uri;
    this.trace({ step: 'registerSeen', sensor: 'event' });
    this.registered(contact, at);
  }

  /** A contact that was seen registering. */
  seen(contact: HeldContact, sensor: RegisterSensor, at: Instant): void {
    const isTold = sensor === 'event' && this.#coming === contact.uri;
    if (isTold) this.#coming = undefined;
    else if (this.wake.phase !== 'over') this.trace({ step: 'registerSeen', sensor });
    this.registered(contact, at);
  }

  legArrived(leg: DeviceLeg, notReached?: number): void {
    this.#legs.set(leg.legId, leg);
    const { legId, ref } = leg;
    this.step({ type: 'LegArrived', legId, ref, ...(notReached === undefined ? {} : { notReached }) });
  }

  /** The link went down before it had passed on what to ring; nobody is pushed again. */
  composeAgain(): void {
    if (this.#composed) this.#one(this.#composed);
  }

  step(event: WakeEvent): void {
    const { clock, policyOf } = this.#o;
    const { aor } = this.#wake;
    const now = this.#now();
    const { wake, effects } = stepWake(this.#wake, event, now, (b) => policyOf(aor, b));
    this.#wake = wake;
    this.carryOut(effects);
    this.#pushes.giveUpThoseThatCame();
    this.#cancelTimer();
    // Carrying out may have brought the next event already.
    const dueAt = wakeDueAt(this.#wake);
    this.#cancelTimer =
      dueAt === undefined
        ? () => undefined
        : clock.after(Math.max(1, between(now, dueAt)), () => this.step({ type: 'TimePassed', linkUp: this.link.up }));
  }

  /** We stop; the PBX goes on with the call. */
  stop(): void {
    this.#cancelTimer();
    for (const cancel of this.#ringsAgain.values()) cancel();
    this.#ringsAgain.clear();
    this.#cancelForget();
    if (this.wake.devices.length > 0) this.watch(false);
  }

  /** Another node has the call: no phone is told or rung from here, and what it does with the call is judged there. */
  leave(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.trace({ step: 'takenOver' });
    this.#trace.over = true;
    this.#wake = { ...this.#wake, phase: 'over' };
    this.#pushes.giveUp();
    this.stop();
    this.#o.left(this);
  }

  trace(of: CallStep): void {
    const ms = Math.round((this.#o.clock.monotonicMs() - this.arrived.seenMs) * 10) / 10;
    this.#steps.push({ ...of, ms });
    const { log } = this.#o;
    if (log.isLevelEnabled?.('debug') === false) return;
    const { callId, aor } = this.wake;
    const { step, detail } = stepInWords(of);
    log.debug({ callId, aor, step, device: of.device, detail, ms }, 'call step');
  }

  // ── Effects ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What its legs are told goes first: a phone that has come waits for that, and nobody for the trace. Pushes write steps of their own, and keep their place. */
  carryOut(effects: readonly WakeEffect[]): void {
    for (const effect of effects) if (TOLD_TO_LEGS.has(effect.type)) this.#one(effect);
    for (const effect of effects) if (!TOLD_TO_LEGS.has(effect.type)) this.#one(effect);
  }

  #one(effect: WakeEffect): void {
    const { wake, link } = this;
    switch (effect.type) {
      case 'push':
        return void this.#pushes.call(effect.device);
      case 'ask':
        return void this.#ask();
      case 'compose': {
        const ring = effect.ring.flatMap((t): RingTarget[] => {
          if (t.kind === 'device') return [t];
          const contact = this.#held.get(t.contact.uri);
          return contact ? [{ ...t, contact }] : [];
        });
        if (wake.wakeLeg === undefined) return;
        this.#composed = effect;
        return this.#order('compose', link.compose(wake.wakeLeg, wake.callId, ring));
      }
      case 'ring':
        return this.#ring(effect);
      case 'giveUp':
        return this.#giveUp(effect.legId, effect.cause);
      case 'tell':
        return void this.#words.push(this.#pushes.closingWord(effect.device, effect.word));
      case 'watch':
        // Off when nobody is expected to come too late any more.
        return effect.on ? this.watch(true) : undefined;
      case 'status':
        return this.#tellStatus(effect.status, effect.legId);
      case 'showEnded':
        return void this.#showEnded(effect.contact.uri, effect.word);
      case 'step':
        return this.trace(effect.step);
      case 'over':
        return this.#close();
      default:
        effect satisfies never;
    }
  }

  /** `nth`: which try of this order it is. */
  #ring(effect: RingEffect, nth = 1): void {
    const leg = this.#legs.get(effect.legId);
    if (!leg) return;
    const contact = effect.contact && this.#held.get(effect.contact.uri);
    // What could not be ended before must not ring beside it.
    for (const [legId, cause] of this.#notEnded) this.#giveUp(legId, cause);
    const order = effect.kind === 'device' ? 'dial' : 'dialStored';
    const failed = () => {
      // The order to ring also sets the status in the dialplan, which keeps the one from before.
      const setsStatus = order === 'dial' && this.#trace.status === 'WOKEN';
      if (setsStatus) this.#trace.status = 'NOBODY';
      if (nth < RINGS_AT_MOST) this.#ringAgain(effect, nth, setsStatus);
    };
    const tooLate = () => this.step({ type: 'RingTooLate', legId: effect.legId });
    this.#order(order, this.link.ring(leg, contact), failed, order === 'dial' ? tooLate : undefined);
  }

  #giveUp(legId: string, cause: number): void {
    this.#notEnded.delete(legId);
    this.#order('giveUp', this.link.giveUp(legId, cause), () => this.#notEnded.set(legId, cause));
  }

  /** A phone that is awake must not stay silent because one order did not get through. */
  #ringAgain(effect: RingEffect, nth: number, setsStatus: boolean): void {
    this.#ringsAgain.get(effect.legId)?.();
    const cancel = this.#o.clock.after(RING_AGAIN_AFTER, () => {
      this.#ringsAgain.delete(effect.legId);
      const leg = this.wake.devices.flatMap((d) => Object.values(d.legs)).find((l) => l.legId === effect.legId);
      // A link that is down reports the leg when it is back, and the order is given then.
      if (this.#isClosed || !this.link.up || leg?.state !== 'dialling') return;
      if (setsStatus) this.#trace.status = 'WOKEN';
      this.#ring(effect, nth + 1);
    });
    this.#ringsAgain.set(effect.legId, cancel);
  }

  #order(order: LegOrder, work: Promise<'done' | 'gone'>, failed?: () => void, gone?: () => void): void {
    work.then(
      (outcome) => {
        this.trace({ step: 'ordered', order, legGone: outcome === 'gone' });
        if (outcome === 'gone') gone?.();
      },
      (error: unknown) => {
        this.trace({ step: 'orderFailed', order, error: String(error) });
        failed?.();
      },
    );
  }

  async #ask(): Promise<void> {
    try {
      const { contacts } = await this.link.ask(this.wake.aor);
      for (const contact of contacts) this.#held.set(contact.uri, contact);
      this.step({ type: 'Asked', contacts });
    } catch (error) {
      this.trace({ step: 'pbxSilent', error: String(error) });
      this.step({ type: 'Asked', contacts: 'unknown' });
    }
  }

  #tellStatus(said: WakeStatus, legId: string | undefined): void {
    this.#trace.status = said;
    if (legId === undefined) return;
    const status = this.arrived.linkedId === undefined ? said : this.#o.statusOfCall(this.arrived.linkedId, said);
    this.link.tellStatus?.(legId, status).catch(() => this.trace({ step: 'statusNotSet', status }));
  }

  async #showEnded(uri: string, word: ClosingWord): Promise<void> {
    const contact = this.#held.get(uri);
    if (!contact || !this.link.showEnded || this.#o.ringsElsewhere(this, contact)) return;
    try {
      await this.link.showEnded(contact, this.wake.callId, word);
      this.trace({ step: 'shownEnded', word });
    } catch (error) {
      this.trace({ step: 'notShownEnded', error: String(error) });
    }
  }

  // ── The end ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { wake } = this;
    this.#cancelTimer();
    for (const cancel of this.#ringsAgain.values()) cancel();
    this.#ringsAgain.clear();
    this.#cancelForget();
    // What is under way may still bring a verdict on the token; another attempt may not follow.
    if (wake.devices.some((d) => d.push === 'delayed')) this.#pushes.giveUp();
    this.#o.closed(this);
    this.trace({ step: 'over', ...(wake.outcome === undefined ? {} : { outcome: wake.outcome }) });
    this.#trace.over = true;
    if (wake.outcome) this.#trace.outcome = wake.outcome;
    this.#o.log.info(
      {
        aor: wake.aor,
        pbx: wake.pbx,
        callId: wake.callId,
        outcome: wake.outcome ?? 'plain path',
        devices: wake.devices.map((d) => ({
          bindingId: d.bindingId,
          push: d.push,
          registered: hasRegistered(d),
          rang: d.rang,
        })),
        ms: Math.round(this.#o.clock.monotonicMs() - this.arrived.seenMs),
      },
      'call over',
    );
    settleDevices(wake, this.#trace, this.#now(), this.#o);
    this.#expectLate();
  }

  /** Phones that were woken for nothing may still be on their way. */
  #expectLate(): void {
    const { clock, policyOf, forgotten } = this.#o;
    const { wake } = this;
    const end = () => {
      if (wake.devices.length > 0) this.watch(false);
      forgotten(this);
      void reportMissed(wake, this.#trace, this.#words, this.arrived.caller, this.#o);
    };
    const until = lateUntil(wake, (b) => policyOf(wake.aor, b));
    if (until === undefined) return end();
    this.#cancelForget = clock.after(between(this.#now(), until), end);
  }
}
