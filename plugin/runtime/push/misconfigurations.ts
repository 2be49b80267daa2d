/**
 * Misconfigurations that hold now. Each is logged once, not with each push that meets it, and stops pushes that would only meet it
 * again. One that concerns a device (its token is of another app) stops nothing and is forgotten when it is not seen for an hour.
 */
import { type DurationMs, HOUR, SECOND } from '../../core/time.ts';
import type { PushOutcome, PushRequest } from '../../ports/push-provider.ts';
import type { Alarm } from '../../ports/status.ts';

export type Misconfigured = PushOutcome & { readonly kind: 'misconfigured' };

/** After a key or topic was refused, only calls are sent with it for this long, in ms; then one push probes it. */
const PAUSE: DurationMs = 30 * SECOND;
const DEVICE_FORGOTTEN_AFTER: DurationMs = HOUR;

/** Misconfigurations of ours that are held; those of the service with the most give way, the oldest first. */
const MOST_OF_OURS = 100;
/** Those that a device can cause: app names and tokens are what a stranger writes. The oldest gives way. */
const MOST_OF_DEVICES = 50;
/** Lines of the log that devices can cause within an hour; then one line says that there are more. */
const LINES_OF_DEVICES = 20;

interface Held extends Alarm {
  seenAtMs: number;
  pausedUntilMs: number;
}

/** `log`: it is new. `last`: it is new, and the last of this hour that devices may write into the log. `quiet`: nothing to say. */
export type Raised = 'log' | 'last' | 'quiet';

/** The one mistake of a whole service that is none of an app: no request reaches it. */
const UNTRUSTED = 'certificate not trusted';

export class Alarms {
  readonly #ours = new Map<string, Held>();
  readonly #ofDevices = new Map<string, Held>();
  #lines = { sinceMs: Number.NEGATIVE_INFINITY, count: 0 };

  raise(request: PushRequest, outcome: Misconfigured, nowMs: number): Raised {
    this.#forget(nowMs);
    const { provider, app } = request.target;
    const ofDevice = outcome.scope === 'device';
    const held = ofDevice ? this.#ofDevices : this.#ours;
    const key = ofDevice ? `${groupOf(request)} ${outcome.reason}` : groupOf(request);
    const pausedUntilMs = ofDevice ? 0 : nowMs + PAUSE;
    const old = held.get(key);
    if (old?.outcome.reason === outcome.reason) {
      old.seenAtMs = nowMs;
      if (nowMs >= old.pausedUntilMs) old.pausedUntilMs = pausedUntilMs;
      return 'quiet';
    }
    if (!old && held.size >= (ofDevice ? MOST_OF_DEVICES : MOST_OF_OURS)) held.delete(mostDispensable(held));
    held.set(key, { provider, app, outcome, seenAtMs: nowMs, pausedUntilMs });
    return ofDevice ? this.#lineOfDevice(nowMs) : 'log';
  }

  #lineOfDevice(nowMs: number): Raised {
    if (nowMs - this.#lines.sinceMs >= HOUR) this.#lines = { sinceMs: nowMs, count: 0 };
    this.#lines.count++;
    if (this.#lines.count === LINES_OF_DEVICES) return 'last';
    return this.#lines.count < LINES_OF_DEVICES ? 'log' : 'quiet';
  }

  /** The outcome a push would meet again; undefined: let it try. */
  paused(request: PushRequest, nowMs: number): Misconfigured | undefined {
    const alarm = this.#ours.get(groupOf(request));
    return alarm && nowMs < alarm.pausedUntilMs ? alarm.outcome : undefined;
  }

  /** A push was accepted. True: that ended an alarm. */
  clear(request: PushRequest): boolean {
    if (this.#ours.size === 0) return false;
    let ended = this.#ours.delete(groupOf(request));
    for (const [key, { provider, outcome }] of this.#ours) {
      // Nothing came through at all, of no app: that is over for all of them.
      if (provider === request.target.provider && outcome.reason === UNTRUSTED) ended = this.#ours.delete(key) || ended;
    }
    return ended;
  }

  /** Its configuration has changed: what it refused before says nothing any more. */
  forgetProvider(provider: string): void {
    for (const held of [this.#ours, this.#ofDevices]) {
      for (const [key, alarm] of held) if (alarm.provider === provider) held.delete(key);
    }
  }

  list(nowMs: number): readonly Alarm[] {
    this.#forget(nowMs);
    const all = new Map<string, Alarm>();
    for (const { provider, app, outcome } of [...this.#ours.values(), ...this.#ofDevices.values()]) {
      // Held for calls and for the rest, said once.
      const said = JSON.stringify([provider, app, outcome.reason, outcome.hint]);
      if (!all.has(said)) all.set(said, { provider, app, outcome });
    }
    return [...all.values()];
  }

  #forget(nowMs: number): void {
    for (const [key, { seenAtMs }] of this.#ofDevices) {
      if (nowMs - seenAtMs >= DEVICE_FORGOTTEN_AFTER) this.#ofDevices.delete(key);
    }
  }
}

/**
 * The oldest of the service that has most. A service whose apps are whatever devices say (a webhook) may be refused for each of
 * them; it must not drive out what another service says.
 */
function mostDispensable(held: ReadonlyMap<string, Held>): string {
  const count = (provider: string) => [...held.values()].filter((a) => a.provider === provider).length;
  const most = [...new Set([...held.values()].map((a) => a.provider))].reduce((a, b) => (count(b) > count(a) ? b : a));
  return [...held].find(([, a]) => a.provider === most)?.[0] ?? '';
}

/** Calls and the rest go to different topics at Apple: one may be right and the other wrong. */
function groupOf({ purpose, target }: PushRequest): string {
  return `${target.provider} ${target.app} ${purpose === 'call' ? 'call' : 'other'}`;
}
