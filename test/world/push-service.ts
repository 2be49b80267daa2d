/**
 * The push services: what they answer, what they deliver, and what they keep for a phone that is off. Their answers are read by the real
 * verdict tables of the adapters.
 */
import { VERDICTS as APPLE, outcomeOf as ofApple } from '../../adapters/push/apns/outcome.ts';
import { VERDICTS as GOOGLE, outcomeOf as ofGoogle } from '../../adapters/push/fcm/outcome.ts';
import { VERDICTS as ACROBITS, outcomeOf as ofAcrobits } from '../../adapters/push/pnm/outcome.ts';
import { PROXY_VERDICTS } from '../../adapters/push/proxy-verdicts.ts';
import { outcomeOf as ofWeb, VERDICTS as WEB } from '../../adapters/push/webpush/outcome.ts';
import type { Target, Targets } from '../../plugin/core/binding.ts';
import { DAY, type DurationMs, SECOND } from '../../plugin/core/time.ts';
import type {
  GiveUp,
  PushOutcome,
  PushProvider,
  PushPurpose,
  PushRequest,
  Verdict,
} from '../../plugin/ports/push-provider.ts';
import type { Chance } from './chance.ts';
import type { Phone } from './phone.ts';
import { type NodeClock, trueWall, type WorldTime } from './time.ts';

export type ServiceName = 'apns' | 'fcm' | 'pnm' | 'webpush';

/** Status and word of an answer. No status: none came. No word: it said none that the table knows. */
type Said = readonly [status: number | undefined, reason?: string | undefined];

interface Kind {
  readonly verdicts: readonly Verdict[];
  readonly outcomeOf: (status: number | undefined, reason: string | undefined, at: number | undefined) => PushOutcome;
  readonly accepted: Said;
  readonly busy: Said;
  readonly slowDown: Said;
  readonly wrongKey: Said;
  /** One of these, for a token that is dead. */
  readonly gone: readonly Said[];
  /** Asks an app to register without showing anything. */
  readonly refreshes: boolean;
}

const answerOf = (status: number | undefined, reason: string | undefined) => ({
  ...(status !== undefined && { status }),
  ...(reason !== undefined && { reasons: [reason] }),
});

const SERVICES: Readonly<Record<ServiceName, Kind>> = {
  apns: {
    verdicts: [...APPLE, ...PROXY_VERDICTS],
    outcomeOf: (status, reason, timestamp) =>
      ofApple({
        ...(status !== undefined && { status }),
        ...(reason !== undefined && { reason }),
        ...(timestamp !== undefined && { timestamp }),
      }),
    accepted: [200],
    busy: [503, 'ServiceUnavailable'],
    slowDown: [429, 'TooManyRequests'],
    wrongKey: [403, 'InvalidProviderToken'],
    gone: [[410, 'Unregistered'], [410, 'Unregistered'], [410, 'ExpiredToken'], [410]],
    refreshes: true,
  },
  fcm: {
    verdicts: [...GOOGLE, ...PROXY_VERDICTS],
    outcomeOf: (status, reason) => ofGoogle(answerOf(status, reason)),
    accepted: [200],
    busy: [503, 'UNAVAILABLE'],
    slowDown: [429, 'QUOTA_EXCEEDED'],
    wrongKey: [403, 'PERMISSION_DENIED'],
    gone: [[404, 'UNREGISTERED']],
    refreshes: true,
  },
  pnm: {
    verdicts: ACROBITS,
    outcomeOf: (status, reason) => ofAcrobits(answerOf(status, reason)),
    accepted: [200, 'code 200'],
    busy: [200, 'code 503'],
    slowDown: [200, 'code 429'],
    wrongKey: [403],
    gone: [[200, 'code 404']],
    refreshes: false,
  },
  webpush: {
    verdicts: WEB,
    outcomeOf: (status, reason) => ofWeb(answerOf(status, reason)),
    accepted: [201],
    busy: [503],
    slowDown: [429],
    wrongKey: [401],
    gone: [[404], [410]],
    refreshes: true,
  },
};

export const SERVICE_NAMES = Object.keys(SERVICES) as readonly ServiceName[];

const rowOf = (name: ServiceName, status: number | undefined, reason = '*'): string =>
  `${name} ${status ?? '-'} ${reason}`;

/** Every row of every table, as coverage counts them. */
export const ALL_ROWS: readonly string[] = SERVICE_NAMES.flatMap((name) =>
  SERVICES[name].verdicts.map(({ status, reason }) => `verdict ${rowOf(name, status, reason)}`),
);

/** What a token really is. */
export interface TokenTruth {
  readonly token: string;
  readonly phone: Phone;
  /** Of which install of the app, counted from 1 with each change of its tokens. */
  readonly install: number;
  readonly kind: 'voip' | 'other' | 'both';
  /** True time since which its app is gone. */
  deadSinceMs?: number;
  /** The service says so from then on; until then it answers 200. */
  saysSoFromMs?: number;
}

/** One attempt to send a push, as the world sees it. */
export interface Attempt {
  readonly node: number;
  readonly request: PushRequest;
  readonly truth: TokenTruth | undefined;
  /** The node's monotonic clock. */
  readonly monotonicMs: number;
  outcome?: PushOutcome;
}

export interface ServiceTrouble {
  out: boolean;
  silent: boolean;
  slowMs: DurationMs;
  losesAnswers: boolean;
  doubles: boolean;
  loses: boolean;
  throttles: boolean;
  /** The same of notices only. */
  throttlesNotices: boolean;
  refusesKey: boolean;
  /** Living tokens are called dead, this share of them. */
  callsDead: number;
  /** It answers with any row of its table that says nothing of a token. */
  saysAnything: boolean;
}

interface Kept {
  readonly request: PushRequest;
  readonly untilMs: number;
}

/** By `saysAnything`. What is said of a token has a fault of its own, what is accepted must be delivered, and who gives up is we. */
const isDrawn = ({ outcome, reason }: Verdict): boolean =>
  outcome !== 'accepted' && outcome !== 'tokenDead' && reason !== 'aborted';

/** So many rows the next seed begins further on: a prime, which no table's length is a multiple of. */
const ROWS_A_WORLD = 11;

/** One push service, whatever nodes there are. */
export class PushService {
  readonly name: ServiceName;
  readonly trouble: ServiceTrouble = {
    out: false,
    silent: false,
    slowMs: 0,
    losesAnswers: false,
    doubles: false,
    loses: false,
    throttles: false,
    throttlesNotices: false,
    refusesKey: false,
    callsDead: 0,
    saysAnything: false,
  };
  readonly time: WorldTime;
  readonly tokens: Map<string, TokenTruth>;
  readonly chance: Chance;
  onAttempt: (attempt: Attempt) => void = () => undefined;
  onAnswer: (attempt: Attempt, row: string) => void = () => undefined;
  readonly #kept = new Map<Phone, Map<string, Kept>>();
  /** Which row `saysAnything` answers with next. */
  #row: number;

  /** `seed`: the worlds of several seeds in a row go through the whole table. */
  constructor(name: ServiceName, time: WorldTime, tokens: Map<string, TokenTruth>, chance: Chance, seed: number) {
    this.#row = seed * ROWS_A_WORLD;
    this.name = name;
    this.time = time;
    this.tokens = tokens;
    this.chance = chance;
  }

  /** The phone can be reached again: it gets what was kept for it. */
  online(phone: Phone): void {
    const kept = this.#kept.get(phone);
    this.#kept.delete(phone);
    for (const { request, untilMs } of kept?.values() ?? []) {
      if (untilMs > this.time.nowMs) this.#deliver(phone, request);
    }
  }

  /** What it answers, and how long that takes. `undefined`: it never answers. */
  answer(request: PushRequest): { outcome: PushOutcome; row: string; afterMs: DurationMs; taken: boolean } | undefined {
    const { trouble, chance } = this;
    const kind = SERVICES[this.name];
    const truth = this.tokens.get(request.target.token.reveal());
    const afterMs = chance.int(15, 90) + (trouble.slowMs > 0 ? chance.spread(200, trouble.slowMs) : 0);
    const said = ([status, reason]: Said, sinceMs?: number) => ({
      ...this.#read(status, reason, sinceMs),
      afterMs,
      taken: false,
    });
    if (trouble.silent) return undefined;
    if (trouble.out) return said(chance.happens(0.5) ? kind.busy : [undefined, 'cannot connect']);
    if (trouble.throttles && chance.happens(0.7)) return said(kind.slowDown);
    if (trouble.throttlesNotices && request.purpose === 'notice' && chance.happens(0.8)) return said(kind.slowDown);
    if (trouble.refusesKey) return said(kind.wrongKey);
    if (trouble.saysAnything && chance.happens(0.6)) {
      const { status, reason } = this.#drawn(kind.verdicts);
      return said([status, reason === '*' ? undefined : reason]);
    }
    const deadSinceMs = truth?.deadSinceMs;
    if (!truth || (deadSinceMs !== undefined && (truth.saysSoFromMs ?? 0) <= this.time.nowMs)) {
      return said(chance.pick(kind.gone), deadSinceMs);
    }
    if (trouble.callsDead > 0 && chance.happens(trouble.callsDead)) {
      // Apple may name any time; the token may have been renewed since then.
      return said(chance.pick(kind.gone), this.time.nowMs - chance.spread(1 * SECOND, 20 * DAY));
    }
    return { ...said(kind.accepted), taken: true };
  }

  /** One row after the other, so that few pushes visit many. */
  #drawn(rows: readonly Verdict[]): Verdict {
    const drawn = rows.filter(isDrawn);
    return drawn[this.#row++ % drawn.length] as Verdict;
  }

  take(request: PushRequest): void {
    const truth = this.tokens.get(request.target.token.reveal());
    if (!truth || truth.deadSinceMs !== undefined) return;
    if (this.trouble.loses && this.chance.happens(0.5)) return;
    const times = this.trouble.doubles && this.chance.happens(0.5) ? 2 : 1;
    for (let i = 0; i < times; i++) {
      this.time.after(this.chance.spread(60, 900), () => {
        if (truth.phone.isReachable) this.#deliver(truth.phone, request);
        else this.#keep(truth.phone, request);
      });
    }
  }

  #deliver(phone: Phone, request: PushRequest): void {
    const truth = this.tokens.get(request.target.token.reveal());
    if (truth?.deadSinceMs === undefined && truth?.phone === phone) phone.pushed(request, truth.kind);
  }

  /** Apple keeps one push for an app, Google one for each collapse key. */
  #keep(phone: Phone, request: PushRequest): void {
    const leftMs = request.expiresAt - trueWall(this.time);
    if (leftMs <= 0) return;
    const kept = this.#kept.get(phone) ?? new Map<string, Kept>();
    const key = this.name === 'apns' ? 'one' : (request.collapseId ?? request.pushId);
    kept.set(key, { request, untilMs: this.time.nowMs + leftMs });
    this.#kept.set(phone, kept);
  }

  #read(
    status: number | undefined,
    reason: string | undefined,
    sinceMs?: number,
  ): { outcome: PushOutcome; row: string } {
    const since = sinceMs === undefined ? undefined : trueWall(this.time) - this.time.nowMs + sinceMs;
    return {
      row: rowOf(this.name, status, reason),
      outcome: SERVICES[this.name].outcomeOf(status, reason, this.name === 'apns' ? since : undefined),
    };
  }
}

/** A service as one life of a node reaches it. */
export class NodeProvider implements PushProvider {
  readonly name: ServiceName;
  readonly #service: PushService;
  readonly #clock: NodeClock;
  readonly #node: number;

  constructor(service: PushService, clock: NodeClock, node: number) {
    this.name = service.name;
    this.#service = service;
    this.#clock = clock;
    this.#node = node;
  }

  /** As the adapters choose. */
  targetFor(purpose: PushPurpose, { call, other }: Targets): Target | undefined {
    if (purpose === 'refresh' && !SERVICES[this.name].refreshes) return undefined;
    const ours = (target: Target | undefined) => (target?.provider === this.name ? target : undefined);
    return purpose === 'call' ? (ours(call) ?? ours(other)) : ours(other);
  }

  send(request: PushRequest, signal: GiveUp): Promise<PushOutcome> {
    const service = this.#service;
    if (this.#clock.isDead) return new Promise(() => undefined);
    const truth = service.tokens.get(request.target.token.reveal());
    const attempt: Attempt = { node: this.#node, request, truth, monotonicMs: this.#clock.monotonicMs() };
    service.onAttempt(attempt);
    const answer = service.answer(request);
    return new Promise((resolve) => {
      const settle = (outcome: PushOutcome, row: string) => {
        if (attempt.outcome !== undefined) return;
        attempt.outcome = outcome;
        service.onAnswer(attempt, row);
        resolve(outcome);
      };
      const onAbort = () => settle({ kind: 'retryLater', reason: 'aborted' }, `${this.name} - aborted`);
      signal.addEventListener('abort', onAbort, { once: true });
      if (!answer) return;
      service.time.after(answer.afterMs, () => {
        if (answer.taken) service.take(request);
        const isLost = answer.taken && service.trouble.losesAnswers && service.chance.happens(0.5);
        this.#clock.deliver(() => {
          signal.removeEventListener('abort', onAbort);
          if (isLost) settle({ kind: 'retryLater', reason: 'connection lost' }, `${this.name} - connection lost`);
          else settle(answer.outcome, answer.row);
        });
      });
    });
  }

  async close(): Promise<void> {}
}
