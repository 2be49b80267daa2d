/** What the phone says, in the languages of the notices. */
import { LANGUAGES, type Words } from './languages.ts';

const BY_TAG = new Map(Object.entries(LANGUAGES).map(([tag, words]) => [tag.toLowerCase(), words]));
/** Old and other names of languages, as `config/messages.ts` has them. */
const ALIASES: Readonly<Record<string, string>> = { iw: 'he', no: 'nb', nn: 'nb' };

/** Names that a file of texts for a BCP 47 tag may have, in small letters, the closest first: `zh-hant-tw`, `zh-hant`, `zh-tw`, `zh`. */
export function namesFor(tag: string): readonly string[] {
  const [said = '', ...more] = tag.toLowerCase().split(/[-_]/);
  const language = (Object.hasOwn(ALIASES, said) && ALIASES[said]) || said;
  const longer = more.map((_, i) => [language, ...more.slice(0, more.length - i)].join('-'));
  const region = more.find((part) => /^[a-z]{2}$/.test(part));
  return [...new Set([...longer, ...(region ? [`${language}-${region}`] : []), language])];
}

/** The first of the user's languages that is here, with its region or without; else English. */
export function wordsFor(languages: readonly string[]): Words {
  const known = languages.flatMap(namesFor).find((name) => BY_TAG.has(name));
  return BY_TAG.get(known ?? 'en') as Words;
}
