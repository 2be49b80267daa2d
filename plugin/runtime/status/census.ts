/**
 * What the store holds, counted now and then in the background: pages and metrics show it with its age. Nobody's request scans
 * a million bindings, and the scan makes a pause after each few records, so that a call never waits for it.
 */
import type { Aor } from '../../core/aor.ts';
import { type AorRecord, type Binding, type BindingId, isLive } from '../../core/binding.ts';
import { isNotifiable } from '../../core/schedule.ts';
import { STAGES, type Stage, stageOf } from '../../core/stage.ts';
import { DAY, type DurationMs, earliest, HOUR, type Instant, MINUTE, SECOND } from '../../core/time.ts';
import { recordInWords, wakesSeldom } from '../../core/wake-record.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { BindingStore } from '../../ports/binding-store.ts';
import type { Clock } from '../../ports/clock.ts';

/** One account, as the list of accounts shows it. */
export interface CountedAccount {
  readonly aor: Aor;
  readonly devices: number;
  /** The furthest stage of its devices. */
  readonly stage: Stage | undefined;
  /** When the first of its devices ends. */
  readonly endsAt: Instant | undefined;
}

export interface SeldomWoken {
  readonly aor: Aor;
  readonly device: BindingId;
  readonly record: string;
}

export interface Count {
  readonly at: Instant;
  readonly tookMs: DurationMs;
  readonly accounts: number;
  readonly devices: number;
  readonly byStage: Readonly<Record<Stage, number>>;
  /** Whose users cannot be told anything: a VoIP token only. */
  readonly unnotifiable: number;
  /** Live bindings that end in the hour that begins at this multiple of an hour; of the coming eight days. */
  readonly endsByHour: ReadonlyMap<number, number>;
  /** Live bindings that end after that. */
  readonly endsLater: number;
  readonly seldom: number;
  /** The first of them. */
  readonly seldomWoken: readonly SeldomWoken[];
  /** Sorted by account; the first of them where there are more than `LISTED`. */
  readonly list: readonly CountedAccount[];
  /** Why it does not hold everything: a damaged record. */
  readonly incomplete?: string;
}

/** Accounts listed by name. About 200 bytes each; any other account is found by its whole name. */
export const LISTED = 20_000;
const SELDOM_LISTED = 100;
const AHEAD: DurationMs = 8 * DAY;
const FIRST_AFTER: DurationMs = 1 * SECOND;
const AT_LEAST_EVERY: DurationMs = 1 * MINUTE;
/** At most a twentieth of the time is spent counting. */
const REST = 20;
const RECORDS_AT_ONCE = 250;
const PAUSE: DurationMs = 20;
/** A count that broke off early says less than the one before it. */
const WORTH_TAKING = 0.9;

export interface CensusOptions {
  readonly store: Pick<BindingStore, 'name' | 'scan'>;
  /** What the bindings live by. */
  readonly clock: Clock;
  /** The machine's own time, for the pauses. */
  readonly wire: Clock;
  readonly log: Logger;
}

export class Census {
  readonly #o: CensusOptions;
  #last: Count | undefined;
  #cancel: () => void = () => undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: CensusOptions) {
    this.#o = options;
  }

  /** Undefined before the first count. */
  get last(): Count | undefined {
    return this.#last;
  }

  start(): void {
    this.#next(FIRST_AFTER);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#running;
  }

  /** Counts now. Never rejects: what the store does not tell stays as it was known. */
  async count(): Promise<void> {
    const { clock, wire, store, log } = this.#o;
    const begunMs = wire.monotonicMs();
    const tally = new Tally(clock.now());
    let trouble: string | undefined;
    try {
      let sincePause = 0;
      for await (const record of store.scan()) {
        if (this.#stopped) return;
        tally.add(record);
        if (++sincePause < RECORDS_AT_ONCE) continue;
        sincePause = 0;
        await this.#pause();
      }
    } catch (error) {
      trouble = error instanceof Error ? error.message : String(error);
      log.debug({ store: store.name, reason: trouble }, 'count is incomplete');
    }
    const counted = tally.result(wire.monotonicMs() - begunMs, trouble);
    if (trouble !== undefined && this.#last && counted.accounts < WORTH_TAKING * this.#last.accounts) return;
    this.#last = counted;
  }

  #next(afterMs: DurationMs): void {
    if (this.#stopped) return;
    this.#cancel = this.#o.wire.after(afterMs, () => {
      const begunMs = this.#o.wire.monotonicMs();
      this.#running = this.count().then(() =>
        this.#next(Math.max(AT_LEAST_EVERY, REST * (this.#o.wire.monotonicMs() - begunMs))),
      );
    });
  }

  #pause(): Promise<void> {
    return new Promise((done) => {
      const cancel = this.#o.wire.after(PAUSE, done);
      this.#cancel = () => {
        cancel();
        done();
      };
    });
  }
}

class Tally {
  readonly #at: Instant;
  readonly #byStage = Object.fromEntries(STAGES.map((s) => [s, 0])) as Record<Stage, number>;
  readonly #endsByHour = new Map<number, number>();
  readonly #seldomWoken: SeldomWoken[] = [];
  readonly #list: CountedAccount[] = [];
  #accounts = 0;
  #devices = 0;
  #unnotifiable = 0;
  #endsLater = 0;
  #seldom = 0;

  constructor(at: Instant) {
    this.#at = at;
  }

  add({ aor, bindings }: AorRecord): void {
    if (bindings.length === 0) return;
    this.#accounts++;
    for (const b of bindings) this.#device(aor, b);
    if (this.#list.length >= LISTED) return;
    const stages = bindings.map(stageOf);
    this.#list.push({
      aor,
      devices: bindings.length,
      stage: (['ending', 'warned', 'refreshing', 'claimed', 'fresh'] as const).find((s) => stages.includes(s)),
      endsAt: earliest(...bindings.map((b) => b.endsAt)),
    });
  }

  #device(aor: Aor, b: Binding): void {
    this.#devices++;
    this.#byStage[stageOf(b)]++;
    if (!isLive(b)) return;
    if (!isNotifiable(b)) this.#unnotifiable++;
    if (b.endsAt - this.#at < AHEAD) {
      const hour = Math.floor(b.endsAt / HOUR) * HOUR;
      this.#endsByHour.set(hour, (this.#endsByHour.get(hour) ?? 0) + 1);
    } else this.#endsLater++;
    if (!wakesSeldom(b)) return;
    this.#seldom++;
    if (this.#seldomWoken.length < SELDOM_LISTED) {
      this.#seldomWoken.push({ aor, device: b.id, record: recordInWords(b.wakes) });
    }
  }

  result(tookMs: DurationMs, trouble: string | undefined): Count {
    return {
      at: this.#at,
      tookMs,
      accounts: this.#accounts,
      devices: this.#devices,
      byStage: this.#byStage,
      unnotifiable: this.#unnotifiable,
      endsByHour: this.#endsByHour,
      endsLater: this.#endsLater,
      seldom: this.#seldom,
      seldomWoken: this.#seldomWoken,
      list: this.#list.sort((a, b) => (a.aor < b.aor ? -1 : 1)),
      ...(trouble === undefined ? {} : { incomplete: trouble }),
    };
  }
}
