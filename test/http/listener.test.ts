import { connect as connectPlain, createServer, type Socket } from 'node:net';
import { connect } from 'node:tls';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { AdminToken } from '../../plugin/http/access.ts';
import { guarded } from '../../plugin/http/admin.ts';
import { type Health, healthRoutes } from '../../plugin/http/health.ts';
import { build, HttpListener, openapiRoute, type Routes } from '../../plugin/http/listener.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { quietHealth } from '../support/quiet-status.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { selfSignedCertificate } from '../support/tls.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const echo: Routes = (server) => {
  server.post(
    '/v1/thing/:name',
    {
      schema: {
        body: {
          type: 'object',
          required: ['token'],
          additionalProperties: false,
          properties: { token: { type: 'string', maxLength: 100 } },
        },
      },
    },
    async () => ({ done: true }),
  );
  server.get('/v1/bug', async () => {
    throw new Error('a secret detail');
  });
};

async function listener(routes: readonly Routes[], ratePerMinute = 0) {
  const log = new RecordedLog();
  const options = {
    name: 'test',
    title: 'test',
    version: '0',
    ratePerMinute,
    maxConnections: 3,
    routes,
    log,
    clock: new FakeClock(),
  };
  const server = await build(options);
  closing.push(() => server.close());
  return { server, log, options };
}

describe('a listener', () => {
  it('says where a body is wrong and what was expected, and echoes nothing of it', async () => {
    const { server } = await listener([echo]);
    const post = (payload: unknown) =>
      server.inject({ method: 'POST', url: '/v1/thing/a', payload: payload as object });
    expect((await post({ token: 'x' })).json()).toEqual({ done: true });
    expect((await post({ token: 7 })).json()).toEqual({ error: 'body.token: must be string' });
    expect((await post({})).json().error).toBe("body: must have required property 'token'");
    const extra = await post({ token: 'x', tokne: 'SECRET-VALUE' });
    expect(extra.statusCode).toBe(400);
    expect(extra.body).not.toContain('SECRET-VALUE');
  });

  it.each([
    ['JSON that is none', 'application/json', '{"token":', 400],
    ['an unknown kind of body', 'text/xml', '<a/>', 415],
    ['a body that is too large', 'application/json', JSON.stringify({ token: 'x'.repeat(20_000) }), 413],
  ])('refuses %s without a stack', async (_case, type, payload, status) => {
    const { server, log } = await listener([echo]);
    const headers = { 'content-type': type };
    const answer = await server.inject({ method: 'POST', url: '/v1/thing/a', headers, payload });
    expect(answer.statusCode).toBe(status);
    expect(Object.keys(answer.json())).toEqual(['error']);
    expect(log.lines).toEqual([]);
  });

  it('logs a bug of ours and tells the asker nothing of it', async () => {
    const { server, log } = await listener([echo]);
    const answer = await server.inject({ url: '/v1/bug' });
    expect(answer.statusCode).toBe(500);
    expect(answer.body).not.toContain('secret');
    expect(log.text()).toContain('a secret detail');
  });

  it('limits each address by itself', async () => {
    const { server } = await listener([echo, openapiRoute], 2);
    const ask = (remoteAddress: string) => server.inject({ url: '/openapi.json', remoteAddress });
    expect([(await ask('127.0.0.2')).statusCode, (await ask('127.0.0.2')).statusCode]).toEqual([200, 200]);
    const third = await ask('127.0.0.2');
    expect(third.statusCode).toBe(429);
    expect(third.json()).toEqual({ error: 'too many requests from this address; try again in a minute' });
    expect((await ask('127.0.0.3')).statusCode).toBe(200);
  });

  it('shows its routes as an OpenAPI document', async () => {
    const { server } = await listener([echo, openapiRoute]);
    const document = (await server.inject({ url: '/openapi.json' })).json();
    expect(document.openapi).toMatch(/^3\./);
    expect(Object.keys(document.paths)).toContain('/v1/thing/{name}');
  });

  it('goes on without its port, says whose fault it is, and takes the port when it is free', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const clock = new FakeClock();
    const { options, log } = await listener([echo]);
    const http = new HttpListener({ ...options, clock, host: '127.0.0.1', port });
    closing.push(() => http.stop());
    await http.start();
    expect(http.address).toBeUndefined();
    expect(log.text()).toContain('EADDRINUSE');
    expect(log.text()).toContain('another program has this port');
    await new Promise((resolve) => taken.close(resolve));
    await clock.advance(30_000);
    await vi.waitFor(() => expect(http.address).toEqual({ host: '127.0.0.1', port }));
  });
});

describe('connections', () => {
  async function open(): Promise<{ http: HttpListener; log: RecordedLog; client: () => Promise<Socket> }> {
    const { options, log } = await listener([echo]);
    const http = new HttpListener({ ...options, host: '127.0.0.1', port: 0 });
    closing.push(() => http.stop());
    await http.start();
    const client = () =>
      new Promise<Socket>((done) => {
        const socket = connectPlain(http.address?.port ?? 0, '127.0.0.1', () => done(socket));
        socket.on('error', () => undefined);
        closing.push(async () => void socket.destroy());
      });
    return { http, log, client };
  }
  const closed = (socket: Socket) => new Promise((done) => socket.once('close', done));

  it('beyond the cap are closed at once, which is logged, and those within it are served', async () => {
    const { log, client } = await open();
    const within = [await client(), await client(), await client()];
    const beyond = await client();
    await closed(beyond);
    within[0]?.write('GET /v1/bug HTTP/1.1\r\nhost: a\r\n\r\n');
    expect(String(await new Promise((done) => within[0]?.once('data', done)))).toMatch(/^HTTP\/1\.1 500/);
    expect(log.at('warn').map((l) => l.fields)).toEqual([{ listener: 'test', maxConnections: 3 }]);
  });

  it('with half a request are looked at every second, not every thirty', async () => {
    const { server } = await listener([echo]);
    await server.listen({ host: '127.0.0.1', port: 0 });
    // The limit itself is ten seconds; nobody waits for that here.
    Object.assign(server.server, { requestTimeout: 100, headersTimeout: 100 });
    const { port } = server.server.address() as { port: number };
    const socket = connectPlain(port, '127.0.0.1', () => socket.write('POST /v1/thing/a HTTP/1.1\r\nhost: a\r\nx-'));
    socket.on('error', () => undefined).on('data', () => undefined);
    await closed(socket);
  }, 10_000);
});

describe('a certificate', () => {
  it('is taken up when its file changes, and a bad one leaves the old one', async () => {
    const first = selfSignedCertificate({ notAfter: new Date(Date.UTC(2031, 0, 1)) });
    const second = selfSignedCertificate({ notAfter: new Date(Date.UTC(2032, 0, 1)) });
    let files = first;
    const clock = new FakeClock();
    const { options, log } = await listener([echo]);
    const http = new HttpListener({ ...options, clock, host: '127.0.0.1', port: 0, tls: first, readTls: () => files });
    closing.push(() => http.stop());
    await http.start();
    const shown = () =>
      new Promise<string>((resolve, reject) => {
        const socket = connect({ port: http.address?.port ?? 0, host: '127.0.0.1', rejectUnauthorized: false }, () => {
          resolve(socket.getPeerX509Certificate()?.validTo ?? '');
          socket.destroy();
        });
        socket.once('error', reject);
      });
    expect(await shown()).toContain('2031');
    expect(http.certificateEndsAt).toBe(Date.UTC(2031, 0, 1));
    // The new certificate is there, its key not yet.
    files = { cert: second.cert, key: first.key };
    await clock.advance(60_000);
    expect(log.text()).toContain('certificate not usable, old one kept');
    expect(await shown()).toContain('2031');
    files = second;
    await clock.advance(60_000);
    expect(log.text()).toContain('certificate taken up');
    expect(await shown()).toContain('2032');
    expect(http.certificateEndsAt).toBe(Date.UTC(2032, 0, 1));
  });
});

describe('the admin listener', () => {
  const tokens: readonly AdminToken[] = [
    { name: 'prometheus', role: 'metrics', token: 'metrics-token-of-24-chars' },
    { name: 'helpdesk', role: 'read', token: 'read-token-of-24-characters' },
  ];
  const health: Health = quietHealth();
  const admin = (with_: readonly AdminToken[], state = health) =>
    listener([guarded(() => with_, [healthRoutes(() => state), openapiRoute, echo])]);
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

  it('shows nothing without a token, and says how to give one', async () => {
    const { server } = await admin(tokens);
    for (const headers of [{}, bearer('wrong-token-of-24-characters')]) {
      const answer = await server.inject({ url: '/v1/status', headers });
      expect(answer.statusCode).toBe(401);
      // One scheme per header: a browser does not look for a second one.
      expect(answer.headers['www-authenticate']).toEqual([
        expect.stringMatching(/^Basic realm="[^"]+"$/),
        'Bearer realm="pushwake"',
      ]);
    }
    expect((await server.inject({ url: '/v1/status', headers: bearer('read-token-of-24-characters') })).json()).toEqual(
      health,
    );
  });

  it('refuses a role that is too small, and says which it takes', async () => {
    const { server } = await admin(tokens);
    const answer = await server.inject({ url: '/v1/status', headers: bearer('metrics-token-of-24-chars') });
    expect([answer.statusCode, answer.json().error]).toEqual([
      403,
      'this needs a token with the role "read"; this token has "metrics"',
    ]);
  });

  it.each(['/v1/bug', '/openapi.json'])('guards a route that names no role: %s', async (url) => {
    const { server } = await admin(tokens);
    expect((await server.inject({ url })).statusCode).toBe(401);
  });

  const basic = (token: string) => ({ authorization: `Basic ${Buffer.from(`me:${token}`).toString('base64')}` });
  it.each([
    ['a password that a browser has kept', basic('read-token-of-24-characters'), 403],
    ['a Bearer token', bearer('read-token-of-24-characters'), 200],
    ['a Bearer token, lower case', { authorization: 'bearer read-token-of-24-characters' }, 200],
    ['a page of somebody else', { ...bearer('read-token-of-24-characters'), 'sec-fetch-site': 'cross-site' }, 403],
    ['a page of a neighbour', { ...bearer('read-token-of-24-characters'), 'sec-fetch-site': 'same-site' }, 403],
  ])('what changes something is taken from one who means it: %s', async (_, headers, status) => {
    const { server } = await admin(tokens);
    for (const type of ['application/json', 'application/x-www-form-urlencoded']) {
      const payload = type.endsWith('json') ? '{"token":"x"}' : 'token=x';
      const sent = {
        method: 'POST',
        url: '/v1/thing/a',
        headers: { ...headers, 'content-type': type },
        payload,
      } as const;
      expect((await server.inject(sent)).statusCode).toBe(status);
    }
  });

  it('a password is enough to look', async () => {
    const { server } = await admin(tokens);
    expect((await server.inject({ url: '/v1/status', headers: basic('read-token-of-24-characters') })).statusCode).toBe(
      200,
    );
  });

  it('tells health to anybody: ready only when started and a link is up', async () => {
    const ready = async (state: Health) =>
      (await (await admin(tokens, state)).server.inject({ url: '/health/ready' })).statusCode;
    expect(await ready(health)).toBe(200);
    expect(await ready({ ...health, ready: false })).toBe(503);
    expect(await ready({ ...health, links: { office: false } })).toBe(503);
    expect(await ready({ ...health, links: { office: false, branch: true } })).toBe(200);
  });
});
