/** Answers given as flags of `init`, read and checked. */
import { CommandError } from '../exit.ts';
import type { YamlInput } from './yaml.ts';

export function modeOf(text = 'observe'): YamlInput['mode'] {
  if (text === 'observe' || text === 'full') return text;
  throw new CommandError(`--mode: expected observe or full, found "${text}"`);
}

/** `a,b,c` by its keys; undefined where nothing was said. */
export function parts<K extends string>(
  flag: string,
  keys: readonly K[],
  text: string | undefined,
): Record<K, string> | undefined {
  if (text === undefined || text === '') return undefined;
  const values = text.split(',').map((v) => v.trim());
  if (values.length !== keys.length || values.includes('')) {
    throw new CommandError(`${flag}: expected ${keys.join(',')}, with commas between`);
  }
  return Object.fromEntries(keys.map((key, i) => [key, values[i]])) as Record<K, string>;
}
