/**
 * The port that Asterisks dial (their `websocket_client.conf`): one for all PBXs that name the same address. It asks for a login, hands each websocket to the
 * PBX whose login it was, and knows nothing of ARI. Strangers reach it: bytes, time and connections before the login are bounded.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { type DurationMs, MINUTE, SECOND } from '../../../../plugin/core/time.ts';
import type { Logger } from '../../../../plugin/ports/adapter.ts';
import type { Clock } from '../../../../plugin/ports/clock.ts';
import { sameSecret } from '../../../shared/same-secret.ts';
import { ANSWERED_LATE, loginOf, WrongLogins } from './logins.ts';

export interface Tls {
  readonly cert: string;
  readonly key: string;
}

/** One PBX that is expected. */
export interface Expected {
  readonly username: string;
  readonly password: string;
  readonly dialled: (socket: WebSocket, from: string) => void;
}

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  /** Reads the files again: asked every minute, and what changed is taken up. Absent: without TLS. */
  readonly readTls?: (() => Tls) | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** From the first byte to the login. */
const LOGIN_WITHIN: DurationMs = 5 * SECOND;
/** Asterisk's request is 300 bytes. */
const HEADERS_BYTES = 8 * 1024;
/** Connections that have not logged in; more are closed at once. 200 Asterisks that all come back at the same moment fit. */
const STRANGERS_MOST = 256;
/** Those that are answered late, of all; more are closed without an answer. */
const REFUSED_MOST = 16;
/** A message of Asterisk: the list of a thousand channels has less than a megabyte. */
const MESSAGE_BYTES = 16 * 1024 * 1024;
const TRY_AGAIN: DurationMs = 5 * SECOND;
/** After its start not every PBX of the configuration is expected yet: an Asterisk whose name is not known is to try again. */
const BEGINS_FOR: DurationMs = 5 * SECOND;
const LOOK_AT_TLS_EVERY: DurationMs = MINUTE;
/** As Asterisk's `protocols`. */
const PROTOCOL = 'ari';

export class DialInListener {
  readonly #o: ListenerOptions;
  readonly #expected = new Map<string, Expected>();
  readonly #wrong: WrongLogins;
  readonly #strangers = new Set<Socket | Duplex>();
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MESSAGE_BYTES,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: () => PROTOCOL,
  });
  #server: Server | TlsServer | undefined;
  #tls: Tls | undefined;
  #refusing = 0;
  #openedMs = 0;
  #cancelTry: () => void = () => undefined;
  #cancelLook: () => void = () => undefined;
  #closed = false;

  constructor(options: ListenerOptions) {
    this.#o = options;
    this.#wrong = new WrongLogins(options.clock, options.log);
  }

  /** Where it listens; undefined while it cannot. */
  get port(): number | undefined {
    const at = this.#server?.address();
    return typeof at === 'object' && at ? at.port : undefined;
  }

  get isUnused(): boolean {
    return this.#expected.size === 0;
  }

  /** False: another PBX has this username here. */
  expect(pbx: Expected): boolean {
    if (this.#expected.has(pbx.username)) return false;
    this.#expected.set(pbx.username, pbx);
    return true;
  }

  forget(pbx: Expected): void {
    if (this.#expected.get(pbx.username) === pbx) this.#expected.delete(pbx.username);
  }

  /** Resolves after the first try, whether the port could be had or not. */
  async start(): Promise<void> {
    const { host, port, readTls, clock, log } = this.#o;
    try {
      this.#tls = readTls?.();
      const server = this.#make(this.#tls);
      await new Promise<void>((listening, failed) => {
        server.once('error', failed);
        server.listen(port, host, listening);
      });
      server.on('error', () => undefined);
      if (this.#closed) return void server.close();
      this.#server = server;
      this.#openedMs = clock.monotonicMs();
      this.#lookAtTls();
      log.info({ host, port: this.port, tls: this.#tls !== undefined }, 'waits for Asterisks that dial in');
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
      log.error({ host, port, reason }, 'cannot listen for Asterisks that dial in, trying again');
      if (!this.#closed) this.#cancelTry = clock.after(TRY_AGAIN, () => void this.start());
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTry();
    this.#cancelLook();
    for (const stranger of this.#strangers) stranger.destroy();
    const server = this.#server;
    // Its websockets have been closed by their PBXs.
    if (server) await new Promise<void>((closed) => server.close(() => closed()));
  }

  #make(tls: Tls | undefined): Server | TlsServer {
    const bounds = {
      maxHeaderSize: HEADERS_BYTES,
      headersTimeout: LOGIN_WITHIN,
      requestTimeout: LOGIN_WITHIN,
      connectionsCheckingInterval: SECOND,
      keepAlive: false,
    };
    const server = tls
      ? createTlsServer({ ...bounds, ...tls, handshakeTimeout: LOGIN_WITHIN, minVersion: 'TLSv1.2' })
      : createServer(bounds);
    // The bare connection: TLS comes after it, and takes as much of the time.
    server.on('connection', (socket: Socket) => this.#stranger(socket));
    server.on('tlsClientError', (_: Error, socket: Socket) => socket.destroy());
    server.on('clientError', (_: Error, socket: Duplex) => socket.destroy());
    server.on('request', (_, answer) => {
      answer.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end('pushwake waits for websockets here\n');
    });
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      void this.#login(request, socket, head);
    });
    return server;
  }

  #stranger(socket: Socket): void {
    // A TLS server says it of the connection and of the TLS in it.
    if (this.#strangers.has(socket)) return;
    socket.on('error', () => undefined);
    if (this.#strangers.size >= STRANGERS_MOST) return void socket.destroy();
    this.#strangers.add(socket);
    const cancel = this.#o.clock.after(LOGIN_WITHIN, () => this.#strangers.has(socket) && socket.destroy());
    socket.once('close', () => {
      cancel();
      this.#strangers.delete(socket);
    });
  }

  async #login(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => undefined);
    const { remoteAddress: address = '' } = request.socket;
    const login = loginOf(request.headers.authorization);
    const pbx = login && this.#expected.get(login.username);
    if (login && !pbx && this.#o.clock.monotonicMs() - this.#openedMs < BEGINS_FOR) return void socket.destroy();
    if (!login || !pbx || !sameSecret(login.password, pbx.password)) {
      this.#wrong.add(address, hintOf(login !== undefined));
      return this.#refuse(socket);
    }
    const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    if (!protocols.includes(PROTOCOL)) {
      this.#wrong.add(address, 'websocket_client.conf of that Asterisk needs protocols = ari');
      return this.#refuse(socket);
    }
    this.#wrong.right(address);
    this.#known(request.socket);
    this.#sockets.handleUpgrade(request, socket, head, (websocket) => pbx.dialled(websocket, address));
  }

  /** It has logged in: its time and its place are its own. Under TLS the bare connection is the one that is counted. */
  #known(socket: Socket): void {
    this.#strangers.delete(socket);
    const bare = (socket as { _parent?: Socket })._parent;
    if (bare) this.#strangers.delete(bare);
  }

  #refuse(socket: Duplex): void {
    if (this.#refusing >= REFUSED_MOST) return void socket.destroy();
    this.#refusing++;
    const cancel = this.#o.clock.after(ANSWERED_LATE, () => {
      socket.end(
        'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="pushwake"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
      );
    });
    socket.once('close', () => {
      cancel();
      this.#refusing--;
    });
  }

  #lookAtTls(): void {
    const { readTls, clock, log } = this.#o;
    if (!readTls || this.#closed) return;
    this.#cancelLook = clock.after(LOOK_AT_TLS_EVERY, () => {
      try {
        const tls = readTls();
        if (tls.cert !== this.#tls?.cert || tls.key !== this.#tls.key) {
          (this.#server as TlsServer | undefined)?.setSecureContext(tls);
          this.#tls = tls;
          log.info({ port: this.port }, 'certificate taken up');
        }
      } catch (error) {
        const reason = (error as NodeJS.ErrnoException).code ?? 'unreadable';
        log.error({ port: this.port, reason }, 'certificate not usable, old one kept');
      }
      this.#lookAtTls();
    });
  }
}

const hintOf = (saysLogin: boolean) =>
  saysLogin
    ? 'username and password of its websocket_client.conf must be those of one PBX here'
    : 'it says no login: websocket_client.conf needs username and password';
