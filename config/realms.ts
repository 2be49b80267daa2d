/** Whose accounts the PBXs of a configuration have. Every kind of PBX names its `realm`, one or a list; `*` is every one. */
import { type Aor, servesAor } from '../plugin/core/aor.ts';
import type { LoadedConfig } from './load.ts';

/** Per PBX its realms with blanks between, as `servesAor` reads them. */
export function realmsOf(config: Pick<LoadedConfig, 'pbx'>): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(config.pbx).map(([name, { options }]) => [
      name,
      [(options as { realm: string | readonly string[] }).realm].flat().join(' ').toLowerCase(),
    ]),
  );
}

/** Every realm once, in the order of the file. */
export function allRealms(config: Pick<LoadedConfig, 'pbx'>): readonly string[] {
  return [...new Set([...realmsOf(config).values()].flatMap((realms) => realms.split(' ')))];
}

export function isServed(config: Pick<LoadedConfig, 'pbx'>, aor: Aor): boolean {
  return allRealms(config).some((realm) => servesAor(realm, aor));
}
