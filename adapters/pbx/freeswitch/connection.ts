/**
 * One connection to the event socket, by modesl: the only file that knows it, with the worker around it. Json events only: in
 * its plain format one REGISTER with a stray `%` in the User-Agent throws out of modesl's parser.
 */
import modesl, { type EslEvent } from 'modesl';
import { safe } from '../supervised-worker.ts';
import type { EventHeaders } from './translate.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly password: string;
}

export interface ConnectionEvents {
  readonly onEvent: (event: EventHeaders) => void;
  /** Anything came: the other side lives. */
  readonly onData: () => void;
  /** Once. `hint`: what an administrator can do about it. */
  readonly onEnd: (reason: string, hint?: string) => void;
}

const CONNECT_WITHIN_MS = 5_000;

export class EslConnection {
  readonly #esl: InstanceType<typeof modesl.Connection>;
  readonly #on: ConnectionEvents;
  readonly #where: string;
  #ended = false;

  private constructor(address: Address, on: ConnectionEvents) {
    this.#on = on;
    this.#where = `${address.host}:${address.port}`;
    const esl = new modesl.Connection(address.host, address.port, address.password);
    // After the login modesl subscribes by itself, among others to every dialplan step of every call.
    esl.reqEvents = ['HEARTBEAT'];
    this.#esl = esl;
  }

  /** Resolves when logged in; otherwise `onEnd` is called. */
  static open(address: Address, on: ConnectionEvents): Promise<EslConnection> {
    return new Promise((resolve) => {
      const connection = new EslConnection(address, on);
      connection.#start(() => resolve(connection));
    });
  }

  #start(ready: () => void): void {
    const esl = this.#esl;
    const { socket } = esl;
    const late = setTimeout(() => this.#end(`FreeSWITCH at ${this.#where} does not answer`), CONNECT_WITHIN_MS);
    socket?.setNoDelay(true);
    socket?.setKeepAlive(true, 10_000);
    socket?.on('data', () => this.#on.onData());
    socket?.on('close', () => this.#end('the connection to FreeSWITCH closed'));
    esl.on('error', (error: unknown) => this.#failed(error));
    esl.on('esl::ready', () => {
      clearTimeout(late);
      ready();
    });
    esl.on('esl::event::auth::fail', () => {
      clearTimeout(late);
      this.#end(
        'FreeSWITCH refuses the login',
        '`password` must be that of event_socket.conf; `reload mod_event_socket` after a change',
      );
    });
    esl.on('esl::event::raw::text/rude-rejection', () => {
      clearTimeout(late);
      this.#end('FreeSWITCH refuses our address', '`apply-inbound-acl` of event_socket.conf must let it in');
    });
    esl.on('esl::event::disconnect::notice', () => this.#end('FreeSWITCH closes the connection'));
    esl.on('esl::event::**', (event: EslEvent) => {
      const headers = headersOf(event);
      if (headers['Event-Name'] !== undefined) this.#on.onEvent(headers);
    });
  }

  #failed(error: unknown): void {
    // An event that is no json: that one is lost, the stream goes on.
    if (error instanceof SyntaxError) return;
    const code = (error as NodeJS.ErrnoException | undefined)?.code ?? safe(error);
    this.#end(
      `cannot reach FreeSWITCH at ${this.#where}: ${code}`,
      'is FreeSWITCH running, is mod_event_socket loaded, and are `host` and `port` those of event_socket.conf?',
    );
  }

  #end(reason: string, hint?: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#on.onEnd(reason, hint);
    this.close();
  }

  /** A command of the event socket itself; answers its Reply-Text. */
  command(text: string, headers: Record<string, string> = {}): Promise<string> {
    return new Promise((resolve) => {
      this.#esl.sendRecv(text, headers, (reply) => resolve(reply.getHeader('Reply-Text') ?? ''));
    });
  }

  /** Raises an event with a body; answers its Reply-Text. A line break in a header would begin another one. */
  event(name: string, headers: Record<string, string>, body: string): Promise<string> {
    const safe = Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, v.replace(/[\r\n]+/g, ' ')]));
    const length = String(Buffer.byteLength(body));
    const answer = this.command(`sendevent ${name}`, { ...safe, 'Content-Length': length });
    // modesl writes the headers at once, and knows no body.
    this.#esl.socket?.write(body);
    return answer;
  }

  /** Answers the body. Answers come in the order of the commands. */
  api(command: string): Promise<string> {
    return new Promise((resolve) => {
      this.#esl.api(command, '', (reply) => {
        const body = reply.getBody() ?? '';
        // What mod_event_socket says for a command that printed nothing.
        resolve(/^-ERR no reply\s*$/.test(body) ? '' : body);
      });
    });
  }

  /**
   * Has FreeSWITCH write the events that it holds for us now. It writes them every 20 ms, or as soon as anything arrives at the connection;
   * an empty line between two commands is no command, and has no answer.
   */
  nudge(): void {
    if (!this.#ended) this.#esl.socket?.write('\n');
  }

  close(): void {
    this.#ended = true;
    this.#esl.socket?.destroy();
  }
}

/** Json may hold lists (a header given twice); the first counts. */
export function headersOf(event: EslEvent): EventHeaders {
  const headers: Record<string, string> = {};
  for (const { name, value } of event.headers) {
    const first: unknown = Array.isArray(value) ? value[0] : value;
    if (typeof first === 'string' || typeof first === 'number') headers[name] = String(first);
  }
  if (headers._body === undefined && event.body) headers._body = event.body;
  return headers;
}
