/**
 * Pushes that programs of the site send to the devices of an account: the door bell, the CRM. Bounded in number, sent once for one
 * key, answered with the verdict of each device. Nothing of them is stored, and their texts are in no log line.
 */
import { createHash } from 'node:crypto';
import type { Aor } from '../../core/aor.ts';
import { type AorRecord, type BindingId, isLive, type Target, type Targets } from '../../core/binding.ts';
import { BoundedMap, upTo } from '../../core/bounded-map.ts';
import type { Mode } from '../../core/policy.ts';
import { DAY, type DurationMs, HOUR, MINUTE, plus, SECOND } from '../../core/time.ts';
import { fingerprint } from '../../core/token.ts';
import type { Logger } from '../../ports/adapter.ts';
import { type Clock, within } from '../../ports/clock.ts';
import type { PushOutcome } from '../../ports/push-provider.ts';
import type { Delivery, PushDraft } from './delivery.ts';

/** What is sent. Without a text the push is silent. */
export interface CustomMessage {
  readonly text?: string;
  readonly title?: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly urgent: boolean;
  /** A later push with the same key replaces what still waits, or stands on the screen. */
  readonly collapseKey?: string;
  /** How long the service keeps it for a phone that is off. */
  readonly keepMs: DurationMs;
}

/** What became of it at one device. `underWay`: the service has not answered yet; it is tried on. */
export interface CustomVerdict {
  readonly bindingId: string;
  /** Absent: the device has nothing such a push could go to. */
  readonly provider?: string;
  readonly app?: string;
  readonly outcome: PushOutcome['kind'] | 'underWay';
  readonly reason?: string;
}

export type CustomAnswer =
  | { readonly kind: 'sent'; readonly pushes: readonly CustomVerdict[] }
  /** No device of the account can be pushed. */
  | { readonly kind: 'nobody' }
  | { readonly kind: 'tooMany'; readonly afterMs: DurationMs }
  /** The key was used for another message. */
  | { readonly kind: 'otherMessage' }
  /** `mode: observe`: nothing is sent. */
  | { readonly kind: 'observed' };

export interface CustomPushesOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly delivery: Delivery;
  readonly read: (aor: Aor) => Promise<AorRecord | undefined>;
  readonly mode: () => Mode;
  /** What a service said goes home, as the answer to any other push does. Never rejects. */
  readonly settled: (aor: Aor, push: { bindingId: BindingId; target: Target }, outcome: PushOutcome) => Promise<void>;
}

/** How long the sender waits for verdicts. A service takes a fraction of a second. */
const ANSWERED_WITHIN: DurationMs = 10 * SECOND;
/** Messages of one account, and of all, within a minute. */
const MOST_OF_ACCOUNT = 30;
const MOST_OF_ALL = 1_000;
/** How long we try while a service is away, in ms; and how many pushes may wait for that at once. */
const TRY_FOR: DurationMs = HOUR;
const MOST_UNDER_WAY = 5_000;
/** Keys remembered, and for how long. About 300 bytes each. */
const KEYS = 10_000;
const KEY_LASTS: DurationMs = DAY;
/** Accounts counted within a minute: no more than may send. */
const ACCOUNTS = MOST_OF_ALL + 1;

interface PushedTo {
  readonly aor: Aor;
  readonly bindingId: BindingId;
  readonly target: Target;
  readonly targets: Targets;
}

interface Known {
  readonly message: string;
  readonly atMs: number;
  readonly answer: Promise<CustomAnswer>;
}

export class CustomPushes {
  readonly #o: CustomPushesOptions;
  readonly #keys = new BoundedMap<string, Known>(upTo(KEYS));
  #minuteEndsMs = 0;
  #ofAll = 0;
  #underWay = 0;
  #ofAccount = new Map<Aor, number>();

  constructor(options: CustomPushesOptions) {
    this.#o = options;
  }

  /** `key`: the same key and message within a day are the same push, answered as the first one was. Never rejects. */
  send(aor: Aor, message: CustomMessage, key: string | undefined): Promise<CustomAnswer> {
    if (key === undefined) return this.#admit(aor, message);
    const nowMs = this.#o.clock.monotonicMs();
    const name = `${aor} ${key}`;
    const known = this.#keys.get(name);
    const hash = createHash('sha256').update(JSON.stringify(message)).digest('base64url');
    if (known && nowMs - known.atMs < KEY_LASTS) {
      return known.message === hash ? known.answer : Promise.resolve({ kind: 'otherMessage' });
    }
    const answer = this.#admit(aor, message);
    this.#keys.set(name, { message: hash, atMs: nowMs, answer });
    // What was not sent may be asked for again.
    void answer.then(({ kind }) => {
      if (kind !== 'sent' && this.#keys.get(name)?.answer === answer) this.#keys.delete(name);
    });
    return answer;
  }

  async #admit(aor: Aor, message: CustomMessage): Promise<CustomAnswer> {
    if (this.#o.mode() === 'observe') return { kind: 'observed' };
    const nowMs = this.#o.clock.monotonicMs();
    if (nowMs >= this.#minuteEndsMs) {
      this.#minuteEndsMs = nowMs + MINUTE;
      this.#ofAll = 0;
      this.#ofAccount = new Map();
    }
    const ofAccount = this.#ofAccount.get(aor) ?? 0;
    if (this.#underWay >= MOST_UNDER_WAY || this.#ofAll >= MOST_OF_ALL || ofAccount >= MOST_OF_ACCOUNT) {
      return { kind: 'tooMany', afterMs: this.#minuteEndsMs - nowMs };
    }
    this.#ofAll++;
    if (this.#ofAccount.size < ACCOUNTS) this.#ofAccount.set(aor, ofAccount + 1);
    return this.#sendNow(aor, message);
  }

  async #sendNow(aor: Aor, { text, title, data, urgent, collapseKey, keepMs }: CustomMessage): Promise<CustomAnswer> {
    const { clock, log, delivery, read } = this.#o;
    const live = ((await read(aor))?.bindings ?? []).filter(isLive);
    if (live.length === 0) return { kind: 'nobody' };
    const draft = {
      purpose: 'custom' as const,
      aor,
      urgent,
      ...(text === undefined ? {} : { body: text }),
      ...(title === undefined ? {} : { title }),
      ...(data === undefined ? {} : { data }),
      ...(collapseKey === undefined ? {} : { collapseId: fingerprint(`${aor} custom ${collapseKey}`) }),
      expiresAt: plus(clock.now(), keepMs),
    };
    const pushes = await Promise.all(
      live.map(async ({ id, targets }): Promise<CustomVerdict> => {
        const target = delivery.targetFor('custom', targets);
        if (!target) return { bindingId: id, outcome: 'failed', reason: 'it has a token for calls only' };
        const to = { bindingId: id, provider: target.provider, app: target.app };
        const sending = this.#push(draft, { aor, bindingId: id, target, targets });
        const outcome = await within(clock, ANSWERED_WITHIN, sending).catch(() => undefined);
        if (!outcome) return { ...to, outcome: 'underWay' };
        return { ...to, outcome: outcome.kind, ...('reason' in outcome ? { reason: outcome.reason } : {}) };
      }),
    );
    log.info({ aor, outcomes: pushes.map((p) => p.outcome) }, 'custom push sent');
    return { kind: 'sent', pushes };
  }

  /** A dead token is learnt by this push as by any other. Never rejects. */
  async #push(draft: PushDraft, to: PushedTo): Promise<PushOutcome> {
    const { clock, delivery, settled } = this.#o;
    const { aor, bindingId, target, targets } = to;
    const trying = new AbortController();
    const cancel = clock.after(TRY_FOR, () => trying.abort());
    this.#underWay++;
    const outcome = await delivery.send(draft, targets, trying.signal);
    this.#underWay--;
    cancel();
    await settled(aor, { bindingId, target }, outcome);
    return outcome;
  }
}
