/** The texts of the phone in the browser, in the languages of the notices. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadMessages } from '../../config/messages.ts';
import { LANGUAGES } from '../../plugin/phone/languages.ts';
import { namesFor, wordsFor } from '../../plugin/phone/words.ts';

const FOLDER = new URL('../../plugin/phone/languages/', import.meta.url);
const FILES = readdirSync(FOLDER).sort();
const LOCALES = FILES.map((file) => file.replace(/\.json$/, ''));
const messages = loadMessages();
const read = (file: string): Record<string, string> => JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8'));

const en = read('en.json');
/** They are for the page itself: nobody reads them. */
const UNSEEN = ['lang', 'dir'];
const KEYS = Object.keys(en).filter((key) => !UNSEEN.includes(key));
/** Four of them stand side by side on a narrow telephone, or two below each other. */
const BUTTONS = ['answer', 'decline', 'hangUp', 'call', 'mute', 'unmute', 'hold', 'resume', 'keypad'];
const LONGEST_BUTTON = 18;
/** A word that is the same in both languages, and no text that somebody forgot. */
const AS_IN_ENGLISH: Readonly<Record<string, readonly string[]>> = { fr: ['texts'] };
const RIGHT_TO_LEFT = ['ar', 'he'];
/** Which script a language is written in; every other one is Latin. */
const SCRIPTS: Readonly<Record<string, RegExp>> = {
  ar: /\p{Script=Arabic}/u,
  el: /\p{Script=Greek}/u,
  he: /\p{Script=Hebrew}/u,
  ja: /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}ー]/u,
  uk: /\p{Script=Cyrillic}/u,
  zh: /\p{Script=Han}/u,
};
/** Names that are Latin in every script. */
const NAMES = /iPhone|SIP/g;
/** What stands around a label that is quoted; of languages of ours only. */
const QUOTES: Readonly<Record<string, readonly [string, string]>> = {
  ar: ['«', '»'],
  cs: ['„', '“'],
  da: ['”', '”'],
  de: ['„', '“'],
  el: ['«', '»'],
  en: ['“', '”'],
  es: ['«', '»'],
  fi: ['”', '”'],
  fr: ['«\u00a0', '\u00a0»'],
  he: ['״', '״'],
  hu: ['„', '”'],
  it: ['«', '»'],
  ja: ['「', '」'],
  nb: ['«', '»'],
  nl: ['‘', '’'],
  pl: ['„', '”'],
  pt: ['«', '»'],
  sv: ['”', '”'],
  tr: ['“', '”'],
  uk: ['«', '»'],
  zh: ['“', '”'],
};

it('every language of the notices has a file, no other has one, and each file is in the page', () => {
  const files = messages.locales.map((locale) => `${locale}.json`);
  expect(FILES).toEqual(files);
  expect(Object.keys(LANGUAGES).map((locale) => `${locale}.json`)).toEqual(files);
});

describe.each(LOCALES)('%s', (locale) => {
  const all = read(`${locale}.json`);
  const seen = KEYS.map((key) => [key, all[key] ?? ''] as const);

  it('has every text of the English file, in its order, and no other', () => {
    expect(Object.keys(all)).toEqual(Object.keys(en));
    expect(LANGUAGES[locale]).toEqual(all);
  });

  it('names itself as its file is named, and its direction', () => {
    expect(all.lang).toBe(locale);
    expect(Intl.getCanonicalLocales(all.lang)).toEqual([locale]);
    expect(all.dir).toBe(RIGHT_TO_LEFT.includes(locale) ? 'rtl' : 'ltr');
  });

  it('has no text that is empty, has what is not seen, or is too long for its place', () => {
    for (const [key, text] of seen) {
      expect([...text].length, key).toBeGreaterThan(0);
      expect(text, key).toBe(text.normalize('NFC').trim());
      expect(text, key).not.toMatch(/[\p{Cc}\p{Cf}\p{Co}]| {2}|\.\.\./u);
      expect([...text].length, key).toBeLessThanOrEqual(2 * (en[key] ?? '').length + 25);
      if (BUTTONS.includes(key)) expect([...text].length, key).toBeLessThanOrEqual(LONGEST_BUTTON);
    }
  });

  it('leaves nothing in English', () => {
    const same = seen.filter(([key, text]) => text === en[key]).map(([key]) => key);
    expect(same).toEqual(locale === 'en' ? KEYS : (AS_IN_ENGLISH[locale] ?? []));
  });

  it('is written in its script, and begins in its direction', () => {
    const own = SCRIPTS[locale] ?? /\p{Script=Latin}/u;
    for (const [key, text] of seen) {
      const letters = [...text.replaceAll(NAMES, '')].filter((c) => /\p{L}/u.test(c));
      expect(letters.filter((c) => !own.test(c)).join(''), key).toBe('');
      const [first = ''] = [...text].filter((c) => /\p{L}/u.test(c));
      expect(/[\p{Script=Arabic}\p{Script=Hebrew}]/u.test(first), key).toBe(RIGHT_TO_LEFT.includes(locale));
    }
  });

  it('quotes as its language does', () => {
    const [open, close] = QUOTES[locale] ?? ['none', 'none'];
    expect(all.homeScreen).toMatch(new RegExp(`${open}[^${open}${close}]+${close}`, 'u'));
    for (const [key, text] of seen) expect(text, key).not.toMatch(/["'`]/);
  });

  it('says different things differently where one takes the place of the other', () => {
    for (const [a, b] of [
      ['answer', 'decline'],
      ['mute', 'unmute'],
      ['hold', 'resume'],
      ['talking', 'held'],
      ['talking', 'busy'],
      ['ready', 'readyOpenOnly'],
      ['missedCall', 'incomingCall'],
    ] as const)
      expect(all[a], `${a} ${b}`).not.toBe(all[b]);
  });
});

describe('the language of the page', () => {
  const tags = LOCALES.flatMap((locale) => [locale, locale.toUpperCase(), `${locale}-XX`]);
  it.each([...tags, 'pt-BR', 'zh_CN', 'zh-Hant-TW', 'iw-IL', 'nn-NO', 'no', 'eu-ES', 'constructor', '__proto__', ''])(
    '%s: as that of a notice to a device that reports it',
    (tag) => {
      expect(wordsFor([tag]).lang).toBe(messages.localeFor(tag) ?? 'en');
    },
  );

  it.each([
    ['pt-BR', ['pt-br', 'pt']],
    ['zh-Hant', ['zh-hant', 'zh']],
    ['zh-Hant-TW', ['zh-hant-tw', 'zh-hant', 'zh-tw', 'zh']],
    ['zh_TW', ['zh-tw', 'zh']],
    ['nn-NO', ['nb-no', 'nb']],
  ])('%s: a file of its region or script would be closer', (tag, names) => {
    expect(namesFor(tag)).toEqual(names);
  });

  it.each([
    [['eu', 'uk-UA', 'de'], 'uk'],
    [['eu'], 'en'],
    [[], 'en'],
  ])('%j: the first of the user’s that is here is %s', (languages, lang) => {
    expect(wordsFor(languages).lang).toBe(lang);
  });
});
