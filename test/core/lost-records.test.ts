/** A store lost its records, and two nodes remember different things of one account: nothing that is alive is left out. */
import { describe, expect, it } from 'vitest';
import type { Binding, BindingId } from '../../plugin/core/binding.ts';
import { withRemembered } from '../../plugin/core/lost-records.ts';
import { DAY, HOUR, MINUTE, plus } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import { bindingEndingIn, MONDAY, recordOf } from '../support/builders.ts';

const token = (letter: string) => ({
  provider: 'apns',
  app: 'TEAM123456.com.example',
  token: new Token(letter.repeat(64)),
});
const device = (letter: string, change: Partial<Binding> = {}): Binding => ({
  ...bindingEndingIn(6 * DAY, MONDAY),
  id: letter.repeat(16) as BindingId,
  evidence: {},
  targets: { call: token(letter) },
  ...change,
});
const ids = (of: { bindings: readonly Binding[] } | undefined) => of?.bindings.map((b) => b.id[0]).join('');

describe('what one node remembers, joined with what another has written back', () => {
  it('a device that only we know is added', () => {
    expect(ids(withRemembered(recordOf(device('a')), recordOf(device('a'), device('b'))))).toBe('ab');
  });

  it('nothing is missing: nothing is written', () => {
    expect(withRemembered(recordOf(device('a'), device('b')), recordOf(device('b')))).toBeUndefined();
  });

  it('the device that registered later counts, whoever remembers it, whatever its tokens are by now', () => {
    const instanceId = '<urn:uuid:one-phone>';
    const before = device('a', { evidence: { instanceId }, renewedAt: MONDAY });
    const later = device('a', {
      evidence: { instanceId },
      targets: { call: token('c') },
      renewedAt: plus(MONDAY, HOUR),
    });
    expect(withRemembered(recordOf(before), recordOf(later))?.bindings).toEqual([later]);
    expect(withRemembered(recordOf(later), recordOf(before))).toBeUndefined();
  });

  it('a phone that registered meanwhile has a new binding: it is not there twice', () => {
    const again = device('d', { targets: { call: token('a') }, renewedAt: plus(MONDAY, HOUR) });
    expect(withRemembered(recordOf(again), recordOf(device('a')))).toBeUndefined();
  });

  it.each([
    ['by its id', { id: 'b'.repeat(16) as BindingId, tokens: [] }],
    ['by its token', { id: 'e'.repeat(16) as BindingId, tokens: [new Token('b'.repeat(64)).fingerprint] }],
  ])('what has ended since, known %s, does not come back', (_, ended) => {
    const tombstone = { ...ended, reason: 'unregistered' as const, endedAt: MONDAY, renewedAt: MONDAY };
    const stored = { ...recordOf(device('a')), tombstones: [tombstone] };
    expect(withRemembered(stored, recordOf(device('a'), device('b')))).toBeUndefined();
  });

  it('is due when the first of both was', () => {
    const stored = { ...recordOf(device('a')), version: 1, dueAt: plus(MONDAY, HOUR) };
    const remembered = { ...recordOf(device('b')), version: 7, dueAt: plus(MONDAY, MINUTE) };
    expect(withRemembered(stored, remembered)).toMatchObject({ version: 1, dueAt: plus(MONDAY, MINUTE) });
  });
});
