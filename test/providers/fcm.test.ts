import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { create } from '../../adapters/push/fcm/index.ts';
import { outcomeOf, readFailure, TOKEN_DOUBTFUL, VERDICTS } from '../../adapters/push/fcm/outcome.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import { HOUR, MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type { PushOutcome, PushProvider, PushPurpose } from '../../plugin/ports/push-provider.ts';
import { everyPurpose, pushProviderContract, requestFor } from '../contract/push-provider.contract.ts';
import { FakeClock, NOON, settle } from '../support/fake-clock.ts';
import { type FcmStandIn, startFcmStandIn } from '../support/fcm-stand-in/index.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { selfSignedCertificate } from '../support/tls.ts';

const NO_TOKEN = 'The registration token is not a valid FCM registration token';
const TOKEN = `cXyz_1-a:APA91b${'x'.repeat(120)}`;
const SENDER = '123456789012';
const never = new AbortController().signal;
const target = (token = TOKEN, app = SENDER) => ({ provider: 'fcm', app, token: new Token(token) });
const TARGETS = { call: target(), other: target() };

pushProviderContract('fcm', {
  verdicts: VERDICTS,
  limitBytes: everyPurpose(4_096),
  // Each has its own test below.
  cannotProvoke: ['cannot connect', 'certificate not trusted', 'refused before sending'],
  async start() {
    const fcm = await startFcmStandIn();
    fcm.register(TOKEN);
    const clock = new FakeClock();
    const log = new RecordedLog();
    const provider = create({ apps: fcm.apps, endpoint: fcm.endpoint }, { clock, log, name: 'fcm' });
    return {
      log,
      provider,
      targets: TARGETS,
      provoke({ status, reason }) {
        if (status === 200) return true;
        if (reason === 'INVALID_ARGUMENT target field') {
          const complaint = `Unknown name "token" at 'message': Cannot find field.`;
          fcm.next({ status: 400, reason: 'INVALID_ARGUMENT', field: 'message', complaint });
        } else if (reason === TOKEN_DOUBTFUL)
          fcm.next({ status: 400, reason: 'INVALID_ARGUMENT', complaint: NO_TOKEN });
        else if (status !== undefined) fcm.next({ status, reason: reason === '*' ? 'SOMETHING_NEW' : reason });
        else if (reason === 'connection lost') fcm.next('reset');
        else if (reason === 'unreadable answer') fcm.next({ status: 200, body: `<html>${TOKEN}</html>` });
        else if (reason === 'service account refused')
          fcm.nextToken({ status: 400, body: '{"error":"invalid_grant"}' });
        else if (reason === 'no access token') fcm.nextToken({ status: 503, body: '<html>' }, 5);
        else if (reason === 'no answer in time') {
          fcm.next('hang');
          void fcm.received(1).then(() => clock.advance(5 * SECOND));
        } else return false;
        return true;
      },
      hang() {
        fcm.next('hang');
        return true;
      },
      received: (count) => fcm.received(count),
      bodies: () => fcm.pushes.map(({ json }) => json),
      async stop() {
        await provider.close();
        expect(clock.pending()).toBe(0);
        await fcm.close();
      },
    };
  },
});

describe('fcm', () => {
  let fcm: FcmStandIn;
  let clock: FakeClock;
  let log: RecordedLog;
  let provider: PushProvider;
  const more: { close(): unknown }[] = [];

  const make = (options: object = {}) => {
    const made = create({ apps: fcm.apps, endpoint: fcm.endpoint, ...options }, { clock, log, name: 'fcm' });
    more.push(made);
    return made;
  };
  const request = (purpose: PushPurpose, targets: object = TARGETS, by = provider) => {
    const made = requestFor(by, purpose, targets);
    if (!made) throw new Error('no target');
    return made;
  };
  const send = (purpose: PushPurpose, targets: object = TARGETS, by = provider, signal = never) =>
    by.send(request(purpose, targets, by), signal);

  beforeEach(async () => {
    fcm = await startFcmStandIn([
      { projectId: 'example-phone', senderId: SENDER },
      { projectId: 'example-two', senderId: '210987654321' },
    ]);
    fcm.register(TOKEN);
    clock = new FakeClock();
    log = new RecordedLog();
    provider = make();
  });
  afterEach(async () => {
    for (const one of more.splice(0)) await one.close();
    await fcm.close();
  });

  it('connections that went dead while they were idle: a call finds out within a second, and its next try goes on a new one', async () => {
    const proxy = await TcpProxy.start(fcm.endpoint.port);
    const one = make({ endpoint: { ...fcm.endpoint, port: proxy.port } });
    // Three connections are kept, and a firewall forgets them all.
    await Promise.all([1, 2, 3].map(() => send('call', TARGETS, one)));
    const before = fcm.pushes.length;
    proxy.stall();
    proxy.stallNew = false;
    const swallowed = send('call', TARGETS, one);
    await settle();
    await clock.advance(999);
    expect(await Promise.race([swallowed, Promise.resolve('waits')])).toBe('waits');
    await clock.advance(1);
    const now = await Promise.race([swallowed, settle(5).then(() => 'waits')]);
    expect(now).toMatchObject({ kind: 'retryLater', reason: 'connection lost' });
    // All three are given up: a second dead one would cost the call another second.
    expect(await send('call', TARGETS, one)).toMatchObject({ kind: 'accepted' });
    expect(fcm.pushes).toHaveLength(before + 1);
    await one.close();
    await proxy.close();
  });

  it('a new connection, and a push that nobody waits for, have the whole time', async () => {
    fcm.next('hang');
    const fresh = send('call');
    await fcm.received(1);
    await clock.advance(4_999);
    expect(await Promise.race([fresh, Promise.resolve('waits')])).toBe('waits');
    await clock.advance(1);
    expect(await fresh).toMatchObject({ reason: 'no answer in time' });
    await send('call');
    fcm.next('hang');
    const refresh = send('refresh');
    await fcm.received(3);
    await clock.advance(4_999);
    expect(await Promise.race([refresh, Promise.resolve('waits')])).toBe('waits');
    await clock.advance(1);
    await refresh;
  });

  it('sends each purpose as Android wants it', async () => {
    for (const purpose of ['call', 'cancel', 'refresh', 'notice'] as const) await send(purpose);
    const urgent = { ...request('refresh'), urgent: true } as const;
    await provider.send(urgent, never);
    const silent = { notification: undefined, androidNotification: undefined, ttl: 60, token: TOKEN };
    expect(fcm.pushes).toMatchObject([
      { ...silent, priority: 'HIGH', collapseKey: undefined, data: { type: 'call', callId: 'call-1' } },
      { ...silent, priority: 'HIGH', collapseKey: undefined, data: { type: 'cancel', ended: 'elsewhere' } },
      { ...silent, priority: 'NORMAL', collapseKey: 'collapse-1', data: { type: 'refresh' } },
      {
        priority: 'HIGH',
        collapseKey: 'collapse-1',
        data: { type: 'notice', notice: 'soon' },
        notification: { body: 'Your account will expire soon.' },
        androidNotification: { tag: 'collapse-1', sound: 'default' },
      },
      { ...silent, priority: 'HIGH', collapseKey: 'collapse-1', data: { type: 'refresh' } },
    ]);
    expect(fcm.complaints).toEqual([]);
  });

  it('lets no push live longer than it is of use, however late it is sent', async () => {
    await clock.advance(20_500);
    await send('call');
    const { sentAt } = request('call');
    await provider.send({ ...request('cancel'), expiresAt: plus(sentAt, HOUR) }, never);
    await clock.advance(HOUR);
    await send('call');
    expect(fcm.pushes.map(({ ttl }) => ttl)).toEqual([39, 39, 0]);
  });

  it('gives the id Google gave', async () => {
    expect(await send('call')).toEqual({ kind: 'accepted', id: 'projects/example-phone/messages/0:1' });
  });

  it('names the channel of the app, where it has one', async () => {
    const [app] = fcm.apps;
    await send('notice', TARGETS, make({ apps: [{ ...app, channelId: 'account' }] }));
    expect(fcm.pushes[0]?.androidNotification).toMatchObject({ channel_id: 'account' });
  });

  describe('the token', () => {
    it('of an app that is gone is dead', async () => {
      fcm.unregister(TOKEN);
      expect(await send('call')).toEqual({ kind: 'tokenDead', reason: 'UNREGISTERED' });
    });

    it.each([{}, { field: 'message.token' }])(
      'that Google calls none (%j) is dead only while others are reached, at the third time in 20 min',
      async (where) => {
        const other = { call: target('other-phone') };
        fcm.register('other-phone', 'example-phone');
        const refused = () => fcm.next({ status: 400, reason: 'INVALID_ARGUMENT', complaint: NO_TOKEN, ...where });
        const failed = { kind: 'failed', reason: TOKEN_DOUBTFUL };
        for (const expected of [failed, failed, { kind: 'tokenDead', reason: TOKEN_DOUBTFUL }]) {
          expect(await send('call', other)).toMatchObject({ kind: 'accepted' });
          refused();
          expect(await send('call')).toEqual(expected);
          await clock.advance(10 * MINUTE);
        }
      },
    );

    it('… is our own mistake where Google says so of every token', async () => {
      const kinds: string[] = [];
      for (let i = 0; i < 12; i++) {
        fcm.next({ status: 400, reason: 'INVALID_ARGUMENT', complaint: NO_TOKEN });
        const push = { ...request('call', { call: target(`phone-${i}`) }, provider), aor: `10${i}@example.com` as Aor };
        kinds.push((await provider.send(push, never)).kind);
        await clock.advance(10 * MINUTE);
      }
      expect(kinds).not.toContain('tokenDead');
      expect(kinds.slice(4)).toEqual(Array(8).fill('misconfigured'));
    });

    it('… of one account only says nothing of our own', async () => {
      for (let i = 0; i < 12; i++) {
        fcm.next({ status: 400, reason: 'INVALID_ARGUMENT', complaint: NO_TOKEN });
        expect((await send('call', { call: target(`made-up-${i}`) })).kind).toBe('failed');
      }
    });

    it('of another project is our mistake, and says nothing about other devices', async () => {
      fcm.register('of-two', 'example-two');
      expect(await send('call', { call: target('of-two') })).toMatchObject({
        kind: 'misconfigured',
        reason: 'SENDER_ID_MISMATCH',
        scope: 'device',
      });
    });

    it('lives on when another field is at fault, alone or beside it', async () => {
      fcm.next({ status: 400, reason: 'INVALID_ARGUMENT', field: 'message.android.ttl' });
      expect(await send('call')).toEqual({ kind: 'failed', reason: 'INVALID_ARGUMENT' });
    });

    it('lives on when it is the project that is not found', async () => {
      fcm.next({ status: 404, reason: 'NOT_FOUND' });
      expect(await send('call')).toMatchObject({ kind: 'misconfigured', reason: 'NOT_FOUND' });
    });

    it('that is empty is not sent', async () => {
      expect(await send('call', { call: target('') })).toEqual({ kind: 'failed', reason: 'refused before sending' });
      expect(fcm.requests).toBe(0);
    });
  });

  it('finds the project by number and by name, and says when it has none', async () => {
    fcm.register('of-two', 'example-two');
    for (const app of ['210987654321', 'example-two']) {
      expect(await send('call', { call: target('of-two', app) })).toMatchObject({ kind: 'accepted' });
    }
    for (const app of ['999999999999', 'example', 'a\r\nb"<script>']) {
      const outcome = await send('call', { call: target(TOKEN, app) });
      expect(outcome).toMatchObject({ kind: 'misconfigured', reason: 'unknown app', scope: 'device' });
      expect(JSON.stringify(outcome)).not.toContain('<');
    }
  });

  it('makes exactly one request, whatever comes back, and answers at once', async () => {
    // firebase-admin by itself would try five times within 7 s.
    fcm.next({ status: 503, reason: 'UNAVAILABLE' }, 5);
    expect(await send('call')).toEqual({ kind: 'retryLater', reason: 'UNAVAILABLE' });
    expect(fcm.requests).toBe(1);
  });

  it.each([
    ['in seconds', '7', 7 * SECOND],
    ['as a date', new Date(NOON + 30 * SECOND).toUTCString(), 30 * SECOND],
    ['in the past', new Date(NOON - 30 * SECOND).toUTCString(), 0],
    ['beyond belief', '999999', HOUR],
  ])('waits as long as Google says, %s', async (_, header, afterMs) => {
    for (const [status, reason] of [
      [429, 'QUOTA_EXCEEDED'],
      [503, 'UNAVAILABLE'],
    ] as const) {
      fcm.next({ status, reason, headers: { 'retry-after': header } });
      expect(await send('call')).toEqual({ kind: 'retryLater', reason, afterMs });
    }
  });

  it('does not believe a Retry-After it cannot read', async () => {
    fcm.next({ status: 503, reason: 'UNAVAILABLE', headers: { 'retry-after': 'soon' } });
    expect(await send('call')).toEqual({ kind: 'retryLater', reason: 'UNAVAILABLE' });
  });

  describe('the connection', () => {
    it('is kept, and so is the access token', async () => {
      for (let i = 0; i < 10; i++) expect(await send('call')).toMatchObject({ kind: 'accepted' });
      expect([fcm.tokenRequests, fcm.connectionsEver]).toEqual([1, 2]);
    });

    it('of a push that is aborted is cut, and the next push has room', async () => {
      const one = make({ connections: 1 });
      const stop = new AbortController();
      fcm.next('hang');
      const hung = send('call', TARGETS, one, stop.signal);
      await fcm.received(1);
      stop.abort();
      expect(await hung).toEqual({ kind: 'retryLater', reason: 'aborted' });
      expect(await send('call', TARGETS, one)).toMatchObject({ kind: 'accepted' });
    });

    it('that has gone silent is cut in time', async () => {
      const one = make({ connections: 1 });
      fcm.next('hang');
      const hung = send('call', TARGETS, one);
      await fcm.received(1);
      await clock.advance(5 * SECOND - 1);
      await clock.advance(1);
      expect(await hung).toEqual({ kind: 'retryLater', reason: 'no answer in time' });
      expect(await send('call', TARGETS, one)).toMatchObject({ kind: 'accepted' });
      expect(clock.pending()).toBe(0);
    });

    it('that is cut costs what was in flight, and the next push opens another', async () => {
      fcm.next('hang', 3);
      const pushes = [1, 2, 3].map(() => send('call'));
      await fcm.received(3);
      fcm.reset();
      const lost = { kind: 'retryLater', reason: 'connection lost' };
      expect(await Promise.all(pushes)).toEqual([lost, lost, lost]);
      expect(await send('call')).toMatchObject({ kind: 'accepted' });
    });

    it('that cannot be made is said so', async () => {
      const nowhere = make({ endpoint: { ...fcm.endpoint, port: await unusedPort() } });
      expect(await send('call', TARGETS, nowhere)).toEqual({ kind: 'retryLater', reason: 'cannot connect' });
    });

    it('to somebody whose certificate is not trusted is a misconfiguration', async () => {
      const stranger = make({ endpoint: { ...fcm.endpoint, ca: selfSignedCertificate().cert } });
      expect(await send('call', TARGETS, stranger)).toMatchObject({
        kind: 'misconfigured',
        reason: 'certificate not trusted',
      });
    });
  });

  describe('the access token', () => {
    it('of each project is there before the first push, when the provider was warmed', async () => {
      provider.warm?.();
      expect(await send('call')).toMatchObject({ kind: 'accepted' });
      expect(fcm.tokenRequests).toBe(fcm.apps.length);
    });

    it('that is refused is fetched anew, once for all pushes that carried it', async () => {
      await send('call');
      fcm.revokeTokens();
      const pushes = await Promise.all(Array.from({ length: 10 }, () => send('call')));
      const retry = { kind: 'retryLater', reason: 'UNAUTHENTICATED', afterMs: 0 };
      expect(pushes).toEqual(Array(10).fill(retry));
      expect(await send('call')).toMatchObject({ kind: 'accepted' });
      expect(fcm.tokenRequests).toBe(2);
    });

    it('that is refused again and again is a misconfiguration, and is not fetched each time', async () => {
      fcm.next({ status: 401, reason: 'UNAUTHENTICATED' }, 4);
      expect(await send('call')).toMatchObject({ kind: 'retryLater' });
      for (let i = 0; i < 2; i++) expect(await send('call')).toMatchObject({ kind: 'misconfigured' });
      expect(fcm.tokenRequests).toBe(2);
      await clock.advance(30 * SECOND);
      expect(await send('call')).toMatchObject({ kind: 'misconfigured' });
      expect(await send('call')).toMatchObject({ kind: 'accepted' });
      expect(fcm.tokenRequests).toBe(3);
    });

    it('is not lost to the others when the push that asked for it first is aborted', async () => {
      const gate = Promise.withResolvers<void>();
      fcm.nextToken({ until: gate.promise });
      const stop = new AbortController();
      const first = send('call', TARGETS, provider, stop.signal);
      const second = send('call');
      stop.abort();
      expect(await first).toEqual({ kind: 'retryLater', reason: 'aborted' });
      gate.resolve();
      expect(await second).toMatchObject({ kind: 'accepted' });
      // The one that was aborted is not sent late.
      expect([fcm.tokenRequests, fcm.pushes.length]).toEqual([1, 1]);
    });
  });

  describe('the service account', () => {
    let dir: string;
    let file: string;
    beforeEach(() => {
      dir = mkdtempSync(join(tmpdir(), 'pushwake-'));
      file = join(dir, 'service-account.json');
      writeFileSync(file, fcm.apps[0]?.serviceAccount ?? '');
    });
    afterEach(() => rmSync(dir, { recursive: true }));

    const withFile = (serviceAccount = file) => make({ apps: [{ ...fcm.apps[0], serviceAccount }] });
    /** As tools that rotate keys do it: a new file takes the old one's place. */
    const replace = (text: string) => {
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
    };

    it('is read from a file, and read again when the file changes', async () => {
      const rotating = withFile();
      expect(await send('call', TARGETS, rotating)).toMatchObject({ kind: 'accepted' });
      replace(fcm.rotateAccount());
      await clock.advance(5 * SECOND);
      expect(await send('call', TARGETS, rotating)).toMatchObject({ kind: 'accepted' });
      expect(log.at('info').map(({ message }) => message)).toEqual(['fcm service account taken up']);
    });

    it('that Google no longer knows is a misconfiguration', async () => {
      fcm.rotateAccount();
      expect(await send('call')).toMatchObject({ kind: 'misconfigured', reason: 'service account refused' });
    });

    it('that is bad changes nothing, and is told once', async () => {
      const rotating = withFile();
      await send('call', TARGETS, rotating);
      replace('{"type":"service_account","private_key":"c2VjcmV0"}');
      for (let i = 0; i < 3; i++) {
        await clock.advance(5 * SECOND);
        expect(await send('call', TARGETS, rotating)).toMatchObject({ kind: 'accepted' });
      }
      rmSync(file);
      await clock.advance(5 * SECOND);
      expect(await send('call', TARGETS, rotating)).toMatchObject({ kind: 'accepted' });
      expect(log.at('error').map(({ fields }) => fields.problem)).toEqual([
        expect.stringContaining('is not a service account'),
        expect.stringContaining('cannot be read (ENOENT)'),
      ]);
      expect(log.text()).not.toContain('c2VjcmV0');
    });

    it('is checked at start, all of them at once, by setting and file', () => {
      const good = JSON.parse(fcm.apps[0]?.serviceAccount ?? '') as object;
      const missing = join(dir, 'missing.json');
      const account = (over: object) => JSON.stringify({ ...good, ...over });
      const named = (projectId: string, serviceAccount: string) => ({ projectId, serviceAccount });
      const apps = [
        named('project-a', missing),
        named('project-b', '{"type":"authorized_user","SECRET":1}'),
        named('project-c', account({})),
        named('project-d', account({ project_id: 'project-d', private_key: 'SECRET' })),
      ];
      const attempt = () => make({ apps });
      expect(attempt).toThrow(expect.objectContaining({ name: 'ConfigError' }));
      expect(attempt).toThrow(`push.fcm.apps[0].serviceAccount: ${missing} cannot be read (ENOENT)`);
      expect(attempt).toThrow('push.fcm.apps[1].serviceAccount is not a service account');
      expect(attempt).toThrow('push.fcm.apps[2].serviceAccount is of another project than projectId project-c');
      expect(attempt).toThrow('push.fcm.apps[3].serviceAccount holds no RSA private key');
      expect(attempt).not.toThrow(/SECRET/);
    });
  });

  it('refuses options it does not know, and a project given twice', () => {
    const [app, two] = fcm.apps;
    expect(() => make({ apps: [app, app] })).toThrow(/given twice/);
    expect(() => make({ apps: [app, { ...two, senderId: SENDER }] })).toThrow(/given twice/);
    expect(() => make({ apps: [{ ...app, project: 'x' }] })).toThrow(/project/);
    expect(() => make({ apps: [] })).toThrow();
  });
});

describe("reading firebase-admin's failures", () => {
  const answer = (status: number, data?: unknown) => ({
    code: 'messaging/x',
    httpResponse: { status, headers: {}, data },
  });
  const noToken = (status: number) => ({ code: 'app/invalid-credential', cause: { status } });
  const violations = (...fields: string[]) => ({
    error: {
      status: 'INVALID_ARGUMENT',
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.BadRequest',
          fieldViolations: fields.map((field) => ({ field, description: 'x' })),
        },
      ],
    },
  });
  const cases: readonly [string, unknown, PushOutcome][] = [
    [
      'a violation of the token beside another is not its death',
      answer(400, violations('message.token', 'message.android.ttl')),
      { kind: 'failed', reason: 'INVALID_ARGUMENT' },
    ],
    ['violations of nothing', answer(400, violations()), { kind: 'failed', reason: 'INVALID_ARGUMENT' }],
    [
      'a reason nobody knows is not repeated',
      answer(400, { error: { status: TOKEN } }),
      { kind: 'failed', reason: 'status 400' },
    ],
    [
      'a page with 404 is not the death of a token',
      answer(404, '<html>'),
      expect.objectContaining({ kind: 'misconfigured' }),
    ],
    ['a 5xx nobody knows', answer(599), { kind: 'retryLater', reason: 'status 599' }],
    ['a redirect', answer(302), { kind: 'failed', reason: 'status 302' }],
    ['the first status that is none of success', answer(300), { kind: 'failed', reason: 'status 300' }],
    ['a success that cannot be read', answer(299), { kind: 'retryLater', reason: 'unreadable answer' }],
    ['a token service that is in trouble', noToken(500), { kind: 'retryLater', reason: 'no access token' }],
    ['… that asks for patience', noToken(429), { kind: 'retryLater', reason: 'no access token' }],
    [
      '… that refuses the account',
      noToken(499),
      expect.objectContaining({ kind: 'misconfigured', reason: 'service account refused' }),
    ],
    ['nothing', undefined, { kind: 'retryLater', reason: 'connection lost' }],
    [
      'a name that does not resolve',
      { code: 'app/network-error', cause: { code: 'ENOTFOUND' } },
      { kind: 'retryLater', reason: 'cannot connect' },
    ],
    [
      'a token service that does not answer',
      { code: 'app/invalid-credential', cause: { code: 'TimeoutError' } },
      { kind: 'retryLater', reason: 'no answer in time' },
    ],
  ];
  it.each(cases)('%s', (_, failure, expected) => {
    expect(outcomeOf(readFailure(failure, NOON))).toEqual(expected);
  });
});

async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === 'object' && address ? address.port : 1;
}
