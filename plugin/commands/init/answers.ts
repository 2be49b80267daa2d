/** Answers given as flags of `init`, read and checked. */
import { CommandError } from '../exit.ts';
import { pushOf, type YamlInput } from './yaml.ts';

export function modeOf(text = 'observe'): YamlInput['mode'] {
  if (text === 'observe' || text === 'full') return text;
  throw new CommandError(`--mode: expected observe or full, found "${text}"`);
}

interface Said {
  readonly config: string;
  readonly realm?: string;
  readonly apns?: string;
  readonly fcm?: string;
}

/**
 * What was said and is not in the configuration that is there: `init` leaves that file as it is, and says what to write. `realm`: of the PBX
 * that is set up. `push`: its push services, as they were read.
 */
export function refuseOther(o: Said, realm: string, push: Readonly<Record<string, { options: unknown }>>): void {
  const apns = parts('--apns', APNS, o.apns);
  const fcm = parts('--fcm', FCM, o.fcm);
  const known = new Set(textsIn(Object.values(push)));
  const missing = [
    ...(o.realm === undefined || o.realm === realm ? [] : ['--realm']),
    ...(apns && ![apns.teamId, apns.bundleId, apns.keyId].every((part) => known.has(part)) ? ['--apns'] : []),
    ...(fcm && !known.has(fcm.projectId) ? ['--fcm'] : []),
  ];
  if (missing.length === 0) return;
  const block =
    apns || fcm ? `\nWrite it there, under \`push:\`, beside what stands there:\n\n${pushOf({ apns, fcm })}` : '';
  throw new CommandError(
    `${o.config} is there and says something else than ${missing.join(' and ')}; nothing was written.${block}`,
  );
}

/** Every text below a value. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(textsIn) : [];
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
