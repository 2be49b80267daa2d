/** How a test of an app waits, and what ends it early: somebody stops it, its command goes away, the PBX goes away, or it lasts too long. */
import { type DurationMs, MINUTE, SECOND } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';

/** A condition that a step waits for is checked this often. */
const LOOK_EVERY: DurationMs = 100;
/** While a step only waits, a stop of the test is noticed within this time. */
const STOPS_WITHIN: DurationMs = 500;
/** Nobody has asked for the progress for this long: the command is gone. */
const COMMAND_GONE_AFTER: DurationMs = 30 * SECOND;
/** A link that is away longer than this is not a link that flaps: the PBX is gone. */
const PBX_GONE_AFTER: DurationMs = 10 * SECOND;
/** The whole test; a guided one takes about four minutes. */
const LASTS_AT_MOST: DurationMs = 20 * MINUTE;

/** Ends the course of a test: why. Not a fault. */
export class Stopped extends Error {}

export class Waiting {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'after'>;
  readonly #isPbxThere: () => boolean;
  readonly #startedMs: number;
  #touchedMs: number;
  #awaySinceMs: number | undefined;
  #stopped: string | undefined;

  constructor(clock: Pick<Clock, 'monotonicMs' | 'after'>, isPbxThere: () => boolean) {
    this.#clock = clock;
    this.#isPbxThere = isPbxThere;
    this.#startedMs = clock.monotonicMs();
    this.#touchedMs = this.#startedMs;
  }

  /** Why the test ends early. Undefined: it does not, so far. */
  get stopped(): string | undefined {
    return this.#stopped;
  }

  /** Somebody still wants to know. */
  touch(): void {
    this.#touchedMs = this.#clock.monotonicMs();
  }

  /** The first reason counts. */
  stop(why: string): void {
    this.#stopped ??= why;
  }

  /** Throws when the test is to end. */
  mayGoOn(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#touchedMs > COMMAND_GONE_AFTER) this.stop('the command that ran it went away');
    if (nowMs - this.#startedMs > LASTS_AT_MOST) this.stop('it took longer than twenty minutes');
    this.#awaySinceMs = this.#isPbxThere() ? undefined : (this.#awaySinceMs ?? nowMs);
    if (nowMs - (this.#awaySinceMs ?? nowMs) > PBX_GONE_AFTER) this.stop('the PBX went away');
    if (this.#stopped !== undefined) throw new Stopped(this.#stopped);
  }

  /** Resolves when `check` holds, or with false after `ms`. Rejects when the test is stopped. */
  async until(check: () => boolean, ms: DurationMs, lookEvery: DurationMs = LOOK_EVERY): Promise<boolean> {
    const endMs = this.#clock.monotonicMs() + ms;
    for (;;) {
      this.mayGoOn();
      if (check()) return true;
      const leftMs = endMs - this.#clock.monotonicMs();
      if (leftMs <= 0) return false;
      await new Promise<void>((resolve) => void this.#clock.after(Math.min(leftMs, lookEvery), resolve));
    }
  }

  /** Resolves when the link is up. Rejects when it stays away. */
  async linkIsBack(): Promise<void> {
    await this.until(this.#isPbxThere, 2 * PBX_GONE_AFTER);
  }

  /** As `until`, for what needs no quick look: a person's answer. */
  patiently(check: () => boolean, ms: DurationMs): Promise<boolean> {
    return this.until(check, ms, STOPS_WITHIN);
  }

  /** Time passes. Rejects when the test is stopped. */
  async pause(ms: DurationMs): Promise<void> {
    await this.patiently(() => false, ms);
  }
}
