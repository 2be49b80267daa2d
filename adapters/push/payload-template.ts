/**
 * Payloads that the administrator writes, for apps that pushwake does not know: JSON in which texts hold `{callId}` and the like. One
 * object per purpose; a purpose that is not in the template is sent in our own form. Pure.
 */
import type { PushPurpose, PushRequest } from '../../plugin/ports/push-provider.ts';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };
/** A custom push brings data of its own: there is nothing to fill in. */
export type TemplatePurpose = Exclude<PushPurpose, 'custom'>;
export type Template = Readonly<Partial<Record<TemplatePurpose, JsonObject>>>;

export const PURPOSES: readonly TemplatePurpose[] = [
  'call',
  'cancel',
  'refresh',
  'notice',
  'missed',
  'message',
  'voicemail',
];

/** What a text of a template may hold, for each purpose. */
export const PLACEHOLDERS: Readonly<Record<TemplatePurpose, readonly string[]>> = {
  call: ['callId', 'callKey', 'callerName', 'callerNumber', 'aor', 'pushId', 'sentAt', 'expiresAt'],
  cancel: ['callId', 'ended', 'aor', 'pushId', 'sentAt', 'expiresAt'],
  refresh: ['aor', 'pushId', 'sentAt', 'expiresAt'],
  notice: ['notice', 'title', 'body', 'aor', 'pushId', 'sentAt', 'expiresAt'],
  missed: ['callId', 'count', 'callerName', 'callerNumber', 'aor', 'pushId', 'sentAt', 'expiresAt'],
  message: ['count', 'title', 'body', 'aor', 'pushId', 'sentAt', 'expiresAt'],
  voicemail: ['count', 'title', 'body', 'aor', 'pushId', 'sentAt', 'expiresAt'],
};

/**
 * How long a value may get, in characters, for the check at the start. Texts that are cut to fit (caller, title, body) count as
 * nothing. An account is at most as long as a SIP URI that the PBXs store.
 */
const LONGEST: Readonly<Record<string, number>> = {
  callId: 36,
  callKey: 64,
  aor: 255,
  pushId: 36,
  sentAt: 13,
  expiresAt: 13,
  ended: 9,
  notice: 7,
  count: 6,
};

const PLACEHOLDER = /\{([A-Za-z]+)\}/g;

export type Values = Readonly<Record<string, string>>;

/** The values of one push. `first` and `second` are the texts that may be cut: the caller, or body and title. */
export function valuesOf(request: PushRequest, first: string | undefined, second: string | undefined): Values {
  const { aor, pushId, sentAt, expiresAt } = request;
  const common = { aor, pushId, sentAt: String(sentAt), expiresAt: String(expiresAt) };
  switch (request.purpose) {
    case 'call': {
      const { callId, callKey = '' } = request;
      return { ...common, callId, callKey, callerName: first ?? '', callerNumber: second ?? '' };
    }
    case 'cancel':
      return { ...common, callId: request.callId, ended: request.word };
    case 'refresh':
      return common;
    case 'notice':
      return { ...common, notice: request.notice, body: first ?? '', title: second ?? '' };
    case 'missed': {
      const { callId, count } = request;
      return { ...common, callId, count: String(count), callerName: first ?? '', callerNumber: second ?? '' };
    }
    case 'message':
    case 'voicemail':
      return { ...common, count: String(request.count), body: first ?? '', title: second ?? '' };
    case 'custom':
      return common;
  }
}

/** The values at their longest, to know at the start whether every push fits. */
export function longestValues(purpose: TemplatePurpose): Values {
  return Object.fromEntries(PLACEHOLDERS[purpose].map((name) => [name, 'x'.repeat(LONGEST[name] ?? 0)]));
}

/** Fills in the values. A text that is empty afterwards stays, as an empty text: the app may rely on the key. */
export function render(template: JsonObject, values: Values): JsonObject {
  return filled(template, values) as JsonObject;
}

function filled(value: Json, values: Values): Json {
  if (typeof value === 'string') return value.replace(PLACEHOLDER, (whole, name: string) => values[name] ?? whole);
  if (Array.isArray(value)) return value.map((entry) => filled(entry, values));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, filled(entry as Json, values)]));
}

/** Placeholders that this purpose has no value for, with the place of each: `call.aps.id: {foo}`. */
export function unknownPlaceholders(purpose: TemplatePurpose, value: Json, at: string = purpose): readonly string[] {
  if (typeof value === 'string') {
    const names = [...value.matchAll(PLACEHOLDER)].map((found) => found[1] ?? '');
    return names.filter((name) => !PLACEHOLDERS[purpose].includes(name)).map((name) => `${at}: {${name}}`);
  }
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, entry]) => unknownPlaceholders(purpose, entry as Json, `${at}.${key}`));
}
