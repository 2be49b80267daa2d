/**
 * `npm run world -- --seeds 1000 --weeks 4 --sites small,carrier`: plays worlds, one seed after the other, and stops at none that fails.
 * `--seed N --story` replays one and prints what happened.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runControls } from './controls.ts';
import { Coverage } from './coverage.ts';
import { type Job, type Played, playAll } from './crew.ts';
import { type FaultKind, inWords, KINDS, stamp } from './faults.ts';
import { SITES, type SiteName } from './sites.ts';

const USAGE = `npm run world -- [options]
  --seeds N      how many seeds (default 100)
  --from N       the first of them (default 1)
  --weeks N      how long each world lasts (default 4)
  --dense N      faults and calls come so many times as often (default 1)
  --sites a,b    ${Object.keys(SITES).join(', ')} (default small,carrier)
  --faults a,b   exactly these kinds (default: a random half of them for each seed)
  --seed N       one seed only
  --story        print what happened there
  --lines N      the last N lines of it (default 60)
  --coverage     print what was visited
  --shrink no    do not look for a shorter story (default yes)
  --controls     plant known bugs in a copy, one at a time: each must be found within --seeds
  --only TEXT    only the controls that hold it
  --most N       stop after so many failures (default 20)
  --processes N  play so many worlds at once (default: one for each core)
`;

const { values: o } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    weeks: { type: 'string', default: '4' },
    dense: { type: 'string', default: '1' },
    sites: { type: 'string', default: 'small,carrier' },
    seed: { type: 'string' },
    faults: { type: 'string' },
    story: { type: 'boolean', default: false },
    lines: { type: 'string', default: '60' },
    coverage: { type: 'boolean', default: false },
    shrink: { type: 'string', default: 'yes' },
    most: { type: 'string', default: '20' },
    processes: { type: 'string', default: String(availableParallelism()) },
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
  const faults = o.faults?.split(',').map((kind) => {
    if (!Object.hasOwn(KINDS, kind)) throw new Error(`no such fault: ${kind}`);
    return kind as FaultKind;
  });
  const weeks = Number(o.weeks);
  const first = Number(o.seed ?? o.from);
  const seeds = o.seed === undefined ? Number(o.seeds) : 1;
  const coverage = new Coverage();
  const failures = new Map<string, number>();
  const begunAt = performance.now();
  let worlds = 0;
  let siteWeeks = 0;
  let saidAt = begunAt;
  const jobs = function* (): Iterable<Job> {
    for (let seed = first; seed < first + seeds; seed++) {
      for (const site of sites)
        yield {
          world: { seed, site, weeks, dense: Number(o.dense), story: o.story, ...(faults && { faults }) },
          shrink: o.shrink !== 'no',
        };
    }
  };
  let isEnded = false;
  // The worlds that are being played are played to their end, and what was visited until then is printed.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => (isEnded = true));
  await playAll(jobs(), Math.min(Number(o.processes), seeds * sites.length), (played) => {
    worlds++;
    siteWeeks += played.violation ? 0 : weeks;
    coverage.addAll(played.counts);
    if (played.violation) {
      const { oracle } = played.violation;
      failures.set(oracle, (failures.get(oracle) ?? 0) + 1);
      failed(played);
    }
    if (o.story && o.seed !== undefined) print(played.story.slice(-Number(o.lines)).join('\n'));
    const nowAt = performance.now();
    if (nowAt - saidAt > 15_000) {
      saidAt = nowAt;
      print(progress(worlds, siteWeeks, nowAt - begunAt, failures));
    }
    return !isEnded && total(failures) < Number(o.most);
  });
  print(progress(worlds, siteWeeks, performance.now() - begunAt, failures));
  for (const [oracle, times] of failures) print(`  ${times} × ${oracle}`);
  // It reads the lifecycle's own table, which a copy with a planted bug does not have.
  if (o.coverage) print((await import('./report.ts')).coverageInWords(coverage));
  return failures.size === 0 ? 0 : 1;
}

const total = (failures: ReadonlyMap<string, number>) => [...failures.values()].reduce((a, b) => a + b, 0);

function progress(worlds: number, siteWeeks: number, ms: number, failures: ReadonlyMap<string, number>): string {
  const perSecond = (n: number) => (n / (ms / 1_000)).toFixed(2);
  return `${worlds} worlds, ${siteWeeks} site-weeks without a violation in ${(ms / 1_000).toFixed(0)} s: ${perSecond(worlds)} worlds a second, ${((siteWeeks * 60_000) / ms).toFixed(0)} site-weeks a minute; ${total(failures)} failed`;
}

function failed({ world, violation, faults: planned, shortest }: Played): void {
  const { seed, site, weeks, dense, faults } = world;
  print(`\nseed ${seed}, ${site}: ${violation?.oracle}: ${violation?.what} (${stamp(violation?.atMs ?? 0)})`);
  if (shortest) {
    const { what, atMs } = shortest.violation;
    print(`  ${what} (${stamp(atMs)}), with ${shortest.plan.length} of ${planned} faults:`);
    for (const fault of shortest.plan) print(`    ${inWords(fault)}`);
    for (const line of shortest.story.slice(-Number(o.lines))) print(`    | ${line}`);
  }
  const only = faults ? ` --faults ${faults.join(',')}` : '';
  print(
    `  again: npm run world -- --seed ${seed} --sites ${site} --weeks ${weeks} --dense ${dense ?? 1}${only} --story`,
  );
}

process.exitCode = await main();
