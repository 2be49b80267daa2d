/**
 * Writes Asterisk's dial strings. Pure. Everything in a Contact was written by a stranger, so a URI reaches a
 * dial string only in the strict form of `core/contact-uri.ts`.
 */
import { createHash } from 'node:crypto';
import { dialableUri } from '../../../plugin/core/contact-uri.ts';
import type { HeldContact, RingTarget } from '../../../plugin/ports/pbx-link.ts';

export type DialText =
  | {
      readonly ok: true;
      readonly text: string;
      /** Names one contact, so that a header can stand in its URI. */
      readonly isUri: boolean;
    }
  | { readonly ok: false; readonly reason: string };

/** `PJSIP/<endpoint>/<uri>`: this one contact. Behind a Path only the endpoint's name keeps the route. */
export function dialText(endpoint: string, contact: HeldContact): DialText {
  if (contact.path) return { ok: true, text: `PJSIP/${endpoint}`, isUri: false };
  const uri = dialableUri(contact.uri);
  return uri.ok ? { ok: true, text: `PJSIP/${endpoint}/${uri.uri}`, isUri: true } : { ok: false, reason: uri.reason };
}

/**
 * Makes each INVITE to a contact carry the call's id in `X-Push-ID`; `others`: legs that add it
 * themselves. The id travels in the URI (RFC 3261 §19.1.1: `?name=value` becomes a header of the request, and leaves the URI), which costs nothing.
 * The other way, a subroutine of Dial before it dials, makes the call wait (ADR 0011).
 */
export function withPushId(
  dials: readonly (DialText & { readonly ok: true })[],
  callId: string,
  others: readonly string[] = [],
): string {
  const inUri = dials.every((d) => d.isUri);
  // Two contacts behind one Path are one endpoint name: dialled once.
  const legs = new Set(dials.map((d) => (inUri ? `${d.text}?X-Push-ID=${callId}` : d.text)));
  return `${[...legs, ...others].join('&')}${inUri ? '' : `,,b(pushwake-header^s^1(${callId}))`}`;
}

/** A phone that registered with another PBX: by the trunk that leads there. `via`: `PJSIP/{user}@branch`. */
export function dialVia(via: string | undefined, user: string): DialText {
  if (via === undefined)
    return { ok: false, reason: 'it is registered with another PBX, and `via` names no way there' };
  return { ok: true, text: via.replaceAll('{user}', user), isUri: false };
}

export interface Composition {
  /** Channel variables to set before the leg goes on; the dial string among them. */
  readonly variables: Readonly<Record<string, string>>;
  /** Contacts left out, and why. */
  readonly refused: readonly string[];
}

export function compose(endpoint: string, callId: string, ring: readonly RingTarget[]): Composition {
  const locals: string[] = [];
  const contacts: (DialText & { readonly ok: true })[] = [];
  const variables: Record<string, string> = { _PUSHWAKE_ID: callId };
  const refused: string[] = [];
  for (const target of ring) {
    if (target.kind === 'device') {
      locals.push(`Local/${target.ref}@pushwake-device/n`);
      continue;
    }
    const dial = dialText(endpoint, target.contact);
    if (!dial.ok) refused.push(dial.reason);
    else if (target.kind === 'contact') contacts.push(dial);
    else {
      locals.push(`Local/${target.ref}@pushwake-stored/n`);
      variables[`_PUSHWAKE_STORED_${target.ref}`] = withPushId([dial], callId);
    }
  }
  variables.PUSHWAKE_DIAL = withPushId(contacts, callId, locals);
  return { variables, refused };
}

/**
 * The text that a caller's own channel gets for the context `pushwake-go` of the dialplan. Nothing in it can hold a `|` or `>`: refs and ids are
 * ours, and contacts have passed the strict form.
 */
export function handOverText(
  callId: string,
  status: string | undefined,
  variables: Readonly<Record<string, string>>,
): string {
  const stored = Object.entries(variables).flatMap(([name, dial]) => {
    const ref = /^_PUSHWAKE_STORED_(.+)$/.exec(name)?.[1];
    return ref === undefined ? [] : [`${ref}>${dial}`];
  });
  return [callId, status ?? '-', variables.PUSHWAKE_DIAL ?? '', ...stored].join('|');
}

/** res_pjsip's id of a contact: the AOR and the MD5 of the stored URI. */
export function contactObjectId(aorId: string, uri: string): string {
  return `${aorId};@${createHash('md5').update(uri).digest('hex')}`;
}
