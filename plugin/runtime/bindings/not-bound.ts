/**
 * Contacts that ask for push and of which no binding comes: said once per account and reason, and kept for those who ask why a
 * phone is not woken. In memory, bounded: strangers write what it is made of.
 */
import type { Aor } from '../../core/aor.ts';
import { BoundedMap, upTo } from '../../core/bounded-map.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { Clock } from '../../ports/clock.ts';
import type { NotBoundContact } from '../../ports/status.ts';

/** Accounts and reasons remembered; a site has a handful of apps that write it wrongly. */
const REMEMBERED = 1_000;

export const NOT_BOUND_REMEDY =
  'the app must write pn-provider, pn-param and pn-prid into the URI of its Contact, before the ">" (RFC 8599; docs/which-app.md)';

export class NotBound {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #seen = new BoundedMap<string, NotBoundContact>(upTo(REMEMBERED));

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  note(aor: Aor, pbx: string, reason: string): void {
    const key = `${aor} ${reason}`;
    if (this.#seen.get(key)) return;
    this.#seen.set(key, { aor, pbx, reason, at: this.#clock.now() });
    this.#log.warn({ aor, pbx, reason, hint: NOT_BOUND_REMEDY }, 'contact asks for push and is not bound');
  }

  /** It has a binding now: what was wrong with its Contact is over. */
  bound(aor: Aor): void {
    for (const { reason } of this.of(aor)) this.#seen.delete(`${aor} ${reason}`);
  }

  of(aor: Aor): readonly NotBoundContact[] {
    return this.list().filter((c) => c.aor === aor);
  }

  list(): readonly NotBoundContact[] {
    return [...this.#seen].map(([, contact]) => contact);
  }
}
