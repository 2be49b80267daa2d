/**
 * The way of a push to its service: target, priority, limits, breaker, retry inside the push's own deadline. Providers make
 * one attempt; everything that goes over more than one lies here. Knows nothing of bindings, calls or HTTP.
 */
import { randomUUID } from 'node:crypto';
import type { Target, Targets } from '../core/binding.ts';
import { between, type DurationMs, HOUR, type Instant, SECOND } from '../core/time.ts';
import type { Logger } from '../ports/adapter.ts';
import type { Clock } from '../ports/clock.ts';
import type {
  Credential,
  GiveUp,
  PushOutcome,
  PushProvider,
  PushPurpose,
  PushRequest,
} from '../ports/push-provider.ts';
import { type Alarm, Alarms } from './alarms.ts';
import { retryInMs } from './backoff.ts';
import { Breaker, type BreakerState } from './breaker.ts';
import { Places } from './places.ts';

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

export interface DeliveryStats {
  /** Pushes that came to an end, by how. */
  readonly ended: readonly { provider: string; purpose: PushPurpose; outcome: PushOutcome['kind']; count: number }[];
  readonly providers: readonly {
    provider: string;
    queued: number;
    inFlight: number;
    breaker: BreakerState;
    /** Why the breaker holds it back, while it does. */
    trouble?: string;
    credentials: readonly Credential[];
  }[];
  /** Attempts beyond the first of each push. */
  readonly retries: number;
  /** Misconfigurations that hold now. */
  readonly alarms: readonly Alarm[];
}

export interface Delivery {
  /** Where a push of this purpose would go; undefined: the binding cannot be told this. */
  targetFor(purpose: PushPurpose, targets: Targets): Target | undefined;
  /**
   * Never rejects. Resolves with the last outcome: `retryLater` means the time was up, or `signal` was aborted.
   * `onDelay` is called once, when the first attempt has failed and another follows.
   */
  send(draft: PushDraft, targets: Targets, signal?: AbortSignal, onDelay?: () => void): Promise<PushOutcome>;
  stats(): DeliveryStats;
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

/** Higher goes first. */
const PRIORITY = { call: 3, cancel: 2, notice: 1, refresh: 0 } as const;

/** A brake against loops, far above what a lifecycle sends: several accounts of one app share a device. */
const PER_DEVICE_HOURLY = { cancel: 120, notice: 30, refresh: 12 } as const;

/** The rest is free for calls at any moment. */
const SHARE_OF_OTHERS = 0.8;
/** Some 1,500 a second at Apple's distance. More would keep this thread so busy that a call waits for it, not for a place. */
const MOST_OTHERS = 64;
const MAX_IN_FLIGHT = 100;

/** Above every provider's own limit: for one that never answers. */
const ATTEMPT_LASTS_AT_MOST = 15 * SECOND;

const ABORTED: PushOutcome = { kind: 'retryLater', reason: 'aborted' };
const REMOVED: PushOutcome = {
  kind: 'misconfigured',
  reason: 'service removed',
  hint: 'it is no longer configured under `push`',
  scope: 'device',
};
const CLOSED: PushOutcome = { kind: 'failed', reason: 'closed' };

interface Lane {
  readonly provider: PushProvider;
  readonly breaker: Breaker;
  readonly places: Places;
  /** Why the service last could not be reached: the reason of what the breaker holds back. */
  trouble: string;
  /** Attempts that wait or are made. */
  users: number;
  /** Called when the last of them has ended, once the provider is to go. */
  onUnused?: () => void;
}

export function createDelivery(options: DeliveryOptions): Delivery {
  const { clock, log, random } = options;
  const limits = { ...PER_DEVICE_HOURLY, ...options.perDeviceHourly };
  let lanes = new Map(options.providers.map((provider) => [provider.name, laneOf(provider)]));
  const ended = new Map<
    string,
    { provider: string; purpose: PushPurpose; outcome: PushOutcome['kind']; count: number }
  >();
  const alarms = new Alarms();
  const listeners: ((request: PushRequest) => void)[] = [];
  const underWay = new Map<Stop, Promise<PushOutcome>>();
  let sentThisHour = new Map<string, number>();
  let hourEndsMs = 0;
  let retries = 0;
  let closed: Promise<void> | undefined;
  const closing = new Set<Promise<void>>();

  function choose(purpose: PushPurpose, targets: Targets): { lane: Lane; target: Target } | undefined {
    const order = purpose === 'call' ? [targets.call, targets.other] : [targets.other, targets.call];
    for (const candidate of order) {
      const lane = candidate && lanes.get(candidate.provider);
      const target = lane?.provider.targetFor(purpose, targets);
      if (lane && target) return { lane, target };
    }
    return undefined;
  }

  async function send(
    draft: PushDraft,
    targets: Targets,
    signal?: AbortSignal,
    onDelay?: () => void,
  ): Promise<PushOutcome> {
    if (closed) return CLOSED;
    const chosen = choose(draft.purpose, targets);
    if (!chosen) return { kind: 'failed', reason: 'no target for this purpose' };
    const request: PushRequest = {
      ...draft,
      pushId: draft.pushId ?? randomUUID(),
      sentAt: draft.sentAt ?? clock.now(),
      target: chosen.target,
      via: chosen.target === targets.other && chosen.target !== targets.call ? 'other' : 'call',
    };
    const stop = new Stop();
    const onAbort = () => stop.now();
    if (signal?.aborted) stop.now();
    signal?.addEventListener('abort', onAbort, { once: true });
    const push = deliver(request, stop, onDelay);
    underWay.set(stop, push);
    try {
      return await push;
    } finally {
      underWay.delete(stop);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async function deliver(request: PushRequest, stop: Stop, onDelay?: () => void): Promise<PushOutcome> {
    // The wall clock is looked at once: it may jump while we try.
    const deadlineMs = clock.monotonicMs() + between(clock.now(), request.expiresAt);
    if (overBudget(request)) return settle(request, { kind: 'failed', reason: 'device budget used up' }, 0);
    let unsure = 0;
    for (let attempts = 1; ; attempts++) {
      const lane = lanes.get(request.target.provider);
      let outcome = lane ? await used(lane, () => attempt(request, lane, attempts, deadlineMs, stop)) : REMOVED;
      // Shown twice is the smaller evil than not at all; shown with every try of twelve hours is the larger.
      if (request.purpose === 'notice' && outcome.kind === 'retryLater' && outcome.unsure && ++unsure > 1) {
        outcome = { kind: 'failed', reason: outcome.reason };
      }
      const leftMs = deadlineMs - clock.monotonicMs();
      const waitMs = retryInMs({ purpose: request.purpose, attempts, outcome, leftMs, random: random() });
      if (waitMs === undefined || stop.isNow) return settle(request, outcome, attempts);
      retries++;
      if (attempts === 1) onDelay?.();
      await pause(waitMs, stop);
      if (stop.isNow) return settle(request, ABORTED, attempts);
    }
  }

  async function used<T>(lane: Lane, work: () => Promise<T>): Promise<T> {
    lane.users++;
    try {
      return await work();
    } finally {
      if (--lane.users === 0) lane.onUnused?.();
    }
  }

  function replace(providers: readonly PushProvider[]): void {
    if (closed) return;
    const before = [...lanes.values()];
    lanes = new Map(
      providers.map((provider) => [
        provider.name,
        before.find((lane) => lane.provider === provider) ?? laneOf(provider),
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

  /** Waits for its turn and makes one attempt, unless breaker, alarm or deadline forbid it. Never rejects. */
  async function attempt(
    request: PushRequest,
    lane: Lane,
    attempts: number,
    deadlineMs: number,
    stop: Stop,
  ): Promise<PushOutcome> {
    const { places } = lane;
    const urgency = PRIORITY[request.purpose];
    if (stop.isNow) return ABORTED;
    const turn = places.take(urgency, (giveUp) => stop.onEnd(giveUp));
    if (turn && !(await turn)) return ABORTED;
    stop.onEnd(undefined);
    try {
      const nowMs = clock.monotonicMs();
      const refused = forbidden(request, lane, attempts, deadlineMs, stop, nowMs);
      if (refused) return refused;
      const outcome = await ask(lane.provider, request, Math.min(ATTEMPT_LASTS_AT_MOST, deadlineMs - nowMs), stop);
      const seen = seenByBreaker(outcome);
      lane.breaker.report(seen, clock.monotonicMs(), random());
      if (seen === 'unreachable' && 'reason' in outcome) lane.trouble = outcome.reason;
      return outcome;
    } finally {
      places.leave(urgency);
    }
  }

  /** Why a push whose turn it is must not be sent now. */
  function forbidden(
    request: PushRequest,
    lane: Lane,
    attempts: number,
    deadlineMs: number,
    stop: Stop,
    nowMs: number,
  ): PushOutcome | undefined {
    const isCall = request.purpose === 'call';
    if (stop.isNow) return ABORTED;
    if (nowMs >= deadlineMs) return { kind: 'retryLater', reason: 'too late' };
    const refused = isCall ? undefined : alarms.paused(request, nowMs);
    if (refused) return refused;
    const waitMs = lane.breaker.waitMs(nowMs);
    // A call may always try once: the breaker may be wrong, and the caller is waiting now.
    if (waitMs > 0 && !(isCall && attempts === 1)) return { kind: 'retryLater', reason: lane.trouble, afterMs: waitMs };
    return undefined;
  }

  /** One attempt of the provider, whatever it does: throw, hang, ignore the signal. */
  function ask(provider: PushProvider, request: PushRequest, limitMs: DurationMs, stop: Stop): Promise<PushOutcome> {
    return new Promise((resolve) => {
      const signal = new Signal();
      const settled = (outcome: PushOutcome) => {
        cancelTimer();
        stop.onEnd(undefined);
        resolve(outcome);
      };
      const cutOff = (outcome: PushOutcome) => {
        settled(outcome);
        signal.abort();
      };
      const cancelTimer = clock.after(limitMs, () => cutOff({ kind: 'retryLater', reason: 'no answer in time' }));
      stop.onEnd(() => cutOff(ABORTED));
      // The error's text is left out: it was written by code that holds the token.
      const threw = () => settled({ kind: 'failed', reason: 'provider threw' });
      try {
        provider.send(request, signal).then(settled, threw);
      } catch {
        threw();
      }
    });
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

  function settle(request: PushRequest, outcome: PushOutcome, attempts: number): PushOutcome {
    const { purpose, target, aor, pushId } = request;
    const { provider, app } = target;
    const key = `${provider} ${purpose} ${outcome.kind}`;
    let entry = ended.get(key);
    if (!entry) {
      entry = { provider, purpose, outcome: outcome.kind, count: 0 };
      ended.set(key, entry);
    }
    entry.count++;

    const reason = 'reason' in outcome ? { reason: outcome.reason } : {};
    const token = target.token.fingerprint;
    const fields = { provider, app, purpose, aor, pushId, token, outcome: outcome.kind, ...reason, attempts };
    if (outcome.kind === 'misconfigured' && alarms.raise(request, outcome, clock.monotonicMs())) {
      log.error(
        { provider, app, purpose, reason: outcome.reason, hint: outcome.hint },
        'push service is misconfigured',
      );
    }
    if (outcome.kind === 'accepted') {
      for (const heard of listeners) heard(request);
      if (alarms.clear(request)) log.info({ provider, app, purpose }, 'push service accepts this app again');
    }
    const aborted = outcome.kind === 'retryLater' && outcome.reason === 'aborted';
    if (outcome.kind === 'failed' || (outcome.kind === 'retryLater' && !aborted)) log.warn(fields, 'push given up');
    else if (outcome.kind === 'tokenDead') log.info(fields, 'push token is dead');
    else log.debug(fields, 'push ended');
    return outcome;
  }

  function pause(ms: DurationMs, stop: Stop): Promise<void> {
    return new Promise((done) => {
      const wake = () => {
        cancel();
        stop.onEnd(undefined);
        done();
      };
      const cancel = clock.after(ms, wake);
      stop.onEnd(wake);
    });
  }

  async function shut(): Promise<void> {
    const pushes = [...underWay.values()];
    for (const stop of underWay.keys()) stop.now();
    await Promise.all(pushes);
    await Promise.all([...[...lanes.values()].map(({ provider }) => provider.close()), ...closing]);
  }

  return {
    targetFor: (purpose, targets) => choose(purpose, targets)?.target,
    send,
    replace,
    onAccepted: (heard) => void listeners.push(heard),
    warm() {
      if (closed) return;
      for (const { provider } of lanes.values()) provider.warm?.();
    },
    stats: () => ({
      ended: [...ended.values()].map((entry) => ({ ...entry })),
      retries,
      providers: [...lanes.values()].map(({ provider, breaker, places, trouble }) => {
        const state = breaker.state(clock.monotonicMs());
        return {
          provider: provider.name,
          queued: places.waiting,
          inFlight: places.inFlight,
          breaker: state,
          ...(state === 'closed' ? {} : { trouble }),
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

/**
 * Whether one push is to end now, and what ends it: it waits for one thing at a time. An AbortController for each of its steps
 * would cost more than the step.
 */
class Stop {
  #isNow = false;
  #end: (() => void) | undefined;

  get isNow(): boolean {
    return this.#isNow;
  }

  /** What ends what the push waits for now; in place of what did before. Called at once when it is to end already. */
  onEnd(end: (() => void) | undefined): void {
    this.#end = end;
    if (this.#isNow) end?.();
  }

  now(): void {
    this.#isNow = true;
    this.#end?.();
  }
}

/** What a provider hears when its attempt is given up. */
class Signal implements GiveUp {
  aborted = false;
  #listeners: (() => void)[] = [];

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.push(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners = this.#listeners.filter((other) => other !== listener);
  }

  abort(): void {
    this.aborted = true;
    for (const hear of this.#listeners.splice(0)) hear();
  }
}

function laneOf(provider: PushProvider): Lane {
  const most = provider.maxInFlight ?? MAX_IN_FLIGHT;
  return {
    provider,
    breaker: new Breaker(),
    trouble: 'service not answering',
    users: 0,
    places: new Places(most, Math.min(MOST_OTHERS, most * SHARE_OF_OTHERS)),
  };
}

/** Only what says something about the service as a whole counts. */
function seenByBreaker(outcome: PushOutcome): 'answered' | 'unreachable' | 'unknown' {
  if (outcome.kind === 'failed') return 'unknown';
  if (outcome.kind !== 'retryLater') return 'answered';
  if (outcome.scope === 'device') return 'answered';
  return outcome.reason === 'aborted' ? 'unknown' : 'unreachable';
}
