/** What is wrong with the form of a YAML file, in the words of somebody who edits it: the library's own speak of its grammar. */
import type { Document, LineCounter, YAMLError } from 'yaml';
import { isMap, isScalar, visit } from 'yaml';

/** A text that begins with `*` is an alias of YAML, which nobody means who writes a pattern. */
export const STAR = 'a text that begins with * must stand in quotes';

interface Place {
  readonly line: number;
  readonly column: number;
}

/** One mistake per place: what the library says of the rest of a line that it could not read misleads. Holds no value of the file. */
export function formMistakes(doc: Document, text: string, counter: LineCounter): (Place & { message: string })[] {
  const seen = new Set<number>();
  return doc.errors.flatMap((error) => {
    const [at] = error.pos;
    if (seen.has(at)) return [];
    seen.add(at);
    const { line, col } = counter.linePos(openQuote(error, doc) ?? at);
    return [{ line: Math.max(1, line), column: Math.max(1, col), message: wordsFor(error, doc, text, counter) }];
  });
}

function wordsFor(error: YAMLError, doc: Document, text: string, counter: LineCounter): string {
  const [at] = error.pos;
  const message = (error.message.split('\n')[0] ?? error.message).replace(/ at line \d+.*$/, '');
  const isDeeperBelow = lineAfter(text, at).indent > lineOf(text, at).indent;
  switch (error.code) {
    case 'DUPLICATE_KEY':
      return twice(doc, at, counter);
    case 'TAB_AS_INDENT':
      return 'a tab stands in front of this line: indent with spaces';
    case 'BLOCK_AS_IMPLICIT_KEY':
      return isDeeperBelow
        ? 'the next line is indented below this one, which has a value already: begin both in the same column'
        : 'a second colon and space in one line: a text that holds them must stand in quotes';
    case 'MULTILINE_IMPLICIT_KEY':
      return lineOf(text, at).text.trimStart().startsWith('- ')
        ? 'a list (a line that begins with -) stands where a key is expected'
        : 'expected `key: value`, with a colon and a space after it';
    case 'BAD_INDENT':
      return message.startsWith('Flow')
        ? 'a [ or { in front of this line is not closed: its ] or } is missing'
        : 'this line begins in a column in which no key above it begins: keys of one section begin in the same column';
    case 'BAD_SCALAR_START':
      return `a text that begins with ${/[@`%|>]/.exec(text[at] ?? '')?.[0] ?? 'such a character'} must stand in quotes`;
    case 'MULTIPLE_DOCS':
      return 'a line --- begins a second file here: expected one';
    case 'BAD_DQ_ESCAPE':
      return 'a backslash within "…" begins an escape such as \\n: write \\\\, or put the text in \'…\'';
    case 'BAD_ALIAS':
      return STAR;
    case 'MISSING_CHAR':
      if (message.startsWith('Sequence item')) {
        return 'this line begins in a column of neither an entry (- ) nor its keys: keys of one entry begin in the same column';
      }
      if (message.includes('quote'))
        return `the quote ${message.includes('"') ? '"' : "'"} is opened here and not closed`;
      return message.startsWith('Implicit map keys')
        ? 'expected `key: value`, with a colon and a space after it'
        : message;
    default:
      return message.startsWith('Alias cannot') ? STAR : message;
  }
}

/** Where the quote stands that is not closed: the library names the end of the file. */
function openQuote({ code, message, pos }: YAMLError, doc: Document): number | undefined {
  if (code !== 'MISSING_CHAR' || !message.includes('quote')) return undefined;
  let begin: number | undefined;
  visit(doc, {
    Scalar(_, { type, range }) {
      if (type?.startsWith('QUOTE') && range && range[0] < pos[0]) begin = range[0];
    },
  });
  return begin;
}

function twice(doc: Document, at: number, counter: LineCounter): string {
  let words = 'the same key stands twice in this section';
  visit(doc, {
    Map(_, map) {
      const keys = isMap(map) ? map.items.map((pair) => pair.key) : [];
      const second = keys.find((key) => isScalar(key) && key.range?.[0] === at);
      if (!isScalar(second)) return undefined;
      const first = keys.find((key) => isScalar(key) && key.value === second.value);
      if (!isScalar(first) || !first.range) return undefined;
      // A key of no such form may be a text that lost its quotes.
      const name = /^[A-Za-z][\w.-]{0,40}$/.test(String(second.value)) ? `${String(second.value)}: ` : '';
      words = `${name}stands here a second time; the first is in line ${counter.linePos(first.range[0]).line}. Keep one, with what is below both`;
      return visit.BREAK;
    },
  });
  return words;
}

interface Line {
  readonly text: string;
  readonly indent: number;
}

function lineOf(text: string, at: number): Line {
  const begin = text.lastIndexOf('\n', at - 1) + 1;
  const end = text.indexOf('\n', at);
  const line = text.slice(begin, end < 0 ? undefined : end);
  return { text: line, indent: line.length - line.trimStart().length };
}

/** The next line that holds something. */
function lineAfter(text: string, at: number): Line {
  let end = text.indexOf('\n', at);
  while (end >= 0 && end + 1 < text.length) {
    const line = lineOf(text, end + 1);
    if (line.text.trim() !== '' && !line.text.trimStart().startsWith('#')) return line;
    end = text.indexOf('\n', end + 1);
  }
  return { text: '', indent: 0 };
}
