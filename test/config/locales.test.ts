/** The texts of notices in every language, and which language a notice comes in. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { buildMessage as buildApns } from '../../adapters/push/apns/payload.ts';
import { buildMessage as buildFcm } from '../../adapters/push/fcm/payload.ts';
import { textOfCall, textOfMissed, textOfNotice, textOfWaiting } from '../../adapters/push/payload-profile.ts';
import { buildMessage as buildPnm } from '../../adapters/push/pnm/payload.ts';
import { buildMessage as buildWebPush } from '../../adapters/push/webpush/payload.ts';
import { LONGEST, loadMessages, localeChooser } from '../../config/messages.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import type { NoticeName, TextName } from '../../plugin/core/events.ts';
import { HOUR, plus } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type { MessagePush, MissedPush, NoticePush, VoicemailPush } from '../../plugin/ports/push-provider.ts';
import { NOON } from '../support/fake-clock.ts';

const FOLDER = new URL('../../config/messages/', import.meta.url);
const LOCALES = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => name.replace('.yaml', ''));
const NOTICES: readonly NoticeName[] = ['soon', 'expired', 'open'];
/** Short texts that hold a number. */
const COUNTED: readonly TextName[] = ['missed', 'message', 'voicemail'];
const TEXTS: readonly TextName[] = [...NOTICES, ...COUNTED];
/** What a text must hold, and no other placeholder. */
const HOLDS: Readonly<Record<TextName, readonly string[]>> = {
  soon: [],
  expired: [],
  open: [],
  missed: ['{count}'],
  message: ['{count}'],
  voicemail: ['{count}'],
};
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
      expect(Object.keys(all)).toEqual(TEXTS);
    });

    it.each(TEXTS)('%s fits a lock screen, and holds its placeholders and nothing that is not seen', (notice) => {
      const { body } = messages.text(locale, notice);
      expect(body).toBe(all[notice]?.body);
      expect([...body].length).toBeGreaterThan(COUNTED.includes(notice) ? 10 : 15);
      expect(body.match(/\{\w+\}/g) ?? []).toEqual(HOLDS[notice]);
      expect([...body].length).toBeLessThanOrEqual(Math.min(LONGEST, LOCK_SCREEN));
      expect(body).toBe(body.normalize('NFC').trim());
      expect(body.replaceAll(/\{\w+\}/g, '')).not.toMatch(/[{}<>%\p{Cc}\p{Cf}\p{Co}]| {2}/u);
    });

    it('is written in the script of its language', () => {
      const script = SCRIPTS[locale] ?? /\p{Script=Latin}/u;
      for (const notice of TEXTS) {
        const letters = [...messages.text(locale, notice).body.replace('{count}', '3')].filter((c) => /\p{L}/u.test(c));
        const own = letters.filter(
          (c) => script.test(c) || (locale === 'ja' && /[\p{Script=Han}\p{Script=Katakana}ー]/u.test(c)),
        );
        expect(own.length / letters.length, notice).toBe(1);
      }
    });

    it('begins in its own direction, which is what the system shows the whole text in', () => {
      for (const notice of TEXTS) {
        const [first = ''] = [...messages.text(locale, notice).body].filter((c) => /\p{L}/u.test(c));
        expect(/[\p{Script=Arabic}\p{Script=Hebrew}]/u.test(first)).toBe(RIGHT_TO_LEFT.includes(locale));
      }
    });
  });

  it('no two languages say the same, and no two notices', () => {
    const all = LOCALES.flatMap((locale) => TEXTS.map((notice) => messages.text(locale, notice).body));
    expect(new Set(all).size).toBe(LOCALES.length * TEXTS.length);
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

describe('a notice in each language', () => {
  const profile = { kind: 'auto' } as const;
  const request = (notice: NoticeName, locale: string): NoticePush => ({
    purpose: 'notice',
    notice,
    body: messages.text(locale, notice).body,
    aor: `${'9'.repeat(60)}@example.com`,
    pushId: '7a1d1f3e-5a3c-4f0e-9a55-0d6f1c2b3a49',
    sentAt: NOON,
    expiresAt: plus(NOON, HOUR),
    target: { provider: 'x', app: 'com.example.phone', selector: 's', token: new Token('a'.repeat(64)) },
  });

  it.each(LOCALES)('%s: every service carries the whole text', (locale) => {
    for (const notice of NOTICES) {
      const push = request(notice, locale);
      const sent = [
        buildApns(push, { bundleId: 'com.example.phone', incomingCallText: 'x', profile, texts: 'pushwake' })?.payload,
        JSON.stringify(buildFcm(push, { profile, texts: 'pushwake' }, NOON)),
        buildWebPush(push, NOON)?.text,
        buildPnm(push, { callerFields: false }),
      ];
      for (const text of sent) expect(text).toContain(push.body);
    }
  });

  it('an app with texts of its own gets the key and no text of ours', () => {
    for (const notice of NOTICES) {
      const push = request(notice, 'de');
      const app = { bundleId: 'com.example.phone', incomingCallText: 'x', profile, texts: 'app' } as const;
      const apns = JSON.parse(buildApns(push, app)?.payload ?? '{}');
      expect(apns.aps).toEqual({ alert: { 'loc-key': `pushwake_${notice}` }, sound: 'default' });
      const fcm = buildFcm(push, { profile, texts: 'app' }, NOON);
      expect(fcm?.android.notification?.bodyLocKey).toBe(`pushwake_${notice}`);
      expect(JSON.stringify([apns, fcm])).not.toContain(push.body);
    }
  });

  it('docs/app-payloads.md lists every key, and each is a name that Android takes for a text', () => {
    const page = readFileSync(new URL('../../docs/app-payloads.md', import.meta.url), 'utf8');
    const keys = [
      ...NOTICES.map((notice) => textOfNotice(request(notice, 'en')).key),
      textOfMissed({ count: 2 } as MissedPush).key,
      textOfWaiting({ purpose: 'message', count: 2 } as MessagePush).key,
      textOfWaiting({ purpose: 'voicemail', count: 2 } as VoicemailPush).key,
      textOfCall(undefined).key,
      textOfCall('Zoë').key,
    ];
    for (const key of keys) {
      expect(page).toContain(`| \`${key}\` |`);
      expect(key).toMatch(/^[a-z][a-z_]*$/);
    }
    expect(textOfCall('Zoë').args).toEqual(['Zoë']);
  });
});
