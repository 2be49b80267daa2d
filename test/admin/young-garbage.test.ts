import { getHeapSpaceStatistics } from 'node:v8';
import { expect, it } from 'vitest';
import { youngGarbageCollector } from '../../plugin/app/young-garbage.ts';

const young = () => getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')?.space_used_size ?? 0;

/** Makes garbage until the young generation holds so much, and answers how much. */
function litter(bytes: number): number {
  for (let i = 0; i < 1_000_000 && young() < bytes; i++) Array.from({ length: 100 }, () => ({}));
  return young();
}

it('collects young garbage when there is much of it', () => {
  const collect = youngGarbageCollector();
  const much = litter(3_200_000);
  expect(much).toBeGreaterThan(3_145_728);
  collect();
  expect(young()).toBeLessThan(much / 2);
});
