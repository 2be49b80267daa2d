import { describe, expect, it } from 'vitest';
import { create as createApns } from '../../adapters/push/apns/index.ts';
import { create as createFcm } from '../../adapters/push/fcm/index.ts';
import { create as createPnm } from '../../adapters/push/pnm/index.ts';
import { create as createWebhook } from '../../adapters/push/webhook/index.ts';
import { publicLookup } from '../../adapters/push/webpush/address.ts';
import { create as createWebPush, generateKeys } from '../../adapters/push/webpush/index.ts';
import { HttpsClient } from '../../adapters/shared/https-client.ts';
import { proxyFor } from '../../adapters/shared/proxy.ts';
import { HttpProxy } from '../../plugin/core/proxy.ts';
import { Token } from '../../plugin/core/token.ts';
import { type ProxiedService, throughProxyContract } from '../contract/through-proxy.contract.ts';
import { startApnsStandIn } from '../support/apns-stand-in/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { startFcmStandIn } from '../support/fcm-stand-in/index.ts';
import { startHttpProxy } from '../support/http-proxy.ts';
import { startHttpStandIn } from '../support/http-stand-in.ts';
import { startPnmStandIn } from '../support/pnm-stand-in/index.ts';
import { startWebhookStandIn, WEBHOOK_SECRET } from '../support/webhook-stand-in.ts';
import { startWebPushStandIn } from '../support/webpush-stand-in/index.ts';

const HOST = 'service.test';
const both = (target: { provider: string; app: string; selector?: string; token: Token }) => ({
  call: target,
  other: target,
});

throughProxyContract('apns', async () => {
  const apns = await startApnsStandIn();
  apns.register('a'.repeat(64), { voip: true });
  const endpoint = { ...apns.endpoint, address: HOST };
  return {
    port: endpoint.port,
    targets: both({ provider: 'apns', app: 'TEAM123456.com.example.phone', token: new Token('a'.repeat(64)) }),
    requests: () => apns.requests,
    create: (deps) => createApns({ apps: apns.apps, endpoint, sandboxEndpoint: endpoint, connections: 1 }, deps),
    close: () => apns.close(),
  };
});

throughProxyContract('fcm', async () => {
  const fcm = await startFcmStandIn();
  const token = `cXyz_1-a:APA91b${'x'.repeat(120)}`;
  fcm.register(token);
  const endpoint = { ...fcm.endpoint, address: HOST };
  return {
    port: endpoint.port,
    targets: both({ provider: 'fcm', app: '123456789012', token: new Token(token) }),
    requests: () => fcm.requests + fcm.tokenRequests,
    create: (deps) => createFcm({ apps: fcm.apps, endpoint }, deps),
    close: () => fcm.close(),
  };
});

describe.each([
  ['over HTTP/2', false],
  ['over HTTP/1.1', true],
])('%s', (_, http1) => {
  throughProxyContract('pnm', async () => {
    const pnm = await startPnmStandIn({ http1 });
    pnm.register('com.example.phone', 'abc', { calls: true });
    const endpoint = { ...pnm.endpoint, address: HOST };
    const target = { provider: 'pnm', app: 'com.example.phone', selector: 'SEL', token: new Token('abc') };
    return {
      port: endpoint.port,
      targets: both(target),
      requests: () => pnm.requests,
      create: (deps) => createPnm({ url: pnm.url, endpoint }, deps),
      close: () => pnm.close(),
    };
  });

  throughProxyContract('webhook', async (): Promise<ProxiedService> => {
    const hook = await startWebhookStandIn(new FakeClock(), { http1 });
    const { port, ca } = hook.endpoint;
    const url = hook.url.replace('127.0.0.1', HOST);
    return {
      port,
      targets: both({ provider: 'webhook', app: 'com.example.phone', token: new Token('abc') }),
      requests: () => hook.requests,
      create: (deps) => createWebhook({ url, ca, secret: WEBHOOK_SECRET, connections: 1 }, deps),
      close: () => hook.close(),
    };
  });

  throughProxyContract('webpush', async () => {
    const service = await startWebPushStandIn({ http1 });
    const { publicKey, privateKey } = generateKeys();
    const { token } = service.subscribe(publicKey);
    const options = {
      subject: 'mailto:admin@example.com',
      privateKey,
      endpoint: { ...service.endpoint, address: HOST },
    };
    return {
      port: service.endpoint.port,
      targets: both({ provider: 'webpush', app: 'https://push.example.org', token: new Token(token) }),
      requests: () => service.requests,
      create: (deps) => createWebPush(options, deps),
      close: () => service.close(),
    };
  });
});

describe('an HTTP proxy', () => {
  it.each([
    ['push.example.com', 443, ['example.com'], 'direct'],
    ['push.example.com', 443, ['.example.com'], 'direct'],
    ['push.example.com', 443, ['*.example.com'], 'direct'],
    ['example.com', 443, ['.example.com'], 'direct'],
    ['Push.Example.COM', 443, ['EXAMPLE.com'], 'direct'],
    ['badexample.com', 443, ['example.com'], 'proxy'],
    ['push.example.com', 443, ['push.example.com:8443'], 'proxy'],
    ['push.example.com', 8443, ['push.example.com:8443'], 'direct'],
    ['anything.test', 443, ['*'], 'direct'],
    ['10.1.2.3', 443, ['10.0.0.0/8'], 'direct'],
    ['11.1.2.3', 443, ['10.0.0.0/8'], 'proxy'],
    ['fd00::5', 443, ['fd00::/8'], 'direct'],
    ['fd00::5', 443, ['[fd00::5]:443'], 'direct'],
    ['10.1.2.3', 443, ['10.0.0.0/99', ''], 'proxy'],
    ['10.1.2.3', 443, ['2.3'], 'proxy'],
    ['localhost', 443, [], 'direct'],
    ['127.0.0.1', 8443, [], 'direct'],
    ['::1', 443, [], 'direct'],
    ['push.example.com', 443, [], 'proxy'],
  ] as const)('%s:%i with except %j: %s', (host, port, except, way) => {
    const settings = { host: 'proxy.test', port: 3128, isSecure: false, except, from: 'push.proxy' };
    expect(proxyFor(new HttpProxy(settings), host, port) ? 'proxy' : 'direct').toBe(way);
  });

  it.each([
    ['a public address', '203.0.114.7', undefined],
    ['an address inside', '192.168.1.1', 'ENOTPUBLIC'],
  ])('a stranger’s endpoint is looked up and judged here: %s', async (_, address, refused) => {
    const service = await startHttpStandIn(() => ({ status: 201 }), { hosts: ['push.example.org'] });
    const proxy = await startHttpProxy(service.endpoint.port);
    const resolve = ((_host: string, _options: object, callback: (e: null, a: object[]) => void) =>
      callback(null, [{ address, family: 4 }])) as never;
    const clock = new FakeClock();
    const client = new HttpsClient({
      origin: 'https://push.example.org',
      ca: service.endpoint.ca,
      lookup: publicLookup(resolve),
      connections: 1,
      sockets: 1,
      requestTimeoutMs: 5_000,
      clock,
      proxy: proxy.settings(),
    });
    const push = { method: 'POST', path: '/x', headers: {}, body: '', isAwaited: true } as const;
    const answer = await client.exchange(push, new AbortController().signal);
    if (refused === undefined) {
      // The proxy gets the address that was judged: a name could lead elsewhere when it is looked up once more.
      expect(answer).toMatchObject({ status: 201 });
      expect(proxy.connects).toEqual([`${address}:443`]);
    } else {
      expect(answer).toEqual({ noAnswer: 'cannot connect', code: refused });
      expect(proxy.connects).toEqual([]);
    }
    client.close();
    await proxy.close();
    await service.close();
  });
});
