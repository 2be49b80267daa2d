import { describe, expect, it } from 'vitest';
import { SECOND } from '../../plugin/core/time.ts';
import { Pace } from '../../plugin/runtime/bindings/pace.ts';
import { FakeClock } from '../support/fake-clock.ts';

const nobody = () => 0;

describe('the pace of work in the background', () => {
  const cases: readonly [string, number, number][] = [
    ['rests nine times as long as it worked', 5, 45],
    ['does not rest when nothing was done', 0, 0],
    ['a twentieth of a second at most', 5 * SECOND, 50],
  ];
  it.each(cases)('%s', async (_, workedMs, restMs) => {
    const clock = new FakeClock();
    const pace = new Pace(clock, false, nobody);
    expect(pace.isFree).toBe(false);
    await clock.advance(workedMs);
    let rested = false;
    const rest = pace.rest().then(() => {
      rested = true;
    });
    await clock.advance(Math.max(0, restMs - 1));
    expect(rested).toBe(restMs === 0);
    if (restMs > 0) await clock.advance(1);
    await rest;
    expect(clock.pending()).toBe(0);
    // The rest itself is no work.
    await pace.rest();
  });

  it('is free for three seconds when there is a hurry', async () => {
    const clock = new FakeClock();
    const pace = new Pace(clock, true, nobody);
    await clock.advance(3 * SECOND - 1);
    expect(pace.isFree).toBe(true);
    await clock.advance(1);
    expect(pace.isFree).toBe(false);
  });

  it.each([
    ['until the call waits no more', 35, 40],
    ['for a tenth of a second at most', 10 * SECOND, 100],
  ])('lets a call that waits go first, %s', async (_, waitsMs, restMs) => {
    const clock = new FakeClock();
    const begunMs = clock.monotonicMs();
    const pace = new Pace(clock, false, () => (clock.monotonicMs() - begunMs < waitsMs ? 1 : 0));
    let rested = false;
    const rest = pace.rest().then(() => {
      rested = true;
    });
    await clock.advance(restMs - 1);
    expect(rested).toBe(false);
    await clock.advance(1);
    expect(rested).toBe(true);
    await rest;
  });

  it('ends also that when it is stopped', async () => {
    const clock = new FakeClock();
    const pace = new Pace(clock, false, () => 1);
    const rest = pace.rest();
    await clock.advance(15);
    pace.stop();
    await rest;
    expect(clock.pending()).toBe(0);
  });

  it('ends its rest, and rests no more, when it is stopped', async () => {
    const clock = new FakeClock();
    const pace = new Pace(clock, false, nobody);
    await clock.advance(SECOND);
    const rest = pace.rest();
    pace.stop();
    await rest;
    await clock.advance(SECOND);
    await pace.rest();
    expect(clock.pending()).toBe(0);
  });
});
