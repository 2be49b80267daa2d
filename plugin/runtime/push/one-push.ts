/**
 * One push on its way: waits for a place, is attempted, waits, is attempted again, until an outcome stands or its time is up.
 * Waits for one thing at a time. Written with callbacks: as a chain of async functions it missed the target of
 * `npm run bench -- push --only=cost`. Knows nothing of targets, budgets and counts.
 */
import type { DurationMs } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';
import type { GiveUp, PushOutcome, PushPurpose, PushRequest } from '../../ports/push-provider.ts';
import { Limited } from '../../ports/time-limit.ts';
import { retryInMs } from './retry-delay.ts';
import { ATTEMPT_LASTS_AT_MOST, type Lane, type OpenCall, SLOW } from './service.ts';

/** Higher goes first. */
const PRIORITY = { call: 3, cancel: 2, notice: 1, missed: 1, message: 1, voicemail: 1, custom: 0, refresh: 0 } as const;

const ABORTED: PushOutcome = { kind: 'retryLater', reason: 'aborted' };
const NO_ANSWER_SO_FAR: PushOutcome = { kind: 'retryLater', reason: 'no answer before the call was over' };
/** The service takes others meanwhile: the next attempt follows at once. */
const PASSED_OVER: PushOutcome = { kind: 'retryLater', reason: 'no answer in time' };
const TOO_LATE: PushOutcome = { kind: 'retryLater', reason: 'too late' };
const NO_ANSWER: PushOutcome = { kind: 'retryLater', reason: 'no answer in time' };
/** The error's text is left out: it was written by code that holds the token. */
const THREW: PushOutcome = { kind: 'failed', reason: 'provider threw' };
const REMOVED: PushOutcome = {
  kind: 'misconfigured',
  reason: 'service removed',
  hint: 'it is no longer configured under `push`',
  scope: 'device',
};

/** What all pushes share. */
export interface Surroundings {
  readonly clock: Clock;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  /** Undefined: the service is no longer configured. */
  readonly laneOf: (provider: string) => Lane | undefined;
  /** Why nothing but calls may be sent there now. */
  readonly paused: (request: PushRequest, nowMs: number) => PushOutcome | undefined;
  readonly onRetry: () => void;
  /** The service is held back from now on, or no longer. */
  readonly onBreaker: (lane: Lane, now: 'opened' | 'closed') => void;
}

export class Sending {
  readonly #around: Surroundings;
  readonly #request: PushRequest;
  /** Monotonic. */
  readonly #deadlineMs: number;
  readonly #onDelay: (() => void) | undefined;
  readonly #ended: (outcome: PushOutcome, attempts: number) => void;
  #attempts = 0;
  /** Attempts that may have been delivered although nobody said so. */
  #unsure = 0;
  #isToStop = false;
  /** Why its last attempt was not taken: kept when it is given up while it waits. */
  #trouble: PushOutcome | undefined;
  /** Ends what it waits for now, where that is no attempt. */
  #end: (() => void) | undefined;
  #attempt: Attempt | undefined;

  /** `ended` is called once. `onDelay`: once, when the first attempt has failed and another follows. */
  constructor(
    around: Surroundings,
    request: PushRequest,
    deadlineMs: number,
    ended: (outcome: PushOutcome, attempts: number) => void,
    onDelay?: () => void,
  ) {
    this.#around = around;
    this.#request = request;
    this.#deadlineMs = deadlineMs;
    this.#ended = ended;
    this.#onDelay = onDelay;
  }

  begin(): void {
    this.#attempts++;
    const lane = this.#around.laneOf(this.#request.target.provider);
    if (!lane) return this.#judge(REMOVED);
    if (this.#isToStop) return this.#judge(this.#trouble ?? ABORTED);
    lane.users++;
    const giveUp = lane.places.take(PRIORITY[this.#request.purpose], () => this.#try(lane));
    if (!giveUp) return this.#try(lane);
    this.#end = () => {
      if (giveUp()) this.#leave(lane, this.#trouble ?? ABORTED, false);
    };
  }

  /** Ends it now, with the outcome `aborted`; before `begin`, as soon as that is called. */
  stop(): void {
    this.#isToStop = true;
    if (this.#attempt) this.#attempt.giveUp(this.#around.clock.monotonicMs(), this.#trouble ?? ABORTED);
    else this.#end?.();
  }

  /** It has a place. Asks the provider once, whatever that does: throw, hang, ignore that it is given up. */
  #try(lane: Lane): void {
    this.#end = undefined;
    const { clock } = this.#around;
    const nowMs = clock.monotonicMs();
    const refused = this.#refusal(lane, nowMs);
    if (refused) return this.#leave(lane, refused, true);
    const attempt = new Attempt(lane, this.#request.purpose === 'call', nowMs, this);
    this.#attempt = attempt;
    attempt.begin(clock, this.#deadlineMs - nowMs);
    const settled = (outcome: PushOutcome) => attempt.end(outcome, true);
    const threw = () => attempt.end(THREW, true);
    try {
      lane.provider.send(this.#request, attempt).then(settled, threw);
    } catch {
      threw();
    }
  }

  /** Of its attempt, once. */
  attemptEnded(lane: Lane, outcome: PushOutcome, saysSomething: boolean): void {
    this.#attempt = undefined;
    this.#learn(lane, outcome, saysSomething ? seenByBreaker(outcome) : 'unknown');
    this.#leave(lane, outcome, true);
  }

  /** What an outcome says of the service, for everybody who wants to send there. */
  #learn(lane: Lane, outcome: PushOutcome, seen: Seen): void {
    const nowMs = this.#around.clock.monotonicMs();
    if (seen !== 'unknown') {
      lane.trouble = outcome.kind === 'retryLater' ? { reason: outcome.reason, atMs: nowMs } : undefined;
    }
    const changed = lane.breaker.report(seen, nowMs, seen === 'unreachable' ? this.#around.random() : 0);
    if (changed === 'opened') lane.openedAtMs = nowMs;
    if (changed !== undefined) this.#around.onBreaker(lane, changed);
    if (changed === 'closed') lane.openedAtMs = undefined;
    if (outcome.kind !== 'accepted') return;
    lane.accepted++;
    if (lane.waitingCalls.size > 0) for (const wake of [...lane.waitingCalls]) wake();
    if (lane.slowCalls.size > 0) for (const slow of [...lane.slowCalls]) slow.overtaken();
  }

  /** Why a push whose turn it is must not be sent now. */
  #refusal(lane: Lane, nowMs: number): PushOutcome | undefined {
    const isCall = this.#request.purpose === 'call';
    if (this.#isToStop) return this.#trouble ?? ABORTED;
    if (nowMs >= this.#deadlineMs) return this.#trouble ?? TOO_LATE;
    const refused = isCall ? undefined : this.#around.paused(this.#request, nowMs);
    if (refused) return refused;
    // A call may always try once: the breaker may be wrong, and the caller is waiting now.
    const waitMs = lane.breaker.waitMs(nowMs, isCall);
    if (waitMs === 0 || (isCall && this.#attempts === 1)) return undefined;
    return { kind: 'retryLater', reason: lane.trouble?.reason ?? 'service not answering', afterMs: waitMs };
  }

  #leave(lane: Lane, outcome: PushOutcome, hadPlace: boolean): void {
    this.#end = undefined;
    if (hadPlace) lane.places.leave(PRIORITY[this.#request.purpose]);
    if (--lane.users === 0) lane.onUnused?.();
    this.#judge(outcome);
  }

  /** Whether the outcome stands, or another attempt follows. */
  #judge(outcome: PushOutcome): void {
    if (outcome.kind !== 'retryLater' || this.#isToStop) return this.#ended(outcome, this.#attempts);
    const { purpose } = this.#request;
    if (outcome.reason !== 'aborted') this.#trouble = outcome;
    // Shown twice is the smaller evil than not at all; shown with every try of twelve hours is the larger.
    if (isSeen(purpose) && outcome.unsure && ++this.#unsure > 1) {
      return this.#ended({ kind: 'failed', reason: outcome.reason }, this.#attempts);
    }
    const { clock, random, onRetry } = this.#around;
    const leftMs = this.#deadlineMs - clock.monotonicMs();
    // The service answers others now: what made the tries before wait longer and longer is over.
    const waitMs =
      outcome === PASSED_OVER ? 0 : retryInMs({ purpose, attempts: this.#attempts, outcome, leftMs, random: random() });
    if (waitMs === undefined) return this.#ended(outcome, this.#attempts);
    onRetry();
    if (this.#attempts === 1) this.#onDelay?.();
    this.#pause(waitMs);
  }

  #pause(ms: DurationMs): void {
    const { target, purpose } = this.#request;
    const calls = purpose === 'call' ? this.#around.laneOf(target.provider)?.waitingCalls : undefined;
    const wake = () => {
      cancel();
      calls?.delete(wake);
      this.#end = undefined;
      if (this.#isToStop) this.#ended(this.#trouble ?? ABORTED, this.#attempts);
      else this.begin();
    };
    const cancel = this.#around.clock.after(ms, wake);
    calls?.add(wake);
    this.#end = wake;
    // `onDelay` may have stopped it.
    if (this.#isToStop) wake();
  }
}

/**
 * One attempt. Its provider sees that it is given up: a real AbortSignal costs Node more than the rest of our own work on a push. An object
 * with methods, because a closure for each thing that may happen to it costs the same again in garbage.
 */
class Attempt extends Limited implements GiveUp, OpenCall {
  aborted = false;
  readonly #lane: Lane;
  readonly #isCall: boolean;
  readonly #begunMs: number;
  readonly #of: Sending;
  /** What the service had accepted when it began. */
  readonly #acceptedBefore: number;
  #isOver = false;
  #isSlow = false;
  #cancelTimer: (() => void) | undefined;
  #listener: (() => void) | undefined;
  /** Most providers have one thing to cut off. */
  #others: (() => void)[] | undefined;

  constructor(lane: Lane, isCall: boolean, nowMs: number, of: Sending) {
    super();
    this.#lane = lane;
    this.#isCall = isCall;
    this.#begunMs = nowMs;
    this.#of = of;
    this.#acceptedBefore = lane.accepted;
  }

  begin(clock: Clock, leftMs: DurationMs): void {
    // Timers are dear: those of one length are shared, and a push whose time is up before sets one of its own.
    if (leftMs < ATTEMPT_LASTS_AT_MOST) this.#cancelTimer = clock.after(leftMs, () => this.#cutOff(NO_ANSWER, true));
    if (this.#isCall) this.#lane.slow.begin(this);
    else if (!this.#cancelTimer) this.#lane.late.begin(this);
  }

  over(): void {
    if (!this.#isCall || this.#isSlow) return this.#cutOff(NO_ANSWER, true);
    this.#isSlow = true;
    // Sent into a service that hung, it would be waited for until its own limit, which a call does not have.
    if (this.#lane.accepted !== this.#acceptedBefore) return this.overtaken();
    this.#lane.slowCalls.add(this);
    if (!this.#cancelTimer) this.#lane.lateSinceSlow.begin(this);
  }

  overtaken(): void {
    this.#cutOff(PASSED_OVER, false);
  }

  /** By its call: only a long silence says something of the service. */
  giveUp(nowMs: number, otherwise: PushOutcome): void {
    if (nowMs - this.#begunMs >= SLOW) this.#cutOff(NO_ANSWER_SO_FAR, true);
    else this.#cutOff(otherwise, false);
  }

  end(outcome: PushOutcome, saysSomething: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTimer?.();
    this.under?.end(this);
    if (this.#isSlow) this.#lane.slowCalls.delete(this);
    this.#of.attemptEnded(this.#lane, outcome, saysSomething);
  }

  #cutOff(outcome: PushOutcome, saysSomething: boolean): void {
    this.abort();
    this.end(outcome, saysSomething);
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    if (this.#listener === undefined) this.#listener = listener;
    else {
      this.#others ??= [];
      this.#others.push(listener);
    }
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    if (this.#listener === listener) this.#listener = undefined;
    else this.#others = this.#others?.filter((other) => other !== listener);
  }

  abort(): void {
    this.aborted = true;
    const all = [this.#listener, ...(this.#others ?? [])];
    this.#listener = undefined;
    this.#others = undefined;
    for (const hear of all) hear?.();
  }
}

/** What the user sees. */
const isSeen = (purpose: PushPurpose) => !['call', 'cancel', 'refresh'].includes(purpose);

type Seen = 'answered' | 'unreachable' | 'unknown';

/** Only what says something about the service as a whole counts. */
function seenByBreaker(outcome: PushOutcome): Seen {
  if (outcome.kind === 'failed') return 'unknown';
  if (outcome.kind !== 'retryLater') return 'answered';
  if (outcome.scope === 'device') return 'answered';
  return outcome.reason === 'aborted' ? 'unknown' : 'unreachable';
}
