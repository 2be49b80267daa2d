import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseAor } from '../../plugin/core/aor.ts';
import { HOUR, MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import type { PushOutcome, PushPurpose } from '../../plugin/ports/push-provider.ts';
import { Breaker } from '../../plugin/runtime/push/circuit-breaker.ts';
import { createDelivery, type Delivery, type PushDraft } from '../../plugin/runtime/push/delivery.ts';
import { retryInMs } from '../../plugin/runtime/push/retry-delay.ts';
import { FakeClock, NOON, settle } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { type Scripted, ScriptedPushProvider } from '../support/scripted-push-provider.ts';

const aor = parseAor('1001@example.com') as string;
const later: PushOutcome = { kind: 'retryLater', reason: 'ServiceUnavailable' };

let clock: FakeClock;
let log: RecordedLog;
let provider: ScriptedPushProvider;
let delivery: Delivery;

beforeEach(() => {
  clock = new FakeClock();
  log = new RecordedLog();
  provider = new ScriptedPushProvider();
  delivery = createDelivery({ providers: [provider], clock, log, random: () => 0.5 });
});

afterEach(async () => {
  await delivery.close();
  expect(clock.pending(), 'timers left behind').toBe(0);
});

const call = (lasts = 30 * SECOND): PushDraft => {
  return { purpose: 'call', callId: 'call-1', aor, expiresAt: plus(clock.now(), lasts) };
};
const refresh = (lasts = HOUR): PushDraft => ({ purpose: 'refresh', aor, expiresAt: plus(clock.now(), lasts) });
const notice = (lasts = 12 * HOUR): PushDraft => {
  return {
    purpose: 'notice',
    notice: 'soon',
    body: 'soon',
    aor,
    collapseId: 'c1',
    expiresAt: plus(clock.now(), lasts),
  };
};

/** Sends, lets `ms` pass, and gives the outcome if there is one by then. */
async function outcomeAfter(ms: number, push: Promise<PushOutcome>): Promise<PushOutcome | 'under way'> {
  let result: PushOutcome | 'under way' = 'under way';
  void push.then((outcome) => {
    result = outcome;
  });
  await clock.advance(ms);
  return result;
}

it('gives the outcome although what hears of it goes wrong', async () => {
  delivery.onAccepted(() => {
    throw new Error('a listener of ours');
  });
  expect(await outcomeAfter(0, delivery.send(call(), provider.targets()))).toMatchObject({ kind: 'accepted' });
  expect(log.at('error')).toHaveLength(1);
});

describe('whether and when a push is tried again', () => {
  const cases: readonly [string, PushPurpose, number, PushOutcome, number, number | undefined][] = [
    ['a call comes again within a moment', 'call', 1, later, 30 * SECOND, 112.5],
    ['and doubles the wait', 'call', 2, later, 30 * SECOND, 225],
    ['up to two seconds', 'call', 20, later, 30 * SECOND, 1_500],
    ['but not when it would start at its end', 'call', 20, later, 1_500, undefined],
    ['one millisecond more and it does', 'call', 20, later, 1_501, 1_500],
    ['a refresh has time', 'refresh', 1, later, HOUR, 3_750],
    ['a notice is in between', 'notice', 1, later, HOUR, 1_500],
    ['what the service asks for is honoured', 'call', 1, { ...later, afterMs: 3_000 }, 30 * SECOND, 3_300],
    [
      'by a call while it is at most a third of its time',
      'call',
      1,
      { ...later, afterMs: 10_000 },
      30 * SECOND,
      10_000,
    ],
    [
      'a call that has less time tries once more within it',
      'call',
      1,
      { ...later, afterMs: 10_000 },
      6 * SECOND,
      2_000,
    ],
    ['with at most 10 s of spread', 'refresh', 1, { ...later, afterMs: 20 * MINUTE }, HOUR, 20 * MINUTE + 5_000],
    ['and given up when it is too long', 'refresh', 1, { ...later, afterMs: 2 * HOUR }, HOUR, undefined],
    ['at once means at once', 'call', 1, { ...later, afterMs: 0 }, 30 * SECOND, 0],
    ['but only the first time', 'call', 2, { ...later, afterMs: 0 }, 30 * SECOND, 225],
    ['aborted stays aborted', 'call', 1, { kind: 'retryLater', reason: 'aborted' }, 30 * SECOND, undefined],
    ['accepted is the end', 'call', 1, { kind: 'accepted' }, 30 * SECOND, undefined],
    ['dead is the end', 'call', 1, { kind: 'tokenDead', reason: 'x' }, 30 * SECOND, undefined],
    ['misconfigured is the end', 'call', 1, { kind: 'misconfigured', reason: 'x', hint: 'y' }, 30 * SECOND, undefined],
    ['failed is the end', 'call', 1, { kind: 'failed', reason: 'x' }, 30 * SECOND, undefined],
  ];
  it.each(cases)('%s', (_, purpose, attempts, outcome, leftMs, expected) => {
    expect(retryInMs({ purpose, attempts, outcome, leftMs, random: 0.5 })).toBe(expected);
  });
});

describe('delivery', () => {
  it('fills in id and time, chooses the target and says which of the two it is', async () => {
    const targets = provider.targets();
    expect(await delivery.send(call(), targets)).toEqual({ kind: 'accepted', id: 'id-1' });
    expect(await delivery.send(refresh(), targets)).toMatchObject({ kind: 'accepted' });
    const { other } = targets;
    expect(await delivery.send(call(), other ? { other } : {})).toMatchObject({ kind: 'accepted' });
    expect(provider.requests.map(({ target, via }) => [target.token.reveal(), via])).toEqual([
      ['tok-healthy', 'call'],
      ['tok-healthy-other', 'other'],
      ['tok-healthy-other', 'other'],
    ]);
    expect(provider.requests[0]).toMatchObject({ sentAt: NOON, pushId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  });

  it('says so when the binding cannot be told, or nobody knows its service', async () => {
    const { call: only } = provider.targets();
    expect(delivery.targetFor('notice', only ? { call: only } : {})).toBeUndefined();
    expect(await delivery.send(notice(), only ? { call: only } : {})).toEqual({
      kind: 'failed',
      reason: 'no target for this purpose',
    });
    const foreign = new ScriptedPushProvider('fcm').targets();
    expect(delivery.targetFor('call', foreign)).toBeUndefined();
    expect(provider.requests).toEqual([]);
  });

  it('sends what a person reads no third time when it may have arrived twice; a call goes on', async () => {
    const unsure: PushOutcome = { kind: 'retryLater', reason: 'no answer in time', unsure: true };
    provider.next(unsure, 10);
    const shown = delivery.send(notice(), provider.targets());
    expect(await outcomeAfter(10 * MINUTE, shown)).toEqual({ kind: 'failed', reason: 'no answer in time' });
    expect(provider.requests).toHaveLength(2);
    const rung = delivery.send(call(), provider.targets());
    expect(await outcomeAfter(SECOND, rung)).toBe('under way');
    expect(provider.requests.length).toBeGreaterThan(4);
    await clock.advance(MINUTE);
  });

  it('tries again with the same ids until it is accepted', async () => {
    provider.next(later, 2);
    const push = delivery.send({ ...call(), collapseId: 'c1' } as PushDraft, provider.targets());
    expect(await outcomeAfter(112, push)).toBe('under way');
    expect(provider.requests).toHaveLength(1);
    expect(await outcomeAfter(1 + 225, push)).toMatchObject({ kind: 'accepted' });
    expect(new Set(provider.requests.map(({ pushId, collapseId }) => `${pushId} ${collapseId}`)).size).toBe(1);
    expect(delivery.stats()).toMatchObject({
      retries: 2,
      ended: [{ provider: 'scripted', purpose: 'call', outcome: 'accepted', count: 1 }],
    });
  });

  it('waits as long as the service asks, and not less', async () => {
    provider.next({ ...later, afterMs: 3 * SECOND });
    const push = delivery.send(call(), provider.targets());
    expect(await outcomeAfter(3 * SECOND, push)).toBe('under way');
    expect(provider.requests).toHaveLength(1);
    expect(await outcomeAfter(SECOND, push)).toMatchObject({ kind: 'accepted' });
  });

  it("stops at the push's own deadline, also when the wall clock is set back", async () => {
    const push = delivery.send(call(5 * SECOND), provider.targets('tok-later'));
    await clock.advance(SECOND);
    clock.jump(-HOUR);
    expect(await outcomeAfter(4 * SECOND, push)).toMatchObject(later);
    const tried = provider.requests.length;
    await clock.advance(HOUR);
    expect(provider.requests).toHaveLength(tried);
    // The line that the service does not answer stands for that of the push.
    expect([log.at('warn').length, log.at('error').length]).toEqual([0, 1]);
  });

  it('does not send what is already useless', async () => {
    expect(await delivery.send(call(0), provider.targets())).toEqual({ kind: 'retryLater', reason: 'too late' });
    expect(provider.requests).toEqual([]);
  });

  it('ends at once when the call does: in flight, between attempts, and in the queue', async () => {
    const ends = new AbortController();
    provider.maxInFlight = 2;
    delivery = createDelivery({ providers: [provider], clock, log, random: () => 0.5 });
    provider.next(later);
    const pausing = delivery.send(call(), provider.targets(), ends.signal);
    await settle();
    const flying = [1, 2].map(() => delivery.send(call(), provider.targets('tok-deaf'), ends.signal));
    await settle();
    const queued = delivery.send(call(), provider.targets(), ends.signal);
    await settle();
    expect(delivery.stats().providers).toMatchObject([{ inFlight: 2, queued: 1 }]);
    ends.abort();
    const aborted = { kind: 'retryLater', reason: 'aborted' };
    // What went wrong before is why it was not taken, not that its call ended.
    expect(await Promise.all([pausing, ...flying, queued])).toEqual([later, aborted, aborted, aborted]);
    await settle();
    expect(delivery.stats().providers).toMatchObject([{ inFlight: 0, queued: 0 }]);
    expect(provider.requests).toHaveLength(3);
  });

  it('sends nothing when the call is already over', async () => {
    const outcome = await delivery.send(call(), provider.targets(), AbortSignal.abort());
    expect(outcome).toEqual({ kind: 'retryLater', reason: 'aborted' });
    expect(provider.requests).toEqual([]);
  });

  it('gives up on a provider that never answers, and counts it as a failure', async () => {
    const push = delivery.send(call(MINUTE), provider.targets('tok-deaf'));
    expect(await outcomeAfter(15 * SECOND - 1, push)).toBe('under way');
    expect(provider.requests).toHaveLength(1);
    await clock.advance(SECOND);
    expect(provider.requests).toHaveLength(2);
    await clock.advance(MINUTE);
    expect(await push).toMatchObject({ kind: 'retryLater', reason: 'no answer in time' });
  });

  it('turns what a provider throws into an outcome, without its text', async () => {
    const outcome = await delivery.send(call(), provider.targets('tok-throw'));
    expect(outcome).toEqual({ kind: 'failed', reason: 'provider threw' });
    expect(log.text()).not.toContain('tok-throw');
  });

  it('shows no token in any line', async () => {
    for (const token of ['tok-healthy', 'tok-dead', 'tok-failed', 'tok-misconfigured', 'tok-throw']) {
      await delivery.send(call(), provider.targets(token));
    }
    expect(log.lines.length).toBeGreaterThanOrEqual(5);
    expect(log.text()).not.toMatch(/tok-/);
  });
});

describe('priority', () => {
  it('lets calls overtake everything that waits, then closing words, notices, refreshes', async () => {
    provider.maxInFlight = 1;
    delivery = createDelivery({ providers: [provider], clock, log, random: () => 0.5 });
    const first = Promise.withResolvers<PushOutcome>();
    provider.next(first.promise);
    const cancel: PushDraft = { purpose: 'cancel', callId: 'c', word: 'elsewhere', aor, expiresAt: plus(NOON, MINUTE) };
    const all = [call(), refresh(), refresh(), notice(), cancel, call()].map((d) =>
      delivery.send(d, provider.targets()),
    );
    await settle();
    expect(provider.requests.map((r) => r.purpose)).toEqual(['call']);
    first.resolve({ kind: 'accepted' });
    await Promise.all(all);
    expect(provider.requests.map((r) => r.purpose)).toEqual(['call', 'call', 'cancel', 'notice', 'refresh', 'refresh']);
  });

  it('keeps a fifth of the places free for calls', async () => {
    provider.maxInFlight = 10;
    delivery = createDelivery({
      providers: [provider],
      clock,
      log,
      random: () => 0.5,
      perDeviceHourly: { refresh: 100 },
    });
    const refreshes = Array.from({ length: 50 }, () => delivery.send(refresh(), provider.targets('tok-hang')));
    await settle();
    expect(provider.requests).toHaveLength(8);
    expect(await delivery.send(call(), provider.targets())).toMatchObject({ kind: 'accepted' });
    await delivery.close();
    expect((await Promise.all(refreshes)).every(({ kind }) => kind === 'retryLater')).toBe(true);
  });
});

describe('the breaker', () => {
  /** Five failures in a row, each in a moment of its own. */
  async function open(): Promise<void> {
    for (let i = 0; i < 5; i++) {
      provider.next(later);
      await delivery.send(call(1), provider.targets(`tok-${i}`));
      if (i < 4) await clock.advance(100);
    }
    expect(delivery.stats().providers[0]?.breaker).toBe('open');
    provider.requests.length = 0;
  }

  it('holds back everything but the first attempt of a call', async () => {
    await open();
    provider.next(later);
    const waiting = delivery.send(refresh(), provider.targets());
    const tried = delivery.send(call(SECOND), provider.targets());
    await settle();
    expect(provider.requests.map((r) => r.purpose)).toEqual(['call']);
    expect(await outcomeAfter(SECOND, tried)).toMatchObject({ kind: 'retryLater' });
    expect(provider.requests).toHaveLength(1);
    await clock.advance(5 * SECOND);
    expect(await waiting).toMatchObject({ kind: 'accepted' });
  });

  it('a hundred pushes on a connection that is cut are one failure', async () => {
    for (let round = 0; round < 4; round++) {
      provider.next(later, 100);
      await Promise.all(Array.from({ length: 100 }, (_, i) => delivery.send(call(1), provider.targets(`tok-${i}`))));
      expect(delivery.stats().providers[0]?.breaker).toBe('closed');
      await clock.advance(100);
    }
    provider.next(later);
    await delivery.send(call(1), provider.targets());
    expect(delivery.stats().providers[0]?.breaker).toBe('open');
  });

  it('closes when a call gets through', async () => {
    await open();
    expect(await delivery.send(call(), provider.targets())).toMatchObject({ kind: 'accepted' });
    expect(delivery.stats().providers[0]?.breaker).toBe('closed');
  });

  it('half open, lets one push ask and the others wait for its answer', async () => {
    await open();
    const probe = Promise.withResolvers<PushOutcome>();
    provider.next(probe.promise);
    const pushes = [1, 2, 3].map((i) => delivery.send(refresh(), provider.targets(`tok-r${i}`)));
    await clock.advance(4 * SECOND);
    expect(provider.requests).toHaveLength(1);
    probe.resolve({ kind: 'accepted' });
    await clock.advance(10 * SECOND);
    expect((await Promise.all(pushes)).map(({ kind }) => kind)).toEqual(['accepted', 'accepted', 'accepted']);
  });

  it('waits longer after each probe that fails, up to a minute', () => {
    const breaker = new Breaker();
    let nowMs = 0;
    for (let i = 0; i < 5; i++) {
      expect(breaker.waitMs(nowMs)).toBe(0);
      nowMs += 100;
      breaker.report('unreachable', nowMs, 0);
    }
    const waits: number[] = [];
    for (let i = 0; i < 7; i++) {
      const waitMs = breaker.waitMs(nowMs);
      waits.push(waitMs);
      expect(breaker.waitMs(nowMs + waitMs - 1)).toBe(1);
      nowMs += waitMs;
      expect(breaker.waitMs(nowMs)).toBe(0);
      breaker.report('unreachable', nowMs, 0);
    }
    expect(waits).toEqual([1_500, 3_000, 6_000, 12_000, 24_000, 45_000, 45_000]);
    nowMs += breaker.waitMs(nowMs);
    breaker.report('answered', nowMs, 0);
    expect([breaker.state(nowMs), breaker.waitMs(nowMs)]).toEqual(['closed', 0]);
  });

  it('lets the next one ask when the one that asked was given up', () => {
    const breaker = new Breaker();
    for (let i = -4; i <= 0; i++) breaker.report('unreachable', i * 100, 0);
    expect([breaker.waitMs(1_500), breaker.waitMs(1_500)]).toEqual([0, SECOND]);
    breaker.report('unknown', 1_600, 0);
    expect(breaker.waitMs(1_600)).toBe(0);
  });

  it('is not opened by one slow device, a dead token or a call that ended', async () => {
    const slow: PushOutcome = { kind: 'retryLater', reason: 'TooManyRequests', scope: 'device' };
    for (const answer of [
      slow,
      { kind: 'tokenDead', reason: 'x' },
      { kind: 'retryLater', reason: 'aborted' },
    ] as const) {
      provider.next(answer, 10);
      for (let i = 0; i < 10; i++) await delivery.send(call(1), provider.targets());
    }
    expect(delivery.stats().providers[0]?.breaker).toBe('closed');
  });
});

describe('a push service that is out', () => {
  /** One call a second with a ring time of 20 s, as in the outage that showed it; the service is out for `outMs`. */
  async function outage(outMs: number, answer: Scripted): Promise<{ takenAfterMs: (number | undefined)[] }> {
    const takenAfterMs: (number | undefined)[] = [];
    const backAtMs = clock.monotonicMs() + outMs;
    for (let i = 0; clock.monotonicMs() < backAtMs + 3 * SECOND; i++) {
      const ends = new AbortController();
      const begunMs = clock.monotonicMs();
      clock.after(20 * SECOND, () => ends.abort());
      takenAfterMs[i] = undefined;
      void delivery.send(call(20 * SECOND), provider.targets(`tok-call-${i}`), ends.signal).then(({ kind }) => {
        if (kind === 'accepted') takenAfterMs[i] = clock.monotonicMs() - Math.max(begunMs, backAtMs);
      });
      provider.answersAll = clock.monotonicMs() < backAtMs ? answer : undefined;
      await clock.advance(SECOND);
    }
    await clock.advance(30 * SECOND);
    return { takenAfterMs };
  }

  it('for 70 s: every call that still rings when it is back is pushed within 1.2 s, and none before is given up early', async () => {
    const { takenAfterMs } = await outage(70 * SECOND, later);
    // Calls that began less than 20 s before it was back.
    for (const ms of takenAfterMs.slice(51)) expect(ms).toBeLessThanOrEqual(1_200);
    expect(takenAfterMs.slice(51).every((ms) => ms !== undefined)).toBe(true);
  });

  it('a waiting call asks by itself, at most one of them a second: nobody else need come', async () => {
    provider.answersAll = later;
    const waiting = Array.from({ length: 30 }, (_, i) =>
      delivery.send(call(90 * SECOND), provider.targets(`tok-${i}`)),
    );
    await clock.advance(10 * SECOND);
    const before = provider.requests.length;
    await clock.advance(60 * SECOND);
    expect(provider.requests.length - before).toBeGreaterThanOrEqual(40);
    expect(provider.requests.length - before).toBeLessThanOrEqual(62);
    provider.answersAll = undefined;
    await clock.advance(1_200);
    expect((await Promise.all(waiting)).every(({ kind }) => kind === 'accepted')).toBe(true);
  });

  it('one line when it is held back, with reason and remedy, one when it is back, and not one for each push', async () => {
    await outage(70 * SECOND, later);
    expect(log.at('error')).toMatchObject([
      {
        message: 'push service does not answer',
        fields: { provider: 'scripted', reason: 'ServiceUnavailable', hint: expect.any(String) },
      },
    ]);
    expect(log.at('info').filter((l) => l.message === 'push service answers again')).toHaveLength(1);
    expect(log.at('warn').length).toBeLessThanOrEqual(5);
  });

  it('that hangs is seen though each call ends before any limit of ours: counted, held back, told with a reason', async () => {
    for (let i = 0; i < 6; i++) {
      const ends = new AbortController();
      const push = delivery.send(call(3 * SECOND), provider.targets('tok-hang'), ends.signal);
      await clock.advance(2_900);
      ends.abort();
      expect(await push).toEqual({ kind: 'retryLater', reason: 'no answer before the call was over' });
      await clock.advance(100);
      expect(delivery.stats().providers[0]).toMatchObject({ trouble: 'no answer before the call was over' });
    }
    expect(delivery.stats().providers[0]?.breaker).not.toBe('closed');
    expect(log.at('error')).toHaveLength(1);
    await delivery.send(call(), provider.targets());
    expect(delivery.stats().providers[0]).not.toHaveProperty('trouble');
  });

  it('a call that ends at once says nothing of the service', async () => {
    for (let i = 0; i < 10; i++) {
      const ends = new AbortController();
      const push = delivery.send(call(), provider.targets('tok-hang'), ends.signal);
      await clock.advance(500);
      ends.abort();
      expect(await push).toEqual({ kind: 'retryLater', reason: 'aborted' });
    }
    expect(delivery.stats().providers[0]).toMatchObject({ breaker: 'closed' });
    expect(log.at('warn')).toEqual([]);
  });

  it('a call sent into a service that hangs is sent anew once another is taken, and not before 2 s', async () => {
    provider.next('hang');
    const hung = delivery.send(call(4 * SECOND), provider.targets());
    await clock.advance(500);
    void delivery.send(refresh(), provider.targets());
    await clock.advance(1_400);
    expect(provider.requests, 'services take their time').toHaveLength(2);
    expect(await outcomeAfter(200, hung)).toMatchObject({ kind: 'accepted' });
    expect(provider.requests).toHaveLength(3);
    expect(provider.requests.at(-1)?.pushId).toBe(provider.requests[0]?.pushId);
    expect(log.at('error')).toEqual([]);
  });

  it('… also after many tries: what made them wait longer and longer is over', async () => {
    provider.next(later, 6);
    provider.next('hang');
    const hung = delivery.send(call(), provider.targets());
    await clock.advance(6 * SECOND);
    expect(provider.requests).toHaveLength(7);
    void delivery.send(refresh(), provider.targets());
    expect(await outcomeAfter(2_100, hung)).toMatchObject({ kind: 'accepted' });
  });

  it('a call whose push takes long while nobody else is served is left alone', async () => {
    provider.next('hang');
    void delivery.send(call(10 * SECOND), provider.targets());
    await clock.advance(9 * SECOND);
    expect(provider.requests).toHaveLength(1);
  });

  it('a single 429 in a call of 6 s: a second try, and a line that says so when that fails as well', async () => {
    const slowDown: PushOutcome = {
      kind: 'retryLater',
      reason: 'TooManyRequests',
      scope: 'device',
      afterMs: 10 * SECOND,
    };
    provider.next(slowDown);
    const taken = delivery.send(call(6 * SECOND), provider.targets());
    expect(await outcomeAfter(3 * SECOND, taken)).toMatchObject({ kind: 'accepted' });
    provider.answersAll = slowDown;
    const ends = new AbortController();
    const push = delivery.send(call(6 * SECOND), provider.targets(), ends.signal);
    await clock.advance(5 * SECOND);
    expect(delivery.stats().providers[0]).toMatchObject({ breaker: 'closed', trouble: 'TooManyRequests' });
    ends.abort();
    expect(await push).toMatchObject({ kind: 'retryLater', reason: 'TooManyRequests' });
    expect(log.at('warn')).toMatchObject([{ message: 'push given up', fields: { reason: 'TooManyRequests' } }]);
  });
});

describe('alarms', () => {
  it('of a certificate that is not trusted end with the first push that gets through, whatever it was for', async () => {
    const untrusted: PushOutcome = { kind: 'misconfigured', reason: 'certificate not trusted', hint: 'x' };
    provider.next(untrusted, 2);
    await delivery.send(refresh(), provider.targets());
    await delivery.send(call(), provider.targets());
    // Held for calls and for the rest, shown once.
    expect(delivery.stats().alarms).toHaveLength(1);
    await delivery.send(call(), provider.targets());
    expect(delivery.stats().alarms).toEqual([]);
  });

  it('are told once, stop the others of that app for a while, and never a call', async () => {
    for (let i = 0; i < 20; i++) await delivery.send(refresh(), provider.targets(`tok-misconfigured`));
    expect(provider.requests).toHaveLength(1);
    expect(log.at('error')).toHaveLength(1);
    expect(delivery.stats().alarms).toMatchObject([{ app: 'com.example.phone', outcome: { hint: 'check the key' } }]);
    for (let i = 0; i < 3; i++) await delivery.send(call(), provider.targets('tok-misconfigured'));
    expect(provider.requests).toHaveLength(4);
    // One line for the refreshes' topic, one for the calls'.
    expect(log.at('error')).toHaveLength(2);
  });

  it('end with the first push that is accepted, and are told again when they come back', async () => {
    await delivery.send(refresh(), provider.targets('tok-misconfigured'));
    await clock.advance(30 * SECOND);
    expect(await delivery.send(refresh(), provider.targets())).toMatchObject({ kind: 'accepted' });
    expect(delivery.stats().alarms).toEqual([]);
    await delivery.send(refresh(), provider.targets('tok-misconfigured'));
    expect(log.at('error')).toHaveLength(2);
  });

  it('that concern one device stop nobody else and are told once an hour', async () => {
    const wrongApp: PushOutcome = {
      kind: 'misconfigured',
      reason: 'DeviceTokenNotForTopic',
      hint: 'x',
      scope: 'device',
    };
    for (let i = 0; i < 5; i++) {
      provider.next(wrongApp);
      await delivery.send(notice(), provider.targets('tok-wrong'));
      expect(await delivery.send(notice(), provider.targets())).toMatchObject({ kind: 'accepted' });
    }
    expect(log.at('error')).toHaveLength(1);
    await clock.advance(HOUR);
    expect(delivery.stats().alarms).toEqual([]);
  });
});

describe('alarms that devices cause', () => {
  const ofDevice = (reason: string): PushOutcome => ({ kind: 'misconfigured', reason, hint: 'x', scope: 'device' });
  const ours: PushOutcome = { kind: 'misconfigured', reason: 'InvalidProviderToken', hint: 'check the key' };
  /** A push for an app that a device made up. */
  const madeUp = async (n: number, outcome: PushOutcome) => {
    provider.next(outcome);
    const { call: target, other } = provider.targets(`tok-${n}`);
    const named = (t: typeof target) => (t ? { ...t, app: `made.up.${n}` } : undefined);
    const targets = { call: named(target), other: named(other) } as ReturnType<typeof provider.targets>;
    await delivery.send(notice(), targets);
  };
  const reasons = () => delivery.stats().alarms.map((a) => a.outcome.reason);

  it('do not drive out ours, are themselves bounded, and the newest is held', async () => {
    provider.next(ours);
    await delivery.send(refresh(), provider.targets());
    for (let n = 0; n < 300; n++) await madeUp(n, ofDevice('unknown app'));
    expect(reasons().filter((r) => r === 'InvalidProviderToken')).toHaveLength(1);
    expect(delivery.stats().alarms.length).toBeLessThanOrEqual(51);
    expect(delivery.stats().alarms.at(-1)).toMatchObject({ app: 'made.up.299' });
  });

  it('do not keep ours out: what comes after them is logged and held', async () => {
    for (let n = 0; n < 300; n++) await madeUp(n, ofDevice('unknown app'));
    provider.next(ours);
    await delivery.send(refresh(), provider.targets());
    expect(reasons()).toContain('InvalidProviderToken');
    expect(log.at('error').at(-1)?.fields).toMatchObject({ reason: 'InvalidProviderToken' });
  });

  it('write twenty lines an hour, and one that says there are more', async () => {
    for (let n = 0; n < 100; n++) await madeUp(n, ofDevice('unknown app'));
    expect(log.at('error')).toHaveLength(20);
    expect(log.at('warn').filter((l) => l.message.startsWith('devices cause many'))).toHaveLength(1);
    await clock.advance(HOUR);
    await madeUp(100, ofDevice('unknown app'));
    expect(log.at('error')).toHaveLength(21);
  });

  it('of a service that is refused for every app: the oldest gives way, never the newest', async () => {
    for (let n = 0; n < 150; n++) await madeUp(n, ours);
    const apps = delivery.stats().alarms.map((a) => a.app);
    expect([apps.length, apps[0], apps.at(-1)]).toEqual([100, 'made.up.50', 'made.up.149']);
  });
});

describe('the budget of a device', () => {
  it('is a brake against loops: not for calls, by the hour, for each device', async () => {
    for (let i = 0; i < 12; i++)
      expect(await delivery.send(refresh(), provider.targets())).toMatchObject({ kind: 'accepted' });
    const over = { kind: 'failed', reason: 'device budget used up' };
    expect(await delivery.send(refresh(), provider.targets())).toEqual(over);
    expect(await delivery.send(refresh(), provider.targets('tok-b'))).toMatchObject({ kind: 'accepted' });
    expect(await delivery.send(notice(), provider.targets())).toMatchObject({ kind: 'accepted' });
    for (let i = 0; i < 50; i++)
      expect(await delivery.send(call(), provider.targets())).toMatchObject({ kind: 'accepted' });
    await clock.advance(HOUR);
    expect(await delivery.send(refresh(), provider.targets())).toMatchObject({ kind: 'accepted' });
  });
});

describe('close', () => {
  it('gives up what is under way, closes the providers once, and takes nothing more', async () => {
    const push = delivery.send(call(), provider.targets('tok-hang'));
    await settle();
    await Promise.all([delivery.close(), delivery.close()]);
    expect(await push).toEqual({ kind: 'retryLater', reason: 'aborted' });
    expect(provider.closed).toBe(1);
    expect(await delivery.send(call(), provider.targets())).toEqual({ kind: 'failed', reason: 'closed' });
  });
});
