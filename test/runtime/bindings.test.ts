/** Where facts meet records: one write, in order, nothing lost while the store is away, nothing sent before it is saved. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Aor } from '../../plugin/core/aor.ts';
import type { BindingId } from '../../plugin/core/binding.ts';
import type { LifecycleEvent } from '../../plugin/core/events.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { MINUTE, SECOND } from '../../plugin/core/time.ts';
import { Bindings } from '../../plugin/runtime/bindings/records.ts';
import { AOR, contactUri } from '../support/builders.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const OTHER_AOR = '1002@example.com' as Aor;

let clock: FakeClock;
let store: MemoryStore;
let log: RecordedLog;
let bindings: Bindings;
/** What was handed on, with the version stored at that moment. */
let effects: { aor: Aor; what: string; version: number }[];

beforeEach(() => {
  clock = new FakeClock();
  store = new MemoryStore();
  log = new RecordedLog();
  effects = [];
  bindings = new Bindings({
    store,
    clock,
    log,
    policyFor: () => () => DEFAULT_POLICY,
    onEffects: (aor, record, all) => {
      for (const e of all) effects.push({ aor, what: e.type === 'report' ? e.what : e.type, version: record.version });
    },
  });
});

afterEach(async () => {
  await bindings.stop();
  expect(clock.pending(), 'timers left').toBe(0);
});

let ids = 0;
const register = (port = 40_001, token = 'a'): LifecycleEvent => ({
  type: 'ContactSeen',
  live: true,
  binds: true,
  at: clock.now(),
  newId: `00000000000000${String(10 + (ids++ % 90))}` as BindingId,
  contact: { pbx: 'office', uri: contactUri({ port, voip: token.repeat(64), other: token.toUpperCase().repeat(64) }) },
});
/** A call that the phone did not come for. */
const unanswered = (): LifecycleEvent => ({
  type: 'WakeSettled',
  bindingId: `00000000000000${String(9 + ids)}` as BindingId,
  sign: 'nothing',
  startedAt: clock.now(),
});
async function otherNode(): Promise<void> {
  const record = await store.get(AOR);
  if (record) await store.put({ ...record, tombstones: [] }, record.version);
}
const errors = () => log.at('error').map((l) => l.fields.reason);

describe('applying facts', () => {
  it('saves first and hands the effects on afterwards', async () => {
    await bindings.apply(AOR, register());
    expect(effects).toEqual([{ aor: AOR, what: 'bound', version: 1 }]);
    expect((await store.get(AOR))?.version).toBe(1);
  });

  it('several at once are one write', async () => {
    await bindings.apply(AOR, register(1, 'a'), register(2, 'b'), register(3, 'c'));
    expect(store.puts).toBe(1);
    expect((await store.get(AOR))?.bindings).toHaveLength(3);
  });

  it('that change nothing write nothing', async () => {
    const same = register();
    await bindings.apply(AOR, same);
    await bindings.apply(AOR, same);
    expect(store.puts).toBe(1);
  });

  it('decides again when somebody else wrote first: both changes survive', async () => {
    await bindings.apply(AOR, register(1, 'a'));
    const stored = await store.get(AOR);
    store.beforePut = () => {
      store.beforePut = undefined;
      if (stored) store.write({ ...stored, version: stored.version + 1 });
    };
    await bindings.apply(AOR, register(3, 'c'));
    expect((await store.get(AOR))?.bindings).toHaveLength(2);
    expect(effects.filter((e) => e.what === 'bound')).toHaveLength(2);
  });
});

describe('reading for a call', () => {
  it('asks a store that others write to each time', async () => {
    await bindings.apply(AOR, register());
    await otherNode();
    expect((await bindings.read(AOR))?.version).toBe(2);
  });

  it('goes by what was written last where nobody else writes', async () => {
    store.isOurs = true;
    await bindings.apply(AOR, register(1, 'a'));
    await bindings.apply(AOR, register(2, 'b'));
    const asked = store.gets;
    expect((await bindings.read(AOR))?.bindings).toHaveLength(2);
    expect(store.gets).toBe(asked);
    expect(await bindings.read(OTHER_AOR), 'an account that is not known is looked for').toBeUndefined();
    expect(store.gets).toBe(asked + 1);
  });

  it('a reading that was overtaken by a write is not what is known afterwards', async () => {
    store.isOurs = true;
    const reading = bindings.read(AOR);
    await Promise.all([reading, bindings.apply(AOR, register())]);
    await reading;
    expect((await bindings.read(AOR))?.bindings).toHaveLength(1);
  });
});

describe('while the store is away', () => {
  it('facts are kept in order and applied when it is back, with one line for each change of its state', async () => {
    store.down = 'the disk is full';
    await bindings.apply(AOR, register(1, 'a'));
    await bindings.apply(AOR, { type: 'Unregistered', pbx: 'office', at: clock.now() });
    await bindings.apply(OTHER_AOR, register(2, 'b'));
    await clock.advance(10 * SECOND);
    expect(effects).toEqual([]);
    expect(errors()).toEqual(['the disk is full']);
    store.down = undefined;
    await clock.advance(3 * SECOND);
    expect((await store.get(AOR))?.tombstones.map((t) => t.reason)).toEqual(['unregistered']);
    expect((await store.get(OTHER_AOR))?.bindings).toHaveLength(1);
    expect(log.lines.map((l) => l.message)).toEqual([
      'store does not answer, calls go on from memory',
      'store answers again',
    ]);
  });

  it('a call is told what was seen last, and does not wait longer than a quarter of a second', async () => {
    await bindings.apply(AOR, register());
    store.hangs = true;
    const reading = bindings.read(AOR);
    await clock.advance(250);
    expect((await reading)?.bindings).toHaveLength(1);
    // It is known to hang: the next call does not wait at all, and an account nobody has seen still gets its chance.
    expect((await bindings.read(AOR))?.bindings).toHaveLength(1);
    const stranger = bindings.read(OTHER_AOR);
    await clock.advance(250);
    expect(await stranger).toBeUndefined();
    store.hangs = false;
    expect((await bindings.read(AOR))?.bindings).toHaveLength(1);
    await settle();
    // It answers again, so what it says counts, not what was seen last.
    const stored = await store.get(AOR);
    if (stored) store.write({ ...stored, bindings: [] });
    expect((await bindings.read(AOR))?.bindings).toEqual([]);
    if (stored) store.write(stored);
    await bindings.read(AOR);
    store.down = 'gone';
    expect((await bindings.read(AOR))?.bindings).toHaveLength(1);
    expect(await bindings.read(OTHER_AOR)).toBeUndefined();
  });

  it.each<[what: string, meanwhile: () => Promise<unknown>, unanswered: number]>([
    ['is counted once', async () => undefined, 1],
    ['is counted beside the next one', () => bindings.apply(AOR, unanswered()), 2],
    ['is counted again where another node wrote meanwhile: whose write it was is not known', otherNode, 2],
  ])('a write is done and its answer lost: a call that nobody came for %s', async (_what, meanwhile, expected) => {
    await bindings.apply(AOR, register());
    store.losesAnswers = true;
    await bindings.apply(AOR, unanswered());
    store.losesAnswers = false;
    await meanwhile();
    await clock.advance(2 * SECOND);
    expect((await store.get(AOR))?.bindings.map((b) => b.unansweredWakes)).toEqual([expected]);
  });

  it('a write is done and its answer lost: what follows from it is done once', async () => {
    store.losesAnswers = true;
    await bindings.apply(AOR, register());
    store.losesAnswers = false;
    expect(effects).toEqual([]);
    await clock.advance(2 * SECOND);
    expect(effects).toEqual([{ aor: AOR, what: 'bound', version: 1 }]);
  });

  it('one damaged record costs one line, not one a second, and no other account', async () => {
    store.damaged.add(AOR);
    await bindings.apply(AOR, register(1, 'a'));
    for (let second = 0; second < 60; second++) {
      await bindings.apply(OTHER_AOR, register(100 + second, 'b'));
      await clock.advance(SECOND);
    }
    expect((await store.get(OTHER_AOR))?.bindings).toHaveLength(1);
    expect(errors()).toEqual([`the record of ${AOR} cannot be read`]);
    expect(log.at('info')).toEqual([]);
    store.damaged.clear();
    await clock.advance(2 * SECOND);
    expect((await store.get(AOR))?.bindings).toHaveLength(1);
    expect(log.at('info').map((l) => l.message)).toEqual(['store answers again']);
  });

  it('and another trouble meanwhile is told as well', async () => {
    store.damaged.add(AOR);
    await bindings.apply(AOR, register(1, 'a'));
    store.locked = 'is held by another program';
    await bindings.apply(OTHER_AOR, register(2, 'b'));
    expect(errors()).toEqual([`the record of ${AOR} cannot be read`, 'is held by another program']);
  });

  it('stopping does not wait for it', async () => {
    store.down = 'gone';
    await bindings.apply(AOR, register());
    await bindings.stop();
    await clock.advance(MINUTE);
    store.down = undefined;
    await settle();
    expect(await store.get(AOR)).toBeUndefined();
  });
});

describe('a store that lost its connection, and answers without the latest changes', () => {
  class Cut extends MemoryStore {
    cuts = 0;
    connectionsLost = () => this.cuts;
  }
  let cut: Cut;
  beforeEach(() => {
    cut = new Cut();
    store = cut;
    bindings = new Bindings({ store, clock, log, policyFor: () => () => DEFAULT_POLICY, onEffects: () => undefined });
  });
  const devices = async () => (await store.get(AOR))?.bindings.length ?? 0;
  /** A replica takes over that had got nothing since `kept`. */
  async function failover(kept: Awaited<ReturnType<typeof store.get>>): Promise<void> {
    const now = await store.get(AOR);
    if (now) await store.remove(AOR, now.version);
    if (kept) cut.write(kept);
    cut.cuts++;
  }

  it('a phone that bound within the last seconds is known to its calls, and is written again', async () => {
    await bindings.apply(AOR, register());
    await failover(undefined);
    expect((await bindings.read(AOR))?.bindings).toHaveLength(1);
    expect(await devices()).toBe(0);
    expect(await bindings.writeLatest()).toBe(1);
    expect(await devices()).toBe(1);
    expect(await bindings.writeLatest()).toBe(0);
  });

  it('a second device as well; the next fact is added to both', async () => {
    await bindings.apply(AOR, register(1, 'a'));
    const before = await store.get(AOR);
    await bindings.apply(AOR, register(2, 'b'));
    await failover(before);
    expect((await bindings.read(AOR))?.bindings).toHaveLength(2);
    await bindings.apply(AOR, register(3, 'c'));
    expect(await devices()).toBe(3);
  });

  it('what another node wrote since then counts', async () => {
    await bindings.apply(AOR, register());
    await otherNode();
    cut.cuts++;
    expect(await bindings.writeLatest()).toBe(0);
    expect((await store.get(AOR))?.version).toBe(2);
  });

  it('while the connection lasts the store is believed, whatever it says', async () => {
    await bindings.apply(AOR, register());
    const { version = 0 } = (await store.get(AOR)) ?? {};
    await store.remove(AOR, version);
    expect(await bindings.read(AOR)).toBeUndefined();
    expect(await bindings.writeLatest()).toBe(0);
  });

  it('what was written long before is not doubted', async () => {
    await bindings.apply(AOR, register());
    await clock.advance(11 * SECOND);
    await bindings.writeLatest();
    await failover(undefined);
    expect(await bindings.read(AOR)).toBeUndefined();
  });

  it('it was flushed: what was written before that counts no more once it is written back', async () => {
    await bindings.apply(AOR, register(1, 'a'));
    await bindings.apply(AOR, register(2, 'b'));
    await failover(undefined);
    expect(await bindings.writeBack()).toBe(1);
    expect(await store.get(AOR)).toMatchObject({ version: 1 });
    await otherNode();
    cut.cuts++;
    expect(await bindings.read(AOR)).toMatchObject({ version: 2 });
  });
});

describe('a store that was emptied', () => {
  it('where another node was first, the device that only we remember is added', async () => {
    await bindings.apply(AOR, register(1, 'a'));
    const theirs = await store.get(AOR);
    await bindings.apply(AOR, register(2, 'b'));
    await store.remove(AOR, 2);
    if (theirs) await store.put(theirs, 0);
    expect(await bindings.writeBack()).toBe(1);
    expect(await store.get(AOR)).toMatchObject({ version: 2, bindings: [{}, {}] });
    expect(await bindings.writeBack()).toBe(0);
  });

  it('asks it for an account that it knows in another way than for one that nobody has seen', async () => {
    const asked: unknown[] = [];
    const get = store.get.bind(store);
    store.get = (aor: Aor, how?: object) => {
      asked.push(how);
      return get(aor);
    };
    await bindings.read(AOR);
    await bindings.apply(AOR, register());
    await bindings.apply(AOR, unanswered());
    await bindings.read(AOR);
    expect(asked).toEqual([
      { isKnown: false },
      { calm: true, isKnown: false },
      { calm: true, isKnown: true },
      { isKnown: true },
    ]);
  });
});
