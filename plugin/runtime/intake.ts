/**
 * The one way home: the only place where something from outside (an event of a PBX, a contact that it holds, the answer of a
 * push service) becomes a fact of the lifecycle, and the only way by which facts reach records. It asks the brake, so that
 * no verdict passes it by, whichever way the push went.
 */
import type { Aor } from '../core/aor.ts';
import { type AorRecord, type AppKey, appKey, type BindingId, type NoticeId, type Target } from '../core/binding.ts';
import { BoundedMap, upTo } from '../core/bounded-map.ts';
import type { Braked, LifecycleEvent } from '../core/events.ts';
import { targetList } from '../core/identity.ts';
import { pushParamsOf } from '../core/push-params.ts';
import { confirmedSign } from '../core/signs.ts';
import {
  between,
  CLOCKS_DIFFER,
  type DurationMs,
  EXPIRY_ROUNDING,
  type Instant,
  isFromFuture,
  MINUTE,
} from '../core/time.ts';
import type { Logger } from '../ports/adapter.ts';
import type { Clock } from '../ports/clock.ts';
import { type AskAnswer, type Caller, type HeldContact, isRegister, type PbxEvent } from '../ports/pbx-link.ts';
import type { PushOutcome } from '../ports/push-provider.ts';

/** Asterisk's own default, used only where neither the contact nor the AOR says what was granted. */
const DEFAULT_MAXIMUM_EXPIRES: DurationMs = 120 * MINUTE;

/** Contacts of which the last look is remembered: about 300 bytes each. */
const LOOKS_MOST = 10_000;

/** When a contact was looked at, and what its expiry was. */
interface Look {
  readonly expiresAt: Instant;
  readonly at: Instant;
}

/** Events of a PBX that say something about a registration. */
export type RegistrationEvent = Extract<PbxEvent, { type: 'contactSeen' | 'contactRemoved' | 'unregistered' }>;

/** A push whose answer came: which binding it was for, which of its tokens it went to, and what was pushed. */
export interface AnsweredPush {
  readonly bindingId: BindingId;
  readonly target: Target;
  readonly of: 'call' | 'cancel' | 'refresh' | 'missed' | 'message' | 'voicemail' | 'custom' | NoticeId;
}

/** A push that its app confirmed. */
export interface Confirmed {
  /** Undefined: the app did not say which push it means. */
  readonly tookMs: DurationMs | undefined;
}

export interface IntakeOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly records: {
    /** Applies facts to one account's record, in order, as one write. Never rejects. */
    apply(aor: Aor, ...facts: readonly LifecycleEvent[]): Promise<void>;
    /** Undefined: they change nothing. */
    applyTo(read: AorRecord, ...facts: readonly LifecycleEvent[]): Promise<void> | undefined;
    read(aor: Aor): Promise<AorRecord | undefined>;
  };
  readonly brake: {
    /** What the ticker must not send or end. */
    readonly stops: Braked;
    holds(app: AppKey): boolean;
    /** Whether a verdict "token dead" on a device of this app may be acted on; counts it. */
    believes(app: AppKey, device: BindingId): Promise<boolean>;
  };
  readonly newId: () => string;
  /** `mode: observe`. */
  readonly observing: () => boolean;
  /** Whether the app confirmed a call push that was sent to this token at that time or later. */
  readonly receiptOf: (aor: Aor, target: Target, since: Instant) => Confirmed | 'none';
  /** Asks the PBX for the longest `Expires` it grants this AOR. May reject: unknown. */
  readonly maximumExpires: (pbx: string, aor: Aor) => Promise<DurationMs | undefined>;
}

export class Intake {
  readonly #o: IntakeOptions;
  readonly #looks = new BoundedMap<string, Look>(upTo(LOOKS_MOST));

  constructor(options: IntakeOptions) {
    this.#o = options;
  }

  /** A REGISTER, a contact that went away, a log-out. Never rejects. */
  async fromPbx(event: RegistrationEvent): Promise<void> {
    switch (event.type) {
      case 'contactSeen':
        return this.apply(event.contact.aor, seenFact(event, this.#o.newId(), this.#o.clock.now()));
      case 'contactRemoved':
        return this.apply(event.aor, {
          type: 'ContactRemoved',
          pbx: event.pbx,
          uri: event.uri,
          at: event.at,
          maximumMs: await this.#maximumExpires(event.pbx, event.aor, event.uri),
        });
      case 'unregistered':
        return this.apply(event.aor, {
          type: 'Unregistered',
          pbx: event.pbx,
          at: event.at,
          ...(event.uri === undefined ? {} : { uri: event.uri }),
        });
      default:
        return event satisfies never;
    }
  }

  /**
   * A contact that a PBX holds now, of an account without a device. One that nobody knows yet becomes a binding; one that has ended does when it has
   * registered since, which a PBX may tell by the expiry alone, and only to those who look twice. Never rejects.
   */
  async fromHeld(contact: HeldContact): Promise<void> {
    const held = this.#held({ contacts: [contact] }, ({ uri }) => pushParamsOf(uri).kind === 'push');
    await this.apply(contact.aor, ...held);
  }

  /** The same of an account whose record was read just now. Undefined: it is as it was. Never rejects. */
  fromSweep(record: AorRecord, answer: Pick<AskAnswer, 'contacts' | 'maximumExpiresMs'>): Promise<void> | undefined {
    if (answer.contacts.length === 0) return undefined;
    const known = record.bindings.flatMap((b) => b.contacts);
    // Any REGISTER of the account bears out what an app reports over HTTP.
    const reports = record.bindings.some((b) => b.reportedAt !== undefined || b.claim !== undefined);
    const facts = this.#held(answer, ({ pbx, uri }) => {
      const same = known.find((c) => c.pbx === pbx && c.uri === uri);
      return same ? same.grantedMs === undefined || same.seenExpiry !== undefined : reports;
    });
    return this.#o.records.applyTo(record, ...facts);
  }

  /** The same, asked in order to remove a contact: what is held is a proof for a known device and makes no new one. */
  async beforeRemoval(contact: HeldContact): Promise<void> {
    await this.apply(contact.aor, heldFact(contact, this.#o.clock.now(), this.#o.newId(), { binds: false }));
  }

  /** The PBXs that own the AOR were asked because something is due. */
  async fromAsked(
    aor: Aor,
    answers: readonly Pick<AskAnswer, 'contacts' | 'maximumExpiresMs'>[],
    asked: 'held' | 'unknown' | 'missing',
  ): Promise<void> {
    const facts = answers.flatMap((answer) => this.#held(answer));
    await this.apply(aor, ...facts, {
      type: 'Ticked',
      observing: this.#o.observing(),
      asked,
      braked: this.#o.brake.stops,
    });
  }

  /**
   * The answer of a push service, whatever was pushed: a call, a closing word, a refresh or a notice. A token that is called
   * dead while the brake holds its app is doubtful, and nothing follows from it. Never rejects.
   */
  async fromPushOutcome(aor: Aor, push: AnsweredPush, outcome: PushOutcome): Promise<void> {
    const { bindingId, target, of } = push;
    const facts: LifecycleEvent[] = [];
    // Taken now: while the brake counts, the phone may register.
    const at = this.#o.clock.now();
    const isDead = outcome.kind === 'tokenDead' && (await this.#o.brake.believes(appKey(target), bindingId));
    if (isDead) {
      const { since } = outcome;
      const token = target.token.fingerprint;
      facts.push({ type: 'TokenDied', bindingId, token, at, ...(since === undefined ? {} : { since }) });
    } else if (outcome.kind === 'tokenDead') {
      this.#o.log.debug({ aor, bindingId, provider: target.provider, app: target.app }, 'brake: verdict not applied');
    }
    if (typeof of === 'object') {
      facts.push({ type: 'NoticeSettled', bindingId, which: of, outcome: noticeOutcome(outcome, isDead) });
    }
    if (of === 'missed') {
      const isOver = ['sent', 'lost'].includes(noticeOutcome(outcome, isDead));
      facts.push({ type: 'MissedSettled', bindingId, isOver });
    }
    if (of === 'message' || of === 'voicemail') {
      const isOver = ['sent', 'lost'].includes(noticeOutcome(outcome, isDead));
      facts.push({ type: of === 'message' ? 'MessageSettled' : 'VoicemailSettled', bindingId, isOver });
    }
    if (of === 'refresh' && outcome.kind !== 'accepted') facts.push({ type: 'RefreshLost', bindingId });
    if (facts.length > 0) await this.apply(aor, ...facts);
  }

  /** A call is over whose push to this device was accepted. Never rejects. */
  async fromWake(
    aor: Aor,
    woken: {
      readonly bindingId: BindingId;
      readonly target: Target;
      /** What the PBX showed of it; whether the app confirmed the push is asked here. */
      readonly sign: 'rang' | 'refused' | 'not-rung' | 'nothing';
      readonly startedAt: Instant;
    },
    afterMs: DurationMs | undefined,
  ): Promise<void> {
    const { bindingId, target, startedAt } = woken;
    // Where an app's tokens are in doubt, so is its silence.
    if (woken.sign === 'nothing' && this.#o.brake.holds(appKey(target))) return;
    const receipt = woken.sign === 'nothing' ? this.#o.receiptOf(aor, target, startedAt) : 'none';
    const sign = receipt === 'none' ? woken.sign : confirmedSign(receipt.tookMs);
    await this.apply(aor, {
      type: 'WakeSettled',
      bindingId,
      sign,
      startedAt,
      ...(afterMs === undefined ? {} : { afterMs }),
    });
  }

  /** A call is over that these devices slept through. `caller`: only where pushes may say it. Never rejects. */
  async fromMissed(aor: Aor, devices: readonly BindingId[], callId: string, caller: Caller | undefined): Promise<void> {
    const { name, number } = caller ?? {};
    const shown = caller ? { caller: { ...(name && { name }), ...(number && { number }) } } : {};
    await this.apply(
      aor,
      ...devices.map((bindingId) => ({ type: 'CallMissed', bindingId, callId, ...shown }) as const),
    );
  }

  /** What a mailbox holds. `showCaller`: whether pushes may say who left the message. Never rejects. */
  async fromMailbox(event: Extract<PbxEvent, { type: 'voicemailChanged' }>, showCaller: boolean): Promise<void> {
    const { aor, newMessages, urgent, why, caller } = event;
    const { name, number } = (showCaller ? caller : undefined) ?? {};
    const shown = name || number ? { caller: { ...(name && { name }), ...(number && { number }) } } : {};
    await this.apply(aor, { type: 'VoicemailChanged', newMessages, urgent, why, ...shown });
  }

  /** Facts that come from ourselves (an operator's wish, a contact we removed) and reports that were checked. Never rejects. */
  async apply(aor: Aor, ...facts: readonly LifecycleEvent[]): Promise<void> {
    await this.#o.records.apply(aor, ...facts);
  }

  /** `remembers`: of which contacts this look is remembered, so that the next one tells more. */
  #held(
    { contacts, maximumExpiresMs: maximumMs }: Pick<AskAnswer, 'contacts' | 'maximumExpiresMs'>,
    remembers: (contact: HeldContact) => boolean = () => false,
  ): LifecycleEvent[] {
    const at = this.#o.clock.now();
    return contacts.map((c) => {
      const grantedAtMostMs = this.#grantedSince(c, at, remembers(c));
      return heldFact(c, at, this.#o.newId(), { binds: true, maximumMs, grantedAtMostMs });
    });
  }

  /**
   * The expiry has moved since the last look that is remembered: there was a REGISTER after that, and it was granted no more than what lies between.
   */
  #grantedSince({ pbx, uri, expiresAt }: HeldContact, at: Instant, remembers: boolean): DurationMs | undefined {
    if (expiresAt === undefined) return undefined;
    const key = `${pbx} ${uri}`;
    const before = this.#looks.get(key);
    if (!before && !remembers) return undefined;
    this.#looks.set(key, { expiresAt, at });
    const hasMoved = before !== undefined && between(before.expiresAt, expiresAt) > EXPIRY_ROUNDING;
    return hasMoved && !isFromFuture(before.at, at) ? between(before.at, expiresAt) : undefined;
  }

  /** Asked only where the granted time of this very contact is not known. */
  async #maximumExpires(pbx: string, aor: Aor, uri: string): Promise<DurationMs> {
    const record = await this.#o.records.read(aor);
    const known = record?.bindings.flatMap((b) => b.contacts).find((c) => c.uri === uri);
    if (!known || known.grantedMs !== undefined) return DEFAULT_MAXIMUM_EXPIRES;
    try {
      return (await this.#o.maximumExpires(pbx, aor)) ?? DEFAULT_MAXIMUM_EXPIRES;
    } catch {
      return DEFAULT_MAXIMUM_EXPIRES;
    }
  }
}

/** A contact as a sensor saw it, `now`. */
export function seenFact(
  event: Extract<PbxEvent, { type: 'contactSeen' }>,
  newId: string,
  now: Instant,
): LifecycleEvent {
  const { contact, how, at, grantedMs, wire, choice } = event;
  const isLate = isRegister(how) && between(at, now) > CLOCKS_DIFFER;
  return {
    type: 'ContactSeen',
    live: isRegister(how),
    binds: true,
    at,
    ...(isLate ? { heardAt: now } : {}),
    newId: newId as BindingId,
    contact: {
      pbx: contact.pbx,
      uri: contact.uri,
      ...(wire ? { wireUri: wire.contact } : {}),
      ...(wire?.misplaced ? { misplaced: true } : {}),
      ...(contact.instanceId === undefined ? {} : { instanceId: contact.instanceId }),
      ...(grantedMs === undefined ? {} : { grantedMs }),
      ...(contact.expiresAt === undefined ? {} : { expiresAt: contact.expiresAt }),
      ...(choice === undefined ? {} : { choice }),
    },
  };
}

/** A contact that the PBX merely holds. `maximumMs`: the most the PBX grants for this AOR, where it said so. */
export function heldFact(
  contact: HeldContact,
  at: Instant,
  newId: string,
  how: {
    readonly binds: boolean;
    readonly maximumMs?: DurationMs | undefined;
    readonly grantedAtMostMs?: DurationMs | undefined;
  },
): LifecycleEvent {
  const { pbx, uri, expiresAt, instanceId } = contact;
  return {
    type: 'ContactSeen',
    live: false,
    binds: how.binds,
    at,
    newId: newId as BindingId,
    contact: {
      pbx,
      uri,
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(instanceId === undefined ? {} : { instanceId }),
      ...(how.maximumMs === undefined ? {} : { maximumMs: how.maximumMs }),
      ...(how.grantedAtMostMs === undefined ? {} : { grantedAtMostMs: how.grantedAtMostMs }),
    },
  };
}

/** Which apps a change of a record has bound a device of, for the brake's share. */
export function appsOf(record: AorRecord, bindingId: BindingId): readonly AppKey[] {
  const binding = record.bindings.find((b) => b.id === bindingId);
  return [...new Set(targetList(binding?.targets ?? {}).map(appKey))];
}

function noticeOutcome(
  outcome: PushOutcome,
  isDead: boolean,
): Extract<LifecycleEvent, { type: 'NoticeSettled' }>['outcome'] {
  switch (outcome.kind) {
    case 'accepted':
      return 'sent';
    case 'tokenDead':
      // A doubtful verdict must not pass for a delivered notice.
      return isDead ? 'lost' : 'later';
    case 'failed':
      return 'lost';
    case 'retryLater':
      return 'later';
    case 'misconfigured':
      return 'misconfigured';
    default:
      return outcome satisfies never;
  }
}
