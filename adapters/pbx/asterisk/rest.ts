/**
 * REST requests to ARI. Down the events' own websocket where this Asterisk takes them there (20.14, 22.5 and later):
 * a tenth of the time of an HTTP request, and what is sent one after the other is done in that order. Otherwise by HTTP
 * over connections that are kept open. Knows requests and answers, not what they are for.
 */
import { Agent, type IncomingMessage, request } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';

export interface RestAnswer {
  readonly status: number;
  /** Parsed JSON; undefined where there was none. */
  readonly body: unknown;
}

export interface RestRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below `/ari/`, each part already escaped. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface Rest {
  /** True where requests sent one after the other are done in that order, without waiting for the answers. */
  readonly keepsOrder: boolean;
  /** Resolves with every answer, whatever its status. Rejects when there is none. */
  ask(request: RestRequest): Promise<RestAnswer>;
}

/** A text may be a stranger's, and half a character in it is none that can be escaped. */
const escaped = (text: string) => encodeURIComponent(text.toWellFormed());

function uriOf({ path, query }: RestRequest): string {
  const pairs = query ? Object.entries(query).map(([name, value]) => `${name}=${escaped(value)}`) : [];
  return pairs.length > 0 ? `${path}?${pairs.join('&')}` : path;
}

/** How long one answer is awaited at most, in ms; after that the connection counts as dead. */
const HTTP_TIMEOUT_MS = 5_000;
/** How many requests are open at once at most: Asterisk's HTTP server has a limit of 100 sessions, and others use it too. */
const HTTP_AT_ONCE = 16;

export function httpRest(base: URL, user: string, password: string, atOnce = HTTP_AT_ONCE): Rest {
  const secure = base.protocol === 'https:';
  const agent = new (secure ? TlsAgent : Agent)({ keepAlive: true, maxSockets: atOnce });
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const once = (r: RestRequest) =>
    new Promise<RestAnswer>((resolve, reject) => {
      const text = r.body === undefined ? undefined : JSON.stringify(r.body);
      const url = new URL(`ari/${uriOf(r)}`, base);
      const headers = {
        authorization,
        ...(text === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      };
      let answered = false;
      const sent = (secure ? tlsRequest : request)(url, { agent, method: r.method, headers, timeout: HTTP_TIMEOUT_MS });
      sent.on('timeout', () => sent.destroy(new Error(`no answer within ${HTTP_TIMEOUT_MS} ms`)));
      // Asterisk closes an idle connection at the very moment we use it: nothing was done, so it is asked again.
      sent.on('error', (error) =>
        reject(sent.reusedSocket && !answered ? new IdleClosed('', { cause: error }) : error),
      );
      sent.on('response', (answer) => {
        answered = true;
        read(answer).then(resolve, reject);
      });
      sent.end(text);
    });
  return {
    keepsOrder: false,
    ask: (r) => once(r).catch((error: unknown) => (error instanceof IdleClosed ? once(r) : Promise.reject(error))),
  };
}

class IdleClosed extends Error {}

async function read(answer: IncomingMessage): Promise<RestAnswer> {
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) text += chunk;
  return { status: answer.statusCode ?? 0, body: parsed(text) };
}

/** What the websocket says of one request. */
export interface SocketAnswer {
  readonly request_id?: unknown;
  readonly status_code?: unknown;
  readonly message_body?: unknown;
}

/** Requests by websocket: `send` writes one message; each `RESTResponse` that comes is given to `answered`. */
export class SocketRest implements Rest {
  readonly keepsOrder = true;
  readonly #send: (text: string) => void;
  readonly #waiting = new Map<string, (answer: RestAnswer) => void>();
  #next = 0;

  constructor(send: (text: string) => void) {
    this.#send = send;
  }

  ask(r: RestRequest): Promise<RestAnswer> {
    const id = String(this.#next++);
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#send(
        JSON.stringify({
          type: 'RESTRequest',
          transaction_id: id,
          request_id: id,
          method: r.method,
          uri: uriOf(r),
          ...(r.body === undefined ? {} : { content_type: 'application/json', message_body: JSON.stringify(r.body) }),
        }),
      );
    });
  }

  answered(answer: SocketAnswer): void {
    const id = String(answer.request_id);
    const resolve = this.#waiting.get(id);
    this.#waiting.delete(id);
    resolve?.({ status: Number(answer.status_code), body: parsed(String(answer.message_body ?? '')) });
  }
}

function parsed(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
