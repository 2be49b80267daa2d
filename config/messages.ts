/**
 * The texts users see, per locale, as data in `config/messages/<locale>.yaml`. Checked when loaded: a missing text or an
 * unknown placeholder stops the start, not the push at three in the morning.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Aor } from '../plugin/core/aor.ts';
import type { NoticeName } from '../plugin/core/events.ts';
import { ConfigError } from '../plugin/ports/config-error.ts';
import { matches } from './policies.ts';
import type { Config } from './schema.ts';

/** APNs and FCM cut at 4 kB; a notice longer than this does not fit a lock screen either. */
const LONGEST = 300;

const text = z.strictObject({ title: z.string().max(60).optional(), body: z.string().min(1).max(LONGEST) });
const messagesSchema = z.strictObject({ soon: text, expired: text });

export interface Messages {
  readonly locales: readonly string[];
  text(locale: string, notice: NoticeName): { title?: string; body: string };
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
    text(locale, notice) {
      const found = (all.get(locale) ?? all.get(locale.slice(0, 2)) ?? all.get('en'))?.[notice];
      if (!found) throw new Error('messages/en.yaml is missing');
      return { body: found.body, ...(found.title === undefined ? {} : { title: found.title }) };
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

/** The locale of an AOR: the first pattern that fits, else the file's `locale`. Unknown locales are a mistake of the file. */
export function localeChooser(config: Pick<Config, 'locale' | 'locales'>, messages: Messages): (aor: Aor) => string {
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
  return (aor) => config.locales.find((l) => matches(l.aor, aor))?.locale ?? config.locale;
}
