/** What a PBX's directory says of an account: learnt at a REGISTER, stored, kept by whoever does not tell, taken back by whoever does. */
import { describe, expect, it } from 'vitest';
import {
  type AorRecord,
  type BindingId,
  type Choice,
  decodeRecord,
  emptyRecord,
  encodeRecord,
  isLive,
} from '../../plugin/core/binding.ts';
import type { LifecycleEvent } from '../../plugin/core/events.ts';
import type { PolicyFor } from '../../plugin/core/lifecycle.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR, MINUTE, plus } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import { AOR, MONDAY } from '../support/builders.ts';

const policyFor: PolicyFor = ({ choice }) =>
  choice?.policy === 'long' ? { ...DEFAULT_POLICY, ttlMs: 14 * DAY } : DEFAULT_POLICY;
/** Names no app. */
const URI = 'sip:1001@127.0.0.9:5060;transport=tcp;pn-provider=fcm;pn-prid=tok';
const LONG: Choice = { policy: 'long', app: 'project' };

function seen(record: AorRecord, o: { choice?: Choice; live?: boolean; after?: number; uri?: string } = {}): AorRecord {
  const at = plus(MONDAY, o.after ?? 0);
  const contact = {
    pbx: 'office',
    uri: o.uri ?? URI,
    grantedMs: HOUR,
    expiresAt: plus(at, HOUR),
    ...(o.choice ? { choice: o.choice } : {}),
  };
  const newId = `id${o.after ?? 0}` as BindingId;
  const event = { type: 'ContactSeen', contact, live: o.live ?? true, binds: true, at, newId } as const;
  const { record: after } = transition(record, event, at, policyFor);
  // A restart lies between any two facts.
  return decodeRecord(encodeRecord(after));
}
const lifetime = (r: AorRecord) => (r.bindings[0] ? (r.bindings[0].endsAt - r.bindings[0].renewedAt) / DAY : undefined);

describe('what the directory says', () => {
  it('names the app of a Contact that names none, and the policy', () => {
    expect(seen(emptyRecord(AOR)).bindings).toEqual([]);
    const record = seen(emptyRecord(AOR), { choice: LONG });
    expect(record.bindings[0]?.targets.call).toMatchObject({ provider: 'fcm', app: 'project' });
    expect(lifetime(record)).toBe(14);
  });

  it('is kept when a contact is merely found, and such a Contact renews', () => {
    const bound = seen(emptyRecord(AOR), { choice: LONG });
    const found = seen(bound, { live: false, after: 2 * HOUR });
    expect(found.bindings[0]).toMatchObject({ choice: LONG, renewedAt: plus(MONDAY, 2 * HOUR) });
    expect(lifetime(found)).toBe(14);
  });

  it('is kept when a PBX without a directory tells a REGISTER', () => {
    const record = seen(seen(emptyRecord(AOR), { choice: LONG }), { after: 2 * HOUR });
    expect(record.bindings[0]?.choice).toEqual(LONG);
  });

  it('holds for another device of the account that is merely found', () => {
    const record = seen(seen(emptyRecord(AOR), { choice: LONG }), {
      live: false,
      after: MINUTE,
      uri: URI.replace('tok', 'other').replace('5060', '5061'),
    });
    expect(record.bindings.map((b) => [b.targets.call?.app, b.choice?.policy])).toEqual([
      ['project', 'long'],
      ['project', 'long'],
    ]);
  });

  it('is taken back, or changed, by the next REGISTER, within a moment and with its end', () => {
    const bound = seen(emptyRecord(AOR), { choice: LONG });
    const changed = seen(bound, { choice: { app: 'project' }, after: MINUTE });
    expect(changed.bindings[0]?.choice).toEqual({ app: 'project' });
    expect(lifetime(changed)).toBe(7);
    expect(seen(changed, { choice: LONG, after: 2 * MINUTE }).bindings[0]?.choice).toEqual(LONG);
  });

  it('holds for a report over HTTP: 15 living devices under a policy of 50 stay 15, and the reported one has it too', () => {
    const fifty: PolicyFor = ({ choice }) => ({
      ...DEFAULT_POLICY,
      maxDevicesPerAor: choice?.policy === 'long' ? 50 : 10,
    });
    let record = emptyRecord(AOR);
    const apply = (event: LifecycleEvent) => {
      record = transition(record, event, MONDAY, fifty).record;
    };
    for (let n = 0; n < 15; n++) {
      const uri = URI.replace('tok', `tok${n}`).replace('5060', String(6_000 + n));
      apply({
        type: 'ContactSeen',
        contact: { pbx: 'office', uri, choice: LONG },
        live: true,
        binds: true,
        at: MONDAY,
        newId: `device-${n}` as BindingId,
      });
    }
    const target = { provider: 'fcm', app: 'project', token: new Token('reported') };
    apply({
      type: 'Reported',
      targets: { call: target, other: target },
      at: MONDAY,
      newId: 'reported' as BindingId,
    });
    expect(record.bindings.filter(isLive)).toHaveLength(15);
    expect(record.bindings.find((b) => b.id === 'reported')?.choice).toEqual(LONG);
  });
});
