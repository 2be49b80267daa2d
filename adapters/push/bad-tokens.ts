/**
 * Judges the answer "this is no token of ours", which means nothing when it comes once: Apple's BadDeviceToken, Google's "not a valid FCM
 * registration token" without a field. By a mistake of ours (the wrong environment, a message the service does not understand)
 * every token is answered so; a token that was garbled or never theirs is answered so for ever, while other devices of the app
 * are reached.
 * Pure but for its memory; monotonic time is handed in.
 */
import { BoundedMap, upTo } from '../../plugin/core/bounded-map.ts';
import { type DurationMs, MINUTE } from '../../plugin/core/time.ts';

/** When this many different tokens in a row are refused and none is accepted between, the fault is ours and not the tokens'. */
const MANY = 5;
/** How many tokens of one account count towards `MANY`: a single account may make up tokens, so the alarm takes three accounts. */
const OF_ONE_ACCOUNT = 2;
/** How many such answers make one token dead. */
const DEAD_AFTER = 3;
/** Answers closer together than this count once, so that retries and a busy minute do not kill a token. */
const APART: DurationMs = 10 * MINUTE;
/** The oldest go first. */
const MAX_REMEMBERED = 10_000;

interface Failing {
  count: number;
  lastMs: number;
}

export class BadTokens {
  /** By app: tokens, and the account of each. */
  readonly #inARow = new Map<string, Map<string, string>>();
  /** By app: when a push of it was last accepted. */
  readonly #acceptedMs = new Map<string, number>();
  readonly #failing = new BoundedMap<string, Failing>(upTo(MAX_REMEMBERED));
  /** By app, since a push of it was last accepted: a site of one or two accounts never has `MANY` tokens. */
  readonly #unreached = new Map<string, Failing>();

  accepted(app: string, token: string, nowMs: number): void {
    this.#acceptedMs.set(app, nowMs);
    this.#inARow.get(app)?.clear();
    this.#unreached.delete(app);
    if (this.#failing.size > 0) this.#failing.delete(`${app} ${token}`);
  }

  /** `many`: the app is misconfigured. `dead`: it is this token. */
  failed(app: string, token: string, account: string, nowMs: number): 'alone' | 'many' | 'dead' {
    const row = this.#inARow.get(app) ?? new Map<string, string>();
    this.#inARow.set(app, row);
    const ofAccount = [...row.values()].filter((a) => a === account).length;
    if (row.size < MANY && ofAccount < OF_ONE_ACCOUNT) row.set(token, account);
    if (row.size >= MANY) {
      // What looks like everybody's trouble is counted against nobody.
      this.#acceptedMs.delete(app);
      this.#failing.clear();
      return 'many';
    }
    // Nobody was reached yet: this may be the first of many.
    const acceptedMs = this.#acceptedMs.get(app);
    if (this.#isUnreached(app, nowMs)) return 'many';
    if (acceptedMs === undefined) return 'alone';
    const key = `${app} ${token}`;
    const before = this.#failing.get(key);
    // Nobody was reached between: it may be the app's trouble, of a site with few accounts.
    if (before && (nowMs - before.lastMs < APART || acceptedMs <= before.lastMs)) return 'alone';
    const count = (before?.count ?? 0) + 1;
    this.#failing.delete(key);
    if (count >= DEAD_AFTER) return 'dead';
    this.#failing.set(key, { count, lastMs: nowMs });
    return 'alone';
  }

  /** The same number of refusals as for `MANY` tokens, but each `APART` from the one before, so that no stranger causes it at once. */
  #isUnreached(app: string, nowMs: number): boolean {
    const before = this.#unreached.get(app);
    if (before && nowMs - before.lastMs < APART) return before.count >= MANY;
    const count = (before?.count ?? 0) + 1;
    this.#unreached.set(app, { count, lastMs: nowMs });
    return count >= MANY;
  }
}
