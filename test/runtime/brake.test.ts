/** The brake: better a day late than a thousand people told that their phone is dead. */
import { beforeEach, describe, expect, test } from 'vitest';
import { type AppKey, appKey, type BindingId } from '../../plugin/core/binding.ts';
import { DAY, HOUR, MINUTE } from '../../plugin/core/time.ts';
import { Brake, tripsAt } from '../../plugin/runtime/bindings/brake.ts';
import { Ticker } from '../../plugin/runtime/bindings/ticker.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';

let clock: FakeClock;
let forecast: number;
let live: Map<AppKey, number | undefined>;
let log: RecordedLog;
let brake: Brake;

beforeEach(() => {
  clock = new FakeClock();
  forecast = 1_000;
  log = new RecordedLog();
  live = new Map();
  brake = new Brake({
    clock,
    log,
    store: { countDue: async () => forecast },
    liveOf: async (app) => live.get(app),
    enabled: true,
  });
});

const look = async (due = 0) => {
  const compared = brake.compareClocks(clock.now());
  await brake.look(clock.now(), due);
  return compared;
};

describe('the brake', () => {
  test('stays off while what is due is what was forecast', async () => {
    for (let i = 0; i < 60; i++) {
      await look(40);
      await clock.advance(MINUTE);
    }
    expect(brake.stops).toBe('nothing');
  });

  test('is pulled when five times as many are due as were forecast an hour ago, and says the figures', async () => {
    await look(4_000);
    expect(brake.stops).toBe('nothing');
    await clock.advance(MINUTE);
    await look(1_001);
    expect(brake.stops).toBe('everything');
    expect(brake.state[0]?.reason).toBe('5001 AORs due within an hour, 1000 were forecast');
  });

  test('is not pulled by a small site, where a ratio means nothing', async () => {
    forecast = 1;
    await look(200);
    expect(brake.stops).toBe('nothing');
    await look(1);
    expect(brake.stops).toBe('everything');
  });

  test.each([11 * MINUTE, -11 * MINUTE, 2 * DAY])('is pulled when the wall clock jumps by %d ms', async (ms) => {
    await look();
    clock.jump(ms);
    await look();
    expect(brake.stops).toBe('everything');
    expect(brake.state[0]?.reason).toMatch(/the wall clock jumped/);
  });

  test('is not pulled by a step of nine minutes, nor by time that passes', async () => {
    await look();
    clock.jump(9 * MINUTE);
    await look();
    await clock.advance(3 * DAY);
    await look();
    expect(brake.stops).toBe('nothing');
  });

  test('is released after an hour', async () => {
    await look();
    clock.jump(DAY);
    await look();
    await clock.advance(HOUR);
    await look();
    expect(brake.stops).toBe('everything');
    await clock.advance(MINUTE);
    await look();
    expect(brake.stops).toBe('nothing');
  });

  test('lets go after an hour of the monotonic clock, also when the wall clock jumps two days ahead and back', async () => {
    await look();
    clock.jump(2 * DAY);
    await look();
    expect(brake.stops).toBe('everything');
    clock.jump(-2 * DAY);
    await look();
    await clock.advance(HOUR + MINUTE);
    await look();
    expect(brake.stops).toBe('nothing');
  });
});

describe('what is due by a wall clock that jumped ahead', () => {
  test('is not claimed until the clock is right again: put off by two days it would come two days late', async () => {
    const claims: number[] = [];
    const ticker = new Ticker({
      store: { countDue: async () => 0, claimDue: async () => claims.push(clock.monotonicMs()) && [] } as never,
      intake: { fromAsked: async () => undefined } as never,
      clock,
      log,
      brake,
      linksOf: () => [],
      downSince: () => undefined,
      forgetAfterMs: DAY,
      room: async () => undefined,
      onRound: () => undefined,
    });
    const claimsWithin = async (ms: number) => {
      claims.length = 0;
      await clock.advance(ms);
      return claims.length;
    };
    ticker.start();
    expect(await claimsWithin(3 * MINUTE)).toBeGreaterThanOrEqual(3);
    clock.jump(2 * DAY);
    expect(await claimsWithin(4 * MINUTE)).toBe(0);
    clock.jump(-2 * DAY);
    expect(await claimsWithin(3 * MINUTE)).toBe(3);
    await ticker.stop();
  });

  test('is claimed after an hour, when the clock has stayed; one that jumped back never stops it', async () => {
    await look();
    clock.jump(2 * DAY);
    expect(await look()).toBe('ahead');
    await clock.advance(HOUR);
    expect(await look()).toBe('ahead');
    await clock.advance(MINUTE);
    await look();
    expect(await look()).toBe('trusted');
    clock.jump(-3 * DAY);
    expect(await look()).toBe('trusted');
  });

  test('is claimed when a person lets go', async () => {
    await look();
    clock.jump(2 * DAY);
    expect(await look()).toBe('ahead');
    brake.release();
    expect(await look()).toBe('trusted');
  });
});

const PHONE = appKey({ provider: 'apns', app: 'TEAM.com.example.phone' });
const OTHER = appKey({ provider: 'fcm', app: 'example' });
let devices = 0;
const device = () => `device-${devices++}` as BindingId;
/** Verdicts on so many devices; how many of them were believed. */
const believed = async (app: AppKey, times: number) => {
  let count = 0;
  for (let i = 0; i < times; i++) if (await brake.believes(app, device())) count++;
  return count;
};

describe('the share of an app', () => {
  test.each([
    [0, 2],
    [10, 3],
    [80, 6],
    [10_000, 502],
    [100_000, 5_002],
  ])('of %d live bindings trips at %d dead tokens within an hour', async (count, trips) => {
    expect(tripsAt(count)).toBe(trips);
    live.set(PHONE, count);
    expect(await believed(PHONE, trips - 1)).toBe(trips - 1);
    expect(brake.stops).toBe('nothing');
    expect(await believed(PHONE, 20), 'the one that trips and what was under way').toBe(0);
    expect(brake.stops).toEqual([PHONE]);
  });

  test('holds that app alone, and says which, how many, and what to do', async () => {
    live.set(PHONE, 10).set(OTHER, 10);
    await believed(PHONE, 3);
    expect(brake.holds(PHONE)).toBe(true);
    expect(brake.holds(OTHER)).toBe(false);
    expect(await believed(OTHER, 1)).toBe(1);
    expect(brake.state).toMatchObject([{ app: PHONE, reason: '3 of its 10 live devices called dead within an hour' }]);
    expect(log.at('error')).toHaveLength(1);
    expect(log.at('error')[0]?.message).toContain('pushwake brake release');
  });

  test('counts a device once, whatever is dead of it and however often that is found out', async () => {
    live.set(PHONE, 10);
    const one = device();
    for (let i = 0; i < 20; i++) expect(await brake.believes(PHONE, one)).toBe(true);
    expect(brake.stops).toBe('nothing');
  });

  test('is not reached by as many over days', async () => {
    live.set(PHONE, 10);
    for (let day = 0; day < 10; day++) {
      expect(await believed(PHONE, 2)).toBe(2);
      await clock.advance(HOUR);
    }
    expect(brake.stops).toBe('nothing');
  });

  test('holds on while dead tokens keep coming, and lets go after an hour without', async () => {
    live.set(PHONE, 10);
    await believed(PHONE, 3);
    for (let i = 0; i < 12; i++) {
      await clock.advance(15 * MINUTE);
      await believed(PHONE, 1);
      await look();
    }
    expect(brake.stops, 'four an hour for three hours').toEqual([PHONE]);
    await clock.advance(HOUR + MINUTE);
    await look();
    expect(brake.stops).toBe('nothing');
    expect(await believed(PHONE, 2)).toBe(2);
  });

  test('after it let go what was due before is forgotten: one more does not pull it again', async () => {
    await look(4_000);
    await clock.advance(MINUTE);
    await look(1_001);
    expect(brake.stops).toBe('everything');
    brake.release();
    await look(1);
    expect(brake.stops).toBe('nothing');
  });

  test('by hand: one app, or all that is held; the count begins anew', async () => {
    live.set(PHONE, 10).set(OTHER, 10);
    await believed(PHONE, 3);
    await believed(OTHER, 3);
    expect(brake.release('apns nothing')).toEqual([]);
    expect(brake.release(PHONE).map((s) => s.app)).toEqual([PHONE]);
    expect(brake.stops).toEqual([OTHER]);
    expect(await believed(PHONE, 2)).toBe(2);
    expect(brake.release().map((s) => s.app)).toEqual([OTHER]);
    expect(brake.stops).toBe('nothing');
  });

  test('doubts what comes before anybody has counted, and does not wait for ever', async () => {
    expect(await brake.believes(PHONE, device())).toBe(false);
    const never = new Brake({
      clock,
      log,
      store: { countDue: async () => 0 },
      liveOf: () => new Promise(() => undefined),
      enabled: true,
    });
    const answer = never.believes(PHONE, device());
    await clock.advance(2_000);
    expect(await answer).toBe(false);
  });

  test('remembers a thousand apps, and those it holds longest', async () => {
    live.set(PHONE, 10);
    await believed(PHONE, 3);
    for (let i = 0; i < 1_500; i++) {
      const app = appKey({ provider: 'apns', app: `made-up-${i}` });
      live.set(app, 10);
      await brake.believes(app, device());
    }
    expect(brake.stops).toEqual([PHONE]);
  });
});
