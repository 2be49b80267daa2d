/**
 * Connections to Apple with one key or certificate in one environment. The only file that knows @parse/node-apn: it makes the
 * connections and the signatures. The exchange is ours, over its sessions, because its own cannot tell a stream that was
 * refused from one that was lost, cannot be aborted, and costs half as much again as the push itself (ADR 0007; 8.1.0, each
 * trap is provoked in `test/providers/apns.test.ts`).
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { MultiProvider } from '@parse/node-apn';
import type { HttpProxy } from '../../../plugin/core/proxy.ts';
import type { DurationMs } from '../../../plugin/core/time.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';
import type { GiveUp } from '../../../plugin/ports/push-provider.ts';
import { Limited } from '../../../plugin/ports/time-limit.ts';
import { Liveness, Patience } from '../../shared/alive.ts';
import { openingMs, openSecure, proxyFor } from '../../shared/proxy.ts';
import { type Credential, type Endpoint, SERVERS } from './options.ts';
import { type ApnsAnswer, readAnswer, reasonOfError } from './outcome.ts';
import type { ApnsMessage } from './payload.ts';

export interface ConnectionOptions {
  readonly credential: Credential;
  readonly production: boolean;
  readonly connections: number;
  readonly requestTimeoutMs: DurationMs;
  readonly endpoint?: Endpoint | undefined;
  readonly proxy: HttpProxy | undefined;
  readonly clock: Clock;
}

export interface ApnsConnection {
  /** One request, no retry. Never rejects. Aborted, it answers at once and cuts the request off. */
  exchange(message: ApnsMessage, deviceToken: string, signal: GiveUp): Promise<ApnsAnswer>;
  /** Opens what is not open. A call's push must not wait for TCP, TLS and HTTP/2 to say hello: three round trips to Apple. */
  warm(): void;
  /** Takes no more pushes, lets those in flight finish. */
  retire(): void;
  /** Cuts off what is in flight. */
  close(): void;
}

/** The part of node-apn's inner clients that is used below. */
interface InnerClient {
  session?: ClientHttp2Session | null;
  readonly config: {
    readonly address: string;
    /** Absent with a certificate. */
    readonly token?: {
      readonly current: string;
      readonly generation: number;
      isExpired(afterSeconds: number): boolean;
      regenerate(generation: number): void;
    } | null;
    /** What `http2.connect` is given: makes the connection in place of Node. */
    createConnection?: () => TLSSocket;
  };
  connect(): Promise<void>;
  closeAndDestroySession(session: ClientHttp2Session | null | undefined): Promise<void>;
}

/** Apple takes a signature for an hour (and no new one within 20 minutes). */
const SIGNED_ANEW_AFTER_S = 3_300;
/** Apple's answers are below 200 bytes; a page of a proxy is not read to its end. */
const MOST_BODY_CHARACTERS = 4_096;

export function connect(options: ConnectionOptions): ApnsConnection {
  const { credential, production, connections, requestTimeoutMs, endpoint, clock } = options;
  const provider = new MultiProvider({
    ...(credential.kind === 'key'
      ? { token: { key: credential.key, keyId: credential.keyId, teamId: credential.teamId } }
      : { cert: credential.certificate, key: credential.key }),
    // Explicit: the default is taken from NODE_ENV.
    production,
    clientCount: connections,
    ...(endpoint && { address: endpoint.address, port: endpoint.port }),
    ...(endpoint?.ca !== undefined && { ca: [endpoint.ca] }),
  });
  const clients = innerClients(provider);
  for (const client of clients) finishStreamsOnGoaway(client);
  if (isThroughProxy(options)) for (const client of clients) goThroughProxy(client, options);
  const patience = new Patience(clock, requestTimeoutMs);
  const liveness = new Liveness(clock);
  let turn = 0;

  return {
    exchange(message, deviceToken, signal) {
      const client = clients[turn++ % clients.length];
      if (!client) return Promise.resolve({ reason: 'connection lost' });
      if (isUsable(client.session)) return ask(client, client.session, message, deviceToken, signal);
      return unlessAborted(client.connect(), signal).then(
        () =>
          client.session ? ask(client, client.session, message, deviceToken, signal) : { reason: 'connection lost' },
        (error: unknown) => ({ reason: error === ABORTED ? 'aborted' : reasonOfError(error) }),
      );
    },
    warm() {
      for (const client of clients) {
        if (isUsable(client.session)) {
          liveness.ask(client.session);
          continue;
        }
        // A service that cannot be reached now is reported by the next push that needs it.
        client.connect().catch(() => undefined);
      }
    },
    // Typed as a promise, but gives none. It closes each session once its streams have ended.
    retire: () => void provider.shutdown(),
    close() {
      void provider.shutdown();
      for (const { session } of clients) session?.destroy();
    },
  };

  function ask(
    client: InnerClient,
    session: ClientHttp2Session,
    message: ApnsMessage,
    deviceToken: string,
    signal: GiveUp,
  ): Promise<ApnsAnswer> {
    if (signal.aborted) return Promise.resolve({ reason: 'aborted' });
    const { token } = client.config;
    if (token?.isExpired(SIGNED_ANEW_AFTER_S)) token.regenerate(token.generation);
    const generation = token?.generation ?? 0;
    let stream: ClientHttp2Stream;
    try {
      // A list of names and values, in turn: Node neither sorts nor copies it, as it would an object.
      const headers = [
        ':method',
        'POST',
        ':scheme',
        'https',
        ':authority',
        client.config.address,
        ':path',
        `/3/device/${deviceToken}`,
        'apns-id',
        message.id,
        'apns-push-type',
        message.pushType,
        'apns-topic',
        message.topic,
        'apns-priority',
        String(message.priority),
        'apns-expiration',
        String(message.expiration),
        'authorization',
        token ? bearerOf(token.current) : '',
      ];
      // A certificate needs no signature.
      if (!token) headers.length -= 2;
      if (message.collapseId !== undefined) headers.push('apns-collapse-id', message.collapseId);
      stream = session.request(headers);
    } catch (error) {
      // The session was closed in between.
      return Promise.resolve({ reason: reasonOfError(error) });
    }
    return new Promise((resolve) => {
      const exchange = new Exchange({ resolve, stream, session, signal, patience, liveness, token, generation });
      exchange.begin(message.payload);
    });
  }
}

let lastBearer = { signature: '', text: '' };

/** Joined once for each signature, not for each push. */
function bearerOf(signature: string): string {
  if (signature !== lastBearer.signature) lastBearer = { signature, text: `bearer ${signature}` };
  return lastBearer.text;
}

interface Request {
  readonly resolve: (answer: ApnsAnswer) => void;
  readonly stream: ClientHttp2Stream;
  readonly session: ClientHttp2Session;
  readonly signal: GiveUp;
  readonly patience: Patience;
  readonly liveness: Liveness;
  readonly token: InnerClient['config']['token'];
  /** Of the signature that it carries. */
  readonly generation: number;
}

/** One request and its answer. */
class Exchange extends Limited {
  readonly #o: Request;
  readonly #onAbort = () => this.#cut('aborted');
  #isOver = false;
  #isSlow = false;
  #body = '';

  constructor(request: Request) {
    super();
    this.#o = request;
  }

  begin(payload: string): void {
    const { stream, signal, patience } = this.#o;
    patience.begin(this);
    signal.addEventListener('abort', this.#onAbort);
    // The listeners are the same for all streams: closures for each are a part of what a push costs.
    (stream as Carrier)[EXCHANGE] = this;
    stream.on('response', onResponse);
    stream.on('error', onError);
    // GOAWAY and reset end a stream without an error or an answer.
    stream.on('close', onClose);
    stream.end(payload);
  }

  over(): void {
    const { session, patience, liveness } = this.#o;
    if (!this.#isSlow) {
      this.#isSlow = true;
      if (patience.goesOn(this)) return liveness.ask(session);
    }
    this.#cut('no answer in time');
    // A firewall that forgot the connection leaves it open and silent, and it would be used until TCP gives up, a quarter
    // of an hour later. The next push opens another; those in flight may still finish.
    if (!session.closed) session.close();
  }

  lost(error?: Error): void {
    if (!this.#isOver) this.#end({ reason: reasonOf(this.#o.stream.rstCode, error) });
  }

  answered(headers: IncomingHttpHeaders & IncomingHttpStatusHeader, flags: number): void {
    const status = Number(headers[':status']);
    const given = headers['apns-id'];
    const id = typeof given === 'string' ? given : undefined;
    // Accepted: there is no body to wait for.
    if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) return this.#end(readAnswer(status, id, ''));
    const { stream, token, generation } = this.#o;
    stream.on('data', (chunk: Buffer) => {
      if (this.#body.length < MOST_BODY_CHARACTERS) this.#body += chunk.toString('latin1');
    });
    stream.on('end', () => {
      const answer = readAnswer(status, id, this.#body);
      // Once for all pushes that carried it; the next is signed anew.
      if (answer.reason === 'ExpiredProviderToken') token?.regenerate(generation);
      this.#end(answer);
    });
  }

  #cut(reason: string): void {
    this.#end({ reason });
    this.#o.stream.close(constants.NGHTTP2_CANCEL);
  }

  #end(answer: ApnsAnswer): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.under?.end(this);
    this.#o.signal.removeEventListener('abort', this.#onAbort);
    this.#o.resolve(answer);
  }
}

const EXCHANGE = Symbol('exchange');
type Carrier = ClientHttp2Stream & { [EXCHANGE]?: Exchange };

function onResponse(this: Carrier, headers: IncomingHttpHeaders & IncomingHttpStatusHeader, flags: number): void {
  this[EXCHANGE]?.answered(headers, flags);
}

function onError(this: Carrier, error: Error): void {
  this[EXCHANGE]?.lost(error);
}

function onClose(this: Carrier): void {
  this[EXCHANGE]?.lost();
}

/** "REFUSED_STREAM … guarantees that a request has not been processed" (RFC 9113 §8.7), also of streams after a GOAWAY. */
function reasonOf(code: number | undefined, error?: unknown): string {
  if (code === constants.NGHTTP2_REFUSED_STREAM) return 'refused';
  return error === undefined ? 'connection lost' : reasonOfError(error);
}

function isUsable(session: ClientHttp2Session | null | undefined): session is ClientHttp2Session {
  return session !== null && session !== undefined && !session.closed && !session.destroyed;
}

const ABORTED = new Error('aborted');

/** Through a proxy, a connection takes four round trips and what the proxy needs: a call that ends meanwhile waits for none of it. */
function unlessAborted<T>(work: Promise<T>, signal: GiveUp): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(ABORTED);
    signal.addEventListener('abort', onAbort);
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function whereOf({ endpoint, production }: ConnectionOptions): { host: string; port: number } {
  if (endpoint) return { host: endpoint.address, port: endpoint.port };
  return { host: production ? SERVERS.production : SERVERS.sandbox, port: 443 };
}

function isThroughProxy(options: ConnectionOptions): boolean {
  const { host, port } = whereOf(options);
  return proxyFor(options.proxy, host, port) !== undefined;
}

/**
 * node-apn's own way through a proxy has no login, takes every answer for a tunnel, and forgets certificates and authority of
 * the connection behind it. The connection is made here and handed to it.
 */
function goThroughProxy(client: InnerClient, options: ConnectionOptions): void {
  const { credential, endpoint, proxy, clock, requestTimeoutMs } = options;
  const connectInner = client.connect.bind(client);
  const tls = {
    ...(credential.kind === 'certificate' && { cert: credential.certificate, key: credential.key }),
    ...(endpoint?.ca !== undefined && { ca: endpoint.ca }),
    ALPNProtocols: ['h2'],
  };
  let opening: Promise<void> | undefined;
  async function open(): Promise<void> {
    const socket = await openSecure(
      { ...whereOf(options), tls },
      { proxy, clock, withinMs: openingMs(requestTimeoutMs) },
    );
    client.config.createConnection = () => socket;
    await connectInner();
  }
  client.connect = () => {
    opening ??= open().finally(() => {
      opening = undefined;
    });
    return opening;
  };
}

function innerClients(provider: MultiProvider): readonly InnerClient[] {
  const { client } = provider as unknown as { client?: { clients?: readonly InnerClient[] } };
  return client?.clients ?? [];
}

/**
 * "Clients SHOULD … continue to process streams below the last stream identifier" (RFC 9113 §6.8). On a graceful GOAWAY Node
 * closes the session and would let them finish; node-apn sees it closed and destroys it, with the answers of all pushes in
 * flight (parse-community/node-apn#140). Apple sends GOAWAY as routine.
 */
function finishStreamsOnGoaway(client: InnerClient): void {
  const destroy = client.closeAndDestroySession.bind(client);
  client.closeAndDestroySession = async (session) => {
    if (session?.closed && !session.destroyed) return;
    await destroy(session);
  };
}
