/**
 * The codes by which a browser is logged in once: made for a link that the administrator prints, good for ten minutes and for one
 * browser. They are in this process's memory only, hashed, and a restart forgets them.
 */
import { createHash } from 'node:crypto';
import type { Aor } from '../core/aor.ts';
import { BoundedMap, upTo } from '../core/bounded-map.ts';
import { type DurationMs, type Instant, MINUTE, plus } from '../core/time.ts';
import type { Clock } from '../ports/clock.ts';

/** How long a code is good for: somebody scans it now. */
const CODE_LASTS: DurationMs = 10 * MINUTE;
/** 128 bits, so that nobody tries them through. */
const CODE_BYTES = 16;
/** Codes that are remembered; those used and too old among them, so that it can be said what is wrong with one. The oldest goes first. */
const MOST_CODES = 1_000;

export interface PhoneLogin {
  readonly aor: Aor;
  /** Where this browser reaches the PBX. Absent: where all of them do. */
  readonly wss?: string;
  /** When its code ends. */
  readonly expiresAt: Instant;
}

export type WrongCode = 'unknown' | 'used' | 'expired';

export interface PhoneCodeOptions {
  readonly clock: Pick<Clock, 'now'>;
  /** Lower-case hex, `bytes` long before encoding. */
  readonly randomHex: (bytes: number) => string;
}

export class PhoneCodes {
  readonly #o: PhoneCodeOptions;
  /**
   * By the hash of the code. What the time of a look-up may say is about the hash, and nobody can choose a code by the
   * beginning of its hash.
   */
  readonly #codes = new BoundedMap<string, PhoneLogin & { readonly isUsed: boolean }>(upTo(MOST_CODES));

  constructor(options: PhoneCodeOptions) {
    this.#o = options;
  }

  get size(): number {
    return this.#codes.size;
  }

  /** 22 characters of base64url. */
  issue(aor: Aor, wss?: string): { readonly code: string; readonly expiresAt: Instant } {
    const code = Buffer.from(this.#o.randomHex(CODE_BYTES), 'hex').toString('base64url');
    const expiresAt = plus(this.#o.clock.now(), CODE_LASTS);
    this.#codes.set(hashOf(code), { aor, ...(wss !== undefined && { wss }), expiresAt, isUsed: false });
    return { code, expiresAt };
  }

  /** What the code was made for, once; or what is wrong with it. */
  redeem(code: string): PhoneLogin | WrongCode {
    const hash = hashOf(code);
    const found = this.#codes.get(hash);
    if (!found) return 'unknown';
    if (found.isUsed) return 'used';
    if (this.#o.clock.now() >= found.expiresAt) return 'expired';
    const { isUsed: _, ...login } = found;
    this.#codes.set(hash, { ...found, isUsed: true });
    return login;
  }
}

const hashOf = (code: string): string => createHash('sha256').update(code).digest('base64url');
