/**
 * Reads Contact header values and SIP URIs as they come: old clients, cut datagrams, hostile bytes. Tolerant on purpose;
 * never throws, one pass over the text. What is safe to dial is decided in `contact-uri.ts`, what asks for push in
 * `push-params.ts`.
 */

/** One `;name=value`, as written. Names keep their case, values their escapes. */
export interface UriParam {
  readonly name: string;
  /** Absent for a flag such as `;lr` or `;ob`. */
  readonly value?: string;
}

export interface SipUri {
  readonly scheme: 'sip' | 'sips';
  /** Escapes kept. A password (`user:secret`) is not part of it. */
  readonly user?: string;
  /** As written; IPv6 without its brackets. */
  readonly host: string;
  readonly port?: number;
  /** In the order written. */
  readonly params: readonly UriParam[];
  /** Lower case; `udp` where nothing is said, `tls` for `sips` (RFC 3261 §26.2.2 lets `sips` stand over TCP: that is TLS). */
  readonly transport: string;
}

/** One element of a Contact header. */
export interface SipContact {
  /** The URI as written, escapes and all, without the angle brackets. */
  readonly uri: string;
  readonly uriParams: readonly UriParam[];
  /** Parameters after `>`: quotes removed, otherwise as written. */
  readonly headerParams: readonly UriParam[];
  readonly displayName?: string;
  /** Seconds. Absent when not given or not a number: then the Expires header holds. */
  readonly expires?: number;
  /** `+sip.instance` (RFC 5626) without quotes and brackets; `urn:uuid:` in lower case. */
  readonly instanceId?: string;
  readonly regId?: string;
  readonly q?: string;
}

export interface ContactList {
  /** `Contact: *` (with Expires 0: remove all). */
  readonly star: boolean;
  readonly contacts: readonly SipContact[];
  /** Why some of it could not be read. The contacts that could be are there all the same. */
  readonly reason?: string;
}

/** Longest URI or contact that is looked at. Asterisk takes 511 characters, FreeSWITCH 1023. */
export const MAX_CONTACT = 4096;
const MAX_CONTACTS = 64;
const MAX_EXPIRES = 0xffffffff;
/** What a transport is called below `sips`. A map: the word is a stranger's and may be `constructor`. */
const SECURED: ReadonlyMap<string, string> = new Map([
  ['udp', 'tls'],
  ['tcp', 'tls'],
  ['ws', 'wss'],
]);

/**
 * Reads a Contact header value: a list with commas, names in quotes, `<>` or bare, `*`. Also reads one bare URI as a PBX
 * stores it. What cannot be read is left out and `reason` says so.
 */
export function parseContacts(text: string): ContactList {
  const contacts: SipContact[] = [];
  let star = false;
  let reason: string | undefined;
  for (const [from, to] of elements(text)) {
    if (contacts.length >= MAX_CONTACTS) {
      reason ??= `more than ${MAX_CONTACTS} contacts`;
      break;
    }
    if (to - from > MAX_CONTACT) {
      reason ??= `a contact is longer than ${MAX_CONTACT} characters`;
      continue;
    }
    const element = text.slice(from, to).trim();
    if (element === '') continue;
    if (/^\*\s*(?:;|$)/.test(element)) {
      star = true;
      continue;
    }
    const contact = contactOf(element);
    if (contact) contacts.push(contact);
    else reason ??= 'a contact is not a SIP URI';
  }
  return { star, contacts, ...(reason === undefined ? {} : { reason }) };
}

/** Reads one SIP URI (no angle brackets), or answers undefined when the text is none. */
export function parseSipUri(text: string): SipUri | undefined {
  const parts = splitUri(text);
  if (!parts) return undefined;
  const { userInfo, hostPort, segments } = parts;
  const bracketed = /^\[([^\]]*)\](?::(\d{1,5}))?/.exec(hostPort);
  const plain = bracketed ?? /^([^:\s[\]]+)(?::(\d{1,5}))?/.exec(hostPort);
  const host = plain?.[1];
  if (!host) return undefined;
  const port = Number(plain?.[2] ?? 0);
  const params = segments.map(paramOf).filter((p) => p.name !== '');
  const scheme = parts.scheme === 'sips:' ? 'sips' : 'sip';
  const said = params.find((p) => p.name.toLowerCase() === 'transport')?.value?.toLowerCase();
  const user = userInfo?.split(':', 1)[0];
  return {
    scheme,
    ...(user ? { user } : {}),
    host,
    ...(port >= 1 && port <= 65_535 ? { port } : {}),
    params,
    transport: scheme === 'sip' ? said || 'udp' : (SECURED.get(said || 'tcp') ?? said ?? 'tls'),
  };
}

/** The pieces of a URI. Joined again as `head` + `;` + each segment they give the text back, character for character. */
export interface UriPieces {
  readonly scheme: 'sip:' | 'sips:';
  /** Everything before the first parameter. */
  readonly head: string;
  readonly userInfo?: string;
  readonly hostPort: string;
  /** The texts between the semicolons, as written, empty ones too. */
  readonly segments: readonly string[];
}

export function splitUri(text: string): UriPieces | undefined {
  const found = placesOf(text);
  if (!found) return undefined;
  const { scheme, start, at, hostStart, headEnd } = found;
  return {
    scheme,
    head: text.slice(0, headEnd),
    ...(at === -1 ? {} : { userInfo: text.slice(start, at) }),
    hostPort: text.slice(hostStart, headEnd).split('?', 1)[0] ?? '',
    segments: headEnd === text.length ? [] : text.slice(headEnd + 1).split(';'),
  };
}

/** What follows the address of a SIP URI, with its first semicolon; empty: nothing. Undefined: the text is no SIP URI, or too long. */
export function paramsTextOf(text: string): string | undefined {
  const found = placesOf(text);
  return found && text.slice(found.headEnd);
}

/** Where the pieces of a URI lie in its text. */
function placesOf(text: string) {
  if (text.length > MAX_CONTACT) return undefined;
  const scheme = /^\s*(sips?:)/i.exec(text);
  if (!scheme?.[1]) return undefined;
  const start = scheme[0].length;
  // RFC 3261 lets `;` and `?` stand in a user part, so the first `@` decides where the host begins; pjsip reads it the same.
  const at = text.indexOf('@', start);
  const hostStart = at === -1 ? start : at + 1;
  const semicolon = text.indexOf(';', hostStart);
  return {
    scheme: scheme[1].toLowerCase() === 'sips:' ? ('sips:' as const) : ('sip:' as const),
    start,
    at,
    hostStart,
    headEnd: semicolon === -1 ? text.length : semicolon,
  };
}

/**
 * `name=value`. A `?` would begin the URI's headers (RFC 3261 §19.1.1); contacts have none in practice, but a web push
 * endpoint somebody forgot to escape has one, so it is kept as part of the value.
 */
export function paramOf(segment: string): UriParam {
  const equals = segment.indexOf('=');
  if (equals === -1) return { name: segment.trim() };
  return { name: segment.slice(0, equals).trim(), value: segment.slice(equals + 1).trim() };
}

/** Percent escapes to characters, byte by byte. Broken escapes stay as they are. */
export function unescapeUri(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Finds the list's elements: commas count only outside quotes and angle brackets. Each character is looked at twice at most. */
function* elements(text: string): Generator<readonly [number, number]> {
  let start = 0;
  let opened = -1;
  let commaInside = -1;
  let quotedFrom = -1;
  let quotesCount = true;
  for (let i = 0; i <= text.length; i++) {
    const c = text[i];
    if (quotedFrom !== -1) {
      if (c === undefined) {
        // The quote was never closed: read on behind it as if it were an ordinary character. Happens once.
        i = quotedFrom;
        quotedFrom = -1;
        quotesCount = false;
      } else if (c === '\\') i++;
      else if (c === '"') quotedFrom = -1;
      // `"\` at the very end steps over the end of the text.
      if (i === text.length) i--;
      continue;
    }
    if (opened !== -1) {
      if (c === '>') opened = -1;
      else if (c === ',') commaInside = i;
      else if (c === '<' && commaInside !== -1) {
        // `<sip:a@b, <sip:c@d>`: the first one lost its `>`.
        yield [start, commaInside];
        start = commaInside + 1;
        opened = i;
        commaInside = -1;
      }
      continue;
    }
    if (c === '"' && quotesCount) quotedFrom = i;
    else if (c === '<') {
      opened = i;
      commaInside = -1;
    } else if (c === ',') {
      yield [start, i];
      start = i + 1;
    }
  }
  yield [start, text.length];
}

function contactOf(element: string): SipContact | undefined {
  const name = /^"(?:[^"\\]|\\.)*"/.exec(element)?.[0];
  const open = element.indexOf('<', name?.length ?? 0);
  const bare = /^sips?:/i.test(element);
  if (open === -1 || bare) return looseContact(element.slice(name?.length ?? 0).trim());
  const displayName = unquote((name ?? element.slice(0, open)).trim());
  const close = element.indexOf('>', open);
  if (close === -1) return looseContact(element.slice(open + 1).trim(), displayName);
  return build(
    element.slice(open + 1, close).trim(),
    splitOutsideQuotes(element.slice(close + 1)).map(paramOf),
    displayName,
  );
}

/**
 * No `<>`, or `>` missing. RFC 3261 §20.10 gives all parameters of a bare URI to the header, but then `transport` and the
 * push parameters of careless clients, and every URI a PBX has stored, would be lost: only what is known to be a header
 * parameter is taken for one.
 */
function looseContact(text: string, displayName?: string): SipContact | undefined {
  const [head = '', ...segments] = splitOutsideQuotes(text);
  const ofHeader = (s: string) => /^\s*(?:\+|(?:expires|q|reg-id|methods|pub-gruu|temp-gruu)\s*(?:=|$))/i.test(s);
  const uri = [head, ...segments.filter((s) => !ofHeader(s))].join(';').trim();
  return build(uri, segments.filter(ofHeader).map(paramOf), displayName);
}

function build(uri: string, rawHeaderParams: readonly UriParam[], displayName?: string): SipContact | undefined {
  const read = parseSipUri(uri);
  if (!read) return undefined;
  const headerParams = rawHeaderParams
    .filter((p) => p.name !== '')
    .map((p) => (p.value === undefined ? p : { name: p.name, value: unquote(p.value) }));
  const value = (name: string) => headerParams.find((p) => p.name.toLowerCase() === name)?.value;
  const expires = value('expires');
  const instanceId = instanceOf(value('+sip.instance'));
  const regId = value('reg-id');
  const q = value('q');
  return {
    uri,
    uriParams: read.params,
    headerParams,
    ...(displayName ? { displayName } : {}),
    ...(expires !== undefined && /^\d{1,10}$/.test(expires) ? { expires: Math.min(Number(expires), MAX_EXPIRES) } : {}),
    ...(instanceId ? { instanceId } : {}),
    ...(regId ? { regId } : {}),
    ...(q ? { q } : {}),
  };
}

function instanceOf(value: string | undefined): string | undefined {
  const id = value?.replace(/^<|>$/g, '');
  if (!id || !/^[\x21-\x7e]{1,256}$/.test(id)) return undefined;
  return /^urn:uuid:/i.test(id) ? id.toLowerCase() : id;
}

function unquote(text: string): string {
  if (!text.startsWith('"')) return text;
  return text.slice(1, text.endsWith('"') && text.length > 1 ? -1 : undefined).replace(/\\(.)/g, '$1');
}

function splitOutsideQuotes(text: string): string[] {
  const found: string[] = [];
  let start = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted && c === '\\') i++;
    else if (c === '"') quoted = !quoted;
    else if (c === ';' && !quoted) {
      found.push(text.slice(start, i));
      start = i + 1;
    }
  }
  found.push(text.slice(start));
  return found;
}
