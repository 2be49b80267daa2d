/** A dialog (RFC 3261 §12): who talks to whom, by which way, and how its requests look. */
import { type HeaderLine, paramOf, type SipRequest, type SipResponse, splitList, uriOf } from './message.ts';
import type { RequestDraft } from './wire.ts';

export interface DialogId {
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
}

export class Dialog {
  readonly id: DialogId;
  readonly #local: string;
  readonly #remote: string;
  readonly #target: string;
  readonly #routes: readonly string[];
  #cseq: number;

  private constructor(
    id: DialogId,
    local: string,
    remote: string,
    target: string,
    routes: readonly string[],
    cseq: number,
  ) {
    this.id = id;
    this.#local = local;
    this.#remote = remote;
    this.#target = target;
    this.#routes = routes;
    this.#cseq = cseq;
  }

  /** §12.1.2, the caller's side: our INVITE and the 2xx to it. Record-Route is read from the far end: reversed. */
  static ofCaller(invite: SipRequest, ok: SipResponse, cseq: number): Dialog {
    const local = invite.headers.need('From');
    const remote = ok.headers.need('To');
    const id = {
      callId: invite.headers.need('Call-ID'),
      localTag: paramOf(local, 'tag') ?? '',
      remoteTag: paramOf(remote, 'tag') ?? '',
    };
    const routes = ok.headers.all('Record-Route').flatMap(splitList).reverse();
    return new Dialog(id, local, remote, uriOf(ok.headers.get('Contact') ?? invite.uri), routes, cseq);
  }

  /** §12.1.1, the callee's side: the INVITE that came and the tag we gave. */
  static ofCallee(invite: SipRequest, localTag: string): Dialog {
    const remote = invite.headers.need('From');
    const id = { callId: invite.headers.need('Call-ID'), localTag, remoteTag: paramOf(remote, 'tag') ?? '' };
    const routes = invite.headers.all('Record-Route').flatMap(splitList);
    return new Dialog(
      id,
      `${invite.headers.need('To')};tag=${localTag}`,
      remote,
      uriOf(invite.headers.need('Contact')),
      routes,
      1,
    );
  }

  /** A request in this dialog. ACK takes the number of its INVITE, every other one the next. */
  request(method: string, headers: readonly HeaderLine[] = [], body = ''): RequestDraft {
    return this.#draft(method, ++this.#cseq, headers, body);
  }

  /** With a body where the INVITE had none: the answer to the offer of its 200 (RFC 3261 §13.2.2.4). */
  ack(inviteNumber: number, headers: readonly HeaderLine[] = [], body = ''): RequestDraft {
    return this.#draft('ACK', inviteNumber, headers, body);
  }

  #draft(method: string, number: number, headers: readonly HeaderLine[], body: string): RequestDraft {
    return {
      method,
      uri: this.#target,
      headers: [
        ...this.#routes.map((route): HeaderLine => ['Route', route]),
        ['From', this.#local],
        ['To', this.#remote],
        ['Call-ID', this.id.callId],
        ['CSeq', `${number} ${method}`],
        ...headers,
      ],
      body,
    };
  }
}
