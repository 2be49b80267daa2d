/** The stand-in is only worth something if it refuses what Google refuses. A bare HTTPS client makes each mistake once. */
import { sign } from 'node:crypto';
import { request } from 'node:https';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FcmStandIn, makeRsaKey, startFcmStandIn } from '../support/fcm-stand-in/index.ts';

const TOKEN = 'device:token';
const SEND = '/v1/projects/example-phone/messages:send';
const WRONG_KEY = makeRsaKey();

let fcm: FcmStandIn;
let bearer: string;

interface Answer {
  readonly status: number;
  readonly json: Record<string, unknown>;
}

function post(path: string, body: string, headers: Record<string, string> = {}, method = 'POST'): Promise<Answer> {
  const { address, port, ca } = fcm.endpoint;
  return new Promise((done, fail) => {
    const sent = request({ host: address, port, ca, path, method, headers, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('end', () => done({ status: answer.statusCode ?? 0, json: JSON.parse(text) }));
    });
    sent.on('error', fail);
    sent.end(body);
  });
}

function assertion(over: { key?: string; head?: object; claims?: object } = {}): string {
  const account = JSON.parse(fcm.apps[0]?.serviceAccount ?? '') as { client_email: string; private_key: string };
  const nowS = Math.floor(Date.now() / 1_000);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    iss: account.client_email,
    scope: 'https://www.googleapis.com/auth/firebase.messaging',
    aud: 'https://oauth2.googleapis.com/token',
    iat: nowS,
    exp: nowS + 3_600,
    ...over.claims,
  };
  const text = `${part({ alg: 'RS256', typ: 'JWT', ...over.head })}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(text), over.key ?? account.private_key).toString('base64url');
  return `grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=${text}.${signature}`;
}

const json = { 'content-type': 'application/json' };
const send = (body: unknown, path = SEND, headers: Record<string, string> = {}, method = 'POST') =>
  post(
    path,
    typeof body === 'string' ? body : JSON.stringify(body),
    { ...json, authorization: bearer, ...headers },
    method,
  );
const message = (over: object = {}) => ({ message: { token: TOKEN, data: { a: 'b' }, ...over } });
const words = ({ status, json: { error } }: Answer) => {
  const { details = [] } = error as { details?: { errorCode?: string; fieldViolations?: { field: string }[] }[] };
  return [status, details[0]?.errorCode, details[1]?.fieldViolations?.[0]?.field];
};

beforeEach(async () => {
  fcm = await startFcmStandIn([
    { projectId: 'example-phone', senderId: '123456789012' },
    { projectId: 'example-two', senderId: '210987654321' },
  ]);
  fcm.register(TOKEN);
  fcm.register('of-two', 'example-two');
  const { json: granted } = await post('/token', assertion());
  bearer = `Bearer ${granted.access_token}`;
});
afterEach(() => fcm.close());

describe('the FCM stand-in', () => {
  it('takes what is right (control)', async () => {
    const android = {
      priority: 'HIGH',
      ttl: '2419200s',
      collapse_key: 'k',
      notification: { tag: 't', channel_id: 'c' },
    };
    const notification = { title: 'a', body: 'b' };
    expect(await send(message({ android, notification }))).toMatchObject({
      status: 200,
      json: { name: expect.stringMatching(/^projects\/example-phone\/messages\//) },
    });
    expect(await send(message({ android: { ttl: '3.5s', priority: 'normal' } }))).toMatchObject({ status: 200 });
    expect(fcm.pushes).toMatchObject([
      { priority: 'HIGH', ttl: 2_419_200 },
      { priority: 'NORMAL', ttl: 3.5 },
    ]);
    expect(fcm.complaints).toEqual([]);
  });

  const wrong: readonly [string, unknown, string][] = [
    ['an unknown field', { ...message(), dry_run: true }, 'dry_run'],
    ['an unknown field of the message', message({ to: 'x' }), 'message.to'],
    ['an unknown field for Android', message({ android: { collapseKey: 'x' } }), 'message.android.collapseKey'],
    [
      'an unknown field of the notification',
      message({ android: { notification: { channelId: 'x' } } }),
      'message.android.notification.channelId',
    ],
    ['no message', {}, 'message'],
    ['no token', { message: { data: {} } }, 'message'],
    ['token and fid', { message: { token: 'x', fid: 'y' } }, 'message'],
    ['an id that is none', { message: { fid: 'y' } }, 'message.fid'],
    ['a token nobody has', { message: { token: 'x' } }, 'message.token'],
    ['a number in data', message({ data: { a: 1 } }), 'message.data[a]'],
    ['a reserved name in data', message({ data: { from: 'x' } }), 'message.data[from]'],
    ['a priority of Apple', message({ android: { priority: '10' } }), 'message.android.priority'],
    ['a ttl that is a number', message({ android: { ttl: 30 } }), 'message.android.ttl'],
    ['a ttl without its unit', message({ android: { ttl: '30' } }), 'message.android.ttl'],
    ['a ttl below zero', message({ android: { ttl: '-1s' } }), 'message.android.ttl'],
    ['a ttl over 28 days', message({ android: { ttl: '2419201s' } }), 'message.android.ttl'],
    ['4097 bytes', message({ data: { a: 'x'.repeat(4_097 - 17) } }), 'message'],
  ];
  it.each(wrong)('refuses %s', async (_, body, field) => {
    expect(words(await send(body))).toEqual([400, 'INVALID_ARGUMENT', field]);
    expect(fcm.pushes).toEqual([]);
    expect(fcm.complaints).toHaveLength(1);
  });

  it('takes 4096 bytes (control)', async () => {
    expect(await send(message({ data: { a: 'x'.repeat(4_096 - 17) } }))).toMatchObject({ status: 200 });
  });

  it('refuses what is no JSON', async () => {
    expect(await send('hello')).toMatchObject({ status: 400 });
    expect(await send(message(), SEND, { 'content-type': 'text/plain' })).toMatchObject({ status: 400 });
  });

  it('tells a project that is not there from an app that is gone, and both from another project', async () => {
    expect(words(await send(message(), '/v1/projects/nobody/messages:send'))).toEqual([404, undefined, undefined]);
    expect(words(await send(message(), '/v1/projects/example-phone/messages'))).toEqual([404, undefined, undefined]);
    expect(words(await send(message(), SEND, {}, 'PUT'))).toEqual([404, undefined, undefined]);
    expect(await send(message(), '/v1/projects/example-two/messages:send')).toMatchObject({
      status: 403,
      json: { error: { status: 'PERMISSION_DENIED' } },
    });
    expect(words(await send(message({ token: 'of-two' })))).toEqual([403, 'SENDER_ID_MISMATCH', undefined]);
    fcm.unregister(TOKEN);
    expect(words(await send(message()))).toEqual([404, 'UNREGISTERED', undefined]);
  });

  it('takes no access token but its own', async () => {
    const unauthenticated = { status: 401, json: { error: { status: 'UNAUTHENTICATED' } } };
    expect(await send(message(), SEND, { authorization: 'Bearer x' })).toMatchObject(unauthenticated);
    expect(await send(message(), SEND, { authorization: '' })).toMatchObject(unauthenticated);
    fcm.revokeTokens();
    expect(await send(message())).toMatchObject(unauthenticated);
  });

  it.each([
    ['by another key', { key: WRONG_KEY }],
    ['by another algorithm', { head: { alg: 'none' } }],
    ['of nobody', { claims: { iss: 'x' } }],
    ['for another audience', { claims: { aud: 'https://example.com' } }],
    ['for another scope', { claims: { scope: 'https://www.googleapis.com/auth/drive' } }],
    ['that has ended', { claims: { iat: 1_000, exp: 2_000 } }],
    ['that lasts too long', { claims: { exp: Math.floor(Date.now() / 1_000) + 90_000 } }],
  ])('gives no access token for an assertion %s', async (_, over) => {
    expect(await post('/token', assertion(over))).toMatchObject({ status: 400, json: { error: 'invalid_grant' } });
  });

  it('wakes whoever listens, and follows its script, then is itself again', async () => {
    const heard: string[] = [];
    const stop = fcm.onPush(TOKEN, ({ data }) => heard.push(data.a ?? ''));
    fcm.next({ status: 503, reason: 'UNAVAILABLE', headers: { 'retry-after': '3' } }, 2);
    const answers = [];
    for (let i = 0; i < 3; i++) answers.push((await send(message())).status);
    stop();
    await send(message());
    expect([answers, heard]).toEqual([[503, 503, 200], ['b']]);
  });
});
