/**
 * One HTTP listener: what the admin and the devices listener have in common. Bodies and headers are bounded, answers say
 * what was expected and echo nothing, no stack ever leaves. A port that cannot be had is an alarm and another try, never a
 * reason not to wake phones.
 *
 * Routes come as plugins of fastify: `(server) => { server.get('/v1/…', { schema }, handler) }`. A route's JSON schema is
 * what is checked and what `/openapi.json` shows; the answer to what does not fit it is 400 with the place and the
 * expected form.
 */
import { X509Certificate } from 'node:crypto';
import formbody from '@fastify/formbody';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { detached } from '../core/detached.ts';
import { type DurationMs, type Instant, instant, MINUTE, SECOND } from '../core/time.ts';
import type { Logger } from '../ports/adapter.ts';
import type { Clock } from '../ports/clock.ts';
import { admit } from './admission.ts';

export interface Tls {
  /** PEM, the chain with the leaf first. */
  readonly cert: string;
  readonly key: string;
}

/** How the schema of a route describes the account that it is asked for. */
export const ACCOUNT = { type: 'string', minLength: 3, maxLength: 255, description: '1001@example.com' } as const;

/** What adds routes to a listener. */
export type Routes = (server: FastifyInstance) => void | Promise<void>;

export interface ListenerOptions {
  readonly name: string;
  /** What `/openapi.json` says this listener is. */
  readonly title: string;
  readonly version: string;
  readonly host: string;
  /** 0: the system chooses a free one. */
  readonly port: number;
  readonly tls?: Tls;
  /** Reads the files of `tls` again: asked every minute, and what changed is taken up. May throw; then the old ones stay. */
  readonly readTls?: () => Tls;
  /** Addresses of reverse proxies whose `X-Forwarded-For` is believed. */
  readonly trustProxy?: readonly string[];
  /** Requests per minute and address; more get 429. 0: no limit. */
  readonly ratePerMinute: number;
  /** Connections at the same time; more are closed at once. Keeps descriptors for the links (see `app/descriptors.ts`). */
  readonly maxConnections: number;
  readonly routes: readonly Routes[];
  readonly log: Logger;
  readonly clock: Clock;
}

/** What a request may weigh. A device report is below 8 kB; nobody sends more. */
const BODY_LIMIT_BYTES = 16 * 1024;
/** How long a request may take to arrive. */
const REQUEST_TIMEOUT: DurationMs = 10 * SECOND;
/** Requests under way at once, for a listener that strangers reach. 100,000 apps that start ten times a day make twelve requests a second. */
const MOST_PER_SECOND = 500;
/** How often Node looks for requests that take too long; its own default of 30 s would let each live for 40. */
const LOOK_AT_CONNECTIONS_EVERY: DurationMs = 1 * SECOND;
const TRY_AGAIN: DurationMs = 30 * SECOND;
const LOOK_AT_TLS_EVERY: DurationMs = 1 * MINUTE;

export class HttpListener {
  readonly #o: ListenerOptions;
  #server: FastifyInstance | undefined;
  #cancelTry: () => void = () => undefined;
  #cancelLook: () => void = () => undefined;
  #stopped = false;
  #tls: Tls | undefined;

  constructor(options: ListenerOptions) {
    this.#o = options;
    this.#tls = options.tls;
  }

  get name(): string {
    return this.#o.name;
  }

  /** When its certificate ends; undefined without one. */
  get certificateEndsAt(): Instant | undefined {
    if (!this.#tls) return undefined;
    try {
      return instant(new X509Certificate(this.#tls.cert).validToDate.getTime());
    } catch {
      return undefined;
    }
  }

  /** Address and port it listens on, or undefined while it cannot. */
  get address(): { host: string; port: number } | undefined {
    const at = this.#server?.server.address();
    return typeof at === 'object' && at ? { host: at.address, port: at.port } : undefined;
  }

  /** Resolves after the first try, whether the port could be had or not. Rejects for a mistake in a route: our bug. */
  async start(): Promise<void> {
    const { name, host, port, log, clock } = this.#o;
    const server = await build({ ...this.#o, ...(this.#tls && { tls: this.#tls }) });
    try {
      await server.listen({ host, port });
      if (this.#stopped) return await server.close();
      this.#server = server;
      this.#lookAtTls();
      log.info({ listener: name, ...this.address }, 'listening');
    } catch (error) {
      await server.close().catch(() => undefined);
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      log.error({ listener: name, host, port, reason: code, hint: HINTS[code] }, 'cannot listen, trying again');
      if (!this.#stopped) this.#cancelTry = clock.after(TRY_AGAIN, () => void this.start());
    }
  }

  /** Builds what would listen, and throws it away. Throws for what would stop the start. */
  async tryOut(): Promise<void> {
    await (await build({ ...this.#o, ...(this.#tls && { tls: this.#tls }) })).close();
  }

  /** Takes new certificates without dropping a connection. */
  #lookAtTls(): void {
    const { readTls, clock, log, name } = this.#o;
    if (!readTls || this.#stopped) return;
    this.#cancelLook = clock.after(LOOK_AT_TLS_EVERY, () => {
      try {
        const tls = readTls();
        if (tls.cert !== this.#tls?.cert || tls.key !== this.#tls.key) {
          const raw = this.#server?.server as unknown as { setSecureContext(o: Tls): void } | undefined;
          // A new certificate whose key is not there yet is refused here and looked at again in a minute.
          raw?.setSecureContext({ cert: tls.cert, key: tls.key });
          this.#tls = tls;
          log.info({ listener: name }, 'certificate taken up');
        }
      } catch (error) {
        const reason = (error as NodeJS.ErrnoException).code ?? 'unreadable';
        log.error({ listener: name, reason }, 'certificate not usable, old one kept');
      }
      this.#lookAtTls();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTry();
    this.#cancelLook();
    await this.#server?.close();
  }
}

const HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program has this port; choose another one in http.*.listen',
  EACCES: 'ports below 1024 need a privilege; choose a higher one, or give the service CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'this machine has no such address; see http.*.listen',
};

/** The server with its routes, not yet listening: for tests, which `inject` into it. */
export async function build(o: Omit<ListenerOptions, 'host' | 'port'>): Promise<FastifyInstance> {
  const common = {
    logger: false as const,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT,
    connectionTimeout: 2 * REQUEST_TIMEOUT,
    keepAliveTimeout: REQUEST_TIMEOUT,
    forceCloseConnections: true,
    trustProxy: o.trustProxy && o.trustProxy.length > 0 ? [...o.trustProxy] : false,
    routerOptions: { maxParamLength: 400 },
    // Nothing is repaired or dropped in silence: what does not fit is an error.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false as const, useDefaults: false } },
  };
  // The two differ only in the socket below; nothing here looks at it.
  const connections = { connectionsCheckingInterval: LOOK_AT_CONNECTIONS_EVERY, headersTimeout: REQUEST_TIMEOUT };
  const server = (o.tls
    ? fastify({
        ...common,
        https: { ...connections, handshakeTimeout: REQUEST_TIMEOUT, cert: o.tls.cert, key: o.tls.key },
      })
    : fastify({ ...common, http: connections })) as unknown as FastifyInstance;
  limitConnections(server.server, o);
  server.setErrorHandler((error: FastifyError, request, reply) => onError(o.log, o.name, error, request, reply));
  server.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: 'there is nothing here' }));
  server.addHook('onSend', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
    reply.header('referrer-policy', 'no-referrer');
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });
  await server.register(formbody, { bodyLimit: BODY_LIMIT_BYTES });
  if (o.ratePerMinute > 0) {
    // Behind a proxy the address is cut out of a header of up to 16 kB, and 5,000 of them are remembered.
    const keyGenerator = (request: FastifyRequest) => detached(request.ip);
    await server.register(rateLimit, { max: o.ratePerMinute, timeWindow: 60 * SECOND, keyGenerator });
  }
  await server.register(swagger, {
    openapi: { info: { title: o.title, version: o.version } },
    hideUntagged: false,
  });
  for (const routes of o.routes) await server.register(async (scope: FastifyInstance) => routes(scope));
  await server.ready();
  if (o.ratePerMinute > 0) admit(server.server, MOST_PER_SECOND, o.clock);
  return server;
}

/** `/openapi.json`: what the routes of this listener take. It is one of the routes, so that it is guarded as they are. */
export const openapiRoute: Routes = (server) => {
  server.get('/openapi.json', { schema: { summary: 'This document' } }, async () => server.swagger());
};

/** A connection too many is closed before anything is read. Said once a minute at most. */
function limitConnections(
  server: FastifyInstance['server'],
  { log, name, maxConnections, clock }: ListenerLimits,
): void {
  server.maxConnections = maxConnections;
  let saidMs = Number.NEGATIVE_INFINITY;
  server.on('drop', () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - saidMs < MINUTE) return;
    saidMs = nowMs;
    log.warn({ listener: name, maxConnections }, 'too many connections at the same time, more are closed at once');
  });
}

type ListenerLimits = Pick<ListenerOptions, 'log' | 'name' | 'maxConnections' | 'clock'>;

function onError(log: Logger, listener: string, error: FastifyError, request: FastifyRequest, reply: FastifyReply) {
  if (error.validation) {
    const [first] = error.validation;
    const at = `${error.validationContext ?? 'request'}${first?.instancePath ?? ''}`.replace(/\//g, '.');
    return reply.code(400).send({ error: `${at}: ${first?.message ?? 'not in the expected form'}` });
  }
  const status = error.statusCode ?? 500;
  if (status < 500) return reply.code(status).send({ error: EXPECTED[error.code] ?? EXPECTED[status] ?? 'refused' });
  // The route's pattern, not its URL: that may hold an account or a key.
  log.error({ listener, route: request.routeOptions.url, reason: error.message }, 'request failed');
  return reply.code(500).send({ error: 'this is our mistake; the log says more' });
}

const EXPECTED: Readonly<Record<string, string>> = {
  400: 'the request cannot be read',
  413: `expected a body of at most ${BODY_LIMIT_BYTES} bytes`,
  415: 'expected application/json or application/x-www-form-urlencoded',
  429: 'too many requests from this address; try again in a minute',
};
