/** What calls of both directions share: state, audio, requests inside the dialog, the end. */
import { randomBytes } from 'node:crypto';
import type { Dialog, DialogId } from './dialog.ts';
import { cseqOf, type HeaderLine, type SipRequest, type SipResponse } from './message.ts';
import { type RtpStats, RtpStream } from './rtp.ts';
import { readSdp, richAnswer, writeSdp } from './sdp.ts';
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
  #video: RtpStream | undefined;
  /** SDPs of requests of the other side inside the dialog: re-INVITEs and UPDATEs. */
  readonly offers: string[] = [];
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

  /** A re-INVITE that makes a fax of the talk (T.38). */
  async fax(): Promise<SipResponse> {
    const response = await this.request('INVITE', [this.context.contact(), ALLOW, SDP_TYPE], this.t38());
    if (response.status < 300 && this.dialog) this.context.wire.acknowledge(this.dialog.ack(cseqOf(response).number));
    return response;
  }

  protected t38(): string {
    if (!this.audio) throw new Error('audio is not open yet');
    const { host, port } = this.audio.local;
    return [
      'v=0',
      `o=- 1 ${++this.#sdpVersion} IN IP4 ${host}`,
      's=-',
      `c=IN IP4 ${host}`,
      't=0 0',
      `m=image ${port} udptl t38`,
      'a=T38FaxVersion:0',
      'a=T38MaxBitRate:14400',
      'a=T38FaxRateManagement:transferredTCF',
      'a=T38FaxMaxDatagram:400',
      'a=T38FaxUdpEC:t38UDPRedundancy',
      '',
    ].join('\r\n');
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

  /** The tone that the other side plays, in Hz; 0: silence. */
  heardTone(): number {
    return this.audio?.heardTone() ?? 0;
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
        if (request.body !== '') this.offers.push(request.body);
        if (/^m=image /m.test(request.body)) {
          // T.38, agreed to; its packets go where the audio went.
          const headers = [this.context.contact(), ALLOW, SDP_TYPE];
          return this.context.wire.respond(request, { status: 200, headers, body: this.t38() });
        }
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
    this.#video?.close();
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
    this.#video?.close();
    this.enter(state);
  }

  protected async openAudio(): Promise<void> {
    this.audio ??= await RtpStream.open(this.context.host, () => this.context.wire.waiters.notify());
  }

  protected async openVideo(): Promise<void> {
    this.#video ??= await RtpStream.open(this.context.host, () => undefined);
  }

  /** The SDP that takes what the offer asks for; from then on it holds. */
  protected agreeTo(offer: string): string {
    if (!this.audio || !this.#video) throw new Error('media are not open yet');
    const answer = richAnswer(offer, this.audio.local, this.#video.local, randomBytes);
    this.audio.agree(answer);
    this.#video.agree(answer);
    return answer.sdp;
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
