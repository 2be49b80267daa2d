/**
 * `npm run mutants -- --mutants 150 --seed 1`: plants small mistakes in a copy of the program, one at a time, and runs the fast suites over it. Own
 * script: Stryker has no runner for vitest 5. What no suite notices is listed; `accepted.ts` says why where that is right.
 */
import { spawn } from 'node:child_process';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ACCEPTED } from './accepted.ts';
import { apply, chosen, isCode, type Mutant, mutantsOf } from './mutate.ts';

const USAGE = `npm run mutants -- [options]
  --mutants N  how many, drawn over all files (default 150)
  --seed N     which ones (default 1)
  --only TEXT  only files whose paths hold it
`;

const { values: o } = parseArgs({
  options: {
    mutants: { type: 'string', default: '150' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});
if (o.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FILES = ['plugin/core/**/*.ts', 'adapters/push/{apns,fcm,webpush,pnm}/outcome.ts', 'adapters/push/verdicts.ts'];
/** The quick ones first: most mutants die there. Then everything of the fast project that imports the file. */
const FIRST = ['test/core', '--exclude', '**/*.properties.test.ts', '--exclude', '**/survivors.test.ts'];
/** A mutant that goes round in circles is noticed too. */
const PATIENCE = 240_000;

const print = (text: string) => process.stdout.write(`${text}\n`);
const accepted = ({ file, line, from }: Mutant) => {
  const code = readFileSync(join(ROOT, file), 'utf8').split('\n')[line - 1]?.trim() ?? '';
  return ACCEPTED.find((a) => a.file === file && a.code === code && a.from === from)?.why;
};

const folder = mkdtempSync(join(tmpdir(), 'pushwake-mutants-'));
let planted: Mutant | undefined;

/** Whether a suite fails. */
function fails(args: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      [join(ROOT, 'node_modules/vitest/vitest.mjs'), ...args, '--project', 'fast', '--bail', '1', '--reporter', 'dot'],
      { cwd: folder, stdio: 'ignore' },
    );
    const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
    child.on('close', (code) => {
      clearTimeout(late);
      resolve(code !== 0);
    });
  });
}

async function isKilled(mutant: Mutant): Promise<boolean> {
  const path = join(folder, mutant.file);
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, apply(text, mutant));
  try {
    if (!mutant.file.startsWith('adapters/') && (await fails(['run', ...FIRST]))) return true;
    return await fails(['related', '--run', mutant.file]);
  } finally {
    writeFileSync(path, text);
  }
}

try {
  for (const part of [
    'plugin',
    'adapters',
    'config',
    'docs',
    'test',
    'package.json',
    'tsconfig.json',
    'vitest.config.ts',
    'plugin.manifest.json',
    'README.md',
    'CHANGELOG.md',
  ])
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const all = FILES.flatMap((pattern) => globSync(pattern, { cwd: ROOT }))
    .sort()
    .flatMap((file) => mutantsOf(file, readFileSync(join(ROOT, file), 'utf8')));
  const picked = chosen(all, Number(o.mutants), Number(o.seed)).filter(
    (m) => m.file.includes(o.only) && isCode(readFileSync(join(ROOT, m.file), 'utf8'), m),
  );
  print(`${picked.length} of ${all.length} mutants, seed ${o.seed}`);
  if (await fails(['run', ...FIRST])) throw new Error('the suites fail without a mutant');
  let killed = 0;
  let withReason = 0;
  for (const [i, mutant] of picked.entries()) {
    planted = mutant;
    if (await isKilled(mutant)) killed++;
    else {
      const why = accepted(mutant);
      if (why !== undefined) withReason++;
      print(
        `survived: ${mutant.file}:${mutant.line} "${mutant.from.trim()}" → "${mutant.to.trim()}"${why === undefined ? '' : ` (${why})`}`,
      );
    }
    if ((i + 1) % 10 === 0) print(`  ${killed} of ${i + 1} killed`);
  }
  const share = (100 * killed) / picked.length;
  print(`${killed} of ${picked.length} killed (${share.toFixed(1)} %), ${withReason} more survive with a reason`);
  process.exitCode = share >= 90 ? 0 : 1;
} catch (error) {
  print(`${planted ? `at ${planted.file}:${planted.line}: ` : ''}${String(error)}`);
  process.exitCode = 2;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
