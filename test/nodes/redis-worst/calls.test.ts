/**
 * Redis at its worst with calls going on (docs/scaling.md, whose table has a row for each of these tests). Two nodes beside a real Asterisk;
 * a call each 400 ms. No call is lost, each phone is pushed once for each call, `status` names the store while it lasts, and all is well
 * within 5 s of Redis.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { whatIsWrong } from '../../../plugin/commands/status.ts';
import { inProcess } from '../../admin/command.ts';
import { RedisServer, startCluster } from '../../support/redis/instance.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { LATE_COMER, until } from '../../support/traffic.ts';
import { storeAt, TwoNodes } from '../site.ts';

/** After Redis is back (ms). */
const BACK_WITHIN = 5_000;
/** What a call waits longer for its push (ms): a read is given up after 250, and the machine has two cores. */
const PUSHED_WITHIN = 1_000;
/** `status` of a node nobody calls: a look each 2 s, which Redis has 2 s to answer. */
const NAMED_WITHIN = 6_000;

let site: TwoNodes;
const ending: (() => Promise<void>)[] = [];
beforeAll(async () => {
  site = await TwoNodes.start('redis-worst');
});
afterAll(async () => {
  await site?.close();
});
afterEach(async () => {
  await site.endCalls();
  for (const end of ending.splice(0).reverse()) await end();
});

async function server(options: Parameters<typeof RedisServer.start>[0] = {}): Promise<RedisServer> {
  const started = await RedisServer.start(options);
  ending.push(() => started.stop());
  return started;
}

interface Worst {
  readonly what: string;
  readonly store: string;
  readonly begin: () => unknown;
  readonly lastsMs: number;
  readonly end: () => unknown;
  /** What `status` says of it while it lasts; undefined: it is over before anybody looks. */
  readonly named: RegExp | undefined;
}

async function survives(worst: Worst): Promise<void> {
  await site.over(worst.store);
  const from = [site.a.log.length, site.b.log.length] as const;
  site.beginCalls();
  await delay(2_000);
  await worst.begin();
  const begunMs = performance.now();
  let said = '–';
  if (worst.named) {
    for (const node of ['a', 'b'] as const) {
      await until(
        `status of ${node} names the store`,
        async () => {
          said = (await site.health(node)).storeTrouble ?? '–';
          return worst.named?.test(said) ?? false;
        },
        NAMED_WITHIN,
      );
      expect(whatIsWrong(await site.health(node)).join()).toMatch(worst.named);
    }
    const cli = await inProcess('status', '--config', join(site.scene.folder, 'pushwake.yaml'));
    expect([cli.code, cli.stdout]).toEqual([1, expect.stringMatching(worst.named)]);
  }
  await delay(Math.max(0, worst.lastsMs - (performance.now() - begunMs)));
  await worst.end();
  const backMs = await site.untilBothAreWell();
  await delay(3_000);
  const calls = await site.endCalls();

  const lost = calls.filter((c) => c.status !== 200);
  const repeated = calls.filter((c) => c.pushes > 1);
  const after = calls.map((c) => c.afterMs ?? Number.POSITIVE_INFINITY);
  if (lost.length > 0 || repeated.length > 0) console.log(site.story(from, [...lost, ...repeated]));
  const figures = { calls: calls.length, lost, repeated, slowest: Math.round(Math.max(...after)), backMs, said };
  console.log(`${worst.what}: ${JSON.stringify(figures)}`);
  expect(lost, 'lost calls').toEqual([]);
  expect(repeated, 'phones pushed twice for one call').toEqual([]);
  expect(Math.max(...after)).toBeLessThan(PUSHED_WITHIN);
  expect(backMs).toBeLessThan(BACK_WITHIN);
  await until('every phone is stored', async () => (await site.stored(worst.store)).every(Boolean), BACK_WITHIN);
}

it('killed, and back after 8 s', { timeout: 120_000 }, async () => {
  const redis = await server();
  await survives({
    what: 'killed for 8 s',
    store: storeAt({ url: redis.url }),
    begin: () => redis.kill(),
    lastsMs: 8_000,
    end: () => redis.restart(),
    named: /nothing listens there|connection is down/,
  });
});

it.each([1, 10, 60])('frozen for %i s', { timeout: 200_000 }, async (seconds) => {
  const redis = await server();
  await survives({
    what: `frozen for ${seconds} s`,
    store: storeAt({ url: redis.url }),
    begin: () => redis.freeze(),
    lastsMs: seconds * 1_000,
    end: () => redis.thaw(),
    named: seconds > 5 ? /does not answer|connection is down/ : undefined,
  });
});

it('flushed', { timeout: 120_000 }, async () => {
  const redis = await server();
  await survives({
    what: 'flushed',
    store: storeAt({ url: redis.url }),
    begin: () => redis.cli('flushall'),
    lastsMs: 0,
    end: () => undefined,
    named: undefined,
  });
  expect(site.a.log.filter((l) => l.msg.startsWith('store has come back empty')).length).toBeGreaterThan(0);
});

it('killed, and back without its append log', { timeout: 120_000 }, async () => {
  const redis = await server();
  await survives({
    what: 'killed, back empty',
    store: storeAt({ url: redis.url }),
    begin: () => redis.kill(),
    lastsMs: 4_000,
    end: async () => {
      redis.loseData();
      await redis.restart();
    },
    named: /nothing listens there|connection is down/,
  });
});

it('out of memory, with noeviction', { timeout: 120_000 }, async () => {
  const redis = await server({ args: ['--maxmemory-policy', 'noeviction'] });
  await survives({
    what: 'out of memory for 8 s',
    store: storeAt({ url: redis.url }),
    begin: () => redis.cli('config', 'set', 'maxmemory', '1'),
    lastsMs: 8_000,
    end: () => redis.cli('config', 'set', 'maxmemory', '0'),
    named: /its memory is full/,
  });
});

it('failover to a replica that has not got the last second', { timeout: 120_000 }, async () => {
  const primary = await server();
  const replica = await server({ args: ['--replicaof', '127.0.0.1', String(primary.port)] });
  const door = await TcpProxy.start(primary.port);
  ending.push(() => door.close());
  const store = storeAt({ url: `redis://127.0.0.1:${door.port}` });
  await survives({
    what: 'failover, 1 s lost',
    store,
    begin: async () => {
      await until('the replica follows', async () =>
        (await replica.cli('info', 'replication')).includes('master_link_status:up'),
      );
      // From here on it misses everything: a phone that has never been there, a phone with new tokens.
      await replica.cli('replicaof', 'no', 'one');
      await site.install(LATE_COMER);
      await site.bind(LATE_COMER);
      expect(await site.stored(storeAt({ url: replica.url }), [LATE_COMER])).toEqual([false]);
      door.cut();
      await primary.kill();
    },
    lastsMs: 1_000,
    end: async () => {
      door.targetPort = replica.port;
      door.mend();
      // At once: what the store has lost is known to the node that wrote it.
      expect(await site.call(LATE_COMER)).toMatchObject({ status: 200, pushes: 1 });
    },
    named: undefined,
  });
  site.mobiles.delete(LATE_COMER);
});

const SHARDS: readonly {
  readonly what: string;
  readonly begin: (lost: RedisServer) => unknown;
  readonly lastsMs: number;
  readonly end: (lost: RedisServer) => unknown;
  readonly named: RegExp | undefined;
}[] = [
  {
    what: 'killed for 8 s',
    begin: (lost) => lost.kill(),
    lastsMs: 8_000,
    end: (lost) => lost.restart(),
    named: /nothing listens there|connection is down|part of the cluster is down|does not answer|unexpected answer/,
  },
  { what: 'flushed', begin: (lost) => lost.cli('flushall'), lastsMs: 0, end: () => undefined, named: undefined },
];
it.each(SHARDS)('one of the three of a cluster: $what', { timeout: 120_000 }, async (o) => {
  const servers = await startCluster();
  for (const one of servers) ending.push(() => one.stop());
  const lost = servers[1] as RedisServer;
  await survives({
    what: `one shard of three ${o.what}`,
    store: storeAt({ cluster: servers.map((s) => s.url) }),
    begin: () => o.begin(lost),
    lastsMs: o.lastsMs,
    end: () => o.end(lost),
    named: o.named,
  });
});
