/**
 * Transactions (RFC 3261 §17) over the phone's one socket: requests get a branch, are repeated over UDP and find their
 * responses; repeated requests from the PBX get the same response again. Knows nothing of calls and registrations.
 */
import { randomBytes } from 'node:crypto';
import { PhoneLog, Waiters } from './log.ts';
import {
  branchOf,
  cseqOf,
  type HeaderLine,
  paramOf,
  parseMessage,
  SipHeaders,
  type SipRequest,
  type SipResponse,
  serialize,
} from './message.ts';
import {
  type CloseHow,
  inUri,
  openTransport,
  type ServerAddress,
  type Transport,
  type TransportKind,
} from './transport.ts';

/** A request before it has a Via. */
export interface RequestDraft {
  readonly method: string;
  readonly uri: string;
  readonly headers: readonly HeaderLine[];
  readonly body?: string;
}

export interface ResponseDraft {
  readonly status: number;
  readonly reason?: string;
  /** Our tag for the To header. Not for 100. */
  readonly tag?: string;
  readonly headers?: readonly HeaderLine[];
  readonly body?: string;
}

/** A request that is out. */
export interface Sent {
  readonly request: SipRequest;
  readonly at: number;
}

export interface WireEvents {
  /** A request seen for the first time, ACK included. */
  onRequest(request: SipRequest, at: number): void;
  /** A request that came before; it has been answered as before. */
  onRepeated(request: SipRequest, at: number): void;
  /** The server closed the connection, or it broke. */
  onClosed(): void;
}

export interface WireOptions {
  readonly server: ServerAddress;
  readonly host: string;
  readonly kind: TransportKind;
}

interface ClientTransaction {
  readonly onResponse: (response: SipResponse, at: number) => void;
  readonly request: SipRequest;
  timer: NodeJS.Timeout | undefined;
}

/** RFC 3261 §17.1.1.1: estimate of the round trip; requests over UDP are repeated after T1, 2·T1, 4·T1 … up to T2. */
const T1_MS = 500;
const T2_MS = 4000;

const REASONS: Readonly<Record<number, string>> = {
  180: 'Ringing',
  200: 'OK',
  404: 'Not Found',
  405: 'Method Not Allowed',
  480: 'Temporarily Unavailable',
  481: 'Call/Transaction Does Not Exist',
  486: 'Busy Here',
  487: 'Request Terminated',
  603: 'Decline',
};

export class Wire {
  readonly log = new PhoneLog();
  readonly waiters = new Waiters();
  readonly #options: WireOptions;
  readonly #events: WireEvents;
  readonly #clients = new Map<string, ClientTransaction>();
  /** Requests of the PBX by transaction, with our last response. */
  readonly #served = new Map<string, string | undefined>();
  #transport: Transport | undefined;
  #port = 0;
  #deaf = false;
  /** What came while the app was suspended. */
  #buffer: Buffer[] | undefined;

  constructor(options: WireOptions, events: WireEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** Port of the socket; that of the last one while closed. */
  get localPort(): number {
    return this.#port;
  }

  get isOpen(): boolean {
    return this.#transport !== undefined && !this.#deaf;
  }

  async open(localPort: number): Promise<void> {
    // A deaf phone still holds its socket.
    await this.close('reset');
    const transport: Transport = await openTransport({
      ...this.#options,
      localPort,
      onMessage: (data) => {
        if (this.#buffer) this.#buffer.push(data);
        else if (!this.#deaf) this.#take(data);
      },
      onClose: () => {
        if (this.#transport === transport) this.#transport = undefined;
        this.log.add('note', 'connection closed by the server');
        this.waiters.notify();
        this.#events.onClosed();
      },
    });
    this.#transport = transport;
    this.#port = transport.localPort;
    this.#deaf = false;
  }

  /** The app stands still, its socket is open: the system keeps what comes. */
  suspend(): void {
    this.#buffer ??= [];
  }

  /** It runs again and reads what came meanwhile, in order. */
  resume(): void {
    const came = this.#buffer ?? [];
    this.#buffer = undefined;
    for (const data of came) this.#take(data);
  }

  async close(how: CloseHow): Promise<void> {
    const transport = this.#transport;
    this.#transport = undefined;
    this.#deaf = false;
    this.#buffer = undefined;
    for (const client of this.#clients.values()) clearTimeout(client.timer);
    if (transport) await transport.close(how);
  }

  /** Keeps the socket, but neither hears nor answers any more: a phone whose network went away without a word. */
  goDeaf(): void {
    this.#deaf = true;
    for (const client of this.#clients.values()) clearTimeout(client.timer);
  }

  newTag(): string {
    return randomBytes(5).toString('hex');
  }

  /** Sends a request in a new transaction; `onResponse` hears every response to it, repeated ones too. */
  request(draft: RequestDraft, onResponse: (response: SipResponse, at: number) => void): Sent {
    const request = this.#withVia(draft, `z9hG4bK${randomBytes(8).toString('hex')}`);
    const client: ClientTransaction = { onResponse, request, timer: undefined };
    this.#clients.set(transactionKey(request), client);
    const sent = { request, at: this.#send(serialize(request)) };
    if (this.#options.kind === 'udp') this.#repeatLater(client, T1_MS);
    return sent;
  }

  /** The final response to a request; throws when none comes in time. */
  async finalResponse(
    draft: RequestDraft,
    timeoutMs: number,
  ): Promise<{ response: SipResponse; sentAt: number; at: number }> {
    let answer: { response: SipResponse; at: number } | undefined;
    const sent = this.request(draft, (response, at) => {
      if (response.status >= 200) answer ??= { response, at };
    });
    const explain = () => `no answer to ${draft.method} within ${timeoutMs} ms\n${this.log.timeline()}`;
    const { response, at } = await this.waiters.waitFor(() => answer, timeoutMs, explain);
    return { response, at, sentAt: sent.at };
  }

  /** ACK of a 2xx: outside of any transaction (RFC 3261 §13.2.2.4). */
  acknowledge(draft: RequestDraft): void {
    this.#send(serialize(this.#withVia(draft, `z9hG4bK${randomBytes(8).toString('hex')}`)));
  }

  /** RFC 3261 §9.1: CANCEL carries the branch, To, From, Call-ID and CSeq number of the request it cancels. */
  cancel(sent: Sent, headers: readonly HeaderLine[] = []): void {
    const original = sent.request;
    const same = (name: string): HeaderLine => [name, original.headers.need(name)];
    const cseq: HeaderLine = ['CSeq', `${cseqOf(original).number} CANCEL`];
    const lines: HeaderLine[] = [
      same('Via'),
      ['Max-Forwards', '70'],
      same('From'),
      same('To'),
      same('Call-ID'),
      cseq,
      ...headers,
    ];
    const request: SipRequest = {
      kind: 'request',
      method: 'CANCEL',
      uri: original.uri,
      headers: new SipHeaders(lines),
      body: '',
    };
    const client: ClientTransaction = { onResponse: () => undefined, request, timer: undefined };
    this.#clients.set(transactionKey(request), client);
    this.#send(serialize(request));
    if (this.#options.kind === 'udp') this.#repeatLater(client, T1_MS);
  }

  /** Answers a request; a repetition of that request will get the same answer. */
  respond(request: SipRequest, draft: ResponseDraft): void {
    const to = request.headers.need('To');
    const tag = draft.tag !== undefined && paramOf(to, 'tag') === undefined ? `;tag=${draft.tag}` : '';
    const headers = new SipHeaders([
      ...request.headers.all('Via').map((via): HeaderLine => ['Via', via]),
      ...request.headers.all('Record-Route').map((route): HeaderLine => ['Record-Route', route]),
      ['From', request.headers.need('From')],
      ['To', to + tag],
      ['Call-ID', request.headers.need('Call-ID')],
      ['CSeq', request.headers.need('CSeq')],
      ...(draft.headers ?? []),
    ]);
    const { status } = draft;
    const reason = draft.reason ?? REASONS[status] ?? 'Answer';
    const text = serialize({ kind: 'response', status, reason, headers, body: draft.body ?? '' });
    this.#served.set(transactionKey(request), text);
    this.#send(text);
  }

  #withVia(draft: RequestDraft, branch: string): SipRequest {
    const via = `SIP/2.0/${this.#options.kind.toUpperCase()} ${inUri(this.#options.host)}:${this.#port};branch=${branch};rport`;
    const headers = new SipHeaders([['Via', via], ['Max-Forwards', '70'], ...draft.headers]);
    return { kind: 'request', method: draft.method, uri: draft.uri, headers, body: draft.body ?? '' };
  }

  #send(text: string): number {
    if (!this.#transport || this.#deaf) throw new Error('the phone is asleep: it cannot send');
    this.#transport.send(text);
    return this.log.add('sent', text).at;
  }

  #repeatLater(client: ClientTransaction, afterMs: number): void {
    client.timer = setTimeout(() => {
      if (!this.isOpen) return;
      this.#send(serialize(client.request));
      // Timer B or F: at 64·T1 the transaction is given up; whoever waits for it has a shorter deadline.
      if (afterMs < 32 * T1_MS)
        this.#repeatLater(client, client.request.method === 'INVITE' ? afterMs * 2 : Math.min(afterMs * 2, T2_MS));
    }, afterMs);
    client.timer.unref();
  }

  #take(data: Buffer): void {
    const message = parseMessage(data);
    if (!message) return;
    const { at } = this.log.add('received', data.toString('utf8'));
    if (message.kind === 'response') this.#takeResponse(message, at);
    else this.#takeRequest(message, at);
    this.waiters.notify();
  }

  #takeResponse(response: SipResponse, at: number): void {
    const client = this.#clients.get(transactionKey(response));
    if (!client) return;
    clearTimeout(client.timer);
    // RFC 3261 §17.1.1.3: the transaction itself acknowledges a final response that is no 2xx, each time it comes.
    if (client.request.method === 'INVITE' && response.status >= 300)
      this.#acknowledgeFailure(client.request, response);
    client.onResponse(response, at);
  }

  #acknowledgeFailure(invite: SipRequest, response: SipResponse): void {
    const headers = new SipHeaders([
      ['Via', invite.headers.need('Via')],
      ['Max-Forwards', '70'],
      ['From', invite.headers.need('From')],
      ['To', response.headers.need('To')],
      ['Call-ID', invite.headers.need('Call-ID')],
      ['CSeq', `${cseqOf(invite).number} ACK`],
      ...invite.headers.all('Route').map((route): HeaderLine => ['Route', route]),
    ]);
    this.#send(serialize({ kind: 'request', method: 'ACK', uri: invite.uri, headers, body: '' }));
  }

  #takeRequest(request: SipRequest, at: number): void {
    const key = transactionKey(request);
    if (request.method !== 'ACK' && this.#served.has(key)) {
      const answer = this.#served.get(key);
      if (answer !== undefined) this.#send(answer);
      this.#events.onRepeated(request, at);
      return;
    }
    this.#served.set(key, undefined);
    this.#events.onRequest(request, at);
  }
}

/** RFC 3261 §17.1.3 and §17.2.3: branch and method of CSeq (an INVITE and its CANCEL share the branch). */
function transactionKey(message: SipRequest | SipResponse): string {
  return `${branchOf(message)} ${cseqOf(message).method}`;
}
