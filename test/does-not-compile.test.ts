/**
 * The steps of a call are data: whoever decides by one, and whoever shows one, no longer compiles when it is renamed or has
 * no words; nor does a policy that is chosen without the account's choice. Seen by the compiler itself, in a copy of the sources.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const TOP = fileURLToPath(new URL('..', import.meta.url));

/** The files of a changed copy that do not compile, each once. */
function broken(file: string, change: (text: string) => string): string[] {
  const copy = mkdtempSync(join(tmpdir(), 'does-not-compile-'));
  try {
    for (const folder of ['core', 'ports', 'runtime', 'http']) {
      cpSync(join(TOP, 'plugin', folder), join(copy, 'plugin', folder), { recursive: true });
    }
    for (const name of ['package.json', 'tsconfig.json']) cpSync(join(TOP, name), join(copy, name));
    symlinkSync(join(TOP, 'node_modules'), join(copy, 'node_modules'));
    writeFileSync(join(copy, 'part.json'), JSON.stringify({ extends: './tsconfig.json', include: ['plugin'] }));
    const text = readFileSync(join(copy, file), 'utf8');
    const changed = change(text);
    writeFileSync(join(copy, file), changed);
    const tsc = join(TOP, 'node_modules/typescript/lib/tsc.js');
    try {
      execFileSync(process.execPath, [tsc, '--noEmit', '--pretty', 'false', '-p', 'part.json'], {
        cwd: copy,
        stdio: 'pipe',
      });
      return [];
    } catch (error) {
      const output = String((error as { stdout?: Buffer }).stdout);
      const found = [...output.matchAll(/^([\w./-]+)\(\d+,\d+\): error/gm)].map((m) => m[1] as string);
      if (found.length === 0) throw error;
      return [...new Set(found)].sort();
    }
  } finally {
    rmSync(copy, { recursive: true });
  }
}

const renamed = (step: string) => (text: string) => {
  const all = text.replaceAll(`'${step}'`, `'${step}Renamed'`);
  if (all === text) throw new Error(`no step "${step}"`);
  return all;
};

describe('a step of a call', () => {
  it('compiles as it is (control)', () => {
    expect(broken('plugin/core/wake/steps.ts', (text) => text)).toEqual([]);
  });

  it.each([
    [
      'registered',
      [
        'plugin/core/explain.ts',
        'plugin/core/wake/sign.ts',
        'plugin/core/wake/step-words.ts',
        'plugin/core/wake/waking.ts',
        'plugin/http/metrics/metrics.ts',
        'plugin/http/pages/calls.ts',
        'plugin/http/pages/overview.ts',
        'plugin/core/wake/sign.ts',
      ],
    ],
    [
      'pushSettled',
      [
        'plugin/core/explain.ts',
        'plugin/core/wake/step-words.ts',
        'plugin/http/metrics/metrics.ts',
        'plugin/http/pages/words.ts',
        'plugin/runtime/calls/call-pushes.ts',
      ],
    ],
    ['accepted', ['plugin/core/explain.ts', 'plugin/http/metrics/metrics.ts', 'plugin/http/pages/words.ts']],
  ])('"%s", renamed: nothing that emits it, decides by it or shows it compiles', (step, files) => {
    expect(broken('plugin/core/wake/steps.ts', renamed(step))).toEqual(expect.arrayContaining(files));
  });

  it('without words: what shows it does not compile', () => {
    const without = (text: string) => text.replace(/^ {2}dialled: .*\n/m, '');
    expect(broken('plugin/core/wake/step-words.ts', without)).toContain('plugin/core/wake/step-words.ts');
  });
});

describe('the policy of a binding', () => {
  it('chosen without what the directory says: does not compile', () => {
    const forgotten = (text: string) =>
      text.replace(
        'return this.policyFor({ targets, choice: choiceOf(this.bindings) });',
        'return this.policyFor({ targets });',
      );
    expect(broken('plugin/core/lifecycle/draft.ts', forgotten)).toContain('plugin/core/lifecycle/draft.ts');
  });
});
