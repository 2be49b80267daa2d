/**
 * `npm run world -- --seeds 1000 --weeks 4 --sites small,carrier`: plays worlds, one seed after the other, and stops at none that fails.
 * `--seed N --story` replays one and prints what happened.
 */
import { parseArgs } from 'node:util';
import { runControls } from './controls.ts';
import { Coverage } from './coverage.ts';
import { inWords, stamp } from './faults.ts';
import { coverageInWords } from './report.ts';
import { shrunk } from './shrink.ts';
import { SITES, type SiteName } from './sites.ts';
import { type Result, World, type WorldOptions } from './world.ts';

const USAGE = `npm run world -- [options]
  --seeds N      how many seeds (default 100)
  --from N       the first of them (default 1)
  --weeks N      how long each world lasts (default 4)
  --dense N      faults and calls come so many times as often (default 1)
  --sites a,b    ${Object.keys(SITES).join(', ')} (default small,carrier)
  --seed N       one seed only
  --story        print what happened there
  --lines N      the last N lines of it (default 60)
  --coverage     print what was visited
  --shrink no    do not look for a shorter story (default yes)
  --controls     plant known bugs in a copy, one at a time: each must be found within --seeds
  --only TEXT    only the controls that hold it
  --most N       stop after so many failures (default 20)
`;

const { values: o } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    weeks: { type: 'string', default: '4' },
    dense: { type: 'string', default: '1' },
    sites: { type: 'string', default: 'small,carrier' },
    seed: { type: 'string' },
    story: { type: 'boolean', default: false },
    lines: { type: 'string', default: '60' },
    coverage: { type: 'boolean', default: false },
    shrink: { type: 'string', default: 'yes' },
    most: { type: 'string', default: '20' },
    controls: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});

const print = (text: string) => process.stdout.write(`${text}\n`);

async function main(): Promise<number> {
  if (o.help) {
    print(USAGE);
    return 0;
  }
  if (o.controls)
    return (await runControls(Number(o.seeds), Number(o.weeks), Number(o.dense), o.only, print)) === 0 ? 0 : 1;
  const sites = o.sites.split(',').filter((s): s is SiteName => Object.hasOwn(SITES, s));
  if (sites.length === 0) {
    print(`no such site: ${o.sites}\n${USAGE}`);
    return 2;
  }
  const weeks = Number(o.weeks);
  const first = Number(o.seed ?? o.from);
  const seeds = o.seed === undefined ? Number(o.seeds) : 1;
  const coverage = new Coverage();
  const failures = new Map<string, number>();
  const begunAt = performance.now();
  let worlds = 0;
  let siteWeeks = 0;
  let saidAt = begunAt;
  for (let seed = first; seed < first + seeds; seed++) {
    for (const site of sites) {
      const options: WorldOptions = { seed, site, weeks, dense: Number(o.dense), story: o.story };
      const result = await new World(options).run();
      worlds++;
      siteWeeks += result.violation ? 0 : weeks;
      coverage.add(result.coverage);
      if (result.violation) {
        const { oracle } = result.violation;
        failures.set(oracle, (failures.get(oracle) ?? 0) + 1);
        await failed(result, options);
      }
      if (o.story && o.seed !== undefined) print(result.story.slice(-Number(o.lines)).join('\n'));
      const nowAt = performance.now();
      if (nowAt - saidAt > 15_000) {
        saidAt = nowAt;
        print(progress(worlds, siteWeeks, nowAt - begunAt, failures));
      }
      if (total(failures) >= Number(o.most)) break;
    }
    if (total(failures) >= Number(o.most)) break;
  }
  print(progress(worlds, siteWeeks, performance.now() - begunAt, failures));
  for (const [oracle, times] of failures) print(`  ${times} × ${oracle}`);
  if (o.coverage) print(coverageInWords(coverage));
  return failures.size === 0 ? 0 : 1;
}

const total = (failures: ReadonlyMap<string, number>) => [...failures.values()].reduce((a, b) => a + b, 0);

function progress(worlds: number, siteWeeks: number, ms: number, failures: ReadonlyMap<string, number>): string {
  const perSecond = (n: number) => (n / (ms / 1_000)).toFixed(2);
  return `${worlds} worlds, ${siteWeeks} site-weeks without a violation in ${(ms / 1_000).toFixed(0)} s: ${perSecond(worlds)} worlds and ${perSecond(siteWeeks)} site-weeks a second; ${total(failures)} failed`;
}

async function failed(result: Result, options: WorldOptions): Promise<void> {
  const { seed, site, violation } = result;
  print(`\nseed ${seed}, ${site}: ${violation?.oracle}: ${violation?.what} (${stamp(violation?.atMs ?? 0)})`);
  if (o.shrink === 'no') return;
  const shortest = await shrunk(result, options);
  print(
    `  ${shortest.violation?.what} (${stamp(shortest.violation?.atMs ?? 0)}), with ${shortest.plan.length} of ${result.plan.length} faults:`,
  );
  for (const fault of shortest.plan) print(`    ${inWords(fault)}`);
  for (const line of shortest.story.slice(-Number(o.lines))) print(`    | ${line}`);
  print(
    `  again: npm run world -- --seed ${seed} --sites ${site} --weeks ${options.weeks} --dense ${options.dense ?? 1} --story`,
  );
}

process.exitCode = await main();
