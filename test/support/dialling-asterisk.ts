/**
 * An Asterisk that dials in, where there is none: its outbound websocket as 22.10.1 was seen to do it. It keeps its applications while it is away, and what
 * they would have been told, and says all of that before it reads a request.
 */
import { WebSocket } from 'ws';

export interface DiallingOptions {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  /** PEM of the certificate that it trusts. */
  readonly ca?: string;
  readonly protocols?: readonly string[];
  readonly reconnectMs?: number;
}

interface Request {
  readonly request_id: string;
  readonly method: string;
  readonly uri: string;
}

/** From the end of its handshake until it reads. */
const HANDSHAKE_MS = 10;

type Answer = readonly [status: number, body?: unknown];

export class DiallingAsterisk {
  readonly #o: DiallingOptions;
  #socket: WebSocket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  readonly #kept: object[] = [];
  /** `GET channels` and the like, in their order. */
  readonly requests: string[] = [];
  /** What it holds. */
  channels: { readonly id: string }[] = [];
  /** Status of a login that was refused, or what went wrong, each time. */
  readonly refusals: string[] = [];
  /** Takes requests and answers nothing. */
  isMute = false;
  connections = 0;

  constructor(options: DiallingOptions) {
    this.#o = options;
    this.#dial();
  }

  get isConnected(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Nothing passes any more, and nobody is told. */
  freeze(): void {
    this.#socket?.pause();
  }

  thaw(): void {
    this.#socket?.resume();
  }

  drop(): void {
    this.#socket?.terminate();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#socket?.terminate();
  }

  say(event: object): void {
    if (this.isConnected) this.#socket?.send(JSON.stringify(event));
    else this.#kept.push(event);
  }

  /** A caller comes to the leg that asks what to ring. */
  call(id: string, user: string): void {
    const channel = {
      id,
      name: `Local/${user}@pushwake-00000000;2`,
      state: 'Ring',
      creationtime: new Date().toISOString().replace('Z', '+0000'),
      caller: { name: 'The Caller', number: '2000' },
      dialplan: { context: 'pushwake-wake', exten: 's', app_name: 'Stasis', app_data: `pushwake,compose,${user}` },
    };
    this.channels.push(channel);
    const args = ['compose', user, `${id}.0`, 'allowed_not_screened', user];
    this.say({ type: 'StasisStart', timestamp: new Date().toISOString(), args, channel, application: 'pushwake' });
  }

  #dial(): void {
    const { url, username, password, ca, protocols = ['ari'], reconnectMs = 50 } = this.#o;
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    const socket = new WebSocket(url, [...protocols], {
      headers: { authorization },
      ...(ca && { ca }),
      handshakeTimeout: 2_000,
    });
    this.#socket = socket;
    // What comes on the heels of the answer to its handshake stays in a buffer of the real one, and is read when more comes.
    let reads = false;
    socket.on('open', () => {
      this.connections++;
      setTimeout(() => {
        if (socket.readyState !== WebSocket.OPEN) return;
        reads = true;
        for (const event of this.#kept.splice(0)) socket.send(JSON.stringify(event));
        socket.send(JSON.stringify({ type: 'ApplicationRegistered', application: 'pushwake' }));
      }, HANDSHAKE_MS);
    });
    socket.on('message', (text) => {
      if (reads) this.#asked(socket, JSON.parse(String(text)) as Request);
    });
    socket.on('unexpected-response', (_, answer) => {
      this.refusals.push(String(answer.statusCode));
      answer.destroy();
      socket.terminate();
    });
    socket.on('error', (error) => this.refusals.push(error.message));
    socket.on('close', () => {
      if (!this.#stopped) this.#timer = setTimeout(() => this.#dial(), reconnectMs);
    });
  }

  #asked(socket: WebSocket, { request_id, method, uri }: Request): void {
    this.requests.push(`${method} ${uri}`);
    if (this.isMute) return;
    const [status_code, body] = this.#answer(method, uri.split('?')[0] ?? '');
    const message_body = body === undefined ? '' : JSON.stringify(body);
    socket.send(JSON.stringify({ type: 'RESTResponse', request_id, status_code, message_body }));
  }

  #answer(method: string, path: string): Answer {
    if (path === 'asterisk/info') return [200, { system: { version: '22.10.1' } }];
    if (path === 'channels') return [200, this.channels];
    if (path.startsWith('channels/') && method === 'GET') {
      const channel = this.channels.find(({ id }) => path === `channels/${id}`);
      return channel ? [200, channel] : [404];
    }
    if (path === 'endpoints/PJSIP') return [200, []];
    if (path === 'asterisk/variable') return [200, { value: '' }];
    if (path.startsWith('api-docs/')) return [404];
    if (method === 'DELETE' && path.endsWith('/subscription')) return [422];
    if (path === 'applications/pushwake-contacts')
      return [200, { bridge_ids: ['pushwake-contacts'], events_allowed: [{ type: 'ContactStatusChange' }] }];
    if (path.startsWith('asterisk/config/dynamic/')) return [404];
    return [method === 'GET' ? 404 : 204];
  }
}
