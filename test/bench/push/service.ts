/**
 * A push service that costs next to nothing, in a process of its own: HTTP/2 over TLS, answers everything with 200. What is
 * measured is the client. Counts each push by its id, so that repeats and losses show. Speaks with its parent by IPC.
 */
import { constants, createSecureServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { selfSignedCertificate } from '../../support/tls.ts';

export interface ServiceOptions {
  /** How far the service is away, give or take a half; Apple and Google are some 20 to 60 ms. */
  readonly delayMs: number;
  /** Says goodbye gracefully so often. 0: never. */
  readonly goAwayEveryMs: number;
  /** The body of each answer. */
  readonly body: string;
}

export type ToService = { readonly ask: 'counts' } | { readonly ask: 'set'; readonly options: Partial<ServiceOptions> };
export interface Counts {
  readonly requests: number;
  readonly ids: number;
  readonly goAways: number;
}

let options: ServiceOptions = { delayMs: 0, goAwayEveryMs: 0, body: '' };
const { key, cert } = selfSignedCertificate();
const sessions = new Set<ServerHttp2Session>();
const seen = new Set<string>();
let requests = 0;
let goAways = 0;
let timer: NodeJS.Timeout | undefined;

const server = createSecureServer({ key, cert, settings: { maxConcurrentStreams: 1_000 } });
server.on('session', (session) => {
  sessions.add(session);
  session.on('close', () => sessions.delete(session));
  session.on('error', () => session.destroy());
  session.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    stream.resume();
    stream.on('end', () => {
      requests++;
      const id = headers['apns-id'] ?? headers['x-id'];
      if (typeof id === 'string') seen.add(id);
      const answer = () => {
        if (stream.destroyed) return;
        stream.respond({ ':status': 200, 'apns-id': id }, { endStream: options.body === '' });
        if (options.body !== '') stream.end(options.body);
      };
      if (options.delayMs === 0) answer();
      // Spread, or all that is in flight would move in step.
      else setTimeout(answer, options.delayMs * (0.5 + Math.random()));
    });
  });
});
server.listen(0, '127.0.0.1', () => {
  process.send?.({ port: (server.address() as AddressInfo).port, ca: cert });
});

process.on('message', (message: ToService) => {
  if (message.ask === 'set') {
    options = { ...options, ...message.options };
    seen.clear();
    requests = 0;
    goAways = 0;
    clearInterval(timer);
    if (options.goAwayEveryMs > 0) timer = setInterval(goAway, options.goAwayEveryMs);
  }
  process.send?.({ requests, ids: seen.size, goAways } satisfies Counts);
});

/** As RFC 9113 §6.8 wants it: what has come is answered, nothing new is taken. */
function goAway(): void {
  for (const session of sessions) {
    if (session.closed || session.destroyed) continue;
    goAways++;
    session.goaway(constants.NGHTTP2_NO_ERROR);
    session.close();
  }
}
