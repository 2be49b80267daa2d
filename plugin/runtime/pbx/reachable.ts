/**
 * BLF and queues see a sleeping phone as reachable while a live binding exists. Only changes are sent; a PBX that was away
 * gets them by its resync, record by record. Where several nodes share the records, another one may have sent the opposite meanwhile: so
 * what a write changes is sent whatever is remembered, and the sweep looks for what was changed elsewhere.
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

  /** The record was saved in the place of `before`. */
  changed(record: AorRecord, before: AorRecord): void {
    const reachable = isReachable(record);
    if (isReachable(before) === reachable && this.#known.get(record.aor) === reachable) return;
    this.#send(record.aor, reachable);
  }

  /** Sends one PBX the states that it may not have. */
  tell(link: PbxLink, record: AorRecord): void {
    const reachable = isReachable(record);
    this.know(record.aor, reachable);
    this.#tell(record.aor, reachable, [link]);
  }

  /** The record as it is stored now. What nothing is remembered of was sent when its PBX came up, or by whoever changed it. */
  compare(record: AorRecord): void {
    const reachable = isReachable(record);
    const known = this.#known.get(record.aor);
    if (known !== undefined && known !== reachable) this.#send(record.aor, reachable);
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

  #send(aor: Aor, reachable: boolean): void {
    this.know(aor, reachable);
    this.#tell(aor, reachable, this.#links.owners(aor));
  }

  #tell(aor: Aor, reachable: boolean, links: readonly PbxLink[]): void {
    if (!this.#telling()) return;
    for (const link of links) {
      if (link.up) link.setReachable(aor, reachable).catch(() => this.know(aor, !reachable));
    }
  }
}

const isReachable = (record: AorRecord): boolean => record.bindings.some(isLive);
