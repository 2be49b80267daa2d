/** What is counted in the background, and that counting is in nobody's way. */
import { describe, expect, it } from 'vitest';
import type { Aor } from '../../plugin/core/aor.ts';
import { DAY, HOUR, MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import type { StoreOperation } from '../../plugin/ports/observer.ts';
import { Census } from '../../plugin/runtime/status/census.ts';
import { TimedStore } from '../../plugin/runtime/status/timed-store.ts';
import { bindingEndingIn, MONDAY, recordOf, voipOnly, warned } from '../support/builders.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const named = (aor: string, ...bindings: Parameters<typeof recordOf>) => ({
  ...recordOf(...bindings),
  aor: aor as Aor,
});

function counting(store = new MemoryStore(), waiting = () => 0) {
  const clock = new FakeClock(MONDAY);
  const census = new Census({ store, clock, wire: clock, log: new RecordedLog(), waiting });
  return { store, clock, census };
}

describe('the count', () => {
  it('by stage, by hour of end, who cannot be told, who seldom wakes', async () => {
    const { store, census } = counting();
    const id = (n: number) => ({ id: `00000000000000c${n}` as never });
    store.write(
      named(
        'b@example.com',
        bindingEndingIn(6 * DAY, MONDAY),
        bindingEndingIn(20 * HOUR, MONDAY, { ...id(2), lastRefreshAt: MONDAY, sent: [] }),
        bindingEndingIn(11 * HOUR, MONDAY, { ...id(3), lastRefreshAt: MONDAY, sent: [warned(12 * HOUR, MONDAY)] }),
        bindingEndingIn(-MINUTE, MONDAY, {
          ...id(4),
          ending: { reason: 'age', since: MONDAY, notice: 'due', contact: 'due' },
        }),
      ),
    );
    store.write(named('a@example.com', bindingEndingIn(29 * DAY, MONDAY, { targets: voipOnly() })));
    store.write(named('c@example.com', bindingEndingIn(6 * DAY, MONDAY, { wakes: [null, null, null, 1_000, null] })));
    store.write(named('gone@example.com'));
    await census.count();
    const count = census.last;
    expect(count).toMatchObject({
      accounts: 3,
      devices: 6,
      byStage: { fresh: 3, refreshing: 1, warned: 1, ending: 1, claimed: 0 },
      unnotifiable: 1,
      endsLater: 1,
      seldom: 1,
    });
    expect([...(count?.endsByHour ?? [])].sort()).toEqual(
      [
        [plus(MONDAY, 11 * HOUR), 1],
        [plus(MONDAY, 20 * HOUR), 1],
        [plus(MONDAY, 6 * DAY), 2],
      ].sort(),
    );
    expect(count?.list.map((a) => [a.aor, a.stage, a.devices])).toEqual([
      ['a@example.com', 'fresh', 1],
      ['b@example.com', 'ending', 4],
      ['c@example.com', 'fresh', 1],
    ]);
    expect(count?.seldomWoken[0]).toMatchObject({ aor: 'c@example.com', record: expect.stringContaining('1 woke it') });
  });

  it('makes a pause after 250 records and each 25 more, and stops in the middle when it is told to', async () => {
    const { store, clock, census } = counting();
    for (let n = 0; n < 280; n++) store.write(named(`${n}@example.com`, bindingEndingIn(6 * DAY, MONDAY)));
    census.start();
    await clock.advance(1 * SECOND);
    expect(census.last, 'in the first pause').toBeUndefined();
    expect(clock.pending()).toBe(1);
    await clock.advance(2);
    expect(census.last).toBeUndefined();
    await clock.advance(2);
    expect(census.last?.accounts).toBe(280);
    await clock.advance(1 * MINUTE);
    expect(clock.pending(), 'in a pause of the second count').toBe(1);
    await census.stop();
    expect(clock.pending()).toBe(0);
  });

  it('makes longer pauses while a call waits for a phone', async () => {
    let waiting = 1;
    const { store, clock, census } = counting(new MemoryStore(), () => waiting);
    for (let n = 0; n < 290; n++) store.write(named(`${n}@example.com`, bindingEndingIn(6 * DAY, MONDAY)));
    const counted = census.count();
    await clock.advance(19);
    waiting = 0;
    // The pause that had begun ends as it was to; the next one is short again.
    await clock.advance(2);
    expect(census.last).toBeUndefined();
    await clock.advance(1);
    expect(census.last?.accounts).toBe(290);
    await counted;
  });

  it('a store that breaks off leaves the last count; a damaged record is told', async () => {
    const { store, census } = counting();
    for (let n = 0; n < 20; n++) store.write(named(`${n}@example.com`, bindingEndingIn(6 * DAY, MONDAY)));
    await census.count();
    store.down = 'away';
    await census.count();
    expect(census.last).toMatchObject({ accounts: 20 });
    expect(census.last?.incomplete).toBeUndefined();
    store.down = undefined;
    store.damaged.add('7@example.com' as Aor);
    await census.count();
    expect(census.last).toMatchObject({ accounts: 19, incomplete: '1 records could not be read' });
  });
});

describe('a timed store', () => {
  it('times each answer, and knows since when it fails until one of the same kind succeeds', async () => {
    const clock = new FakeClock(MONDAY);
    const inner = new MemoryStore();
    const heard: [StoreOperation, boolean][] = [];
    const store = new TimedStore(inner, clock, (operation, _ms, ok) => heard.push([operation, ok]));
    const aor = '1001@example.com' as Aor;
    await store.get(aor);
    expect(store.trouble).toBeUndefined();
    inner.locked = 'disk full';
    await expect(store.remove(aor, 1)).rejects.toThrow('disk full');
    await clock.advance(MINUTE);
    await expect(store.put(recordOf(), 0)).rejects.toThrow('disk full');
    await store.get(aor);
    expect(store.trouble).toEqual({ reason: 'disk full', since: MONDAY });
    inner.locked = undefined;
    await store.put(recordOf(bindingEndingIn(DAY, MONDAY)), 0);
    expect(store.trouble).toBeUndefined();
    expect(heard).toEqual([
      ['get', true],
      ['remove', false],
      ['put', false],
      ['get', true],
      ['put', true],
    ]);
    expect(store.peers, 'a store of one node has none').toBeUndefined();
  });
});
