/**
 * Whether what was read has the form of a record. The store and an import hand us text that anybody may have edited: what has not
 * the form is refused as a whole, so that nothing behind it must ask again. Looks at what the program relies on, not at more: a
 * field it does not know is none of its business.
 */
import { parseAor } from './aor.ts';
import { TROUBLES } from './trouble.ts';

type Raw = Readonly<Record<string, unknown>>;
/** Where and what: the names on the way to the place, the outermost first, and the expected form. Never the value. */
interface Mistake {
  readonly at: readonly (string | number)[];
  readonly expected: string;
}
/** What is wrong with a value, or undefined. Every record that is read goes through here: the place is put together only when there is a mistake. */
type Check = (value: unknown) => Mistake | undefined;

const within = (name: string | number, { at, expected }: Mistake): Mistake => ({ at: [name, ...at], expected });

const is = (expected: string, holds: (value: unknown) => boolean): Check => {
  const mistake: Mistake = { at: [], expected };
  return (value) => (holds(value) ? undefined : mistake);
};

const text = is('a text', (v) => typeof v === 'string');
const named = is('a text that is not empty', (v) => typeof v === 'string' && v !== '');
/** Beyond it there is no date (ECMA-262 says 8.64e15), and what a week later falls due must be one too. */
const LATEST = 8e15;
const time = is('a time in milliseconds', (v) => typeof v === 'number' && Math.abs(v) <= LATEST);
const duration = is('a number of milliseconds', (v) => typeof v === 'number' && v >= 0 && v <= LATEST);
const count = is('a whole number', (v) => Number.isSafeInteger(v) && (v as number) >= 0);
const flag = is('true or false', (v) => typeof v === 'boolean');
const account = is('an account such as 1001@example.com', (v) => typeof v === 'string' && parseAor(v) === v);
const one = (...words: readonly string[]): Check =>
  is(`one of ${words.join(', ')}`, (v) => words.includes(v as string));

const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined ? undefined : check(value);

const list = (check: Check): Check => {
  const isList = is('a list', Array.isArray);
  return (value) => {
    const none = isList(value);
    if (none) return none;
    const entries = value as readonly unknown[];
    for (let i = 0; i < entries.length; i++) {
      const wrong = check(entries[i]);
      if (wrong) return within(i, wrong);
    }
    return undefined;
  };
};

const fields = (checks: Readonly<Record<string, Check>>): Check => {
  const isObject = is('an object', (v) => v !== null && typeof v === 'object' && !Array.isArray(v));
  const all = Object.entries(checks);
  return (value) => {
    const none = isObject(value);
    if (none) return none;
    for (const [name, check] of all) {
      // Not what an object inherits: a stored `constructor` is no field.
      const own = Object.hasOwn(value as object, name) ? (value as Raw)[name] : undefined;
      const wrong = check(own);
      if (wrong) return within(name, wrong);
    }
    return undefined;
  };
};

const target = optional(
  fields({
    provider: named,
    app: text,
    token: named,
    environment: optional(one('production', 'sandbox')),
    selector: optional(text),
    library: optional(one('liblinphone')),
  }),
);
const targets = fields({ call: target, other: target });

const signs = fields({
  calls: list(
    fields({
      at: time,
      sign: one('refused', 'not-rung', 'late', 'received', 'received-late', 'nothing'),
      on: optional(flag),
    }),
  ),
  otherAt: optional(time),
  silent: count,
  silentSpells: count,
  lowered: list(flag),
  askedAt: optional(time),
});

const binding = fields({
  id: named,
  createdAt: time,
  renewedAt: time,
  endsAt: time,
  evidence: fields({ instanceId: optional(text), installId: optional(text), formerTokens: optional(list(text)) }),
  reportedAt: optional(time),
  claim: optional(fields({ at: time, installId: optional(text), locale: optional(text), targets })),
  locale: optional(text),
  targets,
  contacts: list(fields({ pbx: named, uri: named, seenAt: time, grantedMs: optional(duration) })),
  choice: optional(fields({ policy: optional(text), app: optional(text) })),
  sent: list(
    fields({
      notice: one('soon', 'expired'),
      offsetMs: optional(time),
      at: time,
      done: flag,
      observed: optional(flag),
    }),
  ),
  lastRefreshAt: optional(time),
  unansweredWakes: count,
  wakes: optional(list(is('a number or null', (v) => v === null || typeof v === 'number'))),
  signs: optional(signs),
  trouble: optional(fields({ cause: one(...Object.keys(TROUBLES)), since: time, askAgainAt: optional(time) })),
  missed: optional(fields({ count, callId: named, at: time, againAt: optional(time) })),
  texts: optional(fields({ count, at: time, pushedAt: optional(time), againAt: optional(time) })),
  voicemail: optional(fields({ count, at: time, how: optional(one('seen', 'silent')), againAt: optional(time) })),
  notBefore: optional(time),
  putOff: optional(count),
  ending: optional(
    fields({
      reason: named,
      since: time,
      notice: one('due', 'done'),
      contact: one('due', 'gone'),
      held: optional(one('misconfigured')),
    }),
  ),
});

const record = fields({
  aor: account,
  version: count,
  dueAt: optional(time),
  missingSince: optional(time),
  bindings: list(binding),
  tombstones: optional(list(fields({ id: named, reason: named, endedAt: time, renewedAt: time, tokens: list(text) }))),
});

/** Undefined: it has the form. Else the first thing that is wrong. */
export function mistakeIn(raw: unknown): string | undefined {
  const mistake = record(raw);
  return mistake && `${mistake.at.join('.')}: expected ${mistake.expected}`;
}
