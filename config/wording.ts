/**
 * Mistakes in words an administrator can act on: what was expected there, what was found (its kind, never its value: that may
 * be a password), and for a typing error the word that was meant.
 */
import type { z } from 'zod';

/** What zod calls the kinds of values, as YAML users call them. */
const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a section with keys of its own',
  record: 'a section with keys of its own',
  null: 'nothing',
  undefined: 'nothing',
};

const MISSING = 'is missing: ';

/** zod's own messages begin so; those the schemas give are in our words already. */
const OWN_WORDS = /^(Invalid|Too (big|small)|Unrecognized)/;

/** `value`: what stands at the place. */
export function inWords(issue: z.core.$ZodIssue, value: unknown): string {
  if (!OWN_WORDS.test(issue.message)) {
    return value === undefined ? `${MISSING}${issue.message}` : issue.message;
  }
  switch (issue.code) {
    case 'invalid_type': {
      const expected = `expected ${KINDS[issue.expected] ?? issue.expected}`;
      if (value === undefined) return `${MISSING}${expected}`;
      const quotes = issue.expected === 'string' && typeof value !== 'object' ? '; put it in quotes' : '';
      return `${expected}, found ${kindOf(value)}${quotes}`;
    }
    case 'invalid_value': {
      const words = issue.values.map(String);
      const meant = typeof value === 'string' ? nearest(value, words) : undefined;
      const expected = words.length === 1 ? `expected ${words[0]}` : `expected one of ${words.join(', ')}`;
      return `${value === undefined ? MISSING : ''}${expected}${meant ? `; did you mean ${meant}?` : ''}`;
    }
    case 'too_small':
      return `expected at least ${amount(issue.minimum, issue.origin)}`;
    case 'too_big':
      return `expected at most ${amount(issue.maximum, issue.origin)}`;
    case 'invalid_key':
      return issue.issues[0]?.message ?? 'a name that cannot be used';
    case 'invalid_format':
      return issue.format === 'url' ? 'expected a URL' : `expected the form of ${issue.format}`;
    case 'invalid_union': {
      const forms = new Set(issue.errors.flatMap((e) => e.slice(0, 1).map((i) => inWords(i, value))));
      const expected = [...forms].map((f) => f.replace(MISSING, '')).join('; or ') || 'in none of the expected forms';
      return value === undefined ? `${MISSING}${expected}` : expected;
    }
    default:
      return issue.message;
  }
}

function amount(limit: number | bigint, origin: string): string {
  if (origin === 'string') return `${limit} characters`;
  if (origin === 'array') return `${limit} ${Number(limit) === 1 ? 'entry' : 'entries'}`;
  return String(limit);
}

function kindOf(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number' && !Number.isInteger(value)) return 'a fraction';
  return KINDS[typeof value] ?? typeof value;
}

/** The word that was meant, if one is near enough: two slips at most, one in a short word. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const allowed = word.length <= 4 ? 1 : 2;
  const scored = words
    .map((w) => ({ w, d: distance(word.toLowerCase(), w.toLowerCase()) }))
    .filter(({ d }) => d <= allowed)
    .sort((a, b) => a.d - b.d);
  return scored[0]?.w;
}

/** Slips between two words: a letter more, less, other, or two changed about (optimal string alignment). */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : Infinity;
      (rows[i] as number[])[j] = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + same, swapped);
    }
  }
  return at(a.length, b.length);
}
