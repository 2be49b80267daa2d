/** A call that comes to this phone: every INVITE of it, ringing, the answer, CANCEL. */
import { ALLOW, Call, type CallContext } from './call.ts';
import { Dialog } from './dialog.ts';
import { branchOf, type HeaderLine, type SipHeaders, type SipRequest } from './message.ts';

/** One INVITE as it arrived. */
export interface ReceivedInvite {
  /** `performance.now()`. */
  readonly at: number;
  readonly callId: string;
  readonly branch: string;
  readonly requestUri: string;
  /** The same INVITE came before: a retransmission. */
  readonly repeated: boolean;
  readonly message: SipRequest;
}

export class IncomingCall extends Call {
  readonly callId: string;
  readonly branch: string;
  readonly requestUri: string;
  readonly headers: SipHeaders;
  /** `performance.now()` of the first INVITE. */
  readonly receivedAt: number;
  /** The first INVITE and its retransmissions. */
  readonly invites: ReceivedInvite[] = [];
  ringingAt: number | undefined;
  cancelledAt: number | undefined;
  /** Status code this phone refused it with. */
  rejectedWith: number | undefined;
  readonly #invite: SipRequest;
  readonly #tag: string;
  #answering = false;

  constructor(context: CallContext, invite: SipRequest, at: number) {
    super(context);
    this.#invite = invite;
    this.#tag = context.wire.newTag();
    this.callId = invite.headers.need('Call-ID');
    this.branch = branchOf(invite);
    this.requestUri = invite.uri;
    this.headers = invite.headers;
    this.receivedAt = at;
    this.noteInvite(invite, at);
  }

  /** Values of the Reason headers of the CANCEL, e.g. `SIP;cause=200;text="Call completed elsewhere"`. */
  get cancelReasons(): readonly string[] {
    return this.state === 'cancelled' ? this.endReasons : [];
  }

  /** 180. */
  ring(): void {
    if (this.state !== 'calling') return;
    this.ringingAt = performance.now();
    this.context.wire.respond(this.#invite, { status: 180, tag: this.#tag, headers: [this.context.contact(), ALLOW] });
    this.enter('ringing');
  }

  /** 183 with audio: early media. */
  async progress(): Promise<void> {
    if (this.isOver) return;
    await this.openAudio();
    this.context.wire.respond(this.#invite, { status: 183, tag: this.#tag, ...this.answerWithSdp() });
    this.listenTo(this.#invite.body);
    this.enter('ringing');
  }

  /** 200 with audio. `as offered`: with what the offer asks for, see `richAnswer`. */
  async answer(how: 'plain' | 'as offered' = 'plain'): Promise<void> {
    if (this.#answering || this.isOver) return;
    this.#answering = true;
    await this.openAudio();
    if (how === 'as offered') await this.openVideo();
    // A CANCEL may have come meanwhile.
    if (this.isOver) {
      this.audio?.close();
      return;
    }
    this.dialog = Dialog.ofCallee(this.#invite, this.#tag);
    const { headers, body } = this.answerWithSdp();
    const sdp = how === 'plain' ? body : this.agreeTo(this.#invite.body);
    this.context.wire.respond(this.#invite, { status: 200, tag: this.#tag, headers, body: sdp });
    this.answeredAt = performance.now();
    this.enter('answered');
    this.listenTo(this.#invite.body);
  }

  /** `headers`: a Contact with 302, for instance. */
  reject(status = 486, headers: readonly HeaderLine[] = []): void {
    if (this.isOver || this.#answering) return;
    this.rejectedWith = status;
    this.context.wire.respond(this.#invite, { status, tag: this.#tag, headers });
    this.finish('rejected', 'us');
  }

  noteInvite(invite: SipRequest, at: number): ReceivedInvite {
    const { callId } = this;
    const noted = {
      at,
      callId,
      branch: branchOf(invite),
      requestUri: invite.uri,
      repeated: this.invites.length > 0,
      message: invite,
    };
    this.invites.push(noted);
    return noted;
  }

  /** A CANCEL for this INVITE; answered too late if the call is up already. `deaf`: a phone that answers nothing. */
  takeCancel(cancel: SipRequest, at: number, deaf: boolean): void {
    if (!deaf) this.context.wire.respond(cancel, { status: 200, tag: this.#tag });
    if (this.state !== 'calling' && this.state !== 'ringing') return;
    this.cancelledAt = at;
    this.endReasons = cancel.headers.all('Reason');
    if (!deaf) this.context.wire.respond(this.#invite, { status: 487, tag: this.#tag });
    this.finish('cancelled', 'them', at);
  }
}
