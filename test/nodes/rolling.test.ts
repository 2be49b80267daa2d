/**
 * Two nodes beside a real Asterisk are restarted one after the other, and upgraded across two record formats, while calls go on: none is lost,
 * and each phone is pushed once for each call.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PushwakeProcess } from '../support/pushwake-process.ts';
import { RedisServer } from '../support/redis/instance.ts';
import { until } from '../support/traffic.ts';
import { storeAt, TwoNodes } from './site.ts';

const NEXT_VERSION = fileURLToPath(new URL('./next-version.ts', import.meta.url));

let site: TwoNodes;
let redis: RedisServer;
let store: string;
beforeAll(async () => {
  redis = await RedisServer.start();
  store = storeAt({ url: redis.url });
  site = await TwoNodes.start('rolling');
  await site.over(store);
});
afterAll(async () => {
  await site?.close();
  await redis?.stop();
});

/** Drained, ended with exit code 4, and started again; `as`: with these options of Node. */
async function restarted(name: 'a' | 'b', as: readonly string[] = []): Promise<void> {
  const node: PushwakeProcess = site[name];
  const ended = node.ended();
  await site.drain(name);
  const other = name === 'a' ? 'b' : 'a';
  await until('the other node sees it drained', async () => (await statesSeenBy(other)).includes('draining'));
  expect(await ended).toBe(4);
  expect(await statesSeenBy(other)).toEqual(['alive', 'drained']);
  const from = node.log.length;
  node.nodeOptions = as;
  await node.start();
  await node.waitForLog((l) => l.msg === 'pbx link up', { from, what: 'its link' });
  await until('the other node sees it alive', async () => (await statesSeenBy(other)).join() === 'alive,alive');
}

const statesSeenBy = async (name: 'a' | 'b') => ((await site.health(name)).nodes ?? []).map(({ state }) => state);
const leaderSeenBy = async (name: 'a' | 'b') =>
  ((await site.health(name)).nodes ?? []).flatMap(({ isThis, pbxs }) => (pbxs.some((p) => p.leads) ? [isThis] : []));

async function noneLost(what: string): Promise<void> {
  const calls = await site.endCalls();
  const slowest = Math.round(Math.max(...calls.map((c) => c.afterMs ?? Number.POSITIVE_INFINITY)));
  console.log(`${what}: ${calls.length} calls, the slowest push after ${slowest} ms`);
  expect(calls.filter((c) => c.status !== 200)).toEqual([]);
  expect(calls.filter((c) => c.pushes > 1)).toEqual([]);
  expect(slowest).toBeLessThan(1_000);
}

/** Formats of the records that are stored. */
async function formats(): Promise<readonly (readonly [format: unknown, readableFrom: unknown])[]> {
  const keys = (await redis.cli('--scan', '--pattern', 'pushwake:*:r:*')).split('\n').filter(Boolean);
  const found = await Promise.all(
    keys.map(async (key) => {
      const row = await redis.cli('get', key);
      const { format, readableFrom } = JSON.parse(row.slice(row.indexOf('{'))) as Record<string, unknown>;
      return [format, readableFrom] as const;
    }),
  );
  return found;
}

it('both are restarted, one after the other', { timeout: 120_000 }, async () => {
  expect(await leaderSeenBy('a')).toEqual([true]);
  expect(await leaderSeenBy('b')).toEqual([false]);
  site.beginCalls();
  await delay(2_000);
  await restarted('a');
  await restarted('b');
  await delay(2_000);
  await noneLost('rolling restart');
});

it('the second is upgraded by two record formats: both go on, each with what the other writes; then the first', {
  timeout: 180_000,
}, async () => {
  site.beginCalls();
  await delay(1_000);
  await restarted('b', ['--import', NEXT_VERSION]);
  // Phones register with both nodes, and either may be the one that writes: each reads what the other wrote.
  const both = async () => {
    const seen = new Set((await formats()).map(String));
    return seen.has('2,') && seen.has('4,2');
  };
  let n = 0;
  await until(
    'records of both formats',
    async () => {
      await site.bind(String(1001 + (n++ % 12)));
      return both();
    },
    60_000,
  );
  await delay(3_000);
  await restarted('a', ['--import', NEXT_VERSION]);
  await delay(3_000);
  await noneLost('upgrade by two formats');
  expect((await site.stored(store)).every(Boolean)).toBe(true);
  const said = [...site.a.log, ...site.b.log].filter((l) => /cannot be read|store does not answer/.test(l.msg));
  expect(said).toEqual([]);
});
