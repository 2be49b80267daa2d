/**
 * Without HEP, Asterisk says nothing of a plain refresh, which is what a woken app usually sends. While a call waits, the
 * contacts of its AOR are looked at closely; a moved expiry or a contact that was not there is a REGISTER. Only AORs with
 * a waiting call are watched, so the cost is about a millisecond of Asterisk per look and call.
 *
 * Expiry has a resolution of one second: a refresh within the second of the one before moves nothing. Such a contact is
 * younger than `freshContactMs` and was rung at once, so nothing is missed.
 */
import type { Aor } from '../../../plugin/core/aor.ts';
import type { DurationMs, Instant } from '../../../plugin/core/time.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';
import type { HeldContact } from '../../../plugin/ports/pbx-link.ts';

/** How long to wait between two looks: long enough to cost nothing, short enough that a woken phone is not delayed noticeably. */
export const LOOK_EVERY_MS: DurationMs = 100;

interface Watched {
  calls: number;
  /** Expiry by URI at the last look, and when that began; undefined before the first. */
  known?: { readonly expiries: ReadonlyMap<string, number>; readonly lookedAt: Instant };
  /** A look is under way; another one is wanted right after it. */
  looking: boolean;
  again: boolean;
  cancel: () => void;
}

export interface WatchIo {
  readonly read: (aor: Aor) => Promise<readonly HeldContact[]>;
  /** `since`: it registered after this instant, which is all that is proved. `isNew`: it was not there at the look before. */
  readonly seen: (contact: HeldContact, since: Instant, isNew: boolean) => void;
}

export class ContactWatch {
  readonly #clock: Clock;
  readonly #io: WatchIo;
  readonly #watched = new Map<Aor, Watched>();

  constructor(clock: Clock, io: WatchIo) {
    this.#clock = clock;
    this.#io = io;
  }

  add(aor: Aor): void {
    const watched = this.#watched.get(aor);
    if (watched) {
      watched.calls++;
      // What registered between the last look and this call has not come for it: taken stock of now, it is not taken for that.
      watched.cancel();
      void this.#look(aor, watched);
    } else {
      const fresh: Watched = { calls: 1, looking: false, again: false, cancel: () => undefined };
      this.#watched.set(aor, fresh);
      void this.#look(aor, fresh);
    }
  }

  remove(aor: Aor): void {
    const watched = this.#watched.get(aor);
    if (!watched || --watched.calls > 0) return;
    watched.cancel();
    this.#watched.delete(aor);
  }

  stop(): void {
    for (const watched of this.#watched.values()) watched.cancel();
    this.#watched.clear();
  }

  async #look(aor: Aor, watched: Watched): Promise<void> {
    if (watched.looking) {
      watched.again = true;
      return;
    }
    watched.looking = true;
    const lookedAt = this.#clock.now();
    try {
      const contacts = await this.#io.read(aor);
      if (this.#watched.get(aor) !== watched) return;
      const { known } = watched;
      watched.known = { lookedAt, expiries: new Map(contacts.map((c) => [c.uri, c.expiresAt ?? 0])) };
      // The first look only takes stock: a contact that is merely still stored proves nothing.
      for (const contact of known ? contacts : []) {
        const before = known?.expiries.get(contact.uri);
        if (known && (before === undefined || (contact.expiresAt ?? 0) > before))
          this.#io.seen(contact, known.lookedAt, before === undefined);
      }
    } catch {
      // The link is down or slow; the next look may do better, and the wake has its own end.
    } finally {
      watched.looking = false;
    }
    if (this.#watched.get(aor) !== watched) return;
    const wanted = watched.again;
    watched.again = false;
    watched.cancel = this.#clock.after(wanted ? 0 : LOOK_EVERY_MS, () => void this.#look(aor, watched));
  }
}
