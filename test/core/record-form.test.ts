/** What is no record is refused where it is read, so that no page and no call meets it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRecord, encodeRecord, RecordError } from '../../plugin/core/binding.ts';
import { describeRecord } from '../../plugin/core/describe.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR, plus } from '../../plugin/core/time.ts';
import { bindingEndingIn, MONDAY, recordOf } from '../support/builders.ts';

type Json = { [key: string]: Json } | Json[] | string | number | boolean | null;

const whole = {
  ...recordOf({
    ...bindingEndingIn(6 * HOUR, MONDAY),
    choice: { policy: 'p', app: 'a' },
    wakes: [1, null],
    locale: 'pt-BR',
    claim: { at: MONDAY, locale: 'de', targets: {} },
    signs: {
      calls: [{ at: MONDAY, sign: 'nothing', on: true }],
      otherAt: MONDAY,
      silent: 2,
      silentSpells: 1,
      lowered: [true, false],
      askedAt: MONDAY,
    },
    trouble: { cause: 'no-push-wakes', since: MONDAY, askAgainAt: plus(MONDAY, HOUR) },
    ending: { reason: 'age', since: MONDAY, notice: 'due', contact: 'gone' },
    evidence: { instanceId: 'i', formerTokens: ['abc'] },
  }),
  tombstones: [{ id: 'x' as never, reason: 'age' as const, endedAt: MONDAY, renewedAt: MONDAY, tokens: ['abc'] }],
};
const stored = (): Json => JSON.parse(encodeRecord(whole));

function withAt(json: Json, path: readonly string[], value: unknown): Json {
  const copy = structuredClone(json);
  let at = copy as Record<string, Json>;
  for (const step of path.slice(0, -1)) at = at[step] as Record<string, Json>;
  const last = path.at(-1) ?? '';
  if (value === undefined) delete at[last];
  else at[last] = value as Json;
  return copy;
}

/** Every place of the stored form, down to single values. */
function places(json: Json, path: readonly string[] = []): string[][] {
  if (json === null || typeof json !== 'object') return [[...path]];
  const below = Object.entries(json).flatMap(([key, value]) => places(value, [...path, key]));
  return path.length === 0 ? below : [[...path], ...below];
}

describe('the form of a record', () => {
  it('what is stored is read', () => {
    expect(decodeRecord(encodeRecord(whole))).toEqual(whole);
  });

  it.each([
    ['aor', 5],
    ['aor', 'nobody'],
    ['aor', '1001@EXAMPLE.com'],
    ['version', '1'],
    ['dueAt', 'soon'],
    ['dueAt', 1e300],
    ['bindings.0', null],
    ['bindings.0.id', ''],
    ['bindings.0.endsAt', null],
    ['bindings.0.targets', undefined],
    ['bindings.0.targets.call.token', 7],
    ['bindings.0.targets.other.environment', 'constructor'],
    ['bindings.0.contacts', {}],
    ['bindings.0.contacts.0.uri', undefined],
    ['bindings.0.sent', undefined],
    ['bindings.0.wakes.0', 'x'],
    ['bindings.0.signs.calls.0.sign', 'constructor'],
    ['bindings.0.signs.lowered.0', 1],
    ['bindings.0.signs.silent', -1],
    ['bindings.0.trouble.cause', 'toString'],
    ['bindings.0.trouble.since', 'now'],
    ['bindings.0.locale', 5],
    ['bindings.0.ending.contact', 'perhaps'],
    ['tombstones.0.tokens', 'abc'],
  ])('%s: %j is refused, and the place is named', (path, value) => {
    const text = JSON.stringify(withAt(stored(), path.split('.'), value));
    expect(() => decodeRecord(text)).toThrow(RecordError);
    expect(() => decodeRecord(text)).toThrow(`stored record is none: ${path}: expected `);
  });

  it('the smallest input that was taken: a number for an account', () => {
    expect(() => decodeRecord('{"format":1,"aor":5,"version":0,"bindings":[],"tombstones":[]}')).toThrow(RecordError);
  });

  it('whatever stands at whatever place: refused, or everything that looks at a record can', () => {
    const policyFor = () => DEFAULT_POLICY;
    const odd = fc.constantFrom(null, 0, -1, 1e300, '', 'x', [], {}, true, [null], { length: 3 }, undefined);
    fc.assert(
      fc.property(fc.constantFrom(...places(stored())), odd, (path, value) => {
        const text = JSON.stringify(withAt(stored(), path, value));
        let record: ReturnType<typeof decodeRecord>;
        try {
          record = decodeRecord(text);
        } catch (error) {
          expect(error).toBeInstanceOf(RecordError);
          return;
        }
        describeRecord(record, MONDAY);
        transition(
          record,
          { type: 'Ticked', observing: false, asked: 'held', braked: 'nothing' },
          plus(MONDAY, 7 * DAY),
          policyFor,
        );
        encodeRecord(record);
      }),
      { numRuns: 2_000 },
    );
  });
});
