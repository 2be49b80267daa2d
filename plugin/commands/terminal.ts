/** What a command prints: results to stdout, everything else to stderr; colours and bars for people only. */
import { createInterface } from 'node:readline/promises';
import { styleText } from 'node:util';
import { randomId, systemClock } from '../../adapters/clock/system/index.ts';
import { SECOND } from '../core/time.ts';
import { visible } from '../core/visible.ts';

type Format = Parameters<typeof styleText>[0];

/** Stands for the escape character of our own colours until the line is written. Nobody outside can guess it. */
const ESCAPE = `\ue000${randomId(8)}`;

/** One line in which nothing is unseen but colours of ours: parts of it were written by strangers. */
const shown = (line: string): string => visible(line).replaceAll(ESCAPE, '\u001b');

export const say = (line = ''): void => void process.stdout.write(`${shown(line)}\n`);
export const tell = (line = ''): void => void process.stderr.write(`${shown(line)}\n`);

/** A text of ours with line breaks and tabs: a message about a file, a difference between two. */
export const sayText = (text: string): void => inLines(text, say);
export const tellText = (text: string): void => inLines(text, tell);

function inLines(text: string, write: (line: string) => void): void {
  for (const line of text.split('\n')) write(line.replaceAll('\t', '    '));
}

/** Coloured on a terminal only; NO_COLOR and FORCE_COLOR are respected. For lines that are said. */
export const paint = (format: Format, text: string): string =>
  styleText(format, text, { stream: process.stdout }).replaceAll('\u001b', ESCAPE);

export interface Progress {
  /** How many are done. */
  step(count?: number): void;
  /** Takes the line away. */
  end(): void;
}

const BAR_WIDTH = 30;
const REDRAW_MS = 100;

/**
 * A line on the terminal's stderr, from one second on: what is quick shows nothing, a pipe or a log never gets one.
 * `total` unknown: a count instead of a bar.
 */
export function progress(what: string, total?: number, to: NodeJS.WriteStream = process.stderr): Progress {
  const { monotonicMs } = systemClock();
  const begunMs = monotonicMs();
  let drawnMs = Number.NEGATIVE_INFINITY;
  let done = 0;
  return {
    step(count = 1) {
      done += count;
      const nowMs = monotonicMs();
      if (!to.isTTY || nowMs - begunMs < SECOND || nowMs - drawnMs < REDRAW_MS) return;
      drawnMs = nowMs;
      to.write(`\r${progressLine(what, done, total)}\u001b[K`);
    },
    end() {
      if (drawnMs > Number.NEGATIVE_INFINITY) to.write('\r\u001b[K');
    },
  };
}

export function progressLine(what: string, done: number, total: number | undefined): string {
  if (total === undefined || total === 0) return `${what} ${done}`;
  const filled = Math.min(BAR_WIDTH, Math.round((done / total) * BAR_WIDTH));
  return `${what} [${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] ${done}/${total}`;
}

interface Asking {
  /** Takes the question back. */
  readonly signal?: AbortSignal;
  readonly from?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly to?: NodeJS.WritableStream;
}

/** A question on the terminal. Where nobody can answer (a pipe, a script), does (Ctrl-D) or may any more, it is undefined. */
export async function ask(question: string, o: Asking = {}): Promise<string | undefined> {
  const { from = process.stdin, to = process.stderr, signal } = o;
  if (!from.isTTY || signal?.aborted) return undefined;
  const lines = createInterface({ input: from, output: to, terminal: true });
  const ended = new AbortController();
  lines.once('close', () => ended.abort());
  // A terminal that asks hands Ctrl-C to the question: it must end what it ends everywhere else.
  lines.once('SIGINT', () => {
    ended.abort();
    process.kill(process.pid, 'SIGINT');
  });
  const until = AbortSignal.any([ended.signal, ...(signal ? [signal] : [])]);
  try {
    return (await lines.question(question, { signal: until })).trim();
  } catch (error) {
    if (!until.aborted) throw error;
    to.write('\n');
    return undefined;
  } finally {
    lines.close();
  }
}

export const isYes = (answer: string | undefined): boolean => /^y(es)?$/i.test(answer ?? '');
export const isNo = (answer: string | undefined): boolean => /^no?$/i.test(answer ?? '');
