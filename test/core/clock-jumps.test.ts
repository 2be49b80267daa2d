/** The wall clock was two days ahead for four minutes: what was stamped meanwhile must not hide what happens afterwards. */
import { describe, expect, it } from 'vitest';
import type { AorRecord } from '../../plugin/core/binding.ts';
import type { LifecycleEvent } from '../../plugin/core/events.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { capped, DAY, HOUR, type Instant, isFromFuture, MINUTE, plus } from '../../plugin/core/time.ts';
import { ringsAtOnce } from '../../plugin/core/wake/stored.ts';
import type { WakeDevice } from '../../plugin/core/wake/types.ts';
import { apnsPair, BINDING, bindingEndingIn, contactUri, MONDAY, recordOf } from '../support/builders.ts';

const NOW = MONDAY;
const AHEAD = plus(NOW, 2 * DAY);
const newId = BINDING;

const step = (record: AorRecord, event: LifecycleEvent, now: Instant) =>
  transition(record, event, now, () => DEFAULT_POLICY);
const register = (at: Instant, port = 40001): LifecycleEvent => ({
  type: 'ContactSeen',
  live: true,
  binds: true,
  at,
  newId,
  contact: { pbx: 'office', uri: contactUri({ port }), grantedMs: HOUR, expiresAt: plus(at, HOUR) },
});

/** A phone that registered while the clock was ahead. */
const renewedAhead = (): AorRecord => step(recordOf(bindingEndingIn(5 * DAY, NOW)), register(AHEAD), AHEAD).record;

describe('after the clock is right again', () => {
  it('a log-out is heard', () => {
    const at = plus(NOW, 5 * MINUTE);
    const after = step(renewedAhead(), { type: 'Unregistered', pbx: 'office', uri: contactUri(), at }, at);
    expect(after.record.bindings).toEqual([]);
  });

  it('so is push switched off in the app', () => {
    const at = plus(NOW, 5 * MINUTE);
    const off: LifecycleEvent = {
      ...(register(at) as Extract<LifecycleEvent, { type: 'ContactSeen' }>),
      contact: { pbx: 'office', uri: contactUri(), wireUri: 'sip:1001@192.0.2.7:40001;transport=tls' },
    };
    expect(step(renewedAhead(), off, at).record.bindings).toEqual([]);
  });

  it('a REGISTER takes the place of the stamp that cannot be one, and costs nothing of the lifetime', () => {
    const before = renewedAhead();
    const at = plus(NOW, 5 * MINUTE);
    const [b] = step(before, register(at), at).record.bindings;
    expect(b?.renewedAt).toBe(at);
    expect(b?.contacts).toMatchObject([{ seenAt: at }]);
    expect(b?.endsAt).toBe(before.bindings[0]?.endsAt);
  });

  it('a contact of a device that moved is not taken for what it left behind', () => {
    const at = plus(NOW, 5 * MINUTE);
    const seen = { ...register(at, 40009), live: false } as LifecycleEvent;
    const after = step(renewedAhead(), seen, at);
    expect(after.effects.filter((e) => e.type === 'removeContact' && e.uri.includes(':40009'))).toEqual([]);
  });

  it('a UDP contact that was seen "in two days" is not one that is awake', () => {
    const uri = contactUri({ transport: 'udp' });
    const device = (seenAt: Instant) =>
      ({
        push: 'accepted',
        binding: bindingEndingIn(5 * DAY, NOW, { contacts: [{ pbx: 'office', uri, seenAt }] }),
        legs: { stored: { contact: { pbx: 'office', uri }, state: 'none' }, fresh: { state: 'none' } },
      }) as unknown as WakeDevice;
    expect(ringsAtOnce(device(plus(NOW, -MINUTE)), NOW, DEFAULT_POLICY)).toBe(false);
    expect(ringsAtOnce(device(AHEAD), NOW, DEFAULT_POLICY)).toBe(false);
    expect(ringsAtOnce(device(NOW), NOW, DEFAULT_POLICY), 'control').toBe(true);
  });

  it('an account that is missing since "in two days" is counted from now', () => {
    const ask: LifecycleEvent = { type: 'Ticked', observing: false, asked: 'missing', braked: 'nothing' };
    const due = recordOf(bindingEndingIn(-HOUR, NOW));
    const ahead = { ...due, missingSince: AHEAD };
    const first = step(ahead, ask, NOW).record;
    expect(first.missingSince).toBe(NOW);
    expect(step(first, ask, plus(NOW, DEFAULT_POLICY.aorMissingMs)).record.bindings).toEqual([]);
  });

  it('a claim that was stamped ahead is borne out by a REGISTER of now', () => {
    const claim = { at: AHEAD, installId: 'app', targets: apnsPair() };
    const claimed = bindingEndingIn(HOUR, NOW, { targets: {}, contacts: [], claim, evidence: { installId: 'app' } });
    const at = plus(NOW, MINUTE);
    const plain = { ...register(at), contact: { pbx: 'office', uri: 'sip:1001@192.0.2.9:5060' } } as LifecycleEvent;
    const [b] = step(recordOf(claimed), plain, at).record.bindings;
    expect(b?.targets.call).toBeDefined();
  });
});

describe('clocks that differ a little are no jump', () => {
  it.each([
    [0, false],
    [10 * MINUTE, false],
    [10 * MINUTE + 1, true],
    [-DAY, false],
  ])('%d ms ahead', (ms, isAhead) => {
    expect(isFromFuture(plus(NOW, ms), NOW)).toBe(isAhead);
    expect(capped(plus(NOW, ms), NOW)).toBe(isAhead ? NOW : plus(NOW, ms));
  });

  it('two REGISTERs in one breath arrived in the wrong order still end nothing', () => {
    const renewed = step(recordOf(bindingEndingIn(5 * DAY, NOW)), register(plus(NOW, 5_000)), NOW).record;
    const late: LifecycleEvent = { type: 'Unregistered', pbx: 'office', uri: contactUri(), at: NOW };
    expect(step(renewed, late, NOW).record.bindings).toHaveLength(1);
  });
});

describe('our clock is hours behind the PBX’s', () => {
  const behind = (at: Instant) => plus(at, -6 * HOUR);
  const anew = contactUri({ voip: 'c'.repeat(64), other: 'd'.repeat(64) });
  const seen = (uri: string, at: Instant, live: boolean): LifecycleEvent => ({
    type: 'ContactSeen',
    live,
    binds: true,
    at: live ? at : behind(at),
    newId,
    contact: { pbx: 'office', uri, grantedMs: HOUR, expiresAt: plus(at, HOUR) },
  });
  const tokenOf = (record: AorRecord) => record.bindings.map((b) => b.targets.call?.token.reveal());

  it('a contact that a phone left behind for another one takes back neither its tokens nor its new contact', () => {
    const before = step(recordOf(), seen(contactUri(), NOW, true), behind(NOW)).record;
    const installed = step(before, seen(anew, plus(NOW, 5 * MINUTE), true), behind(plus(NOW, 5 * MINUTE))).record;
    const sweep = step(installed, seen(contactUri(), NOW, false), behind(plus(NOW, 10 * MINUTE)));
    expect(tokenOf(sweep.record)).toEqual(['c'.repeat(64)]);
    expect(sweep.effects.flatMap((e) => (e.type === 'removeContact' ? [e.uri] : []))).not.toContain(anew);
  });

  it('a contact that proves a later REGISTER than the one that was seen last counts', () => {
    const before = step(recordOf(), seen(contactUri(), NOW, true), behind(NOW)).record;
    const sweep = step(before, seen(anew, plus(NOW, 5 * MINUTE), false), behind(plus(NOW, 10 * MINUTE)));
    expect(tokenOf(sweep.record)).toEqual(['c'.repeat(64)]);
  });
});

describe('while our clock is a day ahead of the PBX', () => {
  const ttl = DEFAULT_POLICY.ttlMs;
  const heardAt = plus(NOW, ttl + 3 * HOUR);
  const heard = (port?: number) => ({ ...register(NOW, port), heardAt }) as LifecycleEvent;

  it("a phone that registers is bound for a whole lifetime, and its stamps stay the PBX's", () => {
    const [b] = step(recordOf(), heard(), heardAt).record.bindings;
    expect(b?.endsAt).toBe(plus(heardAt, ttl));
    expect(b).toMatchObject({ renewedAt: NOW, contacts: [{ seenAt: NOW }] });
  });

  it('one that was bound before registers, and lives on', () => {
    const known = bindingEndingIn(ttl - MINUTE, NOW, { sent: [] });
    const [b] = step(recordOf(known), heard(), heardAt).record.bindings;
    expect(b?.endsAt).toBe(plus(heardAt, ttl));
  });

  it('it moved meanwhile: the contact that the PBX dates later is not taken for the one left behind', () => {
    const { record } = step(recordOf(), heard(), heardAt);
    const moved = {
      ...register(plus(NOW, MINUTE), 40009),
      live: false,
      at: plus(heardAt, 2 * MINUTE),
    } as LifecycleEvent;
    const after = step(record, moved, plus(heardAt, 2 * MINUTE));
    expect(after.effects.filter((e) => e.type === 'removeContact' && e.uri.includes(':40009'))).toEqual([]);
  });
});

it('our clock is 18 minutes behind: the contact that a phone has left a quarter of an hour ago does not take the place of its present one', () => {
  const now = plus(NOW, -18 * MINUTE);
  const moved = step(recordOf(bindingEndingIn(5 * DAY, NOW)), register(NOW, 40009), NOW).record;
  const left: LifecycleEvent = {
    ...(register(now) as Extract<LifecycleEvent, { type: 'ContactSeen' }>),
    live: false,
    contact: { pbx: 'office', uri: contactUri(), expiresAt: plus(NOW, HOUR - 15 * MINUTE), grantedMs: HOUR },
  };
  const after = step(moved, left, now);
  expect(after.effects.filter((e) => e.type === 'removeContact' && e.uri.includes(':40009'))).toEqual([]);
  expect(after.record.bindings[0]?.contacts.map((c) => c.uri)).toContain(contactUri({ port: 40009 }));
});
