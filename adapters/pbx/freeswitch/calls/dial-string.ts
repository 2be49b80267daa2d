/**
 * The administrator's own dial strings, read: what the directory says of a user (`{…}sofia/internal/sip:…,loopback/7777`), and what the
 * dialplan dials (`user/1001@example.com,user/1002@example.com`). In the first, the contacts that FreeSWITCH holds give way to what
 * we dial in their place; in the second, the user does. Everything else stays as it is written. Pure.
 */

/** A dial string with its variables for all legs (`{…}`, `<…>`) apart. */
export interface DialString {
  readonly head: string;
  readonly body: string;
}

const PAIRS: Readonly<Record<string, string>> = { '{': '}', '<': '>' };
const NOBODY = 'error/user_not_registered';
/** Stands for what we dial: a character for private use. */
const OURS = '\uE000';

/** Longer ones are taken for none: an event of the socket has bounds, and so has what we keep of it. */
export const LONGEST_DIAL_STRING = 32_768;

/**
 * `<…>`, which FreeSWITCH reads only where nothing stands before it, is given back as `{…}`: for one dial string both mean the same.
 */
export function readDialString(text: string): DialString {
  const groups: string[] = [];
  let at = 0;
  for (;;) {
    while (text[at] === ' ') at++;
    const close = PAIRS[text[at] ?? ''];
    if (close === undefined) break;
    const end = closing(text, at, text[at] as string, close);
    if (end === undefined) break;
    groups.push(`{${text.slice(at + 1, end)}}`);
    at = end + 1;
  }
  return { head: groups.join(''), body: text.slice(at) };
}

/** `<…>` in front of the first of several dial strings, meant for all of them. */
export function readForAll(text: string): string {
  let at = 0;
  while (text[at] === '<') {
    const end = closing(text, at, '<', '>');
    if (end === undefined) break;
    at = end + 1;
  }
  return text.slice(0, at);
}

/** Where the bracket that opens at `from` is closed. */
function closing(text: string, from: number, open: string, close: string): number | undefined {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    if (text[i] === open) depth++;
    else if (text[i] === close && --depth === 0) return i;
  }
  return undefined;
}

/** Whether it rings phones of the user that are registered, or would: do not disturb and a forward do not. */
export function ringsPhones(said: string): boolean {
  return /sofia\/[^/,|]+\/sips?:/.test(said) || said.includes(NOBODY);
}

export interface OwnPlace {
  /** The body around what we dial. */
  readonly before: string;
  readonly after: string;
  /** `[…]` that stands before the contacts: it is meant for the phones. */
  readonly local: string;
}

/**
 * Where the user's contacts stand in the body. `held`: all of them, as `sofia_contact` writes them, with commas between; a contact is
 * a stranger's text, so they are found together, or else by what lies between the commas. Undefined: none of them is there.
 */
export function ownPlace(body: string, held: string): OwnPlace | undefined {
  let text = body.replaceAll(OURS, '');
  const contacts = [held, ...held.split(',').sort((a, b) => b.length - a.length)];
  for (const contact of contacts) if (contact.startsWith('sofia/')) text = text.replaceAll(contact, OURS);
  if (!text.includes(OURS)) text = text.replace(NOBODY, OURS);
  const first = text.indexOf(OURS);
  if (first < 0) return undefined;
  const local = /(?:\[[^\]]*\])*$/.exec(text.slice(0, first))?.[0] ?? '';
  const after = text
    .slice(first + 1)
    .replace(/,(?:\[[^\]]*\])*\uE000/g, '')
    .replaceAll(OURS, NOBODY);
  return { before: text.slice(0, first - local.length), local, after };
}

/** Between dial strings that FreeSWITCH dials at the same time, each on its own (an enterprise originate). */
const ENTERPRISE = ':_:';

/** What is dialled on its own: one dial string, or several of an enterprise originate. */
export function dialStringsIn(dial: string): readonly string[] {
  return dial.split(ENTERPRISE);
}

export function joined(dialStrings: readonly string[]): string {
  return dialStrings.join(ENTERPRISE);
}

const USER = /(?<=^|[,|\]}>])user\/([^\s,|{}[\]<>]+)/g;

/** The users a dialplan's dial string names, as written: `1001@example.com`. */
export function usersIn(dial: string): readonly string[] {
  const all = dialStringsIn(dial).flatMap((one) => [...one.matchAll(USER)]);
  return [...new Set(all.map((m) => m[1] as string))];
}

/** The dial string in which this user stands, or the first. */
export function dialStringOf(dial: string, isUser: (user: string) => boolean): string {
  const all = dialStringsIn(dial);
  return all.find((one) => usersIn(one).some(isUser)) ?? (all[0] as string);
}

/** The same with users replaced; `local`: the `[…]` in front of one, which goes with it. */
export function withUsers(dial: string, textOf: (user: string, local: string) => string | undefined): string {
  return dial.replace(
    /((?:\[[^\]]*\])*)(?<=^|[,|\]}>])user\/([^\s,|{}[\]<>]+)/g,
    (whole, local: string, user: string) => textOf(user, local) ?? whole,
  );
}

/** `{a=b}` for all legs, as `[a=b]` for one. */
export function asLocal(head: string): string {
  return head
    .replace(/^[{<]/, '[')
    .replace(/[}>]$/, ']')
    .replace(/[}>]\s*[{<]/g, '][');
}

/** `[a=b]` of one leg, as `{a=b}` of an originate that has this leg only. */
export function asGlobal(local: string): string {
  return local.replace(/^\[/, '{').replace(/\]$/, '}').replace(/\]\[/g, '}{');
}

/**
 * As an argument of an `api` command: FreeSWITCH cuts commands at blanks, takes quotes away, and reads a backslash as the beginning of an
 * escape.
 */
export function argument(text: string): string {
  return text.replace(/[\\']/g, '\\$&').replaceAll(' ', '\\s');
}
