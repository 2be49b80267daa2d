import { afterEach, describe, expect, it } from 'vitest';
import { create, optionsSchema } from '../../adapters/push/webhook/index.ts';
import { VERDICTS } from '../../adapters/push/webhook/outcome.ts';
import { LIMIT_BYTES } from '../../adapters/push/webhook/payload.ts';
import { isSigned, sign } from '../../adapters/shared/signature.ts';
import { MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import { everyPurpose, pushProviderContract, requestFor } from '../contract/push-provider.contract.ts';
import { FakeClock, NOON } from '../support/fake-clock.ts';
import { untilLate } from '../support/http-stand-in.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { selfSignedCertificate } from '../support/tls.ts';
import { startWebhookStandIn, WEBHOOK_SECRET, type WebhookStandIn } from '../support/webhook-stand-in.ts';

const TOKEN = 'the-token-of-a-huawei-phone-0123456789';
const never = new AbortController().signal;
const target = { provider: 'hms', app: '100200300', token: new Token(TOKEN) };
const other = { ...target, token: new Token(`${TOKEN}-other`) };
const TARGETS = { call: target, other };

describe.each([
  ['over HTTP/2', {}],
  ['over HTTP/1.1', { http1: true }],
  ['without TLS, on this machine', { plain: true }],
])('%s', (how, options) => {
  pushProviderContract(`webhook ${how}`, {
    verdicts: VERDICTS,
    limitBytes: everyPurpose(LIMIT_BYTES),
    // Each has its own test below.
    cannotProvoke: ['cannot connect', 'certificate not trusted'],
    async start() {
      const clock = new FakeClock();
      const receiver = await startWebhookStandIn(clock, options);
      const log = new RecordedLog();
      const provider = create(
        { url: receiver.url, secret: WEBHOOK_SECRET, ca: receiver.endpoint.ca },
        { clock, log, name: 'hms' },
      );
      return {
        log,
        provider,
        targets: TARGETS,
        provoke({ status, reason }) {
          if (status !== undefined) receiver.next({ status, body: TOKEN });
          else if (reason === 'connection lost') receiver.next('reset');
          else if (reason === 'unreadable answer') receiver.next({ status: 200, body: 'x'.repeat(100_000) });
          else if (reason === 'no answer in time') {
            receiver.next('hang');
            void receiver.received(1).then(() => untilLate(clock, receiver));
          } else return false;
          return true;
        },
        hang() {
          receiver.next('hang');
          return true;
        },
        received: (count) => receiver.received(count),
        // The stand-in drops repeats, as a receiver should; the contract sends one id again and again.
        bodies: () => receiver.bodies,
        async stop() {
          await provider.close();
          expect(clock.pending()).toBe(0);
          await receiver.close();
        },
      };
    },
  });
});

describe('webhook', () => {
  const clock = new FakeClock();
  const more: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const one of more.splice(0)) await one.close();
  });
  const start = async (options: object = {}): Promise<[WebhookStandIn, ReturnType<typeof create>]> => {
    const receiver = await startWebhookStandIn(clock);
    const all = { url: receiver.url, secret: WEBHOOK_SECRET, ca: receiver.endpoint.ca, ...options };
    const provider = create(all, { clock, log: new RecordedLog(), name: 'hms' });
    more.push(provider, receiver);
    return [receiver, provider];
  };
  const request = (provider: ReturnType<typeof create>, purpose: 'call' | 'notice') => {
    const made = requestFor(provider, purpose, TARGETS, { name: 'Zoë' });
    if (!made) throw new Error('no target');
    return made;
  };

  it('says where to, and hands on what every app gets', async () => {
    const [receiver, provider] = await start();
    await provider.send(request(provider, 'call'), never);
    expect(JSON.parse(receiver.bodies[0] ?? '')).toEqual({
      target: { provider: 'hms', app: '100200300', token: TOKEN, via: 'call' },
      urgency: 'high',
      collapseId: 'collapse-1',
      pushwake: {
        v: 1,
        type: 'call',
        pushId: '11111111-2222-4333-8444-555555555555',
        callId: 'call-1',
        aor: '1001@example.com',
        caller: { name: 'Zoë', number: '+420123456789' },
        sentAt: NOON,
        expiresAt: NOON + MINUTE,
      },
    });
  });

  it('sends the text of a notice beside it', async () => {
    const [receiver, provider] = await start();
    await provider.send({ ...request(provider, 'notice'), title: 'Phone' } as never, never);
    expect(JSON.parse(receiver.bodies[0] ?? '')).toMatchObject({
      target: { token: `${TOKEN}-other`, via: 'other' },
      notification: { title: 'Phone', body: 'Your account will expire soon.' },
      pushwake: { type: 'notice', notice: 'soon' },
    });
  });

  it('a repeat is known by its id', async () => {
    const [receiver, provider] = await start();
    for (let i = 0; i < 3; i++) await provider.send(request(provider, 'call'), never);
    expect([receiver.bodies.length, receiver.repeats]).toEqual([1, 2]);
  });

  it('with another secret is a misconfiguration', async () => {
    const [, provider] = await start({ secret: 'another-secret-0123456789' });
    expect(await provider.send(request(provider, 'call'), never)).toMatchObject({
      kind: 'misconfigured',
      reason: 'status 401',
    });
  });

  it('waits as long as the receiver says', async () => {
    const [receiver, provider] = await start();
    receiver.next({ status: 429, headers: { 'retry-after': '3' } });
    expect(await provider.send(request(provider, 'call'), never)).toMatchObject({ afterMs: 3 * SECOND });
  });

  it('that cannot be reached, or leads to a stranger, says so', async () => {
    const [, stranger] = await start({ ca: selfSignedCertificate().cert });
    expect(await stranger.send(request(stranger, 'call'), never)).toMatchObject({ reason: 'certificate not trusted' });
    const [, nowhere] = await start({ url: 'https://127.0.0.1:1/' });
    expect(await nowhere.send(request(nowhere, 'call'), never)).toEqual({
      kind: 'retryLater',
      reason: 'cannot connect',
    });
  });

  it('goes unencrypted to this machine alone', () => {
    const parse = (url: string) => optionsSchema.safeParse({ url, secret: WEBHOOK_SECRET }).success;
    expect(parse('http://127.0.0.1:8080/x')).toBe(true);
    expect(parse('http://[::1]:8080/x')).toBe(true);
    expect(parse('https://example.com/x')).toBe(true);
    for (const bad of ['http://example.com/x', 'http://10.0.0.1/', 'ftp://127.0.0.1/', 'file:///etc/passwd', 'x']) {
      expect(parse(bad), bad).toBe(false);
    }
  });
});

describe('the signature', () => {
  it('is that of Standard Webhooks', () => {
    // The example of its specification's reference libraries.
    const at = plus(NOON, 0);
    const signed = sign(WEBHOOK_SECRET, 'msg_1', at, '{"test": 2432232314}');
    expect(signed['webhook-timestamp']).toBe(String(NOON / 1_000));
    expect(signed['webhook-signature']).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/);
  });

  it('holds for this id, time and body, for five minutes', () => {
    const signed = { ...sign(WEBHOOK_SECRET, 'id-1', NOON, 'body') };
    const ok = (change: object = {}, body = 'body', now = NOON, secret = WEBHOOK_SECRET) =>
      isSigned(secret, { ...signed, ...change }, body, now);
    expect(ok()).toBe(true);
    expect(ok({}, 'body', plus(NOON, 5 * MINUTE))).toBe(true);
    expect(ok({}, 'body', plus(NOON, 5 * MINUTE + 1))).toBe(false);
    expect(ok({}, 'body', plus(NOON, -5 * MINUTE - 1))).toBe(false);
    expect(ok({}, 'bodY')).toBe(false);
    expect(ok({ 'webhook-id': 'id-2' })).toBe(false);
    expect(ok({ 'webhook-timestamp': String(NOON / 1_000 + 1) })).toBe(false);
    expect(ok({ 'webhook-timestamp': 'now' })).toBe(false);
    expect(ok({ 'webhook-signature': '' })).toBe(false);
    expect(ok({ 'webhook-signature': undefined })).toBe(false);
    expect(ok({}, 'body', NOON, 'another-secret-0123456789')).toBe(false);
    expect(ok({ 'webhook-signature': `v1,AAAA ${signed['webhook-signature']}` })).toBe(true);
  });
});
