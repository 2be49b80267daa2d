/**
 * The wiring of a runtime: one plain function that makes the parts and joins them. What the parts do together (start, stop,
 * change) is `runtime.ts`.
 */
import type { Aor } from '../core/aor.ts';
import type { PolicyFor } from '../core/lifecycle.ts';
import type { Mode } from '../core/policy.ts';
import type { DurationMs, Instant } from '../core/time.ts';
import type { Logger } from '../ports/adapter.ts';
import type { BindingStore } from '../ports/binding-store.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventSink } from '../ports/event-sink.ts';
import type { Observer } from '../ports/observer.ts';
import type { PbxEvent, PbxLink } from '../ports/pbx-link.ts';
import { AppTests } from './app-test/app-tests.ts';
import { sparing } from './app-test/sparing.ts';
import { Reports } from './bindings/app-reports.ts';
import { AskBudget } from './bindings/ask-budget.ts';
import { Brake } from './bindings/brake.ts';
import { EffectRunner, type NoticeTexts } from './bindings/effects.ts';
import { EmptiedStore } from './bindings/emptied-store.ts';
import { NotBound } from './bindings/not-bound.ts';
import { Bindings } from './bindings/records.ts';
import { Resync } from './bindings/resync.ts';
import { Ticker } from './bindings/ticker.ts';
import { BetweenCalls } from './calls/between-calls.ts';
import { AfterCalls } from './calls/record-after-ring.ts';
import { TraceBook } from './calls/trace-book.ts';
import { Wakes } from './calls/waiting-calls.ts';
import { appsOf, heldFact, Intake } from './intake.ts';
import { Links } from './pbx/links.ts';
import { Reachable } from './pbx/reachable.ts';
import { RemoteLinks } from './pbx/remote-links.ts';
import type { Delivery } from './push/delivery.ts';
import { Census } from './status/census.ts';
import { type HeapUse, HeapWatch } from './status/heap-watch.ts';
import { LiveStatus } from './status/running-status.ts';
import { TimedStore } from './status/timed-store.ts';
import { Texts } from './texts/texts.ts';
import { Events } from './webhooks/queue.ts';
import { type Telling, tellingOfExpiredText, tellingOfReport, tellingsOfCall } from './webhooks/words.ts';

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
  readonly noticeText: NoticeTexts;
  /** Receivers of webhooks; in `observe` mode nothing is sent to them. */
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
  /** Texts for sleeping phones: whether they are kept, and whether pushes say what they say. Default: neither. */
  readonly messages?: { readonly wake: boolean; readonly showText: boolean };
  /** Off for a clock that runs faster than the machine's. */
  readonly brake?: boolean;
  /** What this node calls itself to the others of its store. */
  readonly node?: { readonly host: string; readonly version: string };
  /** What JavaScript has used up of its memory. Absent: nobody looks. */
  readonly heapUse?: () => HeapUse;
  /** Done when a call is over and none waits. Absent: nothing is. */
  readonly betweenCalls?: () => void;
  /** Whether the store is counted in the background, for pages and metrics. Default false. */
  readonly counts?: boolean;
}

/** What may change while calls wait. */
export interface RuntimeSettings {
  readonly mode: Mode;
  readonly showCaller: boolean;
  readonly messages: { readonly wake: boolean; readonly showText: boolean };
  readonly forgetAfterMs: DurationMs;
}

/** What the runtime itself answers, because it concerns several parts. */
export interface Hooks {
  readonly settings: () => RuntimeSettings;
  readonly started: () => boolean;
  readonly isDraining: () => boolean;
  /** A registration event whose turn has come: no call waits for it any more. Never rejects. */
  readonly onRegistration: (event: PbxEvent) => void;
}

export type Parts = ReturnType<typeof composeParts>;

export function composeParts(o: RuntimeOptions, hooks: Hooks) {
  const { clock, log, delivery, policyFor, observer } = o;
  const wire = o.wire ?? clock;
  const mode = () => hooks.settings().mode;
  const newId = () => o.randomHex(8);
  const store = new TimedStore(o.store, wire, (...answer) => observer?.storeAnswered?.(...answer));
  const traces = new TraceBook();
  const links = new Links(o.links, o.realmOf, clock.now());
  const reachable = new Reachable(links, () => mode() !== 'observe');
  const events = new Events({ sinks: o.sinks ?? [], clock: wire, log, newId: () => o.randomHex(12) });
  const census = new Census({ store, clock, wire, log, waiting: () => wakes.waiting });
  const brake = new Brake({ store, clock, log, liveOf: (app) => census.liveOf(app), enabled: o.brake ?? true });
  const emit = (aor: Aor, telling: Telling | undefined) => {
    // In `observe` nothing happens, so there is nothing to send.
    if (telling && mode() !== 'observe') events.tell(telling.type, telling.at, aor, telling.data);
  };
  const records = new Bindings({
    store,
    clock: wire,
    log,
    policyFor,
    // What the PBXs of this node hold for an AOR is all there is to go by while the store is away.
    shown: async (aor) => {
      const own = links.own.filter((link) => link.up && links.owns(link, aor));
      const answers = await Promise.allSettled(own.map((link) => link.ask(aor)));
      const contacts = answers.flatMap((a) => (a.status === 'fulfilled' ? a.value.contacts : []));
      return contacts.map((c) => heldFact(c, clock.now(), newId(), { binds: true }));
    },
    onEffects: (aor, record, all, before) => {
      effects.run(aor, record, all);
      reachable.changed(record, before);
    },
  });
  const intake = new Intake({
    clock,
    log,
    records,
    brake,
    newId,
    observing: () => mode() === 'observe',
    receiptOf: (...which) => reports.receiptOf(...which),
    maximumExpires: async (pbx, aor) => (await links.get(pbx)?.ask(aor))?.maximumExpiresMs,
  });
  const notBound = new NotBound(clock, log);
  const asks = new AskBudget({ clock: wire, log, liveOf: (app) => census.last?.byApp.get(app) ?? 0 });
  const texts: Texts = new Texts({
    clock,
    log,
    store: store.texts?.(),
    settings: () => ({ ...hooks.settings(), ...hooks.settings().messages }),
    link: (name) => links.get(name),
    pbxsOf: (aor) => links.own.filter((link) => links.owns(link, aor)),
    read: (aor) => records.read(aor),
    apply: (aor, ...facts) => intake.apply(aor, ...facts),
    policyFor,
    onExpired: (text) => emit(text.aor, tellingOfExpiredText(text, clock.now())),
  });
  const effects = new EffectRunner({
    clock: wire,
    deliverTexts: (...what) => texts.deliver(...what),
    get mode() {
      return mode();
    },
    log,
    delivery,
    links: links.byName,
    intake,
    read: (aor) => records.read(aor),
    noticeText: o.noticeText,
    mayAsk: (app) => asks.mayAsk(app),
    onNotBound: (aor, pbx, reason) => notBound.note(aor, pbx, reason),
    onReport: (aor, record, effect) => {
      if (effect.what === 'bound') notBound.bound(aor);
      if (effect.what === 'bound') for (const app of appsOf(record, effect.bindingId)) census.bound(app);
      observer?.bindingChanged(effect.what, effect.reason);
      emit(aor, tellingOfReport(record, effect));
    },
  });
  const reports: Reports = new Reports({
    clock,
    intake,
    read: (aor) => records.read(aor),
    remembered: (aor) => records.remembered(aor),
    newId,
  });
  delivery.onAccepted((request) => reports.pushed(request));
  const appTests = new AppTests({
    clock: wire,
    log,
    delivery,
    traces,
    links,
    mode,
    policyFor,
    read: (aor) => records.read(aor),
    newId: () => o.randomHex(8),
  });
  const wakes: Wakes = new Wakes({
    get mode() {
      return mode();
    },
    get showCaller() {
      return hooks.settings().showCaller;
    },
    clock: wire,
    log,
    intake: sparing(intake, appTests),
    bindings: records,
    delivery,
    links: links.byName,
    policyFor,
    traces,
    callKey: o.callKey,
    watchElsewhere: (link, aor, on) => {
      for (const name of link.ringsVia ?? []) links.get(name)?.watch(aor, on);
    },
    newStem: () => o.randomHex(4),
    onOver: (wake) => {
      const trace = traces.latest(wake.callId);
      if (trace) observer?.callOver(trace);
      for (const telling of tellingsOfCall(wake, clock.now())) emit(wake.aor, telling);
      betweenCalls.over();
    },
  });
  const betweenCalls = new BetweenCalls({ clock: wire, waiting: () => wakes.waiting, work: o.betweenCalls });
  const toWakes = (event: PbxEvent) => {
    wakes.onPbxEvent(event).catch((error: unknown) => {
      log.error({ event: event.type, reason: String(error) }, 'call event failed');
    });
  };
  const peers = store.peers?.();
  const startedAt = clock.now();
  const remote =
    peers &&
    new RemoteLinks({
      peers,
      own: links.own,
      realmOf: o.realmOf,
      clock: wire,
      facts: (lateMs) => ({
        host: o.node?.host ?? 'unnamed',
        version: o.node?.version ?? 'unknown',
        mode: mode(),
        startedAt,
        waiting: wakes.waiting,
        lateMs,
        ...(hooks.isDraining() && { leaving: 'draining' as const }),
      }),
      onOthers: (others) => links.addRemote(others),
      // Its own node has it in the record already; here a call may wait for it.
      onEvent: toWakes,
      onReachable: (aor, isReachable) => reachable.know(aor, isReachable),
    });
  const afterCalls = new AfterCalls(wire, (aor) => wakes.waitsFor(aor), hooks.onRegistration);
  const ticker = new Ticker({
    store,
    intake,
    clock,
    log,
    brake,
    linksOf: (aor) => links.owners(aor),
    downSince: (link) => links.downSince(link),
    get forgetAfterMs() {
      return hooks.settings().forgetAfterMs;
    },
    onRound: () => delivery.warm(),
    room: () => effects.room(),
  });
  const resync = new Resync({
    store,
    intake,
    clock,
    wire,
    log,
    tellReachable: (link, record) => reachable.tell(link, record),
    compareReachable: (record) => reachable.compare(record),
    owns: (link, aor) => links.owns(link, aor),
    waiting: () => wakes.waiting,
  });
  const emptiedStore = new EmptiedStore({
    store,
    clock: wire,
    log,
    writeBack: () => records.writeBack(),
    writeLatest: () => records.writeLatest(),
    resync: () => {
      for (const link of links.own) if (link.up) void resync.run(link, 'connect');
    },
  });
  const heapWatch = new HeapWatch({ clock: wire, log, use: o.heapUse });
  const status = new LiveStatus({
    get mode() {
      return mode();
    },
    clock,
    wire,
    started: hooks.started,
    store,
    bindings: records,
    brake,
    census,
    delivery,
    events,
    heapWatch,
    links,
    nodes: () => remote?.nodes() ?? [],
    notBound,
    texts,
    traces,
    wakes,
    policyFor,
  });
  return {
    afterCalls,
    appTests,
    betweenCalls,
    brake,
    census,
    effects,
    emptiedStore,
    events,
    heapWatch,
    intake,
    links,
    notBound,
    reachable,
    records,
    remote,
    reports,
    resync,
    status,
    store,
    texts,
    ticker,
    toWakes,
    traces,
    wakes,
  };
}
