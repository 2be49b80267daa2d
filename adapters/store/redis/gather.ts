/**
 * What is asked of Redis within a few milliseconds goes there together. A command of its own costs Redis two system calls, and a script
 * its start: more than the work itself. Nothing that somebody waits for comes this way. Knows nothing of Redis.
 */
import type { DurationMs } from '../../../plugin/core/time.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';

interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export interface GatherOptions<Item, Answer> {
  readonly clock: Clock;
  /** How long the first one waits for others. */
  readonly waitMs: DurationMs;
  /** When this many have gathered they go at once. */
  readonly atMost: number;
  /** Answers in the order of the items, an `Error` for one that failed alone. Rejects when all have. */
  readonly send: (items: readonly Item[]) => Promise<readonly (Answer | Error)[]>;
}

export class Gather<Item, Answer> {
  readonly #o: GatherOptions<Item, Answer>;
  #waiting: Waiting<Item, Answer>[] = [];
  #cancel: (() => void) | undefined;

  constructor(options: GatherOptions<Item, Answer>) {
    this.#o = options;
  }

  add(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#waiting.length >= this.#o.atMost) this.flush();
      else this.#cancel ??= this.#o.clock.after(this.#o.waitMs, () => this.flush());
    });
  }

  /** Sends what waits. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const all = this.#waiting;
    this.#waiting = [];
    if (all.length === 0) return;
    this.#o.send(all.map((w) => w.item)).then(
      (answers) => {
        all.forEach(({ resolve, reject }, i) => {
          const answer = answers[i];
          if (answer instanceof Error) reject(answer);
          else resolve(answer as Answer);
        });
      },
      (error: unknown) => {
        for (const { reject } of all) reject(error);
      },
    );
  }
}
