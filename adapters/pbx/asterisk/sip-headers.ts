/**
 * The headers of a SIP message that we read, out of the bytes as they came. Only these become text, each with memory of its own
 * and each with a bound: a stranger may have written a header as long as the datagram. Pure.
 */

/** Names in lower case and long form; folded lines joined; values in the order they came. */
export type SipHeaders = ReadonlyMap<string, readonly string[]>;

const COMPACT: Readonly<Record<string, string>> = { m: 'contact', i: 'call-id', t: 'to', v: 'via' };

/**
 * How many bytes of a header are read, all its values together, in a request and in an answer. Contacts: pjsip stores URIs of up to
 * 511 characters; a phone registers one or two, the 200 lists all of the account. A value that does not fit is as good as none,
 * but for those of which the beginning is enough.
 */
const BOUNDS: Readonly<Record<string, { readonly most: number; readonly cut: boolean }>> = {
  contact: { most: 4 * 1024, cut: false },
  'call-id': { most: 512, cut: false },
  cseq: { most: 64, cut: false },
  to: { most: 1024, cut: false },
  expires: { most: 64, cut: false },
  via: { most: 32, cut: true },
  'user-agent': { most: 256, cut: true },
  // Only whether it is there, so that no digest of a password is kept.
  authorization: { most: 8, cut: true },
  'proxy-authorization': { most: 8, cut: true },
  'www-authenticate': { most: 2 * 1024, cut: false },
  'proxy-authenticate': { most: 2 * 1024, cut: false },
};
const LONGEST_NAME = 24;
/** Bytes of all contacts in an answer: 32 of them at their longest. */
const CONTACTS_OF_AN_ANSWER = 16 * 1024;

const [LF, CR, SPACE, TAB, COLON] = [10, 13, 32, 9, 58];

export function sipHeaders(message: Buffer, kind: 'request' | 'answer'): SipHeaders {
  const found = new Map<string, string[]>();
  const used = new Map<string, number>();
  let start = lineEnd(message, 0) + 1;
  while (start < message.length) {
    let end = lineEnd(message, start);
    // An empty line ends the headers.
    if (end === start || (end === start + 1 && message[start] === CR)) break;
    while (message[end + 1] === SPACE || message[end + 1] === TAB) end = lineEnd(message, end + 1);
    const colon = message.subarray(start, Math.min(end, start + LONGEST_NAME)).indexOf(COLON);
    if (colon !== -1) {
      const said = message
        .toString('latin1', start, start + colon)
        .trim()
        .toLowerCase();
      take(Object.hasOwn(COMPACT, said) ? (COMPACT[said] ?? said) : said, start + colon + 1, end);
    }
    start = end + 1;
  }
  return found;

  function take(name: string, from: number, to: number): void {
    const bounds = Object.hasOwn(BOUNDS, name) ? BOUNDS[name] : undefined;
    if (!bounds) return;
    const most = name === 'contact' && kind === 'answer' ? CONTACTS_OF_AN_ANSWER : bounds.most;
    const left = most - (used.get(name) ?? 0);
    if (to - from > left && !bounds.cut) return;
    const bytes = Math.min(to - from, left);
    used.set(name, most - left + bytes);
    const value = message
      .toString('utf8', from, from + bytes)
      .replace(/\r?\n[ \t]+/g, ' ')
      .trim();
    const values = found.get(name);
    if (values) values.push(value);
    else found.set(name, [value]);
  }
}

/** Where the line that holds `from` ends: at its line feed, or at the end of the message. */
function lineEnd(message: Buffer, from: number): number {
  let i = from;
  while (i < message.length && message[i] !== LF) i++;
  return i;
}
