/**
 * A Contact as FreeSWITCH stores and shows it: `"<display>" <sip:…>`, cut at 1023 characters (then without its `>`), and behind
 * NAT with the way back appended as `;fs_nat=yes;fs_path=<escaped URI>`, which repeats every push parameter. Pure. Written by
 * a stranger from end to end: read tolerantly, dialled strictly, never repaired.
 */
import { dialableUri, sourceOf } from '../../../../plugin/core/contact-uri.ts';
import { stripPushParams } from '../../../../plugin/core/push-params.ts';
import { MAX_CONTACT, paramOf, splitUri, unescapeUri } from '../../../../plugin/core/sip-contact.ts';

export interface StoredContact {
  /** The phone's own URI, push parameters and all, without what FreeSWITCH appended. */
  readonly uri: string;
  /** Where its packets must be sent: an edge proxy (Path) or the outside of a NAT. Push parameters are left out. */
  readonly route?: string;
  readonly nat: boolean;
}

/** Undefined: not a SIP contact. `(null)` is what FreeSWITCH makes of `Contact: *`. */
export function readStored(text: string): StoredContact | undefined {
  if (text.length > MAX_CONTACT) return undefined;
  const open = openOf(text);
  if (open === undefined) return undefined;
  const close = text.indexOf('>', open);
  const pieces = splitUri(text.slice(open, close === -1 ? undefined : close).trim());
  if (!pieces || pieces.hostPort === '' || isNull(text)) return undefined;
  const own: string[] = [];
  let route: string | undefined;
  let nat = false;
  let appended = false;
  for (const segment of pieces.segments) {
    const { name, value = '' } = paramOf(segment);
    appended = /^fs_/i.test(name);
    if (!appended) own.push(segment);
    // The last one is FreeSWITCH's; one before it would be the phone's own.
    else if (/^fs_path$/i.test(name)) route = routeOf(value);
    else if (/^fs_nat$/i.test(name)) nat = true;
  }
  // Cut in the middle of a parameter of the phone's: half a token is no token.
  if (close === -1 && !appended && text.length >= CUT_AT && own.length > 0) own.pop();
  return { uri: [pieces.head, ...own].join(';'), nat, ...(route === undefined ? {} : { route }) };
}

/** `char contact_str[1024]` in sofia_reg.c. */
const CUT_AT = 1023;

/** `Contact: *` with Expires 0. */
function isNull(text: string): boolean {
  return /sip:\(null\)@\(null\)/.test(text);
}

/** Where the URI begins. A display name may hold anything, `<` too, but ends at its own quote. */
function openOf(text: string): number | undefined {
  const name = /^\s*"(?:[^"\\]|\\.)*"/.exec(text)?.[0] ?? '';
  const open = text.indexOf('<', name.length);
  if (open !== -1) return open + 1;
  return name === '' && /^\s*sips?:/i.test(text) ? 0 : undefined;
}

/** A cut escape at the end is dropped; a cut parameter is as good as none: the host stands before them all. */
function routeOf(escaped: string): string {
  return stripPushParams(unescapeUri(escaped.replace(/%[0-9A-Fa-f]?$/, '')).replace(/^<|>$/g, ''));
}

export type DialText = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string };

/**
 * `sofia/<profile>/<uri>`: this one contact, without push parameters. `ours`: addresses (`host:port`) of the PBX itself. A
 * phone that names one of them as its own would have its calls sent to the dialplan, as if the PBX had placed them.
 */
export function dialText(profile: string, contact: StoredContact, ours: ReadonlySet<string>): DialText {
  const uri = strict(contact.uri, ours);
  if (!uri.ok) return uri;
  if (contact.route === undefined) return { ok: true, text: `sofia/${profile}/${uri.text}` };
  const route = strict(contact.route, ours);
  if (!route.ok) return { ok: false, reason: `its route: ${route.reason}` };
  const nat = contact.nat ? 'fs_nat=yes;' : '';
  return { ok: true, text: `sofia/${profile}/${uri.text};${nat}fs_path=${encodeURIComponent(route.text)}` };
}

/** A phone that registered with another PBX: by the trunk that leads there. `via`: `sofia/gateway/branch/{user}`. */
export function dialVia(via: string | undefined, user: string): DialText {
  if (via === undefined)
    return { ok: false, reason: 'it is registered with another PBX, and `via` names no way there' };
  return { ok: true, text: via.replaceAll('{user}', user) };
}

function strict(text: string, ours: ReadonlySet<string>): DialText {
  const uri = dialableUri(text);
  if (!uri.ok) return uri;
  // Every character is harmless, but together they are FreeSWITCH's separator of whole dial strings.
  if (uri.uri.includes(':_:')) return { ok: false, reason: 'the characters :_:' };
  const place = sourceOf(uri.uri);
  if (place !== undefined && ours.has(place)) return { ok: false, reason: 'an address of the PBX itself' };
  return { ok: true, text: uri.uri };
}
