import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../adapters/store/redis/index.ts';
import { MINUTE, plus } from '../../plugin/core/time.ts';
import { bindingStoreContract } from '../contract/binding-store.contract.ts';
import { aorNo, NOW, recordOf } from '../contract/binding-store.records.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { RedisServer, startCluster } from '../support/redis/instance.ts';

const deps = () => ({ clock: systemClock(), log: new RecordedLog(), name: 'redis' });
const differences = { leases: true, unordered: true };
let prefixes = 0;
const nextPrefix = () => `t${prefixes++}`;

describe('one redis', () => {
  let server: Promise<RedisServer> | undefined;
  const started = () => {
    server ??= RedisServer.start();
    return server;
  };
  afterAll(async () => (await server)?.stop());

  bindingStoreContract(
    'one redis',
    async () => {
      const options = optionsSchema.parse({ url: (await started()).url, prefix: nextPrefix() });
      return { instance: () => create(options, deps()), cleanup: async () => {} };
    },
    differences,
  );

  it('two nodes claim each due AOR once between them; what a dead one held comes back after its lease', async () => {
    const { url } = await started();
    const options = optionsSchema.parse({ url, prefix: nextPrefix() });
    const [one, two] = [create(options, deps()), create(options, deps())];
    await Promise.all([one.open(), two.open()]);
    const all = Array.from({ length: 900 }, (_, i) => aorNo(i));
    await Promise.all(all.map((aor) => one.put(recordOf(aor, NOW), 0)));
    const claims: (readonly string[])[] = [];
    const take = async (store: typeof one) => {
      for (let got = await store.claimDue(NOW, 100); got.length > 0; got = await store.claimDue(NOW, 100))
        claims.push(got);
    };
    await Promise.all([take(one), take(two)]);
    expect(claims.flat().sort()).toEqual(all);

    // One settles its share and dies with the other: a minute of Redis's own clock later its leases are nobody's.
    await one.put(recordOf(aorNo(0), plus(NOW, MINUTE)), 1);
    const cli = await started();
    const runOut = `for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
      for _, aor in ipairs(redis.call('ZRANGE', key, 0, -1)) do redis.call('ZADD', key, 1, aor) end
    end`;
    await cli.cli('eval', runOut, '0', `${options.prefix}:*:lease`);
    claims.length = 0;
    await take(two);
    expect(claims.flat().sort()).toEqual(all.slice(1));
    await Promise.all([one.close(), two.close()]);
  });
});

describe('a redis cluster', () => {
  let nodes: Promise<readonly RedisServer[]> | undefined;
  afterAll(async () => {
    for (const node of (await nodes) ?? []) await node.stop();
  });
  bindingStoreContract(
    'a redis cluster of three',
    async () => {
      nodes ??= startCluster();
      const options = optionsSchema.parse({ cluster: (await nodes).map((n) => n.url), prefix: nextPrefix() });
      return { instance: () => create(options, deps()), cleanup: async () => {} };
    },
    differences,
  );
});
