/**
 * One HTTPS service: requests over HTTP/2 where the server speaks it, else over HTTP/1.1. Makes one attempt, keeps its
 * connections, follows no redirect, cuts what is silent. Knows nothing of pushes; what an answer means is each provider's.
 */
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
  type IncomingHttpStatusHeader,
} from 'node:http2';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { HttpProxy } from '../../plugin/core/proxy.ts';
import type { DurationMs } from '../../plugin/core/time.ts';
import type { Clock } from '../../plugin/ports/clock.ts';
import type { GiveUp } from '../../plugin/ports/push-provider.ts';
import { CallWhenOver, Limited, TimeLimit } from '../../plugin/ports/time-limit.ts';
import { closeIdle, DOUBTED_AFTER, Liveness, Patience } from './alive.ts';
import {
  isCertificateError,
  openingMs,
  openSecure,
  type ProxyTrouble,
  proxyFor,
  proxyTroubleIn,
  TunnelAgent,
} from './proxy.ts';

/** In place of what the URL's host resolves to. For tests and for a relay of one's own. */
export interface ConnectTo {
  readonly address: string;
  readonly port: number;
  /** PEM text of the certificate authority. */
  readonly ca?: string | undefined;
}

export interface HttpsClientOptions {
  /** `https://host[:port]`, or `http://` for a service of one's own on the same machine or net. */
  readonly origin: string;
  readonly connectTo?: ConnectTo | undefined;
  readonly ca?: string | undefined;
  /** Resolves the host's name; refuses addresses nobody may be sent to. Default: the system's. */
  readonly lookup?: LookupFunction | undefined;
  /** `deps.proxy`: https goes through it, unless it excepts the host. `http://` goes directly. Default: none. */
  readonly proxy?: HttpProxy | undefined;
  /** HTTP/2 connections. */
  readonly connections: number;
  /** HTTP/1.1 connections, one request each at a time. */
  readonly sockets: number;
  readonly requestTimeoutMs: DurationMs;
  readonly clock: Clock;
}

export interface HttpsRequest {
  readonly method: 'POST' | 'GET';
  /** With query. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
  /** A caller waits for it: a kept HTTP/1.1 connection that is silent for a second counts as lost. */
  readonly isAwaited: boolean;
}

/** Why there is no answer. After `connection lost` and `no answer in time` the service may have acted all the same. */
export type NoAnswer =
  | 'aborted'
  | 'cannot connect'
  | 'certificate not trusted'
  | 'connection lost'
  | 'no answer in time'
  | 'unreadable answer';

export type HttpsAnswer =
  | { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: string }
  /** `code`: of the error behind it, where there is one. */
  | { readonly noAnswer: NoAnswer | ProxyTrouble; readonly code?: string };

/** What is read of an answer. No push service says more; a page of a proxy may. */
const MOST_BODY_BYTES = 64 * 1024;
/** A connection that was idle for this long is replaced: firewalls drop idle ones silently, and a call must not get a dead one. */
const IDLE_MS = 50_000;

interface Slot {
  session: ClientHttp2Session | undefined;
  opening: Promise<ClientHttp2Session | 'http/1.1'> | undefined;
  inFlight: number;
  usedAtMs: number;
}

export class HttpsClient {
  readonly #o: HttpsClientOptions;
  readonly #slots: Slot[];
  readonly #url: URL;
  readonly #waits: Waits;
  readonly #agent: HttpsAgent | HttpAgent;
  /** Known once a server chose it; asked again when its connection fails. */
  #speaksHttp1: boolean;
  #closed = false;

  constructor(options: HttpsClientOptions) {
    this.#o = options;
    this.#url = new URL(options.origin);
    this.#waits = {
      patience: new Patience(options.clock, options.requestTimeoutMs),
      doubt: new TimeLimit(options.clock, DOUBTED_AFTER),
      liveness: new Liveness(options.clock),
      closeIdle: () => closeIdle(this.#agent),
    };
    this.#speaksHttp1 = this.#url.protocol === 'http:';
    this.#slots = Array.from({ length: options.connections }, () => ({
      session: undefined,
      opening: undefined,
      inFlight: 0,
      usedAtMs: 0,
    }));
    const agent = { keepAlive: true, maxSockets: options.sockets, timeout: IDLE_MS };
    this.#agent = this.#speaksHttp1
      ? new HttpAgent(agent)
      : this.proxy
        ? new TunnelAgent({ ...agent, opening: this.#opening(), connectTo: options.connectTo, lookup: options.lookup })
        : new HttpsAgent(agent);
  }

  /** The proxy that leads to this service. Undefined: it is reached directly. */
  get proxy(): HttpProxy | undefined {
    if (this.#url.protocol === 'http:') return undefined;
    const { host, port } = this.#where();
    return proxyFor(this.#o.proxy, host, port);
  }

  /** Requests under way, for those who close idle clients. */
  get inFlight(): number {
    return this.#slots.reduce((sum, { inFlight }) => sum + inFlight, 0);
  }

  /** One request. Never rejects. Aborted, it answers at once and cuts the request off. */
  exchange(request: HttpsRequest, signal: GiveUp): Promise<HttpsAnswer> {
    if (signal.aborted || this.#closed) return Promise.resolve({ noAnswer: 'aborted' });
    return new Promise((resolve) => {
      const slot = this.#leastBusy();
      slot.inFlight++;
      slot.usedAtMs = this.#o.clock.monotonicMs();
      const exchange = new Exchange(request, slot, signal, this.#waits, resolve);
      exchange.begin();
      const open = slot.session;
      if (this.#speaksHttp1) this.#overHttp1(exchange);
      else if (open && isUsable(open)) overHttp2(open, this.#url.host, exchange);
      else this.#openFor(exchange, slot);
    });
  }

  #openFor(exchange: Exchange, slot: Slot): void {
    this.#open(slot).then(
      (how) => {
        if (exchange.isOver) return;
        if (how === 'http/1.1') this.#overHttp1(exchange);
        else overHttp2(how, this.#url.host, exchange);
      },
      (error: unknown) => exchange.end(whyNot(error, 'cannot connect')),
    );
  }

  /** Opens what is not open, or was idle for long. A call's push must not wait for TCP, TLS and HTTP/2 to say hello. */
  warm(): void {
    if (this.#closed || this.#speaksHttp1) return;
    const now = this.#o.clock.monotonicMs();
    for (const slot of this.#slots) {
      if (slot.inFlight === 0 && now - slot.usedAtMs > IDLE_MS) slot.session?.close();
      // A service that cannot be reached now is reported by the next push that needs it.
      if (!slot.session || !isUsable(slot.session)) this.#open(slot).catch(() => undefined);
    }
  }

  /** Cuts off what is in flight; it ends as `connection lost`. */
  close(): void {
    this.#closed = true;
    for (const slot of this.#slots) slot.session?.destroy();
    this.#agent.destroy();
  }

  #leastBusy(): Slot {
    let least = this.#slots[0] as Slot;
    for (const slot of this.#slots) if (slot.inFlight < least.inFlight) least = slot;
    return least;
  }

  #open(slot: Slot): Promise<ClientHttp2Session | 'http/1.1'> {
    slot.opening ??= this.#connect(slot).finally(() => {
      slot.opening = undefined;
    });
    return slot.opening;
  }

  async #connect(slot: Slot): Promise<ClientHttp2Session | 'http/1.1'> {
    const socket = await this.#secureSocket();
    if (this.#closed) {
      socket.destroy();
      throw new Error('closed');
    }
    if (socket.alpnProtocol !== 'h2') {
      socket.destroy();
      this.#speaksHttp1 = true;
      return 'http/1.1';
    }
    const session = connectHttp2(this.#url.origin, { createConnection: () => socket });
    session.on('error', () => undefined);
    slot.session = session;
    slot.usedAtMs = this.#o.clock.monotonicMs();
    return session;
  }

  #secureSocket(): Promise<TLSSocket> {
    const { connectTo, lookup } = this.#o;
    const { host, port } = this.#where();
    const ca = connectTo?.ca ?? this.#o.ca;
    const tls = { ...(ca !== undefined && { ca }), ALPNProtocols: ['h2', 'http/1.1'] };
    // The certificate must be of where we connect to: the service itself, or what stands in its place.
    return openSecure({ host, port, tls, ...(connectTo ? {} : { lookup }) }, this.#opening()).then((socket) => {
      socket.on('error', () => undefined);
      return socket;
    });
  }

  #where(): { host: string; port: number } {
    const { connectTo } = this.#o;
    if (connectTo) return { host: connectTo.address, port: connectTo.port };
    return { host: this.#url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(this.#url.port) || 443 };
  }

  #opening() {
    return { proxy: this.#o.proxy, clock: this.#o.clock, withinMs: openingMs(this.#o.requestTimeoutMs) };
  }

  #overHttp1(exchange: Exchange): void {
    const { request } = exchange;
    const end = (answer: HttpsAnswer) => exchange.end(answer);
    const { connectTo, lookup } = this.#o;
    const { hostname, port, protocol, host } = this.#url;
    const ca = connectTo?.ca ?? this.#o.ca;
    const name = hostname.replace(/^\[(.*)\]$/, '$1');
    let sent = false;
    const send = protocol === 'http:' ? httpRequest : httpsRequest;
    const one = send({
      agent: this.#agent,
      host: connectTo?.address ?? name,
      port: connectTo?.port ?? (Number(port) || (protocol === 'http:' ? 80 : 443)),
      ...(connectTo ? { servername: '' } : isIP(name) === 0 && { servername: name }),
      ...(ca !== undefined && { ca }),
      ...(connectTo === undefined && lookup && { lookup }),
      method: request.method,
      path: request.path,
      headers: { ...request.headers, host, 'content-length': String(Buffer.byteLength(request.body)) },
    });
    one.on('error', (error) => {
      // The server may have learned HTTP/2 meanwhile.
      if (protocol !== 'http:') this.#speaksHttp1 = false;
      end(whyNot(error, sent ? 'connection lost' : 'cannot connect'));
    });
    one.on('socket', (socket) => {
      const ready = protocol === 'http:' ? 'connect' : 'secureConnect';
      if (socket.connecting) socket.once(ready, () => (sent = true));
      else sent = true;
      if (one.reusedSocket) exchange.reused();
    });
    one.on('response', (response) => {
      exchange.status = response.statusCode ?? 0;
      exchange.headers = response.headers;
      response.on('data', (chunk: Buffer) => exchange.add(chunk));
      response.on('end', () => exchange.finish());
      response.on('error', () => end({ noAnswer: 'connection lost' }));
    });
    one.end(request.body);
    exchange.carriedBy = one;
  }
}

/** The listeners are the same for all streams, and find their exchange at the stream: closures for each are a part of what a push costs. */
const EXCHANGE = Symbol('exchange');
type Carrier = ClientHttp2Stream & { [EXCHANGE]?: Exchange };

function onResponse(this: Carrier, head: IncomingHttpHeaders & IncomingHttpStatusHeader, flags: number): void {
  const exchange = this[EXCHANGE] as Exchange;
  exchange.status = Number(head[':status'] ?? 0);
  exchange.headers = head;
  // There is no body to wait for.
  if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) return exchange.finish();
  this.on('data', onData);
  this.on('end', onEnd);
}

function onData(this: Carrier, chunk: Buffer): void {
  this[EXCHANGE]?.add(chunk);
}

function onEnd(this: Carrier): void {
  this[EXCHANGE]?.finish();
}

function onLost(this: Carrier): void {
  this[EXCHANGE]?.end({ noAnswer: 'connection lost' });
}

const NONE: IncomingHttpHeaders = {};

/** What all exchanges of a client share. */
interface Waits {
  readonly patience: Patience;
  /** Of what goes out on a kept HTTP/1.1 connection. */
  readonly doubt: TimeLimit;
  readonly liveness: Liveness;
  readonly closeIdle: () => void;
}

/** One request until it has its answer. */
class Exchange extends Limited {
  readonly request: HttpsRequest;
  isOver = false;
  /** Undefined: it waits for a connection. */
  carriedBy: ClientHttp2Stream | ClientRequest | undefined = undefined;
  /** Of its answer, as soon as it has begun. */
  status = 0;
  headers: IncomingHttpHeaders = NONE;
  readonly #slot: Slot;
  readonly #signal: GiveUp;
  readonly #waits: Waits;
  readonly #resolve: (answer: HttpsAnswer) => void;
  readonly #onAbort = () => this.#stop('aborted');
  #isSlow = false;
  #doubt: CallWhenOver | undefined;
  /** Nearly every body is one chunk. */
  #first: Buffer | undefined;
  #more: Buffer[] | undefined;
  #bytes = 0;

  constructor(request: HttpsRequest, slot: Slot, signal: GiveUp, waits: Waits, resolve: (answer: HttpsAnswer) => void) {
    super();
    this.request = request;
    this.#slot = slot;
    this.#signal = signal;
    this.#waits = waits;
    this.#resolve = resolve;
  }

  begin(): void {
    this.#waits.patience.begin(this);
    this.#signal.addEventListener('abort', this.#onAbort);
  }

  /** It goes out on a kept connection. */
  reused(): void {
    if (this.isOver || !this.request.isAwaited) return;
    this.#doubt = new CallWhenOver(() => {
      this.#waits.closeIdle();
      this.#stop('connection lost');
    });
    this.#waits.doubt.begin(this.#doubt);
  }

  over(): void {
    const { session } = this.#slot;
    if (!this.#isSlow) {
      this.#isSlow = true;
      if (this.#waits.patience.goesOn(this)) {
        if (session) this.#waits.liveness.ask(session);
        return;
      }
    }
    this.#stop('no answer in time');
    // A firewall that forgot the connection leaves it open and silent: the next push opens another, those in flight may
    // still finish.
    if (session && !session.closed) session.close();
  }

  add(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > MOST_BODY_BYTES) {
      this.end({ noAnswer: 'unreadable answer' });
      this.#cut();
    } else if (this.#first) {
      this.#more ??= [];
      this.#more.push(chunk);
    } else this.#first = chunk;
  }

  /** The answer is whole. */
  finish(): void {
    const { status, headers } = this;
    const whole = this.#first && this.#more ? Buffer.concat([this.#first, ...this.#more]) : this.#first;
    this.end({ status, headers, body: whole === undefined ? '' : whole.toString() });
  }

  end(answer: HttpsAnswer): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#slot.inFlight--;
    this.under?.end(this);
    if (this.#doubt) this.#waits.doubt.end(this.#doubt);
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#resolve(answer);
  }

  #stop(noAnswer: NoAnswer): void {
    this.end({ noAnswer });
    this.#cut();
  }

  #cut(): void {
    const { carriedBy } = this;
    if (carriedBy === undefined) return;
    if ('rstCode' in carriedBy) carriedBy.close(constants.NGHTTP2_CANCEL);
    else carriedBy.destroy();
  }
}

function isUsable(session: ClientHttp2Session): boolean {
  return !session.closed && !session.destroyed;
}

function overHttp2(session: ClientHttp2Session, authority: string, exchange: Exchange): void {
  const { request } = exchange;
  // A list of names and values, in turn: Node neither sorts nor copies it, as it would an object.
  const headers = [':method', request.method, ':path', request.path, ':authority', authority, ':scheme', 'https'];
  for (const name in request.headers) headers.push(name, request.headers[name] as string);
  // Throws when the session was closed in between.
  try {
    // Node ends a GET by itself, and a second end is an error to it: whether there is a body is said, not guessed from the method.
    const endStream = request.body.length === 0;
    const stream: Carrier = session.request(headers, { endStream });
    stream[EXCHANGE] = exchange;
    exchange.carriedBy = stream;
    stream.on('response', onResponse);
    // Reset, refused, or ended without a status: GOAWAY and the like.
    stream.on('error', onLost);
    stream.on('close', onLost);
    if (!endStream) stream.end(request.body);
  } catch {
    exchange.end({ noAnswer: 'connection lost' });
  }
}

function whyNot(error: unknown, otherwise: NoAnswer): HttpsAnswer {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const noAnswer = proxyTroubleIn(error) ?? (isCertificateError(error) ? 'certificate not trusted' : otherwise);
  return { noAnswer, code };
}
