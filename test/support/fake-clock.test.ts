import { describe, expect, it } from 'vitest';
import { DAY, HOUR, plus } from '../../plugin/core/time.ts';
import { FakeClock, NOON } from './fake-clock.ts';

describe('the fake clock', () => {
  it('rings in order of time, then of setting, and lets promises run in between', async () => {
    const clock = new FakeClock();
    const seen: string[] = [];
    clock.after(20, () => seen.push('late'));
    clock.after(10, () => {
      seen.push('early');
      void Promise.resolve().then(() => seen.push('promise behind early'));
      clock.after(5, () => seen.push('set by early'));
    });
    clock.after(10, () => seen.push('same instant'));
    await clock.advance(20);
    expect(seen).toEqual(['early', 'promise behind early', 'same instant', 'set by early', 'late']);
    expect(clock.pending()).toBe(0);
  });

  it('rings at its own instant and not a millisecond before', async () => {
    const clock = new FakeClock();
    let at: number | undefined;
    clock.after(HOUR, () => {
      at = clock.now();
    });
    await clock.advance(HOUR - 1);
    expect(at).toBeUndefined();
    await clock.advance(DAY);
    expect(at).toBe(plus(NOON, HOUR));
    expect(clock.now()).toBe(plus(NOON, HOUR - 1 + DAY));
  });

  it('keeps monotonic time and rings nothing when the wall clock is set', async () => {
    const clock = new FakeClock();
    let rings = 0;
    const cancel = clock.after(HOUR, () => rings++);
    clock.set(plus(NOON, -DAY));
    clock.jump(3 * DAY);
    await clock.advance(0);
    expect([rings, clock.monotonicMs(), clock.now()]).toEqual([0, 0, plus(NOON, 2 * DAY)]);
    expect(clock.pending()).toBe(1);
    cancel();
    expect(clock.pending()).toBe(0);
  });

  it('cuts a timer to 24 hours, as the port says', async () => {
    const clock = new FakeClock();
    let rings = 0;
    clock.after(30 * DAY, () => rings++);
    await clock.advance(DAY);
    expect(rings).toBe(1);
  });
});
