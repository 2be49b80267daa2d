/**
 * Looks how much of its memory JavaScript has used up. At its limit the process ends without a word in its log; this is the word before that.
 */
import { type DurationMs, SECOND } from '../../core/time.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { Clock } from '../../ports/clock.ts';
import type { HeapState } from '../../ports/status.ts';

const LOOK_EVERY: DurationMs = 10 * SECOND;
/** V8 collects garbage long before: what is in use at this share of the limit is mostly alive. */
const NEARLY_FULL = 0.9;
/** The word is taken back below this share. */
const FREE_AGAIN = 0.75;
const MIB = 2 ** 20;
/** Without a call 40 to 50 MiB are in use (measured with Node.js 24); the rest is for calls, and for garbage between two collections. */
const SMALLEST = 128 * MIB;

export interface HeapUse {
  readonly usedBytes: number;
  readonly limitBytes: number;
}

export interface HeapWatchOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Absent: it cannot be known. */
  readonly use: (() => HeapUse) | undefined;
}

export class HeapWatch {
  readonly #o: HeapWatchOptions;
  #cancel: () => void = () => undefined;
  #isNearlyFull = false;

  constructor(options: HeapWatchOptions) {
    this.#o = options;
  }

  start(): void {
    const { use, log } = this.#o;
    if (!use) return;
    const { limitBytes } = use();
    const hint = 'see operations.md, on memory';
    if (limitBytes < SMALLEST)
      log.warn({ limitMiB: mib(limitBytes), neededMiB: mib(SMALLEST), hint }, 'heap limit is too small');
    this.#next();
  }

  stop(): void {
    this.#cancel();
  }

  get state(): HeapState | undefined {
    const use = this.#o.use?.();
    if (!use) return undefined;
    const { limitBytes } = use;
    if (this.#isNearlyFull)
      return { ...use, trouble: `${percent(use)} % of the heap limit of ${mib(limitBytes)} MiB are in use` };
    if (limitBytes < SMALLEST)
      return { ...use, trouble: `the heap limit is ${mib(limitBytes)} MiB, ${mib(SMALLEST)} are needed` };
    return use;
  }

  #next(): void {
    this.#cancel = this.#o.clock.after(LOOK_EVERY, () => {
      this.#look();
      this.#next();
    });
  }

  #look(): void {
    const { use, log } = this.#o;
    if (!use) return;
    const now = use();
    const share = now.usedBytes / now.limitBytes;
    if (!this.#isNearlyFull && share >= NEARLY_FULL) {
      this.#isNearlyFull = true;
      const hint = 'at the limit the process ends: give it more memory, see operations.md';
      log.warn({ usedMiB: mib(now.usedBytes), limitMiB: mib(now.limitBytes), hint }, 'heap is nearly full');
    } else if (this.#isNearlyFull && share < FREE_AGAIN) {
      this.#isNearlyFull = false;
      log.info({ usedMiB: mib(now.usedBytes), limitMiB: mib(now.limitBytes) }, 'heap has room again');
    }
  }
}

const mib = (bytes: number) => Math.round(bytes / MIB);
const percent = ({ usedBytes, limitBytes }: HeapUse) => Math.round((100 * usedBytes) / limitBytes);
