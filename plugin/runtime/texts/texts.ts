/**
 * SIP MESSAGEs for phones that sleep: kept, their phones pushed, and delivered once after the REGISTER, in order. Save first, then answer
 * the PBX, then send. Bodies are in the store and on the way to the phone, and nowhere else.
 */
import type { Aor } from '../../core/aor.ts';
import { type AorRecord, type Binding, type BindingId, isLive } from '../../core/binding.ts';
import { BoundedMap, upTo } from '../../core/bounded-map.ts';
import type { LifecycleEvent } from '../../core/events.ts';
import type { PolicyFor } from '../../core/lifecycle.ts';
import type { Mode } from '../../core/policy.ts';
import type { PlainReason } from '../../core/text-trace.ts';
import { deviceAt, hasNoContact, mistakeInText, senderOf } from '../../core/texts.ts';
import { DAY, type DurationMs, plus, SECOND } from '../../core/time.ts';
import type { Logger } from '../../ports/adapter.ts';
import { type Clock, within } from '../../ports/clock.ts';
import type { HeldContact, PbxEvent, PbxLink } from '../../ports/pbx-link.ts';
import type { TextState } from '../../ports/status.ts';
import type { KeptText, TextStore } from '../../ports/text-store.ts';
import { atBoundary } from '../bindings/crash-points.ts';
import { BridgedStore } from './bridged-store.ts';
import { Courier } from './courier.ts';
import { Outage } from './outage.ts';
import { TextPace } from './pace.ts';
import { TextTraces } from './text-traces.ts';
import { Upkeep } from './upkeep.ts';

export type TextArrived = Extract<PbxEvent, { type: 'textArrived' }>;

export interface TextSettings {
  readonly mode: Mode;
  readonly wake: boolean;
  readonly showText: boolean;
  readonly showCaller: boolean;
}

export interface TextsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Undefined: the store cannot keep texts. */
  readonly store: TextStore | undefined;
  readonly settings: () => TextSettings;
  readonly link: (name: string) => PbxLink | undefined;
  /** The PBXs of this node that own an account. */
  readonly pbxsOf: (aor: Aor) => readonly PbxLink[];
  readonly read: (aor: Aor) => Promise<AorRecord | undefined>;
  readonly apply: (aor: Aor, ...facts: readonly LifecycleEvent[]) => Promise<void>;
  readonly policyFor: (aor: Aor) => PolicyFor;
  /** A text that nobody fetched. */
  readonly onExpired: (text: KeptText) => void;
}

/** A PBX that does not say within this what it holds is not asked for its awake phones: they are pushed. */
const ASKED_FOR: DurationMs = SECOND;
/** A phone that is there answers a text within this, in ms. */
const THERE_WITHIN: DurationMs = SECOND;
/** Texts that are being taken at once; each waits for the disk. */
const AT_ONCE = 500;
/** Contacts whose REGISTER is remembered; a text asks for those of the last half minute. About 300 bytes each. */
const REGISTERED = 20_000;
/** How long an id is remembered after its text was delivered: no PBX hands one over later than that. */
const REMEMBERED: DurationMs = DAY;

export class Texts {
  readonly traces = new TextTraces();
  readonly #counts = { kept: 0, delivered: 0, expired: 0 };
  readonly #plainFor = new Map<PlainReason, number>();
  readonly #o: TextsOptions;
  readonly #pace: TextPace;
  readonly #courier: Courier;
  readonly #store: BridgedStore | undefined;
  readonly #outage: Outage | undefined;
  readonly #upkeep: Upkeep | undefined;
  #stopped = false;
  readonly #running = new Set<Promise<void>>();
  /** When contacts registered last, by PBX and URI. */
  readonly #registered = new BoundedMap<string, number>(upTo(REGISTERED));
  /** Devices that came and went without their texts, and were pushed once more for it. */
  readonly #pushedAgain = new BoundedMap<BindingId, true>(upTo(REGISTERED));

  constructor(options: TextsOptions) {
    this.#o = options;
    this.#pace = new TextPace(() => options.clock.monotonicMs());
    const store = options.store && new BridgedStore(options.store, options.clock);
    this.#store = store;
    const run = (work: Promise<void>) => this.#run(work);
    if (store) {
      const outage = new Outage({ ...options, store, run, catchUp: (aor, text) => this.#catchUp(store, aor, text) });
      this.#outage = outage;
      this.#upkeep = new Upkeep({
        ...options,
        store,
        run,
        complain: (error) => outage.complain(error),
        onMarked: (aor) => this.#toThoseWhoCame(store, aor, 0),
        onExpired: (text) => {
          this.#counts.expired++;
          this.traces.note(text, { step: 'expired' }, options.clock.now());
          options.onExpired(text);
        },
      });
    }
    this.#courier = new Courier({
      ...options,
      rememberFor: REMEMBERED,
      onOutcome: (text, device, contact, outcome) => {
        this.traces.note(text, { step: 'sentTo', device, outcome }, options.clock.now());
        if (outcome === 'unreached') return;
        this.#counts.delivered++;
        this.#pushedAgain.delete(device);
        // It has answered, so it is there.
        if (outcome === 'taken') this.registered(contact);
      },
      onStoreAway: (aor, error) => this.#outage?.of(aor, undefined, error),
      onMissed: (aor, device) => this.#missed(aor, device),
    });
  }

  state(): TextState {
    return { ...this.#counts, plain: Object.fromEntries(this.#plainFor), held: this.#store?.held ?? 0 };
  }

  /** After the store of records: what waits from before is marked again, and what is over is given up. */
  start(): void {
    if (this.#o.settings().wake) this.#upkeep?.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#upkeep?.stop();
    await this.#courier.stop();
    await Promise.all(this.#running);
    await this.#outage?.stop();
  }

  async idle(): Promise<void> {
    await Promise.all(this.#running);
    await this.#courier.idle();
  }

  /** The setting has changed. */
  changed(): void {
    if (this.#o.settings().wake && !this.#stopped) this.#upkeep?.start();
    else this.#upkeep?.stop();
  }

  /** The PBX holds a text and asks whether we take it. Never rejects. */
  arrived(event: TextArrived): void {
    if (this.#running.size >= AT_ONCE) return void this.#plain(event, 'flood');
    this.#run(this.#take(event));
  }

  /** A REGISTER was seen as it happened. The record notes one only now and then. */
  registered({ pbx, uri }: Pick<HeldContact, 'pbx' | 'uri'>): void {
    if (this.#o.settings().wake) this.#registered.set(`${pbx} ${uri}`, this.#o.clock.monotonicMs());
  }

  /** The device has registered. Never rejects. */
  deliver(aor: Aor, device: BindingId, contact: { pbx: string; uri: string } | undefined): Promise<void> {
    const { wake } = this.#o.settings();
    const store = this.#store;
    return wake && store ? this.#courier.deliver(store, aor, device, contact) : Promise.resolve();
  }

  async #take(event: TextArrived): Promise<void> {
    const { aor, pbx, id, from, to, contentType, body } = event;
    const { wake, mode } = this.#o.settings();
    const store = this.#store;
    if (!wake || !store || mode === 'observe') return this.#plain(event, 'off');
    const mistake = mistakeInText(event);
    if (mistake) return this.#plain(event, mistake);
    const sender = senderOf(from);
    if (!this.#pace.admits(sender.number ?? from)) return this.#plain(event, 'sender');
    const record = await this.#o.read(aor);
    const devices = record?.bindings.filter(isLive) ?? [];
    if (!record || devices.length === 0) return this.#plain(event, 'nobody');
    const policies = devices.map(this.#o.policyFor(aor));
    const now = this.#o.clock.now();
    const sinceMs = this.#o.clock.monotonicMs();
    const text: KeptText = {
      id: `${pbx} ${id}`,
      aor,
      pbx,
      from,
      to,
      contentType,
      body,
      receivedAt: now,
      expiresAt: plus(now, Math.max(...policies.map((p) => p.textsKeptMs))),
      waiting: devices.map((b) => b.id),
    };
    atBoundary('text to be saved');
    const kept = await store.keep(text, Math.min(...policies.map((p) => p.textsMost))).catch((error: unknown) => {
      this.#outage?.complain(error);
      return 'full' as const;
    });
    atBoundary('text saved');
    if (kept === 'full') return this.#plain(event, 'full');
    // A PBX that goes away right now has forgotten it, or hands it over once more: it is known by its id.
    await this.#answer(event, 'kept');
    atBoundary('text answered');
    if (kept === 'there') return;
    this.#counts.kept++;
    const where = kept === 'held' ? kept : 'stored';
    this.traces.note(text, { step: 'kept', where, devices: devices.length }, now);
    this.#o.log.info({ aor, pbx, devices: devices.length, ...(kept === 'held' && { held: true }) }, 'text kept');
    // A phone that does not answer is not there after all: it is pushed while its text is still on its way.
    await within(this.#o.clock, THERE_WITHIN, this.#toThoseAwake(store, text, record, text)).catch(() => undefined);
    if (kept === 'held') return this.#outage?.of(aor, text, store.trouble);
    await this.#wakeTheOthers(store, aor, record, text).catch((error: unknown) => this.#outage?.of(aor, text, error));
    await this.#toThoseWhoCame(store, aor, sinceMs);
  }

  /** After an outage of the store. */
  async #catchUp(store: BridgedStore, aor: Aor, text: KeptText | undefined): Promise<void> {
    const record = await this.#o.read(aor);
    if (!record) return;
    for (const { name: pbx } of this.#o.pbxsOf(aor)) {
      const toThem = this.#toThoseAwake(store, { aor, pbx }, record, undefined);
      await within(this.#o.clock, THERE_WITHIN, toThem).catch(() => undefined);
    }
    await this.#wakeTheOthers(store, aor, record, text);
  }

  /** It registered and is gone again: pushed once more, and not again until it has taken one. */
  #missed(aor: Aor, device: BindingId): void {
    const store = this.#store;
    if (!store || this.#pushedAgain.get(device)) return;
    this.#pushedAgain.set(device, true);
    this.#run(this.#pushAgain(store, aor, device));
  }

  async #pushAgain(store: BridgedStore, aor: Aor, device: BindingId): Promise<void> {
    const count = (await store.of(aor)).filter((t) => t.waiting.includes(device)).length;
    if (count > 0) await this.#o.apply(aor, { type: 'TextsWait', bindingId: device, count, found: false });
  }

  /** Fail open: the PBX does with it what it does without us. */
  async #plain(event: TextArrived, reason: PlainReason): Promise<void> {
    const { aor, pbx } = event;
    const now = this.#o.clock.now();
    this.#plainFor.set(reason, (this.#plainFor.get(reason) ?? 0) + 1);
    this.traces.note({ id: `${pbx} ${event.id}`, aor, pbx, receivedAt: now }, { step: 'plain', why: reason }, now);
    this.#o.log.debug({ aor, pbx, reason }, 'text left to the pbx');
    await this.#answer(event, 'plain');
  }

  async #answer({ pbx, id }: TextArrived, answer: 'kept' | 'plain'): Promise<void> {
    await this.#o
      .link(pbx)
      ?.answerText?.(id, answer)
      .catch(() => undefined);
  }

  /** Phones that are there get what waits at once: ours where they registered a moment ago, others `theirs` as without us. */
  async #toThoseAwake(
    store: BridgedStore,
    { aor, pbx }: Pick<KeptText, 'aor' | 'pbx'>,
    record: AorRecord,
    theirs: KeptText | undefined,
  ): Promise<void> {
    const link = this.#o.link(pbx);
    if (!link?.sendText) return;
    const held = await within(this.#o.clock, ASKED_FOR, link.ask(aor)).catch(() => undefined);
    const contacts = held?.contacts ?? [];
    const known = contacts.map((contact) => ({ contact, device: deviceAt(record, pbx, contact.uri) }));
    const nameless = record.bindings.some(hasNoContact);
    await Promise.all(
      known.map(async ({ contact, device }) => {
        if (device) {
          if (this.#isAwake(link, aor, device, contact)) await this.#courier.deliver(store, aor, device.id, contact);
        } else if (!nameless && theirs) {
          // A phone that is not ours: once, as without us, whatever becomes of it.
          await link.sendText?.(contact, theirs).catch(() => undefined);
        }
      }),
    );
  }

  /**
   * An older contact may be that of a phone whose system has stopped it: it would read the text from its socket when it wakes, and get it once
   * more after its REGISTER.
   */
  #isAwake(link: PbxLink, aor: Aor, device: Binding, { uri }: HeldContact): boolean {
    const seenMs = this.#registered.get(`${link.name} ${uri}`);
    if (seenMs === undefined) return false;
    return this.#o.clock.monotonicMs() - seenMs <= this.#o.policyFor(aor)(device).freshContactMs;
  }

  /** `last`: what the push may say of the last text. Rejects when the store does not answer. */
  async #wakeTheOthers(store: BridgedStore, aor: Aor, record: AorRecord, last: KeptText | undefined): Promise<void> {
    const { showText, showCaller } = this.#o.settings();
    const waiting = await store.of(aor);
    const facts = record.bindings.flatMap((b): LifecycleEvent[] => {
      const count = waiting.filter((t) => t.waiting.includes(b.id)).length;
      if (count === 0) return b.texts ? [{ type: 'TextsLeft', bindingId: b.id, count }] : [];
      const shown = last && {
        ...(showCaller && { caller: senderOf(last.from) }),
        ...(showText && /^text\/plain\b/i.test(last.contentType) && { text: last.body }),
      };
      return [{ type: 'TextsWait', bindingId: b.id, count, found: false, ...shown }];
    });
    if (facts.length > 0) await this.#o.apply(aor, ...facts);
    atBoundary('text marked');
  }

  /** A REGISTER that came before the record knew of a text found nothing to deliver. */
  async #toThoseWhoCame(store: BridgedStore, aor: Aor, sinceMs: number): Promise<void> {
    for (const b of (await this.#o.read(aor))?.bindings ?? []) {
      const came = b.contacts.find(({ pbx, uri }) => (this.#registered.get(`${pbx} ${uri}`) ?? -1) >= sinceMs);
      if (b.texts && came) void this.#courier.deliver(store, aor, b.id, came);
    }
  }

  #run(work: Promise<void>): void {
    const safe = work.catch((error: unknown) => this.#outage?.complain(error));
    this.#running.add(safe);
    void safe.finally(() => this.#running.delete(safe));
  }
}
