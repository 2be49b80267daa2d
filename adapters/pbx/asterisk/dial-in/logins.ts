/**
 * Who may log in at a listener that Asterisks dial, and what becomes of those who may not: a wrong login is answered late, so that guessing takes long, and
 * logged once an hour for each address, since an Asterisk with a wrong password tries twice a second for ever.
 */
import { BoundedMap, upTo } from '../../../../plugin/core/bounded-map.ts';
import { type DurationMs, HOUR } from '../../../../plugin/core/time.ts';
import type { Logger } from '../../../../plugin/ports/adapter.ts';
import type { Clock } from '../../../../plugin/ports/clock.ts';

/** Below the half second that Asterisk waits by default, so that it can say 401 in its log. */
export const ANSWERED_LATE: DurationMs = 300;
const SAID_ANEW_AFTER: DurationMs = HOUR;
const ADDRESSES = 1_000;
/** A username and a password of 255 bytes each, in base64. */
const LONGEST_HEADER = 700;

export interface Login {
  readonly username: string;
  readonly password: string;
}

/** What a header `Authorization: Basic …` holds; undefined: nothing that could be a login. */
export function loginOf(header: string | undefined): Login | undefined {
  if (header === undefined || header.length > LONGEST_HEADER) return undefined;
  const [, encoded] = /^Basic ([A-Za-z0-9+/]+={0,2})$/i.exec(header) ?? [];
  if (encoded === undefined) return undefined;
  const [, username, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? [];
  return username === undefined || password === undefined ? undefined : { username, password };
}

export class WrongLogins {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #log: Logger;
  readonly #saidMs = new BoundedMap<string, number>(upTo(ADDRESSES));

  constructor(clock: Pick<Clock, 'monotonicMs'>, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  add(address: string, hint: string): void {
    const nowMs = this.#clock.monotonicMs();
    const before = this.#saidMs.get(address);
    if (before !== undefined && nowMs - before < SAID_ANEW_AFTER) return;
    this.#saidMs.set(address, nowMs);
    this.#log.warn({ address, hint }, 'an Asterisk that dials in is refused');
  }

  /** It has logged in: what comes later is news. */
  right(address: string): void {
    this.#saidMs.delete(address);
  }
}
