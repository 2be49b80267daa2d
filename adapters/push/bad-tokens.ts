/**
 * What "this is no token of ours" means, which one answer alone does not tell: Apple's BadDeviceToken, Google's "not a valid FCM
 * registration token" without a field. By a mistake of ours (the wrong environment, a message the service does not understand)
 * every token is answered so; a token that was garbled or never theirs is answered so for ever, while other devices of the app
 * are reached.
 * Pure but for its memory; monotonic time is handed in.
 */
import { type DurationMs, MINUTE } from '../../plugin/core/time.ts';

/** So many different tokens in a row, and none accepted between: not the tokens are wrong. */
const MANY = 5;
/** A token is dead after so many answers, */
const DEAD_AFTER = 3;
/** each so long after the one before: retries and a busy minute count once. */
const APART: DurationMs = 10 * MINUTE;
/** The oldest go first. */
const MAX_REMEMBERED = 10_000;

interface Failing {
  count: number;
  lastMs: number;
}

export class BadTokens {
  readonly #inARow = new Map<string, Set<string>>();
  readonly #acceptedAny = new Set<string>();
  readonly #failing = new Map<string, Failing>();

  accepted(app: string, token: string): void {
    this.#acceptedAny.add(app);
    this.#inARow.get(app)?.clear();
    this.#failing.delete(`${app} ${token}`);
  }

  /** `many`: the app is misconfigured. `dead`: it is this token. */
  failed(app: string, token: string, nowMs: number): 'alone' | 'many' | 'dead' {
    const row = this.#inARow.get(app) ?? new Set();
    this.#inARow.set(app, row);
    if (row.size < MANY) row.add(token);
    if (row.size >= MANY) {
      // What looks like everybody's trouble is counted against nobody.
      this.#acceptedAny.delete(app);
      this.#failing.clear();
      return 'many';
    }
    // Nobody was reached yet: this may be the first of many.
    if (!this.#acceptedAny.has(app)) return 'alone';
    const key = `${app} ${token}`;
    const before = this.#failing.get(key);
    if (before && nowMs - before.lastMs < APART) return 'alone';
    const count = (before?.count ?? 0) + 1;
    this.#failing.delete(key);
    if (count >= DEAD_AFTER) return 'dead';
    this.#failing.set(key, { count, lastMs: nowMs });
    const oldest = this.#failing.keys().next().value;
    if (this.#failing.size > MAX_REMEMBERED && oldest !== undefined) this.#failing.delete(oldest);
    return 'alone';
  }
}
