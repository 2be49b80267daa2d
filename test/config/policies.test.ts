/** Which exceptions of the file fit a binding: by account, by app, and by the name a PBX's directory gives. */
import { describe, expect, it } from 'vitest';
import { policyChooser } from '../../config/policies.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import { DAY } from '../../plugin/core/time.ts';
import { AOR, apnsPair } from '../support/builders.ts';

const config = {
  policy: { ttl: 3 * DAY },
  policies: [
    { aor: '10*', policy: { ttl: 4 * DAY } },
    { name: 'travellers', policy: { ttl: 14 * DAY } },
    { name: 'travellers', app: 'another.*', policy: { ttl: 30 * DAY } },
  ],
};

const days = (aor: string, policy?: string, unknown: string[] = []) =>
  policyChooser(config, (name) => unknown.push(name))(aor as Aor)({
    targets: apnsPair(),
    choice: policy ? { policy } : undefined,
  }).ttlMs / DAY;

describe('policies', () => {
  it('with a name hold only where the directory names them, and then over what stands before', () => {
    expect(days('2000@example.com')).toBe(3);
    expect(days(AOR)).toBe(4);
    expect(days(AOR, 'travellers')).toBe(14);
    expect(days('2000@example.com', 'travellers')).toBe(14);
  });

  it('with a name nobody knows change nothing, and it is said once', () => {
    const unknown: string[] = [];
    const of = policyChooser(config, (name) => unknown.push(name))(AOR);
    for (let i = 0; i < 3; i++) expect(of({ targets: apnsPair(), choice: { policy: 'salse' } }).ttlMs).toBe(4 * DAY);
    expect(unknown).toEqual(['salse']);
  });

  it('that do not exist at all: a name is still said to be unknown', () => {
    const unknown: string[] = [];
    const of = policyChooser({ policy: {}, policies: [] }, (name) => unknown.push(name))(AOR);
    expect(of({ targets: apnsPair(), choice: { policy: 'sales' } }).ttlMs).toBe(7 * DAY);
    expect(unknown).toEqual(['sales']);
  });
});
