/** The log: JSON lines by pino, with a second net against secrets. */
import { pino } from 'pino';
import { visibleJson } from '../core/visible.ts';

/** Everything a person may have pasted into a log call by mistake; the second net below `Token.toJSON`. */
const REDACT = [
  'password',
  '*.password',
  'key',
  '*.key',
  'authorization',
  '*.authorization',
  'uri',
  'contact',
  '*.uri',
];

/** How urgent a line of each of pino's levels is for systemd (sd-daemon(3)): `journalctl -p warning` goes by it. */
const URGENCY: Readonly<Record<string, number>> = { 10: 7, 20: 7, 30: 6, 40: 4, 50: 3, 60: 2 };

/** A line as the journal takes it: its urgency in front, which the journal keeps apart from the text. */
function forJournal(line: string): string {
  const [, level = '30'] = /^\{"level":(\d+)/.exec(line) ?? [];
  return `<${URGENCY[level] ?? 6}>${line}`;
}

/** JSON lines to stdout, or to where a command keeps its own output apart. `isJournal`: systemd's journal reads stdout. */
export function createLogger(
  level: string,
  to: NodeJS.WritableStream = process.stdout,
  isJournal = false,
): pino.Logger {
  const options: pino.LoggerOptions = {
    level,
    base: { service: 'pushwake' },
    redact: { paths: REDACT, censor: '…' },
    timestamp: pino.stdTimeFunctions.isoTime,
    // pino writes C0 controls by number; the others would reach the terminal on which the log is read.
    hooks: { streamWrite: isJournal ? (line) => forJournal(visibleJson(line)) : visibleJson },
  };
  return to === process.stdout ? pino(options) : pino(options, to);
}
