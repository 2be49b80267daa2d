/**
 * Texts of one Asterisk: those that the shipped dialplan (`pushwake-messages.conf`) hands over, and those that go to phones. The dialplan
 * puts a text into AstDB and waits in Stasis: what we took and did not finish is still there after a crash (ADR 0090).
 */
import { randomBytes } from 'node:crypto';
import { type Aor, aorOf } from '../../../plugin/core/aor.ts';
import { dialableUri } from '../../../plugin/core/contact-uri.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import type { HeldContact, OutgoingText, PbxEvent, TextOutcome } from '../../../plugin/ports/pbx-link.ts';
import { CALL_DEADLINE, CALM_DEADLINE } from './deadlines.ts';
import { DialledBy } from './dialled-by.ts';
import type { TextProofs } from './hep-texts.ts';
import { aorIdOf } from './registrations.ts';

export interface TextsIo {
  readonly pbx: string;
  readonly realm: string;
  readonly deps: AdapterDeps;
  /** Asks the worker. Rejects with `LinkError`. */
  readonly call: <T>(operation: string, args: object, deadlineMs: number) => Promise<T>;
  readonly say: (event: PbxEvent) => void;
  /** What phones answer to texts, as HEP shows it. Undefined: nobody hears that. */
  readonly proofs: () => TextProofs | undefined;
}

/** A text that Asterisk holds for us. `channelId` absent: found in AstDB after a start, and no dialplan waits any more. */
interface Held {
  readonly channelId: string | undefined;
  readonly aor: Aor;
  readonly text: OutgoingText;
}

/** What a phone says when it will never take this text; anything else may pass. */
const REFUSALS: ReadonlySet<number> = new Set([400, 403, 405, 406, 415, 416, 420, 488, 501, 505, 603, 606]);
/** A key is made by the dialplan. */
const KEY = /^[0-9]{10,20}-[0-9]{6}$/;

export class Texts {
  readonly #io: TextsIo;
  readonly #held = new Map<string, Held>();
  /** The endpoint by which an AOR's texts came last, where the two have different names. */
  readonly #endpoints = new DialledBy();

  constructor(io: TextsIo) {
    this.#io = io;
  }

  /** A text waits in Stasis. */
  async arrived(channelId: string, key: string): Promise<void> {
    if (!KEY.test(key)) return this.#letGo(channelId);
    const value = await this.#io.call<string | undefined>('takeText', { channelId, key }, CALL_DEADLINE);
    if (!this.#take(key, value, channelId)) await this.#letGo(channelId);
  }

  /** The link is up: what an earlier life of ours took and did not finish. */
  async takeUp(): Promise<void> {
    for (const key of await this.#io.call<readonly string[]>('heldTexts', {}, CALM_DEADLINE)) {
      if (!KEY.test(key) || this.#held.has(key)) continue;
      const value = await this.#io.call<string | undefined>('readText', { key }, CALM_DEADLINE);
      this.#take(key, value, undefined);
    }
  }

  #take(key: string, value: string | undefined, channelId: string | undefined): boolean {
    const read = value === undefined ? undefined : readValue(value);
    const aor = read && aorOf(read.aorId, this.#io.realm);
    if (!read || !aor) return false;
    this.#endpoints.set(read.aorId, read.endpoint);
    const { text } = read;
    this.#held.set(key, { channelId, aor, text });
    this.#io.say({ type: 'textArrived', pbx: this.#io.pbx, id: key, aor, ...text });
    return true;
  }

  async #letGo(channelId: string): Promise<void> {
    await this.#io.call('goOn', { channelId, variables: { PUSHWAKE_TEXT: '' } }, CALL_DEADLINE);
  }

  async answer(key: string, answer: 'kept' | 'plain'): Promise<void> {
    const held = this.#held.get(key);
    if (!held) return;
    this.#held.delete(key);
    const { channelId, aor, text } = held;
    if (answer === 'kept') return this.#io.call('keepText', { channelId, key }, CALM_DEADLINE);
    const went =
      channelId === undefined
        ? 'gone'
        : await this.#io.call<string>('goOn', { channelId, variables: { PUSHWAKE_TEXT: '' } }, CALL_DEADLINE);
    if (went === 'done') return;
    // Its dialplan waits no more: we do what it would have done.
    await this.#plainly(aor, text);
    await this.#io.call('keepText', { channelId: undefined, key }, CALM_DEADLINE);
  }

  #plainly(aor: Aor, text: OutgoingText): Promise<unknown> {
    const endpoint = this.#endpoints.endpointOf(aorIdOf(aor, this.#io.realm));
    const { from, body, contentType } = text;
    const variables = { 'Content-Type': contentType };
    return this.#io.call('sendText', { to: `pjsip:${endpoint}`, from, body, variables }, CALM_DEADLINE);
  }

  async send(contact: HeldContact, { from, body, contentType }: OutgoingText): Promise<TextOutcome> {
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
    const variables = { 'Content-Type': contentType, ...(proof && { 'X-Pushwake-Text': mark }) };
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
