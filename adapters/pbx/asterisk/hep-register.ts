/**
 * Reads registrations from HEP: a datagram becomes a SIP message, a REGISTER and its answer become one fact. Pure; everything that is no
 * REGISTER is dropped unread. A datagram is a hint (anybody on the network may send one): what follows from it is confirmed
 * by the PBX's contact store elsewhere.
 */
import { BoundedMap } from '../../../plugin/core/bounded-map.ts';
import { parseContacts, parseSipUri, type SipContact } from '../../../plugin/core/contact-uri.ts';
import { bytesOfText, detached } from '../../../plugin/core/detached.ts';
import { splitUri, unescapeUri } from '../../../plugin/core/sip-contact.ts';
import { between, type DurationMs, HOUR, type Instant, SECOND } from '../../../plugin/core/time.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';
import { type HepDatagram, mayConcernUs, refusalIn } from './hep-datagram.ts';
import { type SipHeaders, sipHeaders } from './sip-headers.ts';
import { storedAmong } from './stored-as.ts';

export interface WireContact {
  /** As on the wire, escapes and all. */
  readonly wireUri: string;
  /**
   * As the PBX stores it, escapes normalised and address rewritten. Unregistered: as it was stored when last seen, else as
   * pjsip would write it. Absent: the 200 does not show it.
   */
  readonly storedUri?: string;
  readonly headerParams: SipContact['headerParams'];
  /** `+sip.instance`. */
  readonly instanceId?: string;
  /** Asked for, in seconds: the contact's own, else the Expires header's. Absent: the registrar's default. */
  readonly expires?: number;
  /** Granted by the 200. */
  readonly grantedMs?: DurationMs;
  /** Expires 0, also when the push parameters are still there (Linphone keeps them, RFC 8599 §4.1.2 forbids it). */
  readonly unregister: boolean;
  /** `Contact: *`: all of them. `wireUri` is `*` then. */
  readonly star: boolean;
}

/** One REGISTER that the registrar accepted. */
export interface WireRegister {
  /** When the PBX answered it. */
  readonly at: Instant;
  /** User part of To, unescaped. */
  readonly aorUser: string;
  /** Host of To, lower case. What the phone calls the realm; the PBX may know it by another name. */
  readonly realm: string;
  /** Empty: a query. */
  readonly contacts: readonly WireContact[];
  /** All contacts of the AOR in the 200, as the PBX stores them. */
  readonly granted: readonly { readonly uri: string; readonly grantedMs?: DurationMs }[];
  readonly callId: string;
  readonly source: string;
  /** From Via, lower case: `udp`, `tcp`, `tls`, `ws`, `wss`. */
  readonly transport: string;
  readonly userAgent?: string;
}

/**
 * A datagram that is older than this by its own word has a stranger's clock, or none. Within it the PBX's word counts: a busy PBX sends
 * its copies late, and what registered before a call must not look like the answer to its push.
 */
const LATE_AT_MOST: DurationMs = 5 * SECOND;

/** One REGISTER that the registrar refused. */
export interface WireRefusal {
  readonly at: Instant;
  readonly aorUser: string;
  /** What it answered. */
  readonly refused: number;
  /** The first contact that it asked for. */
  readonly wireUri: string;
  readonly instanceId?: string;
}

export const isRefusal = (read: WireRegister | WireRefusal): read is WireRefusal => 'refused' in read;

const MAX_WAIT: DurationMs = 10 * SECOND;
/** Who uses an entry asks for its age: what is too old may lie a little longer. */
const FORGETS_EVERY: DurationMs = SECOND;
const MAX_WAITING = 10_000;
/** Bytes for pending REGISTERs: room for 5,000 of the usual size without an answer. */
const MAX_WAITING_BYTES = 10 * 1024 * 1024;
/** Bytes that the objects of one pending REGISTER take beside its texts (measured). */
const WAITING_HEAD_BYTES = 800;
/** How many contacts of one REGISTER are read at most. A phone sends one, or two when it moved. */
const MAX_ASKED = 4;
/** How many accounts' stored forms are remembered, and how many forms of one account. */
const MAX_REMEMBERED = 20_000;
const MAX_REMEMBERED_OF_ONE = 16;
const MAX_REMEMBERED_BYTES = 16 * 1024 * 1024;
/** The lifetime that is assumed where the 200 does not show what was granted. */
const REMEMBERED_FOR: DurationMs = 1 * HOUR;

interface Waiting {
  readonly cseq: number;
  readonly sinceMs: number;
  readonly headers: SipHeaders;
  readonly source: string;
}

/** One contact as the PBX stores it, until it runs out there. */
interface Stored {
  readonly uri: string;
  readonly untilMs: number;
}

/**
 * Joins each REGISTER with its answer. Bounded in number, bytes and time: what is not answered within 10 s, or is too much, is
 * forgotten, the oldest first; a stored form is forgotten with the contact's expiry.
 */
export class RegisterPairs {
  readonly #clock: Pick<Clock, 'now' | 'monotonicMs' | 'fromPbx'>;
  /** By Call-ID. */
  readonly #waiting = new BoundedMap<string, Waiting>({
    most: MAX_WAITING,
    mostBytes: MAX_WAITING_BYTES,
    bytesOf: (callId, { headers }) =>
      [...headers.values()]
        .flat()
        .reduce((sum, text) => sum + bytesOfText(text), WAITING_HEAD_BYTES + bytesOfText(callId)),
  });
  /** By account, then by wire URI: a 200 to an unregister does not show what was removed. */
  readonly #stored = new BoundedMap<string, ReadonlyMap<string, Stored>>({
    most: MAX_REMEMBERED,
    mostBytes: MAX_REMEMBERED_BYTES,
    bytesOf: (aorUser, forms) =>
      [...forms].reduce((sum, [wire, { uri }]) => sum + bytesOfText(wire) + bytesOfText(uri), bytesOfText(aorUser)),
  });

  #forgotMs = 0;

  constructor(clock: Pick<Clock, 'now' | 'monotonicMs' | 'fromPbx'>) {
    this.#clock = clock;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Accounts of which stored forms are remembered. */
  get remembered(): number {
    return this.#stored.size;
  }

  take(datagram: HepDatagram): WireRegister | WireRefusal | undefined {
    const { payload } = datagram;
    if (!mayConcernUs(payload)) return undefined;
    const isRequest = payload[0] === 'R'.charCodeAt(0);
    const headers = sipHeaders(payload, isRequest ? 'request' : 'answer');
    const callId = headers.get('call-id')?.[0];
    const cseq = /^(\d{1,10})\s+REGISTER$/.exec(headers.get('cseq')?.[0] ?? '');
    if (!callId || !cseq) return undefined;
    const nowMs = this.#clock.monotonicMs();
    if (isRequest) {
      // One per Call-ID: a client must wait for the answer before it sends the next (RFC 3261 §10.2).
      this.#waiting.set(callId, { cseq: Number(cseq[1]), sinceMs: nowMs, headers, source: datagram.source });
      this.#forget(nowMs);
      return undefined;
    }
    const request = this.#waiting.get(callId);
    if (!request || request.cseq !== Number(cseq[1])) return undefined;
    this.#waiting.delete(callId);
    if (nowMs - request.sinceMs > MAX_WAIT) return undefined;
    const at = this.#at(datagram.sentEpochMs);
    const refused = refusalIn(payload.toString('latin1', 0, 12));
    if (refused === undefined) return this.#register(request, headers, callId, nowMs, at);
    return isChallenge(refused, request.headers, headers) ? undefined : this.#refusal(request.headers, refused, at);
  }

  #at(sentEpochMs: number | undefined): Instant {
    const now = this.#clock.now();
    if (sentEpochMs === undefined) return now;
    const at = this.#clock.fromPbx(sentEpochMs);
    const lateMs = between(at, now);
    return lateMs > 0 && lateMs <= LATE_AT_MOST ? at : now;
  }

  /** Undefined: it asked for no contact, so that no phone waits for it. */
  #refusal(headers: SipHeaders, refused: number, at: Instant): WireRefusal | undefined {
    const to = accountOf(headers);
    const [contact] = parseContacts((headers.get('contact') ?? []).join()).contacts;
    if (!to || !contact || (contact.expires ?? seconds(headers.get('expires')?.[0])) === 0) return undefined;
    const { instanceId } = contact;
    return {
      at,
      aorUser: to.user,
      refused,
      wireUri: detached(contact.uri),
      ...(instanceId === undefined ? {} : { instanceId: detached(instanceId) }),
    };
  }

  #register(
    request: Waiting,
    answer: SipHeaders,
    callId: string,
    nowMs: number,
    at: Instant,
  ): WireRegister | undefined {
    const to = accountOf(request.headers);
    if (!to) return undefined;
    const aorUser = to.user;
    const asked = parseContacts((request.headers.get('contact') ?? []).join());
    const held = parseContacts((answer.get('contact') ?? []).join()).contacts;
    const expires = seconds(request.headers.get('expires')?.[0]);
    const find = storedAmong(held);
    const contacts = asked.contacts.slice(0, MAX_ASKED).map((c) => {
      const found = (c.expires ?? expires) === 0 ? undefined : find(c.uri, request.source);
      return this.#contact(c, c.expires ?? expires, found, aorUser, nowMs);
    });
    if (asked.star && expires === 0)
      contacts.push({ wireUri: '*', headerParams: [], expires: 0, unregister: true, star: true });
    const via = /^SIP\/2\.0\/([A-Za-z]{1,8})/.exec(request.headers.get('via')?.[0] ?? '')?.[1];
    const userAgent = request.headers.get('user-agent')?.[0];
    return {
      at,
      aorUser,
      realm: to.host,
      contacts,
      granted: held.map((c) => ({ uri: c.uri, ...granted(c) })),
      callId,
      source: request.source,
      transport: via?.toLowerCase() ?? 'udp',
      ...(userAgent ? { userAgent } : {}),
    };
  }

  #contact(
    asked: SipContact,
    expires: number | undefined,
    found: SipContact | undefined,
    aorUser: string,
    nowMs: number,
  ): WireContact {
    const unregister = expires === 0;
    const wireUri = detached(asked.uri);
    let storedUri = found && detached(found.uri);
    if (unregister) storedUri = this.#forgotten(aorUser, wireUri, nowMs) ?? pjsipForm(wireUri);
    else if (storedUri !== undefined) {
      const forMs = (found && granted(found).grantedMs) ?? REMEMBERED_FOR;
      this.#remember(aorUser, wireUri, { uri: storedUri, untilMs: nowMs + forMs });
    }
    return {
      wireUri,
      ...(storedUri === undefined ? {} : { storedUri }),
      headerParams: asked.headerParams,
      ...(asked.instanceId === undefined ? {} : { instanceId: detached(asked.instanceId) }),
      ...(expires === undefined ? {} : { expires }),
      ...(found ? granted(found) : {}),
      unregister,
      star: false,
    };
  }

  #remember(aorUser: string, wireUri: string, stored: Stored): void {
    const forms = new Map(this.#stored.get(aorUser));
    forms.delete(wireUri);
    forms.set(wireUri, stored);
    const [oldest] = forms.keys();
    if (forms.size > MAX_REMEMBERED_OF_ONE && oldest !== undefined) forms.delete(oldest);
    this.#stored.set(aorUser, forms);
  }

  /** The stored form of a contact that is logged out, which is forgotten with it. */
  #forgotten(aorUser: string, wireUri: string, nowMs: number): string | undefined {
    const forms = new Map(this.#stored.get(aorUser));
    const stored = forms.get(wireUri);
    if (!stored) return undefined;
    forms.delete(wireUri);
    if (forms.size === 0) this.#stored.delete(aorUser);
    else this.#stored.set(aorUser, forms);
    return stored.untilMs < nowMs ? undefined : stored.uri;
  }

  /** Both lists are in the order of their last REGISTER, so that the first one still to be kept ends the search. */
  #forget(nowMs: number): void {
    if (nowMs - this.#forgotMs < FORGETS_EVERY) return;
    this.#forgotMs = nowMs;
    for (const [callId, { sinceMs }] of this.#waiting) {
      if (nowMs - sinceMs <= MAX_WAIT) break;
      this.#waiting.delete(callId);
    }
    for (const [aorUser, forms] of this.#stored) {
      if ([...forms.values()].some(({ untilMs }) => untilMs >= nowMs)) break;
      this.#stored.delete(aorUser);
    }
  }
}

/**
 * Whether the phone answers it by the same REGISTER with credentials: it sent none, or those it sent are only too old (`stale`, RFC 7616
 * §3.3). Else the PBX does not take its user name or password.
 */
function isChallenge(status: number, request: SipHeaders, answer: SipHeaders): boolean {
  if (status !== 401 && status !== 407) return false;
  if (!request.has('authorization') && !request.has('proxy-authorization')) return true;
  const challenges = [...(answer.get('www-authenticate') ?? []), ...(answer.get('proxy-authenticate') ?? [])];
  return challenges.some((text) => /,\s*stale\s*=\s*"?true/i.test(text));
}

function accountOf(headers: SipHeaders): { readonly user: string; readonly host: string } | undefined {
  const to = parseSipUri(parseContacts(headers.get('to')?.[0] ?? '').contacts[0]?.uri ?? '');
  return to?.user ? { user: detached(unescapeUri(to.user)), host: detached(to.host.toLowerCase()) } : undefined;
}

/**
 * How pjsip writes the URI it has read: transport first, escapes only where needed and in lower case. Good for the common
 * contact; a wrong guess names a contact nobody has, and nothing happens.
 */
function pjsipForm(uri: string): string {
  const read = parseSipUri(uri);
  if (!read) return uri;
  const head = splitUri(uri)?.head ?? uri;
  const written = read.params.map((p) => (p.value === undefined ? p.name : `${p.name}=${reescape(p.value)}`));
  const transport = written.filter((p) => /^transport=/i.test(p));
  return [head, ...transport, ...written.filter((p) => !transport.includes(p))].join(';');
}

function reescape(value: string): string {
  const bytes = unescapeUri(value);
  return bytes.replace(/[^A-Za-z0-9\-_.!~*'()[\]/:&+$]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function granted(contact: SipContact): { grantedMs?: DurationMs } {
  return contact.expires === undefined ? {} : { grantedMs: contact.expires * SECOND };
}

function seconds(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
