/**
 * One websocket to an Asterisk, whoever opened it, from its login to its end: events come up it, and requests go down it where this Asterisk takes
 * them there. What is said lies in `session.ts`; who opens the next one, in `dial-out/` and `dial-in/`.
 */
import type { WebSocket } from 'ws';
import type { DurationMs } from '../../../plugin/core/time.ts';
import { SECOND } from '../../../plugin/core/time.ts';
import type { Logger } from '../../../plugin/ports/adapter.ts';
import { LinkError } from '../../../plugin/ports/pbx-link.ts';
import { atEndOfTurn, type RealTime } from '../real-time.ts';
import { safe } from '../supervised-worker.ts';
import { SocketRest } from './rest.ts';
import type { AriSession } from './session.ts';
import { eventOf } from './translate.ts';

const PING_EVERY: DurationMs = 10 * SECOND;
const PONG_WITHIN: DurationMs = 5 * SECOND;
/** What we have written and Asterisk has not taken: a PBX that hangs. */
const UNTAKEN_BYTES = 4 * 1024 * 1024;

/** What a phone that has come, or a caller, waits for. */
const GOES_ON: ReadonlySet<string> = new Set(['goOn', 'handOver']);

export interface LineOptions {
  readonly pbx: string;
  readonly time: RealTime;
  readonly log: Logger;
  /** What is said on it. `rest`: requests down this websocket. */
  readonly session: (rest: SocketRest) => AriSession;
  readonly onEvent: (event: Record<string, unknown>) => void;
  /** Once. */
  readonly onEnd: (reason: string, hint?: string) => void;
  /** Asterisk has kept what it would have told us while it was away: what comes before its first answer is passed over. Default false. */
  readonly comesLate?: boolean;
  /**
   * Asterisk's websocket client leaves Nagle's algorithm on: a small message waits in its kernel until what it sent before is acknowledged, and a kernel
   * that has nothing to send puts that off for 40 ms. With this an unasked pong (RFC 6455 §5.5.3) goes at the end of each turn in which something was heard and
   * nothing sent, and carries the acknowledgement. Default false.
   */
  readonly acknowledges?: boolean;
}

export class Line {
  readonly session: AriSession;
  readonly rest: SocketRest;
  isUp = false;
  readonly #socket: WebSocket;
  readonly #o: LineOptions;
  /** Rejects what still waits for an answer. */
  readonly #waiting = new Set<(error: LinkError) => void>();
  #toSend: (() => void)[] = [];
  /** Something was heard, and nothing sent since. */
  #owesAcknowledgement = false;
  #cancelPing: () => void = () => undefined;
  /** What Asterisk says is of now. */
  #isLive: boolean;
  #pongMs: number;
  /** Resolves with its first message. */
  readonly speaks: Promise<void>;
  #hasSpoken: () => void = () => undefined;
  #ended = false;

  constructor(socket: WebSocket, options: LineOptions) {
    const { time, session, comesLate = false } = options;
    this.#socket = socket;
    this.#o = options;
    this.#isLive = !comesLate;
    this.#pongMs = time.monotonicMs();
    this.speaks = new Promise((resolve) => {
      this.#hasSpoken = resolve;
    });
    this.rest = new SocketRest((text) => this.#send(text));
    this.session = session(this.rest);
    socket.on('message', (text) => this.#heard(String(text)));
    socket.on('close', () => this.end('the websocket closed'));
    socket.on('error', (error) => this.end(`the websocket broke: ${safe(error)}`));
    socket.on('pong', () => {
      this.#pongMs = time.monotonicMs();
      if (options.acknowledges) this.#acknowledge();
    });
    this.#cancelPing = time.after(PING_EVERY, () => this.#ping());
  }

  /**
   * Carries out named operations of the session, in the order in which they were asked for. They are sent behind what this turn of the event loop has
   * to write: what a call makes us ask the PBX must not go before its push. What lets a leg go on is sent at once, with all that was asked for
   * before it. Rejects with a LinkError when the time is over or the line ends.
   */
  run<T>(operation: string, args: unknown, deadlineMs: number): Promise<T> {
    // Its time limit too begins then: what a caller waits for comes before it in this turn.
    const work = new Promise<T>((resolve, reject) => {
      this.#toSend.push(() => {
        if (this.#ended) return reject(new LinkError(`link ${this.#o.pbx} went down`));
        const asked = this.session.run(operation, args) as Promise<T>;
        this.within(deadlineMs, `answer ${operation}`, asked).then(resolve, reject);
      });
    });
    if (GOES_ON.has(operation)) this.#sendAll();
    else if (this.#toSend.length === 1) atEndOfTurn(() => this.#sendAll());
    return work;
  }

  #sendAll(): void {
    const all = this.#toSend;
    this.#toSend = [];
    for (const send of all) send();
  }

  /** The same, or a LinkError when the time is over or the line ends. */
  within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settle = () => {
        cancel();
        this.#waiting.delete(reject);
      };
      const cancel = this.#o.time.after(ms, () => {
        settle();
        reject(new LinkError(`${this.#o.pbx} did not ${what} within ${ms} ms`));
      });
      this.#waiting.add(reject);
      work.then(
        (value) => {
          settle();
          resolve(value);
        },
        (error: unknown) => {
          settle();
          reject(error instanceof LinkError ? error : new LinkError(safe(error)));
        },
      );
    });
  }

  end(reason: string, hint?: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelPing();
    this.session.end();
    // A farewell for one that lives, and an end for one that does not.
    this.#socket.close(1001);
    this.#o.time.after(SECOND, () => this.#socket.terminate());
    for (const reject of [...this.#waiting]) reject(new LinkError(`link ${this.#o.pbx} went down: ${reason}`));
    this.#o.onEnd(reason, hint);
  }

  #send(text: string): void {
    if (this.#ended) return;
    if (this.#socket.bufferedAmount > UNTAKEN_BYTES) return this.end('the Asterisk takes nothing any more');
    this.#owesAcknowledgement = false;
    this.#socket.send(text);
  }

  #ping(): void {
    const askedMs = this.#o.time.monotonicMs();
    this.#socket.ping();
    this.#cancelPing = this.#o.time.after(PONG_WITHIN, () => {
      if (this.#pongMs < askedMs) return this.end('the websocket is half open: no pong within 5 s');
      this.#cancelPing = this.#o.time.after(PING_EVERY, () => this.#ping());
    });
  }

  #acknowledge(): void {
    if (this.#owesAcknowledgement) return;
    this.#owesAcknowledgement = true;
    atEndOfTurn(() => {
      if (!this.#owesAcknowledgement || this.#ended) return;
      this.#owesAcknowledgement = false;
      this.#socket.pong();
    });
  }

  /** An unreadable message is dropped, because nothing can be known of it. */
  #heard(text: string): void {
    this.#hasSpoken();
    if (this.#o.acknowledges) this.#acknowledge();
    const event = eventOf(text);
    if (!event) return;
    if (event.type === 'RESTResponse') {
      this.#isLive = true;
      return this.rest.answered(event);
    }
    if (!this.#isLive || this.#ended) return;
    try {
      this.session.hear(event, this.#o.onEvent)?.catch((error: unknown) => this.#notUnderstood(event, error));
    } catch (error) {
      this.#notUnderstood(event, error);
    }
  }

  /** One event must not cost all others. */
  #notUnderstood({ type }: Readonly<Record<string, unknown>>, error: unknown): void {
    this.#o.log.error({ pbx: this.#o.pbx, event: String(type), reason: safe(error) }, 'an event was not understood');
  }
}
