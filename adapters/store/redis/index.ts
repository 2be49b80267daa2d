/**
 * The store of several nodes: Redis 7 or newer, one server or a cluster. Records are read through Keyv; what must be one
 * step (put if the version fits, claim with a lease) are scripts inside Redis. Any error means *unknown*, never *absent*.
 */
import { hash } from 'node:crypto';
import KeyvRedis from '@keyv/redis';
import { Keyv } from 'keyv';
import type { Aor } from '../../../plugin/core/aor.ts';
import type { AorRecord } from '../../../plugin/core/binding.ts';
import { type DurationMs, type Instant, MINUTE, plus } from '../../../plugin/core/time.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import { type BindingStore, type PutOutcome, type ReadHow, StoreError } from '../../../plugin/ports/binding-store.ts';
import { within } from '../../../plugin/ports/clock.ts';
import type { Peers } from '../../../plugin/ports/peers.ts';
import type { TextStore } from '../../../plugin/ports/text-store.ts';
import { recordOfRow, rowOf } from '../row-text.ts';
import { ANSWER_WITHIN, type Client, clientFor, type RedisCommands } from './connection.ts';
import { Gather } from './gather.ts';
import { inspect } from './inspect.ts';
import { Marker } from './marker.ts';
import { type RedisOptions, whereOf } from './options.ts';
import { RedisPeers } from './peers.ts';
import { LEASE, PEEK, PUT, REMOVE, type Script } from './scripts.ts';
import { RedisTexts } from './texts.ts';
import { inWords } from './trouble.ts';
import { type Put, type PutAnswer, WatchedPuts } from './watched-puts.ts';

export { check } from './check.ts';
export { optionsSchema } from './options.ts';

/** Fixed for ever: a record's shard is part of its key. 64 lets a cluster of any sensible size share them. */
const SHARDS = 64;
/** What a node that died had claimed is due again after this, by the clock of the node that claims. Longer than the asks of one claim take. */
const LEASE_MS: DurationMs = 1 * MINUTE;
const SCAN_PAGE = 500;
/** What a look writes is gone after this (ms). */
const ALIVE_FOR: DurationMs = 1 * MINUTE;
/** Between a shard's tag and the AOR in the key of a record. */
const RECORD = 'r:';
/** Reads and writes that no call waits for are gathered for this long (ms), and at most this many go together: Redis does nothing else meanwhile. */
const GATHER: DurationMs = 10;
const GATHER_AT_MOST = 100;
/** From so many on, records are written by a transaction: of fewer the script costs Redis less, since it is one command (measured: even at 10). */
const BY_TRANSACTION_FROM = 16;

/** What tests replace. */
export interface Internals {
  readonly leaseMs: DurationMs;
}

export function create(options: RedisOptions, deps: AdapterDeps, internals: Partial<Internals> = {}): BindingStore {
  return new RedisStore(options, deps, { leaseMs: LEASE_MS, ...internals });
}

class RedisStore implements BindingStore {
  readonly name = 'redis';
  readonly #options: RedisOptions;
  readonly #deps: AdapterDeps;
  readonly #where: string;
  readonly #leaseMs: DurationMs;
  #client: Client | undefined;
  /** Rows as they are stored: one that cannot be read must not spoil the others that come with it. */
  #keyv: Keyv<string> | undefined;
  readonly #reads: Gather<ReadItem, string | undefined>;
  readonly #puts: Gather<PutItem, number>;
  readonly #watchedPuts: WatchedPuts;
  /** One of all; in a cluster, where a server may be lost for itself, one of each shard. */
  readonly #markers: readonly Marker[];
  #connectionsLost = 0;
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #inspected = false;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(options: RedisOptions, deps: AdapterDeps, internals: Internals) {
    this.#options = options;
    this.#deps = deps;
    this.#leaseMs = internals.leaseMs;
    this.#where = whereOf(options);
    const gather = { clock: deps.clock, waitMs: GATHER, atMost: GATHER_AT_MOST };
    this.#markers = this.#looked().map(({ tag }) => {
      const key = `${tag}marker`;
      return new Marker({
        clock: deps.clock,
        read: async () => (await this.#asked(this.#commands().get(key))) ?? undefined,
        write: async (value) => void (await this.#asked(this.#commands().set(key, value, { NX: true }))),
      });
    });
    this.#reads = new Gather({ ...gather, send: (items) => this.#inGroups(items, (some) => this.#readMany(some)) });
    this.#watchedPuts = new WatchedPuts(deps.clock, () => this.#commands());
    this.#puts = new Gather({ ...gather, send: (items) => this.#inGroups(items, (some) => this.#putMany(some)) });
  }

  /** Resolves also when Redis is away or refuses us: calls are woken without it, and it is tried again for ever. */
  open(): Promise<void> {
    this.#opening ??= this.#connect()
      .then(() => this.acceptEmptied())
      .catch((error: unknown) => {
        if (this.#closing) return;
        this.#deps.log.error({ store: this.name, reason: String(error) }, 'store is away, calls go on without it');
      });
    return this.#opening;
  }

  async openForReading(): Promise<void> {
    this.#opening ??= this.#connect();
    await this.#opening;
  }

  async #connect(): Promise<void> {
    if (this.#closing) throw new StoreError(`redis at ${this.#where} was closed`);
    const client = clientFor(this.#options);
    this.#client = client;
    let last: unknown;
    // Without a listener the client's own errors would end the process; each operation reports its own.
    client.on('error', (error: unknown) => {
      last = error;
    });
    const connected: Promise<unknown> = client.connect();
    connected.catch(() => undefined);
    const adapter = new KeyvRedis<string>(client as ConstructorParameters<typeof KeyvRedis>[0], {
      throwOnErrors: true,
      noNamespaceAffectsAll: true,
    });
    client.on('ready', () => this.#inspect(adapter));
    // Of one server, and of each of a cluster.
    for (const event of ['reconnecting', 'node-reconnecting']) client.on(event, () => void this.#connectionsLost++);
    this.#keyv = new Keyv<string>({
      store: adapter,
      useKeyPrefix: false,
      // A failure must reach the caller; Keyv would otherwise swallow it and answer "absent".
      throwOnErrors: true,
      emitErrors: false,
      serialize: ({ value }) => value as string,
      deserialize: <Value>(text: string) => ({ value: text as Value }),
    });
    // Our keys are whole already; both layers would put "keyv" before them.
    this.#keyv.namespace = undefined;
    adapter.namespace = undefined;
    try {
      await within(this.#deps.clock, ANSWER_WITHIN, connected);
    } catch (error) {
      throw new StoreError(inWords(this.#where, last ?? error), { cause: error });
    }
    this.#inspect(adapter);
  }

  /** What a store of record needs of its server, looked at once it is there. Warnings, no refusals: a phone that wakes counts more. */
  #inspect(adapter: KeyvRedis<string>): void {
    if (this.#inspected) return;
    this.#inspected = true;
    inspect(adapter).then(
      (warnings) => {
        for (const warning of warnings) this.#deps.log.warn({ store: this.name, ...warning }, 'redis is set up badly');
      },
      () => {
        this.#inspected = false;
      },
    );
  }

  async get(aor: Aor, how: ReadHow = {}): Promise<AorRecord | undefined> {
    const keyv = this.#keyv;
    if (!keyv || this.#closing) throw this.#notOpen();
    const { record: key, shard } = this.#keys(aor);
    const row = await (how.calm ? this.#reads.add({ key, shard }) : this.#asked(keyv.get(key)));
    if (row === undefined) {
      if (await this.#markerOf(shard).wasEmptied(!how.isKnown))
        throw new StoreError(`redis at ${this.#where} came back empty`);
      return undefined;
    }
    try {
      return recordOfRow(row);
    } catch (cause) {
      const said = cause instanceof Error ? cause.message : String(cause);
      throw new StoreError(`the record of ${aor} cannot be read: redis at ${this.#where}: ${said}`, { cause });
    }
  }

  async put(record: AorRecord, expectedVersion: number): Promise<PutOutcome> {
    this.#commands();
    const version = expectedVersion + 1;
    const { record: key, shard } = this.#keys(record.aor);
    const row = rowOf({ ...record, version });
    const dueAt = record.dueAt === undefined ? '+inf' : String(record.dueAt);
    // A row begins with its version and a comma.
    const head = expectedVersion === 0 ? '' : `${expectedVersion},`;
    const done = await this.#puts.add({ shard, key, aor: record.aor, head, row, due: shard.due, dueAt });
    return done === 1 ? { ok: true, version } : { ok: false, reason: 'conflict' };
  }

  async #readMany(items: readonly ReadItem[]): Promise<(string | undefined)[]> {
    const keyv = this.#keyv;
    if (!keyv) throw this.#notOpen();
    return this.#asked(keyv.getMany(items.map(({ key }) => key)));
  }

  async #putMany(items: readonly PutItem[]): Promise<readonly PutAnswer[]> {
    const answers =
      // What is watched belongs to one connection; in a cluster a group has a server, and its script few records.
      this.#options.cluster || items.length < BY_TRANSACTION_FROM
        ? undefined
        : await this.#asked(this.#watchedPuts.put(items));
    return (answers ?? (await this.#putByScript(items))).map((a) =>
      a instanceof Error ? new StoreError(inWords(this.#where, a)) : a,
    );
  }

  async #putByScript(items: readonly PutItem[]): Promise<readonly PutAnswer[]> {
    const records = items.map(({ key }) => key);
    const dues = [...new Set(items.map(({ due }) => due))];
    const numberOf = new Map(dues.map((due, i) => [due, String(records.length + i + 1)]));
    const args = items.flatMap(({ head, row, dueAt, due }) => {
      return [head, String(Math.max(0, head.length - 1)), row, dueAt, numberOf.get(due) as string];
    });
    // Lua counts from 1; all shards' tags are of one length.
    const aorFrom = String((items[0] as PutItem).shard.tag.length + RECORD.length + 1);
    const done = await this.#run(PUT, [...records, ...dues], [aorFrom, String(items.length), ...args]);
    return (done as (number | string)[]).map((d) => (typeof d === 'string' ? new Error(d) : d));
  }

  /** Groups that Redis takes at once: everything, or what lies in one shard where it is a cluster. */
  #together<Item>(items: readonly Item[], shardOf: (item: Item) => Shard): Item[][] {
    if (items.length === 0) return [];
    return this.#options.cluster ? [...Map.groupBy(items, shardOf).values()] : [[...items]];
  }

  async #inGroups<Item extends { readonly shard: Shard }, Answer>(
    items: readonly Item[],
    send: (items: readonly Item[]) => Promise<readonly (Answer | Error)[]>,
  ): Promise<readonly (Answer | Error)[]> {
    const answers = new Map<Item, Answer | Error>();
    await Promise.all(
      this.#together(items, ({ shard }) => shard).map(async (group) => {
        const theirs = await send(group).catch((error: Error) => group.map(() => error));
        group.forEach((item, i) => void answers.set(item, theirs[i] as Answer | Error));
      }),
    );
    return items.map((item) => answers.get(item) as Answer | Error);
  }

  async remove(aor: Aor, expectedVersion: number): Promise<PutOutcome> {
    const { record, due } = this.#keys(aor);
    const done = await this.#run(REMOVE, [record, due], [aor, String(expectedVersion)]);
    return done === 1 ? { ok: true, version: 0 } : { ok: false, reason: 'conflict' };
  }

  /**
   * The earliest of all shards, this node's for a minute. Of a backlog of thousands the order is that of each shard only;
   * nothing waits for it.
   */
  async claimDue(now: Instant, limit: number): Promise<readonly Aor[]> {
    const mine: Due[] = [];
    // Somebody else may be faster: then what is left is looked at again, or all but one would wait for a minute.
    while (mine.length < limit) {
      const earliest = await this.#peek(now, limit - mine.length);
      if (earliest.length === 0) break;
      mine.push(...(await this.#lease(now, earliest)));
    }
    return mine.sort(earlierFirst).map(({ aor }) => aor as Aor);
  }

  async #peek(now: Instant, limit: number): Promise<readonly Due[]> {
    // A little more than its share of each shard: what is looked at and left lying costs Redis as much as what is taken.
    const each = Math.min(limit, Math.max(16, Math.ceil((1.5 * limit) / SHARDS)));
    const pages = await Promise.all(
      this.#together(this.#shards(), (shard) => shard).map(async (shards) => {
        const keys = shards.map(({ due }) => due);
        const found = (await this.#run(PEEK, keys, [String(now), String(each)])) as string[];
        return Array.from({ length: found.length / 3 }, (_, i) => ({
          shard: shards[Number(found[3 * i]) - 1] as Shard,
          aor: found[3 * i + 1] as string,
          dueAt: Number(found[3 * i + 2]),
        }));
      }),
    );
    return pages.flat().sort(earlierFirst).slice(0, limit);
  }

  async #lease(now: Instant, wanted: readonly Due[]): Promise<readonly Due[]> {
    const groups = this.#together([...Map.groupBy(wanted, ({ shard }) => shard)], ([shard]) => shard);
    const got = await Promise.all(
      groups.map(async (shards) => {
        const keys = shards.map(([{ due }]) => due);
        const all = shards.flatMap(([, dues]) => dues);
        const args = shards.flatMap(([, dues]) => [String(dues.length), ...dues.map(({ aor }) => aor)]);
        const done = (await this.#run(LEASE, keys, [
          String(now),
          String(plus(now, this.#leaseMs)),
          ...args,
        ])) as number[];
        return all.filter((_, i) => done[i] === 1);
      }),
    );
    return got.flat();
  }

  async countDue(from: Instant, to: Instant): Promise<number> {
    const counts = await Promise.all(
      this.#shards().map((shard) => this.#asked(this.#commands().zCount(shard.due, from, `(${to}`))),
    );
    return counts.reduce((a, b) => a + b, 0);
  }

  /** One that cannot be read does not hide the others: they come first, then the error. Shard by shard, unordered inside. */
  async *scan(): AsyncIterable<AorRecord> {
    let unreadable = 0;
    let first: string | undefined;
    for (const shard of this.#shards()) {
      // ZSCAN may return a member twice while the set is growing.
      const seen = new Set<string>();
      let cursor = '0';
      do {
        const page = await this.#asked(this.#commands().zScan(shard.due, cursor, { COUNT: SCAN_PAGE }));
        cursor = String(page.cursor);
        const fresh = page.members.map((m) => m.value).filter((aor) => !seen.has(aor));
        for (const aor of fresh) seen.add(aor);
        const records = await Promise.allSettled(fresh.map((aor) => this.get(aor as Aor, { calm: true })));
        for (const r of records) {
          if (r.status === 'fulfilled') {
            if (r.value) yield r.value;
          } else {
            unreadable++;
            first ??= r.reason instanceof Error ? r.reason.message : String(r.reason);
          }
        }
      } while (cursor !== '0');
    }
    if (unreadable > 0) throw new StoreError(`${unreadable} records could not be read; the first: ${first}`);
  }

  async wasEmptied(): Promise<boolean> {
    const commands = this.#commands();
    // A server that is full or a replica answers every question and takes nothing: only a write shows it.
    const writes = this.#looked().map(({ tag }) => this.#asked(commands.set(`${tag}alive`, '1', { PX: ALIVE_FOR })));
    const looks = this.#markers.map((marker) => marker.wasEmptied());
    const [answers] = await Promise.all([Promise.all(looks), Promise.all(writes)]);
    return answers.some(Boolean);
  }

  async acceptEmptied(): Promise<void> {
    await Promise.all(this.#markers.map((marker) => marker.accept()));
  }

  connectionsLost(): number {
    return this.#connectionsLost;
  }

  peers(): Peers {
    return new RedisPeers(this.#options, this.#deps, {
      run: (script, keys, args) => this.#run(script, keys, args),
      commands: () => this.#commands(),
    });
  }

  #texts: RedisTexts | undefined;
  texts(): TextStore {
    this.#texts ??= new RedisTexts({
      run: (script, keys, args) => this.#run(script, keys, args),
      tagOf: (aor) => this.#keys(aor).shard.tag,
      tags: () => this.#shards().map(({ tag }) => tag),
    });
    return this.#texts;
  }

  close(): Promise<void> {
    this.#closing ??= this.#doClose();
    return this.#closing;
  }

  async #doClose(): Promise<void> {
    await this.#opening?.catch(() => undefined);
    this.#reads.flush();
    this.#puts.flush();
    await Promise.allSettled(this.#underWay);
    this.#client?.destroy();
  }

  // ── Asking ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #run(script: Script, keys: string[], args: string[]): Promise<unknown> {
    const commands = this.#commands();
    const options = { keys, arguments: args };
    return this.#asked(
      commands.evalSha(script.sha, options).catch((error: unknown) => {
        // A restarted Redis knows no script any more.
        if (error instanceof Error && error.message.startsWith('NOSCRIPT')) return commands.eval(script.text, options);
        throw error;
      }),
    );
  }

  async #asked<T>(work: Promise<T>): Promise<T> {
    const bounded = within(this.#deps.clock, ANSWER_WITHIN, work);
    this.#underWay.add(bounded);
    try {
      return await bounded;
    } catch (cause) {
      if (cause instanceof StoreError) throw cause;
      throw new StoreError(inWords(this.#where, cause), { cause });
    } finally {
      this.#underWay.delete(bounded);
    }
  }

  #commands(): RedisCommands {
    if (!this.#client || this.#closing) throw this.#notOpen();
    return this.#client as unknown as RedisCommands;
  }

  #notOpen(): StoreError {
    return new StoreError(`redis at ${this.#where} is not open`);
  }

  // ── Keys ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #keys(aor: Aor): { record: string; due: string; shard: Shard } {
    const shard = this.#shards()[hash('sha1', aor, 'buffer').readUInt8(0) % SHARDS] as Shard;
    return { record: `${shard.tag}${RECORD}${aor}`, due: shard.due, shard };
  }

  /** What has a marker. */
  #looked(): readonly Shard[] {
    return this.#options.cluster ? this.#shards() : this.#shards().slice(0, 1);
  }

  #markerOf(shard: Shard): Marker {
    return this.#markers[this.#options.cluster ? shard.no : 0] as Marker;
  }

  readonly #allShards: Shard[] = [];
  #shards(): readonly Shard[] {
    if (this.#allShards.length === 0) {
      for (let n = 0; n < SHARDS; n++) {
        const tag = `${this.#options.prefix}:{s${String(n).padStart(2, '0')}}:`;
        this.#allShards.push({ no: n, tag, due: `${tag}due` });
      }
    }
    return this.#allShards;
  }
}

interface Due {
  readonly shard: Shard;
  readonly aor: string;
  readonly dueAt: number;
}

const earlierFirst = (a: Due, b: Due) => a.dueAt - b.dueAt || (a.aor < b.aor ? -1 : 1);

interface ReadItem {
  readonly shard: Shard;
  readonly key: string;
}

interface PutItem extends Put {
  readonly shard: Shard;
}

interface Shard {
  readonly no: number;
  /** `pushwake:{s07}:`: what stands in braces decides the slot of a cluster. */
  readonly tag: string;
  readonly due: string;
}
