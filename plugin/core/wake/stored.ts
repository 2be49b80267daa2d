/** Takes the contacts that the PBX holds for the account, and decides which are rung at once. */
import { dialableUri, parseSipUri } from '../contact-uri.ts';
import type { Policy } from '../policy.ts';
import { between, type Instant, isFromFuture, plus, SECOND } from '../time.ts';
import { sleptLately } from '../wake-record.ts';
import type { CallDraft, DeviceDraft } from './call-draft.ts';
import { hasRegistered, isLost } from './leg-state.ts';
import type { ComposeTarget, StoredContact, WakeDevice } from './types.ts';
import { deviceOf, takenFor } from './who.ts';

export function asked(draft: CallDraft, contacts: readonly StoredContact[] | 'unknown'): void {
  if (draft.phase !== 'asking') return;
  draft.phase = 'waiting';
  if (contacts === 'unknown') {
    // The PBX cannot say what it holds: it rings whatever it has, and the phones that we pushed get a closing push.
    draft.step({ step: 'plainPath', why: 'pbxSilent' });
    draft.do({ type: 'compose', ring: [] });
    draft.status('UNAVAILABLE', draft.call.wakeLeg);
    draft.end('gave-up');
    return;
  }
  const ring: ComposeTarget[] = [];
  for (const contact of contacts) {
    const device = deviceOf(draft, contact);
    if (!device) {
      ring.push({ kind: 'contact', contact });
      continue;
    }
    // A contact that cannot be dialled would never ring, and no caller must wait for it.
    if (contact.path === undefined && !dialableUri(contact.uri).ok) continue;
    // Several contacts of one device: the one that lives longest is the one it registered last; the others are remains.
    const { stored } = device.legs;
    if (stored.contact && (stored.contact.expiresAt ?? 0) >= (contact.expiresAt ?? 0)) continue;
    stored.contact = contact;
  }
  draft.rungAtOnce = ring.flatMap((t) => (t.kind === 'contact' ? [t.contact.uri] : []));
  for (const contact of draft.early) {
    const device = takenFor(draft, contact);
    if (!device) continue;
    device.legs.fresh.contact = contact;
    device.legs.fresh.isUnproved = true;
  }
  draft.early = [];
  for (const device of draft.devices) {
    const { stored, fresh } = device.legs;
    if (stored.contact) ring.push({ kind: 'stored', ref: stored.ref, contact: stored.contact });
    ring.push({ kind: 'device', ref: fresh.ref });
    stored.atOnce = ringsAtOnce(device, draft.now, draft.policy(device));
  }
  draft.do({ type: 'compose', ring });
  for (const device of draft.devices) {
    // The device came for an earlier round and has gone again: only a push makes it ring.
    const isGone = device.push === 'awake' && !device.legs.stored.contact && !hasRegistered(device);
    if (isGone) pushAfterAll(draft, device);
  }
}

/**
 * A stored TCP, TLS or WS contact is rung at once: alive it rings, dead it costs nothing. Of a device that slept lately it may be
 * suspended: an INVITE would lie in its buffer, and ring when the call is long over (ADR 0051). So that, and any stored UDP contact, is
 * rung only if it is fresh or the push failed: Asterisk sends a dead INVITE again even after hang-up, and the phone would ring twice.
 */
export function ringsAtOnce(device: WakeDevice, now: Instant, policy: Policy): boolean {
  const { contact } = device.legs.stored;
  if (!contact) return false;
  if (isLost(device) || device.push === 'delayed' || device.push === 'awake') return true;
  if (!isDatagram(contact) && !sleptLately(device.binding.wakes)) return true;
  const known = device.binding.contacts.find((c) => c.uri === contact.uri);
  const grantedMs = known?.grantedMs;
  const registeredAt =
    contact.expiresAt !== undefined && grantedMs !== undefined ? plus(contact.expiresAt, -grantedMs) : known?.seenAt;
  // PBXs report expiry in whole seconds: one more counts as fresh, so that a REGISTER just before the call is never missed.
  if (registeredAt === undefined || isFromFuture(registeredAt, now)) return false;
  return between(registeredAt, now) <= policy.freshContactMs + SECOND;
}

export function isDatagram(contact: StoredContact): boolean {
  return (parseSipUri(contact.uri)?.transport ?? 'udp') === 'udp';
}

/** Corrects a device that was taken for awake and is not. */
export function pushAfterAll(draft: CallDraft, device: DeviceDraft): void {
  device.push = 'sent';
  device.pushes++;
  device.told = false;
  draft.step({ step: 'noLongerAwake', device: device.bindingId });
  draft.do({ type: 'push', device });
}
