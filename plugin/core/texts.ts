/** What is decided of a text before it is kept, and to which device a contact belongs. Pure. */
import { createHash } from 'node:crypto';
import type { AorRecord, Binding } from './binding.ts';
import { isLive } from './binding.ts';
import { LONGEST_CALLER, shortened } from './detached.ts';

/** A text as its sender wrote it: hostile until it was looked at. */
export interface IncomingText {
  readonly from: string;
  readonly to: string;
  readonly contentType: string;
  readonly body: string;
}

/** In bytes. What is longer takes the way it takes without pushwake. */
export const LONGEST_TEXT = 16 * 1_024;
const LONGEST_ADDRESS = 1_024;
const LONGEST_TYPE = 128;

export type TextMistake = 'too long' | 'no body' | 'content type' | 'address';

/** RFC 3261 §25.1: a type, a subtype, and parameters that hold no line break. */
const CONTENT_TYPE = /^[A-Za-z0-9!#$&^_.+-]+\/[A-Za-z0-9!#$&^_.+-]+(?:\s*;[\x20-\x7e]*)?$/;

/** Why it is not kept. Undefined: it may be. */
export function mistakeInText({ from, to, contentType, body }: IncomingText): TextMistake | undefined {
  if (body === '') return 'no body';
  if (Buffer.byteLength(body) > LONGEST_TEXT) return 'too long';
  if (contentType.length > LONGEST_TYPE || !CONTENT_TYPE.test(contentType)) return 'content type';
  const isAddress = (text: string) => text.length <= LONGEST_ADDRESS && !/\p{Cc}/u.test(text);
  return from !== '' && isAddress(from) && isAddress(to) ? undefined : 'address';
}

/** Who sent it: for the user where he may see it, and to count by. */
export function senderOf(from: string): { readonly name?: string; readonly number?: string } {
  const uri = /sips?:([^@>;\s]{1,256})/i.exec(from)?.[1] ?? '';
  const shown = /^\s*(?:"((?:[^"\\]|\\.)*)"|([^<"]*?))\s*</.exec(from);
  const said = (shown?.[1] ?? shown?.[2] ?? '').replace(/\\(.)/g, '$1').trim();
  const [name, number] = [said, uri].map((text) => shortened(text, LONGEST_CALLER));
  return { ...(name && { name }), ...(number && { number }) };
}

/** The header of a MESSAGE by which an app knows a text that it has. */
export const TEXT_HEADER = 'X-Pushwake-Text-ID';
/** Its value: says nothing of PBX, account or time. */
export const textWord = (id: string): string => createHash('sha256').update(id).digest('hex').slice(0, 32);

/** The device that a held contact is; undefined: a phone that pushwake does not know, or one that says nothing of push. */
export function deviceAt(record: AorRecord, pbx: string, uri: string): Binding | undefined {
  return record.bindings.find((b) => isLive(b) && b.contacts.some((c) => c.pbx === pbx && c.uri === uri));
}

/** A device whose Contact does not say which one it is: its app reports over HTTP. */
export function hasNoContact(b: Binding): boolean {
  return isLive(b) && b.reportedAt !== undefined && b.contacts.length === 0;
}
