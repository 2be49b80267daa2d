/**
 * Rules that a change by hand once broke without any test failing (review of 2026-11-26). One test for each, and for its
 * neighbours: what a rule does at its edge, not only where everything is usual.
 */
import { describe, expect, it } from 'vitest';
import type { AorRecord, BindingId, NoticeId } from '../../plugin/core/binding.ts';
import type { LifecycleEvent } from '../../plugin/core/events.ts';
import { isSameDevice } from '../../plugin/core/identity.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY, type Policy } from '../../plugin/core/policy.ts';
import { between, DAY, HOUR, type Instant, MINUTE, plus } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import { beginWake } from '../../plugin/core/wake/begin.ts';
import { AOR, apnsPair, BINDING, bindingEndingIn, contactUri, MONDAY, recordOf, warned } from '../support/builders.ts';

const NOW = MONDAY;
const step = (record: AorRecord, event: LifecycleEvent, now: Instant = NOW, policy: Policy = DEFAULT_POLICY) =>
  transition(record, event, now, () => policy);
const TICK: LifecycleEvent = { type: 'Ticked', observing: false, asked: 'held', braked: 'nothing' };
const [FIRST, SECOND_] = DEFAULT_POLICY.noticeOffsetsMs as [number, number];

describe('who is the same device', () => {
  const other = { ...apnsPair('c'.repeat(64), 'd'.repeat(64)) };
  const known = bindingEndingIn(DAY, NOW, { evidence: { instanceId: 'urn:uuid:one' } });
  it.each([
    ['two instance ids on one socket are two installs', 'urn:uuid:two', other, false],
    ['the same instance id on one socket is one', 'urn:uuid:one', other, true],
    ['without an instance id the socket decides', undefined, other, true],
    ['a token in common decides whatever the instance ids say', 'urn:uuid:two', apnsPair(), true],
  ])('%s', (_, instanceId, targets, same) => {
    const evidence = { pbx: 'office', uri: contactUri(), targets, ...(instanceId === undefined ? {} : { instanceId }) };
    expect(isSameDevice(known, evidence)).toBe(same);
  });

  it('the same instance id from another address is one device, another id is not', () => {
    const uri = contactUri({ port: 50_000 });
    expect(isSameDevice(known, { pbx: 'office', uri, instanceId: 'urn:uuid:one' })).toBe(true);
    expect(isSameDevice(known, { pbx: 'office', uri, instanceId: 'urn:uuid:two' })).toBe(false);
    expect(isSameDevice(known, { pbx: 'branch', uri: contactUri() }), 'a socket of another PBX').toBe(false);
  });
});

describe('a log-out', () => {
  const record = recordOf(bindingEndingIn(5 * DAY, NOW));
  const logout = (uri: string | undefined, of = record) =>
    step(of, { type: 'Unregistered', pbx: 'office', at: NOW, ...(uri === undefined ? {} : { uri }) }).record.bindings;

  it('of the old contact, token and all, ends nothing where the device has a newer one', () => {
    expect(logout(contactUri({ port: 49_999 }))).toHaveLength(1);
  });

  it('of the contact it has ends the binding', () => {
    expect(logout(contactUri())).toHaveLength(0);
  });

  it('of a contact nobody knows any more is known by its token', () => {
    const asleep = recordOf(bindingEndingIn(5 * DAY, NOW, { contacts: [] }));
    expect(logout(contactUri({ port: 49_999 }), asleep)).toHaveLength(0);
    expect(logout('sip:1001@192.0.2.7:49999', asleep), 'control: without a token it says nothing').toHaveLength(1);
  });
});

describe('a notice that was sent', () => {
  it('is not sent again after a proof of an hour ago that makes no new lifetime', () => {
    const left = FIRST - HOUR;
    const b = bindingEndingIn(left, NOW, { sent: [warned(FIRST, plus(NOW, -HOUR))] });
    // The contact went away: it lived at most from what is proved already, and a little more.
    const gone: LifecycleEvent = {
      type: 'ContactRemoved',
      pbx: 'office',
      uri: contactUri(),
      at: plus(b.renewedAt, HOUR + 2 * MINUTE),
      maximumMs: 2 * HOUR,
    };
    const after = step(recordOf(b), gone).record;
    expect(between(b.renewedAt, after.bindings[0]?.renewedAt ?? NOW), 'control: it proves something').toBeGreaterThan(
      0,
    );
    expect(after.bindings[0]?.sent).toEqual(b.sent);
    expect(step(after, TICK).effects.filter((e) => e.type === 'sendNotice')).toEqual([]);
  });

  it('is forgotten by a proof that makes a new lifetime', () => {
    const b = bindingEndingIn(FIRST - HOUR, NOW, { sent: [warned(FIRST, plus(NOW, -HOUR))] });
    const gone: LifecycleEvent = { type: 'ContactRemoved', pbx: 'office', uri: contactUri(), at: NOW, maximumMs: HOUR };
    expect(step(recordOf(b), gone).record.bindings[0]?.sent).toEqual([]);
  });

  it.each(['sent', 'lost'] as const)('and was %s is done: the user is not told twice', (outcome) => {
    const which: NoticeId = { notice: 'soon', offsetMs: FIRST };
    const b = bindingEndingIn(FIRST - MINUTE, NOW, { sent: [warned(FIRST, NOW, false)] });
    const after = step(recordOf(b), { type: 'NoticeSettled', bindingId: BINDING, which, outcome }).record;
    expect(after.bindings[0]?.sent).toEqual([warned(FIRST, NOW, true)]);
    expect(step(after, TICK, plus(NOW, 2 * HOUR)).effects.filter((e) => e.type === 'sendNotice')).toEqual([]);
  });

  it.each(['sent', 'lost'] as const)('and was %s lets the end go on', (outcome) => {
    const ending = { reason: 'age', since: NOW, notice: 'due', contact: 'gone' } as const;
    const b = bindingEndingIn(-MINUTE, NOW, { ending, contacts: [] });
    const which: NoticeId = { notice: 'expired' };
    expect(step(recordOf(b), { type: 'NoticeSettled', bindingId: BINDING, which, outcome }).record.bindings).toEqual(
      [],
    );
  });

  it.each(['later', 'misconfigured'] as const)('and came back "%s" is due again', (outcome) => {
    const which: NoticeId = { notice: 'soon', offsetMs: FIRST };
    const b = bindingEndingIn(FIRST - MINUTE, NOW, { sent: [warned(FIRST, NOW, false)] });
    expect(
      step(recordOf(b), { type: 'NoticeSettled', bindingId: BINDING, which, outcome }).record.bindings[0]?.sent,
    ).toEqual([]);
  });
});

describe('a silent refresh at the service of a phone that is off', () => {
  const lasts = (left: number, sent = [] as ReturnType<typeof warned>[]) => {
    const b = bindingEndingIn(left, NOW, { sent });
    const refresh = step(recordOf(b), TICK).effects.find((e) => e.type === 'sendRefresh');
    return refresh?.type === 'sendRefresh' ? between(NOW, refresh.expiresAt) : undefined;
  };

  it('does not displace the notice that waits there: it is kept for a minute', () => {
    expect(lasts(FIRST - 2 * HOUR, [warned(FIRST, plus(NOW, -2 * HOUR))])).toBe(MINUTE);
  });

  it('nor the one that comes next', () => {
    const soon = FIRST + DEFAULT_POLICY.quietBeforeNoticeMs + 5 * MINUTE;
    expect(lasts(soon)).toBe(5 * MINUTE);
  });

  it('is otherwise kept for half the time to the next one', () => {
    expect(lasts(FIRST + 6 * HOUR)).toBe(DEFAULT_POLICY.refreshEveryMs / 2);
  });
});

describe('the ring time of a call', () => {
  const device = (n: number, ringTimeMs: number) => {
    const call = { provider: 'apns', app: 'a', token: new Token(`tok-${n}`) };
    return {
      ringTimeMs,
      binding: bindingEndingIn(DAY, NOW, { id: `${n}` as BindingId, targets: { call, other: call } }),
    };
  };
  it.each([
    [[20_000, 60_000, 30_000], 60_000],
    [[60_000, 20_000], 60_000],
    [[20_000, 60_000], 60_000],
  ])('of devices with %j ms is the longest', (times, longest) => {
    const devices = times.map((ms, n) => device(n, ms));
    const { wake } = beginWake(
      { pbx: 'office', aor: AOR, wakeLeg: 'w', callId: 'c', stem: 'w00000001', startedAt: NOW },
      recordOf(...devices.map((d) => d.binding)),
      (b) => ({ ...DEFAULT_POLICY, ringTimeMs: devices.find((d) => d.binding.id === b.id)?.ringTimeMs ?? 0 }),
      (b) => b.targets.call,
    );
    expect(between(NOW, wake.endsAt)).toBe(longest);
  });
});

it('notices of a day are two: the rules above know both', () => {
  expect([FIRST, SECOND_]).toEqual([12 * HOUR, HOUR]);
});
