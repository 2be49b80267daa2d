/**
 * Turns what was read from HEP into facts. A datagram is a hint: it counts once the contact store agrees. Contacts that the store has
 * shown lately need not be shown again; the rest is asked for out of the way of calls.
 */
import type { Aor } from '../../../plugin/core/aor.ts';
import { BoundedMap } from '../../../plugin/core/bounded-map.ts';
import { bytesOfText } from '../../../plugin/core/detached.ts';
import { type DurationMs, type Instant, MINUTE, plus } from '../../../plugin/core/time.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';
import type { HeldContact, PbxEvent } from '../../../plugin/ports/pbx-link.ts';
import type { WireContact, WireRegister } from './hep-register.ts';
import type { Removals } from './removals.ts';
import { storedAmong } from './stored-as.ts';

/** A new contact on the wire is looked up after this delay, because the PBX's own event about it comes within that time. */
const AFTER_THE_EVENT: DurationMs = 25;
/** After this the store is asked again, so that a forger cannot keep a contact alive that has gone. */
const SHOWN_LATELY: DurationMs = 10 * MINUTE;
const SHOWN_AT_MOST = 20_000;
/** A contact weighs 1 kB and more, nearly all of it URI and User-Agent. */
const SHOWN_BYTES_AT_MOST = 24 * 1024 * 1024;
/** How many REGISTERs are looked up at the PBX at the same time, so that a flood of datagrams does not flood the PBX. */
const LOOKED_UP_AT_MOST = 500;

/** Contacts that the PBX itself has shown lately. */
export class ShownContacts {
  readonly #clock: Clock;
  readonly #shown = new BoundedMap<string, { readonly contact: HeldContact; readonly atMs: number }>({
    most: SHOWN_AT_MOST,
    mostBytes: SHOWN_BYTES_AT_MOST,
    bytesOf: (key, { contact: { uri, userAgent = '', path = '' } }) =>
      [key, uri, userAgent, path].reduce((sum, text) => sum + bytesOfText(text), 0),
  });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(contact: HeldContact): void {
    this.#shown.set(keyOf(contact.aor, contact.uri), { contact, atMs: this.#clock.monotonicMs() });
  }

  remove(aor: Aor, uri: string): void {
    this.#shown.delete(keyOf(aor, uri));
  }

  get(aor: Aor, uri: string, now: Instant): HeldContact | undefined {
    const shown = this.#shown.get(keyOf(aor, uri));
    if (!shown || this.#clock.monotonicMs() - shown.atMs > SHOWN_LATELY) return undefined;
    // What has run out since is gone from the PBX, whatever the wire says.
    return shown.contact.expiresAt !== undefined && shown.contact.expiresAt < now ? undefined : shown.contact;
  }

  /** Forgets what was shown: while the link was away, contacts may have been removed without an event. */
  clear(): void {
    this.#shown.clear();
  }
}

const keyOf = (aor: Aor, uri: string) => `${aor} ${uri}`;

export interface WireFactsIo {
  readonly pbx: string;
  readonly clock: Clock;
  readonly shown: ShownContacts;
  readonly removals: Removals;
  readonly isWaiting: (aor: Aor) => boolean;
  /** All contacts of an AOR, and one of them. Reject while the link is down. */
  readonly contacts: (aorUser: string) => Promise<readonly HeldContact[]>;
  readonly contact: (aorUser: string, uri: string) => Promise<HeldContact | undefined>;
  readonly say: (event: PbxEvent) => void;
}

export class WireFacts {
  readonly #io: WireFactsIo;
  #lookedUp = 0;

  constructor(io: WireFactsIo) {
    this.#io = io;
  }

  async take(aor: Aor, r: WireRegister): Promise<void> {
    const unknown = r.contacts.filter((c) => !c.unregister && !this.#known(aor, c, r));
    // A refresh of what the PBX has shown: there is nothing to look up, and a call may wait for it.
    if (unknown.length === 0 && !r.contacts.some((c) => c.unregister)) {
      for (const c of r.contacts) this.#seen(this.#known(aor, c, r) as HeldContact, c, r);
      return;
    }
    // The next resync finds what is left out here.
    if (this.#lookedUp >= LOOKED_UP_AT_MOST) return;
    this.#lookedUp++;
    try {
      await this.#lookUp(aor, r);
    } finally {
      this.#lookedUp--;
    }
  }

  async #lookUp(aor: Aor, r: WireRegister): Promise<void> {
    // While a call waits for the AOR, Asterisk sends an event about a new contact at this very moment: let that come first.
    if (this.#io.isWaiting(aor)) await new Promise<void>((done) => void this.#io.clock.after(AFTER_THE_EVENT, done));
    try {
      await (r.contacts.some((c) => c.unregister) ? this.#confirmAll(aor, r) : this.#confirmEach(r));
    } catch {
      // The link is down: the resync will find out.
    }
  }

  #known(aor: Aor, c: WireContact, r: WireRegister): HeldContact | undefined {
    const known = c.storedUri === undefined ? undefined : this.#io.shown.get(aor, c.storedUri, r.at);
    return known && (c.grantedMs === undefined ? known : { ...known, expiresAt: plus(r.at, c.grantedMs) });
  }

  async #confirmEach(r: WireRegister): Promise<void> {
    for (const c of r.contacts) {
      const contact = c.storedUri === undefined ? undefined : await this.#io.contact(r.aorUser, c.storedUri);
      if (!contact) continue;
      this.#io.shown.add(contact);
      this.#seen(contact, c, r);
    }
  }

  async #confirmAll(aor: Aor, r: WireRegister): Promise<void> {
    const held = await this.#io.contacts(r.aorUser);
    // A phone that moved may log its old contact out in the same breath: what it has now must be known first.
    for (const c of r.contacts.toSorted((x, y) => Number(x.unregister) - Number(y.unregister))) {
      const contact = held.find((h) => h.uri === c.storedUri);
      if (c.unregister) this.#unregistered(aor, c, r, held);
      else if (contact) this.#seen(contact, c, r);
    }
  }

  #seen(contact: HeldContact, c: WireContact, r: WireRegister): void {
    this.#io.say({
      type: 'contactSeen',
      how: 'hep',
      at: r.at,
      contact: { ...contact, ...(c.instanceId === undefined ? {} : { instanceId: c.instanceId }) },
      ...(c.grantedMs === undefined ? {} : { grantedMs: c.grantedMs }),
      wire: {
        contact: c.wireUri,
        source: r.source,
        ...(c.headerParams.some((p) => /^pn-/i.test(p.name)) ? { misplaced: true } : {}),
      },
    });
  }

  /** Confirmed only by its absence: a forged datagram cannot log anybody out. */
  #unregistered(aor: Aor, c: WireContact, r: WireRegister, held: readonly HeldContact[]): void {
    const said = { type: 'unregistered', pbx: this.#io.pbx, aor, at: r.at } as const;
    if (c.star) {
      if (held.length === 0) this.#io.say(said);
      return;
    }
    if (storedAmong(held)(c.wireUri, r.source)) return;
    // RFC 8599 §4.1.2 leaves pn-prid out of it: the contact that Asterisk has just removed shows how it was stored.
    const removed = this.#io.removals.of(aor).map((uri) => ({ uri }));
    const uri = storedAmong(removed)(c.wireUri, r.source)?.uri ?? c.storedUri;
    if (uri !== undefined && !held.some((h) => h.uri === uri)) this.#io.say({ ...said, uri });
  }
}
