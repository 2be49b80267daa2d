/**
 * A push token (RFC 8599 PRID). A secret: its holder can push to the phone, so it never shows in a log, an error or
 * a page. Every accidental way out (`JSON.stringify`, template strings, `console.log`, pino) yields the fingerprint.
 */
import { hash } from 'node:crypto';

/** Twelve hex digits of SHA-256: enough to distinguish the tokens of one site, useless to push with. */
export function fingerprint(text: string): string {
  return hash('sha256', text, 'hex').slice(0, 12);
}

/**
 * A Firebase installation id: 17 bytes that begin with the bits 0111, as base64url (Firebase Installations). A registration token of FCM
 * begins with the id of its installation and a colon.
 */
const INSTALLATION_ID = /^([c-f][A-Za-z0-9_-]{21})(:|$)/;

export class Token {
  readonly #value: string;
  #fingerprint: string | undefined;

  constructor(value: string) {
    this.#value = value;
  }

  /** Made when it is first asked for: a phone that a call waits for is known by the token itself. */
  get fingerprint(): string {
    this.#fingerprint ??= fingerprint(this.#value);
    return this.#fingerprint;
  }

  /** The token itself. Only payload builders and the record codec call this. */
  reveal(): string {
    return this.#value;
  }

  /** The Firebase installation that it names or belongs to; undefined: it does not say. */
  get installation(): string | undefined {
    return INSTALLATION_ID.exec(this.#value)?.[1];
  }

  /** Whether it is the id of a Firebase installation, and no registration token. */
  get isInstallationId(): boolean {
    return this.installation === this.#value;
  }

  equals(other: Token | undefined): boolean {
    return other !== undefined && other.#value === this.#value;
  }

  toJSON(): string {
    return this.toString();
  }

  toString(): string {
    return `token:${this.fingerprint}`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}
