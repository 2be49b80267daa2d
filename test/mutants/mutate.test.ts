/** The maker of mutants: what it changes is code, and the same seed chooses the same ones. */
import { globSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ACCEPTED } from './accepted.ts';
import { apply, chosen, mutantsOf } from './mutate.ts';

const FILES = globSync('plugin/core/**/*.ts');

it('changes code, not words', () => {
  const text =
    "/** a === b */\nimport { a } from 'x';\nexport type X = 'a' | true;\n// a && b\nexport const f = (a: number) => a === 1 && a < 2;\n";
  const made = mutantsOf('f.ts', text).map((m) => `${m.line} ${apply(text, m).split('\n')[4]}`);
  expect(made).toEqual([
    '5 export const f = (a: number) => a !== 1 && a < 2;',
    '5 export const f = (a: number) => a === 2 && a < 2;',
    '5 export const f = (a: number) => a === 1 || a < 2;',
    '5 export const f = (a: number) => a === 1 && a <= 2;',
  ]);
});

it('finds more than a thousand in the core, and chooses the same ones from the same seed', () => {
  const all = FILES.flatMap((file) => mutantsOf(file, readFileSync(file, 'utf8')));
  expect(all.length).toBeGreaterThan(1_000);
  expect(chosen(all, 150, 1)).toEqual(chosen(all, 150, 1));
  expect(chosen(all, 150, 1)).not.toEqual(chosen(all, 150, 2));
  expect(new Set(chosen(all, 150, 1)).size).toBe(150);
});

it('what is accepted is still there', () => {
  for (const { file, code } of ACCEPTED) expect(readFileSync(file, 'utf8')).toContain(code);
});
