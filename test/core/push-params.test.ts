import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Target } from '../../plugin/core/binding.ts';
import { parseSipUri } from '../../plugin/core/contact-uri.ts';
import { pushParamsOf, stripPushParams } from '../../plugin/core/push-params.ts';

const VOIP = '3a74ee3f00000000000000000000000000000000000000000000000000aab433';
const REMOTE = 'b7da704a000000000000000000000000000000000000000000000000004b0ffa';
const FCM = 'dEf:APA91b_x-1';

type Seen =
  | [provider: string, app: string, token: string]
  | [provider: string, app: string, token: string, environment: string];
interface Expected {
  readonly call?: Seen;
  readonly other?: Seen;
}

describe('push parameters', () => {
  const rows: [sentence: string, params: string, expected: Expected][] = [
    [
      'Linphone on iOS, as sent: two tokens',
      `pn-provider=apns;pn-param=ABCD1234.org.example.phone.voip&remote;pn-prid=${VOIP}:voip&${REMOTE}:remote;transport=tcp`,
      { call: ['apns', 'ABCD1234.org.example.phone', VOIP], other: ['apns', 'ABCD1234.org.example.phone', REMOTE] },
    ],
    [
      'the same with everything escaped',
      `pn-provider=apns;pn-param=ABCD1234.org.example.phone.voip%26remote;pn-prid=${VOIP}%3avoip%26${REMOTE}%3Aremote`,
      { call: ['apns', 'ABCD1234.org.example.phone', VOIP], other: ['apns', 'ABCD1234.org.example.phone', REMOTE] },
    ],
    [
      'services in any order',
      `pn-prid=${REMOTE}:remote&${VOIP}:voip;pn-param=TEAM.b.c.voip&remote;pn-provider=apns`,
      { call: ['apns', 'TEAM.b.c', VOIP], other: ['apns', 'TEAM.b.c', REMOTE] },
    ],
    [
      'remote named first',
      `pn-provider=apns;pn-param=TEAM.b.c.remote&voip;pn-prid=${VOIP}:voip&${REMOTE}:remote`,
      { call: ['apns', 'TEAM.b.c', VOIP], other: ['apns', 'TEAM.b.c', REMOTE] },
    ],
    [
      'a token without a service is the one for remote pushes',
      `pn-provider=apns;pn-param=TEAM.b.c.voip&remote;pn-prid=${REMOTE}&${VOIP}:voip`,
      { call: ['apns', 'TEAM.b.c', VOIP], other: ['apns', 'TEAM.b.c', REMOTE] },
    ],
    ...['a:voip&', 'a:voip', '&a:voip', 'a:voip&:remote', 'a:voip&b:watch', 'a%3Avoip%26'].map(
      (prid): [string, string, Expected] => [
        `a pair of which one token is there: it is read (${prid})`,
        `pn-provider=apns;pn-param=TEAM.b.c.voip&remote;pn-prid=${prid}`,
        { call: ['apns', 'TEAM.b.c', 'a'] },
      ],
    ),
    [
      'the other of a pair',
      'pn-provider=apns;pn-param=TEAM.b.c.voip&remote;pn-prid=:voip&b:remote',
      { other: ['apns', 'TEAM.b.c', 'b'] },
    ],
    ...['TEAM.b.c.voip', 'TEAM.b.c', 'TEAM.b.c.voip&', 'TEAM.b.c.remote&voip&watch'].map(
      (param): [string, string, Expected] => [
        `two tokens that name their services, whatever the list says (${param})`,
        `pn-provider=apns;pn-param=${param};pn-prid=a:voip&b:remote`,
        { call: ['apns', 'TEAM.b.c', 'a'], other: ['apns', 'TEAM.b.c', 'b'] },
      ],
    ),
    [
      'one token, app ends in .voip: calls only',
      `pn-provider=apns;pn-param=TEAM.b.c.voip;pn-prid=${VOIP}`,
      { call: ['apns', 'TEAM.b.c', VOIP] },
    ],
    [
      'one token that says voip itself',
      `pn-provider=apns;pn-param=TEAM.b.c;pn-prid=${VOIP}:voip`,
      { call: ['apns', 'TEAM.b.c', VOIP] },
    ],
    [
      'one token, remote',
      `pn-provider=apns;pn-param=TEAM.b.c.remote;pn-prid=${REMOTE}:remote`,
      { other: ['apns', 'TEAM.b.c', REMOTE] },
    ],
    [
      'one token, nothing said: remote',
      `pn-provider=apns;pn-param=TEAM.b.c;pn-prid=${REMOTE}`,
      { other: ['apns', 'TEAM.b.c', REMOTE] },
    ],
    [
      'apns.dev is the sandbox',
      `pn-provider=apns.dev;pn-param=T.b.voip;pn-prid=${VOIP}`,
      { call: ['apns', 'T.b', VOIP, 'sandbox'] },
    ],
    [
      'names and provider without case',
      `PN-Provider=APNS;Pn-Param=T.b.VOIP;PN-PRID=${VOIP}:VoIP`,
      { call: ['apns', 'T.b', VOIP] },
    ],
    [
      'FCM: one token for everything; the extras of liblinphone mean nothing to us',
      `pn-prid=${FCM};pn-provider=fcm;pn-param=my-project-1;pn-silent=1;pn-timeout=0;transport=tls`,
      { call: ['fcm', 'my-project-1', FCM], other: ['fcm', 'my-project-1', FCM] },
    ],
    [
      'FCM as baresip sends it and Asterisk stores it',
      'pn-provider=fcm;pn-param=my/proj;pn-prid=abc:APA91b%3bxxx',
      { call: ['fcm', 'my/proj', 'abc:APA91b;xxx'], other: ['fcm', 'my/proj', 'abc:APA91b;xxx'] },
    ],
    [
      'firebase means fcm',
      `pn-provider=firebase;pn-param=p;pn-prid=${FCM}`,
      { call: ['fcm', 'p', FCM], other: ['fcm', 'p', FCM] },
    ],
    [
      'android means fcm',
      `pn-provider=android;pn-param=p;pn-prid=${FCM}`,
      { call: ['fcm', 'p', FCM], other: ['fcm', 'p', FCM] },
    ],
    [
      'google means fcm',
      `pn-provider=google;pn-param=p;pn-prid=${FCM}`,
      { call: ['fcm', 'p', FCM], other: ['fcm', 'p', FCM] },
    ],
    [
      'web push as sent: the endpoint is the token',
      'pn-provider=webpush;pn-prid=https%3A%2F%2Fpush.example.org%2Fs%2FAbC%3Fx%3D1%26y%3D2',
      {
        call: ['webpush', 'https://push.example.org', 'https://push.example.org/s/AbC?x=1&y=2'],
        other: ['webpush', 'https://push.example.org', 'https://push.example.org/s/AbC?x=1&y=2'],
      },
    ],
    [
      'web push as Asterisk stores it',
      'pn-provider=webpush;pn-prid=https://push.example.org/s/AbC%3fx%3d1&y%3d2',
      {
        call: ['webpush', 'https://push.example.org', 'https://push.example.org/s/AbC?x=1&y=2'],
        other: ['webpush', 'https://push.example.org', 'https://push.example.org/s/AbC?x=1&y=2'],
      },
    ],
    [
      'a provider we do not know',
      'pn-provider=acrobits;pn-param=com.example;pn-prid=AAA=',
      { call: ['acrobits', 'com.example', 'AAA='], other: ['acrobits', 'com.example', 'AAA='] },
    ],
    [
      'a provider we do not know, without an app',
      'pn-provider=x-own;pn-prid=t',
      { call: ['x-own', '', 't'], other: ['x-own', '', 't'] },
    ],
    [
      'a provider named like something of the language',
      'pn-provider=constructor;pn-prid=t',
      { call: ['constructor', '', 't'], other: ['constructor', '', 't'] },
    ],
    [
      'legacy for production',
      'transport=udp;app-id=org.example.phone.prod;pn-type=apple;pn-tok=c8dd',
      { other: ['apns', 'org.example.phone', 'c8dd'] },
    ],
    [
      'legacy VoIP in the sandbox',
      'pn-type=apple;app-id=org.example.phone.voip.dev;pn-tok=c8dd',
      { call: ['apns', 'org.example.phone', 'c8dd', 'sandbox'] },
    ],
    [
      'legacy for Android',
      `pn-type=firebase;app-id=1234567;pn-tok=${FCM}`,
      { call: ['fcm', '1234567', FCM], other: ['fcm', '1234567', FCM] },
    ],
    [
      'mod_apn: two tokens',
      'app-id=org.example.phone;pn-voip-tok=aa;pn-im-tok=bb;pn-platform=iOS',
      { call: ['apns', 'org.example.phone', 'aa'], other: ['apns', 'org.example.phone', 'bb'] },
    ],
    [
      'mod_apn without a platform means Apple',
      'app-id=org.example.phone.dev;pn-im-tok=bb',
      { other: ['apns', 'org.example.phone', 'bb', 'sandbox'] },
    ],
    [
      'mod_apn on Android',
      'app-id=p;pn-voip-tok=aa:b;pn-platform=android',
      { call: ['fcm', 'p', 'aa:b'], other: ['fcm', 'p', 'aa:b'] },
    ],
    [
      'RFC 8599 goes before legacy when both are there',
      'pn-type=apple;pn-tok=x;app-id=y;pn-provider=fcm;pn-param=p;pn-prid=t',
      { call: ['fcm', 'p', 't'], other: ['fcm', 'p', 't'] },
    ],
    [
      'a parameter given twice: the first counts',
      'pn-provider=fcm;pn-param=p;pn-prid=first;pn-prid=second',
      { call: ['fcm', 'p', 'first'], other: ['fcm', 'p', 'first'] },
    ],
    [
      'an escaped name',
      'pn-provider=fcm;pn-param=p;%70n-prid=t',
      { call: ['fcm', 'p', 't'], other: ['fcm', 'p', 't'] },
    ],
    [
      'a broken escape stays as it is',
      'pn-provider=fcm;pn-param=p;pn-prid=a%zz%4',
      { call: ['fcm', 'p', 'a%zz%4'], other: ['fcm', 'p', 'a%zz%4'] },
    ],
  ];
  it.each(rows)('%s', (_, params, expected) => {
    const result = pushParamsOf(`sip:1001@127.0.0.1:42508;${params}`);
    if (result.kind !== 'push') throw new Error(JSON.stringify(result));
    const seen = (t: Target | undefined) =>
      t && [t.provider, t.app, t.token.reveal(), ...(t.environment ? [t.environment] : [])];
    expect({ call: seen(result.targets.call), other: seen(result.targets.other) }).toEqual({
      call: expected.call,
      other: expected.other,
    });
  });

  it.each([
    ['FCM without a project', 'pn-provider=fcm;pn-prid=t', 'chosen', 'chosen'],
    ['FCM with one: what the phone says counts', 'pn-provider=fcm;pn-param=own;pn-prid=t', 'chosen', 'own'],
    ['Apple without an app', 'pn-provider=apns;pn-prid=a%3Avoip', 'TEAM.chosen', 'TEAM.chosen'],
    ['legacy without an app', 'pn-type=firebase;pn-tok=t', 'chosen', 'chosen'],
    ['mod_apn without an app', 'pn-voip-tok=a', 'org.chosen.prod', 'org.chosen'],
    ['a service that needs none', 'pn-provider=tpns;pn-prid=t', 'chosen', 'chosen'],
    [
      'web push, whose parameter is no app',
      'pn-provider=webpush;pn-prid=https%3A%2F%2Fp.example%2F1',
      'x',
      'https://p.example',
    ],
  ])('a Contact that names no app has the one that was chosen for it: %s', (_, params, chosen, app) => {
    const result = pushParamsOf(`sip:a@h;${params}`, chosen);
    expect(result.kind === 'push' && (result.targets.call ?? result.targets.other)?.app).toBe(app);
  });

  it('a service chosen with the app holds, and no other is guessed', () => {
    const result = pushParamsOf('sip:a@h;pn-provider=apns;pn-prid=aa', 'TEAM.chosen.voip');
    expect(result).toMatchObject({ kind: 'push', targets: { call: { app: 'TEAM.chosen' } } });
    expect(result.kind === 'push' && result.targets.other).toBeUndefined();
    expect(pushParamsOf('sip:a@h;pn-provider=fcm;pn-prid=t', 'a b').kind).toBe('unreadable');
  });

  it('says which parameters it used', () => {
    const result = pushParamsOf('sip:a@h;transport=tcp;pn-provider=fcm;pn-param=p;pn-prid=t;pn-silent=1');
    expect(result).toMatchObject({ kind: 'push', paramNames: ['pn-provider', 'pn-prid', 'pn-param'] });
  });

  it.each([
    ['pn-provider alone asks what there is', 'pn-provider', { kind: 'query' }],
    ['pn-provider with a value, no token', 'pn-provider=apns;pn-param=T.b.voip', { kind: 'query', provider: 'apns' }],
    ['an empty token is none', 'pn-provider=fcm;pn-param=p;pn-prid=', { kind: 'query', provider: 'fcm' }],
    ['legacy without a token', 'pn-type=apple;app-id=x', { kind: 'query', provider: 'apns' }],
    ['an ordinary phone', 'transport=tcp;line=1', { kind: 'none' }],
    ['app-id alone', 'app-id=x', { kind: 'none' }],
    ['Linphone extras alone', 'pn-silent=1;pn-timeout=0', { kind: 'none' }],
  ])('%s', (_, params, expected) => {
    expect(pushParamsOf(`sip:a@h;${params}`)).toEqual(expected);
  });

  it.each([
    ['a token without a provider', 'pn-prid=t', 'pn-prid without pn-provider'],
    ['Apple without an app', 'pn-provider=apns;pn-prid=a%3Avoip', 'pn-param is missing'],
    ['FCM without a project', 'pn-provider=fcm;pn-prid=t', 'pn-param is missing'],
    [
      'a token without a service where the app has two',
      'pn-provider=apns;pn-param=T.b.voip&remote;pn-prid=a',
      'pn-prid does not say which service its token is for',
    ],
    [
      'a single service that does not match',
      'pn-provider=apns;pn-param=T.b.voip;pn-prid=a:remote',
      'services in pn-param and pn-prid differ',
    ],
    [
      'the same service twice',
      'pn-provider=apns;pn-param=T.b.voip&voip;pn-prid=a:voip&b:voip',
      'pn-prid names one service twice',
    ],
    ['an unknown service', 'pn-provider=apns;pn-param=T.b;pn-prid=a:watch', 'pn-prid names an unknown service'],
    [
      'a line end in a token',
      'pn-provider=fcm;pn-param=p;pn-prid=a%0d%0ab',
      'pn-prid is empty, too long or has forbidden characters',
    ],
    [
      'a blank in a token',
      'pn-provider=fcm;pn-param=p;pn-prid=a b',
      'pn-prid is empty, too long or has forbidden characters',
    ],
    [
      'a token that is not ASCII',
      'pn-provider=fcm;pn-param=p;pn-prid=%C3%A9',
      'pn-prid is empty, too long or has forbidden characters',
    ],
    [
      'a token of 2049',
      `pn-provider=fcm;pn-param=p;pn-prid=${'x'.repeat(2049)}`,
      'pn-prid is empty, too long or has forbidden characters',
    ],
    [
      'a pair of empty tokens',
      'pn-provider=apns;pn-param=T.b.voip&remote;pn-prid=:voip&:remote',
      'pn-prid is empty, too long or has forbidden characters',
    ],
    ['a provider with a slash', 'pn-provider=../x;pn-prid=t', 'pn-provider has forbidden characters'],
    ['a provider of 33', `pn-provider=${'x'.repeat(33)};pn-prid=t`, 'pn-provider has forbidden characters'],
    ['web push to no URL', 'pn-provider=webpush;pn-prid=push', 'pn-prid is not the URL of a push endpoint'],
    [
      'web push to a file',
      'pn-provider=webpush;pn-prid=file:///etc/passwd',
      'pn-prid is not the URL of a push endpoint',
    ],
    [
      'web push with credentials',
      'pn-provider=webpush;pn-prid=https://u%3Ap%40h/x',
      'pn-prid is not the URL of a push endpoint',
    ],
    ['legacy without an app', 'pn-type=apple;pn-tok=x', 'app-id is missing'],
    ['legacy without a type', 'app-id=x;pn-tok=x', 'pn-tok without pn-type'],
  ])('%s cannot be read', (_, params, reason) => {
    expect(pushParamsOf(`sip:a@h;${params}`)).toEqual({ kind: 'unreadable', reason });
  });

  it('text that is no SIP URI cannot be read', () => {
    expect(pushParamsOf('tel:1;pn-provider=fcm').kind).toBe('unreadable');
    expect(pushParamsOf(`sip:a@h;pn-prid=${'x'.repeat(5000)}`).kind).toBe('unreadable');
  });

  it('a token of 2048 can', () => {
    expect(pushParamsOf(`sip:a@h;pn-provider=fcm;pn-param=p;pn-prid=${'x'.repeat(2048)}`).kind).toBe('push');
  });

  it('does not show a token to anybody who prints the result', () => {
    const result = pushParamsOf('sip:a@h;pn-provider=fcm;pn-param=p;pn-prid=SECRET');
    expect(JSON.stringify(result)).not.toContain('SECRET');
  });
});

describe('taking the push parameters out', () => {
  it.each([
    [
      'all of them, wherever they stand',
      'sip:a@h:1;pn-prid=t;transport=tls;pn-provider=fcm;Pn-Silent=1;x=y',
      'sip:a@h:1;transport=tls;x=y',
    ],
    ['legacy app-id too', 'sip:a@h;app-id=x;pn-tok=y;ob', 'sip:a@h;ob'],
    ['an escaped name', 'sip:a@h;%70N-prid=t', 'sip:a@h'],
    ['blanks around the name', 'sip:a@h; pn-prid =t;x', 'sip:a@h;x'],
    [
      'what only looks alike stays',
      'sip:pn-prid@pn-host;xpn-prid=1;x=pn-prid',
      'sip:pn-prid@pn-host;xpn-prid=1;x=pn-prid',
    ],
    ['behind a ? as well', 'sip:a@h;x=1?y;pn-prid=t', 'sip:a@h;x=1?y'],
    ['an endpoint nobody escaped goes whole', 'sip:a@h;pn-prid=https://p/x?a=1&b=2;z', 'sip:a@h;z'],
    ['no parameters', 'sip:a@h', 'sip:a@h'],
    ['empty ones stay', 'sip:a@h;;x;', 'sip:a@h;;x;'],
    ['no SIP URI', 'nonsense;pn-prid=t', 'nonsense;pn-prid=t'],
  ])('%s', (_, uri, expected) => {
    expect(stripPushParams(uri)).toBe(expected);
  });

  const param = fc.oneof(
    fc.constantFrom(
      'pn-prid=t',
      'PN-PROVIDER=fcm',
      'pn-',
      '%70n-x=1',
      'app-id=y',
      'pn-param',
      'transport=tcp',
      'ob',
      '',
      'line=a%3Bb',
      'x=pn-y',
    ),
    fc.string({ unit: 'grapheme-ascii' }),
  );
  const uri = fc.array(param, { maxLength: 12 }).map((p) => ['sip:1001@h:5060', ...p].join(';'));

  it('leaves none behind, changes nothing when done twice, and keeps the rest in order', () => {
    fc.assert(
      fc.property(uri, (text) => {
        const once = stripPushParams(text);
        const names = (parseSipUri(once)?.params ?? []).map((p) =>
          decodeURIComponent(
            p.name.replaceAll(/%(?![0-9a-f]{2})/gi, '%25').replaceAll(/%[89a-f]/gi, '%4'),
          ).toLowerCase(),
        );
        expect(names.filter((n) => n.startsWith('pn-') || n === 'app-id')).toEqual([]);
        expect(stripPushParams(once)).toBe(once);
        const rest = once.split(';');
        expect(
          text
            .split(';')
            .filter((s) => rest.includes(s))
            .join(';'),
        ).toBe(once);
      }),
    );
  });

  it('reading and stripping never throw', () => {
    fc.assert(
      fc.property(fc.oneof(uri, fc.string({ unit: 'binary' })), (text) => {
        pushParamsOf(text);
        stripPushParams(text);
      }),
    );
  });
});

describe('a phone that comes back at another address', () => {
  const said = `;pn-provider=apns;pn-param=TEAM.b.c.voip;pn-prid=${VOIP}:voip`;

  it('says what it said before, and is known by it', () => {
    expect(pushParamsOf(`sip:1001@192.0.2.9:40002${said}`)).toBe(pushParamsOf(`sips:1001@[2001:db8::1]:40001${said}`));
  });

  it.each<[what: string, uri: string, app?: string]>([
    ['another app', `sip:1@h${said.replace('pn-param=TEAM.b.c.voip;', '')}`, 'other.app'],
    ['what looks like parameters, in front of the @', `sip:1${said}@h`],
    ['no SIP URI', `tel:1@h${said}`],
  ])('%s is something else', (_, uri, app) => {
    expect(pushParamsOf(uri, app)).not.toEqual(pushParamsOf(`sip:1@h${said}`));
  });
});
