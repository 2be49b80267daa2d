/**
 * What the store holds, counted now and then in the background: pages and metrics show it with its age. Nobody's request scans
 * a million bindings, and the scan makes a pause after each few records, so that a call never waits for it.
 */
import type { Aor } from '../../core/aor.ts';
import { type AorRecord, type AppKey, appKey, type Binding, isLive } from '../../core/binding.ts';
import { targetList } from '../../core/identity.ts';
import { isNotifiable } from '../../core/schedule.ts';
import { STAGES, type Stage, stageOf } from '../../core/stage.ts';
import { DAY, type DurationMs, earliest, HOUR, type Instant, MINUTE, SECOND } from '../../core/time.ts';
import type { TroubleCause } from '../../core/trouble.ts';
import { recordInWords, wakesSeldom } from '../../core/wake-record.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { BindingStore } from '../../ports/binding-store.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Count, CountedAccount, SeldomWoken, TroubledDevice } from '../../ports/status.ts';

/** Accounts listed by name. About 200 bytes each; any other account is found by its whole name. */
const LISTED = 20_000;
const SELDOM_LISTED = 100;
/** Apps counted apart. Their names come from REGISTERs, so strangers can make them up. */
const APPS_COUNTED = 10_000;
/** A count older than this is taken again when somebody asks for the share of an app. */
const FRESH_FOR: DurationMs = 10 * MINUTE;
const AHEAD: DurationMs = 8 * DAY;
const FIRST_AFTER: DurationMs = 1 * SECOND;
const AT_LEAST_EVERY: DurationMs = 1 * MINUTE;
/** At most a twentieth of the time is spent counting. */
const REST = 20;
/** At full speed, which is all that a small site needs. */
const FIRST_RECORDS = 250;
/** Read and counted in one go from then on, half a millisecond: a call that comes meanwhile waits for it. */
const RECORDS_AT_ONCE = 25;
const PAUSE: DurationMs = 2;
/** The same while a call waits for a phone: what is counted also makes garbage, and V8 collects it in the middle of a call. */
const PAUSE_BESIDE_CALLS: DurationMs = 20;
/** A count that broke off early says less than the one before it. */
const WORTH_TAKING = 0.9;

export interface CensusOptions {
  readonly store: Pick<BindingStore, 'name' | 'scan'>;
  /** What the bindings live by. */
  readonly clock: Clock;
  /** The machine's own time, for the pauses. */
  readonly wire: Clock;
  readonly log: Logger;
  /** How many calls wait for phones now. */
  readonly waiting: () => number;
}

export class Census {
  readonly #o: CensusOptions;
  #last: Count | undefined;
  #cancel: () => void = () => undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  #asked: Promise<void> | undefined;
  #countedMs = 0;
  #boundSince = new Map<AppKey, number>();

  constructor(options: CensusOptions) {
    this.#o = options;
  }

  /** Undefined before the first count. */
  get last(): Count | undefined {
    return this.#last;
  }

  /** A device of this app was bound since the last count began. */
  bound(app: AppKey): void {
    if (this.#boundSince.size < APPS_COUNTED) this.#boundSince.set(app, (this.#boundSince.get(app) ?? 0) + 1);
  }

  /** Live bindings of an app. Counts first where nobody has counted yet; undefined when the store cannot be read. */
  async liveOf(app: AppKey): Promise<number | undefined> {
    if (!this.#last) await this.#now();
    else if (this.#o.wire.monotonicMs() - this.#countedMs > FRESH_FOR) void this.#now();
    return this.#last && (this.#last.byApp.get(app) ?? 0) + (this.#boundSince.get(app) ?? 0);
  }

  /** One count for all who ask while it runs. */
  #now(): Promise<void> {
    this.#asked ??= this.count().finally(() => {
      this.#asked = undefined;
    });
    return this.#asked;
  }

  start(): void {
    this.#next(FIRST_AFTER);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#running;
    await this.#asked;
  }

  /** Counts now. Never rejects: when the store does not answer, the last count stays. */
  async count(): Promise<void> {
    const { clock, wire, store, log } = this.#o;
    const begunMs = wire.monotonicMs();
    const tally = new Tally(clock.now());
    this.#boundSince = new Map();
    let trouble: string | undefined;
    try {
      let beforePause = FIRST_RECORDS;
      for await (const record of store.scan()) {
        if (this.#stopped) return;
        tally.add(record);
        if (--beforePause > 0) continue;
        beforePause = RECORDS_AT_ONCE;
        await this.#pause();
      }
    } catch (error) {
      trouble = error instanceof Error ? error.message : String(error);
      log.debug({ store: store.name, reason: trouble }, 'count is incomplete');
    }
    const counted = tally.result(wire.monotonicMs() - begunMs, trouble);
    if (trouble !== undefined && this.#last && counted.accounts < WORTH_TAKING * this.#last.accounts) return;
    this.#last = counted;
    this.#countedMs = wire.monotonicMs();
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
      const { wire, waiting } = this.#o;
      const cancel = wire.after(waiting() > 0 ? PAUSE_BESIDE_CALLS : PAUSE, done);
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
  readonly #byApp = new Map<AppKey, number>();
  readonly #endsByHour = new Map<number, number>();
  readonly #seldomWoken: SeldomWoken[] = [];
  readonly #list: CountedAccount[] = [];
  #accounts = 0;
  #devices = 0;
  #unnotifiable = 0;
  #endsLater = 0;
  #seldom = 0;
  readonly #troubles: Partial<Record<TroubleCause, number>> = {};
  readonly #troubled: TroubledDevice[] = [];

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
    for (const app of new Set(targetList(b.targets).map(appKey))) {
      const count = this.#byApp.get(app);
      if (count !== undefined || this.#byApp.size < APPS_COUNTED) this.#byApp.set(app, (count ?? 0) + 1);
    }
    if (!isNotifiable(b)) this.#unnotifiable++;
    if (b.endsAt - this.#at < AHEAD) {
      const hour = Math.floor(b.endsAt / HOUR) * HOUR;
      this.#endsByHour.set(hour, (this.#endsByHour.get(hour) ?? 0) + 1);
    } else this.#endsLater++;
    if (b.trouble) {
      const { cause } = b.trouble;
      this.#troubles[cause] = (this.#troubles[cause] ?? 0) + 1;
      if (this.#troubled.length < SELDOM_LISTED) this.#troubled.push({ aor, device: b.id, cause });
    }
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
      byApp: this.#byApp,
      unnotifiable: this.#unnotifiable,
      endsByHour: this.#endsByHour,
      endsLater: this.#endsLater,
      seldom: this.#seldom,
      seldomWoken: this.#seldomWoken,
      troubles: this.#troubles,
      troubled: this.#troubled,
      list: this.#list.sort((a, b) => (a.aor < b.aor ? -1 : 1)),
      ...(trouble === undefined ? {} : { incomplete: trouble }),
    };
  }
}
