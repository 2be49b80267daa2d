/**
 * What apps report over HTTP, on its way to the lifecycle: how often an account may report, whether the account
 * registered a moment ago, and whether a receipt answers a push that was sent. In memory and bounded; knows nothing of HTTP.
 */

import type { Aor } from '../../core/aor.ts';
import type { AorRecord, Binding, BindingId, Target, Targets } from '../../core/binding.ts';
import { BoundedMap, upTo } from '../../core/bounded-map.ts';
import { targetList } from '../../core/identity.ts';
import { pushParamsOf } from '../../core/push-params.ts';
import type { Receipt, ReceiptSaid } from '../../core/signs.ts';
import { between, DAY, type DurationMs, type Instant, MINUTE, SECOND } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PushRequest } from '../../ports/push-provider.ts';
import type { Confirmed, Intake } from '../intake.ts';

export interface ReportsOptions {
  readonly clock: Clock;
  readonly intake: Pick<Intake, 'apply'>;
  readonly read: (aor: Aor) => Promise<AorRecord | undefined>;
  /** The record as it was last read or written here; undefined: not known any more. */
  readonly remembered: (aor: Aor) => AorRecord | undefined;
  readonly newId: () => string;
}

/** A device as its app names it. */
export interface ReportedDevice {
  readonly installId?: string;
  /** Acrobits: the account on the device. */
  readonly selector?: string;
  /** The language of the device, as a BCP 47 tag. */
  readonly locale?: string;
}

/** `too many`: this account has sent its share of this minute, nothing was done. */
export type Taken = 'taken' | 'too many';

/** Reports and receipts of one account within a minute. An app sends one when it starts and one when it was pushed. */
const MOST_A_MINUTE = 30;
/** A device that registers so soon after its push was woken by it. */
const WOKEN_WITHIN: DurationMs = 15 * SECOND;
/** How long a receipt counts, in ms. A phone that was off gets a notice when it is on again, and confirms it then. */
const RECEIPT_WITHIN: DurationMs = 1 * DAY;
/** Accounts remembered; the oldest go first. About 200 bytes for each push. */
const MOST_ACCOUNTS = 50_000;
const MOST_PUSHES = 8;

/** The beginning of a push id: enough to tell the few pushes of one account apart. */
const ID_KEPT = 8;

interface SentPush {
  readonly id: string;
  readonly purpose: PushRequest['purpose'];
  readonly isHigh: boolean;
  readonly token: string;
  readonly at: Instant;
  /** When its receipt came. One push, one receipt: what is sent again proves nothing. */
  receivedAt: Instant | undefined;
  /** The app said that it means this very push. */
  isNamed: boolean;
}

export class Reports {
  readonly #o: ReportsOptions;
  readonly #registered = new BoundedMap<Aor, Instant>(upTo(MOST_ACCOUNTS));
  readonly #pushes = new BoundedMap<Aor, SentPush[]>(upTo(MOST_ACCOUNTS));
  readonly #told = new BoundedMap<Aor, { sinceMs: number; count: number }>(upTo(MOST_ACCOUNTS));

  constructor(options: ReportsOptions) {
    this.#o = options;
  }

  /** A push was accepted by its service. */
  pushed(request: PushRequest): void {
    const aor = request.aor as Aor;
    // Nobody confirms it: most sites have no app that reports, and each push would be remembered there for nothing.
    if (this.#o.remembered(aor)?.bindings.every((b) => b.reportedAt === undefined && b.claim === undefined)) return;
    const at = this.#o.clock.now();
    const before = this.#pushes.get(aor) ?? [];
    this.#pushes.set(aor, [
      ...before.slice(1 - MOST_PUSHES),
      {
        id: request.pushId.slice(0, ID_KEPT),
        purpose: request.purpose,
        // A refresh is quiet until it is one of the last.
        isHigh: request.purpose !== 'refresh' || request.urgent === true,
        token: request.target.token.fingerprint,
        at,
        receivedAt: undefined,
        isNamed: false,
      },
    ]);
  }

  /** A REGISTER was seen as it happened. */
  async registered(aor: Aor, uri: string, at: Instant): Promise<void> {
    this.#registered.set(aor, at);
    const recent = (this.#pushes.get(aor) ?? []).filter((p) => isWithin(between(p.at, at), WOKEN_WITHIN));
    // One that says by its Contact which device it is, is known already.
    if (recent.length === 0 || pushParamsOf(uri).kind === 'push') return;
    const [only, ...more] = await this.#reported(aor);
    if (!only || more.length > 0 || !recent.some((p) => hasToken(only, p.token))) return;
    await this.#o.intake.apply(aor, { type: 'ReportedDeviceAnswered', bindingId: only.id, at });
  }

  /** An app reported its tokens. */
  async report(aor: Aor, device: ReportedDevice, targets: Targets): Promise<Taken> {
    if (this.#isTooMuch(aor)) return 'too many';
    const registeredAt = this.#registered.get(aor);
    await this.#o.intake.apply(aor, {
      type: 'Reported',
      targets,
      at: this.#o.clock.now(),
      newId: this.#o.newId() as BindingId,
      ...(device.installId === undefined ? {} : { installId: device.installId }),
      ...(device.locale === undefined ? {} : { locale: device.locale }),
      ...(registeredAt === undefined ? {} : { registeredAt }),
    });
    return 'taken';
  }

  /** The account was removed from an app. */
  async withdraw(aor: Aor, device: ReportedDevice, targets: Targets): Promise<Taken> {
    if (this.#isTooMuch(aor)) return 'too many';
    await this.#o.intake.apply(aor, {
      type: 'ReportWithdrawn',
      at: this.#o.clock.now(),
      tokens: targetList(targets).map((t) => t.token.fingerprint),
      ...(device.installId === undefined ? {} : { installId: device.installId }),
    });
    return 'taken';
  }

  /** An app confirmed that a push has arrived. A receipt that names no device means the account's only one. */
  async receipt(aor: Aor, device: ReportedDevice, said: ReceiptSaid): Promise<Taken> {
    if (this.#isTooMuch(aor)) return 'too many';
    const at = this.#o.clock.now();
    const open = (this.#pushes.get(aor) ?? []).filter(
      (p) =>
        p.receivedAt === undefined &&
        isWithin(between(p.at, at), RECEIPT_WITHIN) &&
        (said.pushId === undefined || said.pushId.startsWith(p.id)),
    );
    if (open.length === 0) return 'taken';
    const reported = await this.#reported(aor);
    const named = reported.filter((b) => isNamed(b, device));
    const meant = named.length > 0 ? named : reported;
    const binding = meant.length === 1 ? meant[0] : undefined;
    const push = binding && open.findLast((p) => hasToken(binding, p.token));
    if (!push) return 'taken';
    push.receivedAt = at;
    push.isNamed = said.pushId !== undefined;
    const { targets, id: bindingId } = binding;
    const receipt: Receipt = {
      purpose: push.purpose === 'call' ? 'call' : 'other',
      toOther: targets.call !== undefined && targets.call.token.fingerprint !== push.token,
      pushedAt: push.at,
      at,
      tookMs: tookMs(push),
      priority: priorityOf(push, said),
    };
    await this.#o.intake.apply(
      aor,
      { type: 'ReportedDeviceAnswered', bindingId, at },
      { type: 'PushReceived', bindingId, receipt },
    );
    return 'taken';
  }

  /** Whether the app confirmed a call push to this token that was sent at that time or later. */
  receiptOf(aor: Aor, { token }: Target, since: Instant): Confirmed | 'none' {
    const push = (this.#pushes.get(aor) ?? []).find(
      (p) =>
        p.purpose === 'call' &&
        p.receivedAt !== undefined &&
        p.token === token.fingerprint &&
        between(since, p.at) >= -SECOND,
    );
    return push ? { tookMs: tookMs(push) } : 'none';
  }

  async #reported(aor: Aor): Promise<readonly Binding[]> {
    return (await this.#o.read(aor))?.bindings.filter((b) => b.reportedAt !== undefined) ?? [];
  }

  #isTooMuch(aor: Aor): boolean {
    const nowMs = this.#o.clock.monotonicMs();
    const before = this.#told.get(aor);
    const window = before && nowMs - before.sinceMs < MINUTE ? before : { sinceMs: nowMs, count: 0 };
    window.count++;
    this.#told.set(aor, window);
    return window.count > MOST_A_MINUTE;
  }
}

/** How long a push was on its way. Undefined where the app did not say which push it means. */
function tookMs({ at, receivedAt, isNamed }: SentPush): DurationMs | undefined {
  return receivedAt === undefined || !isNamed ? undefined : Math.max(0, between(at, receivedAt));
}

/** What the phone was told of the push counts before what we remember of it. */
function priorityOf({ isHigh }: SentPush, { priority, originalPriority }: ReceiptSaid): Receipt['priority'] {
  const wasHigh =
    originalPriority === undefined || originalPriority === 'unknown' ? isHigh : originalPriority === 'high';
  if (!wasHigh || priority === undefined || priority === 'unknown') return 'unknown';
  return priority === 'high' ? 'kept' : 'lowered';
}

function hasToken(b: Binding, token: string): boolean {
  return targetList(b.targets).some((t) => t.token.fingerprint === token);
}

function isNamed(b: Binding, { installId, selector }: ReportedDevice): boolean {
  if (installId !== undefined && b.evidence.installId === installId) return true;
  return selector !== undefined && targetList(b.targets).some((t) => t.selector === selector);
}

/** Clocks may jump backwards. */
function isWithin(ms: DurationMs, limit: DurationMs): boolean {
  return ms >= -SECOND && ms <= limit;
}
