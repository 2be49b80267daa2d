/**
 * What the caller's Dial or Queue says of the phones that it dials, for the legs that it has in their place: a Local leg carries no headers and follows a forward (302)
 * by itself. Pure. Read from Asterisk's picture of the caller's channel, never by the dialplan from that channel: Asterisk 22 crashes when `CHANNEL(appdata)` of another
 * channel is read in the moment in which its application ends (ADR 0148).
 */

/** Variables for the context `pushwake-predial`: the subroutine of option b, and `i` where no forward is to be followed. Empty: it says nothing of either. */
export type DialOptions = Readonly<Record<string, string>>;

/** Which argument of the application holds its options. */
const OPTIONS_AT: ReadonlyMap<string, number> = new Map([
  ['Dial', 2],
  ['Queue', 1],
]);

/** Of the application that a channel executes, by its name, with its arguments as they were given to it. */
export function dialOptions(app: string | undefined, data: string | undefined): DialOptions {
  const at = OPTIONS_AT.get(app ?? '');
  if (at === undefined || data === undefined) return {};
  // A Dial that reached us in another way, by an extension of its own say, is of other phones.
  if (app === 'Dial' && !data.includes('@pushwake')) return {};
  const options = lettersOf(argumentsOf(data)[at] ?? '');
  const before = options.get('b');
  return {
    ...(before ? { PUSHWAKE_DIALLED_B: before } : {}),
    ...(options.has('i') ? { PUSHWAKE_DIALLED_I: 'i' } : {}),
  };
}

/** Commas in brackets or behind a backslash separate nothing. */
function argumentsOf(data: string): string[] {
  const found: string[] = [];
  let start = 0;
  let depth = 0;
  for (let i = 0; i < data.length; i++) {
    if (data[i] === '\\') i++;
    else if (data[i] === '(') depth++;
    else if (data[i] === ')') depth--;
    else if (data[i] === ',' && depth <= 0) {
      found.push(data.slice(start, i));
      start = i + 1;
    }
  }
  return [...found, data.slice(start)];
}

/** Each option is a letter, and what stands in brackets behind it is its argument. Of a letter given twice the last counts. */
function lettersOf(options: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (let i = 0; i < options.length; i++) {
    const letter = options[i] as string;
    const argument = options[i + 1] === '(' ? inBrackets(options, i + 2) : '';
    found.set(letter, argument);
    if (options[i + 1] === '(') i += argument.length + 2;
  }
  return found;
}

/** From behind an opening bracket to the one that closes it, or to the end. */
function inBrackets(text: string, from: number): string {
  let depth = 1;
  for (let i = from; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '(') depth++;
    else if (text[i] === ')' && --depth === 0) return text.slice(from, i);
  }
  return text.slice(from);
}
