/**
 * Long stories through the whole runtime: fake PBX, fake clock, a push service that takes everything, the real store. What
 * the core's table says of single moments is shown here to come out of the parts together.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { randomId, systemClock } from '../../adapters/clock/system/index.ts';
import { create } from '../../adapters/store/sqlite/index.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR, MINUTE, plus } from '../../plugin/core/time.ts';
import type { PushOutcome, PushProvider, PushRequest } from '../../plugin/ports/push-provider.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { Runtime, type RuntimeOptions } from '../../plugin/runtime/runtime.ts';
import { contactUri, MONDAY } from '../support/builders.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakePbx } from '../support/fake-pbx.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { StoredRecords } from '../support/stored-records.ts';

const AOR = '1001@example.com' as Aor;

class Site {
  readonly folder = mkdtempSync(join(tmpdir(), 'pushwake-week-'));
  readonly clock = new FakeClock(MONDAY);
  readonly pbx = new FakePbx({ clock: this.clock });
  readonly pushes: { hours: number; what: string }[] = [];
  outcome: PushOutcome = { kind: 'accepted' };
  runtime: Runtime;
  log = new RecordedLog();
  mode: RuntimeOptions['mode'] = 'full';

  constructor() {
    this.runtime = this.#build();
  }

  #build(): Runtime {
    const service: PushProvider = {
      name: 'apns',
      targetFor: (purpose, targets) => (purpose === 'call' ? targets.call : targets.other),
      send: async (request: PushRequest) => {
        const hours = (this.clock.now() - MONDAY) / HOUR;
        this.pushes.push({ hours, what: request.purpose === 'notice' ? request.notice : request.purpose });
        return this.outcome;
      },
      close: async () => undefined,
    };
    return new Runtime({
      mode: this.mode,
      clock: this.clock,
      log: this.log,
      store: create({ path: join(this.folder, 'b.db') }, { clock: systemClock(), log: this.log, name: 'sqlite' }),
      links: [this.pbx],
      delivery: createDelivery({ providers: [service], clock: this.clock, log: this.log, random: () => 0.5 }),
      policyFor: () => () => ({ ...DEFAULT_POLICY, refreshSpreadMs: 0 }),
      noticeText: (_aor, notice) => ({ body: notice }),
      realmOf: () => 'example.com',
      randomHex: randomId,
      forgetAfterMs: DAY,
      brake: false,
    });
  }

  async start(): Promise<void> {
    await this.runtime.start();
    await this.runtime.idle();
  }

  async restart(): Promise<void> {
    this.runtime = this.#build();
    await this.start();
  }

  /** Lets hours pass in steps, with what the phone does at each. */
  async pass(hours: number, each: () => void = () => undefined, stepMinutes = 30): Promise<void> {
    const steps = Math.round((hours * 60) / stepMinutes);
    for (let i = 0; i < steps; i++) {
      each();
      await this.clock.advance(stepMinutes * MINUTE);
      this.pbx.sweep();
      await this.runtime.idle();
    }
  }

  notices(): string[] {
    return this.pushes.filter((p) => p.what === 'soon' || p.what === 'expired').map((p) => p.what);
  }

  record() {
    return new StoredRecords(join(this.folder, 'b.db')).get(AOR);
  }

  async close(): Promise<void> {
    await this.runtime.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

let site: Site;
beforeEach(async () => {
  site = new Site();
  await site.start();
});
afterEach(async () => {
  await site.close();
  expect(site.clock.pending(), 'timers left behind').toBe(0);
});

describe('a week', { timeout: 60_000 }, () => {
  test('a silent phone: silent pushes, warned twice, expired, contact and binding gone', async () => {
    site.pbx.register('1001', contactUri(), { grantedMs: 30 * DAY });
    await site.runtime.idle();
    await site.pass(6 * 24 - 1, undefined, 600);
    expect(site.pushes).toEqual([]);
    await site.pass(30);
    expect(site.notices()).toEqual(['soon', 'soon', 'expired']);
    expect(site.pushes.filter((p) => p.what === 'refresh').length).toBeGreaterThanOrEqual(20);
    expect(site.record().bindings).toEqual([]);
    expect(site.pbx.contacts).toEqual([]);
    expect(site.pbx.orders.filter((o) => o.order === 'setReachable').map((o) => o.reachable)).toEqual([true, false]);
  });

  test('a phone that refreshes quietly on one connection until Saturday and closes it: nothing is sent on Sunday', async () => {
    site.pbx.register('1001', contactUri());
    await site.runtime.idle();
    // Asterisk tells no plain refresh: only the expiry moves.
    await site.pass(5 * 24, () => site.pbx.register('1001', contactUri(), { told: false }));
    site.pbx.remove(AOR, contactUri());
    await site.pass(48);
    expect(site.pushes).toEqual([]);
  });

  test('the same with pushwake down for a day in between', async () => {
    site.pbx.register('1001', contactUri());
    await site.runtime.idle();
    await site.pass(2 * 24, () => site.pbx.register('1001', contactUri(), { told: false }));
    await site.runtime.stop();
    for (let i = 0; i < 48; i++) {
      await site.clock.advance(30 * MINUTE);
      site.pbx.register('1001', contactUri());
    }
    await site.restart();
    await site.pass(2 * 24, () => site.pbx.register('1001', contactUri(), { told: false }));
    site.pbx.remove(AOR, contactUri());
    await site.pass(48);
    expect(site.pushes).toEqual([]);
  });

  test('the same when nobody knows what was granted', async () => {
    // Found at a resync: no REGISTER was seen, only what is held.
    site.pbx.disconnect();
    site.pbx.register('1001', contactUri());
    site.pbx.connect();
    await site.runtime.idle();
    expect(site.record().bindings[0]?.contacts[0]?.grantedMs).toBeUndefined();
    await site.pass(5 * 24, () => site.pbx.register('1001', contactUri(), { told: false }));
    site.pbx.remove(AOR, contactUri());
    await site.pass(48);
    expect(site.pushes).toEqual([]);
  });

  test('a contact that its PBX holds and that has expired hours ago by our clock: one clock is wrong, and nothing ends', async () => {
    site.pbx.register('1001', contactUri(), { grantedMs: 30 * DAY });
    await site.runtime.idle();
    const { ask } = site.pbx;
    site.pbx.ask = async (aor) => {
      const answer = await ask.call(site.pbx, aor);
      const expiresAt = plus(site.clock.now(), -2 * HOUR);
      return { ...answer, contacts: answer.contacts.map((c) => ({ ...c, expiresAt })) };
    };
    await site.pass(9 * 24, undefined, 600);
    expect(site.pushes).toEqual([]);
    expect(site.pbx.contacts).toHaveLength(1);
    expect(site.log.lines.filter((l) => l.message.includes('one of the two clocks is wrong')).length).toBeGreaterThan(
      0,
    );
    site.pbx.ask = ask;
    await site.pass(30);
    expect(site.notices()).toEqual(['soon', 'soon', 'expired']);
  });

  test('a phone that opens its app after the first notice hears nothing more', async () => {
    site.pbx.register('1001', contactUri());
    await site.runtime.idle();
    await site.pass(6 * 24 + 13, undefined, 60);
    expect(site.notices()).toEqual(['soon']);
    site.pbx.register('1001', contactUri({ port: 40_002 }));
    await site.pass(24);
    expect(site.notices()).toEqual(['soon']);
    expect(site.record().bindings.length).toBe(1);
  });

  test.each([
    ['12 h before the end', 6 * 24 + 14],
    ['an hour before the end', 6 * 24 + 23.5],
  ])('observed until after the notice of %s: in full the user is warned first, and twice', async (_what, hours) => {
    site.mode = 'observe';
    await site.runtime.stop();
    await site.restart();
    site.pbx.register('1001', contactUri());
    await site.runtime.idle();
    await site.pass(hours, undefined, 30);
    expect(site.pushes).toEqual([]);
    site.mode = 'full';
    await site.runtime.stop();
    await site.restart();
    await site.pass(40);
    expect(site.notices()).toEqual(['soon', 'soon', 'expired']);
  });

  test('the PBX is not to be had at the end: nothing is sent, nothing ends; when it is back the user is warned first', async () => {
    site.pbx.register('1001', contactUri());
    await site.runtime.idle();
    await site.pass(5 * 24, undefined, 600);
    site.pbx.disconnect();
    await site.pass(20, undefined, 60);
    expect(site.pushes).toEqual([]);
    site.pbx.connect();
    await site.pass(40, undefined, 30);
    expect(site.notices()).toEqual(['soon', 'soon', 'expired']);
  });

  test('a PBX unseen for a day no longer holds anything up', async () => {
    site.pbx.register('1001', contactUri());
    await site.runtime.idle();
    await site.pass(5 * 24, undefined, 600);
    site.pbx.disconnect();
    await site.pass(4 * 24, undefined, 60);
    expect(site.notices()).toEqual(['soon', 'soon', 'expired']);
    // The contact cannot be removed at a PBX that is gone: after a day it ends without.
    expect(site.record().bindings).toEqual([]);
  });

  test('a wrong key at the push service: no binding is lost, and each notice is sent once it is right', async () => {
    site.pbx.register('1001', contactUri());
    await site.runtime.idle();
    site.outcome = { kind: 'misconfigured', reason: 'InvalidProviderToken', hint: 'check the key' };
    await site.pass(10 * 24, undefined, 60);
    expect(site.record().bindings.length).toBe(1);
    site.outcome = { kind: 'accepted' };
    site.pushes.length = 0;
    await site.pass(15, undefined, 30);
    expect(site.notices()).toEqual(['soon', 'soon', 'expired']);
  });

  test('an account deleted on the PBX ends silently', async () => {
    site.pbx.register('1001', contactUri());
    await site.runtime.idle();
    site.pbx.unknownAors.add(AOR);
    await site.pass(7 * 24, undefined, 60);
    expect(site.notices()).toEqual([]);
    expect(site.record().bindings).toEqual([]);
    expect(site.record().tombstones.map((t) => t.reason)).toEqual(['aor-deleted']);
  });
});
