/**
 * The way of a push to its service: target, priority, limits, breaker, retry inside the push's own deadline. Providers make
 * one attempt; everything that goes over more than one lies here. Knows nothing of bindings, calls or HTTP.
 */
import { randomUUID } from 'node:crypto';
import type { Target, Targets } from '../../core/binding.ts';
import { remedyOfTrouble } from '../../core/push-remedies.ts';
import { between, type DurationMs, HOUR, type Instant, MINUTE } from '../../core/time.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PushOutcome, PushProvider, PushPurpose, PushRequest } from '../../ports/push-provider.ts';
import type { PushState } from '../../ports/status.ts';
import { Alarms } from './misconfigurations.ts';
import { Sending, type Surroundings } from './one-push.ts';
import { laneOf } from './service.ts';

type Draft<R> = R extends PushRequest
  ? Omit<R, 'target' | 'via' | 'pushId' | 'sentAt'> & { readonly pushId?: string; readonly sentAt?: Instant }
  : never;

/** A push whose target is still to be chosen. `pushId` and `sentAt` are filled in where absent. */
export type PushDraft = Draft<PushRequest>;

export interface DeliveryOptions {
  readonly providers: readonly PushProvider[];
  readonly clock: Clock;
  readonly log: Logger;
  /** 0 ≤ x < 1. For the spread of retries only. */
  readonly random: () => number;
  /** Most pushes of a kind to one device within an hour. Calls have no limit. */
  readonly perDeviceHourly?: Partial<Record<Exclude<PushPurpose, 'call'>, number>>;
}

export interface Delivery {
  /** Where a push of this purpose would go; undefined: the binding has no target for it. */
  targetFor(purpose: PushPurpose, targets: Targets): Target | undefined;
  /**
   * Never rejects. Resolves with the last outcome: `retryLater` means the time was up, or `signal` was aborted.
   * `onDelay` is called once, when the first attempt has failed and another follows.
   */
  send(draft: PushDraft, targets: Targets, signal?: AbortSignal, onDelay?: () => void): Promise<PushOutcome>;
  stats(): PushState;
  /** Calls back with each push a service accepted. */
  onAccepted(heard: (request: PushRequest) => void): void;
  /** Keeps the services' connections open. */
  warm(): void;
  /**
   * Other providers from now on; one that stays is the same object. What is under way at one that goes ends there, its
   * next attempt is the new one's of that name; it is closed when nothing uses it any more.
   */
  replace(providers: readonly PushProvider[]): void;
  /** Gives up what is under way, then closes the providers. */
  close(): Promise<void>;
}

/** How many pushes ended so. */
interface Ended {
  readonly provider: string;
  readonly purpose: PushPurpose;
  readonly outcome: PushOutcome['kind'];
  count: number;
}

/** A brake against loops, far above what a lifecycle sends: several accounts of one app share a device. */
const PER_DEVICE_HOURLY = {
  cancel: 120,
  notice: 30,
  missed: 60,
  message: 120,
  voicemail: 60,
  custom: 120,
  refresh: 12,
} as const;

/** How long a push that was not taken is shown as trouble while nothing else is sent. */
const TROUBLE_SHOWN: DurationMs = 5 * MINUTE;

const CLOSED: PushOutcome = { kind: 'failed', reason: 'closed' };
const OVER_BUDGET: PushOutcome = { kind: 'failed', reason: 'device budget used up' };

export function createDelivery(options: DeliveryOptions): Delivery {
  const { clock, log, random } = options;
  const limits = { ...PER_DEVICE_HOURLY, ...options.perDeviceHourly };
  let lanes = new Map(options.providers.map((provider) => [provider.name, laneOf(provider, clock)]));
  const ended: Ended[] = [];
  const alarms = new Alarms();
  const listeners: ((request: PushRequest) => void)[] = [];
  const underWay = new Set<Sending>();
  let allEnded: (() => void) | undefined;
  let sentThisHour = new Map<string, number>();
  let hourEndsMs = 0;
  let retries = 0;
  let closed: Promise<void> | undefined;
  const closing = new Set<Promise<void>>();
  const around: Surroundings = {
    clock,
    random,
    laneOf: (provider) => lanes.get(provider),
    paused: (request, nowMs) => alarms.paused(request, nowMs),
    onRetry: () => {
      retries++;
    },
    onBreaker: ({ provider: { name: provider, proxy }, trouble, openedAtMs }, now) => {
      if (now === 'opened') {
        const reason = trouble?.reason ?? 'no answer';
        log.error(
          { provider, ...(proxy !== undefined && { proxy }), reason, hint: remedyOfTrouble(reason) },
          'push service does not answer',
        );
      } else {
        const outMs = openedAtMs === undefined ? undefined : Math.round(clock.monotonicMs() - openedAtMs);
        log.info({ provider, outMs }, 'push service answers again');
      }
    },
  };

  function choose(purpose: PushPurpose, targets: Targets): Target | undefined {
    const { call, other } = targets;
    return purpose === 'call'
      ? (chooseBy(call, purpose, targets) ?? chooseBy(other, purpose, targets))
      : (chooseBy(other, purpose, targets) ?? chooseBy(call, purpose, targets));
  }

  function chooseBy(candidate: Target | undefined, purpose: PushPurpose, targets: Targets): Target | undefined {
    return candidate && lanes.get(candidate.provider)?.provider.targetFor(purpose, targets);
  }

  function send(draft: PushDraft, targets: Targets, signal?: AbortSignal, onDelay?: () => void): Promise<PushOutcome> {
    if (closed) return Promise.resolve(CLOSED);
    const target = choose(draft.purpose, targets);
    if (!target) return Promise.resolve({ kind: 'failed', reason: 'no target for this purpose' });
    const now = clock.now();
    const request: PushRequest = {
      ...draft,
      pushId: draft.pushId ?? randomUUID(),
      sentAt: draft.sentAt ?? now,
      target,
      via: target === targets.other && target !== targets.call ? 'other' : 'call',
    };
    if (overBudget(request)) {
      settle(request, OVER_BUDGET, 0);
      return Promise.resolve(OVER_BUDGET);
    }
    return new Promise((resolve) => {
      const onAbort = signal && (() => sending.stop());
      const ended = (outcome: PushOutcome, attempts: number) => {
        underWay.delete(sending);
        if (onAbort) signal.removeEventListener('abort', onAbort);
        if (underWay.size === 0) allEnded?.();
        try {
          settle(request, outcome, attempts);
        } catch (error) {
          // A listener's fault must not leave the caller waiting.
          log.error({ reason: String(error) }, 'what follows from a push went wrong');
        }
        resolve(outcome);
      };
      // The wall clock is looked at once: it may jump while we try.
      const deadlineMs = clock.monotonicMs() + between(now, request.expiresAt);
      const sending = new Sending(around, request, deadlineMs, ended, onDelay);
      underWay.add(sending);
      if (signal?.aborted) sending.stop();
      else if (onAbort) signal.addEventListener('abort', onAbort, { once: true });
      sending.begin();
    });
  }

  function replace(providers: readonly PushProvider[]): void {
    if (closed) return;
    const before = [...lanes.values()];
    lanes = new Map(
      providers.map((provider) => [
        provider.name,
        before.find((lane) => lane.provider === provider) ?? laneOf(provider, clock),
      ]),
    );
    for (const lane of before) {
      if (lanes.get(lane.provider.name) === lane) continue;
      alarms.forgetProvider(lane.provider.name);
      const done = new Promise<void>((unused) => {
        if (lane.users === 0) unused();
        else lane.onUnused = unused;
      })
        .then(() => lane.provider.close())
        .catch((error: unknown) => log.warn({ provider: lane.provider.name, reason: String(error) }, 'not closed'))
        .finally(() => closing.delete(done));
      closing.add(done);
    }
  }

  function overBudget({ purpose, target }: PushRequest): boolean {
    if (purpose === 'call') return false;
    const nowMs = clock.monotonicMs();
    if (nowMs >= hourEndsMs) {
      sentThisHour = new Map();
      hourEndsMs = nowMs + HOUR;
    }
    const key = `${purpose} ${target.token.fingerprint}`;
    const count = (sentThisHour.get(key) ?? 0) + 1;
    sentThisHour.set(key, count);
    return count > limits[purpose];
  }

  function settle(request: PushRequest, outcome: PushOutcome, attempts: number): void {
    const { purpose, target, aor, pushId } = request;
    const { provider, app } = target;
    const entry = entryOf(provider, purpose, outcome.kind);
    entry.count++;

    if (outcome.kind === 'misconfigured') {
      const raised = alarms.raise(request, outcome, clock.monotonicMs());
      const proxy = lanes.get(provider)?.provider.proxy;
      const via = proxy === undefined ? {} : { proxy };
      const said = { provider, ...via, app, purpose, reason: outcome.reason, hint: outcome.hint };
      if (raised !== 'quiet') log.error(said, 'push service is misconfigured');
      if (raised === 'last') log.warn({}, 'devices cause many misconfigurations, no more of them are logged this hour');
    }
    if (outcome.kind === 'accepted') {
      for (const heard of listeners) heard(request);
      if (alarms.clear(request)) log.info({ provider, app, purpose }, 'push service accepts this app again');
    }
    const token = target.token.fingerprint;
    if (outcome.kind === 'accepted') {
      log.debug({ provider, app, purpose, aor, pushId, token, outcome: outcome.kind, attempts }, 'push ended');
      return;
    }
    const reason = 'reason' in outcome ? { reason: outcome.reason } : {};
    const fields = { provider, app, purpose, aor, pushId, token, outcome: outcome.kind, ...reason, attempts };
    const isTold = outcome.kind === 'retryLater' && (outcome.reason === 'aborted' || isHeldBack(provider));
    // A service that is out has its own line: one for each push would hide everything else.
    if (outcome.kind === 'failed' || (outcome.kind === 'retryLater' && !isTold)) log.warn(fields, 'push given up');
    else if (outcome.kind === 'tokenDead') log.info(fields, 'push token is dead');
    else log.debug(fields, 'push ended');
  }

  /** Few: services × purposes × outcomes. Looked through, since a name for each would be joined anew with each push. */
  function entryOf(provider: string, purpose: PushPurpose, outcome: PushOutcome['kind']): Ended {
    for (const entry of ended) {
      if (entry.purpose === purpose && entry.outcome === outcome && entry.provider === provider) return entry;
    }
    const entry = { provider, purpose, outcome, count: 0 };
    ended.push(entry);
    return entry;
  }

  function isHeldBack(provider: string): boolean {
    const state = lanes.get(provider)?.breaker.state(clock.monotonicMs());
    return state !== undefined && state !== 'closed';
  }

  async function shut(): Promise<void> {
    const all = new Promise<void>((ended) => {
      allEnded = ended;
      if (underWay.size === 0) ended();
    });
    for (const sending of [...underWay]) sending.stop();
    await all;
    await Promise.all([...[...lanes.values()].map(({ provider }) => provider.close()), ...closing]);
  }

  return {
    targetFor: choose,
    send,
    replace,
    onAccepted: (heard) => void listeners.push(heard),
    warm() {
      if (closed) return;
      for (const { provider } of lanes.values()) provider.warm?.();
    },
    stats: () => ({
      ended: ended.map((entry) => ({ ...entry })),
      retries,
      providers: [...lanes.values()].map(({ provider, breaker, places, trouble }) => {
        const nowMs = clock.monotonicMs();
        const state = breaker.state(nowMs);
        const isShown = trouble !== undefined && (state !== 'closed' || nowMs - trouble.atMs < TROUBLE_SHOWN);
        return {
          provider: provider.name,
          queued: places.waiting,
          inFlight: places.inFlight,
          breaker: state,
          ...(isShown ? { trouble: trouble.reason } : {}),
          ...(provider.proxy === undefined ? {} : { proxy: provider.proxy }),
          credentials: provider.credentials?.() ?? [],
        };
      }),
      alarms: alarms.list(clock.monotonicMs()),
    }),
    close() {
      closed ??= shut();
      return closed;
    },
  };
}
