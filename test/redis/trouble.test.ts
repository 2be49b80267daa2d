import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../adapters/store/redis/index.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { type BindingStore, StoreError } from '../../plugin/ports/binding-store.ts';
import { Bindings } from '../../plugin/runtime/bindings/records.ts';
import { aorNo, NOW, recordOf } from '../contract/binding-store.records.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { type RedisOptions, RedisServer } from '../support/redis/instance.ts';

const A = aorNo(1);
const ending: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function server(options: RedisOptions = {}): Promise<RedisServer> {
  const started = await RedisServer.start(options);
  ending.push(() => started.stop());
  return started;
}

function storeAt(url: string): { store: BindingStore; log: RecordedLog } {
  const log = new RecordedLog();
  const store = create(optionsSchema.parse({ url }), { clock: systemClock(), log, name: 'redis' });
  ending.push(() => store.close());
  return { store, log };
}

async function opened(redis: RedisServer): Promise<BindingStore> {
  const { store } = storeAt(redis.url);
  await store.open();
  expect(await store.put(recordOf(A, NOW), 0)).toEqual({ ok: true, version: 1 });
  return store;
}

/** Everything one can ask of a store. */
const asks = (store: BindingStore) => [
  store.get(A),
  store.put(recordOf(A), 1),
  store.remove(A, 1),
  store.claimDue(NOW, 10),
  store.countDue(NOW, NOW),
];

async function allRefused(store: BindingStore, words: RegExp): Promise<void> {
  for (const answer of await Promise.allSettled(asks(store))) {
    expect(answer).toMatchObject({ status: 'rejected', reason: expect.any(StoreError) });
    expect(String((answer as PromiseRejectedResult).reason)).toMatch(words);
  }
}

describe('redis in trouble: an error that says what to do, never "absent", never a hang', () => {
  it('killed and started again', async () => {
    const redis = await server();
    const store = await opened(redis);
    await redis.kill();
    await allRefused(store, /connection is down|nothing listens/);
    await redis.restart();
    await vi.waitFor(async () => expect((await store.get(A))?.version).toBe(1), 10_000);
    // Nothing of what failed runs late.
    expect(await store.put(recordOf(A), 1)).toEqual({ ok: true, version: 2 });
  });

  it.each([
    ['flushed', async (redis: RedisServer) => void (await redis.cli('flushall'))],
    [
      'flushed, and started again',
      async (redis: RedisServer) => {
        await redis.cli('flushall');
        await redis.kill();
        await redis.restart();
      },
    ],
  ])(
    '%s: not "absent"; calls go by memory, what is remembered is written back, and two nodes agree',
    async (_, empty) => {
      const redis = await server();
      const { store } = storeAt(redis.url);
      const other = storeAt(redis.url).store;
      const log = new RecordedLog();
      const clock = systemClock();
      const of = (one: BindingStore) =>
        new Bindings({ store: one, clock, log, policyFor: () => () => DEFAULT_POLICY, onEffects: () => undefined });
      await Promise.all([store.open(), other.open()]);
      const [here, there] = [of(store), of(other)];
      await store.put(recordOf(A, NOW), 0);
      expect((await here.read(A))?.bindings).toHaveLength(1);
      await there.read(A);
      await empty(redis);
      // At once of an account that is known; of others what the last second has shown is believed.
      await vi.waitFor(() => expect(store.get(A, { isKnown: true })).rejects.toThrow(/came back empty/), 10_000);
      await vi.waitFor(() => expect(store.get(A)).rejects.toThrow(/came back empty/), 10_000);
      expect((await here.read(A))?.bindings).toHaveLength(1);
      expect(await store.wasEmptied?.()).toBe(true);
      expect(await here.writeBack()).toBe(1);
      await store.acceptEmptied?.();
      expect(await store.wasEmptied?.()).toBe(false);
      expect((await store.get(A))?.bindings).toHaveLength(1);
      // The other node finds the same, and has nothing to add.
      expect(await other.wasEmptied?.()).toBe(true);
      expect(await there.writeBack()).toBe(0);
      await other.acceptEmptied?.();
      expect(await other.wasEmptied?.()).toBe(false);
      expect((await other.get(A))?.version).toBe(1);
      expect(await store.get(aorNo(2))).toBeUndefined();
      await Promise.all([here.stop(), there.stop()]);
    },
  );

  it('frozen for a while', async () => {
    const redis = await server();
    const store = await opened(redis);
    redis.freeze();
    await allRefused(store, /does not answer|connection is down/);
    redis.thaw();
    await vi.waitFor(async () => expect(await store.get(A)).toBeDefined(), 10_000);
  });

  it('its memory is full: what is there is read, nothing is written', async () => {
    const redis = await server();
    const store = await opened(redis);
    await redis.cli('config', 'set', 'maxmemory', '1');
    await expect(store.put(recordOf(A), 1)).rejects.toThrow(/its memory is full: raise maxmemory/);
    // A look shows it where nothing is to be written.
    await expect(store.wasEmptied?.()).rejects.toThrow(/its memory is full: raise maxmemory/);
    expect((await store.get(A))?.version).toBe(1);
    await redis.cli('config', 'set', 'maxmemory', '0');
    expect(await store.put(recordOf(A), 1)).toEqual({ ok: true, version: 2 });
  });

  it('a read-only replica', async () => {
    const redis = await server();
    const store = await opened(redis);
    await redis.cli('replicaof', '127.0.0.1', '1');
    await expect(store.put(recordOf(A), 1)).rejects.toThrow(/read-only replica: name the primary/);
    await expect(store.wasEmptied?.()).rejects.toThrow(/read-only replica: name the primary/);
    await redis.cli('replicaof', 'no', 'one');
    expect(await store.put(recordOf(A), 1)).toEqual({ ok: true, version: 2 });
  });

  it('a password it does not take: told once, by name of the setting, without the password', async () => {
    const redis = await server({ args: ['--requirepass', 'right'] });
    const { store, log } = storeAt(`redis://:SECRET-BUT-WRONG@127.0.0.1:${redis.port}`);
    await store.open();
    expect(log.at('error')).toHaveLength(1);
    expect(log.text()).toMatch(/refuses our user or password: see store.url/);
    await allRefused(store, /user or password|connection is down/);
    expect(log.text()).not.toContain('SECRET');
    expect(log.at('error')).toHaveLength(1);
  });

  it('not there at the start: opening goes on, and it is found when it comes', async () => {
    const redis = await server();
    await redis.kill();
    const { store, log } = storeAt(redis.url);
    await store.open();
    expect(log.text()).toMatch(/nothing listens there/);
    await allRefused(store, /connection is down|nothing listens/);
    await redis.restart();
    await vi.waitFor(async () => expect(await store.get(A)).toBeUndefined(), 10_000);
  });

  it('for a command that only reads, not there is an error', async () => {
    const redis = await server();
    await redis.kill();
    const { store } = storeAt(redis.url);
    await expect(store.openForReading()).rejects.toThrow(/nothing listens there/);
  });

  it('a record that is none: told for that one, the others are read', async () => {
    const redis = await server();
    const store = await opened(redis);
    await store.put(recordOf(aorNo(2), NOW), 0);
    const key = (await redis.cli('--scan', '--pattern', `*r:${A}`)).trim();
    await redis.cli('set', key, '1,,{"format":99}');
    await expect(store.get(A)).rejects.toThrow(/the record of 00001@example.com cannot be read/);
    const read: string[] = [];
    const scan = async () => {
      for await (const record of store.scan()) read.push(record.aor);
    };
    await expect(scan()).rejects.toThrow(/1 records could not be read/);
    expect(read).toEqual([aorNo(2)]);
  });

  it('says what it is set up badly for, and works all the same', async () => {
    const redis = await server({ args: ['--appendonly', 'no', '--maxmemory-policy', 'allkeys-lru'] });
    const { store, log } = storeAt(redis.url);
    await store.open();
    await vi.waitFor(() =>
      expect(log.at('warn').map((l) => l.fields.setting)).toEqual(['appendonly no', 'maxmemory-policy allkeys-lru']),
    );
    expect(await store.put(recordOf(A), 0)).toEqual({ ok: true, version: 1 });
  });
});
