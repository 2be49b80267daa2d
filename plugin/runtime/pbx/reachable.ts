/**
 * BLF and queues see a sleeping phone as reachable while a live binding exists. Only changes are sent; a PBX that was away
 * gets them by its resync, record by record.
 */
import type { Aor } from '../../core/aor.ts';
import { type AorRecord, isLive } from '../../core/binding.ts';
import type { PbxLink } from '../../ports/pbx-link.ts';
import type { Links } from './links.ts';

/** Saves repeated orders; bounded, because a million accounts must not live in memory. */
const REMEMBERED = 50_000;

export class Reachable {
  readonly #links: Links;
  /** In `observe` nothing is sent. */
  readonly #telling: () => boolean;
  readonly #known = new Map<Aor, boolean>();

  constructor(links: Links, telling: () => boolean) {
    this.#links = links;
    this.#telling = telling;
  }

  /** The record was saved. */
  changed(record: AorRecord): void {
    const reachable = isReachable(record);
    if (this.#known.get(record.aor) === reachable) return;
    this.know(record.aor, reachable);
    this.#tell(record.aor, reachable, this.#links.owners(record.aor));
  }

  /** Sends one PBX the states that it may not have. */
  tell(link: PbxLink, record: AorRecord): void {
    this.#tell(record.aor, isReachable(record), [link]);
  }

  /** Another node has sent it. */
  know(aor: Aor, reachable: boolean): void {
    if (this.#known.size > REMEMBERED) this.#known.clear();
    this.#known.set(aor, reachable);
  }

  /** A PBX may have forgotten what was sent to it. */
  forgetAll(): void {
    this.#known.clear();
  }

  #tell(aor: Aor, reachable: boolean, links: readonly PbxLink[]): void {
    if (!this.#telling()) return;
    for (const link of links) {
      if (link.up) link.setReachable(aor, reachable).catch(() => this.#known.delete(aor));
    }
  }
}

const isReachable = (record: AorRecord): boolean => record.bindings.some(isLive);
