/** Payload profiles: which keys an app finds in its pushes, and who gets Linphone's without being asked. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildMessage, LIMIT_BYTES } from '../../adapters/push/apns/payload.ts';
import { buildMessage as buildFcm, LIMIT_BYTES as FCM_LIMIT } from '../../adapters/push/fcm/payload.ts';
import { type Carrier, type PayloadProfile, readProfile } from '../../adapters/push/payload-profile.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import type { Target } from '../../plugin/core/binding.ts';
import { pushParamsOf } from '../../plugin/core/push-params.ts';
import { plus, SECOND } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type { PushRequest } from '../../plugin/ports/push-provider.ts';
import { NOON } from '../support/fake-clock.ts';

const VOIP = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);

describe('an app that registers as Linphone’s library does', () => {
  const libraryOf = (params: string) => {
    const found = pushParamsOf(`sip:1001@192.0.2.1;${params}`);
    if (found.kind !== 'push') throw new Error(found.kind);
    return { call: found.targets.call?.library, other: found.targets.other?.library };
  };
  const linphone = 'liblinphone' as const;

  it.each([
    [
      'iOS, two tokens in one parameter',
      `pn-provider=apns;pn-param=ABCD123456.org.example.voip&remote;pn-prid=${VOIP}:voip&${OTHER}:remote`,
      { call: linphone, other: linphone },
    ],
    [
      'iOS, the remote token is not there yet',
      `pn-provider=apns;pn-param=ABCD123456.org.example.voip&remote;pn-prid=${VOIP}:voip&`,
      { call: linphone, other: undefined },
    ],
    [
      'Android, by its own parameters',
      'pn-prid=dEf:APA91b_x-1;pn-provider=fcm;pn-param=my-project-1;pn-silent=1;pn-timeout=0',
      { call: linphone, other: linphone },
    ],
    [
      'before RFC 8599',
      'pn-type=firebase;app-id=123456789012;pn-tok=abc;pn-timeout=0;pn-silent=1',
      { call: linphone, other: linphone },
    ],
    ['control: RFC 8599 and no more', 'pn-provider=fcm;pn-param=p;pn-prid=abc', { call: undefined, other: undefined }],
    [
      'control: Apple with one token',
      `pn-provider=apns;pn-param=ABCD123456.org.example.voip;pn-prid=${VOIP}`,
      { call: undefined, other: undefined },
    ],
    [
      'control: mod_apn',
      `pn-voip-tok=${VOIP};pn-im-tok=${OTHER};app-id=ABCD123456.org.example`,
      { call: undefined, other: undefined },
    ],
  ])('%s', (_, params, expected) => {
    expect(libraryOf(params)).toEqual(expected);
  });
});

const common = {
  pushId: '7a1d1f3e-5a3c-4f0e-9a55-0d6f1c2b3a49',
  aor: '1001@example.com' as Aor,
  sentAt: NOON,
  expiresAt: plus(NOON, 45 * SECOND),
};
const caller = { name: 'Zoë', number: '+420123456789' };
const call = (target: Target, more: object = {}): PushRequest => ({
  ...common,
  purpose: 'call',
  callId: 'c0ffee',
  target,
  ...more,
});
const ios: Target = { provider: 'apns', app: 'ABCD123456.org.example', token: new Token(VOIP) };
const android: Target = { provider: 'fcm', app: 'my-project-1', token: new Token('abc') };
const onLinphone = (target: Target): Target => ({ ...target, library: 'liblinphone' });
const apns = (request: PushRequest, profile: PayloadProfile) => {
  const message = buildMessage(request, {
    bundleId: 'org.example',
    incomingCallText: 'Call',
    profile,
    texts: 'pushwake',
  });
  return message && (JSON.parse(message.payload) as Record<string, Record<string, unknown> | undefined>);
};
const fcm = (request: PushRequest, profile: PayloadProfile) =>
  buildFcm(request, { profile, texts: 'pushwake' }, NOON)?.data;

describe('who finds Linphone’s keys', () => {
  const KINDS = ['auto', 'pushwake', 'linphone'] as const;
  const expected = { auto: [false, true], pushwake: [false, false], linphone: [true, true] };

  it.each(KINDS)('payload: %s', (kind) => {
    const seen = (target: Target, keys: (request: PushRequest) => unknown) =>
      [target, onLinphone(target)].map((to) => keys(call(to)) === 'c0ffee');
    expect(seen(ios, (request) => apns(request, { kind })?.aps?.['call-id'])).toEqual(expected[kind]);
    expect(seen(android, (request) => fcm(request, { kind })?.['call-id'])).toEqual(expected[kind]);
    // Ours are there in any case.
    expect(apns(call(onLinphone(ios)), { kind })?.pushwake?.callId).toBe('c0ffee');
    expect(fcm(call(onLinphone(android)), { kind })?.callId).toBe('c0ffee');
  });

  it('no caller leaves the PBX by them unless he may', () => {
    const withhold = [apns(call(onLinphone(ios)), { kind: 'auto' }), fcm(call(onLinphone(android)), { kind: 'auto' })];
    expect(JSON.stringify(withhold)).not.toMatch(/display-name|sip-from|Zoë|420/);
    expect(fcm(call(onLinphone(android), { caller }), { kind: 'auto' })).toMatchObject({
      'sip-from': 'Zoë',
      'display-name': 'Zoë',
    });
  });

  it('a caller with an endless name is cut in every key, and the push fits', () => {
    const endless = { caller: { name: '😀'.repeat(3_000), number: '+420' } };
    const data = fcm(call(onLinphone(android), endless), { kind: 'auto' });
    expect(Buffer.byteLength(JSON.stringify({ data }))).toBeLessThanOrEqual(FCM_LIMIT);
    expect(data?.['sip-from']).toMatch(/…$/);
    const payload = apns(call(onLinphone(ios), endless), { kind: 'auto' });
    expect(Buffer.byteLength(JSON.stringify(payload))).toBeLessThanOrEqual(LIMIT_BYTES.voip);
  });

  it('only a call has them: what Linphone’s library finds in another push it takes for a call', () => {
    const rest: PushRequest[] = [
      { ...common, purpose: 'cancel', callId: 'c0ffee', word: 'elsewhere', target: onLinphone(android) },
      { ...common, purpose: 'refresh', target: onLinphone(android) },
      { ...common, purpose: 'notice', notice: 'soon', body: 'b', target: onLinphone(android) },
    ];
    for (const request of rest) {
      expect(fcm(request, { kind: 'linphone' })).not.toHaveProperty('call-id');
      expect(JSON.stringify(apns({ ...request, target: onLinphone(ios) }, { kind: 'linphone' }))).not.toContain(
        'call-id',
      );
    }
  });
});

describe('a template', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pushwake-template-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const NESTED: Carrier = { form: 'nested', limitBytes: () => 4_096 };
  const FLAT: Carrier = { form: 'flat', limitBytes: () => 4_096 };
  let written = 0;
  const read = (content: unknown, carrier: Carrier) => {
    const file = join(folder, `${++written}.json`);
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return readProfile(file, 'push.x.apps[0].payload', carrier);
  };

  it('is what the app gets, in place of our form; a purpose that it does not name goes in ours', () => {
    const profile = read({ call: { aps: { id: '{callId}' }, from: '{callerName} <{callerNumber}>', n: 1 } }, NESTED);
    expect(apns(call(ios, { caller }), profile)).toEqual({ aps: { id: 'c0ffee' }, from: 'Zoë <+420123456789>', n: 1 });
    expect(apns({ ...common, purpose: 'refresh', target: ios }, profile)).toHaveProperty('pushwake');
  });

  it('of Android holds texts', () => {
    const profile = read({ call: { id: '{callId}', who: '{aor}' }, notice: { what: '{notice}' } }, FLAT);
    expect(fcm(call(android), profile)).toEqual({ id: 'c0ffee', who: '1001@example.com' });
    const notice = buildFcm(
      { ...common, purpose: 'notice', notice: 'soon', body: 'b', target: android },
      { profile, texts: 'pushwake' },
      NOON,
    );
    expect(notice).toMatchObject({ data: { what: 'soon' }, notification: { body: 'b' } });
  });

  it('cannot take from a push what makes it visible or silent', () => {
    const profile = read({ call: { id: '{callId}' }, cancel: { id: '{callId}' }, notice: { x: 'y' } }, NESTED);
    expect(apns(call(ios, { via: 'other' }), profile)?.aps).toMatchObject({ alert: { title: 'Call' } });
    const cancel: PushRequest = { ...common, purpose: 'cancel', callId: 'c', word: 'elsewhere', target: ios };
    expect(apns(cancel, profile)).toEqual({ id: 'c', aps: { 'content-available': 1 } });
    const notice: PushRequest = { ...common, purpose: 'notice', notice: 'soon', body: 'b', target: ios };
    expect(apns(notice, profile)?.aps).toMatchObject({ alert: { body: 'b' } });
  });

  it('a caller’s name is no template, and no JSON', () => {
    const profile = read({ call: { from: '{callerName}' } }, NESTED);
    const name = '{callId}","aps":{"alert":"x"}';
    expect(apns(call(ios, { caller: { name } }), profile)).toEqual({ from: name });
  });

  it.each([
    ['no JSON', '{', NESTED, 'is not JSON; expected a JSON object'],
    ['a list', [], NESTED, 'is no object'],
    ['a purpose that is none', { ring: {} }, NESTED, '"ring" is no purpose of a push'],
    ['a part that is no object', { call: 'x' }, NESTED, 'call is no object'],
    [
      'an unknown placeholder',
      { call: { aps: { id: '{callid}' } } },
      NESTED,
      'call.aps.id: {callid} is not known there; expected {callId}',
    ],
    ['one of another purpose', { refresh: { id: ['{callId}'] } }, NESTED, 'refresh.id.0: {callId} is not known there'],
    ['a name that FCM keeps', { call: { from: 'x' } }, FLAT, 'call.from is a name that FCM keeps for itself'],
    ['an aps that is none', { call: { aps: 'x' } }, NESTED, 'call.aps is no object'],
    ['a number for Android', { call: { n: 1 } }, FLAT, 'call.n is no text'],
    [
      'a silent push that shows something',
      { refresh: { aps: { sound: 'x' } } },
      NESTED,
      'refresh.aps.sound would make',
    ],
    [
      'what never fits',
      { call: { x: 'y'.repeat(4_100) } },
      NESTED,
      'call takes 4108 bytes with the longest values; expected at most 4096',
    ],
    ['what fits only short accounts', { call: { x: '{aor}'.repeat(17) } }, FLAT, 'expected at most 4096'],
  ])('is refused at the start: %s', (_, content, carrier, message) => {
    expect(() => read(content, carrier)).toThrow(message);
    expect(() => read(content, carrier)).toThrow(/^push\.x\.apps\[0\]\.payload: \/.*\.json/);
  });

  it('that is not there is named, with what would be right', () => {
    expect(() => readProfile('/nowhere/x.json', 'push.x.apps[0].payload', NESTED)).toThrow(
      'push.x.apps[0].payload: /nowhere/x.json cannot be read (ENOENT); expected auto, pushwake, linphone or the path of a JSON template',
    );
  });
});
