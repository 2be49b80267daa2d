/** What the PBX holds for the account, and which of it is rung at once. */
import { appChosen, type Binding } from '../binding.ts';
import { dialableUri, parseSipUri } from '../contact-uri.ts';
import type { Policy } from '../policy.ts';
import { pushParamsOf } from '../push-params.ts';
import { between, type Instant, plus, SECOND } from '../time.ts';
import { isLost } from './leg-state.ts';
import type { ComposeTarget, StoredContact, Wake, WakeDevice, WakeEffect } from './types.ts';
import { deviceOf } from './who.ts';
import { finish, status } from './words.ts';

export function asked(
  wake: Wake,
  contacts: readonly StoredContact[] | 'unknown',
  now: Instant,
  policyFor: (b: Binding) => Policy,
): readonly WakeEffect[] {
  if (wake.phase !== 'asking') return [];
  wake.phase = 'waiting';
  if (contacts === 'unknown') {
    // The PBX cannot say what it holds: it shall ring whatever it has, and the phones we pushed are told.
    return [
      { type: 'step', step: { step: 'plainPath', why: 'pbxSilent' } },
      { type: 'compose', ring: [] },
      ...status(wake, 'UNAVAILABLE', wake.wakeLeg),
      ...finish(wake, 'gave-up', now),
    ];
  }
  const ring: ComposeTarget[] = [];
  for (const contact of contacts) {
    const device = deviceOf(wake, contact);
    if (!device) {
      ring.push({ kind: 'contact', contact });
      continue;
    }
    // One that cannot be dialled would never ring, and nobody must wait for it.
    if (contact.path === undefined && !dialableUri(contact.uri).ok) continue;
    // Several contacts of one device: the one that lives longest is the one it registered last; the others are remains.
    if (device.storedContact && (device.storedContact.expiresAt ?? 0) >= (contact.expiresAt ?? 0)) continue;
    device.storedContact = contact;
  }
  wake.rungAtOnce = ring.flatMap((t) => (t.kind === 'contact' ? [t.contact.uri] : []));
  for (const contact of wake.early.splice(0)) {
    const device = wokenBy(wake, contact);
    if (device) device.fresh = contact;
  }
  for (const device of wake.devices) {
    if (device.storedContact) ring.push({ kind: 'stored', ref: device.storedRef, contact: device.storedContact });
    ring.push({ kind: 'device', ref: device.ref });
    device.ringStoredAtOnce = ringsAtOnce(device, now, policyFor(device.binding));
  }
  // It came for an earlier round and has gone again: nothing rings it but a push.
  const gone = wake.devices.filter((d) => d.push === 'awake' && !d.storedContact && !d.fresh);
  return [{ type: 'compose', ring }, ...gone.flatMap(pushAfterAll)];
}

/**
 * An app that reports its tokens over HTTP puts nothing of itself into its Contact. While it is being woken, a contact that
 * registers and was not rung already is taken for it; of several such apps any, for each fresh contact takes one waiting leg.
 */
export function wokenBy(wake: Wake, contact: StoredContact): WakeDevice | undefined {
  const taken = wake.devices.find((d) => d.fresh?.uri === contact.uri);
  if (taken) return taken;
  if (wake.rungAtOnce.includes(contact.uri)) return undefined;
  if (pushParamsOf(contact.uri, appChosen(wake.devices.map((d) => d.binding))).kind === 'push') return undefined;
  return wake.devices.find((d) => d.binding.reportedAt !== undefined && !d.fresh && d.deviceState !== 'ended');
}

/**
 * A stored TCP, TLS or WS contact is rung at once: alive it rings, dead it costs nothing. A stored UDP contact only if it
 * is fresh or the push failed: Asterisk sends a dead INVITE again even after hang-up, and the phone would ring twice.
 */
export function ringsAtOnce(device: WakeDevice, now: Instant, policy: Policy): boolean {
  const contact = device.storedContact;
  if (!contact) return false;
  if (isLost(device) || device.push === 'delayed' || device.push === 'awake') return true;
  if (!isDatagram(contact)) return true;
  const known = device.binding.contacts.find((c) => c.uri === contact.uri);
  const grantedMs = known?.grantedMs;
  const registeredAt =
    contact.expiresAt !== undefined && grantedMs !== undefined ? plus(contact.expiresAt, -grantedMs) : known?.seenAt;
  // PBXs tell expiry in whole seconds: one more counts as fresh, so that a REGISTER just before the call is never missed.
  return registeredAt !== undefined && between(registeredAt, now) <= policy.freshContactMs + SECOND;
}

export function isDatagram(contact: StoredContact): boolean {
  return (parseSipUri(contact.uri)?.transport ?? 'udp') === 'udp';
}

/** It was taken for awake and is not. */
export function pushAfterAll(device: WakeDevice): readonly WakeEffect[] {
  device.push = 'sent';
  device.pushes++;
  device.told = false;
  return [
    { type: 'step', step: { step: 'noLongerAwake', device: device.bindingId } },
    { type: 'push', device },
  ];
}
