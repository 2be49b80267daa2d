/**
 * Misconfigurations that hold now: each is told once, not with each push that meets it, and stops what would only meet it
 * again. One that concerns a device (its token is of another app) stops nothing and is forgotten when it is not seen for an hour.
 */
import { type DurationMs, HOUR, SECOND } from '../../core/time.ts';
import type { PushOutcome, PushRequest } from '../../ports/push-provider.ts';
import type { Alarm } from '../../ports/status.ts';

export type Misconfigured = PushOutcome & { readonly kind: 'misconfigured' };

/** So long nothing but calls is sent with a key or topic that was refused; then one push finds out. */
const PAUSE: DurationMs = 30 * SECOND;
const DEVICE_FORGOTTEN_AFTER: DurationMs = HOUR;

/** App names come from devices: no stranger may fill the memory or the log with them. */
const MAX_ALARMS = 100;

/** The one mistake of a whole service that is none of an app: no request reaches it. */
const UNTRUSTED = 'certificate not trusted';

export class Alarms {
  readonly #held = new Map<string, Alarm & { seenAtMs: number; pausedUntilMs: number }>();

  /** True: it is new and should be told. */
  raise(request: PushRequest, outcome: Misconfigured, nowMs: number): boolean {
    this.#forget(nowMs);
    const { provider, app } = request.target;
    const key = outcome.scope === 'device' ? `${groupOf(request)} ${outcome.reason}` : groupOf(request);
    const pausedUntilMs = outcome.scope === 'device' ? 0 : nowMs + PAUSE;
    const old = this.#held.get(key);
    if (old?.outcome.reason === outcome.reason) {
      old.seenAtMs = nowMs;
      if (nowMs >= old.pausedUntilMs) old.pausedUntilMs = pausedUntilMs;
      return false;
    }
    if (!old && this.#held.size >= MAX_ALARMS) return false;
    this.#held.set(key, { provider, app, outcome, seenAtMs: nowMs, pausedUntilMs });
    return true;
  }

  /** The outcome a push would meet again; undefined: let it try. */
  paused(request: PushRequest, nowMs: number): Misconfigured | undefined {
    const alarm = this.#held.get(groupOf(request));
    return alarm && nowMs < alarm.pausedUntilMs ? alarm.outcome : undefined;
  }

  /** A push was accepted. True: that ended an alarm. */
  clear(request: PushRequest): boolean {
    if (this.#held.size === 0) return false;
    let ended = this.#held.delete(groupOf(request));
    for (const [key, { provider, outcome }] of this.#held) {
      // Nothing came through at all, of no app: that is over for all of them.
      if (provider === request.target.provider && outcome.reason === UNTRUSTED) ended = this.#held.delete(key) || ended;
    }
    return ended;
  }

  /** Its configuration has changed: what it refused before says nothing any more. */
  forgetProvider(provider: string): void {
    for (const [key, alarm] of this.#held) if (alarm.provider === provider) this.#held.delete(key);
  }

  list(nowMs: number): readonly Alarm[] {
    this.#forget(nowMs);
    return [...this.#held.values()].map(({ provider, app, outcome }) => ({ provider, app, outcome }));
  }

  #forget(nowMs: number): void {
    for (const [key, { outcome, seenAtMs }] of this.#held) {
      if (outcome.scope === 'device' && nowMs - seenAtMs >= DEVICE_FORGOTTEN_AFTER) this.#held.delete(key);
    }
  }
}

/** Calls and the rest go to different topics at Apple: one may be right and the other wrong. */
function groupOf({ purpose, target }: PushRequest): string {
  return `${target.provider} ${target.app} ${purpose === 'call' ? 'call' : 'other'}`;
}
