/** Which PBXs there are, whose accounts are whose, and since when one is away: this node's own and those of other nodes. */
import { type Aor, servesAor } from '../../core/aor.ts';
import type { Instant } from '../../core/time.ts';
import type { PbxLink } from '../../ports/pbx-link.ts';
import type { LinkState } from '../../ports/status.ts';
import { RemoteLink } from './remote-links.ts';

export class Links {
  /** This node's own. The same list for ever; what is in it may change. */
  readonly own: PbxLink[];
  readonly #all: Map<string, PbxLink>;
  readonly #downSince = new Map<string, Instant>();
  readonly #reasons = new Map<string, string>();
  readonly #realmOf: (link: string) => string;

  /** Every link counts as away until it says that it is up. */
  constructor(own: readonly PbxLink[], realmOf: (link: string) => string, now: Instant) {
    this.own = [...own];
    this.#realmOf = realmOf;
    this.#all = new Map(own.map((link) => [link.name, link]));
    for (const link of own) this.#downSince.set(link.name, now);
  }

  /** By name; other nodes' come and go. */
  get byName(): ReadonlyMap<string, PbxLink> {
    return this.#all;
  }

  get(name: string): PbxLink | undefined {
    return this.#all.get(name);
  }

  addRemote(links: readonly RemoteLink[]): void {
    for (const link of links) this.#all.set(link.name, link);
  }

  /** A change of the configuration: these are gone, those have come. */
  replace(gone: readonly PbxLink[], come: readonly PbxLink[], now: Instant): void {
    for (const link of gone) {
      this.#all.delete(link.name);
      this.#downSince.delete(link.name);
    }
    this.own.splice(0, this.own.length, ...this.own.filter((link) => !gone.includes(link)), ...come);
    for (const link of come) {
      this.#all.set(link.name, link);
      this.#downSince.set(link.name, now);
    }
  }

  wentUp(name: string): void {
    this.#downSince.delete(name);
    this.#reasons.delete(name);
  }

  wentDown(name: string, now: Instant, reason?: string): void {
    this.#downSince.set(name, now);
    if (reason !== undefined) this.#reasons.set(name, reason);
  }

  /** Undefined while it is up. */
  downSince(link: PbxLink): Instant | undefined {
    return link instanceof RemoteLink ? link.downSince : this.#downSince.get(link.name);
  }

  owns(link: PbxLink, aor: Aor): boolean {
    return servesAor(this.#realm(link), aor);
  }

  #realm(link: PbxLink): string {
    return link instanceof RemoteLink ? link.realm : this.#realmOf(link.name);
  }

  /** The PBXs an account may be registered with. */
  owners(aor: Aor): PbxLink[] {
    return [...this.#all.values()].filter((link) => this.owns(link, aor));
  }

  /** By name: up or not. */
  states(): Record<string, boolean> {
    return Object.fromEntries([...this.#all.values()].map((link) => [link.name, link.up]));
  }

  list(): LinkState[] {
    return [...this.#all.values()].map((link) => {
      const downSince = link.up ? undefined : this.downSince(link);
      const reason = link.up ? undefined : this.#reasons.get(link.name);
      return {
        name: link.name,
        realm: this.#realm(link),
        up: link.up,
        ...(downSince === undefined ? {} : { downSince }),
        ...(reason === undefined ? {} : { reason }),
        remote: link instanceof RemoteLink,
      };
    });
  }
}
