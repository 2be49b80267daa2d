/** What does not fit into a row of the lifecycle's table: more than one device, more than one fact. */
import { describe, expect, it } from 'vitest';
import { type AorRecord, type BindingId, decodeRecord, encodeRecord, isLive } from '../../plugin/core/binding.ts';
import type { LifecycleEvent } from '../../plugin/core/events.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR, type Instant, plus } from '../../plugin/core/time.ts';
import { apnsPair, bindingEndingIn, contactUri, MONDAY, recordOf } from '../support/builders.ts';
import { acrobits } from './lifecycle-reports.cases.ts';

const NOW = MONDAY;
const id = (n: number) => `${n}`.padStart(16, '0') as BindingId;
const apply = (record: AorRecord, event: LifecycleEvent, now: Instant = NOW) =>
  transition(record, event, now, () => DEFAULT_POLICY);
const report = (n: number, o: object = {}): LifecycleEvent => ({
  type: 'Reported',
  newId: id(n),
  installId: `install-${n}`,
  targets: acrobits(`calls-${n}`, `other-${n}`),
  at: NOW,
  ...o,
});
const register = (at: Instant): LifecycleEvent => ({
  type: 'ContactSeen',
  live: true,
  binds: true,
  at,
  newId: id(99),
  contact: { pbx: 'office', uri: 'sip:1001@192.0.2.9:5060' },
});

describe('devices that report over HTTP', () => {
  it('a claim is stored whole, tokens and all, and shows none of them', () => {
    const { record } = apply(recordOf(), report(1));
    expect(decodeRecord(encodeRecord(record))).toEqual(record);
    expect(encodeRecord(record)).toContain('calls-1');
    expect(JSON.stringify(record)).not.toContain('calls-1');
  });

  it('claims give way to claims, never a phone to a claim', () => {
    let record = recordOf(bindingEndingIn(5 * DAY, NOW));
    for (let n = 1; n <= 30; n++) record = apply(record, report(n, { at: plus(NOW, n) }), plus(NOW, n)).record;
    expect(record.bindings.filter(isLive)).toHaveLength(1);
    expect(record.bindings).toHaveLength(1 + DEFAULT_POLICY.maxDevicesPerAor);
    expect(record.bindings.map((b) => b.claim?.installId)).toContain('install-30');
  });

  it('borne out, the longest silent device goes when there are too many', () => {
    let record = recordOf(bindingEndingIn(5 * DAY, NOW));
    for (let n = 1; n <= 12; n++) record = apply(record, report(n, { registeredAt: NOW })).record;
    expect(record.bindings.filter(isLive)).toHaveLength(DEFAULT_POLICY.maxDevicesPerAor);
  });

  it('new tokens wait for a REGISTER like a new device; the old ones are pushed until then', () => {
    let record = apply(recordOf(), report(1, { registeredAt: NOW })).record;
    const later = plus(NOW, DAY);
    record = apply(record, report(1, { at: later, targets: acrobits('new-calls', 'new-other') }), later).record;
    expect(record.bindings[0]?.targets.call?.token.reveal()).toBe('calls-1');
    const t = apply(record, register(plus(later, HOUR)), plus(later, HOUR));
    expect(t.record.bindings).toHaveLength(1);
    expect(t.record.bindings[0]?.targets.call?.token.reveal()).toBe('new-calls');
    expect(t.record.bindings[0]?.claim).toBeUndefined();
    // And the report of before, sent again, has no effect any more, whatever registers.
    const replayed = apply(t.record, report(1, { at: plus(later, 2 * HOUR) }), plus(later, 2 * HOUR));
    expect(replayed.changed).toBe(false);
  });

  it('an app that registers with push parameters and reports the same tokens is one device', () => {
    const seen: LifecycleEvent = {
      type: 'ContactSeen',
      live: true,
      binds: true,
      at: NOW,
      newId: id(7),
      contact: { pbx: 'office', uri: contactUri(), instanceId: 'urn:uuid:1' },
    };
    let record = apply(recordOf(), seen).record;
    record = apply(record, report(8, { targets: apnsPair(), registeredAt: NOW })).record;
    expect(record.bindings.map((b) => [b.id, b.evidence])).toEqual([
      [id(7), { instanceId: 'urn:uuid:1', installId: 'install-8' }],
    ]);
    // A later REGISTER forgets nothing of that.
    record = apply(record, { ...seen, at: plus(NOW, DAY) } as LifecycleEvent, plus(NOW, DAY)).record;
    expect(record.bindings[0]).toMatchObject({ reportedAt: NOW, evidence: { installId: 'install-8' } });
  });

  it('two installs that share a token are one device', () => {
    let record = apply(recordOf(), report(1, { registeredAt: NOW })).record;
    record = apply(record, report(2, { registeredAt: NOW })).record;
    const both = report(3, { targets: acrobits('calls-1', 'other-2'), registeredAt: NOW });
    record = apply(record, both).record;
    expect(record.bindings.map((b) => b.id)).toEqual([id(1)]);
    expect(record.bindings[0]?.evidence.installId).toBe('install-3');
  });
});
