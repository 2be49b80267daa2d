/**
 * Two nodes in the middle of a heap of due notices while Redis has its worst hour: every user is told, and whoever is told again is so under the
 * same collapse id, so that the phone shows one banner.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../../adapters/store/redis/index.ts';
import { HOUR, instant, plus } from '../../../plugin/core/time.ts';
import { fill, POLICY } from '../../redis/site.ts';
import { NodeProcess, served } from '../../redis/site-nodes.ts';
import { RecordedLog } from '../../support/recorded-log.ts';
import { RedisServer } from '../../support/redis/instance.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { until } from '../../support/traffic.ts';

const DUE = 3_000;
/** A minute passes in a second: a node looks each minute for what is due. */
const SPEED = 60;

const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function server(...args: string[]): Promise<RedisServer> {
  const started = await RedisServer.start({ args });
  ending.push(() => started.stop());
  return started;
}

/** `misses`: what the nodes never saw is gone with Redis. */
async function survives(what: string, url: string, misses: boolean, worst: () => Promise<unknown>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'pushwake-worst-'));
  ending.push(() => rmSync(folder, { recursive: true, force: true }));
  const store = create(optionsSchema.parse({ url }), { clock: systemClock(), log: new RecordedLog(), name: 'redis' });
  await store.open();
  // Eleven hours and a half before their end: the notice of twelve hours is due, that of one hour far away.
  await fill(store, DUE, plus(instant(Date.now()), 11.5 * HOUR - POLICY.ttlMs));
  await store.close();
  const files = ['a', 'b'].map((name) => join(folder, name));
  const common = { url, prefix: 'pushwake', job: 'due' as const, first: 0, count: 0, speed: SPEED };
  const job = { ...common, latencyMs: 20, leaseMs: 2_000 * SPEED };
  const nodes = await Promise.all(files.map((file) => NodeProcess.start({ ...job, file })));
  for (const node of nodes) ending.push(() => node.kill());
  await until('a part is sent', async () => served(files).once > DUE / 4);
  expect(served(files).once, 'too late to show anything').toBeLessThan(DUE);
  await worst();
  if (misses) await delay(15_000);
  else await until('everybody is told', async () => served(files).once >= DUE, 60_000);
  // What else would be sent has its time: three rounds of the nodes.
  await delay(3_000);
  const { once, repeats } = served(files);
  console.log(`notices, ${what}: ${DUE} due, ${once} sent, ${repeats} of them again under the same collapse id`);
  if (misses) expect(once).toBeLessThanOrEqual(DUE);
  else expect(once).toBe(DUE);
}

it('killed, and back after 3 s', { timeout: 120_000 }, async () => {
  const redis = await server();
  await survives('killed', redis.url, false, async () => {
    await redis.kill();
    await delay(3_000);
    await redis.restart();
  });
});

it.each([1, 10, 60])('frozen for %i s', { timeout: 200_000 }, async (seconds) => {
  const redis = await server();
  await survives(`frozen for ${seconds} s`, redis.url, false, async () => {
    redis.freeze();
    await delay(seconds * 1_000);
    redis.thaw();
  });
});

it('flushed', { timeout: 120_000 }, async () => {
  const redis = await server();
  await survives('flushed', redis.url, true, () => redis.cli('flushall'));
});

it('out of memory for 3 s', { timeout: 120_000 }, async () => {
  const redis = await server('--maxmemory-policy', 'noeviction');
  await survives('out of memory', redis.url, false, async () => {
    await redis.cli('config', 'set', 'maxmemory', '1');
    await delay(3_000);
    await redis.cli('config', 'set', 'maxmemory', '0');
  });
});

it('failover to a replica that misses the last second', { timeout: 120_000 }, async () => {
  const primary = await server();
  const replica = await server('--replicaof', '127.0.0.1', String(primary.port));
  const door = await TcpProxy.start(primary.port);
  ending.push(() => door.close());
  await survives('failover', `redis://127.0.0.1:${door.port}`, false, async () => {
    const follows = async () => (await replica.cli('info', 'replication')).includes('master_link_status:up');
    await until('the replica follows', follows);
    await replica.cli('replicaof', 'no', 'one');
    await delay(1_000);
    door.cut();
    await primary.kill();
    door.targetPort = replica.port;
    door.mend();
  });
});
