/** A node dies in the middle of a heap of due work: the others do the rest, and nothing is left out. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../adapters/store/redis/index.ts';
import { HOUR, instant, plus } from '../../plugin/core/time.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { RedisServer } from '../support/redis/instance.ts';
import { fill, POLICY } from './site.ts';
import { NodeProcess, served } from './site-nodes.ts';

const DUE = 3_000;
/** A minute passes in a second, or whoever outlives the dead one would look for its share only a minute later. */
const SPEED = 60;

let redis: RedisServer;
let folder: string;
beforeAll(async () => {
  redis = await RedisServer.start();
  folder = mkdtempSync(join(tmpdir(), 'pushwake-takeover-'));
  return async () => {
    await redis.stop();
    rmSync(folder, { recursive: true, force: true });
  };
});

test('three nodes, one killed half way: every user is told, none twice but under the same collapse id', async () => {
  const url = redis.url;
  const deps = { clock: systemClock(), log: new RecordedLog(), name: 'redis' };
  const store = create(optionsSchema.parse({ url }), deps);
  await store.open();
  // Eleven hours and a half before their end: the notice of twelve hours is due, that of one hour far away.
  await fill(store, DUE, plus(instant(Date.now()), 11.5 * HOUR - POLICY.ttlMs));
  const files = ['a', 'b', 'c'].map((name) => join(folder, name));
  const job = {
    url,
    prefix: 'pushwake',
    job: 'due' as const,
    first: 0,
    count: 0,
    latencyMs: 5,
    leaseMs: 2_000 * SPEED,
  };
  const nodes = await Promise.all(files.map((file) => NodeProcess.start({ ...job, file, speed: SPEED })));
  try {
    const wait = { timeout: 60_000, interval: 10 };
    await vi.waitFor(() => expect(served(files).once).toBeGreaterThan(DUE / 4), wait);
    await nodes[0]?.kill();
    expect(served(files).once, 'killed too late to show anything').toBeLessThan(DUE);
    await vi.waitFor(() => expect(served(files).once).toBe(DUE), wait);
    // What the dead one had sent and could not settle is sent again: at most what it had under way.
    expect(served(files).repeats).toBeLessThanOrEqual(500);
    expect(files.slice(1).map((f) => served([f]).once > 0)).toEqual([true, true]);
  } finally {
    for (const node of nodes) await node.kill();
    await store.close();
  }
});
