/**
 * Reads Asterisk's registrations from its events, its answers, and each REGISTER on the wire where HEP shows it. Makes the
 * port's facts of them; of calls it knows only for which accounts one waits.
 */
import { type Aor, aorOf, aorUser } from '../../../plugin/core/aor.ts';
import { LONGEST_USER_AGENT, shortened } from '../../../plugin/core/detached.ts';
import { type Instant, SECOND } from '../../../plugin/core/time.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';
import type { AskAnswer, HeldContact, PbxEvent } from '../../../plugin/ports/pbx-link.ts';
import { CALL_DEADLINE, CALM_DEADLINE } from './deadlines.ts';
import { contactObjectId } from './dial.ts';
import { Hearing } from './hearing.ts';
import { HepSensor } from './hep.ts';
import { isRefusal, type WireRefusal, type WireRegister } from './hep-register.ts';
import type { TextProofs } from './hep-texts.ts';
import type { AsteriskOptions } from './options.ts';
import { type Removal, Removals } from './removals.ts';
import type { AriFact } from './translate.ts';
import { ContactWatch } from './watch.ts';
import { ShownContacts, WireFacts } from './wire-facts.ts';

/** Accounts that are remembered to have no contact with a Path. */
const PATHLESS_AT_MOST = 10_000;

/** Reads in flight during a resync: 4,500 contacts a second at this figure, without hurting calls. */
const RESYNC_AT_ONCE = 8;

/** res_pjsip's own words for a contact. */
type ContactFields = Readonly<Record<string, string>>;

interface AorAnswer {
  readonly exists: boolean;
  readonly contacts: readonly ContactFields[];
  readonly maximumExpiration: number;
  /** As Asterisk writes a yes or no; absent where it does not say. */
  readonly supportPath?: string;
}

export interface RegistrationsOptions {
  readonly pbx: string;
  readonly realm: string;
  readonly hep: AsteriskOptions['hep'];
  readonly deps: AdapterDeps;
  /** Carries out a named operation of `session.ts`. Rejects with `LinkError`. */
  readonly call: <T>(operation: string, args: object, deadlineMs: number) => Promise<T>;
  readonly say: (event: PbxEvent) => void;
}

export class Registrations {
  readonly #o: RegistrationsOptions;
  readonly #clock: Clock;
  readonly #hep: HepSensor | undefined;
  readonly #watch: ContactWatch;
  readonly #hearing: Hearing;
  readonly #removals: Removals;
  readonly #shown: ShownContacts;
  readonly #wire: WireFacts;
  /** Accounts that a call waits for, and how many calls. */
  readonly #waiting = new Map<Aor, number>();
  /** Accounts whose Asterisk stores no Path, by its last answer: the address of a contact is all that dialling needs. */
  readonly #pathless = new Set<Aor>();
  #stopped = false;

  constructor(options: RegistrationsOptions) {
    const { deps, hep, pbx } = options;
    const { clock } = deps;
    this.#o = options;
    this.#clock = clock;
    this.#hep = hep && new HepSensor(hep, deps, (read) => this.#onWire(read));
    this.#removals = new Removals(clock, (removal) => this.#removed(removal));
    this.#shown = new ShownContacts(clock);
    this.#wire = new WireFacts({
      pbx,
      clock,
      shown: this.#shown,
      removals: this.#removals,
      isWaiting: (aor) => this.#waiting.has(aor),
      contacts: (user) => this.#contacts(user, CALL_DEADLINE),
      contact: (user, uri) => this.#contact(user, uri),
      say: (event) => options.say(event),
    });
    this.#hearing = new Hearing(clock, () => void this.#hearsNothing());
    this.#watch = new ContactWatch(clock, {
      read: (aor) => this.#contacts(aorIdOf(aor, options.realm), CALL_DEADLINE),
      seen: (contact, since, isNew) => {
        if (isNew) this.#hearing.found();
        this.#seen(contact, 'watch', since);
      },
    });
  }

  sensors() {
    return this.#hep ? { hep: { listening: this.#hep.address ? 1 : 0, ...this.#hep.counters } } : {};
  }

  async start(): Promise<void> {
    await this.#hep?.start();
  }

  /** Ends all timers; no datagram becomes a fact afterwards. */
  stopLooking(): void {
    this.#stopped = true;
    this.#watch.stop();
    this.#hearing.stop();
    this.#removals.stop();
  }

  async stop(): Promise<void> {
    await this.#hep?.stop();
  }

  /** Forgets what the PBX has shown: the link was away, and contacts may have changed meanwhile. */
  forget(): void {
    this.#shown.clear();
    this.#pathless.clear();
    this.#hearing.begin();
  }

  async #hearsNothing(): Promise<void> {
    const { deps, pbx, call } = this.#o;
    const hint =
      'this Asterisk is newer than those that pushwake was tried on: tell us its version. From now on it answers 202 to a SIP MESSAGE that nobody takes';
    deps.log.warn({ pbx, hint }, 'Asterisk does not say which contacts are new, it is asked in another way');
    await call('hearAndTakeTexts', {}, CALM_DEADLINE).catch(() => undefined);
  }

  #aor(aorId: string): Aor | undefined {
    return aorOf(aorId, this.#o.realm);
  }

  #at(epochMs: number): Instant {
    return Number.isFinite(epochMs) ? this.#clock.fromPbx(epochMs) : this.#clock.now();
  }

  /** A contact is gone, by ARI's word. With HEP the REGISTER that says why comes beside it, and goes first. */
  removed(fact: Extract<AriFact, { fact: 'contactRemoved' }>): void {
    const aor = this.#aor(fact.aorId);
    if (!aor) return;
    this.#shown.remove(aor, fact.uri);
    const removal = { aor, uri: fact.uri, at: this.#at(fact.atEpochMs) };
    if (this.#hep) this.#removals.hold(removal);
    else this.#removed(removal);
  }

  /** A new contact came with what the PBX stored of it: its expiry now is what was granted. */
  shown(fact: Extract<AriFact, { fact: 'contactNew' | 'contactHeld' }>): void {
    const aor = this.#aor(fact.aorId);
    if (!aor) return;
    this.#removals.forget(aor, fact.uri);
    if (fact.fact === 'contactNew') this.#hearing.told();
    const at = this.#at(fact.atEpochMs);
    // Could not be read: the event alone is enough to bind; what was granted stays unknown.
    const contact = this.#held(aor, { ...fact.stored, uri: fact.uri });
    if (fact.stored) this.#shown.add(contact);
    this.#seen(contact, fact.fact === 'contactNew' ? 'event' : 'ask', at);
  }

  /** A phone that a call waits for has come; `shown` follows. */
  coming(fact: Extract<AriFact, { fact: 'contactComing' }>): void {
    const aor = this.#aor(fact.aorId);
    if (!aor || !this.#pathless.has(aor)) return;
    const { pbx } = this.#o;
    this.#o.say({ type: 'contactComing', pbx, contact: { pbx, aor, uri: fact.uri }, at: this.#at(fact.atEpochMs) });
  }

  /** Whether the address of a contact is all that dialling it needs. */
  isPathless(aor: Aor): boolean {
    return this.#pathless.has(aor);
  }

  #seen(contact: HeldContact, how: 'event' | 'ask' | 'watch', at: Instant): void {
    // Asterisk counts from the beginning of the second: rounded up, or the contact would later prove a second too much.
    const grantedMs =
      how !== 'ask' && contact.expiresAt !== undefined
        ? Math.ceil((contact.expiresAt - at) / SECOND) * SECOND
        : undefined;
    this.#o.say({
      type: 'contactSeen',
      contact,
      how,
      at,
      ...(grantedMs !== undefined && grantedMs > 0 ? { grantedMs } : {}),
    });
  }

  #onWire(read: WireRegister | WireRefusal): void {
    const aor = this.#aor(read.aorUser);
    if (!aor || this.#stopped) return;
    if (!isRefusal(read)) return void this.#wire.take(aor, read);
    // Anybody can be refused, as often as they like: only a call that waits wants to know.
    if (!this.#waiting.has(aor)) return;
    const { at, refused: status, wireUri: uri, instanceId } = read;
    const { pbx } = this.#o;
    this.#o.say({
      type: 'registerRefused',
      pbx,
      aor,
      status,
      at,
      uri,
      ...(instanceId === undefined ? {} : { instanceId }),
    });
  }

  #removed({ aor, uri, at }: Removal): void {
    this.#o.say({ type: 'contactRemoved', pbx: this.#o.pbx, aor, uri, at });
  }

  /** What phones answer to texts; undefined where HEP is not on, or cannot listen. */
  get textProofs(): TextProofs | undefined {
    return this.#hep?.address && this.#hep.texts;
  }

  async ask(aor: Aor): Promise<AskAnswer> {
    const aorId = aorIdOf(aor, this.#o.realm);
    const answer = await this.#o.call<AorAnswer>('readAor', { id: aorId }, CALL_DEADLINE);
    const contacts = answer.contacts.map((c) => this.#held(aor, c));
    for (const contact of contacts) this.#shown.add(contact);
    this.#pathless.delete(aor);
    if (answer.supportPath !== undefined && /^(?:no|false|off|0)$/i.test(answer.supportPath)) {
      const [oldest] = this.#pathless;
      if (oldest !== undefined && this.#pathless.size >= PATHLESS_AT_MOST) this.#pathless.delete(oldest);
      this.#pathless.add(aor);
    }
    const maximum = answer.maximumExpiration;
    return { aorExists: answer.exists, contacts, ...(maximum > 0 ? { maximumExpiresMs: maximum * SECOND } : {}) };
  }

  async *list(): AsyncIterable<HeldContact> {
    const endpoints = await this.#o.call<string[]>('onlineEndpoints', {}, CALM_DEADLINE);
    // Several endpoints may share an AOR.
    const listed = new Set<string>();
    for (let i = 0; i < endpoints.length; i += RESYNC_AT_ONCE) {
      const page = endpoints.slice(i, i + RESYNC_AT_ONCE);
      const aors = await Promise.all(page.map((id) => this.#aorsOf(id)));
      const fresh = new Set(aors.flat().filter((id) => !listed.has(id)));
      for (const id of fresh) listed.add(id);
      const found = await Promise.all([...fresh].map((id) => this.#contacts(id, CALM_DEADLINE)));
      yield* found.flat();
    }
  }

  async #aorsOf(endpoint: string): Promise<readonly string[]> {
    return (await this.#o.call<string[] | undefined>('aorsOf', { id: endpoint }, CALM_DEADLINE)) ?? [];
  }

  async #contacts(aorId: string, deadlineMs: number): Promise<readonly HeldContact[]> {
    const aor = this.#aor(aorId);
    if (!aor) return [];
    const answer = await this.#o.call<AorAnswer>('readAor', { id: aorId }, deadlineMs);
    return answer.contacts.map((c) => this.#held(aor, c));
  }

  /** One contact, read out of the way of calls. */
  async #contact(aorId: string, uri: string): Promise<HeldContact | undefined> {
    const aor = this.#aor(aorId);
    const id = contactObjectId(aorId, uri);
    const found = await this.#o.call<ContactFields | undefined>('readContactCalmly', { id }, CALM_DEADLINE);
    return aor && found ? this.#held(aor, found) : undefined;
  }

  #held(aor: Aor, o: ContactFields): HeldContact {
    const expires = Number(o.expiration_time);
    return {
      pbx: this.#o.pbx,
      aor,
      uri: String(o.uri),
      ...(Number.isFinite(expires) && expires > 0 ? { expiresAt: this.#clock.fromPbx(expires * 1_000) } : {}),
      ...(o.user_agent ? { userAgent: shortened(o.user_agent, LONGEST_USER_AGENT) } : {}),
      ...(o.path ? { path: o.path } : {}),
    };
  }

  async remove(contact: Pick<HeldContact, 'aor' | 'uri'>): Promise<'gone'> {
    const id = contactObjectId(aorIdOf(contact.aor, this.#o.realm), contact.uri);
    await this.#o.call('deleteContact', { id }, CALM_DEADLINE);
    return 'gone';
  }

  watch(aor: Aor, on: boolean): void {
    const calls = (this.#waiting.get(aor) ?? 0) + (on ? 1 : -1);
    if (calls > 0) this.#waiting.set(aor, calls);
    else this.#waiting.delete(aor);
    // With HEP each REGISTER is known within a tenth of a millisecond; without it the contacts of a waiting AOR are asked for often.
    if (this.#hep) return;
    if (on) this.#watch.add(aor);
    else this.#watch.remove(aor);
  }
}

/** `1001@realm` is `1001` on the PBX; another realm stays as it is (AOR ids may hold an `@`). */
export function aorIdOf(aor: Aor, realm: string): string {
  return aor.endsWith(`@${realm.toLowerCase()}`) ? aorUser(aor) : aor;
}
