/**
 * What HEP tells of registrations: a datagram to a SIP message, a REGISTER and its 200 to one fact. Pure; everything that is no
 * REGISTER is dropped unread. A datagram is a hint (anybody on the network may send one): what follows from it is confirmed
 * by the PBX's contact store elsewhere.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { parseContacts, parseSipUri, type SipContact, sameContact } from '../../../plugin/core/contact-uri.ts';
import { splitUri, unescapeUri } from '../../../plugin/core/sip-contact.ts';
import { between, type DurationMs, type Instant, SECOND } from '../../../plugin/core/time.ts';

/** One HEPv3 datagram, as far as we look. The payload is not read yet. */
export interface HepDatagram {
  readonly payload: Buffer;
  /** `ip:port` the SIP message came from. */
  readonly source: string;
  /** `capture_password`, when the sender gave one. */
  readonly password?: Buffer;
}

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

const MAX_WAIT: DurationMs = 10 * SECOND;
const MAX_WAITING = 10_000;
const MAX_REMEMBERED = 20_000;

/** Chunk types of HEPv3, vendor 0. */
const CHUNK = { ip4Source: 3, ip6Source: 5, sourcePort: 7, password: 14, payload: 15 };

/** Reads the envelope. Undefined: not HEPv3, cut, or nothing in it. Never throws. */
export function parseHep(datagram: Buffer): HepDatagram | undefined {
  if (datagram.length < 6 || datagram.toString('latin1', 0, 4) !== 'HEP3') return undefined;
  const end = datagram.readUInt16BE(4);
  if (end > datagram.length) return undefined;
  let ip = '';
  let port = 0;
  let payload: Buffer | undefined;
  let password: Buffer | undefined;
  for (let i = 6; i + 6 <= end; ) {
    const vendor = datagram.readUInt16BE(i);
    const type = datagram.readUInt16BE(i + 2);
    const length = datagram.readUInt16BE(i + 4);
    if (length < 6 || i + length > end) return undefined;
    const value = datagram.subarray(i + 6, i + length);
    i += length;
    if (vendor !== 0) continue;
    if (type === CHUNK.ip4Source && value.length === 4) ip = value.join('.');
    else if (type === CHUNK.ip6Source && value.length === 16) ip = `[${ip6(value)}]`;
    else if (type === CHUNK.sourcePort && value.length === 2) port = value.readUInt16BE(0);
    else if (type === CHUNK.password) password = value;
    else if (type === CHUNK.payload) payload = value;
  }
  if (!payload) return undefined;
  return { payload, source: `${ip}:${port}`, ...(password ? { password } : {}) };
}

/** Compares digests, so that neither content nor length shows in the time it takes. */
export function passwordMatches(expected: string, given: Buffer | undefined): boolean {
  const digest = (data: string | Buffer) => createHash('sha256').update(data).digest();
  return timingSafeEqual(digest(expected), digest(given ?? ''));
}

/** Whether the payload is worth reading at all: a REGISTER or a 200. */
export function mayConcernUs(payload: Buffer): boolean {
  const start = payload.toString('latin1', 0, 12);
  return start.startsWith('REGISTER ') || start === 'SIP/2.0 200 ';
}

interface Waiting {
  readonly cseq: number;
  readonly at: Instant;
  readonly headers: Headers;
  readonly source: string;
}

/** Joins each REGISTER with its 200. Bounded: what is not answered within 10 s, or is too much, is forgotten. */
export class RegisterPairs {
  readonly #waiting = new Map<string, Waiting>();
  /** AOR and wire URI → stored URI: a 200 to an unregister does not show what was removed. */
  readonly #stored = new Map<string, string>();

  get waiting(): number {
    return this.#waiting.size;
  }

  take(datagram: HepDatagram, at: Instant): WireRegister | undefined {
    if (!mayConcernUs(datagram.payload)) return undefined;
    const text = datagram.payload.toString('utf8');
    const headers = headersOf(text);
    const callId = headers.get('call-id')?.[0];
    const cseq = /^(\d{1,10})\s+REGISTER$/.exec(headers.get('cseq')?.[0] ?? '');
    if (!callId || !cseq) return undefined;
    if (text.startsWith('REGISTER ')) {
      // One per Call-ID: a client must wait for the answer before it sends the next (RFC 3261 §10.2).
      this.#waiting.delete(callId);
      this.#waiting.set(callId, { cseq: Number(cseq[1]), at, headers, source: datagram.source });
      this.#forget(at);
      return undefined;
    }
    const request = this.#waiting.get(callId);
    if (!request || request.cseq !== Number(cseq[1])) return undefined;
    this.#waiting.delete(callId);
    if (Math.abs(between(request.at, at)) > MAX_WAIT) return undefined;
    return this.#register(request, headers, callId, at);
  }

  #register(request: Waiting, answer: Headers, callId: string, at: Instant): WireRegister | undefined {
    const to = parseSipUri(parseContacts(request.headers.get('to')?.[0] ?? '').contacts[0]?.uri ?? '');
    if (!to?.user) return undefined;
    const aorUser = unescapeUri(to.user);
    const asked = parseContacts((request.headers.get('contact') ?? []).join());
    const held = parseContacts((answer.get('contact') ?? []).join()).contacts;
    const expires = seconds(request.headers.get('expires')?.[0]);
    const contacts = asked.contacts.map((c) => this.#contact(c, c.expires ?? expires, held, request.source, aorUser));
    if (asked.star && expires === 0)
      contacts.push({ wireUri: '*', headerParams: [], expires: 0, unregister: true, star: true });
    const via = /^SIP\/2\.0\/([A-Za-z]{1,8})/.exec(request.headers.get('via')?.[0] ?? '')?.[1];
    const userAgent = request.headers.get('user-agent')?.[0]?.slice(0, 256);
    return {
      at,
      aorUser,
      realm: to.host.toLowerCase(),
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
    held: readonly SipContact[],
    source: string,
    aorUser: string,
  ): WireContact {
    const unregister = expires === 0;
    const memory = `${aorUser} ${asked.uri}`;
    const found = unregister ? undefined : storedAs(asked.uri, held, source);
    let storedUri = found?.uri;
    if (unregister) {
      storedUri = this.#stored.get(memory) ?? pjsipForm(asked.uri);
      this.#stored.delete(memory);
    } else if (storedUri !== undefined) {
      this.#stored.delete(memory);
      this.#stored.set(memory, storedUri);
      dropOldest(this.#stored, MAX_REMEMBERED);
    }
    return {
      wireUri: asked.uri,
      ...(storedUri === undefined ? {} : { storedUri }),
      headerParams: asked.headerParams,
      ...(asked.instanceId === undefined ? {} : { instanceId: asked.instanceId }),
      ...(expires === undefined ? {} : { expires }),
      ...(found ? granted(found) : {}),
      unregister,
      star: false,
    };
  }

  #forget(now: Instant): void {
    for (const [callId, { at }] of this.#waiting) {
      // Oldest first; a clock that went back does not make them young again.
      if (Math.abs(between(at, now)) <= MAX_WAIT) break;
      this.#waiting.delete(callId);
    }
    dropOldest(this.#waiting, MAX_WAITING);
  }
}

/**
 * The wire contact among those the 200 shows: the same by RFC 3261, or the same device behind `rewrite_contact`, which puts
 * the source address in. Of several (an older one without `pn-*` on the same port) the one that agrees in most parameters.
 */
export function storedAs<C extends Pick<SipContact, 'uri'>>(
  wireUri: string,
  held: readonly C[],
  source: string,
): C | undefined {
  const candidates = held.filter(
    (h) => sameContact(wireUri, h.uri) || sameContact(moved(wireUri, source), moved(h.uri)),
  );
  const asked = new Set(pairs(wireUri));
  const shared = (c: C) => pairs(c.uri).filter((p) => asked.has(p)).length;
  return candidates.reduce<C | undefined>(
    (best, c) => (best === undefined || shared(c) > shared(best) ? c : best),
    undefined,
  );
}

/** The URI at another place (or its own), without `transport` and what Asterisk adds when it rewrites. */
function moved(uri: string, source?: string): string {
  const read = parseSipUri(uri);
  if (!read) return uri;
  const host = read.host.includes(':') ? `[${read.host}]` : read.host;
  const place = source ?? (read.port === undefined ? host : `${host}:${read.port}`);
  const params = read.params
    .filter((p) => p.name.toLowerCase() !== 'transport' && p.name.toLowerCase() !== 'x-ast-orig-host')
    .map((p) => `;${p.name}${p.value === undefined ? '' : `=${p.value}`}`);
  return `sip:${read.user === undefined ? '' : `${read.user}@`}${place}${params.join('')}`;
}

function pairs(uri: string): string[] {
  return (parseSipUri(uri)?.params ?? []).map((p) => unescapeUri(`${p.name}=${p.value ?? ''}`).toLowerCase());
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

type Headers = ReadonlyMap<string, readonly string[]>;

const COMPACT: Readonly<Record<string, string>> = {
  m: 'contact',
  i: 'call-id',
  t: 'to',
  v: 'via',
  f: 'from',
  l: 'content-length',
};
const WANTED = new Set(['contact', 'call-id', 'cseq', 'to', 'via', 'expires', 'user-agent']);

/** The headers we want, names in lower case and long form, folded lines joined. */
function headersOf(message: string): Headers {
  const end = /\r?\n\r?\n/.exec(message)?.index ?? message.length;
  const lines = message
    .slice(0, end)
    .replace(/\r?\n[ \t]+/g, ' ')
    .split(/\r?\n/);
  const headers = new Map<string, string[]>();
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(':');
    if (colon === -1) continue;
    const said = line.slice(0, colon).trim().toLowerCase();
    const name = Object.hasOwn(COMPACT, said) ? (COMPACT[said] ?? said) : said;
    if (!WANTED.has(name)) continue;
    const value = line.slice(colon + 1).trim();
    const values = headers.get(name);
    if (values) values.push(value);
    else headers.set(name, [value]);
  }
  return headers;
}

function ip6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

function dropOldest(map: Map<string, unknown>, limit: number): void {
  for (const key of map.keys()) {
    if (map.size <= limit) return;
    map.delete(key);
  }
}
