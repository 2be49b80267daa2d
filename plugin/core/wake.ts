/**
 * One waiting call of one AOR: whom to push, what to ring, and who is told how it ended. Pure: (wake, fact, now) to
 * effects; the wake itself lives in memory only and dies with the call. Fork, timeout, CANCEL and "answered elsewhere" are
 * the PBX's own; here is decided only when a waiting leg goes on and with which contact.
 *
 * Per pushed device there are up to two legs: `stored` rings the contact the PBX still holds (nobody knows whether it is
 * dead), `device` waits for a fresh REGISTER. At most one of them ends up ringing the phone.
 */
import { createHash } from 'node:crypto';
import type { Aor } from './aor.ts';
import type { AorRecord, Binding, BindingId, Target } from './binding.ts';
import { dialableUri, parseSipUri } from './contact-uri.ts';
import { isSameDevice } from './identity.ts';
import type { Policy } from './policy.ts';
import { pushParamsOf } from './push-params.ts';
import { between, type DurationMs, type Instant, plus, SECOND } from './time.ts';

/** Q.850 causes a leg may end with, as far as they decide anything here. */
export const Cause = {
  /** What Asterisk gives for an account nobody is registered for. */
  noRoute: 3,
  /** 486 and 600: the person at the phone said no. */
  busy: 17,
  noAnswer: 19,
  subscriberAbsent: 20,
  /** 603. */
  rejected: 21,
  answeredElsewhere: 26,
  requestedChannelUnavailable: 44,
  /** The caller is gone. */
  interworking: 127,
} as const;

/** A contact the PBX holds, as the wake needs it. */
export interface StoredContact {
  readonly uri: string;
  readonly expiresAt?: Instant;
  readonly path?: string;
  readonly instanceId?: string;
}

type LegState = 'none' | 'held' | 'dialling' | 'ringing' | 'answered' | 'ended';

export interface WakeDevice {
  readonly bindingId: BindingId;
  readonly binding: Binding;
  readonly target: Target;
  readonly ref: string;
  readonly storedRef: string;
  deviceLeg?: string;
  deviceState: LegState;
  storedLeg?: string;
  storedState: LegState;
  storedContact?: StoredContact;
  storedDialledAt?: Instant;
  ringStoredAtOnce: boolean;
  push: 'sent' | 'delayed' | 'accepted' | 'dead' | 'failed';
  /** A REGISTER of this device since the call began. */
  fresh?: StoredContact;
  /** It registered at the address its stored leg already rings: give that leg until then to be heard. */
  graceUntil?: Instant;
  rang: boolean;
  /** The cause its stored contact was declined with. */
  declined?: number;
  /** It knows how the call ended: it took it, declined it, or was sent the closing word. */
  told: boolean;
}

export interface Wake {
  readonly pbx: string;
  readonly aor: Aor;
  /** The wake leg; absent for a wake that was taken up after we were away. */
  readonly wakeLeg?: string;
  readonly callId: string;
  readonly startedAt: Instant;
  readonly endsAt: Instant;
  readonly devices: WakeDevice[];
  phase: 'asking' | 'waiting' | 'over';
  outcome?: 'answered' | ClosingWord;
}

/** How a call ended for a device that did not get it. */
export type ClosingWord = 'elsewhere' | 'cancelled' | 'gave-up';

export type WakeEvent =
  /** What the PBX holds for the AOR; `unknown` when it could not say. */
  | { readonly type: 'Asked'; readonly contacts: readonly StoredContact[] | 'unknown' }
  | { readonly type: 'LegArrived'; readonly legId: string; readonly ref: string }
  | { readonly type: 'LegDials'; readonly legId: string }
  | { readonly type: 'LegRinging'; readonly ref: string }
  | { readonly type: 'LegAnswered'; readonly legId: string }
  /**
   * `hungUp`: from outside, with the call or by us. Asterisk gives such a leg the cause that was in the air, which may be
   * another phone's 486; only of a leg that ended by itself the cause is what its own phone said.
   */
  | { readonly type: 'LegEnded'; readonly legId: string; readonly cause: number; readonly hungUp: boolean }
  /** A REGISTER that happened after the call began. */
  | { readonly type: 'Registered'; readonly contact: StoredContact }
  | {
      readonly type: 'PushSettled';
      readonly bindingId: BindingId;
      /** `delayed`: the service did not take it at the first attempt; more follow. */
      readonly outcome: 'accepted' | 'delayed' | 'dead' | 'failed';
    }
  | { readonly type: 'TimePassed' };

export type WakeEffect =
  | { readonly type: 'push'; readonly device: WakeDevice }
  | { readonly type: 'ask' }
  | { readonly type: 'compose'; readonly ring: readonly ComposeTarget[] }
  | {
      readonly type: 'ring';
      readonly legId: string;
      readonly ref: string;
      readonly kind: 'device' | 'stored';
      readonly contact?: StoredContact;
    }
  | { readonly type: 'giveUp'; readonly legId: string; readonly cause: number }
  | { readonly type: 'tell'; readonly device: WakeDevice; readonly word: ClosingWord }
  | { readonly type: 'watch'; readonly on: boolean }
  | { readonly type: 'step'; readonly step: string; readonly device?: BindingId; readonly detail?: string }
  | { readonly type: 'over' };

export type ComposeTarget =
  | { readonly kind: 'contact'; readonly contact: StoredContact }
  | { readonly kind: 'stored'; readonly ref: string; readonly contact: StoredContact }
  | { readonly kind: 'device'; readonly ref: string };

/** RFC 3261 §17.1.1.2, timer A: an INVITE over UDP is sent again after these times, also when its channel is long gone. */
const INVITE_RETRANSMITTED_AT: readonly DurationMs[] = [500, 1_500, 3_500, 7_500, 15_500, 31_500];
/** An awake phone on a live connection answers 100 or 180 within a round trip. */
const STREAM_GRACE: DurationMs = 400;
/** Longer than this the phone shall not wait for a retransmission; a second INVITE is the smaller evil. */
const RETRANSMISSION_GRACE: DurationMs = 1_200;

export interface WakeArrival {
  readonly pbx: string;
  readonly aor: Aor;
  readonly wakeLeg?: string;
  readonly callId: string;
  /** Unique per wake: the stem of its legs' refs; `w` and eight of [0-9a-z]. */
  readonly stem: string;
  readonly startedAt: Instant;
}

/**
 * A call arrives. The pushes go out at once, from the record alone; what the PBX holds is asked in parallel.
 * `targetFor` says where a call push of a binding goes, if any provider can send one.
 */
export function beginWake(
  arrival: WakeArrival,
  record: AorRecord | undefined,
  policyFor: (b: Binding) => Policy,
  targetFor: (b: Binding) => Target | undefined,
): { wake: Wake; effects: readonly WakeEffect[] } {
  const devices: WakeDevice[] = [];
  let ringTimeMs = 0;
  for (const binding of record?.bindings ?? []) {
    const target = targetFor(binding);
    if (!target || binding.ending) continue;
    ringTimeMs = Math.max(ringTimeMs, policyFor(binding).ringTimeMs);
    devices.push(newDevice(arrival.stem, binding, target));
  }
  const wake: Wake = {
    pbx: arrival.pbx,
    aor: arrival.aor,
    ...(arrival.wakeLeg === undefined ? {} : { wakeLeg: arrival.wakeLeg }),
    callId: arrival.callId,
    startedAt: arrival.startedAt,
    endsAt: plus(arrival.startedAt, ringTimeMs),
    devices,
    phase: devices.length === 0 ? 'over' : 'asking',
  };
  if (devices.length === 0) {
    // Nothing of ours in this call: the plain path, as if we were not there.
    return {
      wake,
      effects: [{ type: 'step', step: 'no binding, plain path' }, { type: 'compose', ring: [] }, { type: 'over' }],
    };
  }
  return {
    wake,
    effects: [
      ...devices.map((device) => ({ type: 'push', device }) as const),
      { type: 'ask' },
      { type: 'watch', on: true },
    ],
  };
}

function newDevice(stem: string, binding: Binding, target: Target): WakeDevice {
  return {
    bindingId: binding.id,
    binding,
    target,
    ref: `${stem}d${binding.id}`,
    storedRef: `${stem}s${binding.id}`,
    deviceState: 'none',
    storedState: 'none',
    ringStoredAtOnce: false,
    push: 'sent',
    rang: false,
    told: false,
  };
}

/** What a leg's ref says: which wake it belongs to, which of a device's legs it is, and whose. */
export function parseRef(ref: string): { stem: string; kind: 'stored' | 'device'; bindingId: BindingId } | undefined {
  const m = /^(w[0-9a-z]{8})([ds])([0-9a-f]{8,32})$/.exec(ref);
  return m
    ? { stem: m[1] as string, kind: m[2] === 's' ? 'stored' : 'device', bindingId: m[3] as BindingId }
    : undefined;
}

/**
 * A call that waited already when the link came up: we, or the link, had been away. The phones were pushed then; what is
 * left is to ring them when they register, or have registered meanwhile. Called once per device of the wake.
 */
export function takeUpDevice(
  wake: Wake | undefined,
  arrival: WakeArrival,
  binding: Binding,
  target: Target,
  ringTimeMs: DurationMs,
): Wake {
  const device = newDevice(arrival.stem, binding, target);
  if (wake) {
    wake.devices.push(device);
    return wake;
  }
  return {
    pbx: arrival.pbx,
    aor: arrival.aor,
    callId: arrival.callId,
    startedAt: arrival.startedAt,
    endsAt: plus(arrival.startedAt, ringTimeMs),
    devices: [device],
    phase: 'waiting',
  };
}

/**
 * Ours, stable over queue rounds (all legs and rounds of a call share the linked id) and the same in the push and in the
 * INVITE's `X-Push-ID`. In the form of a UUID, because iOS wants one to report the call.
 */
export function callIdOf(pbx: string, linkedId: string, aor: Aor): string {
  const h = createHash('sha256').update(`${pbx} ${linkedId} ${aor}`).digest('hex');
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-8${h.slice(13, 16)}-a${h.slice(17, 20)}-${h.slice(20, 32)}`;
}

export function stepWake(
  wake: Wake,
  event: WakeEvent,
  now: Instant,
  policyFor: (b: Binding) => Policy,
): readonly WakeEffect[] {
  if (wake.phase === 'over') return [];
  switch (event.type) {
    case 'Asked':
      return asked(wake, event.contacts, now, policyFor);
    case 'LegArrived':
      return legArrived(wake, event, now);
    case 'LegDials':
      return legDials(wake, event.legId, now);
    case 'LegRinging':
      return legRinging(wake, event.ref);
    case 'LegAnswered':
      return legAnswered(wake, event.legId);
    case 'LegEnded':
      return legEnded(wake, event, now);
    case 'Registered':
      return registered(wake, event.contact, now);
    case 'PushSettled':
      return pushSettled(wake, event, now);
    case 'TimePassed':
      return timePassed(wake, now);
    default:
      return event satisfies never;
  }
}

/** When `TimePassed` must come, if nothing else happens. */
export function wakeDueAt(wake: Wake): Instant | undefined {
  if (wake.phase === 'over') return undefined;
  return wake.devices.reduce<Instant | undefined>((a, d) => {
    const at = d.deviceState === 'held' ? d.graceUntil : undefined;
    return at !== undefined && (a === undefined || at < a) ? at : a;
  }, undefined);
}

// ── What to ring at once ─────────────────────────────────────────────────────────────────────────────────────────────

function asked(
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
      { type: 'step', step: 'pbx did not answer, plain path' },
      { type: 'compose', ring: [] },
      ...finish(wake, 'gave-up'),
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
  for (const device of wake.devices) {
    if (device.storedContact) ring.push({ kind: 'stored', ref: device.storedRef, contact: device.storedContact });
    ring.push({ kind: 'device', ref: device.ref });
    device.ringStoredAtOnce = ringsAtOnce(device, now, policyFor(device.binding));
  }
  return [{ type: 'compose', ring }];
}

function deviceOf(wake: Wake, contact: StoredContact): WakeDevice | undefined {
  const params = pushParamsOf(contact.uri);
  const evidence = {
    pbx: wake.pbx,
    uri: contact.uri,
    ...(params.kind === 'push' ? { targets: params.targets } : {}),
    ...(contact.instanceId === undefined ? {} : { instanceId: contact.instanceId }),
  };
  return wake.devices.find((d) => isSameDevice(d.binding, evidence));
}

/**
 * A stored TCP, TLS or WS contact is rung at once: alive it rings, dead it costs nothing. A stored UDP contact only if it
 * is fresh or the push failed: Asterisk sends a dead INVITE again even after hang-up, and the phone would ring twice.
 */
function ringsAtOnce(device: WakeDevice, now: Instant, policy: Policy): boolean {
  const contact = device.storedContact;
  if (!contact) return false;
  if (isLost(device) || device.push === 'delayed') return true;
  if (!isDatagram(contact)) return true;
  const known = device.binding.contacts.find((c) => c.uri === contact.uri);
  const grantedMs = known?.grantedMs;
  const registeredAt =
    contact.expiresAt !== undefined && grantedMs !== undefined ? plus(contact.expiresAt, -grantedMs) : known?.seenAt;
  // PBXs tell expiry in whole seconds: one more counts as fresh, so that a REGISTER just before the call is never missed.
  return registeredAt !== undefined && between(registeredAt, now) <= policy.freshContactMs + SECOND;
}

function isDatagram(contact: StoredContact): boolean {
  return (parseSipUri(contact.uri)?.transport ?? 'udp') === 'udp';
}

// ── Legs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

function legArrived(
  wake: Wake,
  event: { readonly legId: string; readonly ref: string },
  now: Instant,
): readonly WakeEffect[] {
  const stored = wake.devices.find((d) => d.storedRef === event.ref);
  if (stored) {
    stored.storedLeg = event.legId;
    stored.storedState = 'held';
    if (stored.fresh && stored.deviceState !== 'none') return dropStored(stored);
    return stored.ringStoredAtOnce || isLost(stored) || stored.push === 'delayed' ? [ringStored(stored, now)] : [];
  }
  const device = wake.devices.find((d) => d.ref === event.ref);
  if (!device) return [{ type: 'giveUp', legId: event.legId, cause: Cause.subscriberAbsent }];
  device.deviceLeg = event.legId;
  device.deviceState = 'held';
  // Its other leg was faster: the person has said no already, or the phone rings.
  if (device.declined !== undefined) return [endLeg(device, 'device', device.declined)];
  if (device.storedState === 'ringing') return [endLeg(device, 'device', Cause.subscriberAbsent)];
  if (device.fresh) return goOn(wake, device, now);
  return unreachable(device, now);
}

function legDials(wake: Wake, legId: string, now: Instant): readonly WakeEffect[] {
  const device = wake.devices.find((d) => d.storedLeg === legId);
  if (device && device.storedState === 'held') {
    device.storedState = 'dialling';
    device.storedDialledAt = now;
  }
  return [];
}

function legRinging(wake: Wake, ref: string): readonly WakeEffect[] {
  for (const d of wake.devices) {
    if (d.ref === ref) {
      d.deviceState = 'ringing';
      d.rang = true;
      return [{ type: 'step', step: 'ringing', device: d.bindingId }];
    }
    if (d.storedRef === ref) {
      d.storedState = 'ringing';
      d.rang = true;
      delete d.graceUntil;
      const effects: WakeEffect[] = [
        { type: 'step', step: 'ringing', device: d.bindingId, detail: 'at its stored contact' },
      ];
      // The phone is awake and rings: its other leg must not make it ring twice.
      if (d.deviceLeg && d.deviceState === 'held') effects.push(endLeg(d, 'device', Cause.subscriberAbsent));
      return effects;
    }
  }
  return [];
}

function legAnswered(wake: Wake, legId: string): readonly WakeEffect[] {
  for (const d of wake.devices) {
    if (d.deviceLeg === legId) d.deviceState = 'answered';
    else if (d.storedLeg === legId) d.storedState = 'answered';
    else continue;
    d.told = true;
    return [{ type: 'step', step: 'answered', device: d.bindingId }, ...finish(wake, 'elsewhere', 'answered')];
  }
  // The wake leg is up because one of its legs is. While one of ours may be that one, its own event decides.
  const maybeOurs = wake.devices.some((d) => isDialling(d.deviceState) || isDialling(d.storedState));
  if (legId === wake.wakeLeg && !maybeOurs) {
    return [{ type: 'step', step: 'answered' }, ...finish(wake, 'elsewhere', 'answered')];
  }
  return [];
}

function legEnded(
  wake: Wake,
  { legId, cause, hungUp }: Extract<WakeEvent, { type: 'LegEnded' }>,
  now: Instant,
): readonly WakeEffect[] {
  if (legId === wake.wakeLeg) return finish(wake, wordOf(cause, hungUp));
  const d = wake.devices.find((x) => x.deviceLeg === legId || x.storedLeg === legId);
  if (!d) return [];
  const effects: WakeEffect[] = [];
  if (d.storedLeg === legId) {
    const rang = d.storedState === 'ringing';
    // An edge proxy (Path) says 480 for a phone that sleeps behind it: nobody said no.
    const mayBeProxy = cause === Cause.noAnswer && !rang && d.storedContact?.path !== undefined;
    d.storedState = 'ended';
    if (hungUp) return [];
    if (saidNo(cause, rang) && !mayBeProxy) {
      d.told = true;
      d.declined = cause;
      effects.push({ type: 'step', step: 'declined', device: d.bindingId, detail: `cause ${cause}` });
      // The person said no: the leg that still waits for this phone must not keep the caller waiting.
      if (d.deviceLeg && d.deviceState === 'held') effects.push(endLeg(d, 'device', cause));
    } else if (d.deviceState === 'held') {
      // What it waited for, if it has registered meanwhile, will not come any more.
      effects.push(...(d.fresh ? goOn(wake, d, now) : unreachable(d, now)));
    }
  } else {
    const was = d.deviceState;
    d.deviceState = 'ended';
    // Whatever its phone answered, it has had the INVITE, and that call is over for it; the CANCEL tells it as well.
    if (isDialling(was) && (hungUp || !NO_ANSWER_CAME.has(cause))) d.told = true;
    // Causes that end the whole call, told by any of its legs.
    const word = wordOf(cause, hungUp);
    if (word !== 'gave-up') return finish(wake, word);
    if (!hungUp && saidNo(cause, was === 'ringing')) {
      effects.push({ type: 'step', step: 'declined', device: d.bindingId, detail: `cause ${cause}` });
      if (d.storedLeg && isOpen(d.storedState)) effects.push(endLeg(d, 'stored', cause));
    }
    // Without a wake leg (taken up after we were away) the last device leg tells how the call ended.
    if (wake.wakeLeg === undefined && wake.devices.every((x) => !isOpen(x.deviceState) && x.deviceState !== 'none')) {
      effects.push(...finish(wake, word));
    }
  }
  return effects;
}

/** What Asterisk makes of a contact that cannot be reached: no route, 408, 502, 503. */
const NO_ANSWER_CAME: ReadonlySet<number> = new Set([Cause.noRoute, 18, Cause.subscriberAbsent, 27, 34]);

function saidNo(cause: number, rang: boolean): boolean {
  if (cause === Cause.answeredElsewhere || cause === Cause.interworking || cause === 16) return false;
  return cause === Cause.busy || cause === Cause.rejected || cause === Cause.noAnswer || rang;
}

function wordOf(cause: number, hungUp: boolean): ClosingWord {
  if (cause === Cause.answeredElsewhere) return 'elsewhere';
  // Asterisk makes 127 of a phone's 487 or 420 as well; then nobody hung the leg up.
  return cause === Cause.interworking && hungUp ? 'cancelled' : 'gave-up';
}

const isDialling = (s: LegState) => s === 'dialling' || s === 'ringing';
const isOpen = (s: LegState) => s === 'held' || s === 'dialling' || s === 'ringing';

function endLeg(d: WakeDevice, which: 'device' | 'stored', cause: number): WakeEffect {
  const legId = (which === 'device' ? d.deviceLeg : d.storedLeg) as string;
  if (which === 'device') d.deviceState = 'ended';
  else d.storedState = 'ended';
  return { type: 'giveUp', legId, cause };
}

function dropStored(d: WakeDevice): readonly WakeEffect[] {
  return d.storedLeg && isOpen(d.storedState) ? [endLeg(d, 'stored', Cause.requestedChannelUnavailable)] : [];
}

// ── The phone wakes ──────────────────────────────────────────────────────────────────────────────────────────────────

function registered(wake: Wake, contact: StoredContact, now: Instant): readonly WakeEffect[] {
  const d = deviceOf(wake, contact);
  if (!d || d.deviceState === 'answered' || d.storedState === 'answered') return [];
  const first = d.fresh === undefined;
  d.fresh = contact;
  const effects: WakeEffect[] = first ? [{ type: 'step', step: 'registered', device: d.bindingId }] : [];
  if (d.deviceState === 'held') effects.push(...goOn(wake, d, now));
  return effects;
}

/** The device is awake and its leg is here: ring it, unless its stored contact rings or is about to. */
function goOn(_wake: Wake, d: WakeDevice, now: Instant): readonly WakeEffect[] {
  const contact = d.fresh;
  if (!contact || !d.deviceLeg) return [];
  if (d.storedState === 'ringing') return [endLeg(d, 'device', Cause.subscriberAbsent)];
  if (d.storedState === 'dialling' && d.storedContact?.uri === contact.uri) {
    const until = graceOf(d, contact, now);
    if (until !== undefined && until > now) {
      d.graceUntil = until;
      return [
        {
          type: 'step',
          step: 'registered where its stored contact is being rung, waiting for that',
          device: d.bindingId,
        },
      ];
    }
  }
  delete d.graceUntil;
  const drop = dropStored(d);
  d.deviceState = 'dialling';
  return [
    ...drop,
    { type: 'ring', legId: d.deviceLeg, ref: d.ref, kind: 'device', contact },
    { type: 'step', step: 'dialled', device: d.bindingId },
  ];
}

/** Until when an INVITE already under way to this very address may still make the phone ring. */
function graceOf(d: WakeDevice, contact: StoredContact, now: Instant): Instant | undefined {
  if (d.graceUntil !== undefined) return d.graceUntil;
  if (d.storedDialledAt === undefined) return undefined;
  if (!isDatagram(contact)) return plus(now, STREAM_GRACE);
  const since = between(d.storedDialledAt, now);
  const next = INVITE_RETRANSMITTED_AT.find((ms) => ms >= since);
  return next !== undefined && next - since <= RETRANSMISSION_GRACE ? plus(d.storedDialledAt, next + 300) : undefined;
}

function timePassed(wake: Wake, now: Instant): readonly WakeEffect[] {
  return wake.devices.flatMap((d) =>
    d.graceUntil !== undefined && d.graceUntil <= now && d.deviceState === 'held' ? goOn(wake, d, now) : [],
  );
}

function pushSettled(
  wake: Wake,
  event: Extract<WakeEvent, { type: 'PushSettled' }>,
  now: Instant,
): readonly WakeEffect[] {
  const d = wake.devices.find((x) => x.bindingId === event.bindingId);
  if (!d || (d.push !== 'sent' && d.push !== 'delayed')) return [];
  d.push = event.outcome;
  // Nobody knows when it will be woken: what is stored is rung now, the leg that waits goes on waiting.
  if (event.outcome === 'delayed') return d.storedState === 'held' && !d.fresh ? [ringStored(d, now)] : [];
  return unreachable(d, now);
}

const isLost = (d: WakeDevice) => d.push === 'dead' || d.push === 'failed';

function ringStored(d: WakeDevice, now: Instant): WakeEffect {
  d.storedState = 'dialling';
  d.storedDialledAt = now;
  return { type: 'ring', legId: d.storedLeg as string, ref: d.storedRef, kind: 'stored' };
}

/** No push will wake it: ring what is stored at once, and where nothing is stored do not keep the caller waiting for it. */
function unreachable(d: WakeDevice, now: Instant): readonly WakeEffect[] {
  if (!isLost(d) || d.fresh) return [];
  if (d.storedLeg && d.storedState === 'held') return [ringStored(d, now)];
  const mayStillRing = d.storedContact !== undefined && d.storedState !== 'ended';
  if (d.deviceLeg && d.deviceState === 'held' && !mayStillRing) {
    return [
      { type: 'step', step: 'cannot be woken', device: d.bindingId, detail: `push ${d.push}` },
      // As for a phone that is not registered, which it would be without us.
      endLeg(d, 'device', Cause.noRoute),
    ];
  }
  return [];
}

// ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Each pushed device that did not get the call and did not ring hears one closing word; one that rang heard it by SIP. */
function finish(wake: Wake, word: ClosingWord, outcome: 'answered' | ClosingWord = word): readonly WakeEffect[] {
  wake.phase = 'over';
  wake.outcome = outcome;
  const effects: WakeEffect[] = [];
  for (const device of wake.devices) {
    // An INVITE under way to a contact that has just registered: the CANCEL tells it. A stored contact may be dead.
    const hearsBySip = device.rang || isDialling(device.deviceState) || device.deviceState === 'answered';
    if (device.told || hearsBySip || device.push === 'dead') continue;
    device.told = true;
    effects.push({ type: 'tell', device, word });
  }
  effects.push({ type: 'watch', on: false }, { type: 'over' });
  return effects;
}
