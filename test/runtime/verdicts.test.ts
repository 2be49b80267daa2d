/**
 * One way home: a verdict on a token counts alike whichever push brought it, the brake hears of each, and no site loses more
 * than a small share of its devices to a push service that suddenly calls everything dead. Whole runtime, fake clock and PBX.
 */
import { afterEach, describe, expect, test } from 'vitest';
import type { Aor } from '../../plugin/core/aor.ts';
import { isLive } from '../../plugin/core/binding.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../../plugin/core/time.ts';
import type { PushOutcome, PushProvider, PushRequest } from '../../plugin/ports/push-provider.ts';
import { tripsAt } from '../../plugin/runtime/bindings/brake.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { Runtime } from '../../plugin/runtime/runtime.ts';
import { contactUri, MONDAY } from '../support/builders.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { FakePbx } from '../support/fake-pbx.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const AOR_1001 = '1001@example.com' as Aor;
const DEAD: PushOutcome = { kind: 'tokenDead', reason: 'Unregistered' };
const hex = (n: number, first: string) => `${first}${n.toString(16).padStart(63, '0')}`;

class Site {
  readonly clock = new FakeClock(MONDAY);
  readonly log = new RecordedLog();
  readonly pbx = new FakePbx({ clock: this.clock });
  readonly store = new MemoryStore();
  readonly pushes: PushRequest[] = [];
  /** What the service answers to a push of this purpose. */
  answer: (request: PushRequest) => PushOutcome = () => ({ kind: 'accepted' });
  /** While set, no push is answered. */
  gate: Promise<void> | undefined;
  readonly runtime: Runtime;

  constructor(brake = true) {
    const { clock, log, store, pbx } = this;
    const service: PushProvider = {
      name: 'apns',
      maxInFlight: 100_000,
      targetFor: (purpose, targets) => (purpose === 'call' ? targets.call : targets.other),
      send: async (request) => {
        this.pushes.push(request);
        await this.gate;
        return this.answer(request);
      },
      close: async () => undefined,
    };
    this.runtime = new Runtime({
      mode: 'full',
      clock,
      log,
      store,
      links: [pbx],
      delivery: createDelivery({ providers: [service], clock, log, random: () => 0.5 }),
      policyFor: () => () => ({ ...DEFAULT_POLICY, refreshSpreadMs: 0 }),
      noticeText: (_aor, notice) => ({ body: notice }),
      realmOf: () => 'example.com',
      randomHex: (bytes) => (this.#ids++).toString(16).padStart(bytes * 2, '0'),
      forgetAfterMs: DAY,
      brake,
    });
  }
  #ids = 1;
  #calls = 0;

  async start(devices: number): Promise<this> {
    await this.runtime.start();
    for (let n = 0; n < devices; n++) {
      const uri = contactUri({ port: 10_000 + (n % 50_000), voip: hex(n, 'a'), other: hex(n, 'b') });
      this.pbx.register(String(10_000 + n), uri);
    }
    await this.runtime.idle();
    expect(await this.live()).toBe(devices);
    return this;
  }

  call(n: number): void {
    const aor = `${10_000 + n}@example.com` as Aor;
    const id = this.#calls++;
    const leg = { legId: `leg-${id}`, aor, linkedId: `call-${id}` };
    this.pbx.emit({ type: 'wakeLegArrived', pbx: 'office', leg, startedAt: this.clock.now() });
  }

  async calls(count: number): Promise<void> {
    for (let n = 0; n < count; n++) this.call(n);
    await settle(50);
    await this.runtime.idle();
  }

  async bindings() {
    const found = [];
    for await (const record of this.store.scan()) found.push(...record.bindings);
    return found;
  }

  async live(): Promise<number> {
    return (await this.bindings()).filter(isLive).length;
  }

  async voipTokens(): Promise<number> {
    return (await this.bindings()).filter((b) => isLive(b) && b.targets.call).length;
  }

  brakeLines(): string[] {
    return this.log.at('error').flatMap((l) => (l.message.startsWith('brake') ? [String(l.fields.reason)] : []));
  }
}

let site: Site;
afterEach(async () => {
  await site.runtime.stop();
});

const isCall = (request: PushRequest) => request.purpose === 'call';

describe('call pushes that are all answered "token dead"', () => {
  test('150 accounts, 150 calls within a second: the brake is on, at least 120 VoIP tokens are left', async () => {
    site = await new Site().start(150);
    site.answer = () => DEAD;
    await site.calls(150);
    expect(site.pushes.filter(isCall)).toHaveLength(150);
    expect(await site.voipTokens()).toBeGreaterThanOrEqual(120);
    expect(await site.voipTokens()).toBe(150 - (tripsAt(150) - 1));
    expect(site.runtime.status.brake()).toMatchObject([{ app: 'apns TEAM123456.com.example.phone' }]);
    expect(site.brakeLines()).toHaveLength(1);
    const notified = site.pushes.filter((p) => p.purpose === 'notice');
    expect(notified.length, 'users told that their account has ended').toBeLessThan(tripsAt(150));
  });

  test('without a brake all are lost (control)', async () => {
    site = await new Site(false).start(150);
    site.answer = () => DEAD;
    await site.calls(150);
    expect(await site.voipTokens()).toBe(0);
  });

  test('what was in flight when it tripped changes nothing', async () => {
    site = await new Site().start(80);
    let open: () => void = () => undefined;
    site.gate = new Promise((resolve) => {
      open = resolve;
    });
    site.answer = () => DEAD;
    for (let n = 0; n < 80; n++) site.call(n);
    await settle(50);
    expect(site.pushes).toHaveLength(80);
    open();
    await settle(50);
    await site.runtime.idle();
    expect(await site.voipTokens()).toBe(80 - 5);
  });

  test('the brake lets calls ring: a doubtful token is pushed again', async () => {
    site = await new Site().start(80);
    site.answer = () => DEAD;
    await site.calls(80);
    site.pushes.length = 0;
    await site.clock.advance(MINUTE);
    await site.calls(80);
    expect(site.pushes.filter(isCall).length).toBeGreaterThanOrEqual(75);
  });
});

describe.each([10, 80, 10_000])('a site of %d devices, an hour of dead verdicts', (devices) => {
  const most = devices * 0.1 + 2;

  test('by calls', async () => {
    site = await new Site().start(devices);
    site.answer = () => DEAD;
    for (let round = 0; round < 4; round++) {
      await site.calls(Math.min(devices, 2_000));
      await site.clock.advance(15 * MINUTE - SECOND);
    }
    expect(devices - (await site.voipTokens())).toBeLessThanOrEqual(most);
    expect(devices - (await site.live())).toBeLessThanOrEqual(most);
  }, 120_000);
});

test('silent pushes count like calls, and together with them', { timeout: 60_000 }, async () => {
  site = await new Site().start(40);
  site.answer = () => DEAD;
  await site.calls(2);
  expect(site.runtime.status.brake()).toEqual([]);
  for (const c of [...site.pbx.contacts]) site.pbx.remove(c.aor, c.uri);
  await site.clock.advance(6 * DAY + 1 * HOUR);
  await site.runtime.idle();
  expect(site.pushes.some((p) => p.purpose === 'refresh')).toBe(true);
  expect(site.runtime.status.brake()).toHaveLength(1);
  expect(await site.live()).toBeGreaterThanOrEqual(35);
});

test('explain and status name the app, the count and what to do; let go by hand it counts anew', async () => {
  site = await new Site().start(10);
  site.answer = () => DEAD;
  await site.calls(10);
  const { devices } = (await site.runtime.operator.explain('10009@example.com')) ?? { devices: [] };
  expect(devices.join('\n')).toMatch(
    /brake holds the app apns TEAM123456.com.example.phone: \d+ of its \d+ live devices called dead.*What to do/,
  );
  expect(site.runtime.status.status().brake).toContain('live devices called dead within an hour');
  expect(site.runtime.operator.releaseBrake()).toHaveLength(1);
  expect(site.runtime.status.brake()).toEqual([]);
  const before = await site.voipTokens();
  await site.calls(10);
  expect(before - (await site.voipTokens())).toBe(tripsAt(8) - 1);
});

describe('a token that changes together with host and port, as when an app was started anew', () => {
  const former = contactUri({ port: 40_001, voip: 'c'.repeat(64), other: 'd'.repeat(64) });
  const present = contactUri({ port: 40_777, voip: 'e'.repeat(64), other: 'f'.repeat(64) });

  const started = async () => {
    site = await new Site().start(0);
    const seen = (uri: string) => {
      const contact = site.pbx.register('1001', uri, { told: false });
      const event = { type: 'contactSeen', how: 'hep', at: site.clock.now(), grantedMs: HOUR } as const;
      site.pbx.emit({ ...event, contact: { ...contact, instanceId: '<urn:uuid:1>' } });
      return site.runtime.idle();
    };
    await seen(former);
    await site.clock.advance(MINUTE);
    await seen(present);
  };

  test('is one device: the question before the old contact is removed binds nothing', async () => {
    await started();
    expect((await site.bindings()).map((b) => b.targets.call?.token.reveal())).toEqual(['e'.repeat(64)]);
    expect(site.pbx.contacts.map((c) => c.uri)).toEqual([present]);
  });

  test('and what is still held with the token that it gave up is no device of its own', async () => {
    await started();
    site.pbx.register('1001', former, { told: false, grantedMs: MINUTE });
    site.pbx.emit({
      type: 'contactSeen',
      contact: { pbx: 'office', aor: AOR_1001, uri: former },
      how: 'ask',
      at: site.clock.now(),
    });
    await site.runtime.idle();
    expect(await site.bindings()).toHaveLength(1);
  });

  test('until the phone registers with it', async () => {
    await started();
    site.pbx.register('1001', former, { told: true });
    await site.runtime.idle();
    expect(await site.bindings()).toHaveLength(2);
  });
});

describe('the contact of a token that is called dead', () => {
  const AOR = '10000@example.com' as Aor;
  const uri = contactUri({ port: 10_000, voip: hex(0, 'a'), other: hex(0, 'b') });
  /** One phone, awake at a contact that the PBX holds for so long; its call push is answered 410. */
  const called = async (grantedMs: number) => {
    site = await new Site(false).start(0);
    site.pbx.register('10000', uri, { grantedMs });
    await site.runtime.idle();
    site.answer = (request) => (isCall(request) ? DEAD : { kind: 'accepted' });
    await site.calls(1);
    expect((await site.bindings())[0]?.ending?.reason ?? 'gone').toMatch(/token-dead|gone/);
    return site;
  };
  const held = () => site.pbx.contacts.map((c) => c.uri);
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 10 * MINUTE) {
      await site.clock.advance(Math.min(left, 10 * MINUTE));
      site.pbx.sweep();
      await site.runtime.idle();
    }
  };

  test.each([
    ['an hour', HOUR],
    ['a day', DAY],
  ])('it expires within %s: it stays, so that a phone which lives rings as without us', async (_, grantedMs) => {
    await called(grantedMs);
    expect(held()).toEqual([uri]);
    await site.calls(1);
    expect(site.pbx.orders.findLast((o) => o.order === 'compose')?.ring, 'plain').toEqual([]);
    await pass(20 * MINUTE);
    expect(held(), 'asked again, and left again').toEqual([uri]);
  });

  test('it would stay for longer: it is removed', async () => {
    await called(DAY + MINUTE);
    expect(held()).toEqual([]);
    expect(await site.bindings()).toEqual([]);
  });

  test('it has expired: the binding is gone, and what was left does not bind it anew', async () => {
    await called(HOUR);
    await pass(HOUR + 20 * MINUTE);
    expect(held()).toEqual([]);
    expect(await site.bindings()).toEqual([]);
    expect((await site.store.get(AOR))?.tombstones[0]?.reason).toBe('token-dead');
  });

  test('its phone refreshes it, which Asterisk does not report: the next sweep revives the binding', async () => {
    await called(HOUR);
    await pass(50 * MINUTE);
    site.pbx.register('10000', uri, { told: false });
    await pass(20 * MINUTE);
    expect(held()).toEqual([uri]);
    expect(await site.live()).toBe(1);
  });

  test('an expiry that nobody knows: it is removed', async () => {
    await called(HOUR);
    site.pbx.restore(site.pbx.contacts.map(({ expiresAt: _, ...contact }) => contact));
    await pass(20 * MINUTE);
    expect(held()).toEqual([]);
  });
});
