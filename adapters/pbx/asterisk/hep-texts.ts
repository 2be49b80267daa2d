/**
 * What phones answer to texts, as HEP shows it: the MESSAGE that Asterisk sends bears a mark of ours, its Call-ID leads to the answer. Nothing of a
 * text is kept or logged.
 */
import { type DurationMs, SECOND } from '../../../plugin/core/time.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';

/** RFC 3261 gives a request up after 32 s (timer F); an answer may come in the last moment. */
const ANSWERED_WITHIN: DurationMs = 33 * SECOND;
/** Texts on their way at once; one more is sent without being heard of. */
const AT_ONCE = 2_000;
/** Of a message, in bytes: its headers stand in front. */
const READ_AT_MOST = 4_096;

interface Awaited {
  callId?: string;
  readonly settle: (status: number | undefined) => void;
}

export class TextProofs {
  readonly #clock: Pick<Clock, 'after'>;
  readonly #marks = new Map<string, Awaited>();
  readonly #callIds = new Map<string, string>();

  constructor(clock: Pick<Clock, 'after'>) {
    this.#clock = clock;
  }

  /** Whether there is anything to look for: otherwise no datagram costs anything. */
  get isIdle(): boolean {
    return this.#marks.size === 0;
  }

  /** The final status that the phone gives; undefined: none came. Undefined in place of a promise: too many are on their way. */
  await(mark: string): Promise<number | undefined> | undefined {
    if (this.#marks.size >= AT_ONCE) return undefined;
    return new Promise((resolve) => {
      const cancel = this.#clock.after(ANSWERED_WITHIN, () => this.forget(mark));
      const settle = (status: number | undefined) => {
        cancel();
        resolve(status);
      };
      this.#marks.set(mark, { settle });
    });
  }

  forget(mark: string): void {
    this.#settle(mark, undefined);
  }

  take(payload: Buffer): void {
    if (this.isIdle) return;
    const isText = payload.toString('latin1', 0, 8) === 'MESSAGE ';
    const status = isText ? undefined : /^SIP\/2\.0 (\d{3}) /.exec(payload.toString('latin1', 0, 12))?.[1];
    if (!isText && status === undefined) return;
    const head = payload.toString('latin1', 0, READ_AT_MOST);
    const callId = /\r\nCall-ID:[ \t]*([^\r\n]{1,256})\r\n/i.exec(head)?.[1]?.trim();
    if (callId === undefined) return;
    if (isText) {
      const mark = /\r\nX-Pushwake-Text:[ \t]*([0-9a-f]{16})\r\n/i.exec(head)?.[1];
      const awaited = mark === undefined ? undefined : this.#marks.get(mark);
      if (mark === undefined || !awaited) return;
      awaited.callId = callId;
      this.#callIds.set(callId, mark);
      return;
    }
    const mark = this.#callIds.get(callId);
    if (mark === undefined || Number(status) < 200 || !/\r\nCSeq:[ \t]*\d+[ \t]+MESSAGE[ \t]*\r\n/i.test(head)) return;
    this.#settle(mark, Number(status));
  }

  #settle(mark: string, status: number | undefined): void {
    const awaited = this.#marks.get(mark);
    if (!awaited) return;
    this.#marks.delete(mark);
    if (awaited.callId !== undefined) this.#callIds.delete(awaited.callId);
    awaited.settle(status);
  }
}
