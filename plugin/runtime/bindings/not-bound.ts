/**
 * Contacts that ask for push and of which no binding comes: said once per account and reason, and kept for those who ask why a
 * phone is not woken. In memory, bounded: strangers write what it is made of.
 */
import { type Aor, aorUser } from '../../core/aor.ts';
import { BoundedMap, upTo } from '../../core/bounded-map.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PbxEvent } from '../../ports/pbx-link.ts';
import type { NotBoundContact } from '../../ports/status.ts';

/** Accounts and reasons remembered; a site has a handful of apps that write it wrongly. */
const REMEMBERED = 1_000;

const REMEDY =
  'the app must write pn-provider, pn-param and pn-prid into the URI of its Contact, before the ">" (RFC 8599; docs/which-app.md)';

export class NotBound {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #seen = new BoundedMap<string, NotBoundContact>(upTo(REMEMBERED));

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Something is wrong with the Contact of this account. */
  note(aor: Aor, pbx: string, reason: string): void {
    if (this.#remember(aor, pbx, reason, REMEDY)) this.#warn(aor, pbx, reason, REMEDY);
  }

  /** The configuration does not cover the account: one line for all accounts that have this reason. */
  elsewhere({ account, pbx, reason, remedy }: Extract<PbxEvent, { type: 'notBound' }>): void {
    const isNews = !this.list().some((c) => c.pbx === pbx && c.reason === reason);
    this.#remember(account, pbx, reason, remedy);
    if (isNews) this.#warn(account, pbx, reason, remedy);
  }

  #remember(aor: string, pbx: string, reason: string, remedy: string): boolean {
    const key = `${aor} ${reason}`;
    if (this.#seen.get(key)) return false;
    this.#seen.set(key, { aor, pbx, reason, remedy, at: this.#clock.now() });
    return true;
  }

  #warn(aor: string, pbx: string, reason: string, hint: string): void {
    this.#log.warn({ aor, pbx, reason, hint }, 'contact asks for push and is not bound');
  }

  /** It has a binding now: what was wrong with its Contact is over. */
  bound(aor: Aor): void {
    for (const c of this.list()) if (c.aor === aor) this.#seen.delete(`${aor} ${c.reason}`);
  }

  /** Those of the account, and of the same user in a domain that the configuration may have left out. */
  of(aor: Aor): readonly NotBoundContact[] {
    const user = `${aorUser(aor)}@`;
    return this.list().filter((c) => c.aor === aor || (c.aor.startsWith(user) && c.remedy !== REMEDY));
  }

  list(): readonly NotBoundContact[] {
    return [...this.#seen].map(([, contact]) => contact);
  }
}
