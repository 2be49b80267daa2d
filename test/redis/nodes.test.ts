/** Several nodes on one real Redis, each with a PBX of its own: what one sees, all know; who has the link is asked. */
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { randomId, systemClock } from '../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../adapters/store/redis/index.ts';
import type { RedisOptions } from '../../adapters/store/redis/options.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import type { AorRecord } from '../../plugin/core/binding.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR, MINUTE, plus } from '../../plugin/core/time.ts';
import type { BindingStore } from '../../plugin/ports/binding-store.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { Runtime } from '../../plugin/runtime/runtime.ts';
import { contactUri, MONDAY } from '../support/builders.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakePbx } from '../support/fake-pbx.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { RedisServer, startCluster } from '../support/redis/instance.ts';
import { ScriptedPushProvider } from '../support/scripted-push-provider.ts';

const AOR = '1001@example.com' as Aor;
const wait = { timeout: 15_000, interval: 20 };

let redis: RedisServer;
let prefixes = 0;
const ending: (() => Promise<void>)[] = [];
beforeAll(async () => {
  redis = await RedisServer.start();
  return () => redis.stop();
});
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

class Node {
  readonly clock = new FakeClock(MONDAY);
  readonly log = new RecordedLog();
  readonly push = new ScriptedPushProvider('apns');
  readonly pbx: FakePbx;
  readonly store: BindingStore;
  readonly runtime: Runtime;

  constructor(redis: Partial<RedisOptions>, name: string, ringsVia: readonly string[] = []) {
    this.pbx = new FakePbx({ clock: this.clock, name, ringsVia });
    const deps = { clock: systemClock(), log: this.log, name: 'redis' };
    this.store = create(optionsSchema.parse(redis), deps);
    this.runtime = new Runtime({
      mode: 'full',
      clock: this.clock,
      log: this.log,
      store: this.store,
      links: [this.pbx],
      delivery: createDelivery({ providers: [this.push], clock: this.clock, log: this.log, random: () => 0.5 }),
      policyFor: () => () => ({ ...DEFAULT_POLICY, refreshSpreadMs: 0 }),
      noticeText: (_aor, notice) => ({ body: notice }),
      realmOf: () => 'example.com',
      randomHex: randomId,
      forgetAfterMs: 30 * DAY,
      brake: false,
    });
  }

  async start(): Promise<this> {
    await this.runtime.start();
    ending.push(() => this.runtime.stop());
    return this;
  }

  /** A call for the AOR arrives at this node's PBX. */
  call(legId = 'caller-1'): void {
    const leg = { legId, aor: AOR, linkedId: legId };
    this.pbx.emit({ type: 'wakeLegArrived', pbx: this.pbx.name, leg, startedAt: this.clock.now() });
  }

  /** The PBX has followed what was composed: the device legs wait. */
  async composed(): Promise<void> {
    const order = await vi.waitFor(() => {
      const found = this.pbx.orders.find((o) => o.order === 'compose');
      expect(found).toBeDefined();
      return found as unknown as { callId: string; ring: { kind: string; ref: string }[] };
    }, wait);
    for (const { kind, ref } of order.ring) {
      if (kind !== 'device') continue;
      const leg = { legId: `leg-${ref}`, kind: 'device' as const, ref, aor: AOR, callId: order.callId };
      const startedAt = this.clock.now();
      this.pbx.emit({ type: 'deviceLegArrived', pbx: this.pbx.name, leg, startedAt, takenUp: false });
    }
  }

  orders(order: string): readonly Record<string, unknown>[] {
    return this.pbx.orders.filter((o) => o.order === order);
  }

  /** So much later by this node's clock, and then minute by minute until it is so: each look at the store is real. */
  async later(ms: number, check: () => unknown): Promise<void> {
    await this.clock.advance(ms);
    await vi.waitFor(async () => {
      await this.clock.advance(MINUTE);
      await check();
    }, wait);
  }

  /** A few seconds of this node's clock at most. */
  async soon(check: () => unknown): Promise<void> {
    await vi.waitFor(async () => {
      await this.clock.advance(100);
      await check();
    }, wait);
  }

  sees(name: string): Promise<void> {
    return vi.waitFor(() => expect(this.runtime.status.status().links[name]).toBe(true), wait);
  }
}

/** Node `one` runs PBX `a`, node `two` runs PBX `b`; a phone has registered with `a`. */
async function site(
  o: { via?: boolean; on?: Partial<RedisOptions>; grantedMs?: number } = {},
): Promise<{ one: Node; two: Node; record: () => Promise<AorRecord> }> {
  const options = { ...(o.on ?? { url: redis.url }), prefix: `n${prefixes++}` };
  const one = await new Node(options, 'a').start();
  const two = await new Node(options, 'b', o.via ? ['a'] : []).start();
  await Promise.all([two.sees('a'), one.sees('b')]);
  one.pbx.register('1001', contactUri(), o.grantedMs === undefined ? {} : { grantedMs: o.grantedMs });
  const record = async () => (await two.store.get(AOR)) as AorRecord;
  await vi.waitFor(async () => expect((await record())?.bindings).toHaveLength(1), wait);
  return { one, two, record };
}

describe('two nodes', () => {
  test('a phone that registered with one PBX is woken by a call at the other, and rung where it registers', async () => {
    const { one, two } = await site();
    two.call();
    await two.composed();
    expect(two.push.requests.map((r) => r.purpose)).toEqual(['call']);
    expect(one.push.requests).toEqual([]);
    two.pbx.register('1001', contactUri({ port: 40_002 }));
    await vi.waitFor(() => expect(two.orders('ring').map((r) => r.uri)).toEqual([contactUri({ port: 40_002 })]), wait);
  });

  test('it registers with the other PBX again: rung through the trunk that leads there', async () => {
    const { one, two } = await site({ via: true });
    two.call();
    await two.composed();
    await vi.waitFor(() => expect(one.pbx.watched.has(AOR)).toBe(true), wait);
    one.pbx.register('1001', contactUri({ port: 40_003 }));
    await vi.waitFor(() => expect(two.orders('ring').map((r) => r.uri)).toEqual([contactUri({ port: 40_003 })]), wait);
  });

  test('no trunk leads there: the call goes on waiting, nothing is rung', async () => {
    const { one, two, record } = await site();
    two.call();
    await two.composed();
    one.pbx.register('1001', contactUri({ port: 40_003 }));
    await vi.waitFor(async () => {
      expect((await record()).bindings[0]?.contacts.map((c) => c.uri)).toContain(contactUri({ port: 40_003 }));
    }, wait);
    expect(two.orders('ring')).toEqual([]);
  });

  test('what is due is asked of the node that has the link: a quiet refresh seen there keeps the user from being warned', async () => {
    const { one, two, record } = await site();
    const asked = one.pbx.asks;
    // Six and a half days later, and the phone has refreshed all the time on one connection, which Asterisk does not tell.
    one.pbx.restore([{ pbx: 'a', aor: AOR, uri: contactUri(), expiresAt: plus(MONDAY, 6 * DAY + 12.5 * HOUR) }]);
    await two.later(6 * DAY + 12 * HOUR, () => expect(one.pbx.asks).toBeGreaterThan(asked));
    await vi.waitFor(
      async () => expect((await record()).bindings[0]?.renewedAt).toBeGreaterThan(MONDAY + 6 * DAY),
      wait,
    );
    expect(two.push.requests).toEqual([]);
  });

  test('the node with the link is silent: unknown, so nothing is sent and nothing ends', async () => {
    const { one, two, record } = await site();
    one.pbx.disconnect();
    await vi.waitFor(() => expect(two.runtime.status.status().links.a).toBe(false), wait);
    await two.later(6 * DAY + 12 * HOUR, async () => expect((await record()).bindings[0]?.putOff).toBe(1));
    expect(two.push.requests).toEqual([]);
  });

  test('each shows all: with what an older version says; one that was drained stays, one that was stopped does not', async () => {
    const key = `n${prefixes}:{nodes}`;
    // As 0.1.0 announces itself: a list of PBXs.
    const nowMs = Number((await redis.cli('time')).split('\n')[0]) * 1_000;
    await redis.cli(
      'hset',
      key,
      '0123456789',
      `${nowMs},${JSON.stringify([{ pbx: 'c', realm: 'example.com', up: true }])}`,
    );
    const { one, two } = await site();
    const shown = (node: Node) =>
      node.runtime.status
        .nodes()
        .map(({ name, state, pbxs }) => `${name} ${state} ${pbxs.map((p) => (p.leads ? p.pbx : '-'))}`);
    await vi.waitFor(
      () =>
        expect([shown(one), shown(two)]).toEqual([
          ['unnamed alive a', 'node 01234567 alive c', 'unnamed alive b'],
          ['unnamed alive b', 'node 01234567 alive c', 'unnamed alive a'],
        ]),
      wait,
    );
    void two.runtime.drain.begin();
    await vi.waitFor(() => expect(shown(one)).toContain('unnamed draining b'), wait);
    await two.runtime.stop();
    await vi.waitFor(() => expect(shown(one)).toContain('unnamed drained -'), wait);
    await one.runtime.stop();
    const left = await redis.cli('hkeys', key);
    expect(left.split('\n')).toHaveLength(2);
  });

  test('an end found by one node removes the contact at the other', async () => {
    // One that expires within a day would be left to expire.
    const { one, two, record } = await site({ grantedMs: 2 * DAY });
    two.push.next({ kind: 'tokenDead', reason: 'Unregistered' });
    two.call();
    await vi.waitFor(() => expect(one.orders('removeContact')).toHaveLength(1), wait);
    await vi.waitFor(async () => expect((await record())?.bindings).toEqual([]), wait);
    expect(one.pbx.contacts).toEqual([]);
  });

  test('each PBX is told that the account is reachable, and that it no longer is', async () => {
    const { one, two } = await site();
    const told = (node: Node) => node.orders('setReachable').map((o) => o.reachable);
    await vi.waitFor(() => expect([told(one).at(-1), told(two).at(-1)]).toEqual([true, true]), wait);
    two.push.next({ kind: 'tokenDead', reason: 'Unregistered' });
    two.call();
    await vi.waitFor(() => expect([told(one).at(-1), told(two).at(-1)]).toEqual([false, false]), wait);
  });
});

test('two nodes on a cluster of three: woken through one, rung through the other', { timeout: 60_000 }, async () => {
  const nodes = await startCluster();
  ending.push(async () => {
    for (const node of nodes) await node.stop();
  });
  const { one, two } = await site({ via: true, on: { cluster: nodes.map((n) => n.url) } });
  two.call();
  await two.composed();
  await vi.waitFor(() => expect(one.pbx.watched.has(AOR)).toBe(true), wait);
  one.pbx.register('1001', contactUri({ port: 40_003 }));
  await vi.waitFor(() => expect(two.orders('ring').map((r) => r.uri)).toEqual([contactUri({ port: 40_003 })]), wait);
});

describe('redis in trouble', () => {
  const troubles: readonly {
    trouble: string;
    remedy: RegExp;
    begin: () => unknown;
    end: () => unknown;
    /** Records can still be read. */
    readable?: boolean;
  }[] = [
    {
      trouble: 'killed',
      remedy: /nothing listens there|connection is down/,
      begin: () => redis.kill(),
      end: () => redis.restart(),
    },
    {
      trouble: 'frozen',
      remedy: /no answer within|does not answer|connection is down/,
      begin: () => redis.freeze(),
      end: () => redis.thaw(),
    },
    {
      trouble: 'full',
      remedy: /its memory is full: raise maxmemory/,
      begin: () => redis.cli('config', 'set', 'maxmemory', '1'),
      end: () => redis.cli('config', 'set', 'maxmemory', '0'),
      readable: true,
    },
    {
      trouble: 'a read-only replica',
      remedy: /read-only replica: name the primary/,
      begin: () => redis.cli('replicaof', '127.0.0.1', '1'),
      end: () => redis.cli('replicaof', 'no', 'one'),
      readable: true,
    },
    {
      trouble: 'with another password',
      remedy: /refuses our user or password|connection is down/,
      begin: async () => {
        await redis.cli('config', 'set', 'requirepass', 'another');
        await redis.cli('-a', 'another', 'client', 'kill', 'type', 'normal');
      },
      end: () => redis.cli('-a', 'another', 'config', 'set', 'requirepass', ''),
    },
  ];

  test.each(troubles)(
    '$trouble: calls wake, nothing is sent on what is not known, and it is right again afterwards',
    async (t) => {
      const { one } = await site();
      await t.begin();
      try {
        // Known from before.
        one.call();
        await one.soon(() => expect(one.push.requests.map((r) => r.purpose)).toEqual(['call']));
        // Never seen by this node: it goes by what the PBX shows.
        const stranger = '1002@example.com' as Aor;
        if (!t.readable) {
          const uri = contactUri({ voip: 'c'.repeat(64), other: 'd'.repeat(64) }).replace('sip:1001', 'sip:1002');
          one.pbx.restore([...one.pbx.contacts, { pbx: 'a', aor: stranger, uri }]);
          const leg = { legId: 'caller-2', aor: stranger, linkedId: 'caller-2' };
          one.pbx.emit({ type: 'wakeLegArrived', pbx: 'a', leg, startedAt: one.clock.now() });
          await one.soon(() => expect(one.push.requests[1]?.target.token.reveal()).toBe('c'.repeat(64)));
        }
        // What registers meanwhile is kept.
        const tokens = { voip: 'e'.repeat(64), other: 'f'.repeat(64) };
        one.pbx.register('1003', contactUri(tokens).replace('sip:1001', 'sip:1003'));
        // A day before the end: whoever is due is not known, and hears nothing.
        await one.soon(() => expect(one.log.text()).toMatch(t.remedy));
        expect(one.push.requests.filter((r) => r.purpose !== 'call' && r.purpose !== 'cancel')).toEqual([]);
        const told = one.log.at('error').map((l) => JSON.stringify([l.message, l.fields.reason]));
        expect(new Set(told).size).toBe(told.length);
      } finally {
        await t.end();
      }
      const third = '1003@example.com' as Aor;
      await one.soon(async () => expect((await one.store.get(third))?.bindings).toHaveLength(1));
      await one.soon(() => expect(one.log.text()).toContain('store answers again'));
    },
  );
});
