/** A bare Event Socket client for tests and measurements: api commands, json events, nothing else. It is no part of the product. */
import { connect, type Socket } from 'node:net';

export type EslHeaders = Readonly<Record<string, string>>;

export interface EslFrame {
  readonly headers: EslHeaders;
  readonly body: string;
}

/** Cuts a byte stream into frames: headers up to an empty line, then `Content-Length` bytes. */
export class FrameReader {
  #rest = Buffer.alloc(0);

  push(bytes: Buffer): EslFrame[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const frames: EslFrame[] = [];
    for (;;) {
      const end = this.#rest.indexOf('\n\n');
      if (end < 0) return frames;
      const headers = Object.fromEntries(
        this.#rest
          .toString('utf8', 0, end)
          .split('\n')
          .map((line) => {
            const at = line.indexOf(': ');
            return [line.slice(0, at), line.slice(at + 2)];
          }),
      ) as Record<string, string>;
      const length = Number(headers['Content-Length'] ?? 0);
      if (this.#rest.length < end + 2 + length) return frames;
      frames.push({ headers, body: this.#rest.toString('utf8', end + 2, end + 2 + length) });
      this.#rest = this.#rest.subarray(end + 2 + length);
    }
  }
}

export interface EslAddress {
  readonly port: number;
  readonly password: string;
  readonly host?: string;
}

export class EslClient {
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #replies: ((frame: EslFrame) => void)[] = [];
  /** Called with each event, and with `performance.now()` of its arrival. */
  onEvent: (event: EslHeaders, at: number) => void = () => undefined;
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      for (const frame of this.#reader.push(bytes)) this.#take(frame);
    });
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    void this.closed.then(() => {
      for (const reply of this.#replies.splice(0)) reply({ headers: {}, body: '-ERR connection closed' });
    });
  }

  static async connect({ host = '127.0.0.1', port, password }: EslAddress): Promise<EslClient> {
    const socket = connect({ host, port });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const client = new EslClient(socket);
    const answer = await client.command(`auth ${password}`);
    if (!answer.startsWith('+OK')) throw new Error(`FreeSWITCH refused the login: ${answer}`);
    return client;
  }

  /** Answers the Reply-Text. */
  async command(text: string): Promise<string> {
    return (await this.#send(text)).headers['Reply-Text'] ?? '';
  }

  /** Answers the body; empty where the command printed nothing. */
  async api(text: string): Promise<string> {
    return (await this.#send(`api ${text}`)).body.replace(/^-ERR no reply\s*$/, '');
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(text: string): Promise<EslFrame> {
    return new Promise((resolve) => {
      this.#replies.push(resolve);
      this.#socket.write(`${text}\n\n`);
    });
  }

  #take(frame: EslFrame): void {
    const type = frame.headers['Content-Type'];
    if (type === 'command/reply' || type === 'api/response') this.#replies.shift()?.(frame);
    else if (type === 'text/event-json') this.onEvent(JSON.parse(frame.body) as EslHeaders, performance.now());
  }
}
