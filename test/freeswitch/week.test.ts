/** A week of three phones on a real FreeSWITCH, slower than the demo plays it: a busy machine must not be taken for a broken promise. */
import { expect, test } from 'vitest';
import { playWeek } from '../demo/week.ts';

test('a week of three phones goes as promised', { timeout: 300_000 }, async () => {
  expect(await playWeek(6_000, 'freeswitch')).toBe(0);
});
