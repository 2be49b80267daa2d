/**
 * The store of several nodes: Redis 7 or newer, one server or a cluster. Records are read through Keyv; what must be one
 * step (put if the version fits, claim with a lease) are scripts inside Redis. Any error means *unknown*, never *absent*.
 */
import { createHash } from 'node:crypto';
import KeyvRedis from '@keyv/redis';
import { Keyv } from 'keyv';
import type { Aor } from '../../../plugin/core/aor.ts';
import type { AorRecord } from '../../../plugin/core/binding.ts';
import { type DurationMs, type Instant, MINUTE } from '../../../plugin/core/time.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import { type BindingStore, type PutOutcome, StoreError } from '../../../plugin/ports/binding-store.ts';
import type { Peers } from '../../../plugin/ports/peers.ts';
import { recordOfRow, rowOf } from '../row-text.ts';
import { ANSWER_WITHIN, type Client, clientFor, type RedisCommands } from './connection.ts';
import { inspect } from './inspect.ts';
import { type RedisOptions, whereOf } from './options.ts';
import { RedisPeers } from './peers.ts';
import { LEASE, PEEK, PUT, REMOVE, type Script } from './scripts.ts';
import { inWords } from './trouble.ts';

export { check } from './check.ts';
export { optionsSchema } from './options.ts';

/** Fixed for ever: a record's shard is part of its key. 64 lets a cluster of any sensible size share them. */
const SHARDS = 64;
/** A node that dies lets go of what it had claimed after this. Longer than the asks of one claim take. */
const LEASE_MS: DurationMs = 1 * MINUTE;
const SCAN_PAGE = 500;

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
  #keyv: Keyv<AorRecord> | undefined;
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #inspected = false;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(options: RedisOptions, deps: AdapterDeps, internals: Internals) {
    this.#options = options;
    this.#deps = deps;
    this.#leaseMs = internals.leaseMs;
    this.#where = whereOf(options);
  }

  /** Resolves also when Redis is away or refuses us: calls are woken without it, and it is tried again for ever. */
  open(): Promise<void> {
    this.#opening ??= this.#connect().catch((error: unknown) => {
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
    // Without a listener the client's own errors would end the process; each operation tells its own.
    client.on('error', (error: unknown) => {
      last = error;
    });
    const connected: Promise<unknown> = client.connect();
    connected.catch(() => undefined);
    const adapter = new KeyvRedis<AorRecord>(client as ConstructorParameters<typeof KeyvRedis>[0], {
      throwOnErrors: true,
      noNamespaceAffectsAll: true,
    });
    client.on('ready', () => this.#inspect(adapter));
    this.#keyv = new Keyv<AorRecord>({
      store: adapter,
      useKeyPrefix: false,
      // A failure must reach whoever asked; Keyv would otherwise swallow it and answer "absent".
      throwOnErrors: true,
      emitErrors: false,
      serialize: ({ value }) => rowOf(value as AorRecord),
      deserialize: <Value>(text: string) => ({ value: recordOfRow(text) as Value }),
    });
    // Our keys are whole already; both layers would put "keyv" before them.
    this.#keyv.namespace = undefined;
    adapter.namespace = undefined;
    try {
      await this.#within(connected);
    } catch (error) {
      throw new StoreError(inWords(this.#where, last ?? error), { cause: error });
    }
    this.#inspect(adapter);
  }

  /** What a store of record needs of its server, looked at once it is there. Warnings, no refusals: a phone that wakes counts more. */
  #inspect(adapter: KeyvRedis<AorRecord>): void {
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

  async get(aor: Aor): Promise<AorRecord | undefined> {
    const keyv = this.#keyv;
    if (!keyv || this.#closing) throw this.#notOpen();
    return this.#asked(keyv.get(this.#keys(aor).record), `the record of ${aor} cannot be read`);
  }

  async put(record: AorRecord, expectedVersion: number): Promise<PutOutcome> {
    const version = expectedVersion + 1;
    const { record: key, due } = this.#keys(record.aor);
    const row = rowOf({ ...record, version });
    const dueAt = record.dueAt === undefined ? '+inf' : String(record.dueAt);
    const done = await this.#run(PUT, [key, due], [record.aor, String(expectedVersion), row, dueAt]);
    return done === 1 ? { ok: true, version } : { ok: false, reason: 'conflict' };
  }

  async remove(aor: Aor, expectedVersion: number): Promise<PutOutcome> {
    const { record, due, lease } = this.#keys(aor);
    const done = await this.#run(REMOVE, [record, due, lease], [aor, String(expectedVersion)]);
    return done === 1 ? { ok: true, version: 0 } : { ok: false, reason: 'conflict' };
  }

  /**
   * The earliest of all shards, leased to this node for a minute by the clock of Redis. Of a backlog of thousands the order
   * is that of each shard only; nothing waits for it.
   */
  async claimDue(now: Instant, limit: number): Promise<readonly Aor[]> {
    // A little more than its share of each shard: what is looked at and left lying costs Redis as much as what is taken.
    const each = Math.min(limit, Math.max(16, Math.ceil((1.5 * limit) / SHARDS)));
    const pages = await Promise.all(
      this.#shards().map(async (shard) => {
        const found = (await this.#run(PEEK, [shard.due, shard.lease], [String(now), String(each)])) as string[];
        return found.flatMap((aor, i) => (i % 2 === 0 ? [{ aor, dueAt: Number(found[i + 1]), shard }] : []));
      }),
    );
    const earliest = pages
      .flat()
      .sort((a, b) => a.dueAt - b.dueAt || (a.aor < b.aor ? -1 : 1))
      .slice(0, limit);
    const byShard = Map.groupBy(earliest, (e) => e.shard);
    const mine = new Set<string>();
    await Promise.all(
      [...byShard].map(async ([shard, entries]) => {
        const aors = entries.map((e) => e.aor);
        const got = await this.#run(LEASE, [shard.due, shard.lease], [String(now), String(this.#leaseMs), ...aors]);
        for (const aor of got as string[]) mine.add(aor);
      }),
    );
    return earliest.filter((e) => mine.has(e.aor)).map((e) => e.aor as Aor);
  }

  async countDue(from: Instant, to: Instant): Promise<number> {
    const counts = await Promise.all(
      this.#shards().map((shard) => this.#asked(this.#commands().zCount(shard.due, from, `(${to}`))),
    );
    return counts.reduce((a, b) => a + b, 0);
  }

  /** One that cannot be read does not hide the others: they come first, then it is told. Shard by shard, unordered inside. */
  async *scan(): AsyncIterable<AorRecord> {
    let unreadable = 0;
    let first: string | undefined;
    for (const shard of this.#shards()) {
      // ZSCAN may tell a member twice while the set is growing.
      const seen = new Set<string>();
      let cursor = '0';
      do {
        const page = await this.#asked(this.#commands().zScan(shard.due, cursor, { COUNT: SCAN_PAGE }));
        cursor = String(page.cursor);
        const fresh = page.members.map((m) => m.value).filter((aor) => !seen.has(aor));
        for (const aor of fresh) seen.add(aor);
        const records = await Promise.allSettled(fresh.map((aor) => this.get(aor as Aor)));
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

  peers(): Peers {
    return new RedisPeers(this.#options, this.#deps, {
      run: (script, keys, args) => this.#run(script, keys, args),
      commands: () => this.#commands(),
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#doClose();
    return this.#closing;
  }

  async #doClose(): Promise<void> {
    await this.#opening?.catch(() => undefined);
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

  async #asked<T>(work: Promise<T>, what?: string): Promise<T> {
    const bounded = this.#within(work);
    this.#underWay.add(bounded);
    try {
      return await bounded;
    } catch (cause) {
      if (cause instanceof StoreError) throw cause;
      const damaged = cause instanceof Error && cause.name === 'RecordError';
      const words = damaged ? `redis at ${this.#where}: ${cause.message}` : inWords(this.#where, cause);
      throw new StoreError(damaged && what ? `${what}: ${words}` : words, { cause });
    } finally {
      this.#underWay.delete(bounded);
    }
  }

  #within<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#deps.clock.after(ANSWER_WITHIN, () =>
        reject(new Error(`it did not answer within ${ANSWER_WITHIN} ms`)),
      );
      work.then(resolve, reject).finally(cancel);
    });
  }

  #commands(): RedisCommands {
    if (!this.#client || this.#closing) throw this.#notOpen();
    return this.#client as unknown as RedisCommands;
  }

  #notOpen(): StoreError {
    return new StoreError(`redis at ${this.#where} is not open`);
  }

  // ── Keys ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #keys(aor: Aor): { record: string; due: string; lease: string } {
    const shard = this.#shards()[createHash('sha1').update(aor).digest().readUInt8(0) % SHARDS] as Shard;
    return { record: `${shard.tag}r:${aor}`, due: shard.due, lease: shard.lease };
  }

  readonly #allShards: Shard[] = [];
  #shards(): readonly Shard[] {
    if (this.#allShards.length === 0) {
      for (let n = 0; n < SHARDS; n++) {
        const tag = `${this.#options.prefix}:{s${String(n).padStart(2, '0')}}:`;
        this.#allShards.push({ tag, due: `${tag}due`, lease: `${tag}lease` });
      }
    }
    return this.#allShards;
  }
}

interface Shard {
  /** `pushwake:{s07}:`: what stands in braces decides the slot of a cluster. */
  readonly tag: string;
  readonly due: string;
  readonly lease: string;
}
