import { afterEach, describe, expect, it } from 'vitest';
import { MINUTE, SECOND } from '../../plugin/core/time.ts';
import { guarded } from '../../plugin/http/admin.ts';
import { healthRoutes } from '../../plugin/http/health.ts';
import { build } from '../../plugin/http/listener.ts';
import { WrongTokens } from '../../plugin/http/wrong-tokens.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { quietHealth } from '../support/quiet-status.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const RIGHT = 'read-token-of-24-characters';
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function listener() {
  const clock = new FakeClock();
  const log = new RecordedLog();
  const routes = guarded(
    () => [{ name: 'helpdesk', role: 'read', token: RIGHT }],
    [healthRoutes(() => quietHealth())],
    new WrongTokens(clock, log),
  );
  const server = await build({
    name: 'admin',
    title: 'x',
    version: '0',
    ratePerMinute: 0,
    maxConnections: 1_000,
    log,
    clock,
    routes: [routes],
  });
  closing.push(() => server.close());
  const ask = async (token: string | undefined, remoteAddress = '192.0.2.1', url = '/v1/status') => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return server.inject({ url, headers, remoteAddress });
  };
  return { clock, log, ask };
}

describe('who tries tokens through', () => {
  it('gets 429 after 20 wrong ones until the minute is over; the right one is served all the while', async () => {
    const { clock, log, ask } = await listener();
    for (let i = 0; i < 20; i++) expect((await ask(`wrong-${i}`)).statusCode).toBe(401);
    await clock.advance(10 * SECOND);
    const answer = await ask('wrong-21');
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([429, '50']);
    expect(log.at('warn').map((l) => l.message)).toEqual(['too many wrong tokens from this address']);
    expect(log.text()).not.toContain('wrong-');
    expect((await ask(RIGHT)).statusCode, 'the right one from there').toBe(200);
    expect((await ask('wrong', '192.0.2.2')).statusCode, 'another address').toBe(401);
    expect((await ask(undefined, '192.0.2.1', '/health/live')).statusCode, 'health is for anybody').toBe(200);
    await clock.advance(50 * SECOND);
    expect((await ask('wrong')).statusCode).toBe(401);
  });

  it('does not count who shows no token, or the right one', async () => {
    const { ask } = await listener();
    for (let i = 0; i < 30; i++) expect((await ask(undefined)).statusCode).toBe(401);
    for (let i = 0; i < 30; i++) expect((await ask(RIGHT)).statusCode).toBe(200);
    for (let i = 0; i < 19; i++) await ask('wrong');
    expect((await ask(RIGHT)).statusCode).toBe(200);
  });

  it('forgets, and remembers no more addresses than fit', async () => {
    const clock = new FakeClock();
    const wrong = new WrongTokens(clock, new RecordedLog());
    for (let i = 0; i < 20; i++) wrong.add('192.0.2.1');
    expect(wrong.waitMs('192.0.2.1')).toBe(MINUTE);
    for (let i = 0; i < 10_000; i++) wrong.add(`2001:db8::${i.toString(16)}`);
    expect(wrong.waitMs('192.0.2.1'), 'the oldest goes first').toBe(0);
  });
});
