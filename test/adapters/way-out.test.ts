/** What `check` and `status` say of the way to a push service: directly, through a proxy, and by whose fault not. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { reach } from '../../adapters/shared/findings.ts';
import { HttpsClient } from '../../adapters/shared/https-client.ts';
import { whatIsWrong } from '../../plugin/commands/status.ts';
import type { HttpProxy } from '../../plugin/core/proxy.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { PROXY_PASSWORD, startHttpProxy } from '../support/http-proxy.ts';
import { startHttpStandIn } from '../support/http-stand-in.ts';
import { quietHealth } from '../support/quiet-status.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function site() {
  const service = await startHttpStandIn(() => ({ status: 200 }));
  const proxy = await startHttpProxy(service.endpoint.port);
  closing.push(
    () => service.close(),
    () => proxy.close(),
  );
  const { port, ca } = service.endpoint;
  const look = (settings: HttpProxy) =>
    reach(
      { host: 'service.test', port, ca },
      { clock: systemClock(), name: 'x', offline: false, timeoutMs: 5_000, running: false, proxy: settings },
    );
  return { service, proxy, look, port };
}

describe('check', () => {
  it('names the proxy and who set it, and reaches the service through it', async () => {
    const { proxy, look, port } = await site();
    const finding = await look(proxy.settings({ from: 'HTTPS_PROXY' }));
    expect(finding).toMatchObject({
      level: 'ok',
      found: `service.test:${port} can be reached through the proxy 127.0.0.1:${proxy.port} (HTTPS_PROXY) by TLS`,
    });
  });

  it.each([
    ['the login is wrong', 407, 'proxy refuses the login', /another user and password/],
    ['the service is forbidden', 403, 'proxy refuses the service', /does not allow CONNECT/],
    ['the service is away', 502, 'proxy cannot reach the service', /its log says why/],
  ])('%s', async (_, status, reason, remedy) => {
    const { proxy, look } = await site();
    proxy.next({ status });
    const finding = await look(proxy.settings());
    expect(finding).toMatchObject({ level: 'fail', remedy: expect.stringMatching(remedy) });
    expect(finding.found).toContain(`through the proxy 127.0.0.1:${proxy.port} (push.proxy) (${reason})`);
    expect(JSON.stringify(finding)).not.toContain(PROXY_PASSWORD);
  });
});

describe('status', () => {
  const service = { provider: 'apns', queued: 0, inFlight: 0, proxy: 'proxy.test:3128' };
  it('names the proxy of a service that is held back', () => {
    const services = [{ ...service, breaker: 'open' as const, trouble: 'proxy not reachable' }];
    expect(whatIsWrong(quietHealth({ services })).join()).toMatch(
      /^apns through the proxy proxy\.test:3128 does not answer.*proxy not reachable.*push\.proxy/,
    );
  });
  it.each([
    ['proxy refuses the login', /^the proxy proxy\.test:3128 in front of apns refuses app com\.example/],
    ['InvalidProviderToken', /^apns refuses app com\.example/],
  ])('names who refuses: %s', (reason, expected) => {
    const alarms = [{ provider: 'apns', app: 'com.example', reason, hint: 'mend it' }];
    const services = [{ ...service, breaker: 'closed' as const }];
    expect(whatIsWrong(quietHealth({ services, alarms })).join()).toMatch(expected);
  });
});

describe('a connection that is taken and then silent, before TLS stands', () => {
  it('is given up in time, and the next request opens another', async () => {
    const service = await startHttpStandIn(() => ({ status: 200 }));
    const held: Socket[] = [];
    const front = createServer((socket) => {
      socket.on('error', () => undefined);
      if (held.push(socket) === 1) return;
      const onward = connect(service.endpoint.port, '127.0.0.1');
      onward.on('error', () => undefined);
      socket.pipe(onward).pipe(socket);
    });
    await new Promise<void>((listening) => front.listen(0, '127.0.0.1', listening));
    const clock = new FakeClock();
    const { port } = front.address() as AddressInfo;
    const client = new HttpsClient({
      origin: `https://localhost:${port}`,
      connectTo: { ...service.endpoint, port },
      connections: 1,
      sockets: 1,
      requestTimeoutMs: 5_000,
      clock,
    });
    closing.push(
      () => service.close(),
      () => front.close(),
      () => client.close(),
    );
    const never = new AbortController().signal;
    const ask = () => client.exchange({ method: 'POST', path: '/', headers: {}, body: '', isAwaited: true }, never);
    const first = ask();
    await expect.poll(() => held.length).toBe(1);
    await clock.advance(5_000);
    expect(await first).toHaveProperty('noAnswer');
    expect(await ask()).toMatchObject({ status: 200 });
  });
});
