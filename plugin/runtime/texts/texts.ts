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
import { deviceAt, hasNoContact, mistakeInText, senderOf } from '../../core/texts.ts';
import { DAY, type DurationMs, MINUTE, plus, SECOND } from '../../core/time.ts';
import type { Logger } from '../../ports/adapter.ts';
import { type Clock, within } from '../../ports/clock.ts';
import type { HeldContact, PbxEvent, PbxLink } from '../../ports/pbx-link.ts';
import type { KeptText, TextStore } from '../../ports/text-store.ts';
import { atBoundary } from '../bindings/crash-points.ts';
import { Courier } from './courier.ts';
import { TextPace } from './pace.ts';

export type TextArrived = Extract<PbxEvent, { type: 'textArrived' }>;

export interface TextSettings {
  readonly mode: Mode;
  readonly wake: boolean;
  readonly showText: boolean;
  readonly showCaller: boolean;
}

/** What became of texts since the start. `plain`: they went the way they go without pushwake. */
export interface TextCounts {
  kept: number;
  delivered: number;
  expired: number;
  plain: number;
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
const LOOK_EVERY: DurationMs = MINUTE;
const EXPIRED_AT_ONCE = 200;
/** Contacts whose REGISTER is remembered; a text asks for those of the last half minute. About 300 bytes each. */
const REGISTERED = 20_000;
/** So long an id is remembered after its text was delivered: no PBX hands one over later than that. */
const REMEMBERED: DurationMs = DAY;

export class Texts {
  readonly counts: TextCounts = { kept: 0, delivered: 0, expired: 0, plain: 0 };
  readonly #o: TextsOptions;
  readonly #pace: TextPace;
  readonly #courier: Courier;
  readonly #running = new Set<Promise<void>>();
  /** When contacts registered last, by PBX and URI. */
  readonly #registered = new BoundedMap<string, number>(upTo(REGISTERED));
  #cancel: () => void = () => undefined;
  #opened: Promise<void> | undefined;
  #stopped = false;
  #troubled = false;

  constructor(options: TextsOptions) {
    this.#o = options;
    this.#pace = new TextPace(() => options.clock.monotonicMs());
    this.#courier = new Courier({
      ...options,
      rememberFor: REMEMBERED,
      onTaken: (contact, outcome) => {
        this.counts.delivered++;
        // It has answered, so it is there.
        if (outcome === 'taken') this.registered(contact);
      },
    });
  }

  /** After the store of records: what waits from before is marked again, and what is over is given up. */
  start(): void {
    if (this.#o.settings().wake) this.#look(true);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#courier.stop();
    await Promise.all(this.#running);
  }

  async idle(): Promise<void> {
    await Promise.all(this.#running);
    await this.#courier.idle();
  }

  /** The setting has changed. */
  changed(): void {
    this.#cancel();
    if (this.#o.settings().wake && !this.#stopped) this.#look(true);
  }

  /** The PBX holds a text and asks whether we take it. Never rejects. */
  arrived(event: TextArrived): void {
    if (this.#running.size >= AT_ONCE) return void this.#plain(event, 'too many at once');
    this.#run(this.#take(event));
  }

  /** A REGISTER was seen as it happened. The record notes one only now and then. */
  registered({ pbx, uri }: Pick<HeldContact, 'pbx' | 'uri'>): void {
    if (this.#o.settings().wake) this.#registered.set(`${pbx} ${uri}`, this.#o.clock.monotonicMs());
  }

  /** The device has registered. Never rejects. */
  deliver(aor: Aor, device: BindingId, contact: { pbx: string; uri: string } | undefined): Promise<void> {
    const { wake } = this.#o.settings();
    const store = this.#o.store;
    return wake && store ? this.#courier.deliver(store, aor, device, contact) : Promise.resolve();
  }

  async #take(event: TextArrived): Promise<void> {
    const { aor, pbx, id, from, to, contentType, body } = event;
    const { wake, mode } = this.#o.settings();
    const { store } = this.#o;
    if (!wake || !store || mode === 'observe') return this.#plain(event, 'not switched on');
    const mistake = mistakeInText(event);
    if (mistake) return this.#plain(event, mistake);
    const sender = senderOf(from);
    if (!this.#pace.admits(sender.number ?? from)) return this.#plain(event, 'too many of one sender');
    const record = await this.#o.read(aor);
    const devices = record?.bindings.filter(isLive) ?? [];
    if (!record || devices.length === 0) return this.#plain(event, 'no phone that can be woken');
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
    let kept: 'kept' | 'there' | 'full';
    atBoundary('text to be saved');
    try {
      await this.#open(store);
      kept = await store.keep(text, Math.min(...policies.map((p) => p.textsMost)));
    } catch (error) {
      this.#complain(error);
      return this.#plain(event, 'the store does not answer');
    }
    atBoundary('text saved');
    if (kept === 'full') return this.#plain(event, 'too many wait');
    await this.#o.link(pbx)?.answerText?.(id, 'kept');
    atBoundary('text answered');
    if (kept === 'there') return;
    this.counts.kept++;
    this.#o.log.info({ aor, pbx, devices: devices.length }, 'text kept');
    // A phone that does not answer is not there after all: it is pushed while its text is still on its way.
    await within(this.#o.clock, THERE_WITHIN, this.#toThoseAwake(store, text, record)).catch(() => undefined);
    await this.#wakeTheOthers(store, text, record);
    await this.#toThoseWhoCame(store, aor, sinceMs);
  }

  /** Fail open: the PBX does with it what it does without us. */
  async #plain({ aor, pbx, id }: TextArrived, reason: string): Promise<void> {
    this.counts.plain++;
    this.#o.log.debug({ aor, pbx, reason }, 'text left to the pbx');
    await this.#o
      .link(pbx)
      ?.answerText?.(id, 'plain')
      .catch(() => undefined);
  }

  /** Phones that are there get it at once: others as without us, ours where they registered a moment ago. */
  async #toThoseAwake(store: TextStore, text: KeptText, record: AorRecord): Promise<void> {
    const { aor, pbx } = text;
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
        } else if (!nameless) {
          // A phone that is not ours: once, as without us, whatever becomes of it.
          await link.sendText?.(contact, text).catch(() => undefined);
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

  async #wakeTheOthers(store: TextStore, { aor, from, contentType, body }: KeptText, record: AorRecord): Promise<void> {
    const { showText, showCaller } = this.#o.settings();
    const waiting = await store.of(aor);
    const facts = record.bindings.flatMap((b): LifecycleEvent[] => {
      const count = waiting.filter((t) => t.waiting.includes(b.id)).length;
      if (count === 0) return [];
      const shown = {
        ...(showCaller && { caller: senderOf(from) }),
        ...(showText && /^text\/plain\b/i.test(contentType) && { text: body }),
      };
      return [{ type: 'TextsWait', bindingId: b.id, count, found: false, ...shown }];
    });
    if (facts.length > 0) await this.#o.apply(aor, ...facts);
    atBoundary('text marked');
  }

  /** A REGISTER that came before the record knew of a text found nothing to deliver. */
  async #toThoseWhoCame(store: TextStore, aor: Aor, sinceMs: number): Promise<void> {
    for (const b of (await this.#o.read(aor))?.bindings ?? []) {
      const came = b.contacts.find(({ pbx, uri }) => (this.#registered.get(`${pbx} ${uri}`) ?? -1) >= sinceMs);
      if (b.texts && came) void this.#courier.deliver(store, aor, b.id, came);
    }
  }

  // ── By the clock ────────────────────────────────────────────────────────────────────────────────────────────────────

  #look(first: boolean): void {
    this.#run(
      this.#lookNow(first)
        .then(
          () => false,
          (error: unknown) => {
            this.#complain(error);
            return first;
          },
        )
        .then((again) => {
          this.#cancel();
          if (!this.#stopped) this.#cancel = this.#o.clock.after(LOOK_EVERY, () => this.#look(again));
        }),
    );
  }

  async #lookNow(first: boolean): Promise<void> {
    const { store, clock } = this.#o;
    if (!store) return;
    await this.#open(store);
    if (first) for (const aor of await store.accounts()) await this.#markAgain(store, aor);
    const over = await store.expired(clock.now(), EXPIRED_AT_ONCE);
    for (const text of over) {
      if (this.#stopped) return;
      await store.drop(text.aor, text.id);
      if (text.waiting.length === 0) continue;
      this.counts.expired++;
      this.#o.log.info(
        { aor: text.aor, pbx: text.pbx, devices: text.waiting.length },
        'text expired, nobody fetched it',
      );
      this.#o.onExpired(text);
      const left = await store.of(text.aor);
      await this.#o.apply(
        text.aor,
        ...text.waiting.map((bindingId): LifecycleEvent => {
          const count = left.filter((t) => t.waiting.includes(bindingId)).length;
          return { type: 'TextsLeft', bindingId, count };
        }),
      );
    }
    this.#troubled = false;
  }

  /** A crash between the text and the mark in the record leaves a phone without a push. */
  async #markAgain(store: TextStore, aor: Aor): Promise<void> {
    const waiting = await store.of(aor);
    const devices = [...new Set(waiting.flatMap((t) => t.waiting))];
    await this.#o.apply(
      aor,
      ...devices.map((bindingId): LifecycleEvent => {
        const count = waiting.filter((t) => t.waiting.includes(bindingId)).length;
        return { type: 'TextsWait', bindingId, count, found: true };
      }),
    );
    await this.#toThoseWhoCame(store, aor, 0);
  }

  #open(store: TextStore): Promise<void> {
    this.#opened ??= store.open().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  #run(work: Promise<void>): void {
    const safe = work.catch((error: unknown) => this.#complain(error));
    this.#running.add(safe);
    void safe.finally(() => this.#running.delete(safe));
  }

  /** Once until the store answers again: a flood of texts must not fill the log. */
  #complain(error: unknown): void {
    if (this.#troubled) return;
    this.#troubled = true;
    const reason = error instanceof Error ? error.message : String(error);
    this.#o.log.error({ reason }, 'texts cannot be kept, the pbx handles them by itself');
  }
}
