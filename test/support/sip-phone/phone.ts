/**
 * A small but real SIP phone for tests: registers, sleeps as a mobile app does, wakes, calls and is called, with audio.
 * Everything it sent and received stays readable afterwards. Instants are those of `performance.now()`.
 */
import { randomBytes } from 'node:crypto';
import { sendAuthenticated } from './authenticated.ts';
import { ALLOW, type Call, type CallContext } from './call.ts';
import { IncomingCall, type ReceivedInvite } from './incoming-call.ts';
import { Lamp } from './lamp.ts';
import type { LogEntry, PhoneLog } from './log.ts';
import { branchOf, type HeaderLine, paramOf, type SipRequest, type SipResponse, splitList } from './message.ts';
import { OutgoingCall } from './outgoing-call.ts';
import { inUri, type ServerAddress, type TransportKind } from './transport.ts';
import { Wire } from './wire.ts';

/** What the phone does with a call. `silent`: nothing at all, as an app the system has frozen. */
export type AnswerPolicy =
  | { readonly kind: 'auto'; readonly afterMs?: number }
  | { readonly kind: 'ring' }
  | { readonly kind: 'reject'; readonly code: number }
  | { readonly kind: 'silent' };

export interface SipPhoneOptions {
  /** For messages of failing tests. Default: the user. */
  readonly name?: string;
  readonly user: string;
  readonly password: string;
  /** Who it says it is when it is asked for a password. Default: the user. */
  readonly authUser?: string;
  readonly server: ServerAddress;
  readonly transport: TransportKind;
  /** Default: the system chooses a free port. */
  readonly localPort?: number;
  /** Sent as `+sip.instance` with each REGISTER. */
  readonly instanceId?: string;
  /** User part of its Contact. Default: the account's. */
  readonly contactUser?: string;
  /** Default: rings until the test answers. */
  readonly answer?: AnswerPolicy;
  readonly userAgent?: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Domain of its account and of whom it calls. Default: the server's host. */
  readonly domain?: string;
}

export interface RegisterOptions {
  /** Appended to the Contact URI, with its semicolon: `;pn-provider=apns;pn-prid=…`. */
  readonly contactParams?: string;
  /** Appended after the angle bracket, with its semicolon. */
  readonly headerParams?: string;
  /** The whole Contact value instead of the phone's own. Empty: no Contact, a query. */
  readonly contact?: string;
  /** Seconds. Default 3600. */
  readonly expires?: number;
  /** As after a new start of the app. */
  readonly newCallId?: boolean;
  readonly headers?: readonly HeaderLine[];
  /** Default 5000. */
  readonly timeoutMs?: number;
}

export interface RegisterResult {
  readonly status: number;
  readonly reason: string;
  /** Contact values of the response. */
  readonly contacts: readonly string[];
  /** When the last REGISTER went out, and when its answer came. */
  readonly sentAt: number;
  readonly at: number;
  readonly message: SipResponse;
}

export interface SleepOptions {
  /**
   * How the app goes: `reset` (default) and `end` close the socket; `deaf` keeps it and hears nothing, as when the
   * network went away.
   */
  readonly how?: 'reset' | 'end' | 'deaf';
}

export class SipPhone {
  readonly name: string;
  readonly user: string;
  /** May be changed at any time; holds for the next call. */
  answer: AnswerPolicy;
  /** Calls that came, one per Call-ID and branch, in order. */
  readonly incoming: IncomingCall[] = [];
  readonly outgoing: OutgoingCall[] = [];
  /** Every INVITE outside a dialog, each retransmission included. */
  readonly invites: ReceivedInvite[] = [];
  readonly #options: SipPhoneOptions;
  readonly #credentials: { readonly user: string; readonly password: string };
  readonly #host: string;
  readonly #wire: Wire;
  #registerCallId = randomBytes(10).toString('hex');
  #registerNumber = 0;
  #lastRegister: RegisterOptions | undefined;
  /** Sends the REGISTER that is under way once more. */
  #registerAgain: (() => void) | undefined;
  #comingBack: Promise<void> = Promise.resolve();
  readonly #lamps = new Map<string, Lamp>();

  constructor(options: SipPhoneOptions) {
    this.#options = options;
    this.#credentials = { user: options.authUser ?? options.user, password: options.password };
    this.name = options.name ?? options.user;
    this.user = options.user;
    this.answer = options.answer ?? { kind: 'ring' };
    this.#host = options.host ?? '127.0.0.1';
    this.#wire = new Wire(
      { server: options.server, host: this.#host, kind: options.transport },
      {
        onRequest: (request, at) => this.#takeRequest(request, at),
        onRepeated: (request, at) => this.#takeRepeated(request, at),
        onClosed: () => {
          this.#comingBack = this.#comeBack();
        },
      },
    );
  }

  /** Everything sent and received: `phone.log.find('secret')`, `phone.log.text()`. */
  get log(): PhoneLog {
    return this.#wire.log;
  }

  /** Port of its socket; the last one while asleep. */
  /** Undefined: the server's own. */
  get domain(): string | undefined {
    return this.#options.domain;
  }

  get localPort(): number {
    return this.#wire.localPort;
  }

  /** False while asleep, and after the server closed the connection. */
  get isOpen(): boolean {
    return this.#wire.isOpen;
  }

  /** Its own Contact URI, without the parameters given to `register`. */
  get contactUri(): string {
    const { transport, contactUser = this.user } = this.#options;
    return `sip:${escaped(contactUser)}@${inUri(this.#host)}:${this.localPort}${transport === 'udp' ? '' : `;transport=${transport}`}`;
  }

  /** All calls, both directions. */
  get calls(): readonly Call[] {
    return [...this.incoming, ...this.outgoing];
  }

  /** Opens the socket. Over TLS register soon: Asterisk closes a connection without a request after 32 s. */
  async open(): Promise<this> {
    await this.#wire.open(this.#options.localPort ?? 0);
    return this;
  }

  async register(options: RegisterOptions = {}): Promise<RegisterResult> {
    this.#lastRegister = options;
    if (options.newCallId) {
      this.#registerCallId = randomBytes(10).toString('hex');
      this.#registerNumber = 0;
    }
    const { credentials, wire } = { credentials: this.#credentials, wire: this.#wire };
    const tag = wire.newTag();
    let answer: { response: SipResponse; at: number } | undefined;
    const send = () =>
      sendAuthenticated(
        wire,
        credentials,
        (auth) => this.#registerDraft(options, tag, auth),
        (response, at) => {
          if (response.status >= 200) answer ??= { response, at };
        },
      );
    let request = send();
    const again = () => {
      request = send();
    };
    this.#registerAgain = again;
    const timeoutMs = options.timeoutMs ?? 5000;
    const { response, at } = await this.waitFor(() => answer, timeoutMs, 'an answer to REGISTER').finally(() => {
      if (this.#registerAgain === again) this.#registerAgain = undefined;
    });
    const contacts = response.headers.all('Contact').flatMap(splitList);
    return {
      status: response.status,
      reason: response.reason,
      contacts,
      sentAt: request.latest.at,
      at,
      message: response,
    };
  }

  /** Takes back the last registration, or with `all` every contact of the account. */
  unregister({ all = false } = {}): Promise<RegisterResult> {
    const last = this.#lastRegister;
    return this.register({ ...last, ...(all ? { contact: '*' } : {}), newCallId: false, expires: 0 });
  }

  /** The app is put to sleep: no word to the PBX, calls are forgotten. */
  async sleep({ how = 'reset' }: SleepOptions = {}): Promise<void> {
    await this.#comingBack;
    for (const call of this.calls) call.drop();
    if (how === 'deaf') this.#wire.goDeaf();
    else await this.#wire.close(how);
  }

  /** The system stops the app and keeps its socket open, as a process that gets SIGSTOP: nothing is read until `resume`. */
  suspend(): void {
    this.#wire.suspend();
  }

  resume(): void {
    this.#wire.resume();
  }

  /** Opens a socket again, by default on another port, as most systems give it. */
  async wake({ samePort = false } = {}): Promise<void> {
    await this.#comingBack;
    const port = samePort ? this.localPort : 0;
    await this.#wire.open(port);
  }

  /** Sends a text (RFC 3428) and answers with the status that the PBX gives it. Rejects when there is none within `withinMs`. */
  async text(
    target: string,
    body: string,
    { contentType = 'text/plain', withinMs = 5_000 }: { contentType?: string; withinMs?: number } = {},
  ): Promise<number> {
    const tag = this.#wire.newTag();
    const callId = randomBytes(10).toString('hex');
    const uri = target.startsWith('sip:') ? target : `sip:${target}@${this.#serverAddress()}`;
    let number = 0;
    let status: number | undefined;
    sendAuthenticated(
      this.#wire,
      this.#credentials,
      (auth) => ({
        method: 'MESSAGE',
        uri,
        headers: [
          ['From', `${this.#addressOfRecord()};tag=${tag}`],
          ['To', `<${uri}>`],
          ['Call-ID', callId],
          ['CSeq', `${++number} MESSAGE`],
          ['Content-Type', contentType],
          ...auth,
        ],
        body,
      }),
      (response) => {
        if (response.status >= 200) status ??= response.status;
      },
    );
    return this.waitFor(() => status, withinMs, 'an answer to MESSAGE');
  }

  /** Watches another extension, as a key with a lamp does. Resolves when the first NOTIFY has come. */
  async watch(target: string): Promise<Lamp> {
    const tag = this.#wire.newTag();
    const lamp = new Lamp(randomBytes(10).toString('hex'));
    this.#lamps.set(lamp.callId, lamp);
    const uri = `sip:${target}@${this.#serverAddress()}`;
    let number = 0;
    let status: number | undefined;
    sendAuthenticated(
      this.#wire,
      this.#credentials,
      (auth) => ({
        method: 'SUBSCRIBE',
        uri,
        headers: [
          ['From', `${this.#addressOfRecord()};tag=${tag}`],
          ['To', `<${uri}>`],
          ['Call-ID', lamp.callId],
          ['CSeq', `${++number} SUBSCRIBE`],
          ['Contact', `<${this.contactUri}>`],
          ['Event', 'dialog'],
          ['Accept', 'application/dialog-info+xml'],
          ['Expires', '3600'],
          ...auth,
        ],
      }),
      (response) => {
        if (response.status >= 200) status ??= response.status;
      },
    );
    await this.waitFor(() => status !== undefined && lamp.state !== undefined, 5_000, `the lamp of ${target}`);
    if ((status ?? 0) >= 300) throw new Error(`SUBSCRIBE for ${target} was answered ${status}`);
    return lamp;
  }

  /** For the end of a test. */
  async close(): Promise<void> {
    await this.sleep();
  }

  /** Places a call to an extension or a whole `sip:` URI. The INVITE is out when this resolves. */
  async call(
    target: string,
    options: { readonly headers?: readonly HeaderLine[]; readonly lateOffer?: boolean } = {},
  ): Promise<OutgoingCall> {
    const call = new OutgoingCall(this.#context(), {
      uri: target.startsWith('sip:') ? target : `sip:${target}@${this.#serverAddress()}`,
      from: this.#addressOfRecord(),
      credentials: this.#credentials,
      headers: options.headers ?? [],
      lateOffer: options.lateOffer ?? false,
    });
    this.outgoing.push(call);
    return call.start();
  }

  /** Resolves with the first truthy answer of `check`, looked at after every message, state change and audio packet. */
  waitFor<T>(check: () => T | undefined | null | false, timeoutMs = 5000, what = 'the condition'): Promise<T> {
    return this.#wire.waiters.waitFor(
      check,
      timeoutMs,
      () => `phone ${this.name}: ${what} did not come within ${timeoutMs} ms\n${this.log.timeline()}`,
    );
  }

  /** The n-th call that comes (the first is 1), at once if it is there already. */
  waitForCall(timeoutMs = 5000, nth = 1): Promise<IncomingCall> {
    return this.waitFor(() => this.incoming[nth - 1], timeoutMs, `call no. ${nth}`);
  }

  /** Log entries of calls only: what must not hold a token. */
  inviteEntries(): LogEntry[] {
    return this.log.find(/^INVITE /);
  }

  /**
   * As every softphone does when its connection breaks: it connects anew and registers. Asterisk shuts one new connection of some 1,400
   * right after its REGISTER (docs/limits.md). A PBX that is down is left alone: the test says when the phone tries again.
   */
  async #comeBack(): Promise<void> {
    const last = this.#lastRegister;
    if (!last || last.contact !== undefined || last.expires === 0) return;
    try {
      await this.#wire.open(0);
      if (this.#registerAgain) this.#registerAgain();
      else await this.register(last);
    } catch {
      this.log.add('note', 'the server is away');
    }
  }

  #context(): CallContext {
    return { wire: this.#wire, host: this.#host, contact: () => ['Contact', `<${this.contactUri}>`] };
  }

  #serverAddress(): string {
    const { server, transport } = this.#options;
    const { domain } = this.#options;
    return `${domain ?? `${inUri(server.host)}:${server[transport]}`}${transport === 'udp' ? '' : `;transport=${transport}`}`;
  }

  #addressOfRecord(): string {
    return `<sip:${escaped(this.user)}@${this.#options.domain ?? inUri(this.#options.server.host)}>`;
  }

  #registerDraft(options: RegisterOptions, tag: string, auth: readonly HeaderLine[]) {
    const { instanceId, userAgent = 'pushwake-test-phone' } = this.#options;
    const instance = instanceId === undefined ? '' : `;+sip.instance="<${instanceId}>"`;
    const own = `<${this.contactUri}${options.contactParams ?? ''}>${instance}${options.headerParams ?? ''}`;
    const contact = options.contact ?? own;
    const headers: HeaderLine[] = [
      ['From', `${this.#addressOfRecord()};tag=${tag}`],
      ['To', this.#addressOfRecord()],
      ['Call-ID', this.#registerCallId],
      ['CSeq', `${++this.#registerNumber} REGISTER`],
      ...(contact === '' ? [] : [['Contact', contact] as const]),
      ['Expires', String(options.expires ?? 3600)],
      ['User-Agent', userAgent],
      ...(options.headers ?? []),
      ...auth,
    ];
    return { method: 'REGISTER', uri: `sip:${this.#serverAddress()}`, headers };
  }

  #takeRequest(request: SipRequest, at: number): void {
    const inDialog = paramOf(request.headers.get('To') ?? '', 'tag') !== undefined;
    const callId = request.headers.get('Call-ID');
    const call = inDialog ? this.calls.find((one) => one.callId === callId && !one.isOver) : undefined;
    const lamp = request.method === 'NOTIFY' && callId !== undefined ? this.#lamps.get(callId) : undefined;
    if (lamp) {
      lamp.take(request);
      this.#wire.respond(request, { status: 200 });
    } else if (request.method === 'CANCEL') this.#takeCancel(request, at);
    else if (call) call.takeRequest(request, at);
    // The ACK of a refusal comes with our tag, too; no ACK is ever answered.
    else if (request.method === 'ACK') return;
    // RFC 3261 §12.2.2: a request for a dialog we do not have.
    else if (inDialog) this.#wire.respond(request, { status: 481 });
    else if (request.method === 'INVITE') this.#takeCall(request, at);
    else this.#wire.respond(request, { status: 200, tag: this.#wire.newTag(), headers: [ALLOW] });
  }

  #takeCall(invite: SipRequest, at: number): void {
    const call = new IncomingCall(this.#context(), invite, at);
    this.incoming.push(call);
    this.invites.push(...call.invites);
    const policy = this.answer;
    switch (policy.kind) {
      case 'silent':
        break;
      case 'reject':
        call.reject(policy.code);
        break;
      case 'ring':
        call.ring();
        break;
      case 'auto':
        call.ring();
        setTimeout(() => void call.answer(), policy.afterMs ?? 0).unref();
        break;
      default: {
        const never: never = policy;
        throw new Error(`unknown answer ${JSON.stringify(never)}`);
      }
    }
  }

  #takeCancel(cancel: SipRequest, at: number): void {
    const call = this.incoming.find(({ branch }) => branch === branchOf(cancel));
    if (call) call.takeCancel(cancel, at, this.answer.kind === 'silent');
    else this.#wire.respond(cancel, { status: 481, tag: this.#wire.newTag() });
  }

  #takeRepeated(request: SipRequest, at: number): void {
    if (request.method !== 'INVITE') return;
    const call = this.incoming.find(({ branch }) => branch === branchOf(request));
    if (call) this.invites.push(call.noteInvite(request, at));
  }
}

/** A `%` in a user part is written so (RFC 3261 §19.1.2); what is escaped already stays. */
function escaped(user: string): string {
  return user.replace(/%(?![0-9A-Fa-f]{2})/g, '%25');
}
