/**
 * `npm run fuzz -- --minutes 5`: inputs of strangers, made up from a seed, for every parser. What breaks a rule is kept under
 * `test/fuzz/corpus`, and `npm test -- fuzz` tries it again.
 */
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { corpusOf, keep } from './corpus.ts';
import { Fuzzer } from './fuzzer.ts';
import { closeBodies } from './http-bodies.ts';
import { TARGETS } from './targets.ts';

const USAGE = `npm run fuzz -- [options]
  --minutes N  how long (default 5)
  --seed N     replays a run (default: a new one, printed)
  --only TEXT  only the targets whose names hold it: ${TARGETS.map((t) => t.name).join(', ')}
  --keep       keeps one input of each outcome in the corpus
`;

const { values: o } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string', default: '' },
    /** Keeps one input of each outcome. */
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const print = (text: string) => process.stdout.write(`${text}\n`);
if (o.help) {
  print(USAGE);
  process.exit(0);
}

/** More than this after a warm-up is a leak, in bytes. */
const GROWTH = 48 * 1024 * 1024;
const INPUTS_A_TURN = 500;

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
const heapUsed = () => {
  gc();
  return process.memoryUsage().heapUsed;
};

const fuzzers = TARGETS.filter((t) => t.name.includes(o.only)).map(
  (t) => new Fuzzer(t, Number(o.seed), corpusOf(t.name)),
);
const broken = new Set<string>();
const beginsAt = performance.now();
const lastsMs = Number(o.minutes) * 60_000;
let heap: number | undefined;
print(`seed ${o.seed}, ${fuzzers.length} targets, ${o.minutes} minutes`);
while (performance.now() - beginsAt < lastsMs && broken.size < fuzzers.length) {
  for (const fuzzer of fuzzers) {
    if (broken.has(fuzzer.target.name)) continue;
    const found = await fuzzer.round(INPUTS_A_TURN);
    if (!found) continue;
    broken.add(found.target);
    print(`BROKEN ${found.target}: ${found.what}\n  kept: ${keep(found.target, found.input)}`);
  }
  // The first fifth warms up: pools fill, code is compiled.
  if (heap === undefined && performance.now() - beginsAt > lastsMs / 5) heap = heapUsed();
}
for (const { target, tried, outcomes, slowestMs } of fuzzers) {
  print(
    `${target.name.padEnd(16)} ${String(tried).padStart(9)} inputs, ${String(outcomes.size).padStart(3)} outcomes, slowest ${slowestMs.toFixed(1)} ms`,
  );
  if (o.keep) for (const input of outcomes.values()) if (input.length < 2_048) keep(target.name, input);
}
const grown = heap === undefined ? 0 : heapUsed() - heap;
print(`heap: ${(grown / 1024 / 1024).toFixed(1)} MB more than after the warm-up (at most ${GROWTH / 1024 / 1024})`);
if (grown > GROWTH) broken.add('heap');
await closeBodies();
process.exitCode = broken.size === 0 ? 0 : 1;
