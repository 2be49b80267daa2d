/** Who calls: single callers, queues that ring in rounds, groups of two accounts. */
import { DAY, type DurationMs, SECOND } from '../../plugin/core/time.ts';
import type { Call } from './call.ts';
import type { Chance } from './chance.ts';
import type { World } from './world.ts';

/** One call of an account in this time, on average. */
const A_CALL_EVERY: DurationMs = 3 * DAY;
const ROUNDS = 3;

export class Callers {
  readonly #world: World;
  readonly #chance: Chance;
  #calls = 0;

  constructor(world: World) {
    this.#world = world;
    this.#chance = world.chance.fork('callers');
  }

  start(): void {
    this.#next();
  }

  #next(): void {
    const { time, accounts, o } = this.#world;
    time.after(this.#chance.wait(A_CALL_EVERY / accounts.length / (o.dense ?? 1)), () => {
      this.#call();
      this.#next();
    });
  }

  #call(): void {
    const chance = this.#chance;
    const { accounts } = this.#world;
    const { aor, pbx } = chance.pick(accounts);
    const linkedId = `linked${this.#calls}`;
    const drawn = chance.next();
    if (drawn < 0.1) return this.#round(linkedId, aor, ROUNDS);
    const first = this.#one(aor, linkedId, chance.pick([15, 20, 30, 45]) * SECOND);
    if (drawn > 0.2) return;
    const other = accounts.find((a) => a.pbx === pbx && a.aor !== aor);
    if (!first || !other) return;
    const second = this.#one(other.aor, linkedId, first.o.ringTimeMs);
    if (second) this.#together(first, second);
  }

  /** A queue rings for a while, rests a moment, and rings again. */
  #round(linkedId: string, aor: Call['aor'], left: number): void {
    const call = this.#one(aor, linkedId, 8 * SECOND);
    if (!call || left <= 1) return;
    this.#world.time.after(9 * SECOND, () => {
      if (call.end === 'time up' || call.end === 'refused' || call.end === 'nobody')
        this.#round(linkedId, aor, left - 1);
    });
  }

  /** A group: who answers first has the call. */
  #together(a: Call, b: Call): void {
    const look = () => {
      for (const [one, other] of [
        [a, b],
        [b, a],
      ] as const) {
        if (one.end === 'answered') other.takenElsewhere();
      }
      if (!a.isOver || !b.isOver) this.#world.time.after(20, look);
    };
    look();
  }

  #one(aor: Call['aor'], linkedId: string, ringTimeMs: DurationMs): Call | undefined {
    const pbx = this.#world.pbxOf(aor);
    if (pbx.isDown || pbx.unknown.has(aor)) return undefined;
    const chance = this.#chance;
    const patienceMs = chance.happens(0.3) ? chance.spread(100, 20 * SECOND) : chance.int(10 * SECOND, 60 * SECOND);
    // Somebody who hears it ring elsewhere takes a phone of his own in his hand.
    const own = pbx.phones.get(aor) ?? [];
    if (own.length > 0 && chance.happens(0.1)) {
      const phone = chance.pick(own);
      this.#world.time.after(chance.spread(300, 12 * SECOND), () => phone.open());
    }
    return pbx.call({
      id: `call${this.#calls++}`,
      linkedId,
      aor,
      ringTimeMs,
      patienceMs,
      watcher: this.#world.watcher,
      started: (call) => this.#world.callStarted(call),
    });
  }
}
