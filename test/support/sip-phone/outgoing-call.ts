/** A call this phone places: INVITE with digest, its answers, CANCEL. */
import { type AuthenticatedRequest, sendAuthenticated } from './authenticated.ts';
import { ALLOW, Call, type CallContext, SDP_TYPE } from './call.ts';
import { Dialog } from './dialog.ts';
import type { Credentials } from './digest.ts';
import { cseqOf, type HeaderLine, type SipResponse } from './message.ts';

export interface CallAnswer {
  readonly status: number;
  readonly reason: string;
  /** `performance.now()` of its arrival. */
  readonly at: number;
  readonly message: SipResponse;
}

export interface OutgoingCallOptions {
  /** Request-URI. */
  readonly uri: string;
  /** Value of From, without tag. */
  readonly from: string;
  readonly credentials: Credentials;
  readonly headers: readonly HeaderLine[];
  /** The INVITE has no SDP: the PBX offers, and our ACK answers. */
  readonly lateOffer: boolean;
}

export class OutgoingCall extends Call {
  readonly callId: string;
  /** 1xx answers in order. */
  readonly progress: CallAnswer[] = [];
  /** The final answer. Rejects only when the phone went to sleep before one came. */
  readonly done: Promise<CallAnswer>;
  /** When the INVITE went out that carried the credentials: what the PBX took for the start. */
  invitedAt = 0;
  readonly #options: OutgoingCallOptions;
  readonly #tag: string;
  readonly #settle: { resolve(answer: CallAnswer): void; reject(error: Error): void };
  #cseq = 0;
  #invite: AuthenticatedRequest | undefined;
  #cancelHeaders: readonly HeaderLine[] | undefined;
  #final: CallAnswer | undefined;

  constructor(context: CallContext, options: OutgoingCallOptions) {
    super(context);
    this.#options = options;
    this.#tag = context.wire.newTag();
    this.callId = `${context.wire.newTag()}${context.wire.newTag()}`;
    const { promise, resolve, reject } = withResolvers();
    this.done = promise;
    // Somebody who only watches `state` has no use for the rejection.
    promise.catch(() => undefined);
    this.#settle = { resolve, reject };
  }

  /** The final answer, once it is there. */
  get final(): CallAnswer | undefined {
    return this.#final;
  }

  async start(): Promise<this> {
    await this.openAudio();
    const { wire } = this.context;
    this.#invite = sendAuthenticated(
      wire,
      this.#options.credentials,
      (credentials) => {
        this.invitedAt = performance.now();
        return this.#draft(credentials);
      },
      (response, at) => this.#answered(response, at),
    );
    return this;
  }

  /**
   * Gives up before the answer. RFC 3261 §9.1: CANCEL may only go out after a provisional response, so it may wait for
   * one. `done` then tells 487, or 200 when the answer was faster (the call is hung up by itself in that case).
   */
  cancel(headers: readonly HeaderLine[] = []): void {
    if (this.#cancelHeaders || this.#final) return;
    this.#cancelHeaders = headers;
    if (this.progress.length > 0) this.#sendCancel();
  }

  override drop(): void {
    super.drop();
    this.#settle.reject(new Error('the phone went to sleep before the call was answered'));
  }

  #sendCancel(): void {
    if (this.#invite && this.#cancelHeaders) this.context.wire.cancel(this.#invite.latest, this.#cancelHeaders);
  }

  #draft(credentials: readonly HeaderLine[]) {
    const { uri, from, headers, lateOffer } = this.#options;
    const lines: HeaderLine[] = [
      ['From', `${from};tag=${this.#tag}`],
      ['To', `<${uri}>`],
      ['Call-ID', this.callId],
      ['CSeq', `${++this.#cseq} INVITE`],
      this.context.contact(),
      ALLOW,
      ['Supported', 'replaces'],
      ...headers,
      ...credentials,
      ...(lateOffer ? [] : [SDP_TYPE]),
    ];
    return { method: 'INVITE', uri, headers: lines, body: lateOffer ? '' : this.ourSdp() };
  }

  #answered(response: SipResponse, at: number): void {
    const answer: CallAnswer = { status: response.status, reason: response.reason, at, message: response };
    if (response.status < 200) {
      this.progress.push(answer);
      if (this.progress.length === 1) this.#sendCancel();
      if (response.status > 100 && this.state === 'calling') this.enter('ringing');
      return;
    }
    if (response.status < 300) this.#acknowledge(response);
    // A repeated final answer: acknowledged again, otherwise known.
    if (this.#final || this.isOver) return;
    this.#final = answer;
    if (response.status >= 300) {
      this.finish(
        this.#cancelHeaders && response.status === 487 ? 'cancelled' : 'rejected',
        this.#cancelHeaders ? 'us' : 'them',
        at,
      );
    } else {
      this.answeredAt = at;
      this.enter('answered');
      this.listenTo(response.body);
      if (this.#cancelHeaders) void this.hangup().catch(() => undefined);
    }
    this.#settle.resolve(answer);
  }

  #acknowledge(ok: SipResponse): void {
    const invite = this.#invite?.latest.request;
    if (!invite) return;
    this.dialog ??= Dialog.ofCaller(invite, ok, this.#cseq);
    const { number } = cseqOf(ok);
    const { dialog } = this;
    this.context.wire.acknowledge(
      this.#options.lateOffer ? dialog.ack(number, [SDP_TYPE], this.ourSdp()) : dialog.ack(number),
    );
  }
}

/** `Promise.withResolvers` with the type spelt out once. */
function withResolvers() {
  return Promise.withResolvers<CallAnswer>();
}
