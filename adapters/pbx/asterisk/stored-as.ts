/**
 * Which contact of the PBX a contact on the wire became. Pure. Each URI is read once, and only what stands at the same place is
 * compared: both lists are written by strangers.
 */
import { type ContactForm, contactForm, sameForm } from '../../../plugin/core/contact-uri.ts';

/** A URI with more parameters than this is not compared: the apps we know send up to 14. */
const MOST_PARAMS = 24;
/** How many contacts of one account are compared at most. */
const MOST_HELD = 32;

interface Candidate<C> {
  readonly contact: C;
  readonly form: ContactForm;
}

/**
 * Finds the wire contact among those the PBX shows: the same by RFC 3261, or the same device behind `rewrite_contact`, which puts
 * the source address in. Of several (an older one without `pn-*` on the same port) the one that agrees in most parameters.
 */
export function storedAmong<C extends { readonly uri: string }>(
  held: readonly C[],
): (wireUri: string, source: string) => C | undefined {
  let read: ReadonlyMap<string, readonly Candidate<C>[]> | undefined;
  return (wireUri, source) => {
    const asked = contactForm(wireUri);
    if (!asked || asked.params.size > MOST_PARAMS) return undefined;
    read ??= byPlace(held);
    const moved = source.toLowerCase();
    const found = (read.get(asked.place) ?? []).filter((c) => sameForm(asked, c.form));
    for (const c of read.get(moved) ?? []) if (!found.includes(c) && isMoved(asked, c.form)) found.push(c);
    if (found.length < 2) return found[0]?.contact;
    const shared = found.map((c) => [...asked.params].filter(([name, v]) => c.form.params.get(name) === v).length);
    return found[shared.indexOf(Math.max(...shared))]?.contact;
  };
}

/** At another place, the same but for `transport` and what Asterisk adds when it rewrites. */
function isMoved(asked: ContactForm, held: ContactForm): boolean {
  if (asked.user !== held.user) return false;
  for (const [name, value] of asked.params) {
    if (name !== 'transport' && name !== 'x-ast-orig-host' && (held.params.get(name) ?? value) !== value) return false;
  }
  return true;
}

function byPlace<C extends { readonly uri: string }>(held: readonly C[]): ReadonlyMap<string, readonly Candidate<C>[]> {
  const found = new Map<string, Candidate<C>[]>();
  for (const contact of held.slice(0, MOST_HELD)) {
    const form = contactForm(contact.uri);
    if (!form || form.params.size > MOST_PARAMS) continue;
    const there = found.get(form.place);
    if (there) there.push({ contact, form });
    else found.set(form.place, [{ contact, form }]);
  }
  return found;
}
