/** The page of the browser's phone and its login, over the routes of both listeners; no port is opened. */
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PHONE_FILES } from '../../plugin/app/phone-files.ts';
import { type Aor, parseAor } from '../../plugin/core/aor.ts';
import { MINUTE, SECOND } from '../../plugin/core/time.ts';
import { isAccountKey } from '../../plugin/http/account-key.ts';
import { guarded } from '../../plugin/http/admin.ts';
import { build, type Routes } from '../../plugin/http/listener.ts';
import { type PhoneOptions, phoneRoutes } from '../../plugin/http/phone.ts';
import { PhoneCodes } from '../../plugin/http/phone-codes.ts';
import { phoneLinkRoutes } from '../../plugin/http/phone-links.ts';
import { ConfigError } from '../../plugin/ports/config-error.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const SECRET = 'a-secret-of-the-tests-0123456789';
const AOR = parseAor('1001@example.com') as Aor;
const ADMIN = 'operate-token-of-24-characters';
const HELPDESK = 'read-token-of-24-characters-';

let clock: FakeClock;
let codes: PhoneCodes;
let log: RecordedLog;
const open: FastifyInstance[] = [];

beforeEach(() => {
  clock = new FakeClock();
  log = new RecordedLog();
  let number = 0;
  codes = new PhoneCodes({ clock, randomHex: (bytes) => (number++).toString(16).padStart(2 * bytes, '0') });
});
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function serve(routes: readonly Routes[], ratePerMinute = 0, trustProxy: readonly string[] = []) {
  const common = { name: 'devices', title: 'devices', version: '0', maxConnections: 1_000 };
  const server = await build({ ...common, ratePerMinute, trustProxy, routes, log, clock });
  open.push(server);
  return server;
}

const assets = new Map(
  Object.entries(PHONE_FILES).map(([name, { type }]) => [name, { type, body: Buffer.from(`body of ${name}`) }]),
);
const options = (change: Partial<PhoneOptions> = {}): PhoneOptions => ({
  assets,
  codes,
  secret: SECRET,
  serves: (aor) => aor.endsWith('@example.com'),
  wss: ['wss://pbx.example.com:8089/ws'],
  wssDefaultOf: (aor) => (aor.startsWith('2') ? '7443' : '8089/ws'),
  vapidPublicKey: () => 'public-key',
  ...change,
});
const devices = (change: Partial<PhoneOptions> = {}, ...more: [number?, string[]?]) =>
  serve([phoneRoutes(options(change))], ...more);
const login = (server: FastifyInstance, code: string, headers = {}) =>
  server.inject({
    method: 'POST',
    url: '/phone/v1/login',
    payload: { code },
    headers: { host: 'phone.example.com', ...headers },
  });

describe('the page', () => {
  it.each([
    ['/phone/', 'text/html; charset=utf-8', 'index.html'],
    ['/phone/app.js', 'text/javascript; charset=utf-8', 'app.js'],
    ['/phone/sw.js', 'text/javascript; charset=utf-8', 'sw.js'],
    ['/phone/style.css', 'text/css; charset=utf-8', 'style.css'],
    ['/phone/manifest.webmanifest', 'application/manifest+json', 'manifest.webmanifest'],
    ['/phone/icon.svg', 'image/svg+xml', 'icon.svg'],
    ['/phone/icon-192.png', 'image/png', 'icon-192.png'],
    ['/phone/icon-512.png', 'image/png', 'icon-512.png'],
    ['/phone/licences.txt', 'text/plain; charset=utf-8', 'licences.txt'],
  ])('%s is %s', async (url, type, name) => {
    const answer = await (await devices()).inject({ url });
    expect(answer).toMatchObject({ statusCode: 200, body: `body of ${name}` });
    expect(answer.headers).toMatchObject({
      'content-type': type,
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'permissions-policy': expect.stringMatching(/^microphone=\(self\), camera=\(\)/),
      'content-security-policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; manifest-src 'self'; worker-src 'self'; media-src 'self' blob:; connect-src 'self' wss://pbx.example.com:8089; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    });
  });

  it('/phone leads to it, behind a path of a proxy as well', async () => {
    const answer = await (await devices()).inject({ url: '/phone' });
    expect(answer.statusCode).toBe(308);
    expect(new URL(String(answer.headers.location), 'https://example.com/pbx/phone').pathname).toBe('/pbx/phone/');
  });

  it('is sent again only when it is another one', async () => {
    const server = await devices();
    const { headers } = await server.inject({ url: '/phone/app.js' });
    const etag = String(headers.etag);
    const asked = (tag: string) => server.inject({ url: '/phone/app.js', headers: { 'if-none-match': tag } });
    for (const same of [etag, `W/${etag}`, `"other", ${etag}`]) {
      expect(await asked(same), same).toMatchObject({ statusCode: 304, body: '' });
    }
    expect((await asked('"other"')).statusCode).toBe(200);
    expect((await server.inject({ url: '/phone/sw.js' })).headers.etag).not.toBe(etag);
  });

  it.each([
    [
      'configured',
      ['wss://a.example.com/ws', 'ws://127.0.0.1:8088/ws', 'wss://a.example.com/other'],
      'x.example.com',
      'wss://a.example.com ws://127.0.0.1:8088',
    ],
    ['not configured', [], 'phone.example.com:8443', 'wss://phone.example.com:8089 wss://phone.example.com:7443'],
    ['not configured, IPv6', [], '[::1]:8471', 'wss://[::1]:8089 wss://[::1]:7443'],
    ['not configured, no host at all', [], "x; script-src 'unsafe-inline'", ''],
    ['not configured, a path in the host', [], 'x.example.com/y', ''],
  ])('may connect to the PBX only: %s', async (_case, wss, host, expected) => {
    const answer = await (await devices({ wss })).inject({ url: '/phone/', headers: { host } });
    const [, reached] = /connect-src 'self' ?([^;]*);/.exec(String(answer.headers['content-security-policy'])) ?? [];
    expect(reached).toBe(expected);
  });

  it('is nowhere when it is off', async () => {
    const off = await serve([]);
    for (const url of ['/phone', '/phone/', '/phone/app.js', '/phone/sw.js', '/phone/licences.txt', '/no-such-path']) {
      const answer = await off.inject({ url });
      expect({ status: answer.statusCode, body: answer.body }, url).toEqual({
        status: 404,
        body: '{"error":"there is nothing here"}',
      });
      expect(answer.headers, url).not.toHaveProperty('content-security-policy');
    }
    expect((await login(off, 'x')).statusCode).toBe(404);
  });
});

describe('the login', () => {
  it('gives a browser what it needs, by a code of 128 bits', async () => {
    const { code } = codes.issue(AOR);
    expect(code).toMatch(/^[A-Za-z0-9_-]{22}$/);
    const answer = await login(await devices(), code);
    expect(answer.statusCode).toBe(200);
    const { key, ...rest } = answer.json();
    expect(rest).toEqual({
      aor: '1001@example.com',
      user: '1001',
      realm: 'example.com',
      wss: 'wss://pbx.example.com:8089/ws',
      vapidPublicKey: 'public-key',
      expiresAt: '2026-01-05T12:10:00.000Z',
    });
    expect(isAccountKey(SECRET, AOR, key)).toBe(true);
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  const later = (ms: number) => clock.advance(ms);
  it.each([
    ['is good after nearly ten minutes', () => later(10 * MINUTE - SECOND), 200, undefined],
    ['is not after ten', () => later(10 * MINUTE), 403, 'expired'],
    [
      'is good for one use',
      async (server: FastifyInstance, code: string): Promise<void> => void (await login(server, code)),
      403,
      'used',
    ],
    [
      'is "used" also when it is old',
      async (server: FastifyInstance, code: string): Promise<void> => {
        await login(server, code);
        await later(11 * MINUTE);
      },
      403,
      'used',
    ],
    [
      'is forgotten after a thousand others',
      () => void Array.from({ length: 1_000 }, () => codes.issue(AOR)),
      403,
      'unknown',
    ],
    ['is remembered before', () => void Array.from({ length: 999 }, () => codes.issue(AOR)), 200, undefined],
  ] as const)('%s', async (_case, meanwhile, status, reason) => {
    const server = await devices();
    const { code } = codes.issue(AOR);
    await meanwhile(server, code);
    const answer = await login(server, code);
    expect(answer.statusCode).toBe(status);
    expect(answer.json().reason).toBe(reason);
    expect(codes.size).toBeLessThanOrEqual(1_000);
    if (reason) expect(answer.json().error).toMatch(/pushwake phone/);
    if (reason) expect(answer.body).not.toContain(code);
  });

  it.each([
    ['a code that nobody made', { code: 'BBBBBBBBBBBBBBBBBBBBBA' }, 403],
    ['an empty one', { code: '' }, 403],
    ['a long one', { code: 'A'.repeat(101) }, 400],
    ['a number', { code: 1 }, 400],
    ['none', {}, 400],
    ['something besides', { code: 'x', aor: '1001@example.com' }, 400],
  ])('%s is refused', async (_case, payload, status) => {
    codes.issue(AOR);
    const answer = await (await devices()).inject({ method: 'POST', url: '/phone/v1/login', payload });
    expect(answer.statusCode).toBe(status);
    expect(answer.body).not.toContain(SECRET);
  });

  it('uses no code up when the key of web push cannot be read', async () => {
    const { code } = codes.issue(AOR);
    const broken = await devices({
      vapidPublicKey: () => {
        throw new ConfigError('push.webpush.privateKey cannot be read');
      },
    });
    expect((await login(broken, code)).statusCode).toBe(500);
    expect((await login(await devices(), code)).statusCode).toBe(200);
  });

  it('refuses an account that the configuration has no more', async () => {
    const { code } = codes.issue(AOR);
    expect((await login(await devices({ serves: () => false }), code)).statusCode).toBe(403);
  });

  it.each([
    ['of the link', 'wss://b.example.com/ws', ['wss://a.example.com/ws'], '1001', 'wss://b.example.com/ws'],
    ['configured', undefined, ['wss://a.example.com/ws'], '1001', 'wss://a.example.com/ws'],
    ['the default of Asterisk', undefined, [], '1001', 'wss://phone.example.com:8089/ws'],
    ['the default of FreeSWITCH', undefined, [], '2001', 'wss://phone.example.com:7443'],
  ])('gives the address of the PBX: %s', async (_case, ofLink, wss, user, expected) => {
    const { code } = codes.issue(parseAor(`${user}@example.com`) as Aor, ofLink);
    const answer = await login(await devices({ wss }), code, { host: 'phone.example.com:8471' });
    expect(answer.json().wss).toBe(expected);
  });

  it('takes the host that a trusted proxy names', async () => {
    const { code } = codes.issue(AOR);
    const server = await devices({ wss: [] }, 0, ['127.0.0.1']);
    const answer = await login(server, code, { host: '127.0.0.1:8471', 'x-forwarded-host': 'phone.example.com' });
    expect(answer.json().wss).toBe('wss://phone.example.com:8089/ws');
  });

  it('is limited as every route of the listener', async () => {
    const server = await devices({}, 3);
    const statuses: number[] = [];
    while (statuses.length < 4) statuses.push((await login(server, 'x')).statusCode);
    expect(statuses).toEqual([403, 403, 403, 429]);
  });
});

describe('a link of the administrator', () => {
  const admin = (phone: Parameters<typeof phoneLinkRoutes>[0]) =>
    serve([
      guarded(
        () => [
          { name: 'ops', role: 'operate', token: ADMIN },
          { name: 'desk', role: 'read', token: HELPDESK },
        ],
        [phoneLinkRoutes(phone)],
      ),
    ]);
  const on = (change: Partial<Parameters<typeof phoneLinkRoutes>[0]> = {}) => ({
    ...options(),
    exists: async () => true as boolean | undefined,
    page: 'https://phone.example.com' as string | undefined,
    ...change,
  });
  const make = (server: FastifyInstance, payload: object, token = ADMIN) =>
    server.inject({ method: 'POST', url: '/v1/phone-links', payload, headers: { authorization: `Bearer ${token}` } });

  it('logs in once', async () => {
    const answer = await make(await admin(on()), { account: '1001@Example.com' });
    expect(answer.statusCode).toBe(201);
    const { code, ...rest } = answer.json();
    expect(rest).toEqual({ expiresAt: '2026-01-05T12:10:00.000Z', page: 'https://phone.example.com' });
    expect((await login(await devices(), code)).json().aor).toBe('1001@example.com');
  });

  it.each([
    ['an account of nobody', on(), { account: '1001@elsewhere.example' }, ADMIN, 404, /no PBX/],
    ['no account', on(), { account: 'a@b@c' }, ADMIN, 404, /no PBX/],
    [
      'a host that the page may not connect to',
      on(),
      { account: AOR, wss: 'wss://evil.example/ws' },
      ADMIN,
      409,
      /phone\.wss/,
    ],
    ['what is no address', on(), { account: AOR, wss: 'pbx' }, ADMIN, 409, /phone\.wss/],
    [
      'one where none is configured',
      on({ wss: [] }),
      { account: AOR, wss: 'wss://pbx.example.com:8089/ws' },
      ADMIN,
      409,
      /phone\.wss/,
    ],
    ['a token that may only look', on(), { account: AOR }, HELPDESK, 403, /operate/],
    ['while the phone is off', undefined, { account: AOR }, ADMIN, 409, /phone: true/],
  ] as const)('is refused: %s', async (_case, phone, payload, token, status, said) => {
    const answer = await make(await admin(phone), payload, token);
    expect(answer.statusCode).toBe(status);
    expect(answer.json().error).toMatch(said);
    expect(codes.size).toBe(0);
  });

  it.each([
    [false, true],
    [undefined, undefined],
  ])('says that no PBX knows the account, where all have said so: %s', async (known, unknown) => {
    const answer = await make(await admin(on({ exists: async () => known })), { account: AOR });
    expect([answer.statusCode, answer.json().unknown]).toEqual([201, unknown]);
  });

  it('takes another path of a host that is configured, and has no page where nobody has said one', async () => {
    const wss = 'wss://pbx.example.com:8089/other';
    const answer = await make(await admin(on({ page: undefined })), { account: AOR, wss });
    expect(answer.json()).not.toHaveProperty('page');
    expect((await login(await devices(), answer.json().code)).json().wss).toBe(wss);
  });
});
