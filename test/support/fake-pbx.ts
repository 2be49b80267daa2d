/** A PBX in memory behind the port: holds contacts, answers asks, tells events. A neighbour that can be scripted, no mock. */
import { type Aor, aorOf } from '../../plugin/core/aor.ts';
import { DAY, type Instant, plus } from '../../plugin/core/time.ts';
import type { Clock } from '../../plugin/ports/clock.ts';
import {
  type AskAnswer,
  type HeldContact,
  LinkError,
  type NamedText,
  type PbxEvent,
  type PbxLink,
  type RingTarget,
  type TextOutcome,
} from '../../plugin/ports/pbx-link.ts';

export interface FakePbxOptions {
  readonly clock: Clock;
  readonly name?: string;
  readonly realm?: string;
  /** Called whenever the contacts change: a crash test keeps them on disk, because the PBX does not crash with us. */
  readonly onChange?: (contacts: readonly HeldContact[]) => void;
  /** The most it grants; no REGISTER here may ask for more. Default 30 days. */
  readonly maximumExpiresMs?: number;
  /** Other PBXs whose phones it can ring. */
  readonly ringsVia?: readonly string[];
  /** Real time an answer takes. */
  readonly latencyMs?: number;
}

export class FakePbx implements PbxLink {
  readonly name: string;
  readonly realm: string;
  readonly #o: FakePbxOptions;
  #contacts: HeldContact[] = [];
  #emit: ((event: PbxEvent) => void) | undefined;
  readonly ringsVia: ReadonlySet<string>;
  up = false;
  /** AORs that somebody looks at closely. */
  readonly watched = new Set<Aor>();
  /** AORs the PBX says it does not know. */
  readonly unknownAors = new Set<Aor>();
  /** Everything it was asked to do, in order. */
  readonly orders: { order: string; [what: string]: unknown }[] = [];
  asks = 0;
  /** What becomes of a text that it sends to a phone. */
  phoneAnswers: (contact: HeldContact, text: NamedText) => Promise<TextOutcome> = async () => 'taken';
  onTextAnswered: (id: string, answer: 'kept' | 'plain') => void = () => undefined;

  constructor(options: FakePbxOptions) {
    this.#o = options;
    this.name = options.name ?? 'office';
    this.realm = options.realm ?? 'example.com';
    this.ringsVia = new Set(options.ringsVia);
  }

  async start(emit: (event: PbxEvent) => void): Promise<void> {
    this.#emit = emit;
    this.connect();
  }

  async stop(): Promise<void> {
    this.#emit = undefined;
    this.up = false;
  }

  connect(): void {
    if (this.up) return;
    this.up = true;
    this.#emit?.({ type: 'linkUp', pbx: this.name });
  }

  disconnect(reason = 'cut'): void {
    if (!this.up) return;
    this.up = false;
    this.#emit?.({ type: 'linkDown', pbx: this.name, reason });
  }

  get contacts(): readonly HeldContact[] {
    return this.#contacts;
  }

  /** What it held before, without telling anybody. */
  restore(contacts: readonly HeldContact[]): void {
    this.#contacts = [...contacts];
  }

  /** A phone registers. Tells it if it is a new contact, as Asterisk does, or always with `told`. */
  register(id: string, uri: string, o: { grantedMs?: number; told?: boolean; instanceId?: string } = {}): HeldContact {
    const now = this.#o.clock.now();
    const grantedMs = o.grantedMs ?? 3_600_000;
    const aor = aorOf(id, this.realm) as Aor;
    const known = this.#contacts.some((c) => c.aor === aor && c.uri === uri);
    const contact: HeldContact = { pbx: this.name, aor, uri, expiresAt: plus(now, grantedMs) };
    this.#set([...this.#contacts.filter((c) => c.aor !== aor || c.uri !== uri), contact]);
    if (this.up && (o.told ?? !known)) {
      const seen = o.instanceId === undefined ? contact : { ...contact, instanceId: o.instanceId };
      this.#emit?.({ type: 'contactSeen', contact: seen, how: 'event', at: now, grantedMs });
    }
    return contact;
  }

  /** Log-out, expiry or a closed socket: nobody can tell. */
  remove(aor: Aor, uri: string, at: Instant = this.#o.clock.now()): void {
    if (!this.#contacts.some((c) => c.aor === aor && c.uri === uri)) return;
    this.#set(this.#contacts.filter((c) => c.aor !== aor || c.uri !== uri));
    if (this.up) this.#emit?.({ type: 'contactRemoved', pbx: this.name, aor, uri, at });
  }

  /** Drops what has expired, as Asterisk's sweep does. */
  sweep(): void {
    const now = this.#o.clock.now();
    for (const c of this.#contacts.filter((x) => (x.expiresAt ?? now) < now)) this.remove(c.aor, c.uri, now);
  }

  emit(event: PbxEvent): void {
    this.#emit?.(event);
  }

  async ask(aor: Aor): Promise<AskAnswer> {
    await this.#latency();
    if (!this.up) throw new LinkError('down');
    this.asks++;
    if (this.unknownAors.has(aor)) return { aorExists: false, contacts: [] };
    const now = this.#o.clock.now();
    const contacts = this.#contacts.filter((c) => c.aor === aor && (c.expiresAt ?? now) >= now);
    return { aorExists: true, contacts, maximumExpiresMs: this.#o.maximumExpiresMs ?? 30 * DAY };
  }

  async *list(): AsyncIterable<HeldContact> {
    if (!this.up) throw new LinkError('down');
    yield* this.#contacts;
  }

  async compose(legId: string, callId: string, ring: readonly RingTarget[]): Promise<'done'> {
    this.orders.push({ order: 'compose', legId, callId, ring });
    return 'done';
  }

  async ring(leg: { legId: string }, contact?: HeldContact): Promise<'done'> {
    this.orders.push({ order: 'ring', legId: leg.legId, uri: contact?.uri });
    return 'done';
  }

  async giveUp(legId: string, cause: number): Promise<'done'> {
    this.orders.push({ order: 'giveUp', legId, cause });
    return 'done';
  }

  async removeContact(contact: Pick<HeldContact, 'aor' | 'uri'>): Promise<'gone'> {
    await this.#latency();
    if (!this.up) throw new LinkError('down');
    this.orders.push({ order: 'removeContact', aor: contact.aor, uri: contact.uri });
    this.remove(contact.aor, contact.uri);
    return 'gone';
  }

  /** Every REGISTER is told here already. */
  watch(aor: Aor, on: boolean): void {
    if (on) this.watched.add(aor);
    else this.watched.delete(aor);
  }

  async answerText(id: string, answer: 'kept' | 'plain'): Promise<void> {
    this.orders.push({ order: 'answerText', id, answer });
    await this.#latency();
    this.onTextAnswered(id, answer);
  }

  async sendText(contact: HeldContact, text: NamedText): Promise<TextOutcome> {
    const outcome = await this.phoneAnswers(contact, text);
    this.orders.push({ order: 'sendText', uri: contact.uri, body: text.body, from: text.from, outcome });
    return outcome;
  }

  async setReachable(aor: Aor, reachable: boolean): Promise<void> {
    this.orders.push({ order: 'setReachable', aor, reachable });
  }

  #set(contacts: HeldContact[]): void {
    this.#contacts = contacts;
    this.#o.onChange?.(contacts);
  }

  #latency(): Promise<void> {
    const { latencyMs = 0 } = this.#o;
    return latencyMs > 0 ? new Promise((done) => setTimeout(done, latencyMs)) : Promise.resolve();
  }
}
