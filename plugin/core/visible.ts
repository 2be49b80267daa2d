/**
 * Text of strangers on its way to a person's eyes. An app's name, a Contact or a caller's name may hold what is not seen and changes
 * what is: escape sequences that clear a terminal, line breaks that begin a line of their own, characters that turn the direction
 * of writing. They are shown by their number instead, in the form that JSON has for them.
 */

/** Controls, zero width and direction, line and paragraph separators, halves of a character. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
/** The same in a text that is JSON already: its own line end stays. */
const UNSEEN_IN_JSON = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** One line of text in which nothing is unseen. A text without such characters comes back as it is. */
export function visible(text: string): string {
  return text.replace(UNSEEN, byNumber);
}

/** The same for a line of JSON: what it means does not change. */
export function visibleJson(json: string): string {
  return json.replace(UNSEEN_IN_JSON, byNumber);
}

function byNumber(character: string): string {
  // Beyond U+FFFF JSON writes two numbers.
  const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
