/**
 * The heart between the adapters: events in, effects out. Starts, stops and changes the parts that `compose.ts` joins; knows
 * no SDK, no file, no port number. Order of closing: PBX links (no new events), calls, ticker and resync, effects under way,
 * the queue of records, webhooks, push services, store.
 */
import type { Aor } from '../core/aor.ts';
import type { EventSink } from '../ports/event-sink.ts';
import { isRegister, type PbxEvent, type PbxLink } from '../ports/pbx-link.ts';
import type { PushProvider } from '../ports/push-provider.ts';
import type { RunningStatus } from '../ports/status.ts';
import type { AppTests } from './app-test/app-tests.ts';
import type { Reports } from './bindings/app-reports.ts';
import type { TraceBook } from './calls/trace-book.ts';
import { composeParts, type Parts, type RuntimeOptions, type RuntimeSettings } from './compose.ts';
import { Drain } from './drain.ts';
import { Operator } from './operator.ts';
import { CustomPushes } from './push/custom-pushes.ts';

export type { RuntimeOptions, RuntimeSettings };

/** A checked change of the configuration, everything in it made already: nothing here can be refused any more. */
export interface RuntimeChange {
  readonly settings: RuntimeSettings;
  /** Every push provider from now on; those that stay are the same objects. Absent: none changes. */
  readonly providers?: readonly PushProvider[];
  /** The same for the receivers of webhooks. */
  readonly sinks?: readonly EventSink[];
  /** Names of links that go. */
  readonly linksGone: readonly string[];
  /** Links that come; one of the name of a gone one takes its calls over. */
  readonly linksNew: readonly PbxLink[];
}

export class Runtime {
  /** What people and monitoring are shown. */
  readonly status: RunningStatus;
  /** What an administrator does by hand. */
  readonly operator: Operator;
  /** What programs of the site send to devices. */
  readonly customPushes: CustomPushes;
  /** Apps that are measured. */
  readonly appTests: AppTests;
  /** What apps report over HTTP. */
  readonly reports: Reports;
  readonly traces: TraceBook;
  /** Lets this node go without a lost call. */
  readonly drain: Drain;
  readonly #o: RuntimeOptions;
  readonly #p: Parts;
  #settings: RuntimeSettings;
  #started = false;

  constructor(options: RuntimeOptions) {
    this.#o = options;
    this.#settings = {
      mode: options.mode,
      showCaller: options.showCaller ?? false,
      messages: options.messages ?? { wake: false, showText: false },
      forgetAfterMs: options.forgetAfterMs,
    };
    this.#p = composeParts(options, {
      settings: () => this.#settings,
      started: () => this.#started,
      isDraining: () => this.drain.isOn,
      onRegistration: (event) => {
        this.#record(event).catch((error: unknown) => {
          options.log.error({ event: event.type, reason: String(error) }, 'registration event failed');
        });
      },
    });
    const { clock, log, delivery } = options;
    this.status = this.#p.status;
    this.operator = new Operator({ ...this.#p, clock, log, delivery, linksOf: (aor) => this.#p.links.owners(aor) });
    const { intake, records } = this.#p;
    const read = (aor: Aor) => records.read(aor);
    const mode = () => this.#settings.mode;
    this.customPushes = new CustomPushes({
      clock: options.wire ?? clock,
      log,
      delivery,
      read,
      mode,
      settled: (aor, push, outcome) => intake.fromPushOutcome(aor, { ...push, of: 'custom' }, outcome),
    });
    const { links, wakes, ticker, remote } = this.#p;
    this.drain = new Drain({
      clock: options.wire ?? clock,
      log,
      links: () => links.own,
      waiting: () => wakes.waiting,
      finishDueWork: () => ticker.finish(),
      announce: () => remote?.changed(),
    });
    this.appTests = this.#p.appTests;
    this.reports = this.#p.reports;
    this.traces = this.#p.traces;
  }

  /** Resolves when calls can be woken, or would be if their PBX were up. Rejects when the store cannot be opened. */
  async start(): Promise<void> {
    const { store, remote, links, texts, ticker, resync, census, emptiedStore } = this.#p;
    await store.open();
    await remote?.start();
    await Promise.all(links.own.map((link) => this.#startLink(link)));
    texts.start();
    ticker.start();
    emptiedStore.start();
    this.#p.heapWatch.start();
    resync.start(links.own);
    if (this.#o.counts) census.start();
    this.#started = true;
  }

  async stop(): Promise<void> {
    const { remote, links, afterCalls, wakes, census, texts, ticker, resync, effects, records, events, store } =
      this.#p;
    this.#started = false;
    this.drain.stop();
    await this.#p.appTests.stopAll();
    this.#p.heapWatch.stop();
    this.#p.betweenCalls.stop();
    await this.#p.emptiedStore.stop();
    await remote?.stop();
    await Promise.all(links.own.map((link) => link.stop()));
    afterCalls.flush();
    wakes.stop();
    await census.stop();
    await ticker.stop();
    await resync.stop();
    await texts.stop();
    await effects.idle();
    await records.stop();
    await events.stop();
    await this.#o.delivery.close();
    await store.close();
  }

  /**
   * Takes a change over while calls wait. What stays is not touched; a link that is made anew finds its waiting calls again,
   * as after a lost connection.
   */
  async change(to: RuntimeChange): Promise<void> {
    const { reachable, events, links, texts, wakes, resync } = this.#p;
    const wakesUp = this.#settings.mode === 'observe' && to.settings.mode !== 'observe';
    this.#settings = to.settings;
    texts.changed();
    reachable.forgetAll();
    if (to.providers) this.#o.delivery.replace(to.providers);
    if (to.sinks) void events.replace(to.sinks);
    const gone = to.linksGone.flatMap((name) => links.get(name) ?? []);
    // One after the other: two links of one name would take each other's Stasis application and HEP port away.
    await Promise.all(gone.map((link) => link.stop()));
    links.replace(gone, to.linksNew, this.#o.clock.now());
    for (const link of to.linksNew) wakes.moveTo(link);
    if (gone.length > 0 || to.linksNew.length > 0) resync.start(links.own);
    await Promise.all(to.linksNew.map((link) => this.#startLink(link)));
    for (const link of links.own) link.modeChanged?.();
    for (const link of links.own) link.takesTexts?.(this.#takesTexts);
    // In `observe` a PBX is not informed which accounts can be reached: it is now.
    if (wakesUp) for (const link of links.own) if (link.up) void resync.run(link, 'connect');
  }

  /** Resolves when everything begun so far is done: records, effects, what their outcomes caused. */
  async idle(): Promise<void> {
    const { afterCalls, texts, ticker, resync, effects, records } = this.#p;
    afterCalls.flush();
    do {
      await ticker.idle();
      await resync.idle();
      await texts.idle();
      await effects.idle();
      await records.idle();
    } while (effects.busy || records.busy);
  }

  /** A voicemail system says what a mailbox holds. Never rejects. */
  async mailboxHolds(aor: Aor, newMessages: number, urgent: number): Promise<void> {
    const event = { type: 'voicemailChanged' as const, pbx: '', aor, newMessages, urgent, why: 'changed' as const };
    await this.#p.intake.fromMailbox(event, this.#settings.showCaller);
  }

  get #takesTexts(): boolean {
    return this.#settings.mode === 'full' && this.#settings.messages.wake;
  }

  #startLink(link: PbxLink): Promise<void> {
    return link.start((event) => this.#onPbxEvent(event));
  }

  #onPbxEvent(event: PbxEvent): void {
    // Calls first: they never wait for a record to be written.
    this.#p.toWakes(event);
    this.#p.appTests.heard(event);
    if (event.type === 'textArrived') return this.#p.texts.arrived(event);
    this.#p.remote?.onOwnEvent(event);
    this.#p.afterCalls.take(event);
  }

  async #record(event: PbxEvent): Promise<void> {
    const { links, reachable, resync, reports, intake, notBound } = this.#p;
    switch (event.type) {
      case 'linkUp': {
        links.wentUp(event.pbx);
        reachable.forgetAll();
        const link = links.get(event.pbx);
        link?.takesTexts?.(this.#takesTexts);
        if (link) await resync.run(link, 'connect');
        return;
      }
      case 'linkDown':
        return links.wentDown(event.pbx, this.#o.clock.now(), event.reason);
      case 'contactSeen': {
        const { contact, how, at, wire } = event;
        if (isRegister(how)) this.#p.texts.registered(contact);
        if (isRegister(how)) void reports.registered(contact.aor, wire?.contact ?? contact.uri, at);
        return intake.fromPbx(event);
      }
      case 'contactRemoved':
      case 'unregistered':
        return intake.fromPbx(event);
      case 'voicemailChanged':
        return intake.fromMailbox(event, this.#settings.showCaller);
      case 'notBound':
        return notBound.elsewhere(event);
      default:
        return;
    }
  }
}
