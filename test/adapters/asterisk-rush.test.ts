import { describe, expect, it } from 'vitest';
import { ExpectedPhones } from '../../adapters/pbx/asterisk/expected-phones.ts';
import { Rush } from '../../adapters/pbx/asterisk/rush.ts';
import { FakeClock } from '../support/fake-clock.ts';

describe('calls that arrive one upon the other', () => {
  /** When each of these calls, which arrive at these times in ms, is composed. */
  async function composedAt(arrivals: readonly number[], call = (nth: number) => `call ${nth}`): Promise<number[]> {
    const clock = new FakeClock();
    const rush = new Rush(clock);
    const begunMs = clock.monotonicMs();
    const at: number[] = [];
    for (let ms = 0; ms <= 300; ms++) {
      arrivals.forEach((arrival, nth) => {
        if (arrival !== ms) return;
        rush.arrived(call(nth));
        void rush.over().then(() => {
          at[nth] = clock.monotonicMs() - begunMs;
        });
      });
      await clock.advance(1);
    }
    return at;
  }

  it.each([
    ['a call alone waits for nothing', [10], [10]],
    ['nor do those that come apart', [10, 17, 30], [10, 17, 30]],
    ['the first is not held back, the others wait until no more come', [10, 12, 15], [10, 20, 19]],
    ['a call that comes alone afterwards waits for nothing', [10, 12, 100], [10, 16, 100]],
  ])('%s', async (_, arrivals, expected) => {
    const found = await composedAt(arrivals);
    for (const [nth, at] of found.entries()) expect(at - (expected[nth] as number)).toBeLessThanOrEqual(1);
    for (const [nth, at] of found.entries()) expect(at).toBeGreaterThanOrEqual(expected[nth] as number);
  });

  it('the accounts of a ring group are one call', async () => {
    const [first, second] = await composedAt([10, 12], () => 'the same');
    expect([first, second]).toEqual([10, 12]);
  });

  it('waits 60 ms at most, however many come', async () => {
    const arrivals = Array.from({ length: 60 }, (_, i) => 10 + 3 * i);
    const found = await composedAt(arrivals);
    const waited = found.map((at, nth) => at - (arrivals[nth] as number));
    expect(Math.max(...waited)).toBeGreaterThan(50);
    expect(Math.max(...waited)).toBeLessThanOrEqual(65);
  });
});

describe('phones that calls wait for', () => {
  it('are expected as long as a leg waits for them', () => {
    const expected = new ExpectedPhones();
    expected.add('a', '1001');
    expected.add('b', '1001');
    expected.add('b', '1001');
    expected.ended('a');
    expect(expected.has('1001')).toBe(true);
    expected.ended('b');
    expected.ended('b');
    expect(expected.has('1001')).toBe(false);
  });

  it('a leg that begins anew for another account expects that one', () => {
    const expected = new ExpectedPhones();
    expected.add('a', '1001');
    expected.add('a', '1002');
    expect([expected.has('1001'), expected.has('1002')]).toEqual([false, true]);
  });

  it('are ten thousand at most: of those whose end was missed the oldest is forgotten', () => {
    const expected = new ExpectedPhones();
    for (let i = 0; i <= 10_000; i++) expected.add(`leg ${i}`, `aor ${i}`);
    expect([expected.has('aor 0'), expected.has('aor 1'), expected.has('aor 10000')]).toEqual([false, true, true]);
  });
});
