/**
 * FreeSWITCH by its event socket. Main-thread side: joins the worker that speaks with it, what it holds of registrations
 * (`registrations/link.ts`) and the calls that wait (`calls/calls.ts`), and hands each fact to the one it concerns.
 */
import type { Aor } from '../../../plugin/core/aor.ts';
import type { ClosingWord, WakeStatus } from '../../../plugin/core/wake.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import {
  type AskAnswer,
  type DeviceLeg,
  type HeldContact,
  type LegOutcome,
  LinkError,
  type NamedText,
  type PbxEvent,
  type PbxLink,
  type RingTarget,
  type TestCall,
  type TestCallEnd,
  type TextOutcome,
} from '../../../plugin/ports/pbx-link.ts';
import { SupervisedWorker } from '../supervised-worker.ts';
import { Calls } from './calls/calls.ts';
import { ContactDial } from './calls/contact-dial.ts';
import { TestCalls } from './calls/test-calls.ts';
import { CALL_DEADLINE, CALM_DEADLINE, LIST_DEADLINE } from './deadlines.ts';
import type { FsFact } from './facts.ts';
import { Instants } from './instants.ts';
import { LEASE_NEWS } from './lease.ts';
import type { Ask, LinkData } from './link.ts';
import { Mailboxes } from './mailboxes.ts';
import type { FreeswitchOptions } from './options.ts';
import { Contacts } from './registrations/link.ts';
import { Texts } from './texts.ts';
import { type EventHeaders, translate } from './translate.ts';

export { check } from './check.ts';
export { optionsSchema } from './options.ts';

export function create(options: FreeswitchOptions, deps: AdapterDeps): PbxLink {
  return new FreeswitchLink(options, deps);
}

class FreeswitchLink implements PbxLink {
  readonly name: string;
  readonly #o: FreeswitchOptions;
  readonly #deps: AdapterDeps;
  #drained = false;
  #duty: 'works' | 'spare' | undefined;
  readonly #worker: SupervisedWorker;
  readonly #contacts: Contacts;
  readonly #dial: ContactDial;
  readonly #calls: Calls;
  readonly #testCalls: TestCalls;
  #product = 'FreeSWITCH';
  readonly #texts: Texts;
  readonly #mailboxes: Mailboxes;
  #emit: (event: PbxEvent) => void = () => undefined;
  #stopped = false;
  #wasUp = false;
  #textsWanted = false;
  #textsToldOnce = false;

  constructor(options: FreeswitchOptions, deps: AdapterDeps) {
    const { clock, log } = deps;
    const pbx = deps.name;
    this.name = pbx;
    this.#o = options;
    this.#deps = deps;
    const script = new URL(import.meta.url.endsWith('.ts') ? './link.ts' : './link.js', import.meta.url);
    const { host, port, password, node, profiles } = options;
    const wasUp = () => this.#wasUp;
    this.#worker = new SupervisedWorker({
      name: pbx,
      script,
      workerData: {
        address: { host, port, password },
        node,
        profiles,
        // Read anew for each worker.
        get observing() {
          return deps.observing === true;
        },
        get wasUp() {
          return wasUp();
        },
      } satisfies LinkData,
      log,
      onUp: ({ version }) => {
        this.#wasUp = true;
        // `1.11.1-dev+git~…` holds what nobody needs to read.
        const release = /^[0-9.]+/.exec(String(version))?.[0];
        this.#product = release === undefined ? 'FreeSWITCH' : `FreeSWITCH ${release}`;
        void this.#linkUp();
      },
      onDown: (reason) => this.#say({ type: 'linkDown', pbx, reason }),
      onEvent: (event) => this.#event(event as EventHeaders),
    });
    const ask: Ask = (operation, args, deadlineMs) => this.#worker.call(operation, args, deadlineMs);
    const say = (event: PbxEvent) => this.#say(event);
    const observing = () => this.#observing;
    this.#contacts = new Contacts({ pbx, options, observing, clock, log, ask, say });
    this.#dial = new ContactDial({ pbx, options, contacts: this.#contacts, ask, log });
    this.#texts = new Texts({ pbx, clock, ask, say, dialOf: (contact) => this.#dial.of(contact) });
    this.#mailboxes = new Mailboxes({ pbx, realm: options.realm, clock, say });
    this.#testCalls = new TestCalls(node, ask);
    const time = new Instants(clock);
    this.#calls = new Calls({ pbx, node, observing, clock, time, log, dial: this.#dial, ask, say });
  }

  placeCall(call: TestCall): Promise<string> {
    return this.#testCalls.place(call);
  }

  endCall(id: string, how: TestCallEnd): Promise<void> {
    return this.#testCalls.end(id, how);
  }

  get product(): string {
    return this.#product;
  }

  get ringsVia(): ReadonlySet<string> {
    return new Set(Object.keys(this.#o.via));
  }

  /** Of several nodes the one works that holds the lease. */
  get duty(): 'works' | 'spare' | undefined {
    return this.#duty;
  }

  get #observing(): boolean {
    return this.#deps.observing === true;
  }

  modeChanged(): void {
    // A link that is down tells it when it is up.
    void this.#tellMode().catch(() => undefined);
  }

  #tellMode(): Promise<void> {
    return this.#worker.call('observe', { on: this.#observing }, CALM_DEADLINE);
  }

  drain(): Promise<void> {
    this.#drained = true;
    return this.#tellDrained();
  }

  async #tellDrained(): Promise<void> {
    try {
      await this.#worker.call('drain', {}, CALM_DEADLINE);
    } catch (error) {
      this.#deps.log.warn({ pbx: this.name, reason: String(error) }, 'new calls do not go to the other node');
    }
  }

  get up(): boolean {
    return this.#worker.up;
  }

  async start(emit: (event: PbxEvent) => void): Promise<void> {
    this.#emit = emit;
    await this.#worker.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    // Calls that come from now on take the plain path without waiting for the guard.
    if (this.up) await this.#worker.call('leave', {}, CALL_DEADLINE).catch(() => undefined);
    await this.#worker.stop();
    this.#calls.clear();
  }

  #say(event: PbxEvent): void {
    if (!this.#stopped) this.#emit(event);
  }

  // ── Facts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #linkUp(): Promise<void> {
    this.#say({ type: 'linkUp', pbx: this.name });
    try {
      // It may have changed since the worker was started.
      await this.#tellMode();
      if (this.#drained) await this.#tellDrained();
      // Calls first: they wait; the resync can.
      if (!this.#observing) await this.#calls.takeUp(this.#duty === 'works');
      await this.#testCalls.endLeftOvers();
    } catch (error) {
      this.#notTakenUp(error);
    }
    await this.#dial.askAddresses();
    await this.#takeTexts();
  }

  #event(event: EventHeaders): void {
    if (event['Event-Name'] === LEASE_NEWS) this.#dutyIs(event.held === 'yes' ? 'works' : 'spare');
    else this.#fact(translate(event));
  }

  #dutyIs(duty: 'works' | 'spare'): void {
    const takesOver = this.#duty === 'spare' && duty === 'works';
    this.#duty = duty;
    // The node that works takes the calls that wait here, and this one waits until they are gone.
    if (this.#drained && duty === 'spare') void this.#calls.leaveTaken().catch(() => undefined);
    // A link that comes up looks for calls by itself.
    if (takesOver && this.up && !this.#observing)
      void this.#calls.takeOver().catch((error: unknown) => this.#notTakenUp(error));
  }

  #notTakenUp(error: unknown): void {
    this.#deps.log.warn({ pbx: this.name, reason: String(error) }, 'could not look for calls that wait');
  }

  #fact(fact: FsFact | undefined): void {
    if (!fact || this.#stopped) return;
    switch (fact.fact) {
      case 'registered':
        return this.#contacts.registered(fact);
      case 'unregistered':
        return void this.#contacts.unregistered(fact);
      case 'expired':
        return this.#contacts.expired(fact);
      case 'refused':
        return this.#contacts.refused(fact, (aor) => this.#calls.waitsFor(aor));
      case 'text':
        return this.#texts.arrived(fact.id, fact.value);
      case 'textReport':
        return this.#texts.reported(fact.mark, fact.status);
      case 'messageLeft':
        return this.#mailboxes.messageLeft(fact);
      case 'mailbox':
        return this.#mailboxes.holds(fact);
      default:
        return this.#calls.fact(fact);
    }
  }

  // ── Orders ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  compose(legId: string, callId: string, ring: readonly RingTarget[]): Promise<LegOutcome> {
    return this.#calls.compose(legId, callId, ring);
  }

  ring(leg: DeviceLeg, contact?: HeldContact): Promise<LegOutcome> {
    return this.#calls.ring(leg, contact);
  }

  giveUp(legId: string, cause: number): Promise<LegOutcome> {
    return this.#calls.giveUp(legId, cause);
  }

  tellStatus(legId: string, status: WakeStatus): Promise<void> {
    return this.#calls.tellStatus(legId, status);
  }

  showEnded(contact: HeldContact, callId: string, word: ClosingWord): Promise<void> {
    return this.#calls.showEnded(contact, callId, word);
  }

  ask(aor: Aor): Promise<AskAnswer> {
    return this.#contacts.ask(aor);
  }

  list(): AsyncIterable<HeldContact> {
    return this.#contacts.list();
  }

  removeContact(contact: Pick<HeldContact, 'aor' | 'uri'>): Promise<'gone'> {
    return this.#contacts.remove(contact);
  }

  watch(): void {
    // Every REGISTER is told.
  }

  takesTexts(on: boolean): void {
    this.#textsWanted = on;
    void this.#takeTexts();
  }

  /** A link that is down does it when it is up. */
  async #takeTexts(): Promise<void> {
    if (!this.up) return;
    try {
      if (!this.#textsWanted && !this.#textsToldOnce) return;
      this.#textsToldOnce = true;
      await this.#worker.call('texts', { on: this.#textsWanted }, CALM_DEADLINE);
      if (this.#textsWanted) await this.#texts.takeUp();
    } catch (error) {
      this.#deps.log.warn({ pbx: this.name, reason: String(error) }, 'texts are not taken');
    }
  }

  answerText(id: string, answer: 'kept' | 'plain'): Promise<void> {
    return this.#texts.answer(id, answer);
  }

  sendText(contact: HeldContact, text: NamedText): Promise<TextOutcome> {
    return this.#texts.send(contact, text);
  }

  async setReachable(aor: Aor, reachable: boolean): Promise<void> {
    if (!this.up) throw new LinkError(`link ${this.name} is down`);
    await this.#worker.call('mark', { aor, on: reachable }, LIST_DEADLINE);
  }
}
