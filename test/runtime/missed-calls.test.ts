/** Calls that a phone slept through: which ones count, what is sent of them and when, and that nothing is sent where it is not wanted. */
import { describe, expect, it } from 'vitest';
import type { AorRecord, Binding } from '../../plugin/core/binding.ts';
import type { Effect, LifecycleEvent } from '../../plugin/core/events.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY, type Policy } from '../../plugin/core/policy.ts';
import { DAY, HOUR, type Instant, MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import { EffectRunner } from '../../plugin/runtime/bindings/effects.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { AOR, BINDING, bindingEndingIn, contactUri, MONDAY, recordOf, voipOnly } from '../support/builders.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { ScriptedPushProvider } from '../support/scripted-push-provider.ts';
import { ended, leg, WaitingSite } from '../support/waiting-site.ts';

const NOW = MONDAY;
const ON: Policy = { ...DEFAULT_POLICY, missedCalls: true };
const missed = (callId: string, more: object = {}): LifecycleEvent => ({
  type: 'CallMissed',
  bindingId: BINDING,
  callId,
  ...more,
});

function decide(record: AorRecord, now: Instant, ...events: readonly LifecycleEvent[]) {
  const effects: Effect[] = [];
  let policyRecord = record;
  for (const event of events) {
    const t = transition(policyRecord, event, now, () => ON);
    policyRecord = t.record;
    effects.push(...t.effects);
  }
  return { record: policyRecord, binding: policyRecord.bindings[0] as Binding, effects };
}
const words = (effects: readonly Effect[]) => effects.flatMap((e) => (e.type === 'sendMissed' ? [e] : []));

describe('the word of missed calls', () => {
  const asleep = recordOf(bindingEndingIn(6 * DAY, NOW));

  it('is one for each call, with the count since the phone was heard of, and a later one replaces it', () => {
    const { effects, binding } = decide(asleep, NOW, missed('a'), missed('b'), missed('c'));
    expect(words(effects).map((e) => e.count)).toEqual([1, 2, 3]);
    expect(new Set(words(effects).map((e) => e.collapseId)).size).toBe(1);
    expect(binding.missed).toMatchObject({ count: 3, callId: 'c', at: NOW });
  });

  it('counts the rounds of a queue as one call', () => {
    expect(words(decide(asleep, NOW, missed('a'), missed('a')).effects)).toHaveLength(1);
  });

  it('goes to the token that is not for calls, never as a VoIP push, and not at all where there is none', () => {
    const [word] = words(decide(asleep, NOW, missed('a')).effects);
    expect(word?.target).toEqual(asleep.bindings[0]?.targets.other);
    const voip = recordOf(bindingEndingIn(6 * DAY, NOW, { targets: voipOnly() }));
    expect(words(decide(voip, NOW, missed('a')).effects)).toEqual([]);
  });

  it('begins to count anew when the phone is back', () => {
    const { record } = decide(asleep, NOW, missed('a'), missed('b'));
    const seen: LifecycleEvent = {
      type: 'ContactSeen',
      live: true,
      binds: true,
      at: plus(NOW, SECOND),
      newId: BINDING,
      contact: { pbx: 'office', uri: contactUri(), grantedMs: HOUR },
    };
    const back = decide(record, plus(NOW, SECOND), seen);
    expect(back.binding).not.toHaveProperty('missed');
    expect(words(decide(back.record, plus(NOW, MINUTE), missed('c')).effects).map((e) => e.count)).toEqual([1]);
  });

  it('names the caller only in the push, never in what is stored', () => {
    const { effects, record } = decide(asleep, NOW, missed('a', { caller: { name: 'Zoë', number: '+420' } }));
    expect(words(effects)[0]?.caller).toEqual({ name: 'Zoë', number: '+420' });
    expect(JSON.stringify(record)).not.toMatch(/Zoë|\+420/);
  });

  it('is not sent where the policy does not want it, nor for a device that is ending', () => {
    const off = transition(asleep, missed('a'), NOW, () => DEFAULT_POLICY);
    expect([off.changed, off.effects]).toEqual([false, []]);
    const ending = { reason: 'age', since: NOW, notice: 'due', contact: 'due' } as const;
    expect(words(decide(recordOf(bindingEndingIn(DAY, NOW, { ending })), NOW, missed('a')).effects)).toEqual([]);
  });

  it('goes out again after a crash, an hour after the service did not take it, and never after a day', () => {
    const tick: LifecycleEvent = { type: 'Ticked', observing: false, asked: 'held', braked: 'nothing' };
    const at = (ms: number) => plus(NOW, ms);
    const { record } = decide(asleep, NOW, missed('a'));
    expect(record.dueAt).toBe(at(2 * MINUTE));
    expect(words(decide(record, at(2 * MINUTE), tick).effects)).toHaveLength(1);
    const later = decide(record, NOW, { type: 'MissedSettled', bindingId: BINDING, isOver: false });
    expect(later.record.dueAt).toBe(at(HOUR));
    expect(words(decide(later.record, at(HOUR), tick).effects)).toHaveLength(1);
    const old = decide(record, at(DAY + 1), tick);
    expect([words(old.effects), old.binding.missed?.againAt]).toEqual([[], undefined]);
    const settled = decide(record, NOW, { type: 'MissedSettled', bindingId: BINDING, isOver: true });
    expect(words(decide(settled.record, at(HOUR), tick).effects)).toEqual([]);
  });
});

describe('a call that is over', () => {
  const policy: Partial<Policy> = { missedCalls: true, retryWakeAfterMs: 0 };
  const site = () => new WaitingSite('full', undefined, policy).start();
  const called = async (s: WaitingSite, seconds: number) => {
    await s.call();
    await s.tell(leg('device'));
    await s.clock.advance(seconds * SECOND);
  };

  it.each([
    ['the caller hung up', 127, 1],
    ['nobody answered in time', 16, 1],
    ['it was answered elsewhere', 26, 0],
  ] as const)('%s: %i', async (_, cause, count) => {
    const s = await site();
    await called(s, 20);
    await s.tell(ended('device', cause), ended('wake', cause));
    expect(words(s.effects), 'not while the phone may still be on its way').toEqual([]);
    await s.clock.advance(15 * SECOND);
    expect(words(s.effects)).toHaveLength(count);
    // The closing word goes first: Apple keeps one push for an app, the last.
    expect(s.pushed.slice(0, 2)).toEqual([
      'call',
      `cancel ${cause === 127 ? 'cancelled' : cause === 16 ? 'gave-up' : 'elsewhere'}`,
    ]);
  });

  it('and whose phone came a moment too late is no missed call', async () => {
    const s = await site();
    await called(s, 20);
    await s.tell(ended('device', 127), ended('wake', 127));
    await s.clock.advance(4 * SECOND);
    s.pbx.register('1001', contactUri({ port: 40_002 }));
    await settle(3);
    await s.clock.advance(15 * SECOND);
    expect(words(s.effects)).toEqual([]);
  });

  it('and that the phone rang for is no missed call of ours: it shows that itself', async () => {
    const s = await site();
    await called(s, 2);
    s.pbx.register('1001', contactUri({ port: 40_002 }));
    await settle(3);
    await s.clock.advance(10 * SECOND);
    await s.tell(ended('device', 127), ended('wake', 127));
    await s.clock.advance(15 * SECOND);
    expect(words(s.effects)).toEqual([]);
  });

  it.each([
    [true, { name: 'Zoë', number: '+420' }],
    [false, undefined],
  ])('says who called only with showCaller: %s', async (showCaller, caller) => {
    const s = await new WaitingSite('full', showCaller, policy).start();
    await s.tell({
      type: 'wakeLegArrived',
      pbx: 'office',
      leg: { legId: 'wake', aor: AOR, linkedId: 'linked-1', caller: { name: 'Zoë', number: '+420' } },
      startedAt: MONDAY,
    });
    await s.tell(leg('device'));
    await s.clock.advance(20 * SECOND);
    await s.tell(ended('device', 127), ended('wake', 127));
    await s.clock.advance(15 * SECOND);
    expect(words(s.effects)[0]?.caller).toEqual(caller);
  });
});

describe('what is pushed', () => {
  it('is the text of the device’s language with the count in it, and its outcome comes home', async () => {
    const clock = new FakeClock(NOW);
    const log = new RecordedLog();
    const provider = new ScriptedPushProvider('apns');
    const facts: unknown[] = [];
    const runner = new EffectRunner({
      clock: new FakeClock(),
      deliverTexts: async () => undefined,
      mode: 'full',
      log,
      delivery: createDelivery({ providers: [provider], clock, log, random: () => 0.5 }),
      links: new Map(),
      intake: {
        apply: async () => undefined,
        beforeRemoval: async () => undefined,
        fromPushOutcome: async (_aor, push, outcome) => void facts.push([push.of, outcome.kind]),
      },
      read: async () => undefined,
      noticeText: (_aor, notice, locale) => ({ body: `${notice} ${locale}: {count}` }),
      mayAsk: () => true,
      onNotBound: () => undefined,
    });
    const { effects, record } = decide(recordOf(bindingEndingIn(6 * DAY, NOW, { locale: 'cs' })), NOW, missed('a'));
    runner.run(AOR, record, effects);
    await runner.idle();
    expect(provider.requests).toMatchObject([{ purpose: 'missed', count: 1, callId: 'a', body: 'missed cs: 1' }]);
    expect(facts).toEqual([['missed', 'accepted']]);
  });
});
