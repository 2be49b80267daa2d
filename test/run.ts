/**
 * `npm test [-- filter…]`: types, lint, dependency rule, then every suite; with filters only the suites whose path holds
 * one of them. Brings the real Asterisk and the Chromium where a suite needs them, beside what needs neither. The last line is `N passed, N failed`;
 * the exit code says the same. With CI=true a suite that could not run is a failure, and so is a skipped test.
 */
import { spawn } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, matchesGlob, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bringAsterisk, CannotBringAsterisk } from './support/asterisk/index.ts';
import { bringChromium, CannotBringChromium } from './support/chromium/bring.ts';
import { ELSEWHERE, HURRIED, UNHURRIED } from './support/suites.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = join(ROOT, 'node_modules/.bin');
const CI = !['', '0', 'false'].includes(process.env.CI ?? '');
/** What suites need that this machine may not have. `bring` answers with what it is. */
interface Need {
  readonly what: string;
  /** The suites that need it: folders or files. */
  readonly paths: readonly string[];
  readonly bring: (say: (line: string) => void) => Promise<string>;
}
const ASTERISK: Need = {
  what: 'a real Asterisk',
  paths: ['test/asterisk', 'test/transparency', 'test/e2e', 'test/package', 'test/phone/real'],
  bring: async (progress) => `Asterisk ${(await bringAsterisk(progress)).version}`,
};
const CHROMIUM: Need = {
  what: 'a Chromium',
  paths: ['test/browser', 'test/phone/real'],
  bring: async (progress) => `Chromium ${await bringChromium(progress)}`,
};
/**
 * The oldest Asterisk that is supported runs a short part of the suites, after all others: a process of vitest has one Asterisk. `npm test --
 * asterisk-16` runs that part alone; `PUSHWAKE_ASTERISK=16 npm test -- calls` any other.
 */
const OLDEST_NAME = 'asterisk-16';
const OLDEST_VERSION = '16';
const OLDEST: Need = {
  what: `an Asterisk ${OLDEST_VERSION}`,
  paths: [
    'test/asterisk/calls-cancel.test.ts',
    'test/transparency/transparency.test.ts',
    'test/transparency/money.test.ts',
  ],
  bring: async (progress) =>
    `Asterisk ${(await bringAsterisk(progress, OLDEST_VERSION)).version}, the oldest: a part of the suites`,
};

interface Count {
  passed: number;
  failed: number;
}

/** So many files of a whole run may fail by what else the machine does. */
const TRIED_AGAIN_AT_MOST = 3;

const say = (line = '') => process.stdout.write(`${line}\n`);

const filters = process.argv.slice(2);
const option = filters.find((f) => f.startsWith('-'));
if (option) {
  process.stderr.write(`unknown option ${option}; give parts of file names, for example: npm test -- lifecycle\n`);
  process.exit(2);
}
const count: Count = { passed: 0, failed: 0 };
/** What failed at first and passed alone: shown at the end, since each may be a fault that shows itself once in fifty runs. */
const secondTries: string[] = [];
const wanted = globSync('test/**/*.test.ts', { cwd: ROOT, exclude: [...ELSEWHERE] }).filter(
  (path) => filters.length === 0 || filters.some((f) => path.includes(f)),
);
const onOldest = filters.includes(OLDEST_NAME) || (filters.length === 0 && !process.env.PUSHWAKE_ASTERISK);
const all = !filters.includes(OLDEST_NAME);
const needs = [ASTERISK, CHROMIUM].filter((need) => all && wanted.some((path) => isOf(need, path)));
const brought = bringOneByOne([...needs, ...(onOldest ? [OLDEST] : [])]);
if (filters.length === 0) await checks(count);
if (all) await suites(count);
if (onOldest) await oldest(count);
for (const line of secondTries) say(`! passed only when it was run again, alone: ${line}`);
say(`${count.passed} passed, ${count.failed} failed`);
process.exitCode = count.failed > 0 ? 1 : 0;

// ── Checks ───────────────────────────────────────────────────────────────────────────────────────────────────────────

async function checks(into: Count): Promise<void> {
  const architecture = 'test/support/architecture.ts';
  const all: [name: string, command: string[]][] = [
    ['types', [join(BIN, 'tsc'), '--noEmit']],
    ['lint', [join(BIN, 'biome'), 'check', '.']],
    ...(existsSync(join(ROOT, architecture))
      ? [['dependency rule', [process.execPath, architecture]] as [string, string[]]]
      : []),
  ];
  for (const [name, command] of all) {
    const begun = performance.now();
    const { code, output } = await run(command);
    if (code !== 0) say(output.trimEnd());
    say(`${code === 0 ? '✓' : '✗'} ${name}  ${Math.round(performance.now() - begun)} ms`);
    if (code === 0) into.passed++;
    else into.failed++;
  }
}

// ── Suites ───────────────────────────────────────────────────────────────────────────────────────────────────────────

async function suites(into: Count): Promise<void> {
  if (wanted.length === 0) return once(into, filters);
  const needsParts = (path: string) => [...HURRIED, ...UNHURRIED].some((pattern) => matchesGlob(path, pattern));
  if (!wanted.every(needsParts)) await once(into, ['--project', 'fast', ...filters]);
  const missing: { need: Need; why: string }[] = [];
  for (const need of needs) {
    const why = await brought.get(need);
    if (why !== undefined) missing.push({ need, why });
  }
  const without = missing.flatMap(({ need }) => need.paths.flatMap((folder) => ['--exclude', `${folder}/**`]));
  const isThere = (patterns: readonly string[]) =>
    wanted.some(
      (path) => patterns.some((pattern) => matchesGlob(path, pattern)) && !missing.some(({ need }) => isOf(need, path)),
    );
  // Those without a hurry take what the others leave of the processors, and are shown when they are through.
  const beside = isThere(UNHURRIED)
    ? realParts(into, ['--project', 'unhurried', ...without, ...filters], { isBeside: isThere(HURRIED) })
    : undefined;
  if (isThere(HURRIED)) await realParts(into, ['--project', 'real', ...without, ...filters]);
  await beside;
  // Last, where it is read.
  for (const { need, why } of missing)
    notTested(
      into,
      need.what,
      why,
      wanted.filter((path) => isOf(need, path)),
    );
}

async function once(into: Count, args: readonly string[]): Promise<void> {
  const files: FileCount[] = [];
  const outside = await vitest(files, args);
  into.passed += sum(files.map((file) => file.passed));
  into.failed += sum(files.map((file) => file.failed.length)) + outside;
}

async function oldest(into: Count): Promise<void> {
  const why = await brought.get(OLDEST);
  if (why !== undefined) return notTested(into, OLDEST.what, why, OLDEST.paths);
  await realParts(into, OLDEST.paths, { env: { PUSHWAKE_ASTERISK: OLDEST_VERSION, PUSHWAKE_TRANSPARENCY: 'short' } });
}

/**
 * Suites with phones and clocks of their own. In a whole run, a few files that failed are run again, alone: what a machine that stood still for a
 * second broke passes then, and is named at the end; what is broken fails again.
 */
async function realParts(into: Count, args: readonly string[], o: VitestOptions = {}): Promise<void> {
  const first: FileCount[] = [];
  const outside = await vitest(first, args, o);
  const failed = first.filter((file) => file.failed.length > 0);
  const isAgain = filters.length === 0 && outside === 0 && failed.length > 0 && failed.length <= TRIED_AGAIN_AT_MOST;
  const again: FileCount[] = [];
  let outsideAgain = 0;
  if (isAgain) {
    say(`\nagain, alone: ${failed.map((file) => file.path).join(', ')}`);
    outsideAgain = await vitest(
      again,
      failed.map((file) => file.path),
      o,
    );
  }
  for (const file of failed) {
    const second = again.find((other) => other.path === file.path);
    if (second?.failed.length === 0) secondTries.push(`${file.path}: ${file.failed.join('; ')}`);
  }
  const stands = first.map((file) => again.find((other) => other.path === file.path) ?? file);
  into.passed += sum(stands.map((file) => file.passed));
  into.failed += sum(stands.map((file) => file.failed.length)) + outside + outsideAgain;
}

function sum(all: readonly number[]): number {
  return all.reduce((one, other) => one + other, 0);
}

function isOf(need: Need, path: string): boolean {
  return need.paths.some((one) => path === one || path.startsWith(`${one}/`));
}

function notTested(into: Count, what: string, why: string, paths: readonly string[]): void {
  say();
  say(`!!! NOT TESTED: the suites that need ${what} could not run.`);
  say(`!!! ${why}`);
  for (const path of paths) say(`!!!   ${path}`);
  say();
  if (CI) into.failed += paths.length;
}

/** Each one when the one before is there, since only one may use apt at a time. Undefined when it is there, else why not. */
function bringOneByOne(all: readonly Need[]): ReadonlyMap<Need, Promise<string | undefined>> {
  const found = new Map<Need, Promise<string | undefined>>();
  let before: Promise<unknown> = Promise.resolve();
  for (const need of all) {
    const one = before.then(() => bringOne(need));
    // Whoever waits for it hears of an unforeseen error; until then it is no unhandled one.
    before = one.catch(() => undefined);
    found.set(need, one);
  }
  return found;
}

async function bringOne({ bring }: Need): Promise<string | undefined> {
  const begun = performance.now();
  const seconds = () => String(Math.round((performance.now() - begun) / 1000)).padStart(4);
  try {
    say(`✓ ${await bring((line) => say(`${seconds()} s  ${line}`))}`);
    return undefined;
  } catch (error) {
    if (error instanceof CannotBringAsterisk || error instanceof CannotBringChromium) return error.message;
    throw error;
  }
}

interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

interface FileCount {
  /** From the top of the repository. */
  readonly path: string;
  readonly passed: number;
  /** Names of tests; with CI=true those that were skipped as well. */
  readonly failed: readonly string[];
}

interface VitestOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Something else runs meanwhile that has phones and clocks: this gives way, and is shown at its end. */
  readonly isBeside?: boolean;
}

/** Adds what each file came to. Resolves with 1 where vitest failed and no test did: an error outside every test, nothing found, a process that died. */
async function vitest(
  files: FileCount[],
  args: readonly string[],
  { env = {}, isBeside = false }: VitestOptions = {},
): Promise<0 | 1> {
  const folder = mkdtempSync(join(tmpdir(), 'pushwake-test-'));
  const file = join(folder, 'report.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const elsewhere = ELSEWHERE.flatMap((one) => ['--exclude', one]);
    const gently = isBeside ? ['nice', '-n', '19'] : [];
    const command = [...gently, join(BIN, 'vitest'), 'run', ...reporters, ...elsewhere, ...args];
    const { code, output } = await run(command, { shown: !isBeside, env });
    if (isBeside) say(output.trimEnd());
    const report = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as VitestReport) : { testResults: [] };
    const found = report.testResults.map(({ name, status, assertionResults: tests }): FileCount => {
      const skipped = tests.filter((test) => !['passed', 'failed'].includes(test.status));
      if (skipped.length > 0) say(`${skipped.length} skipped in ${name}${CI ? ', which counts as failed in CI' : ''}`);
      const failed = [...tests.filter((test) => test.status === 'failed'), ...(CI ? skipped : [])];
      return {
        path: relative(ROOT, name),
        passed: tests.filter((test) => test.status === 'passed').length,
        // A file that cannot be loaded holds no test that could fail.
        failed:
          status === 'failed' && failed.length === 0
            ? ['it could not be loaded']
            : failed.map(({ fullName }) => fullName),
      };
    });
    files.push(...found);
    return code !== 0 && found.every(({ failed }) => failed.length === 0) ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(
  command: readonly string[],
  { shown = false, env = {} }: { readonly shown?: boolean; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const [program = '', ...args] = command;
    const child = spawn(program, args, {
      cwd: ROOT,
      // Escape sequences are for terminals; a log that somebody reads later has none.
      env: { ...process.env, ...env, ...(process.stdout.isTTY ? {} : { NO_COLOR: '1', FORCE_COLOR: undefined }) },
      stdio: ['ignore', shown ? 'inherit' : 'pipe', shown ? 'inherit' : 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}
