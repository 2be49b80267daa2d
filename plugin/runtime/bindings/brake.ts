/**
 * Stops notices and drops when the world looks wrong: far more due than was forecast an hour ago, clocks that disagree, or
 * too large a share of an app's tokens called dead. Better a day late than a thousand wrong notices to people whose phone is alive.
 *
 * The share goes by app, because what is a normal day for a carrier is a catastrophe for a company of 80 phones. While the
 * brake holds an app, calls still push its tokens: a doubtful token may be a living phone. All durations are measured by the
 * monotonic clock: a wall clock that jumps must not hold the brake for days.
 */
import type { AppKey, BindingId } from '../../core/binding.ts';
import type { Braked } from '../../core/events.ts';
import { between, CLOCKS_DIFFER, type DurationMs, HOUR, type Instant, MINUTE, plus, SECOND } from '../../core/time.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { BindingStore } from '../../ports/binding-store.ts';
import { type Clock, within } from '../../ports/clock.ts';
import type { BrakeState } from '../../ports/status.ts';

export interface BrakeOptions {
  readonly store: Pick<BindingStore, 'countDue'>;
  readonly clock: Clock;
  readonly log: Logger;
  /**
   * Live bindings of an app. Resolves with undefined where nobody has counted yet. Never rejects.
   */
  readonly liveOf: (app: AppKey) => Promise<number | undefined>;
  /** Off for a test's fast clock. */
  readonly enabled: boolean;
}

/** Below this many due accounts the ratio to the forecast means nothing. */
const MANY = 200;
const TIMES_FORECAST = 5;
/** Dead tokens that an app may lose within an hour: this many, and this share of its live bindings. */
const DEAD_AT_LEAST = 2;
const DEAD_SHARE = 0.05;
const RELEASE_AFTER: DurationMs = 1 * HOUR;
/** How long a verdict waits for the number of live bindings; then it is doubtful, and the next push brings it again. */
const COUNT_WITHIN: DurationMs = 2 * SECOND;
/** Apps whose verdicts are remembered. App names come from REGISTERs, so strangers can make them up: the oldest goes. */
const APPS_MAX = 1_000;

/** How many dead tokens within an hour trip the brake of an app with this many live bindings: 10: 3, 80: 6, 100,000: 5,002. */
export function tripsAt(live: number): number {
  return Math.ceil(DEAD_AT_LEAST + DEAD_SHARE * live);
}

interface App {
  /** Devices of which a token was called dead, and when last, by the monotonic clock; no more than are needed to trip. */
  readonly dead: Map<BindingId, number>;
  /** How many are needed to trip, by the last count of its live bindings. */
  tripsAt: number;
  held?: { readonly sinceMs: number; readonly since: Instant; readonly reason: string };
}

export class Brake {
  readonly #o: BrakeOptions;
  readonly #apps = new Map<AppKey, App>();
  #everything: { readonly sinceMs: number; readonly since: Instant; readonly reason: string } | undefined;
  #forecast: { from: Instant; fromMs: number; count: number } | undefined;
  #dueThisHour = 0;
  #anchor: { wall: Instant; monotonicMs: number };
  /** How far jumps have put the wall clock ahead while everything is held, in ms; negative: behind. */
  #aheadMs: DurationMs = 0;

  constructor(options: BrakeOptions) {
    this.#o = options;
    this.#anchor = { wall: options.clock.now(), monotonicMs: options.clock.monotonicMs() };
  }

  /** What it holds now, with the reason of each. Empty: it is off. */
  get state(): readonly BrakeState[] {
    const held = [...this.#apps].flatMap(([app, { held }]) =>
      held ? [{ app, reason: held.reason, since: held.since }] : [],
    );
    const { reason, since } = this.#everything ?? {};
    return reason === undefined || since === undefined ? held : [{ reason, since }, ...held];
  }

  get stops(): Braked {
    if (this.#everything) return 'everything';
    const held = [...this.#apps].flatMap(([app, { held }]) => (held ? [app] : []));
    return held.length > 0 ? held : 'nothing';
  }

  /** Whether verdicts about this app's devices are in doubt. */
  holds(app: AppKey): boolean {
    return this.#everything !== undefined || this.#apps.get(app)?.held !== undefined;
  }

  /**
   * A service called a token of this device dead. Resolves with whether that may be acted on. The verdict that trips the brake
   * is the first that may not, and so is each that was under way then. A device counts once, however many of its tokens are
   * dead and however often a call finds that out.
   */
  async believes(app: AppKey, device: BindingId): Promise<boolean> {
    if (!this.#o.enabled) return true;
    const live = await within(this.#o.clock, COUNT_WITHIN, this.#o.liveOf(app)).catch(() => undefined);
    if (live === undefined) return false;
    const known = this.#remember(app);
    const nowMs = this.#o.clock.monotonicMs();
    const most = tripsAt(live);
    known.tripsAt = most;
    forgetOld(known.dead, nowMs);
    if (known.dead.size < most || known.dead.has(device)) known.dead.set(device, nowMs);
    const count = known.dead.size;
    if (known.held || count >= most) {
      this.#hold(app, known, `${count} of its ${live} live devices called dead within an hour`);
    }
    return !this.holds(app);
  }

  /** Forecasts the coming hour, once an hour. Before anything is claimed: a store of several nodes puts what is claimed off a little. */
  async foresee(now: Instant): Promise<{ readonly count: number }> {
    if (!this.#o.enabled) return { count: 0 };
    const known = this.#forecastOf(now);
    if (known) return known;
    const fromMs = this.#o.clock.monotonicMs();
    this.#dueThisHour = 0;
    this.#forecast = { from: now, fromMs, count: await this.#o.store.countDue(now, plus(now, HOUR)) };
    return this.#forecast;
  }

  /** Of this hour, where there is one. */
  #forecastOf(now: Instant): { readonly count: number } | undefined {
    const known = this.#forecast;
    return known && this.#o.clock.monotonicMs() - known.fromMs < HOUR && now >= known.from ? known : undefined;
  }

  /**
   * Compares the clocks, in each round of the ticker and before it claims anything. `ahead`: the wall clock jumped forward, and what
   * seems due may be due in days; put off by such a clock, it would come days late when the clock is right again.
   */
  compareClocks(now: Instant): 'trusted' | 'ahead' {
    if (!this.#o.enabled) return 'trusted';
    const nowMs = this.#o.clock.monotonicMs();
    const drift = between(this.#anchor.wall, now) - (nowMs - this.#anchor.monotonicMs);
    this.#anchor = { wall: now, monotonicMs: nowMs };
    if (Math.abs(drift) > CLOCKS_DIFFER) {
      this.#holdEverything(`the wall clock jumped by ${Math.round(Math.abs(drift) / MINUTE)} min`);
      this.#aheadMs += drift;
    }
    return this.#everything && this.#aheadMs > CLOCKS_DIFFER ? 'ahead' : 'trusted';
  }

  /** Looked at in each round of the ticker. */
  async look(now: Instant, due: number): Promise<void> {
    if (!this.#o.enabled) return;
    const nowMs = this.#o.clock.monotonicMs();
    const { count } = this.#forecastOf(now) ?? (await this.foresee(now));
    this.#dueThisHour += due;
    if (this.#dueThisHour > MANY && this.#dueThisHour > TIMES_FORECAST * Math.max(count, 1)) {
      this.#holdEverything(`${this.#dueThisHour} AORs due within an hour, ${count} were forecast`);
    }
    if (this.#everything && nowMs - this.#everything.sinceMs > RELEASE_AFTER) this.#releaseEverything();
    for (const [app, known] of this.#apps) this.#releaseQuiet(app, known, nowMs);
  }

  /** By hand: one app, or all that is held. Answers what was let go. */
  release(app?: string): readonly BrakeState[] {
    const freed = this.state.filter((s) => app === undefined || s.app === app);
    for (const { app: held } of freed) {
      if (held === undefined) this.#releaseEverything();
      else this.#let(held, this.#apps.get(held));
    }
    return freed;
  }

  #remember(app: AppKey): App {
    const known = this.#apps.get(app) ?? { dead: new Map(), tripsAt: DEAD_AT_LEAST };
    this.#apps.delete(app);
    this.#apps.set(app, known);
    if (this.#apps.size > APPS_MAX) {
      const oldest = [...this.#apps].find(([, { held }]) => !held)?.[0] ?? this.#apps.keys().next().value;
      if (oldest !== undefined) this.#apps.delete(oldest);
    }
    return known;
  }

  #hold(app: AppKey, known: App, reason: string): void {
    const { clock, log } = this.#o;
    const isNew = known.held === undefined;
    known.held = {
      sinceMs: known.held?.sinceMs ?? clock.monotonicMs(),
      since: known.held?.since ?? clock.now(),
      reason,
    };
    if (!isNew) return;
    log.error(
      { app, reason, releasedInMs: RELEASE_AFTER },
      'brake: notices and drops of this app are stopped, calls go on; look at its push key, then: pushwake brake release',
    );
  }

  /** Lets an app go when it was held for an hour and the last hour brought too few dead tokens to trip again. */
  #releaseQuiet(app: AppKey, known: App, nowMs: number): void {
    if (!known.held || nowMs - known.held.sinceMs <= RELEASE_AFTER) return;
    forgetOld(known.dead, nowMs);
    if (known.dead.size < known.tripsAt) this.#let(app, known);
  }

  #let(app: AppKey, known: App | undefined): void {
    if (!known?.held) return;
    this.#o.log.warn({ app, reason: known.held.reason }, 'brake released, notices and drops of this app go on');
    this.#apps.set(app, { dead: new Map(), tripsAt: known.tripsAt });
  }

  #holdEverything(reason: string): void {
    if (this.#everything) return;
    this.#everything = { sinceMs: this.#o.clock.monotonicMs(), since: this.#o.clock.now(), reason };
    this.#o.log.error({ reason, releasedInMs: RELEASE_AFTER }, 'brake: notices and drops are stopped, calls go on');
  }

  #releaseEverything(): void {
    if (!this.#everything) return;
    this.#o.log.warn({ reason: this.#everything.reason }, 'brake released, notices and drops go on');
    this.#everything = undefined;
    // The clock that has stayed for an hour is believed, as is the person who lets go.
    this.#aheadMs = 0;
    this.#dueThisHour = 0;
    this.#forecast = undefined;
  }
}

function forgetOld(dead: Map<BindingId, number>, nowMs: number): void {
  for (const [device, at] of dead) if (nowMs - at >= HOUR) dead.delete(device);
}
