/**
 * Payloads and verdict tables as the documentation shows them. `UPDATE_DOCS=1` writes them anew: look at the difference
 * before you commit it, apps depend on it.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { VERDICTS as APNS } from '../../adapters/push/apns/outcome.ts';
import { buildMessage, LIMIT_BYTES } from '../../adapters/push/apns/payload.ts';
import { VERDICTS as FCM } from '../../adapters/push/fcm/outcome.ts';
import { buildMessage as buildFcm, LIMIT_BYTES as FCM_LIMIT } from '../../adapters/push/fcm/payload.ts';
import { VERDICTS as LOG } from '../../adapters/push/log/outcome.ts';
import type { PayloadProfile } from '../../adapters/push/payload-profile.ts';
import { VERDICTS as PNM } from '../../adapters/push/pnm/outcome.ts';
import { buildMessage as buildPnm } from '../../adapters/push/pnm/payload.ts';
import { PROXY_VERDICTS } from '../../adapters/push/proxy-verdicts.ts';
import { VERDICTS as WEBHOOK } from '../../adapters/push/webhook/outcome.ts';
import { buildBody as buildWebhook } from '../../adapters/push/webhook/payload.ts';
import { VERDICTS as WEBPUSH } from '../../adapters/push/webpush/outcome.ts';
import { buildMessage as buildWebPush } from '../../adapters/push/webpush/payload.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import type { Target } from '../../plugin/core/binding.ts';
import { HOUR, MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type { PushRequest, Verdict } from '../../plugin/ports/push-provider.ts';
import { NOON } from '../support/fake-clock.ts';

const UPDATE = process.env.UPDATE_DOCS === '1';
const docs = new URL('../../docs/', import.meta.url);

/** The file holds this text, or is made to with UPDATE_DOCS=1. */
function expectFile(name: string, text: string): void {
  const file = new URL(name, docs);
  if (UPDATE) writeFileSync(file, text);
  expect(existsSync(file) ? readFileSync(file, 'utf8') : '', `docs/${name}; UPDATE_DOCS=1 writes it anew`).toBe(text);
}

/** As the formatter wants it: a list of one text on one line. */
function pretty(payload: unknown): string {
  return `${JSON.stringify(payload, null, 2).replace(/\[\n\s+("(?:[^"\\]|\\.)*")\n\s+\]/g, '[$1]')}\n`;
}

const profile: PayloadProfile = { kind: 'auto' };
const app = { bundleId: 'com.example.phone', incomingCallText: 'Incoming call', profile, texts: 'pushwake' as const };
const common = {
  target: { provider: 'apns', app: 'TEAM123456.com.example.phone', token: new Token('a'.repeat(64)) },
  pushId: '7a1d1f3e-5a3c-4f0e-9a55-0d6f1c2b3a49',
  aor: '1001@example.com' as Aor,
  sentAt: NOON,
};
const soon = plus(NOON, 45 * SECOND);
const caller = { name: 'Zoë "Z" Nováková', number: '+420123456789' };

const onLinphone: Target = { ...common.target, library: 'liblinphone' };

const GOLDEN: Readonly<Record<string, PushRequest>> = {
  'apns-call': { ...common, purpose: 'call', callId: 'c0ffee', expiresAt: soon },
  'apns-call-with-caller': { ...common, purpose: 'call', callId: 'c0ffee', expiresAt: soon, caller },
  'apns-call-without-voip-token': {
    ...common,
    via: 'other',
    purpose: 'call',
    callId: 'c0ffee',
    expiresAt: soon,
    caller,
  },
  'apns-call-linphone': { ...common, target: onLinphone, purpose: 'call', callId: 'c0ffee', expiresAt: soon, caller },
  'apns-call-linphone-without-voip-token': {
    ...common,
    target: onLinphone,
    via: 'other',
    purpose: 'call',
    callId: 'c0ffee',
    expiresAt: soon,
  },
  'apns-cancel': { ...common, purpose: 'cancel', callId: 'c0ffee', word: 'elsewhere', expiresAt: plus(NOON, HOUR) },
  'apns-refresh': { ...common, purpose: 'refresh', expiresAt: plus(NOON, HOUR) },
  'apns-notice': {
    ...common,
    purpose: 'notice',
    notice: 'soon',
    title: 'Example Phone',
    body: 'Your account is still receiving calls, but will expire soon.',
    collapseId: 'soon-1001',
    expiresAt: plus(NOON, 12 * HOUR),
  },
};

/** An app that has texts of its own. */
const textsOf = (name: string) => (name.endsWith('own-texts') ? ('app' as const) : ('pushwake' as const));
const withOwnTexts = (all: Readonly<Record<string, PushRequest>>, names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [`${name}-own-texts`, all[name] as PushRequest]));

const missed = {
  purpose: 'missed' as const,
  callId: 'c0ffee',
  count: 3,
  body: 'Missed calls: 3',
  caller,
  collapseId: 'missed-1001',
  expiresAt: plus(NOON, HOUR),
};
const message = {
  purpose: 'message' as const,
  count: 2,
  body: 'New messages: 2',
  collapseId: 'message-1001',
  expiresAt: plus(NOON, HOUR),
};
const voicemail = {
  purpose: 'voicemail' as const,
  count: 1,
  body: 'New voice messages: 1',
  caller,
  collapseId: 'voicemail-1001',
  expiresAt: plus(NOON, HOUR),
};
const { body: _words, caller: _caller, ...voicemailHeard } = { ...voicemail, count: 0 };
/** By purpose and variant: what every service sends. */
const WAITING: Readonly<Record<string, typeof message | typeof voicemail | typeof voicemailHeard>> = {
  message,
  'message-with-text': { ...message, text: 'I am at the door.', caller } as typeof message,
  voicemail,
  'voicemail-heard': voicemailHeard,
};
const withWaiting = (service: string, to: typeof common): Record<string, PushRequest> =>
  Object.fromEntries(
    Object.entries(WAITING).map(([name, request]) => [`${service}-${name}`, { ...to, ...request } as PushRequest]),
  );
const custom = {
  purpose: 'custom' as const,
  urgent: true,
  title: 'Front door',
  body: 'Somebody rings.',
  data: { door: 7, camera: 'https://door.example.com/7' },
  collapseId: 'door-7',
  expiresAt: plus(NOON, MINUTE),
};

const { title: _title, body: _body, ...silent } = custom;

const toAndroid = { ...common, target: { provider: 'fcm', app: '123456789012', token: new Token('a:b') } };
const GOLDEN_FCM: Readonly<Record<string, PushRequest>> = {
  'fcm-call': { ...toAndroid, purpose: 'call', callId: 'c0ffee', collapseId: 'call-1001', expiresAt: soon },
  'fcm-call-with-caller': { ...toAndroid, purpose: 'call', callId: 'c0ffee', expiresAt: soon, caller },
  'fcm-call-linphone': {
    ...toAndroid,
    target: { ...toAndroid.target, library: 'liblinphone' },
    purpose: 'call',
    callId: 'c0ffee',
    expiresAt: soon,
    caller,
  },
  'fcm-cancel': { ...toAndroid, purpose: 'cancel', callId: 'c0ffee', word: 'elsewhere', expiresAt: plus(NOON, HOUR) },
  'fcm-refresh': { ...toAndroid, purpose: 'refresh', collapseId: 'refresh-1001', expiresAt: plus(NOON, HOUR) },
  'fcm-refresh-urgent': { ...toAndroid, purpose: 'refresh', urgent: true, expiresAt: plus(NOON, HOUR) },
  'fcm-notice': {
    ...toAndroid,
    purpose: 'notice',
    notice: 'soon',
    title: 'Example Phone',
    body: 'Your account is still receiving calls, but will expire soon.',
    collapseId: 'soon-1001',
    expiresAt: plus(NOON, 12 * HOUR),
  },
};

/** The other services have no headers or schema of their own that would differ: one table for the three. */
const OTHERS: Readonly<
  Record<string, { target: Target; built: (request: PushRequest) => unknown; of: readonly string[] }>
> = {
  pnm: {
    target: { provider: 'pnm', app: 'com.example.softphone', selector: 'SEL:1', token: new Token('acrobits-token') },
    built: (request) => parsed(buildPnm(request, { callerFields: true })),
    of: [
      'call',
      'call-with-caller',
      'cancel',
      'notice',
      'missed',
      'message',
      'message-with-text',
      'voicemail',
      'custom',
    ],
  },
  webpush: {
    target: { provider: 'webpush', app: '', token: new Token('https://push.example.org/s/AbC') },
    built: (request) => {
      const { text, ...headers } = buildWebPush(request, NOON) ?? { text: '' };
      return { headers, payload: parsed(text) };
    },
    of: ['call', 'call-with-caller', 'cancel', 'refresh', 'notice', 'missed', ...Object.keys(WAITING), 'custom'],
  },
  webhook: {
    target: { provider: 'webhook', app: 'com.example.phone', token: new Token('a-token-of-the-service') },
    built: (request) => parsed(buildWebhook(request)),
    of: ['call', 'call-with-caller', 'cancel', 'refresh', 'notice', 'missed', ...Object.keys(WAITING), 'custom'],
  },
};
const parsed = (text: string | undefined) => JSON.parse(text ?? 'null') as Record<string, unknown> | null;

const readSchema = (name: string) =>
  z.fromJSONSchema(JSON.parse(readFileSync(new URL(`payloads/${name}`, docs), 'utf8')));

const ofAny = (what: string): PushRequest =>
  what in WAITING
    ? ({ ...common, ...WAITING[what] } as PushRequest)
    : what === 'missed'
      ? { ...common, ...missed }
      : what === 'custom'
        ? { ...common, ...custom }
        : (GOLDEN[`apns-${what}`] as PushRequest);

describe('the payloads of the documentation', () => {
  const ours = readSchema('pushwake-v1.schema.json');
  const apple = readSchema('apns.schema.json');
  const google = readSchema('fcm.schema.json');

  const ofApple = {
    ...GOLDEN,
    'apns-missed': { ...common, ...missed },
    ...withWaiting('apns', common),
    ...withOwnTexts(withWaiting('apns', common), ['apns-message', 'apns-voicemail']),
    'apns-custom': { ...common, ...custom },
    'apns-custom-silent': { ...common, ...silent },
    ...withOwnTexts({ 'apns-missed': { ...common, ...missed } }, ['apns-missed']),
    ...withOwnTexts(GOLDEN, ['apns-notice', 'apns-call-without-voip-token']),
  };
  it.each(Object.entries(ofApple))('%s is what is sent, to the letter', (name, request) => {
    const message = buildMessage(request, { ...app, texts: textsOf(name) });
    if (!message) throw new Error('too large');
    const { payload: text, id: _, ...headers } = message;
    const payload = JSON.parse(text);
    expectFile(`payloads/${name}.json`, pretty({ headers, payload }));
    expect(apple.parse(payload)).toBeTruthy();
    expect(ours.parse(payload.pushwake)).toBeTruthy();
  });

  const ofGoogle = {
    ...GOLDEN_FCM,
    'fcm-missed': { ...toAndroid, ...missed },
    ...withWaiting('fcm', toAndroid),
    ...withOwnTexts(withWaiting('fcm', toAndroid), ['fcm-message', 'fcm-voicemail']),
    'fcm-custom': { ...toAndroid, ...custom },
    'fcm-custom-silent': { ...toAndroid, ...silent },
    ...withOwnTexts({ 'fcm-missed': { ...toAndroid, ...missed } }, ['fcm-missed']),
    ...withOwnTexts(GOLDEN_FCM, ['fcm-notice']),
  };
  it.each(Object.entries(ofGoogle))('%s is what is sent, to the letter', (name, request) => {
    const message = buildFcm(request, { channelId: 'account', profile, texts: textsOf(name) }, NOON);
    if (!message) throw new Error('too large');
    expectFile(`payloads/${name}.json`, pretty(message));
    const { data, notification } = message;
    expect(google.parse({ data, ...(notification && { notification }) })).toBeTruthy();
    expect(ours.parse(unflattened(data))).toBeTruthy();
  });

  it.each(
    Object.entries(OTHERS).flatMap(([service, { target, built, of }]) =>
      of.map((what) => [`${service}-${what}`, target, built, ofAny(what)] as const),
    ),
  )('%s is what is sent, to the letter', (name, target, built, request) => {
    const sent = built({ ...request, target }) as { pushwake?: unknown; payload?: { pushwake?: unknown } } | null;
    expect(sent, 'too large, or no such push').not.toBeNull();
    expectFile(`payloads/${name}.json`, pretty(sent));
    if (target.provider !== 'pnm') expect(ours.parse(sent?.pushwake ?? sent?.payload?.pushwake)).toBeTruthy();
  });

  it('Acrobits has no silent push that asks an app to register: none is built', () => {
    const { target, built } = OTHERS.pnm as (typeof OTHERS)[string];
    expect(built({ ...(GOLDEN['apns-refresh'] as PushRequest), target })).toBeNull();
  });

  it('the schemas refuse what they should (control)', () => {
    const good = { v: 1, type: 'call', callId: 'c', pushId: 'p', aor: 'a', sentAt: 1, expiresAt: 2 };
    expect(ours.safeParse(good).success).toBe(true);
    for (const bad of [{ v: 2 }, { type: 'cancel' }, { type: 'other' }, { sentAt: '2026' }, { callId: undefined }]) {
      expect(ours.safeParse({ ...good, ...bad }).success, JSON.stringify(bad)).toBe(false);
    }
    expect(apple.safeParse({ pushwake: {}, token: 'x' }).success).toBe(false);
    const data = { v: '1', type: 'refresh', pushId: 'p', aor: 'a', sentAt: '1', expiresAt: '2' };
    expect(google.safeParse({ data }).success).toBe(true);
    for (const bad of [{ v: 1 }, { sentAt: 1 }, { expiresAt: 'soon' }, { aor: undefined }]) {
      expect(google.safeParse({ data: { ...data, ...bad } }).success, JSON.stringify(bad)).toBe(false);
    }
    expect(google.safeParse({ data, token: 'x' }).success).toBe(false);
  });
});

describe('what is cut when a payload is too large', () => {
  const built = (request: PushRequest) => {
    const message = buildMessage(request, app);
    return message && { bytes: Buffer.byteLength(message.payload), payload: JSON.parse(message.payload) };
  };
  const call = { ...common, purpose: 'call' as const, callId: 'c0ffee', expiresAt: soon };
  const notice = { ...common, purpose: 'notice' as const, notice: 'soon' as const, expiresAt: soon };

  it("the caller's name, as little as needed, between characters", () => {
    const result = built({ ...call, caller: { name: '😀'.repeat(3_000), number: '+420' } });
    const caller = { name: expect.stringMatching(/^(?:😀)+…$/u), number: '+420' };
    expect(result?.payload).toMatchObject({ pushwake: { caller } });
    // One emoji is four bytes: nothing more would have fitted.
    expect(result?.bytes).toBeGreaterThan(LIMIT_BYTES.voip - 4);
    expect(result?.bytes).toBeLessThanOrEqual(LIMIT_BYTES.voip);
  });

  it('one byte decides: at the limit nothing is cut, above it something is', () => {
    const empty = built({ ...call, caller: { name: 'x' } })?.bytes ?? 0;
    const room = LIMIT_BYTES.voip - empty + 1;
    expect(built({ ...call, caller: { name: 'x'.repeat(room) } })?.bytes).toBe(LIMIT_BYTES.voip);
    const cut = built({ ...call, caller: { name: 'x'.repeat(room + 1) } });
    expect(JSON.stringify(cut?.payload)).toContain('x…');
  });

  it('the body of a notice, then its title', () => {
    const cutBody = built({ ...notice, title: 'Phone', body: '"'.repeat(5_000) });
    expect(cutBody?.payload).toMatchObject({
      aps: { alert: { title: 'Phone', body: expect.stringMatching(/^"+…$/) } },
    });
    const cutTitle = built({ ...notice, title: 't'.repeat(5_000), body: 'b' });
    expect(cutTitle?.payload).toMatchObject({ aps: { alert: { title: expect.stringMatching(/^t+…$/) } } });
    expect(Math.max(cutBody?.bytes ?? 0, cutTitle?.bytes ?? 0)).toBeLessThanOrEqual(LIMIT_BYTES.alert);
  });

  it('nothing else: what is still too large is not sent', () => {
    expect(built({ ...call, aor: `${'1'.repeat(6_000)}@x` as Aor })).toBeUndefined();
    expect(
      built({ ...common, purpose: 'refresh', expiresAt: soon, aor: `${'1'.repeat(6_000)}@x` as Aor }),
    ).toBeUndefined();
  });

  it('a collapse id that is no header, or too long, is replaced by its hash', () => {
    const of = (collapseId: string) => buildMessage({ ...notice, body: 'b', collapseId }, app)?.collapseId;
    expect(of('x'.repeat(64))).toBe('x'.repeat(64));
    for (const bad of ['x'.repeat(65), 'a\r\nb', 'ž', '']) expect(of(bad)).toMatch(/^[0-9a-f]{64}$/);
  });

  it('a closing word is not kept longer than it is of use', () => {
    const cancel = { ...common, purpose: 'cancel' as const, callId: 'c', word: 'elsewhere' as const };
    const expiry = (ms: number) => buildMessage({ ...cancel, expiresAt: plus(NOON, ms) }, app)?.expiration;
    expect([expiry(MINUTE - 1_000), expiry(MINUTE), expiry(HOUR)]).toEqual([59, 60, 60].map((s) => NOON / 1_000 + s));
  });
});

describe('what is cut when a message of FCM is too large', () => {
  const built = (request: PushRequest) => {
    const message = buildFcm(request, { profile, texts: 'pushwake' }, NOON);
    if (!message) return undefined;
    const { data, notification } = message;
    return { bytes: Buffer.byteLength(JSON.stringify({ data, notification })), data, notification };
  };
  const call = { ...toAndroid, purpose: 'call' as const, callId: 'c0ffee', expiresAt: soon };
  const notice = { ...toAndroid, purpose: 'notice' as const, notice: 'soon' as const, expiresAt: soon };

  it("the caller's name, as little as needed, between characters", () => {
    const result = built({ ...call, caller: { name: '😀'.repeat(3_000), number: '+420' } });
    expect(result?.data).toMatchObject({
      'caller.name': expect.stringMatching(/^(?:😀)+…$/u),
      'caller.number': '+420',
    });
    expect(result?.bytes).toBeGreaterThan(FCM_LIMIT - 4);
    expect(result?.bytes).toBeLessThanOrEqual(FCM_LIMIT);
  });

  it('the body of a notice, then its title', () => {
    const cutBody = built({ ...notice, title: 'Phone', body: '"'.repeat(5_000) });
    expect(cutBody?.notification).toEqual({ title: 'Phone', body: expect.stringMatching(/^"+…$/) });
    const cutTitle = built({ ...notice, title: 't'.repeat(5_000), body: 'b' });
    expect(cutTitle?.notification).toEqual({ title: expect.stringMatching(/^t+…$/) });
    expect(Math.max(cutBody?.bytes ?? 0, cutTitle?.bytes ?? 0)).toBeLessThanOrEqual(FCM_LIMIT);
  });

  it('nothing else: what is still too large is not sent', () => {
    const aor = `${'1'.repeat(6_000)}@x` as Aor;
    expect(built({ ...call, aor })).toBeUndefined();
    expect(built({ ...toAndroid, purpose: 'refresh', expiresAt: soon, aor })).toBeUndefined();
  });

  it('a collapse key that is long or not plain is replaced by its hash', () => {
    const of = (collapseId: string) =>
      buildFcm({ ...notice, body: 'b', collapseId }, { profile, texts: 'pushwake' }, NOON)?.android;
    expect(of('soon-1')).toMatchObject({ collapseKey: 'soon-1', notification: { tag: 'soon-1' } });
    for (const bad of ['x'.repeat(65), 'a\r\nb', 'ž', '']) {
      expect(of(bad)?.collapseKey).toMatch(/^[0-9a-f]{64}$/);
    }
  });

  it('never a time to live that FCM refuses', () => {
    const of = (ms: number) =>
      buildFcm({ ...notice, body: 'b', expiresAt: plus(NOON, ms) }, { profile, texts: 'pushwake' }, NOON)?.android.ttl;
    expect([of(-1), of(999), of(1_999), of(90 * 24 * HOUR)]).toEqual([0, 0, 1_000, 2_419_200_000]);
  });
});

describe('the verdict tables of the documentation', () => {
  it('are those of the code', () => {
    const text = readFileSync(new URL('push-services.md', docs), 'utf8');
    let expected = text;
    for (const [name, rows] of Object.entries({
      apns: APNS,
      fcm: FCM,
      pnm: PNM,
      webpush: WEBPUSH,
      webhook: WEBHOOK,
      log: LOG,
      proxy: PROXY_VERDICTS,
    })) {
      const parts = new RegExp(`(<!-- verdicts ${name} -->\n)[^]*?(\n<!-- end -->)`);
      expect(text).toMatch(parts);
      expected = expected.replace(parts, (_, start: string, end: string) => `${start}\n${tableOf(rows)}${end}`);
    }
    expectFile('push-services.md', expected);
  });
});

/** As an app would read the strings of FCM back into the common form. */
function unflattened(data: Readonly<Record<string, string>>): Record<string, unknown> {
  const { 'caller.name': name, 'caller.number': number, v, sentAt, expiresAt, count, data: own, ...rest } = data;
  const caller = name || number ? { caller: { ...(name && { name }), ...(number && { number }) } } : {};
  const typed = { ...(count && { count: Number(count) }), ...(own && { data: JSON.parse(own) }) };
  return { ...rest, ...typed, ...caller, v: Number(v), sentAt: Number(sentAt), expiresAt: Number(expiresAt) };
}

function tableOf(rows: readonly Verdict[]): string {
  const lines = rows.map((row) => {
    const reason = row.reason === '*' ? 'any other' : row.reason;
    const extra = [row.afterMs && `after ${row.afterMs / SECOND} s`, row.scope && 'this device only'].filter(Boolean);
    const outcome = [`\`${row.outcome}\``, ...extra].join(', ');
    const why = row.hint ? `${row.why} *Do:* ${row.hint}.` : row.why;
    return `| ${row.status ?? '–'} | ${reason} | ${outcome} | ${why.replaceAll('|', '\\|')} |`;
  });
  return ['| status | reason | outcome | why |', '|---|---|---|---|', ...lines, ''].join('\n');
}
