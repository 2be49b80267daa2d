/**
 * An HTTP proxy for tests: CONNECT alone, one login, every name leads to one port of this machine. Strict: a request that is
 * no right CONNECT, or comes without the login, is refused.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer as createPlainServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { HttpProxy, type ProxySettings } from '../../plugin/core/proxy.ts';
import { selfSignedCertificate } from './tls.ts';

export const PROXY_USER = 'push wake';
export const PROXY_PASSWORD = 'S3cr:t@ü';

/** How the next connections are treated, in place of a tunnel. */
export type ProxyBehaviour =
  | { readonly status: number }
  /** Takes the CONNECT and never answers. */
  | 'hang'
  /** Closes the connection once the CONNECT was read. */
  | 'close'
  /** Answers with what is no HTTP. */
  | 'garbage'
  /** Headers without an end. */
  | 'flood'
  /** Says 200 and closes. */
  | 'tunnel-closes';

export interface ProxyStandIn {
  readonly port: number;
  /** Of its own certificate; where it speaks TLS. */
  readonly ca: string | undefined;
  /** `host:port` of every CONNECT with the right login. */
  readonly connects: readonly string[];
  next(behaviour: ProxyBehaviour, count?: number): void;
  /** Resolves when it has read `count` CONNECTs, counted from the start. */
  asked(count: number): Promise<void>;
  /** Cuts every tunnel. */
  reset(): void;
  /** As the configuration would make it. */
  settings(over?: Partial<ProxySettings>): HttpProxy;
  close(): Promise<void>;
}

export async function startHttpProxy(targetPort: number, options: { tls?: boolean } = {}): Promise<ProxyStandIn> {
  const script: ProxyBehaviour[] = [];
  const connects: string[] = [];
  const sockets = new Set<Socket>();
  const waiting: { count: number; done: () => void }[] = [];
  const login = `Basic ${Buffer.from(`${PROXY_USER}:${PROXY_PASSWORD}`).toString('base64')}`;
  let askedCount = 0;

  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  };
  const refuse = (socket: Socket, status: number) =>
    socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 5\r\nConnection: close\r\n\r\nsorry`);

  const take = (socket: Socket) => {
    keep(socket);
    let head = '';
    const onData = (chunk: Buffer) => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', onData);
      askedCount++;
      for (const { count, done } of waiting) if (askedCount >= count) done();
      const [, authority = ''] = /^CONNECT ([^\s]+:\d+) HTTP\/1\.1\r\n/.exec(head) ?? [];
      if (authority === '' || !head.includes(`\r\nHost: ${authority}\r\n`)) return refuse(socket, 400);
      if (!head.includes(`\r\nProxy-Authorization: ${login}\r\n`)) return refuse(socket, 407);
      connects.push(authority);
      const behaviour = script.shift();
      if (behaviour === undefined) return tunnel(socket);
      if (behaviour === 'hang') return;
      if (behaviour === 'close') return socket.destroy();
      if (behaviour === 'garbage') return socket.write('220 mail.example.com ESMTP ready\r\n\r\n');
      if (behaviour === 'flood') return socket.write(`HTTP/1.1 200 OK\r\n${'X-Filler: 0123456789\r\n'.repeat(2_000)}`);
      if (behaviour === 'tunnel-closes') return socket.end('HTTP/1.1 200 Connection established\r\n\r\n');
      refuse(socket, behaviour.status);
    };
    socket.on('data', onData);
  };
  const tunnel = (socket: Socket) => {
    const server = connect(targetPort, '127.0.0.1');
    keep(server);
    server.once('connect', () => {
      socket.write('HTTP/1.0 200 Connection established\r\nVia: 1.1 test\r\n\r\n');
      socket.pipe(server);
      server.pipe(socket);
    });
    socket.on('close', () => server.destroy());
    server.on('close', () => socket.destroy());
  };

  const certificate = options.tls ? selfSignedCertificate() : undefined;
  const server = certificate ? createTlsServer(certificate, take) : createPlainServer(take);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    ca: certificate?.cert,
    connects,
    next(behaviour, count = 1) {
      for (let n = 0; n < count; n++) script.push(behaviour);
    },
    asked: (count) =>
      new Promise((done) => {
        if (askedCount >= count) done();
        else waiting.push({ count, done });
      }),
    reset() {
      for (const socket of sockets) socket.destroy();
    },
    settings: (over) =>
      new HttpProxy({
        host: '127.0.0.1',
        port,
        isSecure: options.tls ?? false,
        user: PROXY_USER,
        password: PROXY_PASSWORD,
        ca: certificate?.cert,
        except: [],
        from: 'push.proxy',
        ...over,
      }),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
