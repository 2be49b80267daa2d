/** What was missed: known bindings are asked for, contacts nobody told us about are found, a broken round is done again. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Aor } from '../../plugin/core/aor.ts';
import type { BindingId } from '../../plugin/core/binding.ts';
import { targetList } from '../../plugin/core/identity.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { pushParamsOf } from '../../plugin/core/push-params.ts';
import { DAY, HOUR, type Instant, MINUTE, plus } from '../../plugin/core/time.ts';
import { Bindings } from '../../plugin/runtime/bindings/records.ts';
import { Resync } from '../../plugin/runtime/bindings/resync.ts';
import { AOR, contactUri } from '../support/builders.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { FakePbx } from '../support/fake-pbx.ts';
import { intakeOver } from '../support/intake.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const SECOND_AOR = '1002@example.com' as Aor;

let clock: FakeClock;
let store: MemoryStore;
let log: RecordedLog;
let bindings: Bindings;
let pbx: FakePbx;
let resync: Resync;
let removed: string[];

beforeEach(async () => {
  clock = new FakeClock();
  store = new MemoryStore();
  log = new RecordedLog();
  removed = [];
  bindings = new Bindings({
    store,
    clock,
    log,
    policyFor: () => () => DEFAULT_POLICY,
    onEffects: (_aor, _record, effects) => {
      for (const e of effects) if (e.type === 'removeContact') removed.push(e.uri);
    },
  });
  pbx = new FakePbx({ clock, maximumExpiresMs: 2 * HOUR });
  await pbx.start(() => undefined);
  let id = 0;
  const newId = () => `00000000000000${String(10 + (id++ % 90))}`;
  resync = new Resync({
    store,
    intake: intakeOver({ records: bindings, clock, log, newId }),
    clock,
    wire: clock,
    log,
    tellReachable: () => undefined,
    compareReachable: () => undefined,
    owns: (_link, aor) => aor.endsWith('@example.com'),
    waiting: () => 0,
  });
});

afterEach(async () => {
  await resync.stop();
  await bindings.stop();
  expect(clock.pending(), 'timers left').toBe(0);
});

const bound = async (aor: Aor = AOR) => (await store.get(aor))?.bindings ?? [];

describe('a resync', () => {
  it('finds a device that registered while nobody looked, once', async () => {
    pbx.register('1001', contactUri());
    await resync.run(pbx, 'connect');
    await resync.run(pbx, 'connect');
    expect(await bound()).toHaveLength(1);
  });

  it('finds that a phone whose binding has ended has registered since, by the expiry of its contact alone', async () => {
    const uri = contactUri();
    const params = pushParamsOf(uri);
    const tokens = params.kind === 'push' ? targetList(params.targets).map((t) => t.token.fingerprint) : [];
    const endedAt = clock.now();
    const ended = { id: '0000000000000001' as BindingId, reason: 'age' as const, endedAt, renewedAt: endedAt, tokens };
    await store.put({ aor: AOR, version: 0, bindings: [], tombstones: [ended] }, 0);
    const held = (expiresAt: Instant) => {
      pbx.list = async function* () {
        yield { pbx: pbx.name, aor: AOR, uri, expiresAt };
      };
    };
    // It was granted five hours, or seven days, at a time that nobody knows.
    held(plus(endedAt, 5 * HOUR));
    await clock.advance(HOUR);
    await resync.run(pbx, 'connect');
    await clock.advance(HOUR);
    await resync.run(pbx, 'sweep');
    expect(await bound(), 'the contact that it left behind').toEqual([]);
    held(plus(endedAt, 8 * HOUR));
    await clock.advance(HOUR);
    await resync.run(pbx, 'sweep');
    expect(await bound()).toHaveLength(1);
    expect((await bound())[0]?.renewedAt).toBe(plus(endedAt, 2 * HOUR));
  });

  it('reads the record of a known account no second time where everything is as it was', async () => {
    for (const port of [5061, 5062, 5063])
      pbx.register('1001', contactUri({ port, voip: `${port}`.padStart(64, 'a') }), { told: false });
    await resync.run(pbx, 'connect');
    const before = store.gets;
    await resync.run(pbx, 'sweep');
    expect(store.gets - before).toBe(0);
    pbx.register('1001', contactUri({ port: 5064, voip: 'c'.repeat(64), other: 'd'.repeat(64) }), { told: false });
    await resync.run(pbx, 'sweep');
    expect(store.gets - before, 'once, however many contacts it has').toBe(1);
    expect(await bound()).toHaveLength(2);
  });

  it('skips an account whose record cannot be read; a store that does not answer ends the round', async () => {
    for (let i = 0; i < 40; i++) {
      const user = String(1_000 + i);
      pbx.register(user, contactUri({ port: 40_000 + i }).replace('1001@', `${user}@`));
    }
    store.damaged.add('1003@example.com' as Aor);
    await resync.run(pbx, 'connect');
    expect(log.at('warn').map((l) => l.message)).toEqual(['resync skips an account']);
    store.damaged.clear();
    const all: string[] = [];
    for await (const record of store.scan()) if (record.bindings.length > 0) all.push(record.aor);
    expect(all).toHaveLength(39);
    store.down = 'away';
    await resync.run(pbx, 'connect');
    expect(log.at('info').at(-1)?.message).toBe('resync broken off, it is done again at the next connect or sweep');
    expect(log.at('warn').length).toBeLessThan(25);
  });

  it('of many accounts takes the PBX at full speed for three seconds only, then for a tenth of the time', async () => {
    const many = Array.from({ length: 8_000 }, (_, i) => `${2_000 + i}`);
    for (const user of many) pbx.register(user, contactUri());
    await resync.run(pbx, 'sweep');
    let asked = 0;
    pbx.ask = async () => {
      asked++;
      await new Promise<void>((done) => void clock.after(5, done));
      return { aorExists: true, contacts: [] };
    };
    const running = resync.run(pbx, 'connect');
    await clock.advance(3_000);
    const hurried = asked;
    await clock.advance(3_000);
    const paced = asked - hurried;
    // Eight at a time, 5 ms each.
    expect(hurried).toBeGreaterThan(4_500);
    expect(paced).toBeGreaterThan(400);
    expect(paced).toBeLessThan(500);
    const stopping = resync.stop();
    await clock.advance(20);
    await Promise.all([stopping, running]);
  });

  it('that is stopped reads no more of the store, and asks the PBX for nothing more', async () => {
    for (let i = 0; i < 1_000; i++) pbx.register(`${2_000 + i}`, contactUri());
    await resync.run(pbx, 'sweep');
    let read = 0;
    const scan = store.scan.bind(store);
    store.scan = async function* () {
      for await (const record of scan()) {
        read++;
        yield record;
      }
    };
    let lists = 0;
    pbx.list = async function* () {
      lists++;
      yield* [];
    };
    pbx.ask = async () => {
      await new Promise<void>((done) => void clock.after(5, done));
      return { aorExists: true, contacts: [] };
    };
    const running = resync.run(pbx, 'connect');
    await clock.advance(20);
    const before = read;
    expect(before).toBeGreaterThan(8);
    const stopping = resync.stop();
    await clock.advance(20);
    await Promise.all([stopping, running]);
    expect(read - before).toBeLessThan(3);
    expect(lists).toBe(0);
    expect(log.at('info').map(({ message }) => message)).not.toContain(
      'resync broken off, it is done again at the next connect or sweep',
    );
  });

  it('leaves contacts without push parameters alone', async () => {
    pbx.register('1001', 'sip:1001@192.0.2.7:5060');
    await resync.run(pbx, 'connect');
    expect(store.puts).toBe(0);
  });

  it('renews a phone whose granted time nobody knows by the most the PBX grants', async () => {
    pbx.register('1001', contactUri());
    await resync.run(pbx, 'connect');
    const [before] = await bound();
    // It refreshes every half an hour, which Asterisk tells nobody.
    for (let i = 0; i < 48; i++) {
      await clock.advance(30 * MINUTE);
      pbx.register('1001', contactUri(), { told: false });
    }
    await resync.run(pbx, 'sweep');
    const [after] = await bound();
    expect(after?.id).toBe(before?.id);
    // Its last REGISTER was now; no more than an hour ago is proved, because it could have been granted two.
    expect((after?.renewedAt ?? 0) - clock.now()).toBe(-1 * HOUR);
    expect((after?.endsAt ?? 0) - clock.now()).toBe(7 * DAY - 1 * HOUR);
  });

  it('knows to a quarter of an hour when such a phone registered', async () => {
    pbx.register('1001', contactUri(), { grantedMs: 90 * MINUTE, told: false });
    await resync.run(pbx, 'connect');
    const quarters = async (n: number) => {
      for (let i = 0; i < n; i++) {
        await clock.advance(15 * MINUTE);
        await resync.run(pbx, 'sweep');
      }
    };
    await quarters(5);
    pbx.register('1001', contactUri(), { grantedMs: 90 * MINUTE, told: false });
    await quarters(4);
    expect((clock.now() - ((await bound())[0]?.renewedAt ?? 0)) / MINUTE).toBe(60);
  });

  it('does not renew a phone that has not registered since, however often it is looked at', async () => {
    pbx.register('1001', contactUri(), { grantedMs: 2 * HOUR });
    await resync.run(pbx, 'connect');
    const [before] = await bound();
    await clock.advance(HOUR);
    await resync.run(pbx, 'sweep');
    expect((await bound())[0]?.renewedAt).toBe(before?.renewedAt);
  });

  it('remembers the contact a known device moved to, and removes neither', async () => {
    pbx.register('1001', contactUri({ port: 1 }));
    await resync.run(pbx, 'connect');
    await clock.advance(10 * MINUTE);
    pbx.register('1001', contactUri({ port: 2 }), { told: false });
    await resync.run(pbx, 'connect');
    expect(await bound()).toHaveLength(1);
    expect(removed).toEqual([]);
  });

  it('of the sweep comes every 15 minutes while the link is up', async () => {
    resync.start([pbx]);
    pbx.register('1001', contactUri(), { told: false });
    await clock.advance(15 * MINUTE - 1);
    expect(await bound()).toEqual([]);
    await clock.advance(1);
    await settle(5);
    expect(await bound()).toHaveLength(1);
    pbx.disconnect();
    pbx.register('1002', contactUri({ voip: 'c'.repeat(64), other: 'd'.repeat(64) }));
    await clock.advance(15 * MINUTE);
    await settle(5);
    expect(await bound(SECOND_AOR)).toEqual([]);
  });

  it('that cannot ask says so and changes nothing', async () => {
    pbx.register('1001', contactUri());
    await resync.run(pbx, 'connect');
    pbx.disconnect();
    await resync.run(pbx, 'connect');
    expect(await bound()).toHaveLength(1);
    expect(log.lines.at(-1)?.message).toBe('resync broken off, it is done again at the next connect or sweep');
  });

  it('asked for while one runs is done after it', async () => {
    pbx.register('1001', contactUri());
    await resync.run(pbx, 'connect');
    const asks = pbx.asks;
    await Promise.all([resync.run(pbx, 'connect'), resync.run(pbx, 'connect'), resync.run(pbx, 'connect')]);
    await resync.idle();
    expect(pbx.asks - asks).toBe(2);
  });

  it('looks for new contacts also when a record cannot be read, and says that one cannot', async () => {
    pbx.register('1001', contactUri());
    await resync.run(pbx, 'connect');
    store.damaged.add(AOR);
    pbx.register('1002', contactUri({ voip: 'c'.repeat(64), other: 'd'.repeat(64) }));
    await resync.run(pbx, 'connect');
    expect(await bound(SECOND_AOR)).toHaveLength(1);
    expect(log.at('error').map((l) => l.message)).toContain('resync without the records that cannot be read');
  });
});
