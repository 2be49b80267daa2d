/**
 * The files of the phone for the browser. Built (`npm run build`, every package) they lie beside the compiled program and are read;
 * from the sources they are built in memory, by `phone-bundle.ts`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoadedConfig } from '../../config/load.ts';
import type { PhoneAsset } from '../http/phone.ts';
import { ConfigError } from '../ports/config-error.ts';
import { PHONE_FILES } from './phone-files.ts';

/** What the listeners are given for the phone: made once, where it is on. */
export interface PhoneParts {
  readonly assets: PhoneAssets;
  /** What browsers subscribe with, of the options of the push service. Throws `ConfigError`. */
  readonly publicKeyOf: (options: unknown, setting: string) => string;
}

export type PhoneAssets = ReadonlyMap<string, PhoneAsset>;

/** Where the sources lie, and where the build writes to: the same place seen from the sources and from `dist`. */
const FOLDER = fileURLToPath(new URL('../phone/', import.meta.url));

/** Undefined: the phone is off, and nothing is read or built. Throws `ConfigError`. */
export async function phoneParts({ http }: Pick<LoadedConfig, 'http'>): Promise<PhoneParts | undefined> {
  if (!http.devices?.phone) return undefined;
  const { publicKeyOf } = await import('../../adapters/push/webpush/index.ts');
  return { assets: await phoneAssets(), publicKeyOf };
}

/** Read or built once. Throws `ConfigError` when that cannot be done. */
export async function phoneAssets(
  folder: string = FOLDER,
  isBuilt = !import.meta.url.endsWith('.ts'),
): Promise<PhoneAssets> {
  try {
    if (isBuilt) return assetsOf((name) => readFileSync(join(folder, name)));
    const { bundlePhone } = await import('./phone-bundle.ts');
    const files = await bundlePhone(folder);
    return assetsOf((name) => files.get(name) as Uint8Array);
  } catch (error) {
    const [why] = (error instanceof Error ? error.message : String(error)).split('\n');
    const remedy = isBuilt ? 'install pushwake anew' : '`npm ci` brings what it is built with';
    throw new ConfigError(`http.devices.phone: the page of the phone cannot be made ready (${why}); ${remedy}`);
  }
}

const assetsOf = (bodyOf: (name: string) => Uint8Array): PhoneAssets =>
  new Map(Object.entries(PHONE_FILES).map(([name, { type }]) => [name, { type, body: bodyOf(name) }]));
