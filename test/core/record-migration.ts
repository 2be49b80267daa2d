/** What must hold for the six accounts of `test/support/records-0.1.0`, whichever store kept them. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Aor } from '../../plugin/core/aor.ts';
import type { AorRecord, BindingId } from '../../plugin/core/binding.ts';
import type { LifecycleEvent } from '../../plugin/core/events.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { HOUR, type Instant, MINUTE, plus } from '../../plugin/core/time.ts';
import type { BindingStore } from '../../plugin/ports/binding-store.ts';
import { heldFact, seenFact } from '../../plugin/runtime/intake.ts';
import { contactUri, inWords, MONDAY } from '../support/builders.ts';

const TICK: LifecycleEvent = { type: 'Ticked', observing: false, asked: 'held', braked: 'nothing' };

export function afterUpgrade(open: () => BindingStore): void {
  let store: BindingStore;
  beforeAll(async () => {
    store = open();
    await store.open();
  });
  afterAll(() => store.close());

  const read = async (id: string): Promise<AorRecord> => {
    const record = await store.get(`${id}@example.com` as Aor);
    if (!record) throw new Error(`no record of ${id}`);
    return record;
  };
  /** Decided by today's core, written, and read back. */
  const after = async (id: string, at: Instant, ...events: LifecycleEvent[]) => {
    let record = await read(id);
    const effects: string[] = [];
    for (const event of events) {
      const t = transition(record, event, at, () => DEFAULT_POLICY);
      effects.push(...t.effects.map((e) => inWords(e, at)));
      record = t.record;
    }
    const put = await store.put(record, record.version);
    expect(put.ok).toBe(true);
    return { record: await read(id), effects };
  };

  it('is read: what was sent, the last refresh, and what the directory said', async () => {
    expect((await read('1001')).bindings[0]).toMatchObject({ sent: [], choice: undefined });
    expect((await read('1002')).bindings[0]).toMatchObject({ sent: [], lastRefreshAt: plus(MONDAY, -20 * MINUTE) });
    expect((await read('1003')).bindings[0]).toMatchObject({
      sent: [{ notice: 'soon', offsetMs: 12 * HOUR, at: plus(MONDAY, -HOUR), done: true }],
      lastRefreshAt: plus(MONDAY, -2 * HOUR),
    });
    expect((await read('1005')).bindings[0]).toMatchObject({
      choice: { policy: 'long', app: 'project' },
      unansweredWakes: 1,
      wakes: [1200, null],
    });
    expect((await read('1006')).tombstones).toHaveLength(1);
  });

  it('knows nothing of signs, troubles and languages, and learns them', async () => {
    const [before] = (await read('1005')).bindings;
    for (const field of ['signs', 'trouble', 'locale']) expect(before).not.toHaveProperty(field);
    const bindingId = before?.id as BindingId;
    const missed: LifecycleEvent = { type: 'WakeSettled', bindingId, sign: 'nothing', startedAt: MONDAY };
    const { record } = await after('1005', MONDAY, missed);
    expect(record.bindings[0]?.signs?.calls).toEqual([expect.objectContaining({ at: MONDAY, sign: 'nothing' })]);
  });

  it('a notice that a wrong key held up is no notice that was sent, and is still held', async () => {
    const [b] = (await read('1004')).bindings;
    expect(b?.sent.map((s) => s.notice)).toEqual(['soon', 'soon']);
    expect(b?.ending).toMatchObject({ held: 'misconfigured', notice: 'due' });
  });

  it('the refresh that was sent 20 minutes before is not repeated, the next is', async () => {
    expect((await after('1002', plus(MONDAY, 39 * MINUTE), TICK)).effects).toEqual([]);
    expect((await after('1002', plus(MONDAY, 40 * MINUTE), TICK)).effects).toEqual(['refresh push']);
  });

  it('is renewed by a REGISTER', async () => {
    const uri = contactUri({ port: 40_010, voip: 'a'.repeat(64), other: 'A'.repeat(64) });
    const contact = { pbx: 'office', aor: '1001@example.com' as Aor, uri };
    const seen = seenFact({ type: 'contactSeen', contact, how: 'event', at: MONDAY, grantedMs: HOUR }, 'new', MONDAY);
    const { record, effects } = await after('1001', MONDAY, seen);
    expect(effects).toEqual(['(renewed)']);
    expect(record.bindings).toMatchObject([{ id: '0000000000000010', renewedAt: MONDAY }]);
    expect((await after('1001', MONDAY, heldFact(contact, MONDAY, 'x' as BindingId, { binds: true }))).effects).toEqual(
      [],
    );
  });

  it('is warned once more an hour before its end, and not twice for the notice it has', async () => {
    expect((await after('1003', MONDAY, TICK)).effects.join()).not.toContain('notice');
    expect((await after('1003', plus(MONDAY, 10 * HOUR), TICK)).effects).toContain(
      'notice *expires soon*, 1 h before the end',
    );
  });

  it('a notice whose outcome the old version did not learn is sent again', async () => {
    const { effects } = await after('1006', plus(MONDAY, 2 * MINUTE), TICK);
    expect(effects.join()).toContain('notice *expires soon*');
  });

  it('ends, once the notice is taken', async () => {
    const { effects } = await after('1004', plus(MONDAY, 2 * MINUTE), TICK);
    expect(effects).toEqual(['notice *expired*']);
    const settled: LifecycleEvent = {
      type: 'NoticeSettled',
      bindingId: '0000000000000013' as BindingId,
      which: { notice: 'expired' },
      outcome: 'sent',
    };
    const { record } = await after('1004', plus(MONDAY, 2 * MINUTE), settled);
    expect(record.bindings).toEqual([]);
    expect(record.tombstones).toMatchObject([{ reason: 'age' }]);
  });
}
