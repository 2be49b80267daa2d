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

/** JSON lines to stdout, or to where a command keeps its own output apart. */
export function createLogger(level: string, to: NodeJS.WritableStream = process.stdout): pino.Logger {
  const options: pino.LoggerOptions = {
    level,
    base: { service: 'pushwake' },
    redact: { paths: REDACT, censor: '…' },
    timestamp: pino.stdTimeFunctions.isoTime,
    // pino writes C0 controls by number; the others would reach the terminal on which the log is read.
    hooks: { streamWrite: visibleJson },
  };
  return to === process.stdout ? pino(options) : pino(options, to);
}
