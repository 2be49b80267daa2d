/**
 * Texts of one Asterisk: those that the shipped dialplan (`pushwake-messages.conf`) hands over, and those that go to phones. The dialplan
 * waits in Stasis until we have the text on our disk, 1.5 s at most, and else goes on as without us (ADR 0090).
 */
import { randomBytes } from 'node:crypto';
import { aorOf } from '../../../plugin/core/aor.ts';
import { BoundedMap, upTo } from '../../../plugin/core/bounded-map.ts';
import { dialableUri } from '../../../plugin/core/contact-uri.ts';
import { TEXT_HEADER, textWord } from '../../../plugin/core/texts.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import type { HeldContact, NamedText, OutgoingText, PbxEvent, TextOutcome } from '../../../plugin/ports/pbx-link.ts';
import { CALL_DEADLINE, CALM_DEADLINE } from './deadlines.ts';
import { DialledBy } from './dialled-by.ts';
import type { TextProofs } from './hep-texts.ts';
import { aorIdOf } from './registrations.ts';

export interface TextsIo {
  readonly pbx: string;
  readonly realm: string;
  readonly deps: AdapterDeps;
  /** Carries out a named operation of `session.ts`. Rejects with `LinkError`. */
  readonly call: <T>(operation: string, args: object, deadlineMs: number) => Promise<T>;
  readonly say: (event: PbxEvent) => void;
  /** What phones answer to texts, as HEP shows it. Undefined: nobody hears that. */
  readonly proofs: () => TextProofs | undefined;
}

/** What a phone says when it will never take this text; anything else may pass. */
const REFUSALS: ReadonlySet<number> = new Set([400, 403, 405, 406, 415, 416, 420, 488, 501, 505, 603, 606]);
const WAITING = 1_000;
/** A key is made by the dialplan. */
const KEY = /^[0-9]{10,20}-[0-9]{6}$/;

export class Texts {
  readonly #io: TextsIo;
  /** Channels by the key of their text. Asterisk handles one text at a time. */
  readonly #waiting = new BoundedMap<string, string>(upTo(WAITING));
  /** The endpoint by which an AOR's texts came last, where the two have different names. */
  readonly #endpoints = new DialledBy();

  constructor(io: TextsIo) {
    this.#io = io;
  }

  /** A text waits in Stasis. */
  async arrived(channelId: string, key: string, value: string): Promise<void> {
    const read = readValue(value);
    const aor = read && aorOf(read.aorId, this.#io.realm);
    if (!KEY.test(key) || !read || !aor) return this.#goOn(channelId, '');
    this.#endpoints.set(read.aorId, read.endpoint);
    this.#waiting.set(key, channelId);
    this.#io.say({ type: 'textArrived', pbx: this.#io.pbx, id: key, aor, ...read.text });
  }

  /** Where its dialplan waits no more, the guard has sent it the plain way. */
  async answer(key: string, answer: 'kept' | 'plain'): Promise<void> {
    const channelId = this.#waiting.get(key);
    this.#waiting.delete(key);
    if (channelId !== undefined) await this.#goOn(channelId, answer === 'kept' ? 'KEPT' : '');
  }

  async #goOn(channelId: string, said: 'KEPT' | ''): Promise<void> {
    await this.#io.call('goOn', { channelId, variables: { PUSHWAKE_TEXT: said } }, CALL_DEADLINE);
  }

  async send(contact: HeldContact, { id, from, body, contentType }: NamedText): Promise<TextOutcome> {
    const endpoint = this.#endpoints.endpointOf(aorIdOf(contact.aor, this.#io.realm));
    const uri = dialableUri(contact.uri);
    if (!uri.ok) {
      this.#io.deps.log.warn({ aor: contact.aor, pbx: this.#io.pbx, reason: uri.reason }, 'contact not dialled');
      return 'unreached';
    }
    // Behind an edge proxy only the endpoint's name keeps the route.
    const to = contact.path ? `pjsip:${endpoint}` : `pjsip:${endpoint}/${uri.uri}`;
    const proofs = this.#io.proofs();
    const mark = randomBytes(8).toString('hex');
    const proof = proofs?.await(mark);
    const named = { 'Content-Type': contentType, [TEXT_HEADER]: textWord(id) };
    const variables = { ...named, ...(proof && { 'X-Pushwake-Text': mark }) };
    try {
      await this.#io.call('sendText', { to, from, body, variables }, CALM_DEADLINE);
    } catch {
      proofs?.forget(mark);
      return 'unreached';
    }
    if (!proof) return 'sent';
    const status = await proof;
    if (status !== undefined && status >= 200 && status < 300) return 'taken';
    return status !== undefined && REFUSALS.has(status) ? 'refused' : 'unreached';
  }
}

/** What the dialplan wrote: a version, then each part URI-encoded. */
function readValue(value: string): { endpoint: string; aorId: string; text: OutgoingText } | undefined {
  const [version, ...parts] = value.split('|');
  if (version !== '1' || parts.length !== 6) return undefined;
  try {
    const [endpoint = '', aors = '', from = '', to = '', contentType = '', body = ''] = parts.map(decodeURIComponent);
    const sip = (address: string) => address.replace(/^pjsip:/, '');
    return { endpoint, aorId: aors || endpoint, text: { from, to: sip(to), contentType, body } };
  } catch {
    // Bytes that are no UTF-8.
    return undefined;
  }
}
