/**
 * Texts of one FreeSWITCH: those that the shipped chatplan takes for us, and those that go to phones. The chatplan puts a text into a global
 * variable before it raises its event: what we were told and did not finish is still there after a crash (ADR 0090).
 */
import { randomBytes } from 'node:crypto';
import { type Aor, parseAor } from '../../../plugin/core/aor.ts';
import { textWord } from '../../../plugin/core/texts.ts';
import { type DurationMs, SECOND } from '../../../plugin/core/time.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';
import type { HeldContact, NamedText, OutgoingText, PbxEvent, TextOutcome } from '../../../plugin/ports/pbx-link.ts';
import { CALL_DEADLINE, LIST_DEADLINE } from './deadlines.ts';
import type { Ask } from './link.ts';

export interface TextsIo {
  readonly pbx: string;
  readonly clock: Clock;
  readonly ask: Ask;
  readonly say: (event: PbxEvent) => void;
  /** How a contact is dialled, `sofia/internal/sip:…`; undefined: it must not be. */
  readonly dialOf: (contact: HeldContact) => string | undefined;
}

interface Held {
  readonly aor: Aor;
  readonly profile: string;
  readonly text: OutgoingText;
}

/** What a phone says when it will never take this text; anything else may pass. */
const REFUSALS: ReadonlySet<number> = new Set([400, 403, 405, 406, 415, 416, 420, 488, 501, 505, 603, 606]);
/** FreeSWITCH waits 20 s for a phone's answer, and for the texts before this one. */
const REPORTED_WITHIN: DurationMs = 32 * SECOND;
const ID = /^[0-9a-f-]{36}$/;

export class Texts {
  readonly #io: TextsIo;
  readonly #held = new Map<string, Held>();
  readonly #sent = new Map<string, (status: number | undefined) => void>();

  constructor(io: TextsIo) {
    this.#io = io;
  }

  /** `value`: what the chatplan wrote, each part URL-encoded. */
  arrived(id: string, value: string): void {
    if (!ID.test(id) || this.#held.has(id)) return;
    const read = readValue(value);
    if (!read) return void this.#forget(id).catch(() => undefined);
    this.#held.set(id, read);
    this.#io.say({ type: 'textArrived', pbx: this.#io.pbx, id, aor: read.aor, ...read.text });
  }

  /** The link is up: what an earlier life of ours did not finish. */
  async takeUp(): Promise<void> {
    const left = await this.#io.ask<readonly { id: string; value: string }[]>('heldTexts', {}, LIST_DEADLINE);
    for (const { id, value } of left) this.arrived(id, value);
  }

  async answer(id: string, answer: 'kept' | 'plain'): Promise<void> {
    const held = this.#held.get(id);
    if (!held) return;
    this.#held.delete(id);
    // The chatplan has handed it over: we do what FreeSWITCH would have done.
    if (answer === 'plain')
      await this.#io.ask('sendText', orderOf(`${held.profile}/${held.aor}`, held.text), CALL_DEADLINE);
    await this.#forget(id);
  }

  async send(contact: HeldContact, text: NamedText): Promise<TextOutcome> {
    const to = destination(this.#io.dialOf(contact));
    if (to === undefined) return 'unreached';
    const mark = randomBytes(8).toString('hex');
    const reported = new Promise<number | undefined>((resolve) => {
      const cancel = this.#io.clock.after(REPORTED_WITHIN, () => this.reported(mark, undefined));
      this.#sent.set(mark, (status) => {
        cancel();
        resolve(status);
      });
    });
    const order = { ...orderOf(to, text), mark, word: textWord(text.id) };
    try {
      await this.#io.ask('sendText', order, CALL_DEADLINE);
    } catch {
      this.reported(mark, undefined);
    }
    const status = await reported;
    if (status !== undefined && status >= 200 && status < 300) return 'taken';
    return status !== undefined && REFUSALS.has(status) ? 'refused' : 'unreached';
  }

  /** FreeSWITCH says what the phone answered. */
  reported(mark: string, status: number | undefined): void {
    const settle = this.#sent.get(mark);
    this.#sent.delete(mark);
    settle?.(status);
  }

  #forget(id: string): Promise<void> {
    return this.#io.ask('forgetText', { id }, CALL_DEADLINE);
  }
}

export interface TextOrder {
  readonly to: string;
  readonly from: string;
  readonly contentType: string;
  readonly body: string;
  /** Where the answer of the phone is wanted. */
  readonly mark?: string;
  /** What its app knows the text by. */
  readonly word?: string;
}

/**
 * A text goes to a profile and a URI, as a call does. FreeSWITCH loses the URI's transport, and would try UDP, unless it is said again as the way
 * there (`fs_path`).
 */
function destination(dial: string | undefined): string | undefined {
  const [, profile, uri] = /^sofia\/([^/,]+)\/([^,]+)$/.exec(dial ?? '') ?? [];
  if (profile === undefined || uri === undefined) return undefined;
  return uri.includes(';fs_path=') ? `${profile}/${uri}` : `${profile}/${uri};fs_path=${encodeURIComponent(uri)}`;
}

const orderOf = (to: string, { from, contentType, body }: OutgoingText): TextOrder => ({ to, from, contentType, body });

function readValue(value: string): Held | undefined {
  const parts = value.split('|');
  if (parts.length !== 5) return undefined;
  try {
    const [to = '', from = '', contentType = '', profile = '', body = ''] = parts.map(decodeURIComponent);
    const aor = parseAor(to);
    if (!aor || !/^[A-Za-z0-9_.-]{1,64}$/.test(profile)) return undefined;
    // The tag is that of the sender's own request.
    const sender = from.replace(/;tag=[^;>]*/gi, '');
    return { aor, profile, text: { from: sender, to: `<sip:${to}>`, contentType, body } };
  } catch {
    // Bytes that are no UTF-8.
    return undefined;
  }
}
