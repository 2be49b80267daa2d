/**
 * How many users of an app may be asked within an hour to open it. A fault that many phones share (the PBX cannot be reached, a
 * service keeps pushes back) is the administrator's to mend, and asking everybody helps nobody.
 */
import type { AppKey } from '../../core/binding.ts';
import { type DurationMs, HOUR } from '../../core/time.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { Clock } from '../../ports/clock.ts';

/** Also of the smallest site. */
const AT_LEAST = 3;
/** Of the living devices of the app. */
const SHARE = 0.01;
const WINDOW: DurationMs = HOUR;

export interface AskBudgetOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly log: Logger;
  /** Living devices of an app, as last counted. */
  readonly liveOf: (app: AppKey) => number;
}

export class AskBudget {
  readonly #o: AskBudgetOptions;
  #asked = new Map<AppKey, number>();
  #beganMs = 0;

  constructor(options: AskBudgetOptions) {
    this.#o = options;
  }

  mayAsk(app: AppKey): boolean {
    const { clock, log, liveOf } = this.#o;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#beganMs >= WINDOW) {
      // The apps of an hour: no more than there are asked users.
      this.#asked = new Map();
      this.#beganMs = nowMs;
    }
    const most = AT_LEAST + Math.floor(liveOf(app) * SHARE);
    const count = (this.#asked.get(app) ?? 0) + 1;
    this.#asked.set(app, count);
    if (count === most + 1) log.warn({ app, most }, 'many devices are troubled, no more users are asked this hour');
    return count <= most;
  }
}
