/** The first of two nodes stands still for eight seconds (a machine that swaps, a snapshot): what it finds afterwards is over. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RedisServer } from '../support/redis/instance.ts';
import { until } from '../support/traffic.ts';
import { storeAt, TwoNodes } from './site.ts';

let site: TwoNodes;
let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
  site = await TwoNodes.start('frozen-node');
  await site.over(storeAt({ url: redis.url }));
});
afterAll(async () => {
  site?.a.thaw();
  await site?.close();
  await redis?.stop();
});

it('no call is lost, and no phone is pushed again for a call that the other node has connected', async () => {
  site.beginCalls();
  await delay(2_000);
  site.a.freeze();
  await delay(8_000);
  const from = site.a.log.length;
  site.a.thaw();
  await site.a.waitForLog((l) => l.msg === 'pbx link up', { from, timeoutMs: 15_000, what: 'its link' });
  await delay(3_000);
  const calls = await site.endCalls();
  expect(calls.filter((c) => c.status !== 200)).toEqual([]);
  // By its calls: what comes after a call is over would be of no call.
  const pushes = [...site.mobiles].map(([user, mobile]) => [user, mobile.callPushes.length]);
  const placed = [...site.mobiles.keys()].map((user) => [user, calls.filter((c) => c.user === user).length]);
  expect(pushes).toEqual(placed);
  const guarded = Math.max(...calls.map((c) => c.afterMs ?? Number.POSITIVE_INFINITY));
  console.log(`a node frozen for 8 s: ${calls.length} calls, the slowest push after ${Math.round(guarded)} ms`);
  await until('the first takes calls again', async () => {
    const before = site.a.log.length;
    await site.call('1001');
    return site.a.log.slice(before).some((l) => l.msg === 'call over');
  });
});
