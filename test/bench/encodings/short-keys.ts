/** Objects with their fields' names replaced by one or two letters, and back. */
import { NAMES } from './names.ts';

/** Letters: an object keeps names that are numbers in an order of its own. */
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const SHORT = new Map(NAMES.map((name, i) => [name, LETTERS[i] as string]));
const LONG = new Map(NAMES.map((name, i) => [LETTERS[i] as string, name]));

export const toShort = (value: unknown): unknown => renamed(value, SHORT);
export const fromShort = (value: unknown): unknown => renamed(value, LONG);

function renamed(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((v) => renamed(v, names));
  if (value === null || typeof value !== 'object') return value;
  const made: Record<string, unknown> = {};
  for (const [name, v] of Object.entries(value)) made[names.get(name) ?? name] = renamed(v, names);
  return made;
}
