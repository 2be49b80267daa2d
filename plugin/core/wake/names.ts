/** The names a call travels by: its id in the push and in the INVITE, and the refs of its legs in the dialplan. */
import { hash } from 'node:crypto';
import type { Aor } from '../aor.ts';
import type { BindingId } from '../binding.ts';

/** What a leg's ref says: which wake it belongs to, which of a device's legs it is, and whose. */
export function parseRef(ref: string): { stem: string; kind: 'stored' | 'device'; bindingId: BindingId } | undefined {
  const m = /^(w[0-9a-z]{8})([ds])([0-9a-f]{8,32})$/.exec(ref);
  return m
    ? { stem: m[1] as string, kind: m[2] === 's' ? 'stored' : 'device', bindingId: m[3] as BindingId }
    : undefined;
}

/**
 * Ours, stable over queue rounds (all legs and rounds of a call share the linked id) and the same in the push and in the
 * INVITE's `X-Push-ID`. In the form of a UUID, because iOS wants one to report the call.
 */
export function callIdOf(pbx: string, linkedId: string, aor: Aor): string {
  const h = hash('sha256', `${pbx} ${linkedId} ${aor}`);
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-8${h.slice(13, 16)}-a${h.slice(17, 20)}-${h.slice(20, 32)}`;
}
