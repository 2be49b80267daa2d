/**
 * Stops notices and drops when the world looks wrong: far more due than was forecast an hour ago, a burst of dead tokens,
 * or clocks that disagree. Better a day late than a thousand people told that their phone is dead.
 */
import { between, type DurationMs, HOUR, type Instant, MINUTE, plus } from '../../core/time.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { BindingStore } from '../../ports/binding-store.ts';
import type { Clock } from '../../ports/clock.ts';

export interface BrakeOptions {
  readonly store: Pick<BindingStore, 'countDue'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Off, for a test's fast clock. */
  readonly enabled?: boolean;
}

/** Wall and monotonic clock, or the PBX's, may differ by this much before somebody must look. */
const CLOCKS_DIFFER: DurationMs = 10 * MINUTE;
/** Below these the ratios mean nothing. */
const MANY = 200;
const TIMES_FORECAST = 5;
const DEAD_TOKENS_AN_HOUR = 100;
const RELEASE_AFTER: DurationMs = 1 * HOUR;

export class Brake {
  readonly #o: BrakeOptions;
  #since: Instant | undefined;
  #reason = '';
  #forecast: { from: Instant; count: number } | undefined;
  #dueThisHour = 0;
  #deaths: Instant[] = [];
  #anchor: { wall: Instant; monotonicMs: number };

  constructor(options: BrakeOptions) {
    this.#o = options;
    this.#anchor = { wall: options.clock.now(), monotonicMs: options.clock.monotonicMs() };
  }

  get on(): boolean {
    return this.#since !== undefined;
  }

  get reason(): string {
    return this.#reason;
  }

  /** Forecasts the coming hour, once an hour. Before anything is claimed: a store of several nodes puts what is claimed off a little. */
  async foresee(now: Instant): Promise<{ readonly count: number }> {
    const known = this.#forecast;
    if (this.#o.enabled === false) return { count: 0 };
    if (known && between(known.from, now) < HOUR && now >= known.from) return known;
    this.#dueThisHour = 0;
    this.#forecast = { from: now, count: await this.#o.store.countDue(now, plus(now, HOUR)) };
    return this.#forecast;
  }

  /** Looked at each round of the ticker. */
  async look(now: Instant, due: number): Promise<void> {
    if (this.#o.enabled === false) return;
    const { clock } = this.#o;
    const drift = Math.abs(between(this.#anchor.wall, now) - (clock.monotonicMs() - this.#anchor.monotonicMs));
    if (drift > CLOCKS_DIFFER) {
      this.#pull(now, `the wall clock jumped by ${Math.round(drift / MINUTE)} min`);
    }
    this.#anchor = { wall: now, monotonicMs: clock.monotonicMs() };
    const { count } = await this.foresee(now);
    this.#dueThisHour += due;
    if (this.#dueThisHour > MANY && this.#dueThisHour > TIMES_FORECAST * Math.max(count, 1)) {
      this.#pull(now, `${this.#dueThisHour} AORs due within an hour, ${count} were forecast`);
    }
    if (this.#since !== undefined && between(this.#since, now) > RELEASE_AFTER) this.release();
  }

  /** A service called a token dead. */
  tokenDied(now: Instant): void {
    this.#deaths = [...this.#deaths.filter((at) => between(at, now) < HOUR), now].slice(-DEAD_TOKENS_AN_HOUR);
    if (this.#o.enabled !== false && this.#deaths.length >= DEAD_TOKENS_AN_HOUR) {
      this.#pull(now, `${DEAD_TOKENS_AN_HOUR} tokens called dead within an hour`);
    }
  }

  release(): void {
    if (this.#since === undefined) return;
    this.#since = undefined;
    this.#o.log.warn({ reason: this.#reason }, 'brake released, notices and drops go on');
    this.#deaths = [];
    this.#dueThisHour = 0;
    this.#forecast = undefined;
  }

  #pull(now: Instant, reason: string): void {
    if (this.#since !== undefined) return;
    this.#since = now;
    this.#reason = reason;
    this.#o.log.error({ reason, releasedInMs: RELEASE_AFTER }, 'brake: notices and drops are stopped, calls go on');
  }
}
