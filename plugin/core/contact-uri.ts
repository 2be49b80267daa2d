/**
 * What may be done with a contact: the strict form in which it may be dialled, and when two of them are the same place.
 * A Contact is text written by a stranger; read tolerantly (`sip-contact.ts`), dial strictly. Knows nothing of our own
 * addresses: whether a host is one we may call is for the PBX adapter and the network.
 */
import { stripPushParams } from './push-params.ts';
import { parseSipUri, type SipUri, unescapeUri } from './sip-contact.ts';

export {
  type ContactList,
  MAX_CONTACT,
  parseContacts,
  parseSipUri,
  type SipContact,
  type SipUri,
  type UriParam,
} from './sip-contact.ts';

/** A URI that holds nothing a dial string could take for its own: no `& , | ( ) { } [ ] ^ $ " ' \` space` and no `pn-*`. */
export type DialableUri = string & { readonly __dialable: unique symbol };

export type Dialable =
  | { readonly ok: true; readonly uri: DialableUri }
  | { readonly ok: false; readonly reason: string };

/** pjsip refuses longer ones with 400 (tried: 511 passes, 512 does not). */
const MAX_DIALLED = 511;

// An escape may not hide a control character: `%0d%0a` would be a new header line once some party decodes it.
const CHARACTER = '(?:[A-Za-z0-9._~+=-]|%(?![01]|7f)[0-9A-Fa-f]{2})';
const NAME = '(?:[A-Za-z0-9._~+-]|%(?![01]|7f)[0-9A-Fa-f]{2})';
const HOST = String.raw`(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])`;
// The same set as the FILTER line of the dialplan's fallback, so that both leave out the same contacts.
const STRICT = new RegExp(
  `^sips?:(?:${CHARACTER}{1,200}@)?${HOST}(?::(\\d{1,5}))?(?:;${NAME}+(?:=(?:${CHARACTER}|:)*)?)*$`,
  'i',
);

/**
 * The URI as it may be dialled: without push parameters, everything else (`transport`, `line`, `rinstance`, …) as it was.
 * Anything outside the strict form is refused, not repaired: a repaired URI is one nobody registered. A mark in the user part
 * (`*` of an extension, say) is escaped: that is the same URI (RFC 3261 §19.1.4, §25.1), and no dial string reads it. So is a `%` that
 * escapes nothing: Asterisk stores `50%25` as `50%`.
 */
export function dialableUri(uri: string): Dialable {
  // A phone that has come is asked about twice, by what decides to ring it and by what writes its dial string.
  if (lastRead?.uri !== uri) lastRead = { uri, dialable: readDialable(uri) };
  return lastRead.dialable;
}

let lastRead: { readonly uri: string; readonly dialable: Dialable } | undefined;

function readDialable(uri: string): Dialable {
  const stripped = stripPushParams(uri).replace(USER, (user) => user.replace(MARK, escaped));
  if (stripped.length > MAX_DIALLED) return { ok: false, reason: `longer than ${MAX_DIALLED} characters` };
  const strict = STRICT.exec(stripped);
  if (!strict) return { ok: false, reason: whyNot(stripped) };
  const port = strict[1];
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))
    return { ok: false, reason: 'port out of range' };
  return { ok: true, uri: stripped as DialableUri };
}

/** Scheme and user part, which an `@` ends. */
const USER = /^sips?:[^@;?<>"\s]{1,200}@/i;
const MARK = /[!*'()]|%(?![0-9A-Fa-f]{2})/g;
const escaped = (mark: string) => `%${mark.charCodeAt(0).toString(16)}`;

/** For the trace. Names the kind of trouble and never repeats the text. */
function whyNot(uri: string): string {
  const read = parseSipUri(uri);
  if (!read) return 'not a SIP URI';
  if (/%(?:[01][0-9a-f]|7f)/i.test(uri)) return 'an escaped control character';
  const forbidden = /[^-A-Za-z0-9.:@=_+~%;[\]]/.exec(uri)?.[0];
  if (forbidden === undefined) return 'malformed';
  const code = forbidden.codePointAt(0) ?? 0;
  return code > 0x20 && code < 0x7f ? `the character ${forbidden}` : 'a character outside printable ASCII';
}

/** A URI read once, for comparing it with many others. */
export interface ContactForm {
  readonly scheme: 'sip' | 'sips';
  /** Escapes undone. */
  readonly user: string;
  /** `host:port`, lower case, the default port filled in. */
  readonly place: string;
  /** Names and values without case and escapes. Of a parameter given twice the first counts, as for the PBX. */
  readonly params: ReadonlyMap<string, string>;
}

/** Undefined: it is no SIP URI. */
export function contactForm(uri: string): ContactForm | undefined {
  const read = parseSipUri(uri);
  if (!read) return undefined;
  const params = new Map<string, string>();
  for (const { name, value = '' } of read.params) {
    const of = key(name);
    if (!params.has(of)) params.set(of, key(value));
  }
  return { scheme: read.scheme, user: unescapeUri(read.user ?? ''), place: place(read), params };
}

/**
 * Whether two URIs are one contact, as Asterisk compares them (RFC 3261 §19.1.4): user with case, host without, default
 * ports filled in, a parameter that only one of them has is ignored, values compare without case and after decoding.
 * Two tokens on one host and port are therefore two contacts.
 */
export function sameContact(a: string, b: string): boolean {
  const [left, right] = [contactForm(a), contactForm(b)];
  return left !== undefined && right !== undefined && sameForm(left, right);
}

/** Whether two contacts are reached at one place, whatever tokens they say. */
export const sameAddress = (a: string, b: string): boolean => sameContact(stripPushParams(a), stripPushParams(b));

/** The same question about URIs that were read before. */
export function sameForm(left: ContactForm, right: ContactForm): boolean {
  if (left.scheme !== right.scheme || left.place !== right.place || left.user !== right.user) return false;
  for (const [name, value] of left.params) {
    if ((right.params.get(name) ?? value) !== value) return false;
  }
  return true;
}

/** `host:port`, where its packets come from: with `rewrite_contact` or a phone that knows its address. */
export function sourceOf(uri: string): string | undefined {
  const read = parseSipUri(uri);
  return read && place(read);
}

function place(uri: SipUri): string {
  const host = uri.host.toLowerCase();
  const port = uri.port ?? (uri.transport === 'tls' ? 5061 : 5060);
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function key(text: string): string {
  return unescapeUri(text).toLowerCase();
}
