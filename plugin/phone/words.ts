/** What the phone says, in the languages of the notices. */
import { LANGUAGES } from './languages.ts';

export type Words = Readonly<(typeof LANGUAGES)['en']>;

/** The first of the user's languages that is here, with its region or without; else English. */
export function wordsFor(languages: readonly string[]): Words {
  for (const tag of languages) {
    const parts = tag.toLowerCase().split('-');
    for (let n = parts.length; n > 0; n--) {
      const known = (LANGUAGES as Readonly<Record<string, Words>>)[parts.slice(0, n).join('-')];
      if (known) return known;
    }
  }
  return LANGUAGES.en;
}

/** A number alone needs no language. */
export const count = (n: number | undefined): string => String(n ?? 1);
