/**
 * A PBX: its registrar and its calls, whatever nodes of pushwake are connected. Two kinds with their habits (shared facts of the project):
 * `asterisk` reports new and removed contacts and never a plain refresh, has one word for log-out, expiry and a closed socket, and finds an
 * expiry late; `freeswitch` reports each REGISTER, in rounds of 20 ms.
 */
import type { Aor } from '../../plugin/core/aor.ts';
import { type DurationMs, HOUR, type Instant, instant, MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import type { HeldContact, PbxEvent, Sensor } from '../../plugin/ports/pbx-link.ts';
import { Call, type CallOptions } from './call.ts';
import type { Chance } from './chance.ts';
import type { WorldLink } from './link.ts';
import type { Phone } from './phone.ts';
import { trueWall, type WorldTime } from './time.ts';

export type PbxKind = 'asterisk' | 'freeswitch';

/** More contacts of one account, and a REGISTER gets 403. */
const MAX_CONTACTS = 5;
/** The longest the account is granted, in ms. */
const MAXIMUM_EXPIRES: DurationMs = 2 * HOUR;
/** An app that stays connected refreshes its registration after this share of the time that was granted. */
const REFRESHED_AFTER = 0.9;
/** `call_timeout` runs out, or the lease of a node, this long after it was last renewed, in ms. */
const LEASE: DurationMs = 4 * SECOND;

/** A contact as the PBX stores it. */
export interface Stored {
  readonly aor: Aor;
  readonly uri: string;
  readonly phone: Phone | undefined;
  readonly transport: 'tls' | 'udp';
  grantedMs: DurationMs;
  /** True time of its last REGISTER. */
  registeredMs: number;
  /** Registers again by itself whenever this share of the granted time is over: `REFRESHED_AFTER`. */
  keeps: boolean;
  /** Its next refresh is planned, where somebody hears of that. */
  isPlanned?: boolean;
}

export interface Register {
  readonly aor: Aor;
  readonly uri: string;
  readonly phone: Phone | undefined;
  readonly keeps: boolean;
}

export interface PbxOptions {
  readonly name: string;
  readonly kind: PbxKind;
  readonly realm: string;
  /** Copies of SIP messages, `hep`: exact Contacts and instance ids. Asterisk only. */
  readonly hep: boolean;
  /** Contacts over TLS are removed with their connection (`rewrite_contact`). */
  readonly rewrites: boolean;
  readonly time: WorldTime;
  readonly chance: Chance;
  readonly tell: (what: string) => void;
  /** A phone was refused because its account has too many contacts. */
  readonly lockedOut: (aor: Aor) => void;
  /** A REGISTER was accepted; nobody has heard of it yet. */
  readonly registered: (phone: Phone, aor: Aor, uri: string) => void;
}

export class Pbx {
  readonly o: PbxOptions;
  readonly links = new Set<WorldLink>();
  readonly calls = new Set<Call>();
  /** AORs that the administrator deleted. */
  readonly unknown = new Set<Aor>();
  readonly reachable = new Map<Aor, boolean>();
  /** How far its clock is ahead, in ms. */
  aheadMs: DurationMs = 0;
  isDown = false;
  /** Questions are not answered. */
  isSilent = false;
  slowMs: DurationMs = 0;
  /** Some orders are refused, some are carried out and said to be refused. */
  ordersFail = false;
  /** Links are lost while calls wait, and are back soon. */
  flapsInCalls = false;
  /** The second sensor's report comes this much later at most, in ms. */
  secondReportMs: DurationMs = 0;
  /** Who may listen for an account. */
  readonly phones = new Map<Aor, Phone[]>();
  readonly #contacts = new Map<Aor, Stored[]>();
  readonly #grants = new Map<Phone, DurationMs>();
  #connectedMs = new Map<WorldLink, number>();

  constructor(options: PbxOptions) {
    this.o = options;
  }

  get name(): string {
    return this.o.name;
  }

  /** Its own clock. */
  wall(): Instant {
    return instant(trueWall(this.o.time) + this.aheadMs);
  }

  // ── Registrar ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** True time of the last REGISTER behind a contact. */
  lastRegister(c: Stored): number {
    if (!c.keeps) return c.registeredMs;
    const every = c.grantedMs * REFRESHED_AFTER;
    return c.registeredMs + Math.floor((this.o.time.nowMs - c.registeredMs) / every) * every;
  }

  isValid(c: Stored): boolean {
    return this.o.time.nowMs < this.lastRegister(c) + c.grantedMs;
  }

  /** What it would dial. */
  held(aor: Aor): Stored[] {
    return (this.#contacts.get(aor) ?? []).filter((c) => this.isValid(c));
  }

  /** Of one account, also what has expired and was not looked at. */
  allOf(aor: Aor): readonly Stored[] {
    return this.#contacts.get(aor) ?? NOBODY;
  }

  /** Everything, also what has expired and was not looked at. */
  get all(): Stored[] {
    return [...this.#contacts.values()].flat();
  }

  toHeld(c: Stored): HeldContact {
    const expiresMs = this.lastRegister(c) + c.grantedMs;
    const wall = trueWall(this.o.time) - this.o.time.nowMs + expiresMs + this.aheadMs;
    const hep = this.o.hep || this.o.kind === 'freeswitch' ? c.phone?.instance : undefined;
    return {
      pbx: this.name,
      aor: c.aor,
      uri: c.uri,
      expiresAt: instant(Math.floor(wall / SECOND) * SECOND),
      ...(hep === undefined ? {} : { instanceId: hep }),
    };
  }

  /** False: refused. */
  register({ aor, uri, phone, keeps }: Register): boolean {
    const { time } = this.o;
    if (this.isDown || this.unknown.has(aor)) return false;
    const transport = uri.includes('transport=udp') ? 'udp' : 'tls';
    const all = this.#contacts.get(aor) ?? [];
    const known = all.find((c) => c.uri === uri);
    if (phone?.isRefused) {
      this.#refuse(aor, uri, 403);
      return false;
    }
    const movedMs = known ? time.nowMs - this.lastRegister(known) : Number.POSITIVE_INFINITY;
    if (!known && this.held(aor).length >= MAX_CONTACTS) {
      this.o.lockedOut(aor);
      this.#refuse(aor, uri, 403);
      return false;
    }
    const grantedMs = known?.grantedMs ?? this.#granted(phone);
    const stored: Stored = known ?? { aor, uri, phone, transport, grantedMs, registeredMs: 0, keeps };
    const wasValid = known !== undefined && this.isValid(known);
    stored.registeredMs = time.nowMs;
    stored.keeps = keeps;
    if (!known) this.#contacts.set(aor, [...all, stored]);
    if (!wasValid) this.#watchExpiry(stored);
    if (phone) this.o.registered(phone, aor, uri);
    this.#planRefresh(stored);
    this.#announce(stored, !wasValid, movedMs);
    return true;
  }

  /** Seen where SIP itself is, and by FreeSWITCH's own events. */
  #refuse(aor: Aor, uri: string, status: number): void {
    if (this.o.hep || this.o.kind === 'freeswitch')
      this.#emit({ type: 'registerRefused', pbx: this.name, aor, status, at: this.wall(), uri });
  }

  /** An app asks for the same time at each start, until the administrator changes what is granted. */
  #granted(phone: Phone | undefined): DurationMs {
    const draw = () => this.o.chance.pick([20 * MINUTE, 1 * HOUR, 1 * HOUR, 2 * HOUR]);
    if (!phone) return draw();
    const known = this.#grants.get(phone) ?? draw();
    this.#grants.set(phone, known);
    return known;
  }

  /** From now on new contacts are granted another time. */
  grantsAnew(): void {
    this.#grants.clear();
  }

  /** Where each REGISTER is seen, refreshes happen; elsewhere they are worked out when somebody asks. */
  #planRefresh(c: Stored): void {
    if (!c.keeps || c.isPlanned || (this.o.kind === 'asterisk' && !this.o.hep)) return;
    c.isPlanned = true;
    this.o.time.after(c.grantedMs * REFRESHED_AFTER, () => {
      c.isPlanned = false;
      if (!c.keeps || !this.#contacts.get(c.aor)?.includes(c)) return;
      if (!this.isDown) this.register({ aor: c.aor, uri: c.uri, phone: c.phone, keeps: true });
      else this.#planRefresh(c);
    });
  }

  /** What its sensors see of a REGISTER. */
  #announce(stored: Stored, isNew: boolean, movedMs: number): void {
    const { chance, kind, hep } = this.o;
    const contact = this.toHeld(stored);
    const at = this.wall();
    const { grantedMs } = stored;
    const seen = (how: Sensor, more: Partial<Extract<PbxEvent, { type: 'contactSeen' }>>): PbxEvent => ({
      type: 'contactSeen',
      contact: how === 'event' && kind === 'asterisk' ? withoutInstance(contact) : contact,
      how,
      at,
      ...more,
    });
    if (kind === 'freeswitch') {
      this.#emit(seen('event', { grantedMs, choice: {} }));
      return;
    }
    const wire = { contact: stored.uri, source: '192.0.2.1:5060' };
    // Every other one is told before it is read, where a call waits for it; no chance is drawn, so that a seed's story stays what it was.
    if (isNew && at % 2 === 0 && this.#isWatched(stored.aor)) {
      const { pbx, aor, uri } = contact;
      this.#emit({ type: 'contactComing', pbx, contact: { pbx, aor, uri }, at });
    }
    if (hep) this.#emit(seen('hep', { grantedMs, wire }));
    // It is read once, and may be gone or renewed by then.
    const read = chance.happens(0.95) ? { grantedMs } : {};
    if (isNew) this.#emit(seen('event', read), chance.int(0, Math.max(0, this.secondReportMs)));
    if (!this.#isWatched(stored.aor)) return;
    // A look finds a new one as well, dates it by the look before, and may be read after later events.
    if (isNew) this.#emit(seen('watch', { ...read, at: plus(at, -chance.int(1, 100)) }), chance.int(1, 200));
    else if (movedMs >= SECOND) this.#emit(seen('watch', read), chance.int(1, 100));
  }

  #isWatched(aor: Aor): boolean {
    return [...this.links].some((link) => link.up && link.watched.has(aor));
  }

  /** A phone's sockets are gone. */
  lost(aor: Aor, uri: string, phone: Phone): void {
    const stored = this.#contacts.get(aor)?.find((c) => c.uri === uri && c.phone === phone);
    if (!stored) return;
    this.#freeze(stored);
    if (stored.transport === 'tls' && this.o.rewrites && this.o.kind === 'asterisk') this.#remove(stored, 200);
  }

  /** The same without a closed socket: the dead contact stays. */
  movedAway(aor: Aor, uri: string): void {
    const stored = this.#contacts.get(aor)?.find((c) => c.uri === uri);
    if (stored) this.#freeze(stored);
  }

  unregister(aor: Aor, uri: string, phone: Phone): void {
    const { kind, hep } = this.o;
    if (this.isDown) return;
    const stored = this.#contacts.get(aor)?.find((c) => c.uri === uri && c.phone === phone);
    const at = this.wall();
    if (kind === 'freeswitch' || hep) this.#emit({ type: 'unregistered', pbx: this.name, aor, uri, at });
    if (stored) this.#remove(stored, 0);
  }

  /** True: it was there. */
  remove(aor: Aor, uri: string): boolean {
    const stored = this.#contacts.get(aor)?.find((c) => c.uri === uri);
    if (stored) this.#remove(stored, 0);
    return stored !== undefined;
  }

  /** Reading an account drops what has expired. */
  read(aor: Aor): readonly Stored[] {
    for (const c of this.allOf(aor)) if (!this.isValid(c)) this.#remove(c, 0);
    return this.allOf(aor);
  }

  deleteAccount(aor: Aor): void {
    this.unknown.add(aor);
    for (const c of this.#contacts.get(aor) ?? []) c.phone?.sleep();
    this.#contacts.delete(aor);
  }

  #freeze(c: Stored): void {
    this.#lastWasThen(c);
    this.#watchExpiry(c);
  }

  /** What kept it alive does so no longer; its last REGISTER is the truth that remains. */
  #lastWasThen(c: Stored): void {
    c.registeredMs = this.lastRegister(c);
    c.keeps = false;
    c.phone?.registeredMs.set(c.aor, c.registeredMs);
  }

  #watchExpiry(c: Stored): void {
    const { time, chance } = this.o;
    if (c.keeps) return;
    const inMs = c.registeredMs + c.grantedMs - time.nowMs + chance.int(0, 18_600);
    time.after(Math.max(1, inMs), () => {
      const isThere = this.#contacts.get(c.aor)?.includes(c);
      if (!isThere || c.keeps) return;
      if (this.isValid(c)) return this.#watchExpiry(c);
      this.#remove(c, 0);
    });
  }

  #remove(c: Stored, lateMs: DurationMs): void {
    if (c.keeps) this.#lastWasThen(c);
    const left = (this.#contacts.get(c.aor) ?? []).filter((x) => x !== c);
    if (left.length === 0) this.#contacts.delete(c.aor);
    else this.#contacts.set(c.aor, left);
    this.#emit({ type: 'contactRemoved', pbx: this.name, aor: c.aor, uri: c.uri, at: this.wall() }, lateMs);
  }

  // ── The way to the nodes ───────────────────────────────────────────────────────────────────────────────────────────

  #emit(event: PbxEvent, lateMs: DurationMs = 0): void {
    for (const link of this.links) link.receive(event, lateMs);
  }

  /** Who is asked for a call: the first node, and the second where the dialplan knows one. */
  get askable(): readonly WorldLink[] {
    return [...this.links].sort((a, b) => a.node - b.node).filter((link) => link.up);
  }

  connected(link: WorldLink): void {
    this.#connectedMs.set(link, this.o.time.nowMs);
  }

  disconnected(link: WorldLink): void {
    this.#connectedMs.set(link, this.o.time.nowMs);
  }

  /** FreeSWITCH: a mark says who may be counted on; it runs out by itself. */
  hasLease(): boolean {
    const { nowMs } = this.o.time;
    return this.askable.length > 0 || [...this.#connectedMs.values()].some((leftMs) => nowMs - leftMs < LEASE);
  }

  get maximumExpiresMs(): DurationMs | undefined {
    return this.o.kind === 'asterisk' ? MAXIMUM_EXPIRES : undefined;
  }

  // ── Calls ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  call(options: Omit<CallOptions, 'pbx'>): Call {
    const call = new Call({ ...options, pbx: this });
    this.calls.add(call);
    call.start();
    const { time, chance } = this.o;
    if (this.flapsInCalls && chance.happens(0.6)) time.after(chance.spread(50, 12 * SECOND), () => this.#flap());
    return call;
  }

  #flap(): void {
    const { time, chance } = this.o;
    for (const link of [...this.links]) {
      if (!link.up) continue;
      link.isFlapping = true;
      link.cut('connection lost');
      time.after(chance.spread(50, 8 * SECOND), () => {
        link.isFlapping = false;
        link.comesBack();
      });
    }
  }

  restart(): void {
    this.isDown = true;
    for (const call of [...this.calls]) call.died();
    for (const link of [...this.links]) link.cut('PBX restarts');
    for (const c of this.all) {
      // What came over a connection that is gone now is not restored.
      if (c.transport === 'tls' && this.o.rewrites && this.o.kind === 'asterisk') this.#drop(c);
    }
    if (this.o.kind === 'freeswitch') this.reachable.clear();
  }

  /** Without an event: nobody is connected. */
  #drop(c: Stored): void {
    if (c.keeps) this.#lastWasThen(c);
    this.#contacts.set(
      c.aor,
      (this.#contacts.get(c.aor) ?? []).filter((x) => x !== c),
    );
    if (c.phone?.isAwake) c.phone.sleep();
  }

  isUp(): void {
    this.isDown = false;
    for (const link of this.links) link.comesBack();
  }
}

/** The list of an account is made anew at each change: who stands in it may go on. */
const NOBODY: readonly Stored[] = [];

function withoutInstance({ instanceId: _, ...contact }: HeldContact): HeldContact {
  return contact;
}
