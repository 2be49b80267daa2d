import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkEndpoint, isPublicAddress, publicLookup } from '../../adapters/push/webpush/address.ts';
import { create, generateKeys } from '../../adapters/push/webpush/index.ts';
import { VERDICTS } from '../../adapters/push/webpush/outcome.ts';
import { LIMIT_BYTES } from '../../adapters/push/webpush/payload.ts';
import { HttpsClient } from '../../adapters/shared/https-client.ts';
import { pushParamsOf } from '../../plugin/core/push-params.ts';
import { HOUR, plus, SECOND } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type { PushProvider, PushPurpose } from '../../plugin/ports/push-provider.ts';
import { everyPurpose, pushProviderContract, requestFor } from '../contract/push-provider.contract.ts';
import { FakeClock, NOON } from '../support/fake-clock.ts';
import { untilLate } from '../support/http-stand-in.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { selfSignedCertificate } from '../support/tls.ts';
import { type Subscription, startWebPushStandIn, type WebPushStandIn } from '../support/webpush-stand-in/index.ts';

const never = new AbortController().signal;
const KEYS = generateKeys();
const SUBJECT = 'mailto:admin@example.com';
const targetOf = (token: string) => ({ provider: 'webpush', app: 'https://push.example.org', token: new Token(token) });
const targetsOf = ({ token }: Subscription) => ({ call: targetOf(token), other: targetOf(token) });

describe.each([
  ['over HTTP/2', false],
  ['over HTTP/1.1', true],
])('%s', (how, http1) => {
  pushProviderContract(`webpush ${how}`, {
    verdicts: VERDICTS,
    limitBytes: everyPurpose(LIMIT_BYTES),
    // Each has its own test below.
    cannotProvoke: ['cannot connect', 'certificate not trusted', 'endpoint not allowed'],
    async start() {
      const service = await startWebPushStandIn({ http1 });
      const clock = new FakeClock();
      const log = new RecordedLog();
      const options = { subject: SUBJECT, privateKey: KEYS.privateKey, endpoint: service.endpoint };
      const provider = create(options, { clock, log, name: 'webpush' });
      return {
        log,
        provider,
        targets: targetsOf(service.subscribe(KEYS.publicKey)),
        provoke({ status, reason }) {
          if (status === 201) return true;
          if (status !== undefined) service.next({ status, body: '<html>' });
          else if (reason === 'connection lost') service.next('reset');
          else if (reason === 'unreadable answer') service.next({ status: 201, body: 'x'.repeat(100_000) });
          else if (reason === 'no answer in time') {
            service.next('hang');
            void service.received(1).then(() => untilLate(clock, service));
          } else return false;
          return true;
        },
        hang() {
          service.next('hang');
          return true;
        },
        received: (count) => service.received(count),
        bodies: () => service.pushes.map(({ text }) => text ?? ''),
        async stop() {
          await provider.close();
          expect(clock.pending()).toBe(0);
          expect(service.complaints).toEqual([]);
          await service.close();
        },
      };
    },
  });
});

describe('webpush', () => {
  let service: WebPushStandIn;
  let clock: FakeClock;
  let log: RecordedLog;
  let provider: PushProvider;
  let subscription: Subscription;
  const more: { close(): unknown }[] = [];

  const make = (options: object = {}) => {
    const all = { subject: SUBJECT, privateKey: KEYS.privateKey, endpoint: service.endpoint, ...options };
    const made = create(all, { clock, log, name: 'webpush' });
    more.push(made);
    return made;
  };
  const send = (purpose: PushPurpose, targets: object = targetsOf(subscription), by = provider) => {
    const request = requestFor(by, purpose, targets);
    if (!request) throw new Error('no target');
    return by.send(request, never);
  };

  beforeEach(async () => {
    service = await startWebPushStandIn();
    clock = new FakeClock();
    log = new RecordedLog();
    provider = make();
    subscription = service.subscribe(KEYS.publicKey);
  });
  afterEach(async () => {
    for (const one of more.splice(0)) await one.close();
    await service.close();
  });

  it('sends each purpose as a browser wants it', async () => {
    for (const purpose of ['call', 'cancel', 'refresh', 'notice'] as const) await send(purpose);
    const request = requestFor(provider, 'refresh', targetsOf(subscription));
    await provider.send({ ...request, urgent: true } as never, never);
    const topic = expect.stringMatching(/^[A-Za-z0-9_-]{32}$/);
    expect(service.pushes).toMatchObject([
      { ttl: 60, urgency: 'high', topic: undefined },
      { ttl: 60, urgency: 'high', topic: undefined },
      { ttl: 60, urgency: 'normal', topic },
      { ttl: 60, urgency: 'high', topic },
      { ttl: 60, urgency: 'high', topic },
    ]);
    const texts = service.pushes.map(({ text }) => JSON.parse(text ?? '') as Record<string, unknown>);
    expect(texts[0]).toEqual({
      pushwake: {
        v: 1,
        type: 'call',
        pushId: '11111111-2222-4333-8444-555555555555',
        callId: 'call-1',
        aor: '1001@example.com',
        sentAt: NOON,
        expiresAt: NOON + 60 * SECOND,
      },
    });
    expect(texts[3]).toMatchObject({
      notification: { body: 'Your account will expire soon.' },
      pushwake: { type: 'notice' },
    });
    expect(service.complaints).toEqual([]);
  });

  it('lets no push live longer than it is of use', async () => {
    await clock.advance(20_500);
    await send('call');
    const request = requestFor(provider, 'cancel', targetsOf(subscription));
    await provider.send({ ...request, expiresAt: plus(NOON, HOUR) } as never, never);
    await clock.advance(HOUR);
    await send('call');
    expect(service.pushes.map(({ ttl }) => ttl)).toEqual([39, 39, 0]);
  });

  it('without the keys of the subscription wakes by a push without text', async () => {
    const target = targetOf(subscription.endpoint);
    expect(await send('call', { call: target, other: target })).toMatchObject({ kind: 'accepted' });
    expect(service.pushes).toMatchObject([{ text: undefined, bytes: 0, urgency: 'high' }]);
  });

  it('with keys that are none sends nothing, and quotes nothing of them', async () => {
    for (const keys of ['x.y', `${'A'.repeat(87)}.${'B'.repeat(22)}`, `${subscription.keys.split('.')[0]}.`]) {
      const target = targetOf(`${subscription.endpoint}#${keys}`);
      const outcome = await send('call', { call: target });
      if (keys.endsWith('.')) expect(outcome.kind).toBe('accepted');
      else expect(outcome).toEqual({ kind: 'failed', reason: 'the keys of the subscription are none' });
    }
  });

  it('a subscription that was ended is dead; one made with another key is our mistake', async () => {
    service.unsubscribe(subscription);
    expect(await send('call')).toEqual({ kind: 'tokenDead', reason: 'status 410' });
    const foreign = service.subscribe(generateKeys().publicKey);
    expect(await send('call', targetsOf(foreign))).toMatchObject({
      kind: 'misconfigured',
      reason: 'status 403',
      scope: 'device',
    });
  });

  it('one service in trouble says nothing about the others', async () => {
    for (const status of [429, 500, 503, 599]) {
      service.next({ status, headers: { 'retry-after': '7' } });
      expect(await send('call')).toMatchObject({ kind: 'retryLater', scope: 'device', afterMs: 7 * SECOND });
    }
    service.next('reset');
    expect(await send('call')).toEqual({ kind: 'retryLater', reason: 'connection lost', scope: 'device' });
  });

  it('whose certificate is not trusted, or that is not there, is its own trouble', async () => {
    const stranger = make({ endpoint: { ...service.endpoint, ca: selfSignedCertificate().cert } });
    expect(await send('call', targetsOf(subscription), stranger)).toEqual({
      kind: 'retryLater',
      reason: 'certificate not trusted',
      scope: 'device',
    });
    const nowhere = make({ endpoint: { ...service.endpoint, port: 1 } });
    expect(await send('call', targetsOf(subscription), nowhere)).toMatchObject({ reason: 'cannot connect' });
  });

  it('signs once an hour for each service', async () => {
    for (let i = 0; i < 3; i++) expect(await send('call')).toMatchObject({ kind: 'accepted' });
    await clock.advance(HOUR);
    expect(await send('call')).toMatchObject({ kind: 'accepted' });
    expect(service.connectionsEver).toBe(1);
  });

  it('keeps the connections of a hundred services, and drops the idle ones first', async () => {
    const named = make({ allowHosts: ['*.example.org'] });
    for (let i = 0; i < 130; i++) {
      const target = targetOf(`https://push-${i}.example.org/x`);
      await send('call', { call: target }, named);
    }
    for (let i = 0; service.connections > 110 && i < 1_000; i++) await new Promise((done) => setImmediate(done));
    expect(service.connections).toBeLessThanOrEqual(101);
  });

  describe('the key', () => {
    let dir: string;
    beforeEach(() => {
      dir = mkdtempSync(join(tmpdir(), 'pushwake-'));
    });
    afterEach(() => rmSync(dir, { recursive: true }));

    it('is read from a file, and read again when the file changes; a bad one changes nothing', async () => {
      const path = join(dir, 'vapid');
      writeFileSync(path, `${KEYS.privateKey}\n`);
      const rotating = make({ privateKey: path });
      expect(await send('call', targetsOf(subscription), rotating)).toMatchObject({ kind: 'accepted' });
      const replace = (text: string) => {
        writeFileSync(`${path}.new`, text);
        renameSync(`${path}.new`, path);
      };
      replace('not a key');
      await clock.advance(5 * SECOND);
      expect(await send('call', targetsOf(subscription), rotating)).toMatchObject({ kind: 'accepted' });
      expect(log.at('error').map(({ fields }) => fields.problem)).toEqual([expect.stringContaining('is no VAPID key')]);
      const renewed = generateKeys();
      replace(renewed.privateKey);
      await clock.advance(5 * SECOND);
      const anew = service.subscribe(renewed.publicKey);
      expect(await send('call', targetsOf(anew), rotating)).toMatchObject({ kind: 'accepted' });
    });

    it('is checked at start, and never shown', () => {
      expect(() => make({ privateKey: join(dir, 'missing') })).toThrow('cannot be read (ENOENT)');
      const long = `${KEYS.privateKey}x`;
      expect(() => make({ privateKey: long })).toThrow('push.webpush.privateKey is no VAPID key');
      expect(() => make({ privateKey: long })).not.toThrow(long.slice(0, 20));
      expect(() => make({ privateKey: 'A'.repeat(43) })).toThrow('is no key of the curve P-256');
      expect(() => make({ subject: 'admin@example.com' })).toThrow(/mailto:/);
    });
  });

  describe('endpoints written by strangers', () => {
    it.each([
      'http://push.example.org/x',
      'https://127.0.0.1/x',
      'https://[::1]/x',
      'https://0x7f.1/x',
      'https://2130706433/x',
      'https://169.254.169.254/latest/meta-data',
      'https://[fd00::1]/x',
      'https://[::ffff:10.0.0.1]/x',
      'https://localhost/x',
      'https://intranet/x',
      'https://push.example.org:8443/x',
      'https://push.example.org:22/x',
      'https://user:password@push.example.org/x',
      'file:///etc/passwd',
      'ftp://push.example.org/',
      'nonsense',
      '',
    ])('%s is not asked', async (endpoint) => {
      const target = targetOf(endpoint);
      expect(await send('call', { call: target })).toMatchObject({
        kind: 'misconfigured',
        reason: 'endpoint not allowed',
        scope: 'device',
        hint: expect.stringContaining('allowHosts'),
      });
      expect(service.connectionsEver).toBe(0);
    });

    it('are asked where the administrator names them, and then nowhere else', () => {
      const hosts = ['push.example.org', '*.push.apple.com', 'up.example.net:8443', '10.0.0.7:8443'];
      const ok = (url: string) => checkEndpoint(url, hosts).ok;
      for (const good of [
        'https://push.example.org/x',
        'https://web.push.apple.com/x',
        'https://up.example.net:8443/x',
        'https://10.0.0.7:8443/x',
      ]) {
        expect(ok(good), good).toBe(true);
      }
      for (const bad of [
        'https://push.example.com/x',
        'https://evil-push.example.org/x',
        'https://push.example.org.evil.com/x',
        'https://push.apple.com/x',
        'https://evilpush.apple.com/x',
        'https://push.example.org:8443/x',
        'https://up.example.net/x',
        'http://push.example.org/x',
        'https://push.example.org@evil.com/x',
      ]) {
        expect(ok(bad), bad).toBe(false);
      }
    });

    it('a redirect leads nowhere', async () => {
      service.next({ status: 307, headers: { location: `https://127.0.0.1:${service.endpoint.port}/inside` } });
      expect(await send('call')).toEqual({ kind: 'failed', reason: 'status 307' });
      expect(service.requests).toBe(1);
    });

    const resolver =
      (...addresses: string[]) =>
      (
        _name: string,
        _options: object,
        done: (error: Error | null, all: { address: string; family: number }[]) => void,
      ) =>
        done(
          null,
          addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        );
    const resolved = (...addresses: string[]) =>
      new Promise((done) => {
        const lookup = publicLookup(resolver(...addresses) as never);
        lookup('push.example.org', {}, (error, address) =>
          done(error ? (error as NodeJS.ErrnoException).code : address),
        );
      });

    it('a name that leads inside is refused, also when only one of its addresses does', async () => {
      expect(await resolved('17.188.143.1')).toBe('17.188.143.1');
      expect(await resolved('2a00:1450:4001::5f')).toBe('2a00:1450:4001::5f');
      for (const inside of [
        '127.0.0.1',
        '10.1.2.3',
        '192.168.1.1',
        '::1',
        'fe80::1',
        '::ffff:127.0.0.1',
        '64:ff9b::a00:1',
      ]) {
        expect(await resolved(inside), inside).toBe('ENOTPUBLIC');
        expect(await resolved('17.188.143.1', inside), inside).toBe('ENOTPUBLIC');
      }
      expect(await resolved()).toBe('ENOTPUBLIC');
    });

    it('is asked for every connection: nothing is sent to where such a name leads', async () => {
      const there = await startWebPushStandIn({ http1: false });
      more.push(there);
      const { port, ca } = there.endpoint;
      const client = new HttpsClient({
        origin: `https://localhost:${port}`,
        ca,
        lookup: publicLookup(resolver('127.0.0.1') as never),
        connections: 1,
        sockets: 1,
        requestTimeoutMs: 5 * SECOND,
        clock,
      });
      more.push(client);
      const request = { method: 'POST' as const, path: '/', headers: {}, body: '', isAwaited: true };
      expect(await client.exchange(request, never)).toEqual({ noAnswer: 'cannot connect', code: 'ENOTPUBLIC' });
      expect(there.connectionsEver).toBe(0);
    });

    it.each([
      ['0.0.0.0', false],
      ['100.64.0.1', false],
      ['100.128.0.1', true],
      ['172.15.255.255', true],
      ['172.16.0.0', false],
      ['172.32.0.0', true],
      ['198.20.0.1', true],
      ['224.0.0.1', false],
      ['255.255.255.255', false],
      ['2001:db8::1', false],
      ['2002:7f00:1::', false],
      ['2606:4700::1', true],
      ['fc00::1', false],
      ['ff02::1', false],
      ['::', false],
      ['nonsense', false],
    ])('%s is public: %s', (address, expected) => {
      expect(isPublicAddress(address)).toBe(expected);
    });
  });

  it('a Contact brings endpoint and keys together', () => {
    const escaped = subscription.endpoint.replaceAll('?', '%3F').replaceAll('=', '%3D');
    const uri = `sip:1001@192.0.2.7;pn-provider=webpush;pn-param=${subscription.keys};pn-prid=${escaped}`;
    const params = pushParamsOf(uri);
    expect(params.kind === 'push' && params.targets.call?.token.reveal()).toBe(subscription.token);
    const without = pushParamsOf(uri.replace(subscription.keys, 'something'));
    expect(without.kind === 'push' && without.targets.call?.token.reveal()).toBe(subscription.endpoint);
  });
});
