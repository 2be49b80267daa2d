/** Small mistakes in a source text, as a person makes them: each mutant is one place and what stands there instead. */
import { stripTypeScriptTypes } from 'node:module';
import { Chance } from '../world/chance.ts';

export interface Mutant {
  readonly file: string;
  readonly line: number;
  /** Where it begins in the file, in UTF-16 units. */
  readonly at: number;
  readonly from: string;
  readonly to: string;
}

/** What is looked for, and what it becomes. Types, imports and comments are left out before. */
const OPERATORS: readonly (readonly [RegExp, (found: string) => string])[] = [
  [/ === /g, () => ' !== '],
  [/ !== /g, () => ' === '],
  [/ <= /g, () => ' < '],
  [/ >= /g, () => ' > '],
  [/(?<=[\w)\]]) < (?=[\w(-])/g, () => ' <= '],
  [/(?<=[\w)\]]) > (?=[\w(-])/g, () => ' >= '],
  [/ && /g, () => ' || '],
  [/ \|\| /g, () => ' && '],
  [/(?<=[\w)\]]) \+ (?=[\w(])/g, () => ' - '],
  [/(?<=[\w)\]]) - (?=[\w(])/g, () => ' + '],
  [/ \* (?=[\w(])/g, () => ' / '],
  [/\btrue\b/g, () => 'false'],
  [/\bfalse\b/g, () => 'true'],
  [/(?<=[( ])!(?=[a-zA-Z(])/g, () => ''],
  [/(?<=(?:return|=|\(|,|\?|:) )\d[\d_]*\b/g, (found) => String(Number(found.replaceAll('_', '')) + 1)],
  [/\.some\(/g, () => '.every('],
  [/\.every\(/g, () => '.some('],
  [/Math\.min\(/g, () => 'Math.max('],
  [/Math\.max\(/g, () => 'Math.min('],
  [/outcome: 'tokenDead'/g, () => "outcome: 'failed'"],
  [/outcome: 'retryLater'/g, () => "outcome: 'failed'"],
  [/outcome: 'misconfigured'/g, () => "outcome: 'failed'"],
  [/outcome: 'failed'/g, () => "outcome: 'retryLater'"],
  // A statement that is forgotten.
  [/(?<=\n {2,})draft\.(?:report|replace|bury|step|do|status|end)\([^\n]*\);(?=\n)/g, () => ';'],
  [/(?<=\n {2,})if \([^\n{]*\) return;(?=\n)/g, () => ';'],
];

/** Every mutant of a file that differs in code, in the order of their places. */
export function mutantsOf(file: string, text: string): Mutant[] {
  const code = withoutWords(text);
  const found: Mutant[] = [];
  for (const [pattern, change] of OPERATORS) {
    for (const match of code.matchAll(pattern)) {
      const [from] = match;
      found.push({
        file,
        at: match.index,
        line: text.slice(0, match.index).split('\n').length,
        from,
        to: change(from),
      });
    }
  }
  return found.sort((a, b) => a.at - b.at);
}

/** Comments, imports, types and interfaces blanked out, each character by a space, so that places stay. */
function withoutWords(text: string): string {
  const blank = (found: string) => found.replace(/[^\n]/g, ' ');
  return text
    .replace(/\/\*[\s\S]*?\*\//g, blank)
    .replace(/(?<=\s)\/\/[^\n]*/g, blank)
    .replace(/^import [\s\S]*?;$/gm, blank)
    .replace(/^(?:export )?(?:interface|type) [\s\S]*?(?:^}|;$)/gm, blank);
}

/** This number of them, spread over the files as their code is. */
export function chosen(all: readonly Mutant[], most: number, seed: number): Mutant[] {
  const draw = new Chance(seed, 'mutants');
  const left = [...all];
  const picked: Mutant[] = [];
  while (picked.length < most && left.length > 0) picked.push(...left.splice(draw.int(0, left.length - 1), 1));
  return picked.sort((a, b) => (a.file === b.file ? a.at - b.at : a.file < b.file ? -1 : 1));
}

/** Whether it can still be read: what no parser takes would be noticed by anything. */
export function isCode(text: string, mutant: Mutant): boolean {
  try {
    stripTypeScriptTypes(apply(text, mutant));
    return true;
  } catch {
    return false;
  }
}

export const apply = (text: string, { at, from, to }: Mutant): string =>
  text.slice(0, at) + to + text.slice(at + from.length);
