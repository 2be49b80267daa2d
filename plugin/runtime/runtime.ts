/**
 * The heart between the adapters: events in, effects out. Wires the parts of this folder; knows no SDK, no file, no port
 * number. Order of closing: PBX links (no new events), wakes, ticker and resync, the queue of records, effects under way,
 * push services, store.
 */
import type { Aor } from '../core/aor.ts';
import { parseAor } from '../core/aor.ts';
import type { BindingId } from '../core/binding.ts';
import { describeRecord, type ShownRecord } from '../core/describe.ts';
import type { PolicyFor } from '../core/draft.ts';
import type { LifecycleEvent, NoticeName } from '../core/events.ts';
import { explainCall, explainDevices, seldomIn } from '../core/explain.ts';
import type { Mode } from '../core/policy.ts';
import { type DurationMs, type Instant, MINUTE } from '../core/time.ts';
import type { Logger } from '../ports/adapter.ts';
import type { BindingStore } from '../ports/binding-store.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventSink } from '../ports/event-sink.ts';
import type { Observer } from '../ports/observer.ts';
import type { PbxEvent, PbxLink } from '../ports/pbx-link.ts';
import type { PushProvider } from '../ports/push-provider.ts';
import { Reports } from './bindings/app-reports.ts';
import { Brake } from './bindings/brake.ts';
import { EffectRunner, type NoticeText } from './bindings/effects.ts';
import { Bindings } from './bindings/records.ts';
import { heldEvent, Resync } from './bindings/resync.ts';
import { Ticker } from './bindings/ticker.ts';
import { AfterCalls } from './calls/record-after-ring.ts';
import { TraceBook } from './calls/trace-book.ts';
import { Wakes } from './calls/waiting-calls.ts';
import { Links } from './pbx/links.ts';
import { Reachable } from './pbx/reachable.ts';
import { RemoteLinks } from './pbx/remote-links.ts';
import type { Delivery, DeliveryStats } from './push/delivery.ts';
import { type PushTest, type TestPurpose, testPush } from './push/push-test.ts';
import { Census } from './status/census.ts';
import { Looks } from './status/running-status.ts';
import { TimedStore } from './status/timed-store.ts';
import { Events } from './webhooks/queue.ts';
import { type Telling, tellingOfReport, tellingsOfCall } from './webhooks/words.ts';

export interface RuntimeOptions {
  readonly mode: Mode;
  /** What the bindings live by. */
  readonly clock: Clock;
  /**
   * The same wall clock with the machine's own timers, for whatever waits for a disk or a wire. Differs only where the
   * bindings' clock runs faster than the machine's. Default: `clock`.
   */
  readonly wire?: Clock;
  readonly log: Logger;
  readonly store: BindingStore;
  readonly links: readonly PbxLink[];
  readonly delivery: Delivery;
  readonly policyFor: (aor: Aor) => PolicyFor;
  readonly noticeText: (aor: Aor, notice: NoticeName) => NoticeText;
  /** Who is told what happens; in `observe` mode nobody is. */
  readonly sinks?: readonly EventSink[];
  /** The realms each link serves: one, several with blanks between, or `*` for every one. */
  readonly realmOf: (link: string) => string;
  readonly observer?: Observer;
  /** Lower-case hex, `bytes` long before encoding. */
  readonly randomHex: (bytes: number) => string;
  readonly forgetAfterMs: DurationMs;
  /** What an app shows to ask whether its call still waits. Absent: pushes carry none. */
  readonly callKey?: (callId: string, until: Instant) => string;
  /** Whether the pushes of a call say who calls. Default false. */
  readonly showCaller?: boolean;
  /** Off for a clock that runs faster than the machine's. */
  readonly brake?: boolean;
  /** Whether the store is counted in the background, for pages and metrics. Default false. */
  readonly counts?: boolean;
}

/** What may change while calls wait. */
export interface RuntimeSettings {
  readonly mode: Mode;
  readonly showCaller: boolean;
  readonly forgetAfterMs: DurationMs;
}

/** A checked change of the configuration, everything in it made already: nothing here can be refused any more. */
export interface RuntimeChange {
  readonly settings: RuntimeSettings;
  /** Every push provider from now on; those that stay are the same objects. Absent: none changes. */
  readonly providers?: readonly PushProvider[];
  /** The same for who is told events. */
  readonly sinks?: readonly EventSink[];
  /** Names of links that go. */
  readonly linksGone: readonly string[];
  /** Links that come; one of the name of a gone one takes its calls over. */
  readonly linksNew: readonly PbxLink[];
}

/** Asterisk's own default; used only where neither the contact nor the AOR says what was granted. */
const DEFAULT_MAXIMUM_EXPIRES: DurationMs = 120 * MINUTE;

/** Of an account. */
const CALLS_EXPLAINED = 10;
const SELDOM_LISTED = 1_000;

export class Runtime {
  readonly traces = new TraceBook();
  /** What apps tell over HTTP. */
  readonly reports: Reports;
  /** What people and monitoring are shown. */
  readonly looks: Looks;
  readonly #o: RuntimeOptions;
  readonly #links: Links;
  readonly #remote: RemoteLinks | undefined;
  readonly #reachable: Reachable;
  readonly #bindings: Bindings;
  readonly #effects: EffectRunner;
  readonly #wakes: Wakes;
  readonly #afterCalls: AfterCalls;
  readonly #ticker: Ticker;
  readonly #resync: Resync;
  readonly #brake: Brake;
  readonly #events: Events;
  readonly #census: Census;
  #settings: RuntimeSettings;
  #started = false;

  constructor(options: RuntimeOptions) {
    const { clock, log, delivery, policyFor, observer } = options;
    const wire = options.wire ?? clock;
    const store = new TimedStore(options.store, wire, (...answer) => observer?.storeAnswered?.(...answer));
    this.#o = { ...options, store };
    const settings = () => this.#settings;
    this.#settings = {
      mode: options.mode,
      showCaller: options.showCaller ?? false,
      forgetAfterMs: options.forgetAfterMs,
    };
    this.#links = new Links(options.links, options.realmOf, clock.now());
    this.#reachable = new Reachable(this.#links, () => this.#settings.mode !== 'observe');
    const newId = () => options.randomHex(8);
    this.#events = new Events({ sinks: options.sinks ?? [], clock: wire, log, newId: () => options.randomHex(12) });
    const peers = store.peers?.();
    this.#remote =
      peers &&
      new RemoteLinks({
        peers,
        own: this.#links.own,
        realmOf: options.realmOf,
        clock: wire,
        onOthers: (links) => this.#links.addRemote(links),
        // Its own node has it in the record already; here a call may wait for it.
        onEvent: (event) => this.#toWakes(event),
        onReachable: (aor, reachable) => this.#reachable.know(aor, reachable),
      });
    this.#brake = new Brake({ store, clock, log, ...(options.brake === undefined ? {} : { enabled: options.brake }) });
    this.#bindings = new Bindings({
      store,
      clock: wire,
      log,
      policyFor,
      shown: (aor) => this.#shown(aor),
      onEffects: (aor, record, effects) => {
        this.#effects.run(aor, record, effects);
        this.#reachable.changed(record);
      },
    });
    this.#effects = new EffectRunner({
      get mode() {
        return settings().mode;
      },
      log,
      delivery,
      links: this.#links.byName,
      apply: (aor, event) => this.#apply(aor, event),
      read: (aor) => this.#bindings.read(aor),
      clock,
      newId,
      noticeText: options.noticeText,
      onReport: (aor, record, effect) => {
        options.observer?.bindingChanged(effect.what, effect.reason);
        this.#tell(aor, tellingOfReport(record, effect));
      },
    });
    this.reports = new Reports({
      clock,
      apply: (aor, event) => this.#apply(aor, event),
      read: (aor) => this.#bindings.read(aor),
      newId,
    });
    delivery.onAccepted((request) => this.reports.pushed(request));
    this.#wakes = new Wakes({
      get mode() {
        return settings().mode;
      },
      get showCaller() {
        return settings().showCaller;
      },
      clock: wire,
      log,
      bindings: this.#bindings,
      delivery,
      links: this.#links.byName,
      policyFor,
      traces: this.traces,
      callKey: options.callKey,
      watchElsewhere: (link, aor, on) => {
        for (const name of link.ringsVia ?? []) this.#links.get(name)?.watch(aor, on);
      },
      newStem: () => options.randomHex(4),
      onOver: (wake) => {
        const [trace] = this.traces.find(wake.callId);
        if (trace) options.observer?.callOver(trace);
        for (const telling of tellingsOfCall(wake, clock.now())) this.#tell(wake.aor, telling);
      },
    });
    this.#afterCalls = new AfterCalls(
      wire,
      (aor) => this.#wakes.waitsFor(aor),
      (event) =>
        void this.#record(event).catch((error: unknown) => {
          log.error({ event: event.type, reason: String(error) }, 'registration event failed');
        }),
    );
    this.#ticker = new Ticker({
      store,
      bindings: this.#bindings,
      clock,
      log,
      brake: this.#brake,
      newId,
      linksOf: (aor) => this.#links.owners(aor),
      downSince: (link) => this.#links.downSince(link),
      get forgetAfterMs() {
        return settings().forgetAfterMs;
      },
      onRound: () => delivery.warm(),
      room: () => this.#effects.room(),
    });
    this.#resync = new Resync({
      store,
      bindings: this.#bindings,
      clock,
      wire,
      log,
      newId,
      tellReachable: (link, record) => this.#reachable.tell(link, record),
      owns: (link, aor) => this.#links.owns(link, aor),
    });
    this.#census = new Census({ store, clock, wire, log });
    this.looks = new Looks({
      get mode() {
        return settings().mode;
      },
      clock,
      wire,
      started: () => this.#started,
      store,
      bindings: this.#bindings,
      brake: this.#brake,
      census: this.#census,
      delivery,
      events: this.#events,
      links: this.#links,
      traces: this.traces,
      wakes: this.#wakes,
      policyFor,
    });
  }

  /** Resolves when calls can be woken, or would be if their PBX were up. Rejects when the store cannot be opened. */
  async start(): Promise<void> {
    await this.#o.store.open();
    await this.#remote?.start();
    await Promise.all(this.#links.own.map((link) => this.#startLink(link)));
    this.#ticker.start();
    this.#resync.start(this.#links.own);
    if (this.#o.counts) this.#census.start();
    this.#started = true;
  }

  async stop(): Promise<void> {
    this.#started = false;
    await this.#remote?.stop();
    await Promise.all(this.#links.own.map((link) => link.stop()));
    this.#afterCalls.flush();
    this.#wakes.stop();
    await this.#census.stop();
    await this.#ticker.stop();
    await this.#resync.stop();
    await this.#effects.idle();
    await this.#bindings.stop();
    await this.#events.stop();
    await this.#o.delivery.close();
    await this.#o.store.close();
  }

  /**
   * Takes a change over while calls wait. What stays is not touched; a link that is made anew finds its waiting calls again,
   * as after a lost connection.
   */
  async change(to: RuntimeChange): Promise<void> {
    const wakesUp = this.#settings.mode === 'observe' && to.settings.mode !== 'observe';
    this.#settings = to.settings;
    this.#reachable.forgetAll();
    if (to.providers) this.#o.delivery.replace(to.providers);
    if (to.sinks) void this.#events.replace(to.sinks);
    const gone = to.linksGone.flatMap((name) => this.#links.get(name) ?? []);
    // One after the other: two links of one name would take each other's Stasis application and HEP port away.
    await Promise.all(gone.map((link) => link.stop()));
    this.#links.replace(gone, to.linksNew, this.#o.clock.now());
    for (const link of to.linksNew) this.#wakes.moveTo(link);
    if (gone.length > 0 || to.linksNew.length > 0) this.#resync.start(this.#links.own);
    await Promise.all(to.linksNew.map((link) => this.#startLink(link)));
    for (const link of this.#links.own) link.modeChanged?.();
    // A PBX that was told nothing so far hears now which accounts can be reached.
    if (wakesUp) for (const link of this.#links.own) if (link.up) void this.#resync.run(link, 'connect');
  }

  #startLink(link: PbxLink): Promise<void> {
    return link.start((event) => this.#onPbxEvent(event));
  }

  /** Resolves when everything begun so far is done: records, effects, what their outcomes caused. */
  async idle(): Promise<void> {
    this.#afterCalls.flush();
    do {
      await this.#ticker.idle();
      await this.#resync.idle();
      await this.#effects.idle();
      await this.#bindings.idle();
    } while (this.#effects.busy || this.#bindings.busy);
  }

  /** What is known of an account or a call, in sentences. Undefined: nothing. */
  async explain(of: string) {
    const now = this.#o.clock.now();
    const calls = this.traces.find(of).slice(0, CALLS_EXPLAINED);
    const aor = calls[0]?.aor ?? parseAor(of);
    const record = aor && (await this.#bindings.read(aor));
    if (calls.length === 0 && !record) return undefined;
    return {
      of,
      calls: calls.map((trace) => ({ ...explainCall(trace, record, now), trace })),
      devices: explainDevices(record, now),
    };
  }

  /** Devices that seldom wake, one sentence each. Reads the whole store: for people, not for monitoring. */
  async seldomWoken(): Promise<readonly string[]> {
    const found: string[] = [];
    for await (const { aor, bindings } of this.#o.store.scan()) {
      found.push(...seldomIn(aor, bindings));
      if (found.length >= SELDOM_LISTED) break;
    }
    return found;
  }

  // ── By hand ────────────────────────────────────────────────────────────────────────────────────────────────────────

  async shownRecord(of: string): Promise<ShownRecord | undefined> {
    const aor = parseAor(of);
    const record = aor && (await this.#o.store.get(aor));
    return record && describeRecord(record, this.#o.clock.now());
  }

  async drop(of: string, bindingId?: string): Promise<readonly string[] | undefined> {
    const aor = parseAor(of);
    const record = aor && (await this.#o.store.get(aor));
    const ids = (record?.bindings ?? []).map((b) => b.id).filter((id) => bindingId === undefined || id === bindingId);
    if (!aor || ids.length === 0) return undefined;
    await this.#bindings.apply(aor, ...ids.map((id) => ({ type: 'DropRequested', bindingId: id }) as const));
    this.#o.log.info({ aor, bindingIds: ids }, 'bindings dropped by hand');
    return ids;
  }

  async pushTest(of: string, purpose: TestPurpose): Promise<readonly PushTest[] | undefined> {
    const aor = parseAor(of);
    if (!aor) return undefined;
    const tests = await testPush(this.#o.delivery, await this.#o.store.get(aor), aor, purpose, this.#o.clock.now());
    return tests.length > 0 ? tests : undefined;
  }

  pushes(): DeliveryStats {
    return this.#o.delivery.stats();
  }

  /** Links that are up, calls that wait, the brake: for health and the status command. */
  status(): ReturnType<Looks['status']> {
    return this.looks.status();
  }

  #tell(aor: Aor, telling: Telling | undefined): void {
    // In `observe` nothing happens, so there is nothing to tell.
    if (telling && this.#settings.mode !== 'observe') this.#events.tell(telling.type, telling.at, aor, telling.data);
  }

  /** What the PBXs of this node hold for an AOR, as facts: all there is to go by while the store is away. */
  async #shown(aor: Aor): Promise<readonly LifecycleEvent[]> {
    const own = this.#links.own.filter((link) => link.up && this.#links.owns(link, aor));
    const answers = await Promise.allSettled(own.map((link) => link.ask(aor)));
    const contacts = answers.flatMap((a) => (a.status === 'fulfilled' ? a.value.contacts : []));
    return contacts.map((c) => heldEvent(c, this.#o.clock.now(), this.#o.randomHex(8)));
  }

  #onPbxEvent(event: PbxEvent): void {
    // Calls first: they never wait for a record to be written.
    this.#toWakes(event);
    this.#remote?.onOwnEvent(event);
    this.#afterCalls.take(event);
  }

  #toWakes(event: PbxEvent): void {
    this.#wakes.onPbxEvent(event).catch((error: unknown) => {
      this.#o.log.error({ event: event.type, reason: String(error) }, 'call event failed');
    });
  }

  async #record(event: PbxEvent): Promise<void> {
    switch (event.type) {
      case 'linkUp': {
        this.#links.wentUp(event.pbx);
        this.#reachable.forgetAll();
        const link = this.#links.get(event.pbx);
        if (link) await this.#resync.run(link, 'connect');
        return;
      }
      case 'linkDown':
        this.#links.wentDown(event.pbx, this.#o.clock.now(), event.reason);
        return;
      case 'contactSeen': {
        const { contact, how, at, grantedMs, wire, choice } = event;
        const live = how === 'event' || how === 'hep' || how === 'watch';
        if (live) void this.reports.registered(contact.aor, wire?.contact ?? contact.uri, at);
        return this.#apply(contact.aor, {
          type: 'ContactSeen',
          live,
          at,
          newId: this.#o.randomHex(8) as BindingId,
          contact: {
            pbx: contact.pbx,
            uri: contact.uri,
            ...(wire ? { wireUri: wire.contact } : {}),
            ...(contact.instanceId === undefined ? {} : { instanceId: contact.instanceId }),
            ...(grantedMs === undefined ? {} : { grantedMs }),
            ...(contact.expiresAt === undefined ? {} : { expiresAt: contact.expiresAt }),
            ...(choice === undefined ? {} : { choice }),
          },
        });
      }
      case 'contactRemoved':
        return this.#apply(event.aor, {
          type: 'ContactRemoved',
          pbx: event.pbx,
          uri: event.uri,
          at: event.at,
          maximumMs: await this.#maximumExpires(event.pbx, event.aor, event.uri),
        });
      case 'unregistered':
        return this.#apply(event.aor, {
          type: 'Unregistered',
          pbx: event.pbx,
          at: event.at,
          ...(event.uri === undefined ? {} : { uri: event.uri }),
        });
      default:
        return;
    }
  }

  /** Asked only where the granted time of this very contact is not known. */
  async #maximumExpires(pbx: string, aor: Aor, uri: string): Promise<DurationMs> {
    const record = await this.#bindings.read(aor);
    const known = record?.bindings.flatMap((b) => b.contacts).find((c) => c.uri === uri);
    if (!known || known.grantedMs !== undefined) return DEFAULT_MAXIMUM_EXPIRES;
    try {
      return (await this.#links.get(pbx)?.ask(aor))?.maximumExpiresMs ?? DEFAULT_MAXIMUM_EXPIRES;
    } catch {
      return DEFAULT_MAXIMUM_EXPIRES;
    }
  }

  async #apply(aor: Aor, event: LifecycleEvent): Promise<void> {
    if (event.type === 'TokenDied') this.#brake.tokenDied(this.#o.clock.now());
    await this.#bindings.apply(aor, event);
  }
}
