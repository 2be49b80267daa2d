/** When an answer "this is no token of ours" is the token's fault, and when it is the app's. */
import { expect, it } from 'vitest';
import { BadTokens } from '../../adapters/push/bad-tokens.ts';
import { MINUTE } from '../../plugin/core/time.ts';

type Step = readonly [
  afterMinutes: number,
  token: string,
  account: string,
  expected: 'alone' | 'many' | 'dead' | 'accepted',
];

function play(steps: readonly Step[]): string[] {
  const tokens = new BadTokens();
  let now = 0;
  return steps.map(([after, token, account, expected]) => {
    now += after * MINUTE;
    if (expected !== 'accepted') return tokens.failed('app', token, account, now);
    tokens.accepted('app', token, now);
    return 'accepted';
  });
}

const again = (count: number, step: Step): Step[] => Array.from({ length: count }, () => step);

it.each<[string, readonly Step[]]>([
  [
    'a site of one account, nothing ever accepted: the app, after five refusals 10 min apart',
    [...again(4, [10, 'a', '1001', 'alone']), [10, 'a', '1001', 'many'], [1, 'a', '1001', 'many']],
  ],
  [
    'a site of two accounts, the same',
    [
      [10, 'a', '1001', 'alone'],
      [10, 'b', '1002', 'alone'],
      [10, 'a', '1001', 'alone'],
      [10, 'b', '1002', 'alone'],
      [10, 'a', '1001', 'many'],
    ],
  ],
  [
    'refusals of one moment count once: a stranger with made-up tokens raises nothing',
    again(40, [0, 'x', '1001', 'alone']),
  ],
  [
    'once a push of the app was accepted it is the token',
    [
      ...again(4, [10, 'a', '1001', 'alone']),
      [1, 'b', '1002', 'accepted'],
      [10, 'a', '1001', 'alone'],
      [1, 'b', '1002', 'accepted'],
      [10, 'a', '1001', 'alone'],
      [1, 'b', '1002', 'accepted'],
      [10, 'a', '1001', 'dead'],
    ],
  ],
])('%s', (_, steps) => {
  expect(play(steps)).toEqual(steps.map(([, , , expected]) => expected));
});
