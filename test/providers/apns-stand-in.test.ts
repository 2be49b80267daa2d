/** The stand-in is only worth something if it refuses what Apple refuses. A bare HTTP/2 client makes each mistake once. */
import { sign } from 'node:crypto';
import { type ClientHttp2Session, connect } from 'node:http2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ApnsStandIn, makeP8Key, startApnsStandIn } from '../support/apns-stand-in/index.ts';

const VOIP = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);
const NOW_S = 1_800_000_000;
const ID = '11111111-2222-4333-8444-555555555555';

let apns: ApnsStandIn;
let session: ClientHttp2Session;
let nowS: number;

beforeEach(async () => {
  nowS = NOW_S;
  const apps = [{}, { bundleId: 'com.example.two' }, { teamId: 'OTHERTEAM1', keyId: 'KEY7654321' }];
  apns = await startApnsStandIn({ apps, now: () => nowS * 1_000 });
  apns.register(VOIP, { voip: true });
  apns.register(OTHER);
  session = open();
});
afterEach(async () => {
  session.destroy();
  await apns.close();
});

function open(): ClientHttp2Session {
  const { address, port, ca } = apns.endpoint;
  const opened = connect(`https://${address}:${port}`, { ca });
  opened.on('error', () => {});
  return opened;
}

function jwt(over: { key?: string; head?: object; claims?: object } = {}): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const head = part({ alg: 'ES256', kid: 'KEY1234567', ...over.head });
  const claims = part({ iss: 'TEAM123456', iat: nowS, ...over.claims });
  const key = over.key ?? apns.apps[0]?.key ?? '';
  const signature = sign('sha256', Buffer.from(`${head}.${claims}`), { key, dsaEncoding: 'ieee-p1363' });
  return `bearer ${head}.${claims}.${signature.toString('base64url')}`;
}

interface Answer {
  readonly status: number;
  readonly reason?: string;
  readonly timestamp?: number;
  readonly id?: unknown;
}

function post(headers: Record<string, string | undefined>, body: string, on = session): Promise<Answer> {
  const given = Object.entries(headers).filter(([, value]) => value !== undefined);
  return new Promise((done, fail) => {
    const stream = on.request({ ':method': 'POST', ...Object.fromEntries(given) });
    let head: { status: number; id: unknown } = { status: 0, id: undefined };
    let text = '';
    stream.on('response', (answer) => {
      head = { status: Number(answer[':status']), id: answer['apns-id'] };
    });
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      text += chunk;
    });
    stream.on('end', () => done({ ...head, ...(text !== '' && JSON.parse(text)) }));
    stream.on('error', fail);
    stream.end(body);
  });
}

const call = () => ({
  ':path': `/3/device/${VOIP}`,
  authorization: jwt(),
  'apns-topic': 'com.example.phone.voip',
  'apns-push-type': 'voip',
  'apns-priority': '10',
  'apns-expiration': `${NOW_S + 30}`,
  'apns-id': ID,
});
const silent = () => ({
  ...call(),
  ':path': `/3/device/${OTHER}`,
  'apns-topic': 'com.example.phone',
  'apns-push-type': 'background',
  'apns-priority': '5',
});
const alert = () => ({ ...silent(), 'apns-push-type': 'alert', 'apns-priority': '10' });
const BACKGROUND = '{"aps":{"content-available":1}}';
const ALERT = '{"aps":{"alert":{"body":"hello"}}}';

describe('the APNs stand-in', () => {
  it('takes what is right (control)', async () => {
    const { authorization } = call();
    expect(await post({ ...call(), authorization }, '{}')).toEqual({ status: 200, id: ID });
    expect(await post({ ...silent(), authorization }, BACKGROUND)).toMatchObject({ status: 200 });
    expect(await post({ ...alert(), authorization, 'apns-id': undefined }, ALERT)).toMatchObject({
      status: 200,
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(apns.pushes.map(({ pushType }) => pushType)).toEqual(['voip', 'background', 'alert']);
    expect(apns.complaints).toEqual([]);
  });

  const wrong: readonly [string, () => Record<string, string | undefined>, string, number, string][] = [
    ['another method', () => ({ ...call(), ':method': 'PUT' }), '{}', 405, 'MethodNotAllowed'],
    ['another path', () => ({ ...call(), ':path': `/2/device/${VOIP}` }), '{}', 404, 'BadPath'],
    ['no token', () => ({ ...call(), ':path': '/3/device/' }), '{}', 400, 'MissingDeviceToken'],
    ['a token that is not hex', () => ({ ...call(), ':path': '/3/device/xyz' }), '{}', 400, 'BadDeviceToken'],
    ['a token nobody has', () => ({ ...call(), ':path': `/3/device/${'c'.repeat(64)}` }), '{}', 400, 'BadDeviceToken'],
    [
      'the VoIP token for an alert',
      () => ({ ...alert(), ':path': `/3/device/${VOIP}` }),
      ALERT,
      400,
      'DeviceTokenNotForTopic',
    ],
    [
      "another app's topic",
      () => ({ ...call(), 'apns-topic': 'com.example.two.voip' }),
      '{}',
      400,
      'DeviceTokenNotForTopic',
    ],
    ['a topic of nobody', () => ({ ...call(), 'apns-topic': 'com.example.none.voip' }), '{}', 400, 'TopicDisallowed'],
    ['no topic', () => ({ ...call(), 'apns-topic': undefined }), '{}', 400, 'MissingTopic'],
    ['voip without .voip', () => ({ ...call(), 'apns-topic': 'com.example.phone' }), '{}', 400, 'BadTopic'],
    ['.voip without voip', () => ({ ...alert(), 'apns-topic': 'com.example.phone.voip' }), ALERT, 400, 'BadTopic'],
    ['no push type', () => ({ ...call(), 'apns-push-type': undefined }), '{}', 400, 'InvalidPushType'],
    ['a priority of 7', () => ({ ...call(), 'apns-priority': '7' }), '{}', 400, 'BadPriority'],
    ['background with priority 10', () => ({ ...silent(), 'apns-priority': '10' }), BACKGROUND, 400, 'BadPriority'],
    [
      'an expiration that is a date',
      () => ({ ...call(), 'apns-expiration': '2026-01-01' }),
      '{}',
      400,
      'BadExpirationDate',
    ],
    [
      'an expiration in milliseconds',
      () => ({ ...call(), 'apns-expiration': `${NOW_S}000` }),
      '{}',
      400,
      'BadExpirationDate',
    ],
    [
      'a collapse id of 65 bytes',
      () => ({ ...alert(), 'apns-collapse-id': 'x'.repeat(65) }),
      ALERT,
      400,
      'BadCollapseId',
    ],
    ['an id that is no UUID', () => ({ ...call(), 'apns-id': '17' }), '{}', 400, 'BadMessageId'],
    ['nothing', call, '', 400, 'PayloadEmpty'],
    ['no JSON', call, 'hello', 400, 'PayloadEmpty'],
    ['5121 bytes by voip', call, `{"a":"${'x'.repeat(5_121 - 8)}"}`, 413, 'PayloadTooLarge'],
    ['4097 bytes by alert', alert, `{"aps":{"alert":"${'x'.repeat(4_097 - 19)}"}}`, 413, 'PayloadTooLarge'],
    ['an alert without a text', alert, BACKGROUND, 400, 'InvalidPushType'],
    ['background with a text', silent, '{"aps":{"content-available":1,"alert":"x"}}', 400, 'InvalidPushType'],
    ['background with a sound', silent, '{"aps":{"content-available":1,"sound":"x"}}', 400, 'InvalidPushType'],
    ['background without content-available', silent, '{"aps":{}}', 400, 'InvalidPushType'],
    ['no signature', () => ({ ...call(), authorization: undefined }), '{}', 403, 'MissingProviderToken'],
    [
      'a signature that is no JWT',
      () => ({ ...call(), authorization: 'bearer x.y.z' }),
      '{}',
      403,
      'InvalidProviderToken',
    ],
    [
      'a signature by another key',
      () => ({ ...call(), authorization: jwt({ key: makeP8Key() }) }),
      '{}',
      403,
      'InvalidProviderToken',
    ],
    [
      'an unknown kid',
      () => ({ ...call(), authorization: jwt({ head: { kid: 'X' } }) }),
      '{}',
      403,
      'InvalidProviderToken',
    ],
    [
      'an unknown team',
      () => ({ ...call(), authorization: jwt({ claims: { iss: 'X' } }) }),
      '{}',
      403,
      'InvalidProviderToken',
    ],
    [
      'another algorithm',
      () => ({ ...call(), authorization: jwt({ head: { alg: 'none' } }) }),
      '{}',
      403,
      'InvalidProviderToken',
    ],
    [
      'an iat in milliseconds',
      () => ({ ...call(), authorization: jwt({ claims: { iat: NOW_S * 1_000 } }) }),
      '{}',
      403,
      'InvalidProviderToken',
    ],
    [
      'an iat more than an hour old',
      () => ({ ...call(), authorization: jwt({ claims: { iat: NOW_S - 3_601 } }) }),
      '{}',
      403,
      'ExpiredProviderToken',
    ],
  ];
  it.each(wrong)('refuses %s', async (_, headers, body, status, reason) => {
    expect(await post(headers(), body)).toMatchObject({ status, reason });
    expect(apns.pushes).toEqual([]);
    expect(apns.complaints).toHaveLength(1);
  });

  it('refuses a second signature within 20 minutes and takes it after', async () => {
    expect(await post(call(), '{}')).toMatchObject({ status: 200 });
    nowS += 1_199;
    const second = call();
    expect(await post(second, '{}')).toMatchObject({ status: 429, reason: 'TooManyProviderTokenUpdates' });
    nowS += 1;
    expect(await post(second, '{}')).toMatchObject({ status: 200 });
  });

  it('refuses a second team on one connection', async () => {
    await post(call(), '{}');
    const key = apns.apps[2]?.key ?? '';
    const authorization = jwt({ key, head: { kid: 'KEY7654321' }, claims: { iss: 'OTHERTEAM1' } });
    expect(await post({ ...call(), authorization }, '{}')).toMatchObject({
      status: 403,
      reason: 'InvalidProviderToken',
    });
    const another = open();
    expect(await post({ ...call(), authorization }, '{}', another)).toMatchObject({ status: 200 });
    another.destroy();
  });

  it('says since when a device is gone', async () => {
    apns.unregister(VOIP, 1_700_000_000_000);
    expect(await post(call(), '{}')).toMatchObject({
      status: 410,
      reason: 'Unregistered',
      timestamp: 1_700_000_000_000,
    });
  });

  it('wakes whoever listens, once for each push taken', async () => {
    const heard: string[] = [];
    const stop = apns.onPush(VOIP.toUpperCase(), ({ json }) => heard.push(json));
    const headers = call();
    await post(headers, '{"n":1}');
    await post({ ...headers, 'apns-topic': 'com.example.phone' }, '{"n":2}');
    stop();
    await post(headers, '{"n":3}');
    expect(heard).toEqual(['{"n":1}']);
    expect(apns.pushes).toHaveLength(2);
  });

  it('follows its script, then is itself again', async () => {
    apns.next({ status: 503, reason: 'ServiceUnavailable', headers: { 'retry-after': '3' } }, 2);
    apns.next({ delayMs: 1 });
    const headers = call();
    const answers = [];
    for (let i = 0; i < 4; i++) answers.push((await post(headers, '{}')).status);
    expect(answers).toEqual([503, 503, 200, 200]);
  });
});
