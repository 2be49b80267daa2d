/**
 * A node that is to go without anybody noticing: its PBXs send new calls to the other node, it claims no more due work, and it waits
 * until its own calls are over. What comes all the same is served: nothing is refused.
 */
import { type DurationMs, MINUTE, SECOND } from '../core/time.ts';
import type { Logger } from '../ports/adapter.ts';
import type { Clock } from '../ports/clock.ts';
import type { PbxLink } from '../ports/pbx-link.ts';

/** A call that the dialplan has just sent to us arrives within this: nothing is over before. */
const ON_ITS_WAY: DurationMs = 2 * SECOND;
const LOOK_EVERY: DurationMs = 0.2 * SECOND;
/** No call waits for longer: a leg of the dialplan ends after two minutes by itself. */
const LASTS_AT_MOST: DurationMs = 3 * MINUTE;

export interface DrainParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly links: () => readonly PbxLink[];
  /** Calls that wait for a phone. */
  readonly waiting: () => number;
  /** Resolves when no due work is claimed any more and none is left. */
  readonly finishDueWork: () => Promise<void>;
  /** The other nodes shall know now. */
  readonly announce: () => void;
}

export class Drain {
  readonly #p: DrainParts;
  /** Resolves once this node was drained and can be stopped. */
  readonly drained: Promise<void>;
  readonly #done: () => void;
  #running: Promise<void> | undefined;
  #cancel: () => void = () => undefined;
  #stopped = false;

  constructor(parts: DrainParts) {
    this.#p = parts;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.drained = promise;
    this.#done = resolve;
  }

  get isOn(): boolean {
    return this.#running !== undefined;
  }

  /** Asked again, it goes on. Resolves when this node can be stopped, or was. */
  begin(): Promise<void> {
    if (!this.#running) {
      this.#running = this.#drain();
      this.#p.announce();
    }
    return this.#running;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  async #drain(): Promise<void> {
    const { clock, log, links, waiting, finishDueWork } = this.#p;
    const begunMs = clock.monotonicMs();
    log.info({ waiting: waiting() }, 'draining: new calls go to the other node');
    await Promise.all(links().map((link) => link.drain?.()));
    const dueWork = finishDueWork();
    let quietSinceMs = clock.monotonicMs();
    for (;;) {
      await new Promise<void>((done) => {
        this.#cancel = clock.after(LOOK_EVERY, done);
      });
      if (this.#stopped) return;
      const nowMs = clock.monotonicMs();
      if (waiting() > 0) quietSinceMs = nowMs;
      const isLate = nowMs - begunMs >= LASTS_AT_MOST;
      if (nowMs - quietSinceMs < ON_ITS_WAY && !isLate) continue;
      if (isLate)
        log.warn({ waiting: waiting() }, 'drained for three minutes and calls still wait, stopping all the same');
      await (isLate ? undefined : dueWork);
      log.info({ tookMs: Math.round(clock.monotonicMs() - begunMs) }, 'drained');
      this.#done();
      return;
    }
  }
}
