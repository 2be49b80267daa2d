/** Answers given as flags of `init`, read and checked. */
import { CommandError } from '../exit.ts';
import { pushOf, type YamlInput } from './yaml.ts';

export function modeOf(text = 'observe'): YamlInput['mode'] {
  if (text === 'observe' || text === 'full') return text;
  throw new CommandError(`--mode: expected observe or full, found "${text}"`);
}

/** What was said and is not in the configuration that is there: `init` leaves that file as it is, and says what to write. */
export function refuseOther(
  o: { readonly config: string; readonly realm?: string; readonly apns?: string; readonly fcm?: string },
  text: string,
): void {
  const said = [
    ['--realm', o.realm],
    ['--apns', o.apns],
    ['--fcm', o.fcm],
  ] as const;
  const missing = said.filter(([, value]) => value?.split(',').some((part) => !text.includes(part.trim())) ?? false);
  if (missing.length === 0) return;
  const keys = { apns: parts('--apns', APNS, o.apns), fcm: parts('--fcm', FCM, o.fcm) };
  const block = keys.apns || keys.fcm ? `\nWrite it there, in place of \`push\`:\n\n${pushOf(keys)}` : '';
  throw new CommandError(
    `${o.config} is there and says nothing of ${missing.map(([flag]) => flag).join(' and ')}; nothing was written.${block}`,
  );
}

/** Parts of `--apns` and `--fcm`. */
export const APNS = ['teamId', 'bundleId', 'keyId', 'key'] as const;
export const FCM = ['projectId', 'serviceAccount'] as const;

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
