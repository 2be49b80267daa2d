/** Durations as people write them in YAML: `30s`, `10min`, `12h`, `7d`, `1h30min`. A bare number is refused: of what? */
import { z } from 'zod';
import { DAY, type DurationMs, HOUR, MINUTE, SECOND } from '../plugin/core/time.ts';

const UNITS: Readonly<Record<string, DurationMs>> = { ms: 1, s: SECOND, min: MINUTE, m: MINUTE, h: HOUR, d: DAY };
const PART = /(\d+(?:\.\d+)?)(ms|min|s|m|h|d)/g;

/** Milliseconds, or undefined when the text is no duration. */
function parseDuration(text: string): DurationMs | undefined {
  const compact = text.replace(/\s+/g, '');
  if (compact === '0') return 0;
  if (!/^(\d+(\.\d+)?(ms|min|s|m|h|d))+$/.test(compact)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of compact.matchAll(PART)) ms += Number(amount) * (UNITS[unit as string] as number);
  return Math.round(ms);
}

export const duration = z
  .string('expected a duration such as 30s, 10min, 12h or 7d')
  .refine((text) => parseDuration(text) !== undefined, 'expected a duration such as 30s, 10min, 12h or 7d')
  .transform((text) => parseDuration(text) as DurationMs);
