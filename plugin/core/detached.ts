/**
 * Text cut out of a longer one (`slice`, `split`, a group of a regular expression) keeps all of it alive in V8: a name of 20
 * characters may hold a datagram of 60 kB. What is remembered for longer than the message it came with goes through here.
 */

/** How many characters of a User-Agent are kept. */
export const LONGEST_USER_AGENT = 256;
/** How many characters of a caller's name and of the number are kept. */
export const LONGEST_CALLER = 128;

/** The same text with memory of its own. */
export function detached(text: string): string {
  return Buffer.from(text).toString();
}

/** Its first `most` characters, with memory of their own: what is shown of a text of any length, a User-Agent or a caller's name. */
export function shortened(text: string, most: number): string {
  return detached(text.length > most ? text.slice(0, most) : text);
}

/** What a text costs on the heap, in bytes, without its fixed head: one byte a character, two once one is outside Latin-1. */
export function bytesOfText(text: string): number {
  return Buffer.byteLength(text) === text.length ? text.length : 2 * text.length;
}
