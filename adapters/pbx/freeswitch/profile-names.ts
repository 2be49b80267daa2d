/**
 * The names of SIP profiles. An administrator may have written an alias under `profiles`, and every command takes one, but events have the
 * profile's own name: here they get the one that was written, so that nobody else need know of two.
 */
import type { Api } from './lease.ts';
import type { EventHeaders } from './translate.ts';

const PROFILE_NAME = 'profile-name';

export class ProfileNames {
  /** Own name to the name in the configuration, where they differ. */
  readonly #configured = new Map<string, string>();
  readonly #unknown: Set<string>;
  readonly #profiles: readonly string[];

  constructor(profiles: readonly string[]) {
    this.#profiles = profiles;
    this.#unknown = new Set(profiles);
  }

  /** Those of which FreeSWITCH has not said yet what they are called: they are not running, perhaps. */
  get unknown(): readonly string[] {
    return [...this.#unknown];
  }

  /** Rejects while FreeSWITCH does not know the profile. */
  async learn(profile: string, api: Api): Promise<void> {
    const name = ownName(await api(`sofia xmlstatus profile ${profile}`));
    if (name === undefined) throw new Error(`FreeSWITCH has no profile ${profile}`);
    this.#unknown.delete(profile);
    // A profile that is named itself needs no other name.
    if (name !== profile && !this.#profiles.includes(name)) this.#configured.set(name, profile);
  }

  /** Whether its profile may be one of ours under another name that FreeSWITCH has not said yet. */
  isStrange(event: EventHeaders): boolean {
    const name = event[PROFILE_NAME];
    return (
      name !== undefined && this.#unknown.size > 0 && !this.#profiles.includes(name) && !this.#configured.has(name)
    );
  }

  asConfigured(event: EventHeaders): EventHeaders {
    const configured = this.#configured.get(event[PROFILE_NAME] ?? '');
    return configured === undefined ? event : { ...event, [PROFILE_NAME]: configured };
  }
}

/** Undefined: this is no answer about a profile. */
export function ownName(xmlstatus: string): string | undefined {
  const [, name] = /<profile-info>\s*<name>([^<]{1,64})<\/name>/.exec(xmlstatus) ?? [];
  return /<alias-of>([^<]{1,64})<\/alias-of>/.exec(xmlstatus)?.[1] ?? name;
}
