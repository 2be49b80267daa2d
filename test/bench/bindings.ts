/** What a store full of bindings costs: memory, disk, start, renewals, due work, and what a call feels of it. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Result, Suite } from './bench.ts';

const ROUNDS = 5;
const CHILD = fileURLToPath(new URL('./bindings-child.ts', import.meta.url));

/** Runs one measurement in a process of its own, with what `pushwake start` runs with, so that memory is that measurement's. */
async function child(job: string, ...args: string[]): Promise<Record<string, number>> {
  return new Promise((resolve, reject) => {
    const p = spawn(process.execPath, ['--max-semi-space-size=4', CHILD, job, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, MALLOC_ARENA_MAX: '1' },
    });
    let out = '';
    p.stdout.on('data', (d: Buffer) => (out += d));
    p.on('exit', (code) => {
      if (code === 0) resolve(JSON.parse(out.trim().split('\n').at(-1) ?? '{}') as Record<string, number>);
      else reject(new Error(`${job} ended with ${code}`));
    });
  });
}

/** INVITE → push with each of the files in turn, against the smallest. */
async function calls(
  sizes: readonly number[],
  fileOf: (size: number) => string,
  progress: (line: string) => void,
): Promise<Result[]> {
  const runs = new Map<number, Record<string, number>[]>(sizes.map((size) => [size, []]));
  for (let round = 1; round <= ROUNDS; round++) {
    progress(`INVITE → push beside each file: round ${round} of ${ROUNDS}`);
    for (const size of sizes) runs.get(size)?.push(await child('invite', fileOf(size), String(size)));
  }
  const of = (size: number, what: 'p50' | 'p99') =>
    (runs.get(size) ?? []).map((r) => r[what] as number).toSorted((a, b) => a - b)[ROUNDS >> 1] as number;
  const [least = 0] = sizes;
  return sizes.flatMap((size) => {
    const label = size.toLocaleString('en-US');
    return [
      { name: `${label}: INVITE → push p50 (median of ${ROUNDS})`, value: of(size, 'p50'), unit: 'ms' },
      { name: `${label}: … p99`, value: of(size, 'p99'), unit: 'ms' },
      ...(size === least
        ? []
        : [
            {
              name: `${label}: … p50 to that of ${least.toLocaleString('en-US')}`,
              value: of(size, 'p50') / of(least, 'p50'),
              unit: '×',
              target: '<=1.1',
            },
            {
              name: `${label}: … p99 to that of ${least.toLocaleString('en-US')}`,
              value: of(size, 'p99') / of(least, 'p99'),
              unit: '×',
            },
          ]),
    ];
  });
}

export const bindings: Suite = async (progress, options) => {
  const sizes = (options.get('sizes') ?? '10000,100000,1000000').split(',').map(Number);
  const folder = mkdtempSync(join(tmpdir(), 'pushwake-bench-'));
  const results: Result[] = [];
  try {
    for (const size of sizes) {
      const file = join(folder, `${size}.db`);
      const label = size.toLocaleString('en-US');
      progress(`${label} bindings: filling the store`);
      const filled = await child('fill', file, String(size));
      progress(`${label} bindings: start, memory, reads`);
      const started = await child('start', file, String(size));
      results.push(
        { name: `${label}: record`, value: filled.recordBytes as number, unit: 'bytes' },
        { name: `${label}: file`, value: statSync(file).size / 1e6, unit: 'MB' },
        { name: `${label}: start to ready`, value: started.readyMs as number, unit: 'ms', target: '<=2000' },
        { name: `${label}: RSS, the most`, value: started.peakMb as number, unit: 'MB', target: '<=220' },
        { name: `${label}: RSS at the end`, value: started.rssMb as number, unit: 'MB' },
        { name: `${label}: REGISTER seen, nothing to write`, value: started.registerUs as number, unit: 'µs CPU' },
        { name: `${label}: asking what is due, nothing is`, value: started.idleTickUs as number, unit: 'µs' },
      );
    }
    results.push(...(await calls(sizes, (size) => join(folder, `${size}.db`), progress)));
    // Behind the calls, for which it is the file of the most bindings that counts, and not that so many have just been written.
    const size = sizes.at(-1) as number;
    const label = size.toLocaleString('en-US');
    const file = join(folder, `${size}.db`);
    progress(`${label} bindings: durable renewals, ours, bare adapter and plain node:sqlite in turn`);
    const r = await child('renewals', file, String(size));
    results.push(
      { name: 'durable renewals, 100 in flight', value: r.ours as number, unit: '/s' },
      { name: '… bare store adapter', value: r.bare as number, unit: '/s' },
      { name: '… plain node:sqlite, 100 per transaction', value: r.plain as number, unit: '/s' },
      { name: 'ours / bare adapter (median of 5)', value: r.ratioBare as number, unit: '×', target: '>=0.4' },
      { name: 'ours / plain node:sqlite (median of 5)', value: r.ratioPlain as number, unit: '×' },
    );
    const due = Math.min(size, 100_000);
    progress(`${due.toLocaleString('en-US')} due at once, each asked at a PBX that takes 0.5 ms`);
    await child('make-due', file, String(due));
    const d = await child('due', file, String(due));
    results.push(
      {
        name: `${due.toLocaleString('en-US')} due, with their asks`,
        value: d.seconds as number,
        unit: 's',
        target: '<=60',
      },
      { name: 'a call’s read meanwhile, p50', value: d.readP50 as number, unit: 'ms' },
      {
        name: `a call’s read meanwhile, p99 (n=${d.reads})`,
        value: d.readP99 as number,
        unit: 'ms',
        target: '<=5',
      },
      { name: 'RSS meanwhile, the most', value: d.peakMb as number, unit: 'MB', target: '<=220' },
      { name: 'RSS at the end', value: d.rssMb as number, unit: 'MB' },
    );
    if (options.has('count')) {
      progress(`${label} bindings are counted for the status pages`);
      const c = await child('count', file, String(size));
      results.push(
        { name: 'counted for the status pages after', value: c.seconds as number, unit: 's' },
        { name: '… CPU', value: c.cpuS as number, unit: 's' },
      );
    }
    progress('INVITE → push while the store is in trouble');
    const t = await child('trouble', join(folder, 'trouble.db'), '0');
    results.push(
      { name: 'INVITE → push p99, store at rest', value: t.quiet as number, unit: 'ms' },
      {
        name: '… fsync takes 50 ms, 500 writes/s / at rest',
        value: (t.slow as number) / (t.quiet as number),
        unit: '×',
        target: '<=1.2',
      },
      {
        name: '… store refuses everything / at rest',
        value: (t.refused as number) / (t.quiet as number),
        unit: '×',
        target: '<=1.2',
      },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return results;
};
