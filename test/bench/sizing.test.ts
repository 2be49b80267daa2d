/** The table of docs/scaling.md is what `npm run bench -- sizing` computes, and its unit costs are those that the pages say were measured. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { COSTS, HABITS, sized, sizingTable } from './sizing.ts';

const path = (name: string) => fileURLToPath(new URL(`../../docs/${name}`, import.meta.url));
const page = (name: string) => readFileSync(path(name), 'utf8');

it('docs/scaling.md shows the table as it is computed', () => {
  const table = sizingTable([10_000, 1_000_000, 50_000_000]);
  const was = page('scaling.md');
  const made = was.replace(/(<!-- sizing -->\n)[\s\S]*(\n<!-- \/sizing -->)/, (_, from, to) => `${from}${table}${to}`);
  if (process.env.UPDATE_DOCS) writeFileSync(path('scaling.md'), made);
  expect(was).toContain(table);
});

it.each([
  ['scaling.md', `${COSTS.redisBytes.toLocaleString('en-US')} bytes`],
  ['scaling.md', `${COSTS.redisRenewalUs} µs`],
  ['scaling.md', `${COSTS.redisStepUs} µs`],
  ['scaling.md', `| ${COSTS.asksPerSecond.toLocaleString('en-US')} |`],
  ['performance.md', `${COSTS.registerUs} µs`],
  ['performance.md', `${COSTS.pushUs} / `],
])('%s says that this was measured: %s', (name, words) => expect(page(name)).toContain(words));

it('grows with the phones: ten times as many need ten times of what each costs', () => {
  const [one, ten] = [sized(100_000), sized(1_000_000)];
  for (const key of ['redisGB', 'pushesADay', 'registersASecond', 'asksASecond'] as const)
    expect(ten[key] / one[key]).toBeCloseTo(10, 6);
  expect(ten.resyncS).toBe(one.resyncS);
});

it('follows what people do', () => {
  const calm = sized(1_000_000, { ...HABITS, calls: 0, registers: 0 });
  expect(calm.nodes).toBe(2);
  // 14,286 phones a day that nobody has opened, each 22 refresh pushes, two notices and a last word.
  expect(Math.round(calm.pushesADay)).toBe(357_143);
  expect(sized(1_000_000, { ...HABITS, calls: 2_000 }).nodes).toBeGreaterThan(sized(1_000_000).nodes);
});
