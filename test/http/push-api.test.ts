/** The send API: who may use it, what it refuses, that one key sends once, and that nothing of a message is kept or logged. */
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AorRecord } from '../../plugin/core/binding.ts';
import type { Mode } from '../../plugin/core/policy.ts';
import { DAY, HOUR, MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import { guarded } from '../../plugin/http/admin.ts';
import { build, openapiRoute } from '../../plugin/http/listener.ts';
import { pushRoutes } from '../../plugin/http/push-api.ts';
import { CustomPushes } from '../../plugin/runtime/push/custom-pushes.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { AOR, apnsPair, BINDING, bindingEndingIn, recordOf, voipOnly } from '../support/builders.ts';
import { FakeClock, NOON, settle } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { ScriptedPushProvider } from '../support/scripted-push-provider.ts';

const TOKENS = (['metrics', 'read', 'push', 'operate'] as const).map((role) => ({
  name: role,
  role,
  token: `${role}-token-of-24-characters`,
}));
const bearer = (role: string) => ({ authorization: `Bearer ${role}-token-of-24-characters` });

let clock: FakeClock;
let log: RecordedLog;
let provider: ScriptedPushProvider;
let record: AorRecord | undefined;
let mode: Mode;
let facts: unknown[];
let server: FastifyInstance;

beforeEach(async () => {
  clock = new FakeClock();
  log = new RecordedLog();
  provider = new ScriptedPushProvider('apns');
  record = recordOf(bindingEndingIn(6 * DAY, NOON));
  mode = 'full';
  facts = [];
  const sender = new CustomPushes({
    clock,
    log,
    delivery: createDelivery({ providers: [provider], clock, log, random: () => 0.5 }),
    settled: async (_aor, push, outcome) => void facts.push([push.bindingId, outcome.kind]),
    read: async (aor) => (aor === AOR ? record : undefined),
    mode: () => mode,
  });
  server = await build({
    name: 'admin',
    title: 'admin',
    version: '0',
    ratePerMinute: 0,
    maxConnections: 100,
    routes: [guarded(() => TOKENS, [pushRoutes(sender), openapiRoute])],
    log,
    clock,
  });
});
afterEach(() => server.close());

const RINGS = { text: 'Somebody rings.', title: 'Front door', data: { door: 7 }, urgent: true };
const post = (payload: object, headers: Record<string, string> = {}, aor: string = AOR) =>
  server.inject({
    method: 'POST',
    url: `/v1/accounts/${encodeURIComponent(aor)}/push`,
    headers: { ...bearer('push'), ...headers },
    payload,
  });

describe('a push of the site’s own', () => {
  it('goes to the token that is not for calls, and is answered with the verdict of each device', async () => {
    const answer = await post({ ...RINGS, collapseKey: 'door-7', keepSeconds: 60 });
    expect([answer.statusCode, answer.json()]).toEqual([
      200,
      { pushes: [{ bindingId: BINDING, provider: 'apns', app: 'TEAM123456.com.example.phone', outcome: 'accepted' }] },
    ]);
    expect(provider.requests).toMatchObject([
      {
        purpose: 'custom',
        aor: AOR,
        body: 'Somebody rings.',
        title: 'Front door',
        data: { door: 7 },
        urgent: true,
        via: 'other',
        expiresAt: plus(NOON, MINUTE),
      },
    ]);
    expect(provider.requests[0]?.collapseId?.length).toBeLessThanOrEqual(64);
    expect(facts).toEqual([[BINDING, 'accepted']]);
  });

  it('is silent without a text', async () => {
    await post({ data: { sync: true } });
    const [request] = provider.requests;
    expect(request).toMatchObject({ purpose: 'custom', urgent: false, data: { sync: true } });
    expect(request).not.toHaveProperty('body');
  });

  it('reaches each device of the account, and says which one it cannot', async () => {
    const second = { ...apnsPair('c'.repeat(64), 'd'.repeat(64)) };
    record = recordOf(
      bindingEndingIn(6 * DAY, NOON, { targets: voipOnly() }),
      bindingEndingIn(6 * DAY, NOON, { id: '00000000000000b2' as typeof BINDING, targets: second }),
    );
    const { pushes } = (await post(RINGS)).json();
    expect(pushes).toEqual([
      { bindingId: BINDING, outcome: 'failed', reason: 'it has a token for calls only' },
      expect.objectContaining({ bindingId: '00000000000000b2', outcome: 'accepted' }),
    ]);
    expect(provider.requests).toHaveLength(1);
  });

  it('whose service says that the token is dead is answered so, and the verdict goes home', async () => {
    const dead = { ...apnsPair(), other: { provider: 'apns', app: 'x', token: new Token('tok-dead') } };
    record = recordOf(bindingEndingIn(6 * DAY, NOON, { targets: dead }));
    expect((await post(RINGS)).json().pushes).toMatchObject([{ outcome: 'tokenDead' }]);
    expect(facts).toEqual([[BINDING, 'tokenDead']]);
  });

  it('that the service has not answered after 10 s is answered as under way, and is given up after an hour', async () => {
    provider.send = () => new Promise(() => undefined);
    const answer = post(RINGS);
    await settle(20);
    await clock.advance(10 * SECOND);
    expect((await answer).json().pushes).toMatchObject([{ outcome: 'underWay' }]);
    await clock.advance(HOUR);
    expect(facts).toEqual([[BINDING, 'retryLater']]);
  });
});

describe('who may send', () => {
  it.each([
    ['push', 200],
    ['operate', 200],
    ['read', 403],
    ['metrics', 403],
  ])('%s: %i', async (role, status) => {
    expect((await post(RINGS, bearer(role))).statusCode).toBe(status);
  });

  it('nobody without a token, and nobody with a password that a browser keeps', async () => {
    expect((await post(RINGS, { authorization: '' })).statusCode).toBe(401);
    const basic = `Basic ${Buffer.from('x:push-token-of-24-characters').toString('base64')}`;
    expect((await post(RINGS, { authorization: basic })).statusCode).toBe(403);
    expect(provider.requests).toEqual([]);
  });

  it('a token of the role push sees nothing else', async () => {
    const seen = await server.inject({ method: 'GET', url: '/openapi.json', headers: bearer('push') });
    expect(seen.statusCode).toBe(403);
  });
});

describe('an Idempotency-Key', () => {
  const key = { 'idempotency-key': 'visit-4711' };

  it('sends once and is answered alike, also while the first is under way', async () => {
    const answers = await Promise.all([post(RINGS, key), post(RINGS, key)]);
    answers.push(await post(RINGS, key));
    expect(new Set(answers.map((a) => a.body)).size).toBe(1);
    expect(provider.requests).toHaveLength(1);
  });

  it('is refused for another message, and is one of its account', async () => {
    await post(RINGS, key);
    expect((await post({ text: 'Another.' }, key)).statusCode).toBe(422);
    expect((await post(RINGS, key, '1002@example.com')).statusCode).toBe(404);
    expect(provider.requests).toHaveLength(1);
  });

  it('may be used again when nothing was sent, and after a day', async () => {
    record = recordOf();
    expect((await post(RINGS, key)).statusCode).toBe(404);
    record = recordOf(bindingEndingIn(6 * DAY, NOON));
    expect((await post(RINGS, key)).statusCode).toBe(200);
    await clock.advance(DAY);
    await post(RINGS, key);
    expect(provider.requests).toHaveLength(2);
  });
});

describe('the bounds', () => {
  it('30 a minute of one account, whatever the keys', async () => {
    const codes: number[] = [];
    for (let i = 0; i < 32; i++) codes.push((await post(RINGS, { 'idempotency-key': `k-${i}` })).statusCode);
    expect(codes).toEqual([...Array(30).fill(200), 429, 429]);
    const refused = await post(RINGS);
    expect(refused.headers['retry-after']).toBe('60');
    await clock.advance(MINUTE);
    expect((await post(RINGS)).statusCode).toBe(200);
  });

  it('1000 a minute in all, also for accounts that nobody knows', async () => {
    for (let i = 0; i < 1_000; i++) await post(RINGS, {}, `${2_000 + i}@example.com`);
    expect((await post(RINGS)).statusCode).toBe(429);
  });

  it.each([
    [{}, 'body: must NOT have fewer than 1 properties'],
    [{ title: 'x' }, 'body: expected text, data or both'],
    [{ text: '' }, 'body.text: must NOT have fewer than 1 characters'],
    [{ text: 'x'.repeat(1_001) }, 'body.text: must NOT have more than 1000 characters'],
    [{ text: 'x', data: { x: 'ž'.repeat(1_024) } }, 'body.data: expected at most 2048 bytes of JSON'],
    [{ text: 'x', data: 'x' }, 'body.data: must be object'],
    [{ text: 'x', token: 'x' }, 'body: must NOT have additional properties'],
    [{ text: 'x', keepSeconds: -1 }, 'body.keepSeconds: must be >= 0'],
    [{ text: 'x', collapseKey: 'x'.repeat(65) }, 'body.collapseKey: must NOT have more than 64 characters'],
  ])('%j is refused with the place and the expected form', async (body, expected) => {
    const answer = await post(body);
    expect([answer.statusCode, answer.json().error]).toEqual([400, expect.stringContaining(expected)]);
    expect(provider.requests).toEqual([]);
  });

  it('what is no account, no key, or too large', async () => {
    expect((await post(RINGS, {}, 'nobody')).statusCode).toBe(400);
    expect((await post(RINGS, { 'idempotency-key': 'a b' })).statusCode).toBe(400);
    expect((await post(RINGS, { 'idempotency-key': 'x'.repeat(201) })).statusCode).toBe(400);
    expect((await post({ text: 'x', data: { x: 'x'.repeat(20_000) } })).statusCode).toBe(413);
  });
});

it('in observe nothing is sent', async () => {
  mode = 'observe';
  expect((await post(RINGS)).statusCode).toBe(409);
  expect(provider.requests).toEqual([]);
});

it('no text, no data and no token is logged', async () => {
  await post({ ...RINGS, data: { pin: 'a-secret-pin' } }, { 'idempotency-key': 'visit' });
  expect(log.text()).toMatch(/custom push sent/);
  expect(log.text()).not.toMatch(/Somebody|Front door|a-secret-pin|b{64}|token-of-24/);
});

it('is described by OpenAPI', async () => {
  const { paths } = (await server.inject({ method: 'GET', url: '/openapi.json', headers: bearer('read') })).json();
  const { post: described } = paths['/v1/accounts/{aor}/push'];
  const { properties } = described.requestBody.content['application/json'].schema;
  expect(Object.keys(properties)).toEqual(['text', 'title', 'data', 'urgent', 'collapseKey', 'keepSeconds']);
  expect(Object.keys(described.responses)).toEqual(expect.arrayContaining(['400', '404', '409', '422', '429']));
});
