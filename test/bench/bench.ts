/**
 * `npm run bench -- <suite> [--json]`: prints a table for people; with `--json` one object as its last line. A missed target
 * makes `ok: false` and the exit code 1. What is compared is measured in the same run, in turn, and given as a ratio of
 * medians. Figures are of this machine and this moment: quote them with the command.
 */
import { cpus } from 'node:os';
import { appTest } from './app-test.ts';
import { bindings } from './bindings.ts';
import { calls } from './calls.ts';
import { cluster } from './cluster.ts';
import { encodings } from './encodings.ts';
import { freeswitch } from './freeswitch.ts';
import { media } from './media.ts';
import { phone } from './phone.ts';
import { push } from './push.ts';
import { sizing } from './sizing.ts';
import { texts } from './texts.ts';
import { wake } from './wake.ts';

export interface Result {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** `<= 300`, `>= 0.4` */
  readonly target?: string;
}

export type Suite = (progress: (line: string) => void, options: ReadonlyMap<string, string>) => Promise<Result[]>;

const SUITES: Readonly<Record<string, Suite>> = {
  'app-test': appTest,
  bindings,
  calls,
  cluster,
  encodings,
  freeswitch,
  media,
  phone,
  push,
  sizing,
  texts,
  wake,
};

const args = process.argv.slice(2);
const name = args.find((a) => !a.startsWith('--')) ?? '';
const options = new Map(args.filter((a) => a.startsWith('--')).map((a) => a.slice(2).split('=') as [string, string]));
const suite = SUITES[name];
if (!suite) {
  process.stderr.write(
    `usage: npm run bench -- <${Object.keys(SUITES).join(' | ')}> [--json] [--sizes=10000,100000]\n`,
  );
  process.exit(2);
}
const results = await suite((line) => process.stderr.write(`  ${line}\n`), options);
const judged = results.map((r) => ({ ...r, ...(r.target === undefined ? {} : { ok: meets(r.value, r.target) }) }));
const width = Math.max(...judged.map((r) => r.name.length));
for (const r of judged) {
  const mark = r.ok === undefined ? ' ' : r.ok ? '✓' : '✗';
  const value = r.value >= 100 ? Math.round(r.value).toLocaleString('en-US') : +r.value.toFixed(3);
  process.stdout.write(
    `${mark} ${r.name.padEnd(width)}  ${String(value).padStart(12)} ${r.unit}${r.target ? `   (target ${r.target})` : ''}\n`,
  );
}
if (options.has('json')) {
  process.stdout.write(
    `${JSON.stringify({ suite: name, at: new Date().toISOString(), node: process.versions.node, cpus: cpus().length, results: judged })}\n`,
  );
}
process.exit(judged.some((r) => r.ok === false) ? 1 : 0);

function meets(value: number, target: string): boolean {
  const limit = Number(target.slice(2));
  return target.startsWith('<=') ? value <= limit : value >= limit;
}
