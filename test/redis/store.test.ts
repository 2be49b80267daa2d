import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../adapters/store/redis/index.ts';
import { MINUTE, plus } from '../../plugin/core/time.ts';
import { bindingStoreContract } from '../contract/binding-store.contract.ts';
import { aorNo, NOW, recordOf } from '../contract/binding-store.records.ts';
import { textStoreContract } from '../contract/text-store.contract.ts';
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

  textStoreContract('one redis', async () => {
    const options = optionsSchema.parse({ url: (await started()).url, prefix: nextPrefix() });
    return { instance: () => create(options, deps()), cleanup: async () => {} };
  });

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
    const take = async (store: typeof one, now = NOW) => {
      for (let got = await store.claimDue(now, 100); got.length > 0; got = await store.claimDue(now, 100))
        claims.push(got);
    };
    await Promise.all([take(one), take(two)]);
    expect(
      claims.every((c) => c.length === 100),
      'whoever was slower got less than there was',
    ).toBe(true);
    expect(claims.flat().sort()).toEqual(all);

    // One settles its share and dies with the other: a minute later what it had is anybody's.
    await one.put(recordOf(aorNo(0), plus(NOW, 2 * MINUTE)), 1);
    claims.length = 0;
    await take(two, plus(NOW, MINUTE - 1));
    expect(claims).toEqual([]);
    await take(two, plus(NOW, MINUTE));
    expect(claims.flat().sort()).toEqual(all.slice(1));
    await Promise.all([one.close(), two.close()]);
  });

  it('a record that is broken spoils neither the reading nor the writing of those that go with it', async () => {
    const server = await started();
    const options = optionsSchema.parse({ url: server.url, prefix: nextPrefix() });
    const store = create(options, deps());
    await store.open();
    const all = Array.from({ length: 20 }, (_, i) => aorNo(i));
    await Promise.all(all.map((aor) => store.put(recordOf(aor, NOW), 0)));
    const [wrongType, noRow] = await Promise.all(
      [aorNo(3), aorNo(7)].map(async (aor) => (await server.cli('keys', `${options.prefix}:*r:${aor}`)).trim()),
    );
    await server.cli('del', wrongType as string);
    await server.cli('sadd', wrongType as string, 'not a row');
    await server.cli('set', noRow as string, 'not a row');

    const read = await Promise.allSettled(all.map((aor) => store.get(aor, { calm: true })));
    expect(read.flatMap((r, i) => (r.status === 'rejected' ? [i] : []))).toEqual([7]);
    const written = await Promise.allSettled(all.map((aor) => store.put(recordOf(aor, NOW), 1)));
    expect(written.flatMap((w, i) => (w.status === 'rejected' ? [i] : []))).toEqual([3]);
    const conflicts = written.flatMap((w, i) => (w.status === 'fulfilled' && !w.value.ok ? [i] : []));
    expect(conflicts, 'a row without its version is never overwritten unseen').toEqual([7]);
    await store.close();
  });

  it('a hundred records go in one transaction, a few by the script', async () => {
    const server = await started();
    const store = create(optionsSchema.parse({ url: server.url, prefix: nextPrefix() }), deps());
    await store.open();
    const all = Array.from({ length: 100 }, (_, i) => aorNo(i));
    await Promise.all(all.map((aor) => store.put(recordOf(aor, NOW), 0)));
    const counted = async (command: string) =>
      Number(
        new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(await server.cli('info', 'commandstats'))?.[1] ?? 0,
      );
    await server.cli('config', 'resetstat');
    await Promise.all(all.map((aor) => store.put(recordOf(aor, NOW), 1)));
    expect([await counted('exec'), await counted('evalsha')]).toEqual([1, 0]);
    await Promise.all(all.slice(0, 10).map((aor) => store.put(recordOf(aor, NOW), 2)));
    expect([await counted('exec'), await counted('evalsha')]).toEqual([1, 1]);
    await store.close();
  });

  it('of nodes that write the same hundred records at the same moment, one wins each', async () => {
    const { url } = await started();
    const options = optionsSchema.parse({ url, prefix: nextPrefix() });
    const nodes = Array.from({ length: 4 }, () => create(options, deps()));
    await Promise.all(nodes.map((node) => node.open()));
    const all = Array.from({ length: 100 }, (_, i) => aorNo(i));
    for (let version = 0; version < 20; version++) {
      const outcomes = await Promise.all(
        nodes.map((node) => Promise.all(all.map((aor) => node.put(recordOf(aor, NOW), version)))),
      );
      const winners = all.map((_, i) => outcomes.filter((ofNode) => ofNode[i]?.ok).length);
      expect(winners, `version ${version}`).toEqual(all.map(() => 1));
    }
    expect((await nodes[0]?.get(aorNo(99)))?.version).toBe(20);
    await Promise.all(nodes.map((node) => node.close()));
  });

  it('a schedule that is broken keeps nobody else from being written', async () => {
    const server = await started();
    const options = optionsSchema.parse({ url: server.url, prefix: nextPrefix() });
    const store = create(options, deps());
    await store.open();
    const all = Array.from({ length: 100 }, (_, i) => aorNo(i));
    await Promise.all(all.map((aor) => store.put(recordOf(aor, NOW), 0)));
    const key = (await server.cli('keys', `${options.prefix}:*r:${aorNo(0)}`)).trim();
    const due = key.replace(/r:.*$/, 'due');
    const theirs = (await server.cli('zrange', due, '0', '-1')).split('\n').map((line) => line.trim());
    await server.cli('set', due, 'no schedule');
    const written = await Promise.allSettled(all.map((aor) => store.put(recordOf(aor, NOW), 1)));
    expect(all.filter((_, i) => written[i]?.status === 'rejected').sort()).toEqual(theirs.sort());
    await store.close();
  });

  it.each(['-@transaction', '-multi', '-mset'])('a user with %s: the script writes', async (less) => {
    const server = await started();
    const name = `u${nextPrefix()}`;
    await server.cli('acl', 'setuser', name, 'on', '>secret', '~*', '&*', '+@all', less);
    const url = server.url.replace('redis://', `redis://${name}:secret@`);
    const store = create(optionsSchema.parse({ url, prefix: nextPrefix() }), deps());
    await store.open();
    const all = Array.from({ length: 100 }, (_, i) => aorNo(i));
    for (const version of [0, 1]) {
      const outcomes = await Promise.all(all.map((aor) => store.put(recordOf(aor, NOW), version)));
      expect(outcomes.every((o) => o.ok)).toBe(true);
    }
    const late = await Promise.all(all.map((aor) => store.put(recordOf(aor, NOW), 1)));
    expect(late.some((o) => o.ok)).toBe(false);
    await store.close();
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
