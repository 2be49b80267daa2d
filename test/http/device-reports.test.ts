/** What apps tell over HTTP, from the request to the stored binding: the routes over a real runtime with a store in memory. */
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Aor, parseAor } from '../../plugin/core/aor.ts';
import { type AorRecord, type Binding, type BindingId, isLive, type Target } from '../../plugin/core/binding.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type { DeviceOptions } from '../../plugin/http/account.ts';
import { accountKey } from '../../plugin/http/account-key.ts';
import { acrobitsRoutes } from '../../plugin/http/acrobits.ts';
import { acrobitsXml } from '../../plugin/http/acrobits-xml.ts';
import { deviceRoutes } from '../../plugin/http/devices.ts';
import { build, openapiRoute } from '../../plugin/http/listener.ts';
import type { PushRequest } from '../../plugin/ports/push-provider.ts';
import { Reports } from '../../plugin/runtime/bindings/app-reports.ts';
import { Bindings } from '../../plugin/runtime/bindings/records.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { intakeOver } from '../support/intake.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const SECRET = 'a-secret-of-the-tests-0123456789';
const AOR = parseAor('1001@example.com') as Aor;
const KEY = accountKey(SECRET, AOR);
const DESK = 'sip:1001@192.0.2.9:5060';
const TOKENS = {
  selector: 'SEL:1',
  installid: 'install-1',
  pushTokenIncomingCall: 'calls+token/of=',
  pushappid_incoming_call: 'com.example.voip',
  pushTokenOther: 'other+token/of=',
  pushappid_other: 'com.example',
};

let clock: FakeClock;
let log: RecordedLog;
let reports: Reports;
let bindings: Bindings;
let server: FastifyInstance;

beforeEach(async () => {
  clock = new FakeClock();
  log = new RecordedLog();
  const store = new MemoryStore();
  await store.open();
  bindings = new Bindings({ store, clock, log, policyFor: () => () => DEFAULT_POLICY, onEffects: () => undefined });
  let id = 0;
  const newId = () => `${id++}`.padStart(16, '0');
  const intake = intakeOver({ records: bindings, clock, log, newId });
  const remembered = (aor: Aor) => bindings.remembered(aor);
  reports = new Reports({ clock, intake, read: (aor) => bindings.read(aor), remembered, newId });
  server = await serve();
});
afterEach(async () => {
  await server.close();
  await bindings.stop();
});

function serve(change: Partial<DeviceOptions> = {}): Promise<FastifyInstance> {
  const about: DeviceOptions = {
    reports,
    secret: SECRET,
    serves: (aor) => aor.endsWith('@example.com'),
    services: new Set(['pnm', 'apns']),
    ...change,
  };
  const routes = [acrobitsRoutes(about), deviceRoutes(about), openapiRoute];
  return build({
    name: 'devices',
    title: 'devices',
    version: '0',
    ratePerMinute: 0,
    maxConnections: 1_000,
    routes,
    log,
    clock,
  });
}

const json = (path: string, body: object) =>
  server.inject({ method: 'POST', url: `/v1/acrobits/${path}`, payload: body });
const told = (change: object = {}) => json('token', { account: AOR, key: KEY, ...TOKENS, ...change });
const record = () => bindings.read(AOR);
/** The account registers, as the runtime tells it. */
async function register(uri = DESK): Promise<void> {
  const at = clock.now();
  await reports.registered(AOR, uri, at);
  await bindings.apply(AOR, {
    type: 'ContactSeen',
    live: true,
    binds: true,
    at,
    newId: 'ffffffffffffffff' as BindingId,
    contact: { pbx: 'office', uri },
  });
}
const tokensOf = (r: AorRecord | undefined) =>
  r?.bindings.map(({ targets: { call, other } }) => [call?.token.reveal(), other?.token.reveal()]);
const PAIR = [TOKENS.pushTokenIncomingCall, TOKENS.pushTokenOther];

describe('the token reporter of Acrobits', () => {
  it('binds the device once the account has registered, in either order', async () => {
    expect((await told()).statusCode).toBe(200);
    expect((await record())?.bindings.filter(isLive)).toEqual([]);
    await register();
    expect(tokensOf(await record())).toEqual([PAIR]);
    const aor = parseAor('1002@example.com') as Aor;
    await reports.registered(aor, DESK, clock.now());
    await clock.advance(MINUTE);
    await told({ account: aor, key: accountKey(SECRET, aor) });
    expect((await bindings.read(aor))?.bindings[0]).toMatchObject({
      reportedAt: clock.now(),
      evidence: { installId: 'install-1' },
      targets: {
        call: { provider: 'pnm', app: 'com.example.voip', selector: 'SEL:1' },
        other: { provider: 'pnm', app: 'com.example', selector: 'SEL:1' },
      },
    });
  });

  const asForm = (body: object) => new URLSearchParams(body as Record<string, string>).toString();
  const ours = { account: AOR, key: KEY };
  const forms: readonly [string, object][] = [
    ['JSON', { method: 'POST', payload: { ...ours, ...TOKENS } }],
    [
      'a form',
      {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        payload: asForm({ ...ours, ...TOKENS }),
      },
    ],
    [
      'a form whose "+" nobody escaped',
      {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        payload: asForm({ ...ours, ...TOKENS }).replaceAll('%2B', '+'),
      },
    ],
    ['GET', { method: 'GET', query: { ...ours, ...TOKENS } }],
    [
      'JSON said to be text',
      { method: 'POST', headers: { 'content-type': 'text/plain' }, payload: JSON.stringify({ ...ours, ...TOKENS }) },
    ],
    ['JSON, the account in the query', { method: 'POST', query: ours, payload: TOKENS }],
    [
      'the names of other servers',
      {
        method: 'POST',
        payload: {
          ...ours,
          SELECTOR: TOKENS.selector,
          install_id: TOKENS.installid,
          token_calls: TOKENS.pushTokenIncomingCall,
          token_msgs: TOKENS.pushTokenOther,
          appId_calls: TOKENS.pushappid_incoming_call,
          appId_msgs: TOKENS.pushappid_other,
        },
      },
    ],
  ];
  it.each(forms)('reads %s', async (_, request) => {
    await register();
    expect((await server.inject({ url: '/v1/acrobits/token', ...request })).statusCode).toBe(200);
    expect(tokensOf(await record())).toEqual([PAIR]);
    expect((await record())?.bindings[0]?.targets.call).toMatchObject({ app: 'com.example.voip', selector: 'SEL:1' });
  });

  it('takes one pair for both, and variables an app does not know for nothing', async () => {
    await register();
    await told({
      pushTokenIncomingCall: '%pushTokenIncomingCall%',
      pushTokenOther: '',
      pushToken: 'only-one',
      pushappid: 'com.example.android',
    });
    expect(tokensOf(await record())).toEqual([['only-one', 'only-one']]);
  });

  it('guesses nothing from a token for calls alone', async () => {
    await register();
    await told({ pushTokenOther: '', pushToken: 'calls+token/of=', pushappid: 'com.example' });
    expect(tokensOf(await record())).toEqual([[TOKENS.pushTokenIncomingCall, undefined]]);
  });

  it('renews: the week starts anew', async () => {
    await register();
    await told();
    const before = (await record())?.bindings[0]?.endsAt ?? 0;
    await clock.advance(120 * MINUTE);
    await register();
    await told();
    expect((await record())?.bindings[0]?.endsAt).toBe(before + 120 * MINUTE);
  });

  it('changes nothing when it is forged, of another account, or told again', async () => {
    await register();
    await told();
    const before = await record();
    const other = parseAor('1002@example.com') as Aor;
    const stolen = { pushTokenIncomingCall: 'thief', pushTokenOther: 'thief' };
    const wrong: [string, object][] = [
      ['no key', { key: '' }],
      ['a wrong key', { key: `${KEY.slice(0, -1)}${KEY.endsWith('A') ? 'B' : 'A'}` }],
      ["another account's key", { key: accountKey(SECRET, other) }],
      ['a key of another secret', { key: accountKey('another-secret-0123456789', AOR) }],
      ['a key of a megabyte', { key: 'x'.repeat(10_000) }],
      ['no account', { account: '' }],
      ['an account that is none', { account: '../1001@example.com' }],
      ['a realm that is not ours', { account: '1001@example.org', key: accountKey(SECRET, '1001@example.org' as Aor) }],
      ['its own account in other letters', { account: '1001@EXAMPLE.COM', key: 'x' }],
    ];
    for (const [what, change] of wrong) {
      const answer = await told({ ...stolen, ...change });
      expect([what, answer.statusCode, answer.body]).toEqual([what, 403, expect.not.stringContaining('thief')]);
    }
    await told();
    expect(await record()).toEqual(before);
  });

  it('an old report told again brings no old token back', async () => {
    await register();
    await told();
    await clock.advance(MINUTE);
    await register();
    await told({ pushTokenIncomingCall: 'new-calls', pushTokenOther: 'new-other' });
    const before = await record();
    expect(tokensOf(before)).toEqual([['new-calls', 'new-other']]);
    await told();
    await clock.advance(SECOND);
    await register();
    expect(tokensOf(await record())).toEqual([['new-calls', 'new-other']]);
  });

  it('is refused when it is too large or malformed', async () => {
    await register();
    const before = await record();
    const refused: [number, object][] = [
      [400, { pushTokenOther: 'x'.repeat(2_049) }],
      [400, { pushTokenOther: 'ž' }],
      [400, { pushappid_other: 'a b' }],
      [400, { selector: `SEL\n${'x'.repeat(300)}` }],
      [400, { pushTokenIncomingCall: '', pushTokenOther: '' }],
      [400, { pushappid_incoming_call: '', pushappid_other: '' }],
      [413, { pushTokenOther: 'x'.repeat(20_000) }],
    ];
    for (const [status, change] of refused) {
      const answer = await told(change);
      expect([JSON.stringify(change).slice(0, 60), answer.statusCode]).toEqual([expect.anything(), status]);
    }
    const raw = (payload: string, type = 'application/json') =>
      server.inject({ method: 'POST', url: '/v1/acrobits/token', headers: { 'content-type': type }, payload });
    for (const text of ['{', '[]', 'null', '"x"', '{"account":{"toString":1},"key":[]}', '{"__proto__":{"key":"x"}}']) {
      expect((await raw(text)).statusCode, text).toBeGreaterThanOrEqual(400);
    }
    expect((await raw('%%%', 'application/octet-stream')).statusCode).toBe(403);
    expect(await record()).toEqual(before);
  });

  it('is told not to tell so much', async () => {
    const codes: number[] = [];
    for (let i = 0; i < 32; i++) codes.push((await told()).statusCode);
    expect(codes).toEqual([...Array(30).fill(200), 429, 429]);
    await clock.advance(MINUTE);
    expect((await told()).statusCode).toBe(200);
  });

  it('needs the push service', async () => {
    await server.close();
    server = await serve({ services: new Set(['apns']) });
    expect((await told()).statusCode).toBe(503);
  });
});

describe('the removal reporter of Acrobits', () => {
  it('ends the binding at once, and only with the key', async () => {
    await register();
    await told();
    expect((await json('removed', { account: AOR, key: 'wrong', ...TOKENS })).statusCode).toBe(403);
    expect((await record())?.bindings).toHaveLength(1);
    expect((await json('removed', { account: AOR, key: KEY, ...TOKENS })).statusCode).toBe(200);
    expect(await record()).toMatchObject({ bindings: [], tombstones: [{ reason: 'removed' }] });
  });

  it('of a device nobody knows does nothing, and one that names none is refused', async () => {
    await register();
    await told();
    await json('removed', { account: AOR, key: KEY, installid: 'install-2' });
    expect((await record())?.bindings).toHaveLength(1);
    expect((await json('removed', { account: AOR, key: KEY })).statusCode).toBe(400);
  });
});

describe('the receipt of a push', () => {
  const push = (token = TOKENS.pushTokenIncomingCall) =>
    ({
      aor: AOR,
      purpose: 'call',
      pushId: '7a1d1f3e-5a3c-4f0e-9a55-0d6f1c2b3a49',
      target: (tokens.get(token) as NonNullable<unknown>) ?? undefined,
    }) as unknown as PushRequest;
  const tokens = new Map<string, unknown>();
  const received = (change: object = {}) =>
    json('received', { account: AOR, key: KEY, installid: 'install-1', ...change });
  const endsAt = async () => (await record())?.bindings[0]?.endsAt ?? 0;

  beforeEach(async () => {
    await register();
    await told();
    const { call, other } = (await record())?.bindings[0]?.targets ?? {};
    tokens.set(TOKENS.pushTokenIncomingCall, call).set(TOKENS.pushTokenOther, other);
  });

  it('renews once for each push that was sent', async () => {
    const first = await endsAt();
    await clock.advance(180 * MINUTE);
    await received();
    expect(await endsAt(), 'nothing was sent').toBe(first);
    reports.pushed(push());
    await received();
    expect(await endsAt()).toBe(first + 180 * MINUTE);
    await clock.advance(180 * MINUTE);
    await received();
    expect(await endsAt(), 'told again').toBe(first + 180 * MINUTE);
  });

  it('without a name means the only device of the account', async () => {
    const first = await endsAt();
    await clock.advance(180 * MINUTE);
    reports.pushed(push());
    await received({ installid: '%installid%' });
    expect(await endsAt()).toBe(first + 180 * MINUTE);
  });

  it('without a name means none of two', async () => {
    await told({ installid: 'install-2', pushTokenIncomingCall: 'second', pushTokenOther: 'second-other' });
    const first = await endsAt();
    await clock.advance(180 * MINUTE);
    reports.pushed(push());
    await received({ installid: '' });
    expect(await endsAt()).toBe(first);
    await received();
    expect(await endsAt()).toBe(first + 180 * MINUTE);
  });

  it.each([
    [15 * SECOND, true],
    [15 * SECOND + 1, false],
  ])('or its only device registers %i ms after its push', async (ms, renews) => {
    const first = await endsAt();
    await clock.advance(180 * MINUTE);
    reports.pushed(push());
    await clock.advance(ms);
    await register();
    expect(await endsAt()).toBe(renews ? first + 180 * MINUTE + ms : first);
  });

  it('nor does it where the account has two such devices: nobody knows which one it was', async () => {
    await told({ installid: 'install-2', pushTokenIncomingCall: 'second', pushTokenOther: 'second-other' });
    const first = await endsAt();
    await clock.advance(180 * MINUTE);
    reports.pushed(push());
    await reports.registered(AOR, DESK, clock.now());
    expect(await endsAt()).toBe(first);
  });

  it('a phone that registers and says who it is proves nothing of another', async () => {
    const first = await endsAt();
    await clock.advance(180 * MINUTE);
    reports.pushed(push());
    await reports.registered(AOR, `${DESK};pn-provider=fcm;pn-param=p;pn-prid=t`, clock.now());
    expect(await endsAt()).toBe(first);
  });
});

describe('the device API', () => {
  const url = (aor: string = AOR, install = 'install-0001') => `/v1/devices/${encodeURIComponent(aor)}/${install}`;
  const bearer = { authorization: `Bearer ${KEY}` };
  const voip = { provider: 'apns', app: 'TEAM123456.com.example.phone', token: 'a'.repeat(64) };
  const put = (payload: object, headers: object = bearer, at = url()) =>
    server.inject({ method: 'PUT', url: at, headers: headers as Record<string, string>, payload });

  it('tells, renews, confirms and takes back', async () => {
    await register();
    expect(
      (await put({ call: voip, other: { ...voip, token: 'b'.repeat(64), environment: 'sandbox' } })).statusCode,
    ).toBe(204);
    expect((await record())?.bindings[0]).toMatchObject({
      evidence: { installId: 'install-0001' },
      targets: { call: { provider: 'apns' }, other: { environment: 'sandbox' } },
    });
    const got = { method: 'POST' as const, url: `${url()}/received`, headers: bearer };
    expect((await server.inject(got)).statusCode).toBe(204);
    expect((await server.inject({ method: 'DELETE', url: url(), headers: bearer })).statusCode).toBe(204);
    expect((await record())?.bindings).toEqual([]);
  });

  describe('a receipt', () => {
    const confirm = (payload?: object) =>
      server.inject({
        method: 'POST',
        url: `${url()}/received`,
        headers: bearer,
        ...(payload === undefined ? {} : { payload }),
      });
    const ids = ['1', '2', '3', '4'].map((n) => `${n.repeat(8)}-5a3c-4f0e-9a55-0d6f1c2b3a49`);
    const pushed = (pushId: string, more: Partial<PushRequest> = {}) =>
      reports.pushed({ aor: AOR, purpose: 'call', pushId, target: target(), ...more } as unknown as PushRequest);
    let binding: Binding;
    const target = () => binding.targets.call;
    const look = async () => (await record())?.bindings[0]?.signs;

    beforeEach(async () => {
      await register();
      await put({ call: voip });
      binding = (await record())?.bindings[0] as Binding;
    });

    it('says with which priority the push arrived: three times lower than it was sent, and the device is troubled', async () => {
      for (const [i, id] of ids.slice(0, 3).entries()) {
        pushed(id);
        expect((await confirm({ pushId: id, priority: 'normal', originalPriority: 'high' })).statusCode).toBe(204);
        expect((await look())?.lowered).toHaveLength(i + 1);
      }
      expect((await record())?.bindings[0]?.trouble?.cause).toBe('demoted');
    });

    it.each([
      ['high, as it was sent', { priority: 'high', originalPriority: 'high' }, 'call', undefined],
      ['normal, and was sent so', { priority: 'normal', originalPriority: 'normal' }, 'call', undefined],
      ['normal; how it was sent is remembered here', { priority: 'normal' }, 'call', [true]],
      ['normal, a refresh: that was sent so', { priority: 'normal' }, 'refresh', undefined],
      ['unknown to the phone', { priority: 'unknown', originalPriority: 'high' }, 'call', undefined],
      ['not said', {}, 'call', undefined],
    ] as const)('%s', async (_, said, purpose, lowered) => {
      pushed(ids[0] as string, { purpose } as Partial<PushRequest>);
      expect((await confirm(said)).statusCode).toBe(204);
      expect((await look())?.lowered).toEqual(lowered);
    });

    it('of a push that was never sent, or was confirmed before, changes nothing', async () => {
      await confirm({ pushId: ids[0], priority: 'normal', originalPriority: 'high' });
      pushed(ids[0] as string);
      await confirm({ pushId: ids[1], priority: 'normal', originalPriority: 'high' });
      expect(await look()).toBeUndefined();
      for (let i = 0; i < 3; i++) await confirm({ pushId: ids[0], priority: 'normal', originalPriority: 'high' });
      expect((await look())?.lowered).toEqual([true]);
    });

    it('says how long the push took, where it names it', async () => {
      const since = clock.now();
      for (const id of ids.slice(0, 2)) pushed(id);
      await clock.advance(12 * SECOND);
      await confirm({ pushId: ids[0] });
      const to = binding.targets.call as Target;
      expect(reports.receiptOf(AOR, to, since)).toEqual({ tookMs: 12 * SECOND });
      expect(reports.receiptOf(AOR, to, plus(since, 2 * SECOND))).toBe('none');
      expect(reports.receiptOf(AOR, { ...to, token: new Token('another') }, since)).toBe('none');
    });

    it('is refused, with the place and the expected form', async () => {
      const bad: [object, string][] = [
        [{ priority: 1 }, 'body.priority: must be equal to one of the allowed values'],
        [{ originalPriority: 'HIGH' }, 'body.originalPriority: must be equal to one of the allowed values'],
        [{ pushId: '../1' }, 'body.pushId: must match pattern'],
        [{ token: 'x' }, 'body: must NOT have additional properties'],
      ];
      for (const [body, expected] of bad) {
        const answer = await confirm(body);
        expect([answer.statusCode, answer.json().error]).toEqual([400, expect.stringContaining(expected)]);
      }
      expect((await confirm([])).statusCode).toBe(400);
      expect((await confirm()).statusCode).toBe(204);
    });
  });

  describe('the language of a device', () => {
    const language = async () => (await record())?.bindings[0]?.locale;

    it('is kept with the device, once the account has registered, and changes with the next report', async () => {
      await register();
      await put({ call: voip, locale: 'pt-BR' });
      expect(await language()).toBe('pt-BR');
      await put({ call: voip, locale: 'he_IL' });
      expect(await language()).toBe('he_IL');
      await put({ call: voip });
      expect(await language(), 'a report without one').toBe('he_IL');
      await register('sip:1001@192.0.2.9:5061');
      expect(await language(), 'a REGISTER').toBe('he_IL');
    });

    it('that is none is refused', async () => {
      for (const locale of ['', 'x', 'de;DROP', 'd'.repeat(36), 'ž', 5, `de-${'a'.repeat(9)}`, '../en', '%locale%']) {
        expect([locale, (await put({ call: voip, locale })).statusCode]).toEqual([locale, 400]);
      }
      expect((await put({ locale: 'de' })).json().error).toBe('body: expected call, other or both');
      expect(await record()).toBeUndefined();
    });
  });

  it('refuses what it does not know, with the place and the expected form', async () => {
    const bad: [object, string][] = [
      [{}, 'body: must NOT have fewer than 1 properties'],
      [{ call: { ...voip, provider: 'gcm' } }, 'body.call.provider: expected one of pnm, apns'],
      [{ call: { ...voip, token: 'a b' } }, 'body.call.token: must match pattern'],
      [{ call: { ...voip, token: 'x'.repeat(2_049) } }, 'body.call.token: must NOT have more than 2048 characters'],
      [{ call: { ...voip, password: 'x' } }, 'body.call: must NOT have additional properties'],
      [{ call: { ...voip, environment: 'prod' } }, 'body.call.environment: must be equal to one of the allowed values'],
    ];
    for (const [body, expected] of bad) {
      const answer = await put(body);
      expect([answer.statusCode, answer.json().error]).toEqual([400, expect.stringContaining(expected)]);
    }
    expect((await put({ call: voip }, bearer, url(AOR, 'short'))).statusCode).toBe(400);
    expect((await put({ call: voip }, {})).statusCode).toBe(403);
    expect((await put({ call: voip }, { authorization: 'Bearer wrong' })).statusCode).toBe(403);
    expect((await put({ call: voip }, bearer, url('1002@example.com'))).statusCode).toBe(403);
    expect(await record()).toBeUndefined();
  });

  it('is described by OpenAPI', async () => {
    const { paths } = (await server.inject({ method: 'GET', url: '/openapi.json' })).json();
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining(['/v1/devices/{aor}/{installId}', '/v1/acrobits/token', '/v1/acrobits/received']),
    );
    const body = (path: string, method: string) =>
      Object.keys(paths[path][method].requestBody.content['application/json'].schema.properties);
    expect(body('/v1/devices/{aor}/{installId}', 'put')).toEqual(['call', 'other', 'locale']);
    expect(body('/v1/devices/{aor}/{installId}/received', 'post')).toEqual(['pushId', 'priority', 'originalPriority']);
  });

  it('logs no token, whatever came', async () => {
    await register();
    await put({ call: voip });
    await told();
    expect(log.text()).not.toMatch(/a{64}|calls\+token/);
  });
});

describe('the Account XML', () => {
  it('is what the reporters read: filled in by an app, it binds', async () => {
    const xml = acrobitsXml('https://push.example.com/', SECRET, AOR);
    expect(xml).toContain('<pushTokenReporterUrl>https://push.example.com/v1/acrobits/token</pushTokenReporterUrl>');
    for (const [name, path] of [
      ['pushTokenReporter', 'token'],
      ['pushNotificationReporter', 'received'],
      ['accountRemovalReporter', 'removed'],
    ]) {
      const template = new RegExp(`<${name}PostData>(.*)</${name}PostData>`).exec(xml)?.[1] ?? '';
      // As the app does it: each variable it knows is put in.
      const filled = template
        .replaceAll('&amp;', '&')
        .replace(/%(\w+)%/g, (whole, v: string) => (TOKENS as Record<string, string>)[v] ?? whole);
      await register();
      const answer = await server.inject({
        method: 'POST',
        url: `/v1/acrobits/${path}`,
        headers: { 'content-type': 'application/json' },
        payload: filled,
      });
      expect([name, answer.statusCode]).toEqual([name, 200]);
      expect(tokensOf(await record())).toEqual(path === 'removed' ? [] : [PAIR]);
    }
  });

  it('is XML, whatever the URL', () => {
    expect(acrobitsXml('https://push.example.com/?a=1&b=<2>', SECRET, AOR)).toContain('?a=1&amp;b=&lt;2&gt;/v1');
  });
});
