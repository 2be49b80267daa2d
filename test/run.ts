/**
 * `npm test [-- filter…]`: types, lint, dependency rule, then every suite; with filters only the suites whose path holds
 * one of them. Brings the real Asterisk and the Chromium first when a suite needs them. The last line is `N passed, N failed`; the exit code says
 * the same. With CI=true a suite that could not run is a failure, and so is a skipped test.
 */
import { spawn } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bringAsterisk, CannotBringAsterisk } from './support/asterisk/index.ts';
import { bringChromium, CannotBringChromium } from './support/chromium/bring.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = join(ROOT, 'node_modules/.bin');
const CI = !['', '0', 'false'].includes(process.env.CI ?? '');
/** What suites need that this machine may not have. `bring` answers with what it is. */
const NEEDS: readonly {
  what: string;
  folders: readonly string[];
  bring: (say: (line: string) => void) => Promise<string>;
}[] = [
  {
    what: 'a real Asterisk',
    folders: ['test/asterisk', 'test/transparency', 'test/e2e', 'test/package'],
    bring: async (progress) => `Asterisk ${(await bringAsterisk(progress)).version}`,
  },
  {
    what: 'a Chromium',
    folders: ['test/browser'],
    bring: async (progress) => `Chromium ${await bringChromium(progress)}`,
  },
];
/** Debian has no package of FreeSWITCH: `npm run test:freeswitch` runs these where there is one. */
const ELSEWHERE = ['--exclude', 'test/freeswitch/**'];

/**
 * The oldest Asterisk that is supported runs a short part of the suites, after all others: a process of vitest has one Asterisk. `npm test --
 * asterisk-16` runs that part alone; `PUSHWAKE_ASTERISK=16 npm test -- calls` any other.
 */
const OLDEST = {
  name: 'asterisk-16',
  version: '16',
  paths: [
    'test/asterisk/calls-cancel.test.ts',
    'test/transparency/transparency.test.ts',
    'test/transparency/money.test.ts',
  ],
};

interface Count {
  passed: number;
  failed: number;
}

const say = (line = '') => process.stdout.write(`${line}\n`);

const filters = process.argv.slice(2);
const option = filters.find((f) => f.startsWith('-'));
if (option) {
  process.stderr.write(`unknown option ${option}; give parts of file names, for example: npm test -- lifecycle\n`);
  process.exit(2);
}
const count: Count = { passed: 0, failed: 0 };
const onOldest = filters.includes(OLDEST.name);
if (filters.length === 0) await checks(count);
if (!onOldest) await suites(count);
if (onOldest || (filters.length === 0 && !process.env.PUSHWAKE_ASTERISK)) await oldest(count);
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
  const wanted = globSync('test/**/*.test.ts', { cwd: ROOT, exclude: ['test/freeswitch/**'] }).filter(
    (path) => filters.length === 0 || filters.some((f) => path.includes(f)),
  );
  const missing: { what: string; why: string; folders: readonly string[]; paths: readonly string[] }[] = [];
  for (const { what, folders, bring } of NEEDS) {
    const paths = wanted.filter((path) => folders.some((folder) => path.startsWith(`${folder}/`)));
    const why = paths.length > 0 ? await brought(bring) : undefined;
    if (why !== undefined) missing.push({ what, why, folders, paths });
  }
  const untested = missing.reduce((sum, m) => sum + m.paths.length, 0);
  const without = missing.flatMap((m) => m.folders.flatMap((folder) => ['--exclude', `${folder}/**`]));
  if (wanted.length === 0 || wanted.length > untested) await vitest(into, [...without, ...filters]);
  // Last, where it is read.
  for (const { what, why, paths } of missing) notTested(into, what, why, paths);
}

async function oldest(into: Count): Promise<void> {
  const { version, paths } = OLDEST;
  const why = await brought(
    async (progress) =>
      `Asterisk ${(await bringAsterisk(progress, version)).version}, the oldest: a part of the suites`,
  );
  if (why !== undefined) return notTested(into, `an Asterisk ${version}`, why, paths);
  await vitest(into, paths, { PUSHWAKE_ASTERISK: version, PUSHWAKE_TRANSPARENCY: 'short' });
}

function notTested(into: Count, what: string, why: string, paths: readonly string[]): void {
  say();
  say(`!!! NOT TESTED: the suites that need ${what} could not run.`);
  say(`!!! ${why}`);
  for (const path of paths) say(`!!!   ${path}`);
  say();
  if (CI) into.failed += paths.length;
}

/** Undefined when it is there, else why not. */
async function brought(bring: (typeof NEEDS)[number]['bring']): Promise<string | undefined> {
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
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

async function vitest(into: Count, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'pushwake-test-'));
  const file = join(folder, 'report.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const { code } = await run([join(BIN, 'vitest'), 'run', ...reporters, ...ELSEWHERE, ...args], {
      shown: true,
      env,
    });
    const report = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as VitestReport) : undefined;
    const skipped = report ? report.numPendingTests + report.numTodoTests : 0;
    // A file that cannot be loaded holds no test that could fail.
    const broken =
      report?.testResults.filter((r) => r.status === 'failed' && r.assertionResults.length === 0).length ?? 0;
    const failed = (report?.numFailedTests ?? 0) + broken + (CI ? skipped : 0);
    if (skipped > 0) say(`${skipped} skipped${CI ? ', which counts as failed in CI' : ''}`);
    into.passed += report?.numPassedTests ?? 0;
    // Nothing found, an error outside every test, a process that died: vitest says so by its exit code alone.
    into.failed += failed > 0 ? failed : code === 0 ? 0 : 1;
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
