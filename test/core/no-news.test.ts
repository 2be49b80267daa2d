/**
 * A contact that is held as before is recognised without reading its parameters, where the account has one device. A second device that has
 * nothing to do with it switches this off: with and without it the first device must fare the same.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AorRecord, BindingId } from '../../plugin/core/binding.ts';
import type { LifecycleEvent, SeenContact } from '../../plugin/core/events.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR, MINUTE, plus } from '../../plugin/core/time.ts';
import { apnsPair, BINDING, bindingEndingIn, contactUri, MONDAY as NOW, recordOf } from '../support/builders.ts';

const OTHER = 'ffffffffffffffff' as BindingId;
const other = () => ({
  ...bindingEndingIn(7 * DAY, NOW, { targets: apnsPair('e'.repeat(64), 'f'.repeat(64)) }),
  id: OTHER,
  contacts: [
    { pbx: 'office', uri: contactUri({ port: 999, voip: 'e'.repeat(64), other: 'f'.repeat(64) }), seenAt: NOW },
  ],
});

const hours = fc.integer({ min: -30, max: 30 }).map((n) => (n * HOUR) / 4);
const maybe = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });

test('one device and two fare the same', () => {
  let quiet = 0;
  const instance = fc.constantFrom('urn:uuid:1', 'urn:uuid:2');
  fc.assert(
    fc.property(
      fc.record({
        known: maybe(instance),
        said: maybe(instance),
        granted: maybe(fc.constantFrom(10 * MINUTE, HOUR)),
        maximum: maybe(fc.constantFrom(2 * HOUR, DAY)),
        looked: maybe(hours),
        estimated: fc.boolean(),
        atMost: maybe(fc.constantFrom(10 * MINUTE, HOUR, 3 * HOUR)),
        expires: maybe(hours),
        renewed: hours,
        sameUri: fc.boolean(),
        ending: fc.boolean(),
        missing: fc.boolean(),
      }),
      (x) => {
        const uri = contactUri();
        const base = bindingEndingIn(5 * DAY, NOW);
        const binding = {
          ...base,
          evidence: x.known === undefined ? {} : { instanceId: x.known },
          renewedAt: plus(NOW, x.renewed - 8 * HOUR),
          contacts: [
            {
              pbx: 'office',
              uri,
              seenAt: plus(NOW, -HOUR),
              ...(x.granted === undefined ? {} : { grantedMs: x.granted }),
              ...(x.looked === undefined || (x.granted !== undefined && !x.estimated)
                ? {}
                : { seenExpiry: { expiresAt: plus(NOW, x.looked), lookedAt: plus(NOW, x.looked - HOUR) } }),
            },
          ],
          ...(x.ending
            ? {
                ending: { reason: 'token-dead' as const, since: NOW, notice: 'done' as const, contact: 'due' as const },
              }
            : {}),
        };
        const contact: SeenContact = {
          pbx: 'office',
          uri: x.sameUri ? uri : contactUri({ port: 7777 }),
          ...(x.said === undefined ? {} : { instanceId: x.said }),
          ...(x.maximum === undefined ? {} : { maximumMs: x.maximum }),
          ...(x.atMost === undefined ? {} : { grantedAtMostMs: x.atMost }),
          ...(x.expires === undefined ? {} : { expiresAt: plus(NOW, x.expires) }),
        };
        const event: LifecycleEvent = {
          type: 'ContactSeen',
          live: false,
          binds: true,
          at: NOW,
          newId: 'aaaaaaaaaaaaaaaa' as BindingId,
          contact,
        };
        const run = (record: AorRecord) =>
          transition(
            x.missing ? { ...record, missingSince: plus(NOW, -HOUR) } : record,
            event,
            NOW,
            () => DEFAULT_POLICY,
          );
        const alone = run(recordOf(binding));
        const beside = run({ ...recordOf(binding), bindings: [binding, other()] });
        expect(alone.record.bindings).toEqual(beside.record.bindings.filter((b) => b.id !== OTHER));
        expect(alone.effects).toEqual(beside.effects);
        expect(alone.changed).toBe(beside.changed);
        if (!alone.changed) quiet++;
      },
    ),
    { numRuns: 3_000, seed: 7 },
  );
  expect(BINDING).toBeDefined();
  expect(quiet, 'some of each kind').toBeGreaterThan(300);
  expect(quiet).toBeLessThan(2_900);
});
