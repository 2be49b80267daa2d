/** A key or certificate on disk that may be replaced while the program runs. Looked at now and then, read by who knows how. */
import { statSync } from 'node:fs';
import { type DurationMs, SECOND } from '../../plugin/core/time.ts';
import type { Clock } from '../../plugin/ports/clock.ts';

const LOOK_EVERY: DurationMs = 5 * SECOND;

export class WatchedFile {
  readonly path: string;
  readonly #clock: Clock;
  #stamp: string;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  /** Make it before the first read, so that no change falls in between. */
  constructor(path: string, clock: Clock) {
    this.path = path;
    this.#clock = clock;
    this.#stamp = stampOf(path);
  }

  /** True once after each change. Asks the disk at most every 5 s, so call it whenever the key is used. */
  changed(): boolean {
    const now = this.#clock.monotonicMs();
    if (now - this.#lookedAtMs < LOOK_EVERY) return false;
    this.#lookedAtMs = now;
    const stamp = stampOf(this.path);
    if (stamp === this.#stamp) return false;
    this.#stamp = stamp;
    return true;
  }
}

/** Changes when the file does. Follows links, as a rotation by swapping a link needs. */
function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : 'missing';
}
