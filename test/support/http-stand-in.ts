/**
 * What the stand-ins for HTTPS push services share: a server on 127.0.0.1 that speaks HTTP/2 and HTTP/1.1, a script of how to
 * treat the next requests, counters to wait for. For tests only.
 */

import { EventEmitter } from 'node:events';
import { createServer as createPlainServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';
import { constants, createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { FakeClock } from './fake-clock.ts';
import { selfSignedCertificate } from './tls.ts';

/** How the stand-in treats one request, in place of what it would do by itself. */
export type Behaviour =
  | { readonly status: number; readonly body?: string; readonly headers?: Record<string, string> }
  /** Treats it as usual, but answers when the promise resolves. */
  | { readonly until: Promise<unknown> }
  /** Treats it as usual, but answers so much later. */
  | { readonly delayMs: number }
  /** Never answers. */
  | 'hang'
  /** Cuts the connection. */
  | 'reset';

export interface Asked {
  readonly method: string;
  /** With query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** `performance.now()` when its last byte was read. */
  readonly atMs: number;
}

export interface Answered {
  readonly status: number;
  readonly body?: string;
  readonly headers?: Record<string, string>;
}

export interface HttpStandIn {
  /** For an option `endpoint`. */
  readonly endpoint: { readonly address: string; readonly port: number; readonly ca: string };
  readonly requests: number;
  readonly connections: number;
  readonly connectionsEver: number;
  next(behaviour: Behaviour, count?: number): void;
  /** Resolves when `count` requests have come, counted from the start. */
  received(count: number): Promise<void>;
  /** Resolves when a client has asked by PING and has read the answer; at once where nobody speaks HTTP/2. */
  pinged(): Promise<void>;
  /** A graceful GOAWAY on every connection: what is in flight is still answered. */
  goAway(): void;
  /** Cuts every connection. */
  reset(): void;
  close(): Promise<void>;
}

export interface HttpStandInOptions {
  /** Speaks HTTP/1.1 alone. */
  readonly http1?: boolean;
  /** Without TLS. */
  readonly plain?: boolean;
  readonly hosts?: readonly string[];
}

export async function startHttpStandIn(
  take: (request: Asked) => Answered,
  options: HttpStandInOptions = {},
): Promise<HttpStandIn> {
  const { key, cert } = selfSignedCertificate(options.hosts ? { hosts: options.hosts } : {});
  const script: Behaviour[] = [];
  const waiting: { count: number; done: () => void }[] = [];
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const timers = new Set<NodeJS.Timeout>();
  const pings = new EventEmitter();
  let requests = 0;
  let connectionsEver = 0;

  type Request = IncomingMessage | Http2ServerRequest;
  type Response = ServerResponse | Http2ServerResponse;
  const onRequest = (request: Request, response: Response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('end', () => {
      requests++;
      const headers = Object.fromEntries(Object.entries(request.headers).map(([k, v]) => [k, String(v)]));
      const asked = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers,
        body: Buffer.concat(chunks),
        atMs: performance.now(),
      };
      treat(script.shift(), request, response, () => take(asked));
      for (const one of waiting.filter(({ count }) => count <= requests)) {
        waiting.splice(waiting.indexOf(one), 1);
        one.done();
      }
    });
  };

  function treat(behaviour: Behaviour | undefined, request: Request, response: Response, usual: () => Answered): void {
    const answer = ({ status, body = '', headers = {} }: Answered) => {
      if (response.destroyed || response.writableEnded) return;
      (response as ServerResponse).writeHead(status, headers);
      (response as ServerResponse).end(body);
    };
    if (behaviour === undefined) answer(usual());
    else if (behaviour === 'reset') request.socket.destroy();
    else if (behaviour === 'hang') return;
    else if ('until' in behaviour) {
      const then = () => answer(usual());
      behaviour.until.then(then, then);
    } else if ('delayMs' in behaviour) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        answer(usual());
      }, behaviour.delayMs);
      timers.add(timer);
    } else answer(behaviour);
  }

  const server = options.plain
    ? createPlainServer(onRequest)
    : options.http1
      ? createServer({ key, cert }, onRequest)
      : createSecureServer({ key, cert, allowHTTP1: true, settings: { maxConcurrentStreams: 1_000 } }, onRequest);
  server.on(options.plain ? 'connection' : 'secureConnection', (socket: Socket) => {
    connectionsEver++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  server.on('session', (session: ServerHttp2Session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => session.destroy());
    // The answer of our own PING comes behind what the client has read of its.
    session.on('ping', () => session.ping(() => pings.emit('read')));
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;

  return {
    endpoint: { address: '127.0.0.1', port, ca: cert },
    get requests() {
      return requests;
    },
    get connections() {
      return sockets.size;
    },
    get connectionsEver() {
      return connectionsEver;
    },
    next(behaviour, count = 1) {
      for (let i = 0; i < count; i++) script.push(behaviour);
    },
    received(count) {
      return new Promise((done) => {
        if (requests >= count) done();
        else waiting.push({ count, done });
      });
    },
    pinged: () => (sessions.size === 0 ? Promise.resolve() : new Promise((done) => pings.once('read', () => done()))),
    goAway() {
      for (const session of sessions) {
        session.goaway(constants.NGHTTP2_NO_ERROR);
        session.close();
      }
    },
    reset() {
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const timer of timers) clearTimeout(timer);
      const stopped = new Promise<void>((done) => server.close(() => done()));
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
      await stopped;
    },
  };
}

/** Lets the five seconds go by that a request has. On the way its client asks by PING whether the line is alive, and it is. */
export async function untilLate(
  clock: Pick<FakeClock, 'advance'>,
  service: Pick<HttpStandIn, 'pinged'>,
): Promise<void> {
  const pinged = service.pinged();
  await clock.advance(500);
  await pinged;
  await clock.advance(4_500);
}
