/**
 * Makes HTML by a tagged template: each value is escaped, unless this module made it. Names, Contacts and User-Agents on these pages are
 * written by strangers.
 */

import { visible } from '../../core/visible.ts';

/** Text that is HTML already. Only `html` creates it. */
export class Html {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/** `undefined`, `null` and `false` are nothing; a list is its parts one after the other. */
export type Part = Html | string | number | undefined | null | false | readonly Part[];

/** Attributes must be quoted in the template: then no value can end one. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.reduce((text, s, i) => text + inHtml(parts[i - 1]) + s));
}

function inHtml(part: Part): string {
  if (part instanceof Html) return part.toString();
  if (part === undefined || part === null || part === false) return '';
  if (typeof part === 'object') return part.map(inHtml).join('');
  return escaped(String(part));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escaped(text: string): string {
  return visible(text).replace(/[&<>"']/g, (c) => ENTITIES[c] as string);
}
