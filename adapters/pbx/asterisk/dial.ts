/**
 * Asterisk's words for what shall be rung. Pure. Everything in a Contact was written by a stranger, so a URI reaches a
 * dial string only in the strict form of `core/contact-uri.ts`.
 */
import { createHash } from 'node:crypto';
import { dialableUri } from '../../../plugin/core/contact-uri.ts';
import type { HeldContact, RingTarget } from '../../../plugin/ports/pbx-link.ts';

export type DialText = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string };

/** `PJSIP/<endpoint>/<uri>`: this one contact. Behind a Path only the endpoint's name keeps the route. */
export function dialText(endpoint: string, contact: HeldContact): DialText {
  if (contact.path) return { ok: true, text: `PJSIP/${endpoint}` };
  const uri = dialableUri(contact.uri);
  return uri.ok ? { ok: true, text: `PJSIP/${endpoint}/${uri.uri}` } : { ok: false, reason: uri.reason };
}

/** A phone that registered with another PBX: by the trunk that leads there. `via`: `PJSIP/{user}@branch`. */
export function dialVia(via: string | undefined, user: string): DialText {
  if (via === undefined)
    return { ok: false, reason: 'it is registered with another PBX, and `via` names no way there' };
  return { ok: true, text: via.replaceAll('{user}', user) };
}

export interface Composition {
  /** Channel variables to set before the leg goes on; the dial string among them. */
  readonly variables: Readonly<Record<string, string>>;
  /** Contacts left out, and why. */
  readonly refused: readonly string[];
}

export function compose(endpoint: string, callId: string, ring: readonly RingTarget[]): Composition {
  const legs: string[] = [];
  const variables: Record<string, string> = { __PUSHWAKE_ID: callId };
  const refused: string[] = [];
  for (const target of ring) {
    if (target.kind === 'device') {
      legs.push(`Local/${target.ref}@pushwake-device/n`);
      continue;
    }
    const dial = dialText(endpoint, target.contact);
    if (!dial.ok) refused.push(dial.reason);
    else if (target.kind === 'contact') legs.push(dial.text);
    else {
      legs.push(`Local/${target.ref}@pushwake-stored/n`);
      variables[`__PUSHWAKE_STORED_${target.ref}`] = dial.text;
    }
  }
  // Two contacts behind one Path are one endpoint name: dialled once.
  variables.PUSHWAKE_DIAL = [...new Set(legs)].join('&');
  return { variables, refused };
}

/** res_pjsip's id of a contact: the AOR and the MD5 of the stored URI. */
export function contactObjectId(aorId: string, uri: string): string {
  return `${aorId};@${createHash('md5').update(uri).digest('hex')}`;
}
