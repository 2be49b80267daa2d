/** The brake: better a day late than a thousand people told that their phone is dead. */
import { beforeEach, describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '../../plugin/core/time.ts';
import { Brake } from '../../plugin/runtime/bindings/brake.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';

let clock: FakeClock;
let forecast: number;
let brake: Brake;

beforeEach(() => {
  clock = new FakeClock();
  forecast = 1_000;
  brake = new Brake({ clock, log: new RecordedLog(), store: { countDue: async () => forecast } });
});

const look = (due = 0) => brake.look(clock.now(), due);

describe('the brake', () => {
  test('stays off while what is due is what was forecast', async () => {
    for (let i = 0; i < 60; i++) {
      await look(40);
      await clock.advance(MINUTE);
    }
    expect(brake.on).toBe(false);
  });

  test('is pulled when five times as many are due as were forecast an hour ago, and says the figures', async () => {
    await look(4_000);
    expect(brake.on).toBe(false);
    await clock.advance(MINUTE);
    await look(1_001);
    expect(brake.on).toBe(true);
    expect(brake.reason).toBe('5001 AORs due within an hour, 1000 were forecast');
  });

  test('is not pulled by a small site, where a ratio means nothing', async () => {
    forecast = 1;
    await look(200);
    expect(brake.on).toBe(false);
    await look(1);
    expect(brake.on).toBe(true);
  });

  test.each([11 * MINUTE, -11 * MINUTE, 2 * DAY])('is pulled when the wall clock jumps by %d ms', async (ms) => {
    await look();
    clock.jump(ms);
    await look();
    expect(brake.on).toBe(true);
    expect(brake.reason).toMatch(/the wall clock jumped/);
  });

  test('is not pulled by a step of nine minutes, nor by time that passes', async () => {
    await look();
    clock.jump(9 * MINUTE);
    await look();
    await clock.advance(3 * DAY);
    await look();
    expect(brake.on).toBe(false);
  });

  test('is pulled by a burst of dead tokens, not by as many over days', async () => {
    for (let i = 0; i < 99; i++) brake.tokenDied(clock.now());
    expect(brake.on).toBe(false);
    await clock.advance(HOUR);
    brake.tokenDied(clock.now());
    expect(brake.on).toBe(false);
    for (let i = 0; i < 99; i++) brake.tokenDied(clock.now());
    expect(brake.on).toBe(true);
  });

  test('is released after an hour', async () => {
    await look();
    clock.jump(DAY);
    await look();
    await clock.advance(HOUR);
    await look();
    expect(brake.on).toBe(true);
    await clock.advance(MINUTE);
    await look();
    expect(brake.on).toBe(false);
  });
});
