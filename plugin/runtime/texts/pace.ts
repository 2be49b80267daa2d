/** How many texts are taken: of one sender, and of all. What is above takes the way it takes without pushwake. */
import { BoundedMap, upTo } from '../../core/bounded-map.ts';

/** A burst, and how many a second after it. */
const OF_SENDER = { burst: 30, perSecond: 1 };
const OF_ALL = { burst: 500, perSecond: 100 };
/** Senders that are counted at once; one that is forgotten begins with a burst again. */
const SENDERS = 10_000;

interface Bucket {
  left: number;
  atMs: number;
}

export class TextPace {
  readonly #monotonicMs: () => number;
  readonly #senders = new BoundedMap<string, Bucket>(upTo(SENDERS));
  readonly #all: Bucket;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
    this.#all = { left: OF_ALL.burst, atMs: monotonicMs() };
  }

  /** Whether one more of this sender may be taken; counts it. */
  admits(sender: string): boolean {
    const nowMs = this.#monotonicMs();
    const bucket = this.#senders.get(sender) ?? { left: OF_SENDER.burst, atMs: nowMs };
    this.#senders.set(sender, bucket);
    refill(bucket, OF_SENDER, nowMs);
    refill(this.#all, OF_ALL, nowMs);
    // A sender that has had his share must not use up that of the others.
    if (bucket.left < 1 || this.#all.left < 1) return false;
    bucket.left--;
    this.#all.left--;
    return true;
  }
}

function refill(bucket: Bucket, { burst, perSecond }: typeof OF_ALL, nowMs: number): void {
  bucket.left = Math.min(burst, bucket.left + (perSecond * (nowMs - bucket.atMs)) / 1_000);
  bucket.atMs = nowMs;
}
