import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  affineClock,
  create,
  optionsSchema,
  random,
  randomId,
  systemClock,
} from '../../adapters/clock/system/index.ts';
import { DAY, HOUR, instant, MINUTE } from '../../plugin/core/time.ts';

const START = instant(Date.UTC(2026, 0, 5, 12));

beforeEach(() => {
  vi.useFakeTimers({ now: START });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the system clock', () => {
  it('shows the wall time and leaves PBX instants as they are', () => {
    expect(systemClock().now()).toBe(START);
    expect(systemClock().fromPbx(START + 7)).toBe(START + 7);
  });

  it.each([
    ['a second', 1000, 1000],
    ['a negative time rings at once', -5, 0],
    ['more than a day is cut to a day', 30 * DAY, DAY],
  ])('rings after %s', (_, ms, expected) => {
    const ring = vi.fn();
    systemClock().after(ms, ring);
    vi.advanceTimersByTime(Math.max(0, expected - 1));
    if (expected > 0) expect(ring).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(ring).toHaveBeenCalledOnce();
  });

  it('does not ring once cancelled, and refuses to wait for no number', () => {
    const ring = vi.fn();
    systemClock().after(10, ring)();
    vi.advanceTimersByTime(10);
    expect(ring).not.toHaveBeenCalled();
    expect(() => systemClock().after(Number.NaN, ring)).toThrow(RangeError);
  });
});

describe('the affine clock', () => {
  it('wall, monotonic, timers and PBX instants run k times as fast, together', () => {
    const clock = affineClock({ k: 3600, startAt: instant(0) });
    const before = clock.monotonicMs();
    const ring = vi.fn();
    clock.after(HOUR, ring);
    vi.advanceTimersByTime(999);
    expect(ring).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(ring).toHaveBeenCalledOnce();
    expect(clock.now()).toBe(HOUR);
    expect(clock.monotonicMs() - before).toBeCloseTo(HOUR, 3);
    expect(clock.fromPbx(START + 1000)).toBe(HOUR);
    expect(clock.fromPbx(START - 1000)).toBe(-HOUR);
  });

  it('a week passes in 31 s at full speed, and a timer is cut to a day of its own time', () => {
    const clock = affineClock({ k: 20_000, startAt: instant(0) });
    const ring = vi.fn();
    clock.after(30 * DAY, ring);
    vi.advanceTimersByTime(4320);
    expect(ring).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(30_240 - 4320);
    expect(clock.now()).toBe(7 * DAY);
  });

  it('continues the time of another process', () => {
    const clock = affineClock({ k: 60, startAt: instant(0), realStartMs: START - 1000 });
    expect(clock.now()).toBe(MINUTE);
    expect(clock.fromPbx(START)).toBe(MINUTE);
  });

  it.each([0, 0.5, 20_001, Number.NaN, Number.POSITIVE_INFINITY])('refuses a speed of %d', (k) => {
    expect(() => affineClock({ k, startAt: START })).toThrow(RangeError);
  });
});

describe('made from options', () => {
  it('runs at real speed unless told otherwise', () => {
    const real = create(optionsSchema.parse({}));
    const fast = create(optionsSchema.parse({ speed: 60 }));
    vi.advanceTimersByTime(1000);
    expect([real.now() - START, fast.now() - START]).toEqual([1000, MINUTE]);
    expect(optionsSchema.safeParse({ speed: 0 }).success).toBe(false);
  });
});

describe('dice', () => {
  it('ids are hex of the length asked for and differ', () => {
    expect(randomId(8)).toMatch(/^[0-9a-f]{16}$/);
    expect(randomId(8)).not.toBe(randomId(8));
    expect(random()).toBeLessThan(1);
  });
});
