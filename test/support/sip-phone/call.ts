/** What calls of both directions share: state, audio, requests inside the dialog, the end. */
import type { Dialog, DialogId } from './dialog.ts';
import { cseqOf, type HeaderLine, type SipRequest, type SipResponse } from './message.ts';
import { type RtpStats, RtpStream } from './rtp.ts';
import { readSdp, writeSdp } from './sdp.ts';
import type { Wire } from './wire.ts';

/**
 *   calling ──▶ ringing ──▶ answered ──▶ ended
 *      └───────────┴──▶ cancelled | rejected
 */
export type CallState = 'calling' | 'ringing' | 'answered' | 'cancelled' | 'rejected' | 'ended';

/** What a call may ask of its phone. */
export interface CallContext {
  readonly wire: Wire;
  /** Address of this phone, for audio. */
  readonly host: string;
  /** Contact header of this phone. */
  contact(): HeaderLine;
}

const NO_AUDIO: RtpStats = { sent: 0, received: 0, firstReceivedAt: undefined, lastReceivedAt: undefined };
export const ALLOW: HeaderLine = ['Allow', 'INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, INFO, UPDATE, REFER'];
export const SDP_TYPE: HeaderLine = ['Content-Type', 'application/sdp'];

export abstract class Call {
  abstract readonly callId: string;
  protected readonly context: CallContext;
  protected dialog: Dialog | undefined;
  protected audio: RtpStream | undefined;
  #state: CallState = 'calling';
  #sdpVersion = 0;
  /** Instants of `performance.now()`. */
  answeredAt: number | undefined;
  endedAt: number | undefined;
  endedBy: 'us' | 'them' | undefined;
  /** Reason headers of the BYE that ended it, or of the CANCEL. */
  endReasons: readonly string[] = [];

  constructor(context: CallContext) {
    this.context = context;
  }

  get state(): CallState {
    return this.#state;
  }

  /** Packets so far; stays readable after the end. */
  get rtp(): RtpStats {
    return this.audio?.stats ?? NO_AUDIO;
  }

  get dialogId(): DialogId | undefined {
    return this.dialog?.id;
  }

  /** Over, whether it was ever answered or not. */
  get isOver(): boolean {
    return this.#state === 'ended' || this.#state === 'cancelled' || this.#state === 'rejected';
  }

  /** Sends BYE. Answers the response; does nothing when the call is over. */
  async hangup(): Promise<SipResponse | undefined> {
    if (this.#state !== 'answered') return undefined;
    this.finish('ended', 'us');
    return this.request('BYE');
  }

  /** Blind transfer. For an attended one give a Refer-To with `Replaces`. */
  refer(referTo: string): Promise<SipResponse> {
    return this.request('REFER', [['Refer-To', referTo], this.context.contact()]);
  }

  /** A re-INVITE that puts the other side on hold (RFC 3264 §8.4), or takes it back. */
  async hold(on: boolean): Promise<SipResponse> {
    const sdp = on ? this.ourSdp().replace('a=sendrecv', 'a=sendonly') : this.ourSdp();
    const response = await this.request('INVITE', [this.context.contact(), ALLOW, SDP_TYPE], sdp);
    if (response.status < 300 && this.dialog) this.context.wire.acknowledge(this.dialog.ack(cseqOf(response).number));
    return response;
  }

  /** Any request inside the dialog. */
  async request(method: string, headers: readonly HeaderLine[] = [], body = ''): Promise<SipResponse> {
    if (!this.dialog) throw new Error(`${method} needs a call that was answered`);
    return (await this.context.wire.finalResponse(this.dialog.request(method, headers, body), 5000)).response;
  }

  /** Resolves when the call reaches the state (or has passed it, for `ringing` and `answered`); throws when it cannot any more. */
  async waitForState(state: CallState, timeoutMs = 5000): Promise<void> {
    const { wire } = this.context;
    const explain = (): string => `call is ${this.#state}, not ${state}\n${wire.log.timeline()}`;
    await wire.waiters.waitFor(
      () => {
        if (this.#state === state || (state === 'ringing' && this.#state === 'answered')) return true;
        if (state === 'answered' && this.answeredAt !== undefined) return true;
        if (this.isOver) throw new Error(explain());
        return false;
      },
      timeoutMs,
      explain,
    );
  }

  /** Resolves when that many audio packets were sent and received. */
  async waitForRtp(packets: number, timeoutMs = 5000): Promise<void> {
    const { wire } = this.context;
    const enough = (): boolean => this.rtp.received >= packets && this.rtp.sent >= packets;
    await wire.waiters.waitFor(
      enough,
      timeoutMs,
      () => `audio: ${JSON.stringify(this.rtp)}, wanted ${packets} each way`,
    );
  }

  /** A request of the other side inside this call's dialog. */
  takeRequest(request: SipRequest, at: number): void {
    switch (request.method) {
      case 'BYE':
        this.endReasons = request.headers.all('Reason');
        this.context.wire.respond(request, { status: 200 });
        this.finish('ended', 'them', at);
        return;
      case 'ACK':
        this.listenTo(request.body);
        return;
      case 'INVITE':
      case 'UPDATE':
        // A re-INVITE may move the audio or refresh the session; both are agreed to.
        this.listenTo(request.body);
        this.context.wire.respond(request, {
          status: 200,
          ...this.answerWithSdp(request.method === 'INVITE' || request.body !== ''),
        });
        return;
      default:
        this.context.wire.respond(request, { status: 200 });
    }
  }

  /** Ends without a word, because the phone was put to sleep or closed. */
  drop(): void {
    if (!this.isOver) this.finish(this.#state === 'answered' ? 'ended' : 'cancelled', 'us');
    this.audio?.close();
  }

  protected enter(state: CallState): void {
    this.#state = state;
    this.context.wire.waiters.notify();
  }

  protected finish(state: 'ended' | 'cancelled' | 'rejected', by: 'us' | 'them', at = performance.now()): void {
    if (this.isOver) return;
    this.endedAt = at;
    this.endedBy = by;
    this.audio?.close();
    this.enter(state);
  }

  protected async openAudio(): Promise<void> {
    this.audio ??= await RtpStream.open(this.context.host, () => this.context.wire.waiters.notify());
  }

  /** Sends our tone where the other side's SDP wants it. */
  protected listenTo(sdp: string): void {
    const remote = readSdp(sdp);
    if (remote && this.audio && !this.isOver) this.audio.sendTo(remote);
  }

  protected answerWithSdp(withSdp = true): { headers: HeaderLine[]; body: string } {
    const withBody = withSdp && this.audio !== undefined;
    return {
      headers: [this.context.contact(), ALLOW, ...(withBody ? [SDP_TYPE] : [])],
      body: withBody ? this.ourSdp() : '',
    };
  }

  protected ourSdp(): string {
    if (!this.audio) throw new Error('audio is not open yet');
    return writeSdp(this.audio.local, ++this.#sdpVersion);
  }
}
