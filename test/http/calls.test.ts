/** Is my call still alive? And: why did it not ring? Over HTTP. */
import { describe, expect, it } from 'vitest';
import { MINUTE, plus } from '../../plugin/core/time.ts';
import type { CallOutcome } from '../../plugin/core/wake.ts';
import { guarded } from '../../plugin/http/admin.ts';
import { callKey, isCallKey } from '../../plugin/http/call-key.ts';
import { callRoutes } from '../../plugin/http/calls.ts';
import { explainRoutes } from '../../plugin/http/explain.ts';
import { build } from '../../plugin/http/listener.ts';
import { MONDAY } from '../support/builders.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const SECRET = 'a-secret-of-24-characters';
const CALL = '3f2a0c11-5b7e-8123-a456-0123456789ab';
const OTHER = '4f2a0c11-5b7e-8123-a456-0123456789ab';
const KEY = callKey(SECRET, CALL, plus(MONDAY, MINUTE));
const TOKEN = 'read-token-of-24-characters';

const common = { name: 'x', title: 'x', version: '1', ratePerMinute: 0, maxConnections: 1_000, log: new RecordedLog() };

describe('a key of a call', () => {
  it('is short, and good for this call until its time is up', () => {
    expect(KEY.length).toBeLessThan(40);
    expect(isCallKey(SECRET, CALL, KEY, MONDAY)).toBe(true);
    expect(isCallKey(SECRET, CALL, KEY, plus(MONDAY, MINUTE))).toBe(true);
    expect(isCallKey(SECRET, CALL, KEY, plus(MONDAY, MINUTE + 1))).toBe(false);
  });

  it.each([
    ['another call', SECRET, OTHER, KEY],
    ['another secret', 'another-secret-of-24-chars', CALL, KEY],
    ['a later end', SECRET, CALL, `z${KEY}`],
    ['a changed letter', SECRET, CALL, `${KEY.slice(0, -1)}${KEY.endsWith('A') ? 'B' : 'A'}`],
    ['nothing', SECRET, CALL, ''],
    ['rubbish', SECRET, CALL, '../../etc/passwd'],
  ])('%s does not fit', (_what, secret, callId, key) => {
    expect(isCallKey(secret, callId, key, MONDAY)).toBe(false);
  });
});

describe('GET /v1/calls/:callId', () => {
  const asked = async (
    found: readonly { over: boolean; outcome?: CallOutcome }[],
    url = `/v1/calls/${CALL}?key=${KEY}`,
  ) => {
    const clock = new FakeClock(MONDAY);
    const routes = [callRoutes({ find: () => found, secret: SECRET, clock })];
    const server = await build({ ...common, clock, routes });
    const { statusCode, body } = await server.inject({ method: 'GET', url });
    await server.close();
    return { statusCode, ...(JSON.parse(body) as object) };
  };

  it.each<[what: string, found: readonly { over: boolean; outcome?: CallOutcome }[], answer: object]>([
    ['it waits', [{ over: false }], { alive: true }],
    ['a desk phone took it', [{ over: true, outcome: 'elsewhere' }], { alive: false, ended: 'elsewhere' }],
    [
      'another device of the account took it',
      [{ over: true, outcome: 'answered' }],
      { alive: false, ended: 'elsewhere' },
    ],
    ['the caller gave up', [{ over: true, outcome: 'cancelled' }], { alive: false, ended: 'cancelled' }],
    ['a later round of a queue waits', [{ over: false }, { over: true, outcome: 'gave-up' }], { alive: true }],
    ['nobody knows (we were started since)', [], { alive: null }],
  ])('%s', async (_what, found, answer) => {
    expect(await asked(found)).toEqual({ statusCode: 200, callId: CALL, ...answer });
  });

  it.each([
    ['without a key', `/v1/calls/${CALL}`, 400],
    ['with the key of another call', `/v1/calls/${OTHER}?key=${KEY}`, 403],
    ['with a call id that is none', `/v1/calls/nonsense?key=${KEY}`, 400],
    ['with a key that is too long', `/v1/calls/${CALL}?key=${'a'.repeat(61)}`, 400],
  ])('%s nothing is said', async (_what, url, status) => {
    const answer = await asked([{ over: false }], url);
    expect(answer.statusCode).toBe(status);
    expect(answer).not.toHaveProperty('alive');
  });
});

describe('GET /v1/explain', () => {
  const explained = { of: '1001@example.com', calls: [], texts: [], devices: ['Device 1 can be woken'] };
  const asked = async (url: string, authorization?: string) => {
    const explain = async (of: string) => (of === explained.of ? explained : undefined);
    const routes = explainRoutes({ explain, seldomWoken: async () => ['1001@example.com: seldom'] });
    const tokens = [{ name: 'helpdesk', role: 'read' as const, token: TOKEN }];
    const server = await build({ ...common, clock: new FakeClock(MONDAY), routes: [guarded(() => tokens, [routes])] });
    const answer = await server.inject({
      method: 'GET',
      url,
      ...(authorization ? { headers: { authorization } } : {}),
    });
    await server.close();
    return { status: answer.statusCode, body: JSON.parse(answer.body) as unknown };
  };
  const bearer = `Bearer ${TOKEN}`;

  it('tells an account, lists devices that wake seldom, and nothing without a token', async () => {
    expect(await asked('/v1/explain?of=1001%40example.com', bearer)).toEqual({ status: 200, body: explained });
    expect((await asked('/v1/explain?of=nobody', bearer)).status).toBe(404);
    expect((await asked('/v1/explain', bearer)).status).toBe(400);
    expect((await asked('/v1/explain?of=1001%40example.com')).status).toBe(401);
    expect((await asked('/v1/seldom-woken', bearer)).body).toEqual({ devices: ['1001@example.com: seldom'] });
  });
});
