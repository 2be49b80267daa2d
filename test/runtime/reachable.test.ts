/** What a PBX is sent of an account's lamp, where two nodes share the records and each has a link to that PBX. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Aor } from '../../plugin/core/aor.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, MINUTE } from '../../plugin/core/time.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { Runtime } from '../../plugin/runtime/runtime.ts';
import { contactUri, MONDAY } from '../support/builders.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { FakePbx } from '../support/fake-pbx.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { ScriptedPushProvider } from '../support/scripted-push-provider.ts';

const AOR = '1001@example.com' as Aor;

class SiteNode {
  readonly pbx: FakePbx;
  readonly runtime: Runtime;

  constructor(clock: FakeClock, store: MemoryStore, name: string) {
    this.pbx = new FakePbx({ clock });
    const log = new RecordedLog();
    let ids = 0;
    this.runtime = new Runtime({
      mode: 'full',
      clock,
      log,
      store,
      links: [this.pbx],
      delivery: createDelivery({ providers: [new ScriptedPushProvider('apns')], clock, log, random: () => 0.5 }),
      policyFor: () => () => DEFAULT_POLICY,
      noticeText: (_aor, notice) => ({ body: notice }),
      realmOf: () => 'example.com',
      randomHex: (bytes) => `${name}${ids++}`.padStart(bytes * 2, '0'),
      forgetAfterMs: DAY,
      brake: false,
    });
  }

  get lamps(): readonly unknown[] {
    return this.pbx.orders.filter((o) => o.order === 'setReachable').map((o) => o.reachable);
  }

  /** The phone logs out, and this node hears of it. */
  loggedOut(at: FakeClock): void {
    this.pbx.emit({ type: 'unregistered', pbx: 'office', aor: AOR, uri: contactUri(), at: at.now() });
  }
}

describe('the lamp of an account, with two nodes', () => {
  let clock: FakeClock;
  let a: SiteNode;
  let b: SiteNode;
  const idle = async () => {
    for (const node of [a, b]) {
      await node.runtime.idle();
      await settle(3);
    }
  };

  beforeEach(async () => {
    clock = new FakeClock(MONDAY);
    const store = new MemoryStore();
    a = new SiteNode(clock, store, 'a');
    b = new SiteNode(clock, store, 'b');
    await a.runtime.start();
    await b.runtime.start();
    a.pbx.register('1001', contactUri());
    await idle();
    expect([a.lamps, b.lamps]).toEqual([[true], []]);
  });

  afterEach(async () => {
    await a.runtime.stop();
    await b.runtime.stop();
  });

  it('bound again by the node that lit it before: the other one had put it out', async () => {
    await clock.advance(1 * MINUTE);
    b.loggedOut(clock);
    await idle();
    expect(b.lamps).toEqual([false]);
    await clock.advance(1 * MINUTE);
    a.pbx.register('1001', contactUri(), { told: true });
    await idle();
    expect(a.lamps).toEqual([true, true]);
  });

  it('changed by a node whose link is away: the other one sees it at its next sweep', async () => {
    await clock.advance(1 * MINUTE);
    b.loggedOut(clock);
    b.pbx.up = false;
    await idle();
    expect([a.lamps, b.lamps]).toEqual([[true], []]);
    await clock.advance(16 * MINUTE);
    await idle();
    expect(a.lamps).toEqual([true, false]);
  });

  it('an order that failed is repeated at the next sweep', async () => {
    const setReachable = a.pbx.setReachable.bind(a.pbx);
    a.pbx.setReachable = () => Promise.reject(new Error('no answer'));
    a.loggedOut(clock);
    await idle();
    a.pbx.setReachable = setReachable;
    await clock.advance(31 * MINUTE);
    await idle();
    expect(a.lamps).toEqual([true, false]);
  });
});

describe('the lamps of a PBX that comes up while the store is away', () => {
  it('are lit a minute after the store is back: nothing else would ever light them', async () => {
    const clock = new FakeClock(MONDAY);
    const store = new MemoryStore();
    const node = new SiteNode(clock, store, 'a');
    const idle = async () => {
      await node.runtime.idle();
      await settle(3);
    };
    await node.runtime.start();
    node.pbx.register('1001', contactUri());
    await idle();
    node.pbx.disconnect();
    store.down = 'the store is away';
    await clock.advance(1 * MINUTE);
    node.pbx.connect();
    await idle();
    expect(node.lamps).toEqual([true]);
    store.down = undefined;
    await clock.advance(1 * MINUTE);
    await idle();
    expect(node.lamps).toEqual([true, true]);
    await clock.advance(40 * MINUTE);
    await idle();
    expect(node.lamps, 'and not again and again').toEqual([true, true]);
    await node.runtime.stop();
    expect(clock.pending()).toBe(0);
  });
});
