/**
 * SIP messages (RFC 3261 §7) as data, and back to text. Reads what a PBX sends, keeps the order and spelling of headers,
 * and knows nothing of transactions or dialogs.
 */

export interface SipRequest {
  readonly kind: 'request';
  readonly method: string;
  readonly uri: string;
  readonly headers: SipHeaders;
  readonly body: string;
}

export interface SipResponse {
  readonly kind: 'response';
  readonly status: number;
  readonly reason: string;
  readonly headers: SipHeaders;
  readonly body: string;
}

export type SipMessage = SipRequest | SipResponse;
export type HeaderLine = readonly [name: string, value: string];

/** RFC 3261 §7.3.3 and RFC 6665: one-letter names. */
const COMPACT: Readonly<Record<string, string>> = {
  a: 'accept-contact',
  b: 'referred-by',
  c: 'content-type',
  e: 'content-encoding',
  f: 'from',
  i: 'call-id',
  k: 'supported',
  l: 'content-length',
  m: 'contact',
  o: 'event',
  r: 'refer-to',
  s: 'subject',
  t: 'to',
  u: 'allow-events',
  v: 'via',
};

/** Header lines in order; names are compared without regard to case, compact forms count as the long ones. */
export class SipHeaders {
  readonly #lines: HeaderLine[];

  constructor(lines: Iterable<HeaderLine> = []) {
    this.#lines = [...lines];
  }

  /** The first value, or undefined. */
  get(name: string): string | undefined {
    return this.all(name)[0];
  }

  /** The values of all lines of this name, in order, not split at commas. */
  all(name: string): string[] {
    const wanted = canonical(name);
    return this.#lines.filter(([have]) => canonical(have) === wanted).map(([, value]) => value);
  }

  /** The value of a header every valid message has; throws when this one has not. */
  need(name: string): string {
    const value = this.get(name);
    if (value === undefined) throw new Error(`SIP message without ${name}`);
    return value;
  }

  lines(): readonly HeaderLine[] {
    return this.#lines;
  }
}

function canonical(name: string): string {
  const lower = name.toLowerCase();
  return COMPACT[lower] ?? lower;
}

/** Reads one whole message; undefined when it is none (a keep-alive, say). */
export function parseMessage(data: Buffer): SipMessage | undefined {
  const text = data.toString('utf8');
  const end = text.indexOf('\r\n\r\n');
  // RFC 3261 §7.3.1: a line that begins with a blank continues the one before.
  const head = (end < 0 ? text : text.slice(0, end)).replace(/\r\n[ \t]+/g, ' ');
  const body = end < 0 ? '' : text.slice(end + 4);
  const [first = '', ...rest] = head.split('\r\n');
  const headers = new SipHeaders(
    rest.flatMap((line): HeaderLine[] => {
      const colon = line.indexOf(':');
      return colon < 1 ? [] : [[line.slice(0, colon).trim(), line.slice(colon + 1).trim()]];
    }),
  );
  const response = /^SIP\/2\.0 (\d{3}) ?(.*)$/.exec(first);
  if (response) return { kind: 'response', status: Number(response[1]), reason: response[2]!, headers, body };
  const request = /^([A-Z]+) (\S+) SIP\/2\.0$/.exec(first);
  return request ? { kind: 'request', method: request[1]!, uri: request[2]!, headers, body } : undefined;
}

/** Text as it goes on the wire. Content-Length is written here and nowhere else. */
export function serialize(message: SipMessage): string {
  const first =
    message.kind === 'request'
      ? `${message.method} ${message.uri} SIP/2.0`
      : `SIP/2.0 ${message.status} ${message.reason}`;
  const lines = message.headers.lines().map(([name, value]) => `${name}: ${value}`);
  return [first, ...lines, `Content-Length: ${Buffer.byteLength(message.body)}`, '', message.body].join('\r\n');
}

/** Splits a header value at the commas that separate entries: not those inside quotes or angle brackets. */
export function splitList(value: string): string[] {
  const entries: string[] = [];
  let entry = '';
  let quoted = false;
  let bracketed = false;
  for (let i = 0; i < value.length; i++) {
    const char = value[i]!;
    if (quoted && char === '\\') entry += char + (value[++i] ?? '');
    else if (char === ',' && !quoted && !bracketed) {
      entries.push(entry.trim());
      entry = '';
    } else {
      if (char === '"') quoted = !quoted;
      else if (!quoted && char === '<') bracketed = true;
      else if (!quoted && char === '>') bracketed = false;
      entry += char;
    }
  }
  return [...entries, entry.trim()].filter((text) => text !== '');
}

/** The URI of a Contact, From, To or Route value. */
export function uriOf(value: string): string {
  return /<([^>]*)>/.exec(value)?.[1] ?? value.split(';')[0]!.trim();
}

/** A parameter after the URI: the tag of a To, the branch of a Via. Empty when it stands without value. */
export function paramOf(value: string, name: string): string | undefined {
  // Not the last ">": a quoted parameter value may hold one, as +sip.instance does.
  const afterUri = value.replace(/^\s*(?:"(?:[^"\\]|\\.)*"|[^<"]*)<[^>]*>/, '');
  const match = new RegExp(`;\\s*${name}\\s*(?:=\\s*("[^"]*"|[^;,\\s]*))?(?=[;,\\s]|$)`, 'i').exec(afterUri);
  return match ? (match[1] ?? '').replace(/^"|"$/g, '') : undefined;
}

/** The topmost branch: the name of the transaction (RFC 3261 §8.1.1.7). */
export function branchOf(message: SipMessage): string {
  return paramOf(splitList(message.headers.get('via') ?? '')[0] ?? '', 'branch') ?? '';
}

export function cseqOf(message: SipMessage): { number: number; method: string } {
  const [number = '0', method = ''] = (message.headers.get('cseq') ?? '').split(/\s+/);
  return { number: Number(number), method };
}
