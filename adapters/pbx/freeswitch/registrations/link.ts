/**
 * The registrations of FreeSWITCH: its events about them, questions, the list, and removals. Keeps how each contact it handed out
 * was read, for the code that dials it.
 */
import { type Aor, parseAor, servesAor } from '../../../../plugin/core/aor.ts';
import { BoundedMap, upTo } from '../../../../plugin/core/bounded-map.ts';
import { sourceOf } from '../../../../plugin/core/contact-uri.ts';
import { shortened } from '../../../../plugin/core/detached.ts';
import { type DurationMs, SECOND } from '../../../../plugin/core/time.ts';
import type { Logger } from '../../../../plugin/ports/adapter.ts';
import type { Clock } from '../../../../plugin/ports/clock.ts';
import { type AskAnswer, type HeldContact, LinkError, type PbxEvent } from '../../../../plugin/ports/pbx-link.ts';
import { CALL_DEADLINE, CALM_DEADLINE, LIST_DEADLINE } from '../deadlines.ts';
import type { FsFact } from '../facts.ts';
import { Instants } from '../instants.ts';
import type { Ask, HeldRow } from '../link.ts';
import type { FreeswitchOptions } from '../options.ts';
import { LastSeen } from './last-seen.ts';
import { whyNotBound, whyNotDialled } from './not-bound.ts';
import { readStored } from './parse.ts';
import { contactOf, flushable, type Held, heldOf, type Row } from './rows.ts';

/** An account's name is somebody's text until it has been read. */
const LONGEST_ACCOUNT = 128;
/** The words for a contact that is refused. */
export const NEVER_DIALLED = 'a contact is not dialled: it could change the dial string';
/** The only answer to a REGISTER with credentials of which FreeSWITCH sends an event. */
const FORBIDDEN = 403;
/** The event about a removal comes 20 to 100 ms later. */
const GONE_WITHIN: DurationMs = 1 * SECOND;

export interface ContactsOptions {
  /** Name of the link. */
  readonly pbx: string;
  readonly options: Pick<FreeswitchOptions, 'profiles' | 'realm' | 'expiresLateMargin'>;
  /** Nothing may be removed now. */
  readonly observing: () => boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ask: Ask;
  readonly say: (event: PbxEvent) => void;
}

export class Contacts {
  readonly #o: ContactsOptions;
  readonly #time: Instants;
  /** How the contacts handed to the runtime were read. */
  readonly #held = new WeakMap<HeldContact, Held>();
  readonly #lastSeen = new LastSeen();
  /** Accounts and reasons that were logged: strangers write what they are made of. */
  readonly #neverDialled = new BoundedMap<string, true>(upTo(1_000));
  /** Removals whose event is awaited, by Call-ID. */
  readonly #removals = new Map<string, Set<() => void>>();

  constructor(options: ContactsOptions) {
    this.#o = options;
    this.#time = new Instants(options.clock);
  }

  /** Undefined: it is none of this FreeSWITCH's. */
  heldOf(contact: HeldContact): Held | undefined {
    return this.#held.get(contact);
  }

  // ── Facts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  get #lateMarginMs(): DurationMs {
    return this.#o.options.expiresLateMargin * SECOND;
  }

  /** An account of ours, on a profile of ours. */
  #aor(user: string, profile: string): Aor | undefined {
    const aor = parseAor(user);
    if (!aor || !this.#o.options.profiles.includes(profile)) return undefined;
    return servesAor([this.#o.options.realm].flat().join(' '), aor) ? aor : undefined;
  }

  registered(fact: Extract<FsFact, { fact: 'registered' }>): void {
    const aor = this.#aor(fact.user, fact.profile);
    const stored = readStored(fact.contact);
    if (!aor || !stored) {
      const why = whyNotBound(fact, this.#o.options);
      return (
        why &&
        this.#o.say({ type: 'notBound', pbx: this.#o.pbx, account: shortened(fact.user, LONGEST_ACCOUNT), ...why })
      );
    }
    this.#sayIfNeverDialled(aor, fact.contact, stored.uri);
    const at = this.#time.heard(fact.atEpochMs);
    const { profile, callId, user, contact: text, agent, grantedSeconds } = fact;
    // What FreeSWITCH will hold: its second, the granted time, the late margin.
    const drops =
      grantedSeconds === undefined || !Number.isFinite(fact.atEpochMs)
        ? undefined
        : (Math.floor(fact.atEpochMs / SECOND) + grantedSeconds) * SECOND + this.#lateMarginMs;
    const row: Row = {
      profile,
      callId,
      user,
      contact: text,
      ...(agent === undefined ? {} : { agent }),
      ...(drops === undefined ? {} : { dropsEpochMs: drops }),
    };
    const contact = contactOf(this.#o.pbx, aor, stored, row, this.#lateMarginMs, (ms) => this.#time.at(ms));
    this.#held.set(contact, { contact, row, stored });
    this.#lastSeen.set(callId, { aor, uri: stored.uri });
    this.#o.say({
      type: 'contactSeen',
      contact,
      how: 'event',
      at,
      choice: fact.choice ?? {},
      ...(grantedSeconds === undefined ? {} : { grantedMs: this.#time.lasting(grantedSeconds) }),
    });
  }

  /** It is registered and pushed, and would never ring: said once per account and reason. */
  #sayIfNeverDialled(aor: Aor, contact: string, uri: string): void {
    const reason = whyNotDialled(contact, uri);
    const key = `${aor} ${reason}`;
    if (reason === undefined || this.#neverDialled.get(key)) return;
    this.#neverDialled.set(key, true);
    this.#o.log.warn({ pbx: this.#o.pbx, aor, reason }, NEVER_DIALLED);
  }

  async unregistered(fact: Extract<FsFact, { fact: 'unregistered' }>): Promise<void> {
    const aor = this.#aor(fact.user, fact.profile);
    if (!aor) return;
    // By its arrival, like the REGISTER before it: by its stamp a log-out right after that would be the older of the two.
    const at = this.#time.heard(fact.atEpochMs);
    const said = { type: 'unregistered', pbx: this.#o.pbx, aor, at } as const;
    if (fact.contact !== undefined) {
      const stored = readStored(fact.contact);
      if (stored) this.#o.say({ ...said, uri: stored.uri });
      return;
    }
    // `Contact: *`, whose Call-ID is all that the event has. In contact mode FreeSWITCH keeps the rows.
    const uris = new Set<string>();
    const last = this.#lastSeen.get(fact.callId);
    if (last?.aor === aor) uris.add(last.uri);
    try {
      for (const held of await this.#heldBy(aor, CALM_DEADLINE)) {
        if (held.row.callId === fact.callId) uris.add(held.stored.uri);
      }
    } catch {
      // The link went down: what was seen last must do.
    }
    for (const uri of uris) this.#o.say({ ...said, uri });
    // The phone asked for it: a row that stays would be rung, and would look like a binding at the next resync.
    if (this.#o.observing()) return;
    for (const uri of uris) {
      this.remove({ aor, uri }).catch((error: unknown) => {
        this.#o.log.info(
          { pbx: this.#o.pbx, aor, reason: String(error) },
          'a contact logged out by * could not be flushed',
        );
      });
    }
  }

  expired(fact: Extract<FsFact, { fact: 'expired' }>): void {
    for (const told of this.#removals.get(fact.callId) ?? []) told();
    const aor = this.#aor(fact.user, fact.profile);
    const stored = readStored(fact.contact);
    if (!aor || !stored) return;
    // The event came late: FreeSWITCH keeps a contact after its time, and looks only twice a minute.
    const itsTime = fact.expiresEpochMs - this.#lateMarginMs;
    const atEpochMs = Number.isFinite(itsTime) ? Math.min(fact.atEpochMs, itsTime) : fact.atEpochMs;
    this.#o.say({ type: 'contactRemoved', pbx: this.#o.pbx, aor, uri: stored.uri, at: this.#time.at(atEpochMs) });
  }

  /**
   * FreeSWITCH refused a REGISTER. Anybody can be refused, as often as they like: only a call that waits wants to know. The event has
   * neither the Contact nor the domain that FreeSWITCH files the account in, which is `realm` where there is one.
   */
  refused(fact: Extract<FsFact, { fact: 'refused' }>, waits: (aor: Aor) => boolean): void {
    const { realm } = this.#o.options;
    const domains = [fact.domain, ...(typeof realm === 'string' ? [realm] : [])];
    const aor = domains
      .map((domain) => this.#aor(`${fact.user}@${domain}`, fact.profile))
      .find((of) => of && waits(of));
    if (!aor) return;
    const at = this.#time.heard(fact.atEpochMs);
    this.#o.say({ type: 'registerRefused', pbx: this.#o.pbx, aor, status: FORBIDDEN, at, uri: '' });
  }

  // ── Questions ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async ask(aor: Aor): Promise<AskAnswer> {
    const held = await this.#heldBy(aor, CALL_DEADLINE);
    // A directory behind a web server that is down knows nobody: FreeSWITCH cannot know for certain that an account is gone.
    return { aorExists: true, contacts: held.map((h) => h.contact) };
  }

  async *list(): AsyncIterable<HeldContact> {
    for (const profile of this.#o.options.profiles) {
      // Without push parameters there is nothing to bind; with them every form has a `pn-`.
      const rows = await this.#o.ask<HeldRow[]>('allRows', { profile, containing: 'pn-' }, LIST_DEADLINE);
      for (const { contact } of this.#read(rows)) {
        if (this.#aor(contact.aor, profile)) yield contact;
      }
    }
  }

  async #heldBy(aor: Aor, deadlineMs: number): Promise<readonly Held[]> {
    return this.#read(await this.#o.ask<HeldRow[]>('rowsOf', { user: aor }, deadlineMs)).filter(
      (h) => h.contact.aor === aor,
    );
  }

  #read(rows: readonly HeldRow[]): readonly Held[] {
    const held = heldOf(this.#o.pbx, rows, this.#lateMarginMs, (ms) => this.#time.at(ms));
    for (const h of held) this.#held.set(h.contact, h);
    return held;
  }

  // ── Removal ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** By Call-ID, which is all FreeSWITCH offers: only where nothing else can go with it. */
  async remove({ aor, uri }: Pick<HeldContact, 'aor' | 'uri'>): Promise<'gone'> {
    const own = await this.#o.ask<HeldRow[]>('rowsOf', { user: aor }, CALM_DEADLINE);
    if (!own.some((row) => readStored(row.contact)?.uri === uri)) return 'gone';
    const verdict = flushable(aor, uri, [...own, ...(await this.#neighbours(aor, uri))]);
    if (!verdict.ok) throw new LinkError(`the contact stays until its time is over: ${verdict.reason}`);
    for (const { callId, profile } of verdict.rows) {
      // FreeSWITCH's own reading of this text as a user or a domain must find nobody.
      const meant = await this.#o.ask<HeldRow[]>('rowsOf', { user: callId }, CALM_DEADLINE);
      if (meant.length > 0)
        throw new LinkError('the contact stays until its time is over: its Call-ID names an account');
      const told = this.#removalTold(callId);
      await this.#o.ask('flush', { profile, callId }, CALM_DEADLINE);
      await told;
    }
    const left = await this.#o.ask<HeldRow[]>('rowsOf', { user: aor }, CALM_DEADLINE);
    if (left.some((row) => readStored(row.contact)?.uri === uri)) throw new LinkError('the contact is still there');
    return 'gone';
  }

  /** Rows of the same phone (RFC 3261 §10.2: one Call-ID for all its REGISTERs), whatever their account. */
  async #neighbours(aor: Aor, uri: string): Promise<readonly HeldRow[]> {
    const place = sourceOf(uri);
    if (place === undefined || !/^[0-9A-Za-z.:[\]-]+$/.test(place)) return [];
    const [host = place] = place.split(/:\d+$/);
    const all = await Promise.all(
      this.#o.options.profiles.map((profile) =>
        this.#o.ask<HeldRow[]>('allRows', { profile, containing: host }, LIST_DEADLINE),
      ),
    );
    return all.flat().filter((row) => parseAor(row.user) !== aor);
  }

  /** Resolves when FreeSWITCH's event says that it is gone, or when it should have come. */
  #removalTold(callId: string): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#removals.get(callId) ?? new Set();
      this.#removals.set(callId, waiting);
      const done = () => {
        cancel();
        waiting.delete(done);
        if (waiting.size === 0) this.#removals.delete(callId);
        resolve();
      };
      const cancel = this.#o.clock.after(GONE_WITHIN, done);
      waiting.add(done);
    });
  }
}
