/**
 * Several nodes on one Redis: how much due work and how many renewals a second, what an operation costs Redis, what a
 * binding weighs there, and that a node killed in the middle loses nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../adapters/store/redis/index.ts';
import { HOUR, instant, MINUTE, plus } from '../../plugin/core/time.ts';
import { fill, type NodeJob, POLICY } from '../redis/site.ts';
import { NodeProcess, pushes, served } from '../redis/site-nodes.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { RedisServer } from '../support/redis/instance.ts';
import type { Result, Suite } from './bench.ts';

/** What a PBX takes to answer an ask across a network: due work is mostly this waiting, which nodes do side by side. */
const LATENCY_MS = 20;
const ROUNDS = 3;

interface Cost {
  /** CPU seconds of Redis so far. */
  readonly cpu: number;
  readonly bytes: number;
  /** Of each command so far: how often, and how long Redis worked at it (µs; of a script also under the commands that it calls). */
  readonly commands: ReadonlyMap<string, { readonly calls: number; readonly us: number }>;
}

/** What Redis did for one run of nodes, and for the bare commands right after it. */
interface Compared {
  /** CPU of Redis for each account (µs). */
  readonly oursUs: number;
  readonly bareUs: number;
}

export const cluster: Suite = async (progress, options) => {
  const due = Number(options.get('due') ?? 20_000);
  const killed = Number(options.get('killed') ?? 100_000);
  const sizes = (options.get('nodes') ?? '1,2,3,4').split(',').map(Number);
  const folder = mkdtempSync(join(tmpdir(), 'pushwake-cluster-'));
  const redis = await RedisServer.start();
  const results: Result[] = [];
  let files = 0;
  const newFile = () => join(folder, String(files++));
  const log = new RecordedLog();

  const cost = async (): Promise<Cost> => {
    const info = await redis.cli('info', 'everything');
    const field = (name: string) => Number(new RegExp(`^${name}:([0-9.]+)`, 'm').exec(info)?.[1] ?? Number.NaN);
    const commands = [...info.matchAll(/^cmdstat_(\S+?):calls=(\d+),usec=(\d+)/gm)].map(
      ([, name = '', calls, us]) => [name, { calls: Number(calls), us: Number(us) }] as const,
    );
    return {
      cpu: field('used_cpu_sys') + field('used_cpu_user'),
      bytes: field('used_memory'),
      commands: new Map(commands),
    };
  };
  /** How often a command was called in between. */
  const calls = (before: Cost, after: Cost, name: string) =>
    (after.commands.get(name)?.calls ?? 0) - (before.commands.get(name)?.calls ?? 0);
  const spent = (before: Cost, after: Cost, of: number) =>
    [...after.commands]
      .map(([name, { calls: n, us }]) => {
        const was = before.commands.get(name) ?? { calls: 0, us: 0 };
        return { name, calls: (n - was.calls) / of, us: (us - was.us) / of };
      })
      .filter(({ us }) => us >= 0.05)
      .sort((a, b) => b.us - a.us)
      .map(({ name, calls: n, us }) => `${name} ${n.toFixed(2)} × = ${us.toFixed(2)} µs`)
      .join(', ');
  const filled = async (prefix: string, count: number, untilEnd: number) => {
    const store = create(optionsSchema.parse({ url: redis.url, prefix }), { clock: systemClock(), log, name: 'redis' });
    await store.open();
    await fill(store, count, plus(instant(Date.now()), untilEnd - POLICY.ttlMs));
    return store;
  };
  const base = { url: redis.url, first: 0, count: 0, latencyMs: LATENCY_MS, speed: 1 };

  /** Node processes that each do their share of `count` accounts, from one signal on. */
  const shared = async (nodes: number, count: number, job: Pick<NodeJob, 'job' | 'prefix' | 'group' | 'perSecond'>) => {
    const share = Math.floor(count / nodes);
    const running = await Promise.all(
      Array.from({ length: nodes }, (_, i) =>
        NodeProcess.start({ ...base, ...job, file: '', first: i * share, count: share }),
      ),
    );
    const before = await cost();
    for (const node of running) node.go();
    const told = await Promise.all(running.map(async (n) => JSON.parse(await n.line(1)) as Record<string, number>));
    await Promise.all(running.map((n) => n.exited));
    const after = await cost();
    const seconds = Math.max(...told.map((t) => t.seconds as number));
    const cpuOfNodes = told.reduce((sum, t) => sum + (t.cpuSeconds as number), 0);
    return { before, after, seconds, cpuOfNodes, done: share * nodes };
  };

  /** The same accounts by bare commands, right after ours, over the same data: as many at a time, and as many a second. */
  const bare = async (nodes: number, count: number, prefix: string, group: number, perSecond: number) => {
    const pace = perSecond / nodes;
    const { before, after, done } = await shared(nodes, count, { job: 'bare', prefix, group, perSecond: pace });
    return ((after.cpu - before.cpu) / done) * 1e6;
  };

  /** The middle of the heap: from a tenth of it to nine tenths, when all nodes are at work. */
  const dueWork = async (nodes: number) => {
    await redis.cli('flushall');
    const prefix = `due${nodes}`;
    const store = await filled(prefix, due, 11.5 * HOUR);
    const own = Array.from({ length: nodes }, newFile);
    const before = await cost();
    const running = await Promise.all(own.map((file) => NodeProcess.start({ ...base, prefix, job: 'due', file })));
    try {
      const first = await until(() => pushes(own) >= due * 0.1, 90_000);
      const last = await until(() => pushes(own) >= due * 0.9, 300_000);
      await until(() => pushes(own) >= due && served(own).once >= due, 90_000);
      const { repeats } = served(own);
      // The outcome of each push is written as well: wait for it, it is half of the work.
      await until(async () => (await store.countDue(instant(0), plus(instant(Date.now()), MINUTE))) === 0, 60_000);
      const after = await cost();
      for (const node of running.splice(0)) await node.kill();
      const perSecond = (due * 0.8) / (last - first);
      // Each account is read and written twice.
      // What is written by a transaction is looked at by one more MGET.
      const reads = calls(before, after, 'mget') - calls(before, after, 'watch');
      const group = Math.max(1, Math.round((2 * due) / reads));
      const bareUs = await bare(nodes, due, prefix, group, 2 * perSecond);
      const oursUs = ((after.cpu - before.cpu) / (2 * due)) * 1e6;
      progress(
        `  due: ${oursUs.toFixed(1)} µs, bare in groups of ${group}: ${bareUs.toFixed(1)} µs; ${spent(before, after, 2 * due)}`,
      );
      return { perSecond, oursUs, bareUs, repeats };
    } finally {
      for (const node of running) await node.kill();
      await store.close();
    }
  };

  const renewals = async (nodes: number) => {
    await redis.cli('flushall');
    const prefix = `renew${nodes}`;
    const store = await filled(prefix, due, 7 * 24 * HOUR);
    await store.close();
    const { before, after, seconds, cpuOfNodes, done } = await shared(nodes, due, { job: 'renew', prefix });
    const busy = (after.cpu - before.cpu + cpuOfNodes) / seconds;
    const oursUs = ((after.cpu - before.cpu) / done) * 1e6;
    // As many a second as ours: a Redis that sleeps in between is up to a third dearer for each command than one that is kept busy.
    const bareUs = await bare(nodes, due, prefix, 100, done / seconds);
    const busyUs = await bare(nodes, due, prefix, 100, 0);
    progress(
      `  renewals: ${oursUs.toFixed(1)} µs, bare: ${bareUs.toFixed(1)} µs, as fast as they go: ${busyUs.toFixed(1)} µs; ${spent(before, after, done)}`,
    );
    return { perSecond: done / seconds, oursUs, bareUs, busyUs, busy };
  };

  try {
    const empty = await cost();
    const store = await filled('weight', due, 7 * 24 * HOUR);
    await store.close();
    results.push({ name: 'a binding in Redis', value: ((await cost()).bytes - empty.bytes) / due, unit: 'bytes' });

    const dueRuns = new Map<number, Awaited<ReturnType<typeof dueWork>>[]>();
    const renewRuns = new Map<number, Awaited<ReturnType<typeof renewals>>[]>();
    for (let round = 1; round <= ROUNDS; round++) {
      for (const nodes of sizes) {
        progress(`round ${round} of ${ROUNDS}: ${nodes} nodes`);
        dueRuns.set(nodes, [...(dueRuns.get(nodes) ?? []), await dueWork(nodes)]);
        renewRuns.set(nodes, [...(renewRuns.get(nodes) ?? []), await renewals(nodes)]);
      }
    }
    const of = <T>(runs: readonly T[] | undefined, what: (run: T) => number) => median((runs ?? []).map(what));
    const perDue = (n: number) => of(dueRuns.get(n), (r) => r.perSecond);
    for (const n of sizes) {
      results.push(
        { name: `${n} nodes: due, asked at a PBX that takes ${LATENCY_MS} ms`, value: perDue(n), unit: '/s' },
        { name: `${n} nodes: … sent twice`, value: of(dueRuns.get(n), (r) => r.repeats), unit: 'pushes' },
        {
          name: `${n} nodes: renewals, 100 in flight each`,
          value: of(renewRuns.get(n), (r) => r.perSecond),
          unit: '/s',
        },
        {
          name: `${n} nodes: … cores busy of ${cpus().length}`,
          value: of(renewRuns.get(n), (r) => r.busy),
          unit: 'cores',
        },
      );
    }
    const most = sizes.at(-1) as number;
    for (const n of sizes) {
      results.push(...compared(`${n} nodes: Redis CPU per renewal`, renewRuns.get(n) ?? [], '<=1.5'), {
        name: '… ours / bare commands as fast as they go',
        value: of(renewRuns.get(n), (r) => r.oursUs / r.busyUs),
        unit: '×',
      });
      results.push(...compared(`${n} nodes: Redis CPU per transition of due work`, dueRuns.get(n) ?? [], '<=2'));
    }
    if (sizes.includes(1) && sizes.includes(2))
      results.push({ name: 'due work, 2 nodes / 1 node', value: perDue(2) / perDue(1), unit: '×', target: '>=1.6' });
    if (sizes.includes(1) && most > 2)
      results.push({ name: `due work, ${most} nodes / 1 node`, value: perDue(most) / perDue(1), unit: '×' });

    if (killed > 0) {
      progress(`three nodes, one killed in the middle of ${killed.toLocaleString('en-US')} due`);
      await redis.cli('flushall');
      const last = await filled('kill', killed, 11.5 * HOUR);
      const own = Array.from({ length: 3 }, newFile);
      const running = await Promise.all(
        own.map((file) => NodeProcess.start({ ...base, latencyMs: 2, prefix: 'kill', job: 'due', file })),
      );
      try {
        await until(() => pushes(own) > killed / 3, 300_000);
        await running[0]?.kill();
        const begun = performance.now();
        await until(() => pushes(own) >= killed && served(own).once >= killed, 600_000).catch(() => undefined);
        const { once, repeats } = served(own);
        results.push(
          { name: 'node killed: due and never served', value: killed - once, unit: 'bindings', target: '<=0' },
          { name: '… sent again under the same collapse id', value: repeats, unit: 'pushes' },
          { name: '… all served after', value: (performance.now() - begun) / 1_000, unit: 's' },
        );
      } finally {
        for (const node of running) await node.kill();
        await last.close();
      }
    }
  } finally {
    await redis.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  return results;
};

/** Ours, the bare commands, and how many times as much: of each run by itself, since a machine is not as fast in every minute. */
function compared(name: string, runs: readonly Compared[], target: string): Result[] {
  const ratios = runs.map(({ oursUs, bareUs }) => oursUs / bareUs);
  return [
    { name, value: median(runs.map((r) => r.oursUs)), unit: 'µs' },
    { name: '… bare GET, SET, ZADD', value: median(runs.map((r) => r.bareUs)), unit: 'µs' },
    { name: `… ours / bare (median of ${runs.length})`, value: median(ratios), unit: '×', target },
    { name: '… the worst of them', value: Math.max(...ratios), unit: '×' },
  ];
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Looks every 50 ms; answers when it was so, in seconds. */
async function until(so: () => boolean | Promise<boolean>, withinMs: number): Promise<number> {
  const begun = performance.now();
  while (!(await so())) {
    if (performance.now() - begun > withinMs) throw new Error(`not so within ${withinMs / 1_000} s`);
    await new Promise((next) => setTimeout(next, 50));
  }
  return performance.now() / 1_000;
}
