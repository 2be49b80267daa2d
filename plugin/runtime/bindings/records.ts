/**
 * Where facts meet records: load, decide (`core/lifecycle.ts`), save, and only then hand the effects on. One queue per
 * AOR. A store that cannot answer means *unknown*: the fact is kept and tried again, and calls go on from what was seen
 * last.
 */

import type { Aor } from '../../core/aor.ts';
import { type AorRecord, decodeRecord, emptyRecord, encodeRecord } from '../../core/binding.ts';
import { BoundedMap, upTo } from '../../core/bounded-map.ts';
import type { Effect, LifecycleEvent } from '../../core/events.ts';
import type { PolicyFor } from '../../core/lifecycle.ts';
import { transition } from '../../core/lifecycle.ts';
import { withRemembered } from '../../core/lost-records.ts';
import { type DurationMs, SECOND } from '../../core/time.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { BindingStore } from '../../ports/binding-store.ts';
import { type Clock, TimeUp, within } from '../../ports/clock.ts';
import { atBoundary } from './crash-points.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { LatestWrites } from './latest-writes.ts';

/** Records kept for calls while the store is away. About 2 kB each. */
const REMEMBERED = 5_000;
/** Facts kept while the store is away; beyond it the oldest are lost and the sweep finds them again. */
const KEPT_FACTS = 20_000;
const RETRY_EVERY: DurationMs = 1 * SECOND;
/** A conflict means somebody else wrote: one reload settles it, unless they write all the time. */
const CONFLICTS_MAX = 20;
/** How many different troubles are logged until the store answers again. */
const TROUBLES_TOLD = 20;
/** How many records are written back at a time: a store across a network gathers as many. */
const WRITES_AT_ONCE = 100;
/** A call does not wait longer for a record. */
const READ_WITHIN: DurationMs = 250;

export interface BindingsOptions {
  readonly store: BindingStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly policyFor: (aor: Aor) => PolicyFor;
  /** What the PBXs hold for an AOR, as facts: for a call while the store is away. Never rejects. Default: nothing. */
  readonly shown?: (aor: Aor) => Promise<readonly LifecycleEvent[]>;
  /** `before`: as it was stored until now. */
  readonly onEffects: (aor: Aor, record: AorRecord, effects: readonly Effect[], before: AorRecord) => void;
}

/** A write whose answer was lost, and what it was to save. */
interface Unanswered {
  readonly events: readonly LifecycleEvent[];
  readonly before: AorRecord;
  readonly record: AorRecord;
  readonly effects: readonly Effect[];
}

export class Bindings {
  readonly #o: BindingsOptions;
  readonly #queue = new KeyedQueue<Aor>();
  readonly #remembered = new BoundedMap<Aor, AorRecord>(upTo(REMEMBERED));
  readonly #latest: LatestWrites;
  readonly #kept = new Map<Aor, LifecycleEvent[]>();
  /** Writes whose answer never came: they may be done. Only of AORs with kept facts. */
  readonly #unanswered = new Map<Aor, Unanswered>();
  /** AORs with facts the store did not take at the last try, and what was already said about it. */
  readonly #failing = new Set<Aor>();
  readonly #said = new Set<string>();
  /** The last reading for a call waited in vain. */
  #inDoubt = false;
  #retry: (() => void) | undefined;
  #stopped = false;

  constructor(options: BindingsOptions) {
    this.#o = options;
    const { store, clock } = options;
    this.#latest = new LatestWrites(clock, store.connectionsLost && (() => store.connectionsLost?.() ?? 0));
  }

  /** Applies facts to one AOR's record, in order, as one write. Never rejects; what the store refuses is tried again. */
  async apply(aor: Aor, ...events: readonly LifecycleEvent[]): Promise<void> {
    if (this.#stopped) return;
    await this.#queue.run(aor, async () => {
      if (this.#kept.has(aor)) return this.#keep(aor, events);
      const left = [...events];
      try {
        await this.#applyNow(aor, left);
      } catch (error) {
        this.#keep(aor, left);
        this.#failing.add(aor);
        this.#complain(error);
      }
    });
  }

  /**
   * The same for facts that most often change nothing, of a record that was just read: it is read again only where they do. A sweep that
   * finds everything as it was costs the store one read of each account. Undefined: they change nothing.
   */
  applyTo(read: AorRecord, ...events: readonly LifecycleEvent[]): Promise<void> | undefined {
    const { aor } = read;
    const now = this.#o.clock.now();
    const isNews = events.some((event) => {
      const { changed, effects } = transition(read, event, now, this.#o.policyFor(aor));
      return changed || effects.length > 0;
    });
    if (isNews || this.#kept.has(aor)) return this.apply(aor, ...events);
    if ((this.#remembered.get(aor)?.version ?? 0) <= read.version) this.#remember(aor, read);
    return undefined;
  }

  /** As it was last read or written here. Undefined: not known, or not any more. */
  remembered(aor: Aor): AorRecord | undefined {
    return this.#remembered.get(aor);
  }

  /** For a call: the record as stored, where it is in memory and nobody else writes to the store. Undefined: it must be read. */
  atHand(aor: Aor): AorRecord | undefined {
    return this.#o.store.isOurs && !this.#kept.has(aor) ? this.#remembered.get(aor) : undefined;
  }

  /**
   * For a call: the record as stored; when the store does not answer in time as last seen, or made of what the PBX shows.
   */
  async read(aor: Aor): Promise<AorRecord | undefined> {
    const atHand = this.atHand(aor);
    if (atHand) return atHand;
    const before = this.#remembered.get(aor);
    const isKnown = before !== undefined;
    const fromStore = within(this.#o.clock, READ_WITHIN, this.#o.store.get(aor, { isKnown })).then(
      (stored) => {
        this.#inDoubt = false;
        const record = this.#latest.lostOf(aor, stored) ?? stored;
        // What was written meanwhile is newer.
        if (this.#remembered.get(aor) === before) this.#remember(aor, record);
        return { record };
      },
      (error: unknown) => {
        // A refusal comes at once and costs nobody any time.
        this.#inDoubt = error instanceof TimeUp;
        this.#complain(error);
        return undefined;
      },
    );
    // While it is away only one call waits for it; the next ones go by memory, and their reading shows when it is back.
    const known = this.#inDoubt ? this.#remembered.get(aor) : undefined;
    if (known) return known;
    const answer = await fromStore;
    return answer ? answer.record : (this.#remembered.get(aor) ?? (await this.#fromShown(aor)));
  }

  /** Good enough to wake by; it is never stored, and no effect follows from it. */
  async #fromShown(aor: Aor): Promise<AorRecord | undefined> {
    const facts = await within(this.#o.clock, READ_WITHIN, this.#o.shown?.(aor) ?? Promise.resolve([])).catch(() => []);
    if (facts.length === 0) return undefined;
    const now = this.#o.clock.now();
    return facts.reduce((r, fact) => transition(r, fact, now, this.#o.policyFor(aor)).record, emptyRecord(aor));
  }

  /**
   * Writes what is remembered and no longer stored. Resolves with how many records; rejects when the store does not answer. Another node does
   * the same meanwhile: where it was first, what only we know is added.
   */
  writeBack(): Promise<number> {
    // The versions that the store held are gone with it.
    this.#latest.clear();
    const remembered = [...this.#remembered].filter(([, r]) => r.bindings.length + r.tombstones.length > 0);
    return this.#eachInTurn(remembered, async ([aor, record]) => {
      const { store } = this.#o;
      const first = await store.put(record, 0);
      if (first.ok) return { ...record, version: first.version };
      const stored = await store.get(aor, { calm: true });
      if (!stored) return undefined;
      this.#remember(aor, stored);
      const whole = withRemembered(stored, record);
      return whole && this.#putOver(whole, stored.version);
    });
  }

  /** Writes the changes of the last seconds again that a store which lost its connection does not have. As `writeBack`. */
  writeLatest(): Promise<number> {
    this.#latest.prune();
    const inDoubt = this.#latest.inDoubt().map((aor) => [aor] as const);
    return this.#eachInTurn(inDoubt, async ([aor]) => {
      const { store } = this.#o;
      const stored = await store.get(aor, { calm: true, isKnown: true });
      const lost = this.#latest.lostOf(aor, stored);
      const written = lost && (await this.#putOver(lost, stored?.version ?? 0));
      this.#latest.forget(aor);
      return written;
    });
  }

  /** Undefined: somebody else wrote a moment ago, and that is left as it is. */
  async #putOver(record: AorRecord, version: number): Promise<AorRecord | undefined> {
    const put = await this.#o.store.put(record, version);
    return put.ok ? { ...record, version: put.version } : undefined;
  }

  /** Each in the queue of its account, some at a time. `write` resolves with what it has written, if anything. */
  async #eachInTurn<T extends readonly [Aor, ...unknown[]]>(
    all: readonly T[],
    write: (one: T) => Promise<AorRecord | undefined>,
  ): Promise<number> {
    let written = 0;
    let next = 0;
    const lane = async () => {
      for (let one = all[next++]; one !== undefined; one = all[next++]) {
        const [aor] = one;
        const item = one;
        await this.#queue.run(aor, async () => {
          const record = await write(item);
          if (!record) return;
          written++;
          this.#latest.wrote(record);
          this.#remember(aor, record);
        });
      }
    };
    await Promise.all(Array.from({ length: Math.min(WRITES_AT_ONCE, all.length) }, lane));
    return written;
  }

  /** Facts that the store has not taken yet, by the number of accounts they are about; and what is wrong with it. */
  get unsaved(): { readonly accounts: number; readonly trouble?: string } {
    const [trouble] = this.#said;
    return { accounts: this.#kept.size, ...(trouble === undefined ? {} : { trouble }) };
  }

  get busy(): boolean {
    return this.#queue.size > 0;
  }

  idle(): Promise<void> {
    return this.#queue.idle();
  }

  /** Waits for what is under way. Facts that the store still refuses are lost here; the next resync finds them. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#retry?.();
    await this.#queue.idle();
  }

  /** Takes out of `left` what turns out to be saved. */
  async #applyNow(aor: Aor, left: LifecycleEvent[]): Promise<void> {
    for (let tries = 0; tries < CONFLICTS_MAX; tries++) {
      const isKnown = this.#remembered.get(aor) !== undefined;
      const found = await this.#o.store.get(aor, { calm: true, isKnown });
      const lost = this.#latest.lostOf(aor, found);
      const before = lost ? { ...lost, version: found?.version ?? 0 } : (found ?? emptyRecord(aor));
      atBoundary('record loaded');
      this.#takeOutSaved(aor, before, left);
      const now = this.#o.clock.now();
      let record = before;
      let changed = false;
      const effects: Effect[] = [];
      for (const event of left) {
        const t = transition(record, event, now, this.#o.policyFor(aor));
        record = t.record;
        changed ||= t.changed;
        effects.push(...t.effects);
      }
      if (changed) {
        atBoundary('change decided');
        const isEmpty = record.bindings.length === 0 && record.tombstones.length === 0;
        const saved = { ...record, version: before.version + 1 };
        if (!isEmpty) this.#unanswered.set(aor, { events: [...left], before, record: saved, effects });
        const put = isEmpty
          ? await this.#o.store.remove(aor, before.version)
          : await this.#o.store.put(record, before.version);
        this.#unanswered.delete(aor);
        if (!put.ok) continue;
        record = { ...record, version: put.version };
        if (isEmpty) this.#latest.forget(aor);
        else this.#latest.wrote(record);
        atBoundary('change saved');
      }
      this.#recovered(aor);
      this.#remember(aor, record);
      // Save first, then send: a crash here repeats a push, it never loses one.
      if (effects.length > 0) this.#o.onEffects(aor, record, effects, before);
      return;
    }
    throw new Error(`record of ${aor} changed ${CONFLICTS_MAX} times while it was being decided`);
  }

  /**
   * A write may be done though its answer was lost. Its facts are not decided once more then (one call that nobody came for would count as
   * two), and its effects follow now.
   */
  #takeOutSaved(aor: Aor, now: AorRecord, left: LifecycleEvent[]): void {
    const write = this.#unanswered.get(aor);
    this.#unanswered.delete(aor);
    if (!write || now.version !== write.record.version || stored(now) !== stored(write.record)) return;
    left.splice(0, left.length, ...left.filter((event) => !write.events.includes(event)));
    if (write.effects.length > 0) this.#o.onEffects(aor, now, write.effects, write.before);
  }

  #remember(aor: Aor, record: AorRecord | undefined): AorRecord | undefined {
    if (record) this.#remembered.set(aor, record);
    else this.#remembered.delete(aor);
    return record;
  }

  #keep(aor: Aor, events: readonly LifecycleEvent[]): void {
    const kept = this.#kept.get(aor) ?? [];
    this.#kept.set(aor, [...kept, ...events].slice(-50));
    while (this.#kept.size > KEPT_FACTS) {
      const oldest = this.#kept.keys().next().value;
      if (oldest === undefined) break;
      this.#kept.delete(oldest);
      this.#failing.delete(oldest);
      this.#unanswered.delete(oldest);
    }
    this.#retry ??= this.#o.clock.after(RETRY_EVERY, () => {
      this.#retry = undefined;
      void this.#tryAgain();
    });
  }

  async #tryAgain(): Promise<void> {
    for (const [aor, events] of [...this.#kept]) {
      if (this.#stopped) return;
      this.#kept.delete(aor);
      await this.apply(aor, ...events);
      if (this.#kept.has(aor)) return; // still away: leave the others for the next round
    }
  }

  /** Once per trouble, not once per fact: one damaged record among thousands must not fill the log. */
  #complain(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#said.has(reason) || this.#said.size >= TROUBLES_TOLD) return;
    this.#said.add(reason);
    this.#o.log.error({ store: this.#o.store.name, reason }, 'store does not answer, calls go on from memory');
  }

  #recovered(aor: Aor): void {
    this.#failing.delete(aor);
    if (this.#failing.size > 0 || this.#said.size === 0) return;
    this.#said.clear();
    this.#o.log.info({ store: this.#o.store.name }, 'store answers again');
  }
}

/** A record as text, the same whether it comes from a store or was just made. */
const stored = (record: AorRecord) => encodeRecord(decodeRecord(encodeRecord(record)));
