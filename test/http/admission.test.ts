/** A flood costs calls nothing: what is beyond the limit is not looked at, and its connection is cut. On real sockets. */
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { admit } from '../../plugin/http/admission.ts';
import { HttpListener } from '../../plugin/http/listener.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(ratePerMinute: number) {
  const clock = new FakeClock();
  let handled = 0;
  const listener = new HttpListener({
    name: 'devices',
    title: 'devices',
    version: '0',
    host: '127.0.0.1',
    port: 0,
    ratePerMinute,
    maxConnections: 1_000,
    routes: [(server) => void server.get('/x', async () => ({ handled: ++handled }))],
    log: new RecordedLog(),
    clock,
  });
  await listener.start();
  closing.push(() => listener.stop());
  const client = (): Socket & { closedByThem?: boolean } => {
    const socket = connect(listener.address?.port ?? 0, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.on('data', () => undefined);
    socket.on('close', () => Object.assign(socket, { closedByThem: true }));
    closing.push(() => socket.destroy());
    return socket;
  };
  return { clock, client, handled: () => handled };
}

const REQUEST = 'GET /x HTTP/1.1\r\nhost: a\r\n\r\n';

describe('a public listener in a flood', () => {
  it('looks at no more than its share of a moment, cuts the flood, and goes on with others', async () => {
    const { clock, client, handled } = await start(1_000_000);
    const flood = client();
    flood.write(REQUEST.repeat(200));
    await vi.waitFor(() => expect(handled()).toBe(50));
    const late = client();
    late.write(REQUEST);
    await clock.advance(100);
    // The next moment: whoever did not flood is answered, the flood is not.
    const other = client();
    const answer = new Promise((done) => other.once('data', (d: Buffer) => done(String(d).slice(0, 15))));
    other.write(REQUEST);
    expect(await answer).toBe('HTTP/1.1 200 OK');
    expect(flood.destroyed).toBe(false);
    await clock.advance(1_000);
    await vi.waitFor(() => expect(flood.closedByThem).toBe(true));
    expect(other.closedByThem).toBeUndefined();
    expect(handled()).toBeLessThanOrEqual(52);
  });

  it('a connection that was shed is not served again, also when the moment is over', async () => {
    const clock = new FakeClock();
    const server = createServer();
    let handled = 0;
    server.on('request', () => handled++);
    admit(server, 100, clock);
    // Requests that were read before the connection stood still, as TLS hands them on in pieces.
    const socket = { pause: () => undefined, destroy: vi.fn() };
    const ask = (from: object) => server.emit('request', { socket: from } as never, {} as never);
    for (let i = 0; i < 11; i++) ask(socket);
    expect(handled).toBe(10);
    await clock.advance(100);
    ask(socket);
    expect(handled, 'another moment, the same connection').toBe(10);
    ask({ ...socket });
    expect(handled, 'another connection').toBe(11);
    await clock.advance(1_000);
    expect(socket.destroy).toHaveBeenCalledTimes(1);
  });

  it('what one packet brought beyond the limit costs no more than reading it', async () => {
    const server = createServer((_request, response) => response.end());
    admit(server, 100, new FakeClock());
    // Beside the limit: how often Node itself made a request and a response for somebody to look at.
    let made = 0;
    server.on('request', () => made++);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    closing.push(
      () => server.close(),
      () => server.closeAllConnections(),
    );
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    closing.push(() => socket.destroy());
    socket.write(REQUEST.repeat(500));
    // All ten that are let in are answered in one go, with the rest of the packet behind them.
    await vi.waitFor(() => expect(made).toBeGreaterThanOrEqual(10));
    await new Promise((turn) => setImmediate(turn));
    expect(made).toBe(11);
  });

  it('a listener without a limit answers all', async () => {
    const { client, handled } = await start(0);
    client().write(REQUEST.repeat(200));
    await vi.waitFor(() => expect(handled()).toBe(200));
  });
});
