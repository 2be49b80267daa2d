/** The texts of notices in every language, and which language a notice comes in. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { LONGEST, loadMessages, localeChooser } from '../../config/messages.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import type { NoticeName } from '../../plugin/core/events.ts';

const FOLDER = new URL('../../config/messages/', import.meta.url);
const LOCALES = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => name.replace('.yaml', ''));
const NOTICES: readonly NoticeName[] = ['soon', 'expired', 'open'];
const RIGHT_TO_LEFT = ['ar', 'he'];
/** A lock screen of iOS shows four lines of about 45 characters; what is longer is read only when it is opened. */
const LOCK_SCREEN = 180;
/** Which script a language is written in; every other one is Latin. */
const SCRIPTS: Readonly<Record<string, RegExp>> = {
  ar: /\p{Script=Arabic}/u,
  el: /\p{Script=Greek}/u,
  he: /\p{Script=Hebrew}/u,
  ja: /\p{Script=Hiragana}/u,
  uk: /\p{Script=Cyrillic}/u,
  zh: /\p{Script=Han}/u,
};

const messages = loadMessages();

describe('the texts', () => {
  it('are there in 20 languages at least, two of them written from right to left', () => {
    expect(LOCALES.length).toBeGreaterThanOrEqual(20);
    expect(messages.locales).toEqual(LOCALES.sort());
    expect(LOCALES).toEqual(expect.arrayContaining(RIGHT_TO_LEFT));
  });

  describe.each(LOCALES)('%s', (locale) => {
    const all = parse(readFileSync(new URL(`${locale}.yaml`, FOLDER), 'utf8')) as Record<string, { body: string }>;

    it('has every notice, and no other', () => {
      expect(Object.keys(all)).toEqual(NOTICES);
    });

    it.each(NOTICES)('%s fits a lock screen, and holds no placeholder and nothing that is not seen', (notice) => {
      const { body } = messages.text(locale, notice);
      expect(body).toBe(all[notice]?.body);
      expect([...body].length).toBeGreaterThan(15);
      expect([...body].length).toBeLessThanOrEqual(Math.min(LONGEST, LOCK_SCREEN));
      expect(body).toBe(body.normalize('NFC').trim());
      expect(body).not.toMatch(/[{}<>%\p{Cc}\p{Cf}\p{Co}]| {2}/u);
    });

    it('is written in the script of its language', () => {
      const script = SCRIPTS[locale] ?? /\p{Script=Latin}/u;
      for (const notice of NOTICES) {
        const letters = [...messages.text(locale, notice).body].filter((c) => /\p{L}/u.test(c));
        const own = letters.filter(
          (c) => script.test(c) || (locale === 'ja' && /[\p{Script=Han}\p{Script=Katakana}ー]/u.test(c)),
        );
        expect(own.length / letters.length, notice).toBe(1);
      }
    });

    it('begins in its own direction, which is what the system shows the whole text in', () => {
      for (const notice of NOTICES) {
        const [first = ''] = [...messages.text(locale, notice).body].filter((c) => /\p{L}/u.test(c));
        expect(/[\p{Script=Arabic}\p{Script=Hebrew}]/u.test(first)).toBe(RIGHT_TO_LEFT.includes(locale));
      }
    });
  });

  it('no two languages say the same, and no two notices', () => {
    const all = LOCALES.flatMap((locale) => NOTICES.map((notice) => messages.text(locale, notice).body));
    expect(new Set(all).size).toBe(LOCALES.length * NOTICES.length);
  });
});

describe('the language of a notice', () => {
  const config = {
    locale: 'en',
    locales: [
      { realm: 'example.fr', locale: 'fr' },
      { aor: '3*@example.fr', locale: 'de' },
      { aor: '*@example.cz', locale: 'cs' },
    ],
  };
  const chosen = localeChooser(config, messages);
  it.each([
    ['the one that the device reported', '3001@example.fr', 'es', 'es'],
    ['with its region', '3001@example.fr', 'pt-BR', 'pt'],
    ['as Java writes it', '3001@example.fr', 'zh_CN', 'zh'],
    ['with script and region', '3001@example.fr', 'zh-Hant-TW', 'zh'],
    ['by its old name', '3001@example.fr', 'iw-IL', 'he'],
    ['of Norway, whichever', '3001@example.fr', 'nn-NO', 'nb'],
    ['there are no texts in it: by the account', '3001@example.fr', 'eu-ES', 'de'],
    ['a name that every object has: by the account', '3001@example.fr', 'constructor', 'de'],
    ['nothing reported: by the account', '3001@example.fr', undefined, 'de'],
    ['a pattern that is a realm', '1001@example.cz', undefined, 'cs'],
    ['else by the realm', '1001@example.fr', undefined, 'fr'],
    ['else the file’s', '1001@example.com', undefined, 'en'],
  ] as const)('%s', (_, aor, reported, locale) => {
    expect(chosen(aor as Aor, reported)).toBe(locale);
  });

  it('of the file must be one there are texts in', () => {
    const bad = { ...config, locales: [{ realm: 'example.eu', locale: 'eu' }] };
    expect(() => localeChooser(bad, messages)).toThrow(
      /^locales\[0\]\.locale: there are no texts for locale "eu"; there are ar, /,
    );
  });
});
