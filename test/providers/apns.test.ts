import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { create } from '../../adapters/push/apns/index.ts';
import { outcomeOf, readAnswer, reasonOfError, VERDICTS } from '../../adapters/push/apns/outcome.ts';
import { instant, SECOND } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type { PushOutcome, PushProvider } from '../../plugin/ports/push-provider.ts';
import { everyPurpose, pushProviderContract, requestFor } from '../contract/push-provider.contract.ts';
import { type ApnsStandIn, makeP8Key, startApnsStandIn } from '../support/apns-stand-in/index.ts';
import { FakeClock, NOON, settle } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { selfSignedCertificate } from '../support/tls.ts';

const VOIP = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);
const never = new AbortController().signal;
const target = (token: string, app = 'TEAM123456.com.example.phone') => ({
  provider: 'apns',
  app,
  token: new Token(token),
});
const TARGETS = { call: target(VOIP), other: target(OTHER) };

function registered(apns: ApnsStandIn): ApnsStandIn {
  apns.register(VOIP, { voip: true });
  apns.register(OTHER);
  return apns;
}

pushProviderContract('apns', {
  verdicts: VERDICTS,
  limitBytes: everyPurpose(4_096, { call: 5_120 }),
  // Each has its own test below.
  cannotProvoke: ['cannot connect', 'certificate not trusted'],
  async start() {
    const apns = registered(await startApnsStandIn());
    const log = new RecordedLog();
    const options = { apps: apns.apps, endpoint: apns.endpoint, connections: 1 };
    const clock = new FakeClock();
    const provider = create(options, { clock, log, name: 'apns' });
    return {
      log,
      targets: TARGETS,
      provider,
      provoke({ status, reason }) {
        if (status !== undefined) apns.next(reason === '*' ? { status, reason: 'SomethingNew' } : { status, reason });
        else if (reason === 'connection lost') apns.next('reset');
        else if (reason === 'refused') apns.next('refuse-stream');
        else if (reason === 'no answer in time') {
          apns.next('hang');
          void apns.received(1).then(() => clock.advance(500));
          void apns.pinged().then(() => clock.advance(5 * SECOND));
        } else return false;
        return true;
      },
      hang() {
        apns.next('hang');
        return true;
      },
      received: (count) => apns.received(count),
      bodies: () => apns.pushes.map(({ json }) => json),
      async stop() {
        await provider.close();
        expect(clock.pending()).toBe(0);
        await apns.close();
      },
    };
  },
});

describe('apns', () => {
  let apns: ApnsStandIn;
  let clock: FakeClock;
  let log: RecordedLog;
  let provider: PushProvider;
  const more: { close(): unknown }[] = [];

  const make = (options: object = {}) => {
    const made = create({ apps: apns.apps, endpoint: apns.endpoint, ...options }, { clock, log, name: 'apns' });
    more.push(made);
    return made;
  };
  const send = (
    purpose: 'call' | 'cancel' | 'refresh' | 'notice',
    targets: object = TARGETS,
    by = provider,
    of = '',
  ) => {
    const request = requestFor(by, purpose, targets);
    if (!request) throw new Error('no target');
    return by.send(of === '' ? request : { ...request, aor: of }, never);
  };

  beforeEach(async () => {
    apns = registered(await startApnsStandIn());
    clock = new FakeClock();
    log = new RecordedLog();
    provider = make();
  });
  afterEach(async () => {
    for (const one of more.splice(0)) await one.close();
    await apns.close();
  });

  it('sends each purpose as Apple wants it', async () => {
    for (const purpose of ['call', 'cancel', 'refresh', 'notice'] as const) await send(purpose);
    const at = NOON / 1_000 + 60;
    const common = { expiration: at, collapseId: 'collapse-1', apnsId: '11111111-2222-4333-8444-555555555555' };
    expect(apns.pushes).toMatchObject([
      { ...common, pushType: 'voip', topic: 'com.example.phone.voip', priority: 10, token: VOIP },
      { ...common, pushType: 'background', topic: 'com.example.phone', priority: 5, token: OTHER },
      { ...common, pushType: 'background', topic: 'com.example.phone', priority: 5, token: OTHER },
      { ...common, pushType: 'alert', topic: 'com.example.phone', priority: 10, token: OTHER },
    ]);
    expect(apns.complaints).toEqual([]);
  });

  it('gives the id Apple gave', async () => {
    expect(await send('call')).toEqual({ kind: 'accepted', id: '11111111-2222-4333-8444-555555555555' });
  });

  it('rings by a visible push where there is no VoIP token', async () => {
    expect(await send('call', { other: TARGETS.other })).toMatchObject({ kind: 'accepted' });
    expect(apns.pushes).toMatchObject([{ pushType: 'alert', topic: 'com.example.phone', priority: 10, token: OTHER }]);
  });

  it('says since when a token is dead', async () => {
    apns.unregister(VOIP, NOON);
    expect(await send('call')).toEqual({ kind: 'tokenDead', reason: 'Unregistered', since: NOON });
  });

  it('takes a token of another topic for our mistake, not for a dead one', async () => {
    expect(await send('call', { call: TARGETS.other })).toMatchObject({ kind: 'misconfigured', scope: 'device' });
  });

  it('finds the app by team and bundle, by bundle alone, and says when it has none', async () => {
    expect(await send('call', { call: target(VOIP, 'com.example.phone') })).toMatchObject({ kind: 'accepted' });
    for (const app of ['OTHERTEAM1.com.example.phone', 'com.example', 'com.example.phone.voip', 'a\r\nb"<script>']) {
      const outcome = await send('call', { call: target(VOIP, app) });
      expect(outcome).toMatchObject({ kind: 'misconfigured', reason: 'unknown app' });
      expect(JSON.stringify(outcome)).not.toContain('<');
    }
  });

  it('does not guess between two teams with the same bundle', async () => {
    const [app] = apns.apps;
    const two = make({ apps: [app, { ...app, teamId: 'OTHERTEAM1' }] });
    expect(await send('call', { call: target(VOIP, 'com.example.phone') }, two)).toMatchObject({
      reason: 'unknown app',
    });
    expect(await send('call', TARGETS, two)).toMatchObject({ kind: 'accepted' });
  });

  it('sends nothing to a token that is no token: it would be part of the URL', async () => {
    const bad = ['../../x', 'zz'.repeat(32), 'a'.repeat(63), 'a'.repeat(201), `${VOIP}?x=${'a'.repeat(20)}`, ''];
    for (const token of bad) {
      expect(await send('call', { call: target(token) })).toEqual({ kind: 'failed', reason: 'token is not hex' });
    }
    expect(apns.requests).toBe(0);
  });

  it('makes exactly one request, whatever comes back', async () => {
    apns.next({ status: 503, reason: 'ServiceUnavailable' }, 5);
    await send('call');
    expect(apns.requests).toBe(1);
  });

  it('opens its connections before a call needs one, once, and again when they were closed', async () => {
    const until = async (connections: number) => {
      const deadline = performance.now() + 5_000;
      while (apns.connections !== connections && performance.now() < deadline) await settle();
      expect(apns.connections).toBe(connections);
    };
    expect(apns.connections).toBe(0);
    provider.warm?.();
    await until(2);
    provider.warm?.();
    expect(await send('call')).toMatchObject({ kind: 'accepted' });
    expect(apns.connectionsEver).toBe(2);
    apns.reset();
    await until(0);
    provider.warm?.();
    await until(2);
    expect(apns.connectionsEver).toBe(4);
  });

  it('reuses its connections and its signature', async () => {
    for (let i = 0; i < 10; i++) expect(await send('call')).toMatchObject({ kind: 'accepted' });
    expect(apns.connectionsEver).toBe(2);
    expect(apns.complaints).toEqual([]);
  });

  describe('the connection', () => {
    it('loses no answer when Apple says goodbye gracefully, and goes on with a new one', async () => {
      const one = make({ connections: 1 });
      const gate = Promise.withResolvers<void>();
      apns.next({ until: gate.promise }, 20);
      const pushes = Array.from({ length: 20 }, () => send('call', TARGETS, one));
      await apns.received(20);
      apns.goAway();
      // May cross the GOAWAY on its way, is refused then, and safe to send again.
      expect(['accepted', 'retryLater']).toContain((await send('call', TARGETS, one)).kind);
      expect(await send('call', TARGETS, one)).toMatchObject({ kind: 'accepted' });
      gate.resolve();
      expect((await Promise.all(pushes)).map(({ kind }) => kind)).toEqual(Array(20).fill('accepted'));
      expect(apns.connectionsEver).toBe(2);
    });

    it('that is cut costs what was in flight, and the next push opens another', async () => {
      const one = make({ connections: 1 });
      apns.next('hang', 3);
      const pushes = [1, 2, 3].map(() => send('call', TARGETS, one));
      await apns.received(3);
      apns.reset();
      const lost = { kind: 'retryLater', reason: 'connection lost' };
      expect(await Promise.all(pushes)).toEqual([lost, lost, lost]);
      expect(await send('call', TARGETS, one)).toMatchObject({ kind: 'accepted' });
    });

    it('whose network went away while it was idle: a PING finds out within 1.5 s, the next push goes on another', async () => {
      const proxy = await TcpProxy.start(apns.endpoint.port);
      const one = make({ connections: 1, endpoint: { ...apns.endpoint, port: proxy.port } });
      expect(await send('call', TARGETS, one)).toMatchObject({ kind: 'accepted' });
      proxy.stall();
      const swallowed = [send('call', TARGETS, one), send('refresh', TARGETS, one)];
      await settle();
      await clock.advance(500);
      await clock.advance(999);
      proxy.stallNew = false;
      await clock.advance(1);
      const lost = { kind: 'retryLater', reason: 'connection lost' };
      expect(await Promise.all(swallowed)).toEqual([lost, lost]);
      expect(await send('call', TARGETS, one)).toMatchObject({ kind: 'accepted' });
      await one.close();
      await proxy.close();
    });

    it('that has gone silent is replaced after the first push it swallowed', async () => {
      const one = make({ connections: 1 });
      apns.next('hang');
      const hung = send('call', TARGETS, one);
      await apns.received(1);
      // Its PING is answered: the line is alive, it is Apple that does not answer.
      const pinged = apns.pinged();
      await clock.advance(500);
      await pinged;
      await clock.advance(4_500);
      expect(await hung).toMatchObject({ kind: 'retryLater', reason: 'no answer in time' });
      expect(await send('call', TARGETS, one)).toMatchObject({ kind: 'accepted' });
      expect(apns.connectionsEver).toBe(2);
    });

    it('a refused stream was never looked at: again at once, and no word against the service', async () => {
      apns.next('refuse-stream');
      expect(await send('call')).toEqual({ kind: 'retryLater', reason: 'refused', afterMs: 0, scope: 'device' });
    });

    it('is given up at once when the call is over, and the stream with it', async () => {
      const stop = new AbortController();
      apns.next('hang');
      const request = requestFor(provider, 'call', TARGETS);
      if (!request) throw new Error('no target');
      const hung = provider.send(request, stop.signal);
      await apns.received(1);
      stop.abort();
      expect(await hung).toEqual({ kind: 'retryLater', reason: 'aborted' });
      expect(await send('call')).toMatchObject({ kind: 'accepted' });
    });

    it('that cannot be made is said so', async () => {
      const port = await unusedPort();
      const nowhere = make({ endpoint: { ...apns.endpoint, port } });
      expect(await send('call', TARGETS, nowhere)).toEqual({ kind: 'retryLater', reason: 'cannot connect' });
    });

    it('to somebody whose certificate is not trusted is a misconfiguration', async () => {
      const stranger = make({ endpoint: { ...apns.endpoint, ca: selfSignedCertificate().cert } });
      expect(await send('call', TARGETS, stranger)).toMatchObject({
        kind: 'misconfigured',
        reason: 'certificate not trusted',
      });
      const otherName = make({ endpoint: { ...apns.endpoint, address: '127.0.0.2' } });
      expect(['certificate not trusted', 'cannot connect']).toContain(
        ((await send('call', TARGETS, otherName)) as { reason?: string }).reason,
      );
    });
  });

  describe('the signature', () => {
    it('that is refused as too old is made anew at once', async () => {
      const one = make({ connections: 1 });
      apns.next({ status: 403, reason: 'ExpiredProviderToken' });
      expect(await send('call', TARGETS, one)).toEqual({
        kind: 'retryLater',
        reason: 'ExpiredProviderToken',
        afterMs: 0,
      });
      expect(await send('call', TARGETS, one)).toMatchObject({ kind: 'accepted' });
    });

    it('that is refused again and again means that our clock is wrong', async () => {
      apns.next({ status: 403, reason: 'ExpiredProviderToken' }, 4);
      expect(await send('call')).toMatchObject({ kind: 'retryLater' });
      await clock.advance(2 * SECOND - 1);
      expect(await send('call')).toMatchObject({ kind: 'retryLater' });
      await clock.advance(1);
      expect(await send('call')).toMatchObject({ kind: 'misconfigured', hint: expect.stringContaining('clock') });
    });

    it('by a key Apple does not know is a misconfiguration', async () => {
      apns.rotateKey();
      expect(await send('call')).toMatchObject({ kind: 'misconfigured', reason: 'InvalidProviderToken' });
      expect(apns.complaints).toEqual(['403 InvalidProviderToken: the signature is not by this key']);
    });
  });

  describe('the environment', () => {
    let sandbox: ApnsStandIn;
    const DEVELOPERS = 'c'.repeat(64);
    beforeEach(async () => {
      sandbox = await startApnsStandIn();
      sandbox.trust(apns.apps);
      more.push(sandbox);
    });
    const both = (environment?: string) => {
      const [app] = apns.apps;
      return make({ apps: [{ ...app, ...(environment && { environment }) }], sandboxEndpoint: sandbox.endpoint });
    };
    it('is tried out once when Apple does not know the token, and remembered', async () => {
      sandbox.register(DEVELOPERS, { voip: true });
      const auto = both();
      const targets = { call: target(DEVELOPERS) };
      for (let i = 0; i < 3; i++) expect(await send('call', targets, auto)).toMatchObject({ kind: 'accepted' });
      expect([apns.requests, sandbox.requests]).toEqual([1, 3]);
      expect(log.at('warn')).toHaveLength(1);
      expect(log.text()).not.toContain(DEVELOPERS);
    });

    it('a token neither knows is not dead but failed', async () => {
      const outcome = await send('call', { call: target('d'.repeat(64)) }, both());
      expect(outcome).toEqual({ kind: 'failed', reason: 'BadDeviceToken' });
      expect([apns.requests, sandbox.requests]).toEqual([1, 1]);
    });

    it('is the one the phone named, when it named one', async () => {
      sandbox.register(DEVELOPERS, { voip: true });
      const call = { ...target(DEVELOPERS), environment: 'sandbox' as const };
      expect(await send('call', { call }, both())).toMatchObject({ kind: 'accepted' });
      expect([apns.requests, sandbox.requests]).toEqual([0, 1]);
    });

    it('is the configured one, when that is fixed', async () => {
      sandbox.register(DEVELOPERS, { voip: true });
      const fixed = both('production');
      const call = { ...target(DEVELOPERS), environment: 'sandbox' as const };
      expect(await send('call', { call }, fixed)).toEqual({ kind: 'failed', reason: 'BadDeviceToken' });
      expect([apns.requests, sandbox.requests]).toEqual([1, 0]);
    });

    it('with a stand-in for only one of the two, the other is left alone', async () => {
      expect(await send('call', { call: target('d'.repeat(64)) })).toEqual({
        kind: 'failed',
        reason: 'BadDeviceToken',
      });
    });
  });

  describe('the key', () => {
    let dir: string;
    let file: string;
    beforeEach(() => {
      dir = mkdtempSync(join(tmpdir(), 'pushwake-'));
      file = join(dir, 'AuthKey_KEY1234567.p8');
      writeFileSync(file, apns.apps[0]?.key ?? '');
    });
    afterEach(() => rmSync(dir, { recursive: true }));

    const withFile = (key = file) => make({ apps: [{ ...apns.apps[0], key }] });
    /** As tools that rotate keys do it: a new file takes the old one's place. */
    const replace = (text: string) => {
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
    };

    it('is read from a file, and read again when the file changes', async () => {
      const rotating = withFile();
      expect(await send('call', TARGETS, rotating)).toMatchObject({ kind: 'accepted' });
      replace(apns.rotateKey());
      await clock.advance(5 * SECOND);
      expect(await send('call', TARGETS, rotating)).toMatchObject({ kind: 'accepted' });
      expect(log.at('info').map(({ message }) => message)).toEqual(['apns key file taken up']);
    });

    it('that is bad changes nothing, and is told once', async () => {
      const rotating = withFile();
      await send('call', TARGETS, rotating);
      replace('-----BEGIN PRIVATE KEY-----\nc2VjcmV0IHdvcmRz\n-----END PRIVATE KEY-----\n');
      for (let i = 0; i < 3; i++) {
        await clock.advance(5 * SECOND);
        expect(await send('call', TARGETS, rotating)).toMatchObject({ kind: 'accepted' });
      }
      rmSync(file);
      await clock.advance(5 * SECOND);
      expect(await send('call', TARGETS, rotating)).toMatchObject({ kind: 'accepted' });
      expect(log.at('error').map(({ fields }) => fields.problem)).toEqual([
        expect.stringContaining('is not a private key'),
        expect.stringContaining('cannot be read (ENOENT)'),
      ]);
      expect(log.text()).not.toContain('c2VjcmV0');
      writeFileSync(file, apns.rotateKey());
      await clock.advance(5 * SECOND);
      expect(await send('call', TARGETS, rotating)).toMatchObject({ kind: 'accepted' });
    });

    it('is checked at start, all of them at once, by setting and file', () => {
      const [app] = apns.apps;
      const missing = join(dir, 'missing.p8');
      const apps = [
        { ...app, key: missing },
        { ...app, bundleId: 'com.example.two', key: '-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----' },
        { ...app, bundleId: 'com.example.three', key: selfSignedCertificate().cert },
      ];
      const attempt = () => make({ apps });
      expect(attempt).toThrow(expect.objectContaining({ name: 'ConfigError' }));
      expect(attempt).toThrow(
        `push.apns.apps[0].key: ${missing} cannot be read (ENOENT); expected the .p8 file from Apple`,
      );
      expect(attempt).toThrow('push.apns.apps[1].key is not a private key');
      expect(attempt).toThrow('push.apns.apps[2].key is not a private key');
      expect(attempt).not.toThrow(/SECRET/);
    });

    it('without its first line is not taken for a path and shown', () => {
      const body = makeP8Key().split('\n').slice(1, -2).join('');
      const attempt = () => withFile(body);
      expect(attempt).toThrow('push.apns.apps[0].key is not a private key');
      expect(attempt).not.toThrow(body.slice(0, 20));
    });
  });

  describe('a certificate in place of a key', () => {
    let dir: string;
    let file: string;
    const { teamId, bundleId } = { teamId: 'TEAM123456', bundleId: 'com.example.phone' };
    const by = (certificate: string, more: object = {}) => make({ apps: [{ teamId, bundleId, certificate, ...more }] });
    beforeEach(() => {
      dir = mkdtempSync(join(tmpdir(), 'pushwake-'));
      file = join(dir, 'push.pem');
    });
    afterEach(() => rmSync(dir, { recursive: true }));

    it('pushes, for calls and everything else', async () => {
      const certified = by(apns.certificate());
      for (const purpose of ['call', 'notice'] as const) {
        expect(await send(purpose, TARGETS, certified)).toMatchObject({ kind: 'accepted' });
      }
      expect(apns.complaints).toEqual([]);
    });

    it('is read from files, and read again when one of them changes', async () => {
      const split = (pem: string) => pem.split(/(?=-----BEGIN PRIVATE KEY)/) as [string, string];
      const keyFile = join(dir, 'push.key');
      const write = (pem: string) => {
        const [cert, key] = split(pem);
        for (const [path, text] of [
          [file, cert],
          [keyFile, key],
        ] as const) {
          writeFileSync(`${path}.new`, text);
          renameSync(`${path}.new`, path);
        }
      };
      write(apns.certificate());
      const certified = by(file, { certificateKey: keyFile });
      expect(await send('call', TARGETS, certified)).toMatchObject({ kind: 'accepted' });
      write(apns.certificate());
      await clock.advance(5 * SECOND);
      expect(await send('call', TARGETS, certified)).toMatchObject({ kind: 'accepted' });
      expect(log.at('info').map(({ message }) => message)).toEqual(['apns key file taken up']);
      expect(apns.connectionsEver).toBe(2);
    });

    it('that Apple does not know is a misconfiguration', async () => {
      const { cert, key } = selfSignedCertificate();
      expect(await send('call', TARGETS, by(cert + key))).toMatchObject({ kind: 'misconfigured' });
    });

    it('is checked at start: what it is, whose key it has, how long it lasts', () => {
      const { cert, key } = selfSignedCertificate();
      const other = selfSignedCertificate();
      expect(() => by(cert)).toThrow('push.apns.apps[0].certificate holds no private key');
      expect(() => by(key)).toThrow('push.apns.apps[0].certificate is not a certificate');
      expect(() => by(cert, { certificateKey: other.key })).toThrow('holds the key of another certificate');
      expect(() => by(join(dir, 'missing'))).toThrow('cannot be read (ENOENT); expected PEM text');
      const ended = apns.certificate(0, { notAfter: new Date(NOON - 1_000) });
      expect(() => by(ended)).toThrow(/ended on .*; renew it/);
      by(apns.certificate(0, { notAfter: new Date(NOON + 29 * 24 * 3_600_000) }));
      expect(log.at('warn').map(({ message }) => message)).toEqual(['apns certificate ends soon, renew it']);
      const [app] = apns.apps;
      expect(() => make({ apps: [{ ...app, certificate: cert + key }] })).toThrow(/not both/);
      expect(() => make({ apps: [{ teamId, bundleId }] })).toThrow(/keyId and key, or certificate/);
      expect(() => make({ apps: [{ ...app, certificateKey: key }] })).toThrow(/certificate beside it/);
    });
  });

  describe('several teams, apps and environments at once', () => {
    it('each by its own key, on connections of its own', async () => {
      const two = await startApnsStandIn({
        apps: [
          {},
          { bundleId: 'com.example.tablet' },
          { teamId: 'OTHERTEAM1', bundleId: 'com.example.phone', keyId: 'OTHERKEY12' },
        ],
      });
      const sandbox = await startApnsStandIn();
      more.push(two, sandbox);
      sandbox.trust(two.apps);
      const tokens = ['1', '2', '3', '4'].map((digit) => digit.repeat(64)) as [string, string, string, string];
      two.register(tokens[0], { voip: true });
      two.register(tokens[1], { bundleId: 'com.example.tablet', voip: true });
      two.register(tokens[2], { voip: true });
      sandbox.register(tokens[3], { voip: true });
      const endpoints = { endpoint: two.endpoint, sandboxEndpoint: sandbox.endpoint };
      const all = make({ apps: two.apps, ...endpoints, connections: 1 });
      const call = (app: string, token: string, environment?: 'sandbox') =>
        send('call', { call: { ...target(token, app), ...(environment && { environment }) } }, all);
      const outcomes = await Promise.all([
        call('TEAM123456.com.example.phone', tokens[0]),
        call('TEAM123456.com.example.tablet', tokens[1]),
        call('OTHERTEAM1.com.example.phone', tokens[2]),
        call('TEAM123456.com.example.phone', tokens[3], 'sandbox'),
      ]);
      expect(outcomes.map(({ kind }) => kind)).toEqual(Array(4).fill('accepted'));
      // Two apps of one key share its connections; Apple ties a connection to one team.
      expect([two.connectionsEver, sandbox.connectionsEver]).toEqual([2, 1]);
      expect([...two.complaints, ...sandbox.complaints]).toEqual([]);
    });
  });

  describe('a token Apple does not know', () => {
    const unknown = (n: number) => ({ call: target(`${n}`.padStart(64, '0')) });
    const failed = { kind: 'failed', reason: 'BadDeviceToken' };
    const of = (account: number, targets: object) => send('call', targets, provider, `${1001 + account}@example.com`);

    it('is dead when it fails three times, 10 min apart, while others are reached', async () => {
      await send('call');
      for (let i = 0; i < 2; i++) {
        expect(await send('call', unknown(1))).toEqual(failed);
        await clock.advance(10 * 60 * SECOND - 1);
        expect(await send('call', unknown(1)), 'too soon').toEqual(failed);
        expect(await send('call'), 'another is reached').toMatchObject({ kind: 'accepted' });
        await clock.advance(1);
      }
      expect(await send('call', unknown(1))).toEqual({ kind: 'tokenDead', reason: 'BadDeviceToken' });
    });

    it('is not, when nobody was ever reached', async () => {
      for (let i = 0; i < 9; i++) {
        // A site of one account: from the fifth on it is the app's trouble.
        const { kind } = await send('call', unknown(1));
        expect(kind).toBe(i < 4 ? 'failed' : 'misconfigured');
        await clock.advance(3_600 * SECOND);
      }
    });

    it('fifty made up by one account, or by two, say nothing of the app', async () => {
      await send('call');
      for (let n = 0; n < 50; n++) expect(await of(n % 2, unknown(n))).toEqual(failed);
    });

    it('is not, when nobody was reached between: a site of one account whose app changed its environment', async () => {
      await send('call');
      for (let i = 0; i < 9; i++) {
        const kinds = new Set<string>();
        for (let n = 0; n < 5; n++) kinds.add((await of(1, unknown(n))).kind);
        expect([...kinds]).toEqual([i < 4 ? 'failed' : 'misconfigured']);
        await clock.advance(3_600 * SECOND);
      }
    });

    it('five of three accounts in a row: the environment is wrong, and nobody is dead', async () => {
      await send('call');
      for (let n = 1; n < 5; n++) expect(await of(n % 3, unknown(n))).toEqual(failed);
      for (let n = 5; n < 50; n++) {
        await clock.advance(3_600 * SECOND);
        expect(await of(n % 3, unknown(n % 7))).toMatchObject({
          kind: 'misconfigured',
          reason: 'BadDeviceToken',
          scope: 'device',
          hint: expect.stringContaining('environment'),
        });
      }
      await send('call');
      expect(await send('call', unknown(1)), 'counted anew').toEqual(failed);
    });
  });

  it('refuses options it does not know, and an app given twice', () => {
    const [app] = apns.apps;
    expect(() => make({ apps: [app, app] })).toThrow(/given twice/);
    expect(() => make({ apps: [{ ...app, bundelId: 'x' }] })).toThrow(/bundelId/);
    expect(() => make({ apps: [] })).toThrow();
    expect(() => make({ apps: [{ ...app, bundleId: 'com.example.phone.voip' }] })).toThrow(/without .voip/);
  });
});

describe("reading Apple's answers", () => {
  const cases: readonly [string, Parameters<typeof readAnswer>, PushOutcome][] = [
    [
      'status and reason',
      [410, undefined, '{"reason":"Unregistered","timestamp":1700000000000}'],
      { kind: 'tokenDead', reason: 'Unregistered', since: instant(1_700_000_000_000) },
    ],
    [
      'a timestamp as text',
      [410, undefined, '{"reason":"Unregistered","timestamp":"1700000000000"}'],
      { kind: 'tokenDead', reason: 'Unregistered', since: instant(1_700_000_000_000) },
    ],
    [
      'a timestamp that is none',
      [410, undefined, '{"reason":"Unregistered","timestamp":"soon"}'],
      { kind: 'tokenDead', reason: 'Unregistered' },
    ],
    [
      'a reason nobody knows is not repeated',
      [400, undefined, `{"reason":"<b>${VOIP}"}`],
      { kind: 'failed', reason: 'status 400' },
    ],
    ['a page of a proxy', [502, undefined, `<html>${VOIP}`], { kind: 'retryLater', reason: 'status 502' }],
    ['JSON that is no object', [400, undefined, '"BadDeviceToken"'], { kind: 'failed', reason: 'status 400' }],
    ['null', [503, undefined, 'null'], { kind: 'retryLater', reason: 'status 503' }],
    ['a 5xx nobody knows', [599, undefined, ''], { kind: 'retryLater', reason: 'status 599' }],
    ['a redirect', [302, undefined, ''], { kind: 'failed', reason: 'status 302' }],
    ['the id', [200, 'id-1', ''], { kind: 'accepted', id: 'id-1' }],
  ];
  it.each(cases)('%s', (_, answer, expected) => {
    expect(outcomeOf(readAnswer(...answer))).toEqual(expected);
  });

  it.each([
    [{ code: 'ENOTFOUND', message: 'getaddrinfo ENOTFOUND api.push.apple.com' }, 'cannot connect'],
    [{ code: 'SELF_SIGNED_CERT_IN_CHAIN', message: '' }, 'certificate not trusted'],
    [{ code: 'ERR_TLS_CERT_ALTNAME_INVALID', message: '' }, 'certificate not trusted'],
    [{ code: 'ECONNRESET', message: 'read ECONNRESET' }, 'connection lost'],
    [undefined, 'connection lost'],
  ])('an error %j means %s', (error, expected) => {
    expect(reasonOfError(error)).toBe(expected);
  });
});

async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === 'object' && address ? address.port : 1;
}
