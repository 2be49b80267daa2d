/**
 * `npm run test:versions`: the suites of calls, CANCEL, services and the contract on every PBX version that this machine has, one after the other,
 * and a row for each in docs/limits.md. Asterisk: 22 and 16 as `npm test` brings them, and the roots (folders that hold a whole system with an Asterisk)
 * that `PUSHWAKE_ASTERISKS` names with colons between them. FreeSWITCH: the prefixes that `PUSHWAKE_FREESWITCHES` names, or the one that
 * `PUSHWAKE_FREESWITCH` names. A word after the command picks versions: `npm run test:versions -- 1.10`.
 * Exit codes: 0 all passed, 1 something failed, 3 nothing was tested.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bringAsterisk } from '../support/asterisk/bring.ts';
import { locateFreeswitch } from '../support/freeswitch/index.ts';
import { type Row, withRows } from './table.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LIMITS = join(ROOT, 'docs/limits.md');
const SUITES = {
  Asterisk: ['calls', 'calls-cancel', 'calls-services', 'contract'].map((name) => `test/asterisk/${name}.test.ts`),
  FreeSWITCH: ['calls', 'calls-services', 'contract', 'check'].map((name) => `test/freeswitch/${name}.test.ts`),
} as const;

interface Tried {
  readonly pbx: Row['pbx'];
  readonly version: string;
  /** Which one the suites start. */
  readonly env: NodeJS.ProcessEnv;
}

const say = (line: string) => process.stdout.write(`${line}\n`);
const listed = (name: string) => (process.env[name] ?? '').split(delimiter).filter(Boolean);

const wanted = process.argv.slice(2);
const found = [...(await asterisks()), ...freeswitches()].filter(
  ({ pbx, version }) => wanted.length === 0 || wanted.some((word) => `${pbx} ${version}`.includes(word)),
);
if (found.length === 0) {
  process.stderr.write('NOT TESTED: there is no such version here (PUSHWAKE_ASTERISKS, PUSHWAKE_FREESWITCHES)\n');
  process.exit(3);
}
say(`${found.map(({ pbx, version }) => `${pbx} ${version}`).join(', ')}\n`);
let failed = false;
for (const one of found) {
  const row = tryOne(one);
  failed ||= row.failed.length > 0;
  // After each: a long run that is broken off has written what it found.
  writeFileSync(LIMITS, withRows(readFileSync(LIMITS, 'utf8'), [row]));
  say(
    `\n${row.failed.length === 0 ? '✓' : '✗'} ${row.pbx} ${row.version}: ${row.passed} passed, ${row.failed.length} failed`,
  );
  for (const name of row.failed) say(`    ${name}`);
}
process.exitCode = failed ? 1 : 0;

async function asterisks(): Promise<Tried[]> {
  const all: Tried[] = [];
  for (const which of ['22', '16', ...listed('PUSHWAKE_ASTERISKS')]) {
    try {
      const { version } = await bringAsterisk(say, which);
      all.push({ pbx: 'Asterisk', version, env: { PUSHWAKE_ASTERISK: which } });
    } catch (error) {
      say(`Asterisk ${which} is not tried: ${(error as Error).message}`);
    }
  }
  return all;
}

function freeswitches(): Tried[] {
  const prefixes = listed('PUSHWAKE_FREESWITCHES');
  const homes =
    prefixes.length > 0 ? prefixes.map((p) => locateFreeswitch({ PUSHWAKE_FREESWITCH: p })) : [locateFreeswitch()];
  return homes.flatMap((home) => {
    if (!home) return [];
    const said = spawnSync(home.program, ['-version'], { encoding: 'utf8' }).stdout;
    const version = /version: (\d+\.\d+\.\d+)/i.exec(said)?.[1];
    return version === undefined
      ? []
      : [{ pbx: 'FreeSWITCH' as const, version, env: { PUSHWAKE_FREESWITCH: home.prefix } }];
  });
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

function tryOne({ pbx, version, env }: Tried): Row {
  const folder = mkdtempSync(join(tmpdir(), 'pushwake-versions-'));
  try {
    const file = join(folder, 'report.json');
    const project = pbx === 'Asterisk' ? 'real' : 'freeswitch';
    spawnSync(
      join(ROOT, 'node_modules/.bin/vitest'),
      [
        'run',
        '--project',
        project,
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${file}`,
        ...SUITES[pbx],
      ],
      { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env } },
    );
    const { testResults } = JSON.parse(readFileSync(file, 'utf8')) as Report;
    const tests = testResults.flatMap((suite) => suite.assertionResults);
    return {
      pbx,
      version,
      on: new Date().toISOString().slice(0, 10),
      passed: tests.filter(({ status }) => status === 'passed').length,
      failed: [
        ...tests.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName),
        // A file whose PBX did not start has no tests to fail.
        ...testResults
          .filter(
            ({ status, assertionResults }) =>
              status === 'failed' && assertionResults.every((t) => t.status !== 'failed'),
          )
          .map(({ name }) => `${name.slice(ROOT.length)} did not run`),
      ],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
