/**
 * Pushes of a binding that are under way: they are not tried again once what they say is no longer true. A service that is out keeps
 * them waiting for hours, and a user who opens the app meanwhile must not read that it has expired. A first attempt is never cut off.
 */
import type { Aor } from '../../core/aor.ts';
import type { AorRecord, Binding, BindingId, Target } from '../../core/binding.ts';
import type { Report } from '../../core/events.ts';
import { type DurationMs, MINUTE } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';

/** After these a push that was begun before has nothing true to say. */
const NEWS: ReadonlySet<Report> = new Set(['renewed', 'revived', 'token-changed', 'merged', 'ending', 'ended']);
/** How often the record is read again while a push is under way, in ms: another node may have changed it. */
const LOOK_EVERY: DurationMs = 1 * MINUTE;

/** What a push says. While one of the same words is under way for a binding none is begun beside it; one of other words takes its place. */
export interface Saying {
  readonly of: string;
  readonly words: string;
}

export class UnderWay {
  readonly #clock: Clock;
  readonly #read: (aor: Aor) => Promise<AorRecord | undefined>;
  readonly #pushes = new Map<string, Set<Retried>>();

  /** `read` never rejects; undefined says nothing. */
  constructor(clock: Clock, read: (aor: Aor) => Promise<AorRecord | undefined>) {
    this.#clock = clock;
    this.#read = read;
  }

  /**
   * Does the work with a signal that fires when another attempt is no longer wanted; the work calls `onDelay` when its first attempt has
   * failed. `binding`: as it was saved when this push was asked for. `saying` undefined: as often as asked for. Answers undefined where the
   * same is under way already.
   */
  async run<T>(
    aor: Aor,
    binding: Binding,
    saying: Saying | undefined,
    work: (signal: AbortSignal, onDelay: () => void) => Promise<T>,
  ): Promise<T | undefined> {
    const key = keyOf(aor, binding.id);
    const same = this.#pushes.get(key) ?? new Set();
    const before = [...same].filter((p) => saying !== undefined && p.saying?.of === saying.of && p.isWanted);
    if (before.some((p) => p.saying?.words === saying?.words)) return undefined;
    for (const older of before) older.unwanted();
    const push = new Retried(saying);
    this.#pushes.set(key, same.add(push));
    let cancel = () => {};
    const lookAgain = () => {
      cancel = this.#clock.after(LOOK_EVERY, () => {
        void this.#look(aor, binding, push).then(() => {
          if (same.has(push) && push.isWanted) lookAgain();
        });
      });
    };
    lookAgain();
    try {
      return await work(push.signal, () => push.delayed());
    } finally {
      cancel();
      same.delete(push);
      if (same.size === 0) this.#pushes.delete(key);
    }
  }

  /** Something happened to the binding. */
  heard(aor: Aor, bindingId: BindingId, what: Report): void {
    if (!NEWS.has(what)) return;
    for (const push of [...(this.#pushes.get(keyOf(aor, bindingId)) ?? [])]) push.unwanted();
  }

  async #look(aor: Aor, begun: Binding, push: Retried): Promise<void> {
    const record = await this.#read(aor);
    // Without a version it was made of what the PBX shows, since the store does not answer.
    if (!record || record.version === 0) return;
    const now = record.bindings.find((b) => b.id === begun.id);
    const isSameLife =
      now !== undefined &&
      now.renewedAt === begun.renewedAt &&
      isSameTarget(now.targets.other, begun.targets.other) &&
      (now.ending === undefined) === (begun.ending === undefined);
    if (!isSameLife) push.unwanted();
  }
}

/** Where everything but calls is pushed to. */
const isSameTarget = (a: Target | undefined, b: Target | undefined) => (a ? a.token.equals(b?.token) : b === undefined);

const keyOf = (aor: Aor, id: BindingId) => `${aor} ${id}`;

/** A push whose first attempt has failed can be given up. */
class Retried {
  readonly saying: Saying | undefined;
  readonly #trying = new AbortController();
  #isDelayed = false;
  isWanted = true;

  constructor(saying: Saying | undefined) {
    this.saying = saying;
  }

  get signal(): AbortSignal {
    return this.#trying.signal;
  }

  delayed(): void {
    this.#isDelayed = true;
    if (!this.isWanted) this.#trying.abort();
  }

  unwanted(): void {
    this.isWanted = false;
    if (this.#isDelayed) this.#trying.abort();
  }
}
