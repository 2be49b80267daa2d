/** One HTTPS client for every provider: what it sends, over HTTP/2 and over HTTP/1.1. */
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { HttpsClient } from '../../adapters/shared/https-client.ts';
import { startHttpStandIn } from '../support/http-stand-in.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

it.each([
  ['GET', ''],
  ['POST', ''],
  ['POST', 'x'],
] as const)('%s with the body "%s" is answered, over HTTP/2 too', async (method, body) => {
  for (const http1 of [false, true]) {
    const service = await startHttpStandIn(() => ({ status: 200 }), { http1 });
    const { port, ca } = service.endpoint;
    const client = new HttpsClient({
      origin: 'https://service.test',
      connectTo: { address: '127.0.0.1', port, ca },
      connections: 1,
      sockets: 1,
      requestTimeoutMs: 5_000,
      clock: systemClock(),
    });
    closing.push(
      () => service.close(),
      () => client.close(),
    );
    const request = { method, path: '/', headers: {}, body, isAwaited: true };
    expect([http1, await client.exchange(request, new AbortController().signal)]).toMatchObject([
      http1,
      { status: 200 },
    ]);
  }
});
