import { describe, expect, it } from 'vitest';
import { CallWhenOver, TimeLimit } from '../../plugin/ports/time-limit.ts';
import { FakeClock } from '../support/fake-clock.ts';

describe('one time limit for many requests', () => {
  /** At 0 ms `a` begins, at 400 `b`, at 900 `c`; each may take a second. What ends by itself, and when. */
  const cases: readonly [string, readonly (readonly [number, 'a' | 'b' | 'c'])[], readonly string[]][] = [
    ['each is over a second after its own beginning', [], ['a 1000', 'b 1400', 'c 1900']],
    ['what has ended is not over', [[950, 'a']], ['b 1400', 'c 1900']],
    ['one in the middle', [[1200, 'b']], ['a 1000', 'c 1900']],
    ['the last', [[1899, 'c']], ['a 1000', 'b 1400']],
    [
      'all of them',
      [
        [950, 'c'],
        [960, 'b'],
        [970, 'a'],
      ],
      [],
    ],
  ];
  it.each(cases)('%s', async (_, ends, expected) => {
    const clock = new FakeClock();
    const limit = new TimeLimit(clock, 1_000);
    const begun = clock.monotonicMs();
    const over: string[] = [];
    const on = Object.fromEntries(
      ['a', 'b', 'c'].map((name) => [
        name,
        new CallWhenOver(() => void over.push(`${name} ${clock.monotonicMs() - begun}`)),
      ]),
    ) as Record<string, CallWhenOver>;
    const steps: [number, () => void][] = [
      [0, () => limit.begin(on.a as CallWhenOver)],
      [400, () => limit.begin(on.b as CallWhenOver)],
      [900, () => limit.begin(on.c as CallWhenOver)],
      ...ends.map(([at, name]): [number, () => void] => [at, () => limit.end(on[name] as CallWhenOver)]),
      [3_000, () => undefined],
    ];
    for (const [at, step] of steps.toSorted(([a], [b]) => a - b)) {
      await clock.advance(at - (clock.monotonicMs() - begun));
      step();
      const elapsed = clock.monotonicMs() - begun;
      const begunBy = [0, 400, 900].filter((t) => t <= elapsed).length;
      const endedBy = ends.filter(([t]) => t <= elapsed).length;
      expect(clock.pending(), 'timers').toBe(begunBy > endedBy + over.length ? 1 : 0);
    }
    expect(over).toEqual(expected);
    expect(clock.pending(), 'timers left behind').toBe(0);
  });

  it('goes on when one that is over ends another and begins a third', async () => {
    const clock = new FakeClock();
    const limit = new TimeLimit(clock, 1_000);
    const over: string[] = [];
    const second = new CallWhenOver(() => void over.push('second'));
    const third = new CallWhenOver(() => void over.push('third'));
    limit.begin(
      new CallWhenOver(() => {
        over.push('first');
        limit.end(second);
        limit.begin(third);
      }),
    );
    limit.begin(second);
    await clock.advance(1_999);
    expect(over).toEqual(['first']);
    await clock.advance(1);
    expect(over).toEqual(['first', 'third']);
    expect(clock.pending()).toBe(0);
  });
});
