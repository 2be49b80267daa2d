import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { StreamFramer } from './framing.ts';
import { SipPhone } from './index.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A registrar over TCP that says yes to everything, to its first request only if `answersFirst`; `then` hears of each request. */
async function registrar(answersFirst: boolean, then: (socket: Socket, nth: number) => void): Promise<number> {
  let nth = 0;
  const server = createServer((socket) => {
    const framer = new StreamFramer();
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      for (const message of framer.push(chunk)) {
        const lines = String(message).split('\r\n');
        const same = lines.filter((line) => /^(Via|From|To|Call-ID|CSeq):/.test(line));
        nth++;
        if (nth > 1 || answersFirst)
          socket.write(['SIP/2.0 200 OK', ...same, 'Content-Length: 0', '', ''].join('\r\n'));
        then(socket, nth);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function phoneAt(port: number): Promise<SipPhone> {
  const server = { host: '127.0.0.1', udp: port, tcp: port, tls: port };
  const phone = await new SipPhone({ user: '1001', password: 'secret', server, transport: 'tcp' }).open();
  ends.push(() => phone.close());
  return phone;
}

describe('a phone whose connection the server shuts', () => {
  it.each([
    ['after its REGISTER was answered', true],
    ['before', false],
  ])('connects anew and registers: %s', async (_when, answered) => {
    const second = Promise.withResolvers<number>();
    const port = await registrar(answered, (socket, nth) => {
      if (nth === 1) socket.end();
      if (nth === 2) second.resolve(nth);
    });
    const phone = await phoneAt(port);
    expect((await phone.register({ contactParams: ';pn-prid=token' })).status).toBe(200);
    await second.promise;
    expect(phone.isOpen).toBe(true);
    expect(phone.log.find(/^REGISTER /).at(-1)?.text).toContain('pn-prid=token');
  });

  it('stays away when it had not registered', async () => {
    const server = createServer((socket) => void socket.end());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ends.push(() => server.close());
    const phone = await phoneAt((server.address() as AddressInfo).port);
    await phone.waitFor(() => !phone.isOpen);
    expect(phone.log.find(/^REGISTER /)).toEqual([]);
  });
});
