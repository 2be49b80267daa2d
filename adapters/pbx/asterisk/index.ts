/**
 * Asterisk by ARI, with HEP beside it where the administrator turned it on. Gives what it hears to
 * `calls.ts` and `registrations.ts`, each with its part of the port.
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
import { Calls } from './calls.ts';
import { CALM_DEADLINE } from './deadlines.ts';
import { DialInTransport, usableTls } from './dial-in/transport.ts';
import { DialOutTransport } from './dial-out/transport.ts';
import { Claims, SilentNodes } from './nodes.ts';
import { type AsteriskOptions, FIRST_APP, type ReachedOptions } from './options.ts';
import { aorIdOf, Registrations } from './registrations.ts';
import { Texts } from './texts.ts';
import { type AriFact, translate } from './translate.ts';
import type { Transport, TransportEvents } from './transport.ts';

export { check } from './check.ts';
export { optionsSchema } from './options.ts';

export function create(options: AsteriskOptions, deps: AdapterDeps): PbxLink {
  if (options.dialsIn) usableTls(options.dialsIn, `pbx.${deps.name}.dialsIn.tls`);
  return new AsteriskLink(options, deps);
}

function transportOf(options: AsteriskOptions, deps: AdapterDeps, on: TransportEvents): Transport {
  const { username, password, app, dialsIn } = options;
  if (dialsIn) return new DialInTransport({ deps, app, username, password, dialsIn, ...on });
  // The schema demands one of the two.
  const { url } = options as ReachedOptions;
  return new DialOutTransport({ deps, app, login: { url, username, password }, ...on });
}

class AsteriskLink implements PbxLink {
  readonly name: string;
  readonly #o: AsteriskOptions;
  readonly #deps: AdapterDeps;
  readonly #transport: Transport;
  readonly #registrations: Registrations;
  readonly #calls: Calls;
  readonly #texts: Texts;
  readonly #claims: Claims;
  readonly #silentNodes: SilentNodes;
  #emit: (event: PbxEvent) => void = () => undefined;
  #stopped = false;
  #drained = false;
  /** The dialplan asks this node as one of several. */
  #shares = false;
  #product = 'Asterisk';

  constructor(options: AsteriskOptions, deps: AdapterDeps) {
    this.name = deps.name;
    this.#o = options;
    this.#deps = deps;
    this.#transport = transportOf(options, deps, {
      onUp: ({ version }) => {
        // What a distribution adds (`+dfsg+~cs6…`) says nothing of how it behaves.
        const release = /^[0-9.]+/.exec(String(version))?.[0];
        this.#product = release === undefined ? 'Asterisk' : `Asterisk ${release}`;
        void this.#linkUp();
      },
      onDown: (reason) => {
        this.#shares = false;
        this.#say({ type: 'linkDown', pbx: this.name, reason });
      },
      onEvent: (event) => this.#event(translate(event)),
    });
    const io = {
      pbx: deps.name,
      deps,
      call: <T>(operation: string, args: object, deadlineMs: number) =>
        this.#transport.call<T>(operation, args, deadlineMs),
      say: (event: PbxEvent) => this.#say(event),
    };
    const isPathless = (aor: Aor) => this.#registrations.isPathless(aor);
    this.#calls = new Calls({ ...io, options, isPathless });
    this.#silentNodes = new SilentNodes(options.app);
    this.#claims = new Claims({ ...io, isDrained: () => this.#drained });
    this.#texts = new Texts({ ...io, realm: options.realm, proofs: () => this.#registrations.textProofs });
    this.#registrations = new Registrations({ ...io, realm: options.realm, hep: options.hep });
  }

  get ringsVia(): ReadonlySet<string> {
    return new Set(Object.keys(this.#o.via));
  }

  get up(): boolean {
    return this.#transport.up;
  }

  /** A dialplan that does not ask all nodes at once asks `pushwake` first. */
  get duty(): 'works' | 'spare' | 'shares' {
    if (this.#shares) return 'shares';
    return this.#o.app === FIRST_APP ? 'works' : 'spare';
  }

  sensors() {
    return this.#registrations.sensors();
  }

  async start(emit: (event: PbxEvent) => void): Promise<void> {
    this.#emit = emit;
    await this.#registrations.start();
    await this.#transport.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#registrations.stopLooking();
    this.#calls.stop();
    this.#claims.stop();
    await this.#registrations.stop();
    await this.#transport.stop();
  }

  #say(event: PbxEvent): void {
    if (!this.#stopped) this.#emit(event);
  }

  // ── The link ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #linkUp(): Promise<void> {
    this.#registrations.forget();
    this.#say({ type: 'linkUp', pbx: this.name });
    // Also what a process before this one has left there.
    void this.#sayDrained();
    void this.#announceNodes();
    try {
      // Calls go first, because callers wait for them; the resync can wait.
      await this.#calls.takeUp();
    } catch (error) {
      this.#deps.log.warn({ pbx: this.name, reason: String(error) }, 'could not look for calls that wait');
    }
  }

  #event(fact: AriFact | undefined): void {
    if (!fact || this.#stopped) return;
    switch (fact.fact) {
      case 'contactNew':
      case 'contactHeld':
        return this.#registrations.shown(fact);
      case 'contactComing':
        return this.#registrations.coming(fact);
      case 'contactRemoved':
        return this.#registrations.removed(fact);
      case 'offered':
        return this.#claims.offered(fact.channelId);
      case 'claimed':
        return this.#claims.won(fact.channelId);
      case 'nodeAlive':
        return this.#silentNodes.alive(fact.node);
      case 'legTaken':
        return this.#calls.takenOver(fact.channelId);
      case 'nodesLooked':
        this.#shares = true;
        for (const node of this.#silentNodes.looked(fact.others)) void this.#takeOver(node);
        return;
      case 'text':
        return void this.#texts.arrived(fact.channelId, fact.key, fact.value).catch((error: unknown) => {
          this.#deps.log.warn({ pbx: this.name, reason: String(error) }, 'text left to the dialplan');
        });
      default:
        return this.#calls.seen(fact, false);
    }
  }

  drain(): Promise<void> {
    this.#drained = true;
    return this.#sayDrained();
  }

  /** What waits on a node that is gone goes on with us. */
  async #takeOver(node: string): Promise<void> {
    try {
      await this.#calls.takeOver(node);
    } catch (error) {
      this.#deps.log.warn({ pbx: this.name, node, reason: String(error) }, 'could not take over what waits on a node');
    }
  }

  modeChanged(): void {
    if (this.up) void this.#announceNodes();
  }

  /** A node that observes changes nothing there. */
  async #announceNodes(): Promise<void> {
    try {
      if (this.#deps.observing) this.#shares = false;
      await this.#transport.call(this.#deps.observing ? 'announceNodesNoMore' : 'announceNodes', {}, CALM_DEADLINE);
    } catch (error) {
      this.#deps.log.warn({ pbx: this.name, reason: String(error) }, 'dialplan does not know that this node is there');
    }
  }

  async #sayDrained(): Promise<void> {
    // A node that observes changes nothing there, but what it has left itself when it was drained.
    const { observing } = this.#deps;
    if (observing && this.#drained) return;
    try {
      await this.#transport.call('setDrained', { on: this.#drained, onlyIfSet: observing === true }, CALM_DEADLINE);
    } catch (error) {
      this.#deps.log.warn(
        { pbx: this.name, reason: String(error) },
        'dialplan does not know whether this node is drained',
      );
    }
  }

  // ── Registrations ──────────────────────────────────────────────────────────────────────────────────────────────────

  ask(aor: Aor): Promise<AskAnswer> {
    return this.#registrations.ask(aor);
  }

  list(): AsyncIterable<HeldContact> {
    return this.#registrations.list();
  }

  removeContact(contact: Pick<HeldContact, 'aor' | 'uri'>): Promise<'gone'> {
    return this.#registrations.remove(contact);
  }

  watch(aor: Aor, on: boolean): void {
    this.#registrations.watch(aor, on);
  }

  // ── Calls ──────────────────────────────────────────────────────────────────────────────────────────────────────────

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

  placeCall(call: TestCall): Promise<string> {
    return this.#calls.placeCall(call);
  }

  endCall(id: string, how: TestCallEnd): Promise<void> {
    return this.#calls.endCall(id, how);
  }

  get product(): string {
    return this.#product;
  }

  // ── Texts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  answerText(id: string, answer: 'kept' | 'plain'): Promise<void> {
    return this.#texts.answer(id, answer);
  }

  sendText(contact: HeldContact, text: NamedText): Promise<TextOutcome> {
    return this.#texts.send(contact, text);
  }

  async setReachable(aor: Aor, reachable: boolean): Promise<void> {
    const name = `Stasis:pushwake-${aorIdOf(aor, this.#o.realm)}`;
    if (!this.up) throw new LinkError(`link ${this.name} is down`);
    await this.#transport.call('deviceState', { name, state: reachable ? 'NOT_INUSE' : 'UNAVAILABLE' }, CALM_DEADLINE);
  }
}
