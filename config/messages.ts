/**
 * The texts users see, per locale, as data in `config/messages/<locale>.yaml`. Checked when loaded: a missing text or an
 * unknown placeholder stops the start, not the push at three in the morning.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { type Aor, aorRealm } from '../plugin/core/aor.ts';
import type { TextName } from '../plugin/core/events.ts';
import { ConfigError } from '../plugin/ports/config-error.ts';
import { matches } from './policies.ts';
import type { Config } from './schema.ts';

/** APNs and FCM cut at 4 kB; a notice longer than this does not fit a lock screen either. In characters. */
export const LONGEST = 300;

const text = z.strictObject({ title: z.string().max(60).optional(), body: z.string().min(1).max(LONGEST) });
const counted = z.strictObject({
  body: text.shape.body.refine((body) => body.includes('{count}'), 'expected {count} in it'),
});
const messagesSchema = z.strictObject({
  soon: text,
  expired: text,
  open: text,
  missed: counted,
  message: counted,
  voicemail: counted,
});

/** Old and other names of languages, as phones still report them. */
const ALIASES: Readonly<Record<string, string>> = { iw: 'he', no: 'nb', nn: 'nb' };

export interface Messages {
  readonly locales: readonly string[];
  /** The locale of ours for a BCP 47 tag of a device; undefined where there are no texts in its language. */
  localeFor(tag: string): string | undefined;
  text(locale: string, notice: TextName): { title?: string; body: string };
}

export function loadMessages(folder = messagesFolder()): Messages {
  const all = new Map<string, z.output<typeof messagesSchema>>();
  for (const file of readdirSync(folder)
    .filter((f) => f.endsWith('.yaml'))
    .sort()) {
    const parsed = messagesSchema.safeParse(parse(readFileSync(join(folder, file), 'utf8')));
    if (!parsed.success) {
      const where = parsed.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('; ');
      throw new ConfigError(`messages/${file}: ${where}`);
    }
    all.set(file.replace(/\.yaml$/, ''), parsed.data);
  }
  return {
    locales: [...all.keys()],
    localeFor(tag) {
      const [said = '', ...more] = tag.toLowerCase().split(/[-_]/);
      const language = Object.hasOwn(ALIASES, said) ? (ALIASES[said] ?? said) : said;
      const region = more.find((part) => /^[a-z]{2}$/.test(part));
      return [`${language}-${region?.toUpperCase()}`, language].find((locale) => all.has(locale));
    },
    text(locale, notice) {
      const found = (all.get(locale) ?? all.get(locale.slice(0, 2)) ?? all.get('en'))?.[notice];
      if (!found) throw new Error('messages/en.yaml is missing');
      const { body } = found;
      const title = 'title' in found ? found.title : undefined;
      return { body, ...(title === undefined ? {} : { title }) };
    },
  };
}

function messagesFolder(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  // The compiled package keeps the texts where the sources have them.
  return here.includes(`${join('dist', 'config')}`)
    ? join(here, '..', '..', 'config', 'messages')
    : join(here, 'messages');
}

/** `reported`: the language of the device as a BCP 47 tag, where its app reported it. */
export type LocaleChooser = (aor: Aor, reported: string | undefined) => string;

/**
 * The language of a notice: that of the device, where there are texts in it; else by the account, its realm, and the file's
 * `locale`. Unknown locales are a mistake of the file.
 */
export function localeChooser(config: Pick<Config, 'locale' | 'locales'>, messages: Messages): LocaleChooser {
  const named = [{ path: 'locale', locale: config.locale }].concat(
    config.locales.map(({ locale }, i) => ({ path: `locales[${i}].locale`, locale })),
  );
  for (const { path, locale } of named) {
    if (!messages.locales.includes(locale) && !messages.locales.includes(locale.slice(0, 2))) {
      throw new ConfigError(
        `${path}: there are no texts for locale "${locale}"; there are ${messages.locales.join(', ')}`,
      );
    }
  }
  const byAccount = config.locales.filter((l) => l.aor !== undefined);
  const byRealm = config.locales.filter((l) => l.realm !== undefined);
  return (aor, reported) =>
    (reported === undefined ? undefined : messages.localeFor(reported)) ??
    byAccount.find((l) => matches(l.aor ?? '', aor))?.locale ??
    byRealm.find((l) => l.realm?.toLowerCase() === aorRealm(aor).toLowerCase())?.locale ??
    config.locale;
}
