/**
 * The store of the site: one, whatever happens to its nodes. `sqlite`: in the process of its only node, so that what was not written dies
 * with it. `redis`: across a network, shared, with leases; a failover may forget the last second.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Aor } from '../../plugin/core/aor.ts';
import { type AorRecord, decodeRecord, encodeRecord } from '../../plugin/core/binding.ts';
import type { DurationMs, Instant } from '../../plugin/core/time.ts';
import { type BindingStore, type PutOutcome, StoreError } from '../../plugin/ports/binding-store.ts';
import type { Chance } from './chance.ts';
import type { NodeClock, WorldTime } from './time.ts';

/** What is wrong with it now. */
export interface StoreTrouble {
  /** Every operation takes this much longer, in ms. */
  slowMs: DurationMs;
  refuses: boolean;
  hangs: boolean;
  /** A write is done, and its answer is lost. */
  losesAnswers: boolean;
}

/** A write that was done. */
export interface Commit {
  readonly aor: Aor;
  readonly before: AorRecord | undefined;
  readonly after: AorRecord | undefined;
}

interface Written {
  readonly atMs: number;
  readonly aor: Aor;
  readonly before: AorRecord | undefined;
}

/** What a failover may forget, in ms. */
const FORGOTTEN: DurationMs = 1_000;
/** A claimed account is left to its node for this long, in ms. */
const LEASE: DurationMs = 60_000;
/** A store that hangs is given up by its adapter after this, in ms. */
const DEADLINE: DurationMs = 5_000;
/** One record of so many is written to text and read back. */
const ROUND_TRIP_EVERY = 64;

export class WorldStore {
  readonly kind: 'sqlite' | 'redis';
  readonly trouble: StoreTrouble = { slowMs: 0, refuses: false, hangs: false, losesAnswers: false };
  readonly time: WorldTime;
  readonly chance: Chance;
  onCommit: (commit: Commit) => void = () => undefined;
  readonly #records = new Map<Aor, AorRecord>();
  readonly #leases = new Map<Aor, number>();
  #lately: Written[] = [];
  #commits = 0;
  /** Nothing is due before then; undefined: to be looked for. The ticker asks each minute, and seldom is anything due. */
  #firstDueAt: number | undefined;

  constructor(kind: 'sqlite' | 'redis', time: WorldTime, chance: Chance) {
    this.kind = kind;
    this.time = time;
    this.chance = chance;
  }

  record(aor: Aor): AorRecord | undefined {
    return this.#records.get(aor);
  }

  get all(): readonly AorRecord[] {
    return [...this.#records.values()];
  }

  write(aor: Aor, after: AorRecord | undefined): void {
    const before = this.#records.get(aor);
    if (
      after &&
      this.#commits++ % ROUND_TRIP_EVERY === 0 &&
      !isDeepStrictEqual(decodeRecord(encodeRecord(after)), after)
    )
      throw new Error(`the record of ${aor} does not survive the disk`);
    if (after) this.#records.set(aor, after);
    else this.#records.delete(aor);
    this.#firstDueAt = undefined;
    this.#leases.delete(aor);
    if (this.kind === 'redis') {
      const atMs = this.time.nowMs;
      if ((this.#lately[0]?.atMs ?? atMs) < atMs - FORGOTTEN)
        this.#lately = this.#lately.filter((w) => w.atMs >= atMs - FORGOTTEN);
      this.#lately.push({ atMs, aor, before });
    }
    this.onCommit({ aor, before, after });
  }

  /** A replica takes over that has not got the last second. Answers how many records went back. */
  failover(): number {
    const lost = this.#lately.filter((w) => w.atMs >= this.time.nowMs - FORGOTTEN).reverse();
    for (const { aor, before } of lost) {
      const now = this.#records.get(aor);
      if (before) this.#records.set(aor, before);
      else this.#records.delete(aor);
      this.onCommit({ aor, before: now, after: before });
    }
    this.#lately = [];
    this.#firstDueAt = undefined;
    this.#leases.clear();
    return lost.length;
  }

  due(now: Instant, limit: number): Aor[] {
    if (this.#firstDueAt === undefined) {
      this.#firstDueAt = Number.POSITIVE_INFINITY;
      for (const { dueAt } of this.#records.values())
        if (dueAt !== undefined && dueAt < this.#firstDueAt) this.#firstDueAt = dueAt;
    }
    if (now < this.#firstDueAt) return [];
    const found: AorRecord[] = [];
    for (const record of this.#records.values()) {
      if (record.dueAt === undefined || record.dueAt > now) continue;
      if (this.kind === 'redis' && (this.#leases.get(record.aor) ?? 0) > this.time.nowMs) continue;
      found.push(record);
    }
    found.sort((a, b) => (a.dueAt ?? 0) - (b.dueAt ?? 0));
    const claimed = found.slice(0, limit).map((r) => r.aor);
    if (this.kind === 'redis') for (const aor of claimed) this.#leases.set(aor, this.time.nowMs + LEASE);
    return claimed;
  }

  countDue(from: Instant, to: Instant): number {
    let count = 0;
    for (const { dueAt } of this.#records.values()) if (dueAt !== undefined && dueAt >= from && dueAt < to) count++;
    return count;
  }
}

/** The store as one life of a node sees it. */
export class StoreHandle implements BindingStore {
  readonly name: string;
  readonly isOurs: boolean;
  readonly #store: WorldStore;
  readonly #clock: NodeClock;

  constructor(store: WorldStore, clock: NodeClock) {
    this.name = store.kind;
    this.isOurs = store.kind === 'sqlite';
    this.#store = store;
    this.#clock = clock;
  }

  async open(): Promise<void> {}
  async openForReading(): Promise<void> {}
  async close(): Promise<void> {}

  get(aor: Aor): Promise<AorRecord | undefined> {
    return this.#ask(() => this.#store.record(aor));
  }

  put(record: AorRecord, expectedVersion: number): Promise<PutOutcome> {
    return this.#write(() => {
      if ((this.#store.record(record.aor)?.version ?? 0) !== expectedVersion) return { ok: false, reason: 'conflict' };
      this.#store.write(record.aor, { ...record, version: expectedVersion + 1 });
      return { ok: true, version: expectedVersion + 1 };
    });
  }

  remove(aor: Aor, expectedVersion: number): Promise<PutOutcome> {
    return this.#write(() => {
      const known = this.#store.record(aor);
      if (known && known.version !== expectedVersion) return { ok: false, reason: 'conflict' };
      if (known) this.#store.write(aor, undefined);
      return { ok: true, version: 0 };
    });
  }

  claimDue(now: Instant, limit: number): Promise<readonly Aor[]> {
    return this.#ask(() => this.#store.due(now, limit));
  }

  async *scan(): AsyncIterable<AorRecord> {
    const all = await this.#ask(() => this.#store.all);
    for (const record of all) yield record;
  }

  countDue(from: Instant, to: Instant): Promise<number> {
    return this.#ask(() => this.#store.countDue(from, to));
  }

  #write(work: () => PutOutcome): Promise<PutOutcome> {
    return this.#ask(work, this.#store.trouble.losesAnswers);
  }

  /** A dead node hears no answer; what it sent to a server across the network may be done all the same. */
  #ask<T>(work: () => T, losesAnswer = false): Promise<T> {
    const { trouble, chance, kind } = this.#store;
    if (this.#clock.isDead) return new Promise(() => undefined);
    // The adapters have a deadline of their own for each operation.
    if (trouble.hangs) {
      return new Promise((_, reject) => {
        this.#clock.after(DEADLINE, () => reject(new StoreError('no answer in time')));
      });
    }
    if (trouble.refuses) return Promise.reject(new StoreError('the store is away'));
    const delayMs = trouble.slowMs + (kind === 'redis' ? chance.int(0, 1) : 0);
    const answer = (resolve: (value: T) => void, reject: (error: unknown) => void) => {
      const value = work();
      if (losesAnswer) reject(new StoreError('connection lost'));
      else resolve(value);
    };
    if (delayMs === 0) return new Promise(answer);
    return new Promise((resolve, reject) => {
      this.#store.time.after(delayMs, () => {
        if (this.#clock.isDead && (kind === 'sqlite' || chance.happens(0.5))) return;
        let done: (() => void) | undefined;
        answer(
          (value) => {
            done = () => resolve(value);
          },
          (error) => {
            done = () => reject(error);
          },
        );
        this.#clock.deliver(() => done?.());
      });
    });
  }
}
