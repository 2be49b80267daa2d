/** One REGISTER is reported by two sensors, and the binding is dropped between the two reports: the second one changes nothing. */
import { describe, expect, it } from 'vitest';
import type { AorRecord, BindingId, EndReason } from '../../plugin/core/binding.ts';
import type { LifecycleEvent } from '../../plugin/core/events.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR, type Instant, plus, SECOND } from '../../plugin/core/time.ts';
import { apnsPair, bindingEndingIn, contactUri, MONDAY, recordOf } from '../support/builders.ts';

const register = (at: Instant): LifecycleEvent => ({
  type: 'ContactSeen',
  live: true,
  binds: true,
  at,
  newId: '00000000000000ff' as BindingId,
  contact: { pbx: 'office', uri: contactUri(), wireUri: contactUri(), grantedMs: HOUR },
});
const step = (record: AorRecord, event: LifecycleEvent) =>
  transition(record, event, plus(MONDAY, 100), () => DEFAULT_POLICY).record;

/** Its end began at MONDAY, and the contact has not gone yet. */
const ending = (reason: EndReason): AorRecord =>
  recordOf(bindingEndingIn(6 * DAY, MONDAY, { ending: { reason, since: MONDAY, notice: 'done', contact: 'due' } }));
const ended = (reason: EndReason): AorRecord => ({
  ...recordOf(),
  tombstones: [
    {
      id: '00000000000000b1' as BindingId,
      reason,
      endedAt: MONDAY,
      renewedAt: plus(MONDAY, -DAY),
      tokens: [apnsPair().call, apnsPair().other].flatMap((t) => (t ? [t.token.fingerprint] : [])),
    },
  ],
});
const lives = (record: AorRecord | undefined) => record?.bindings.some((b) => !b.ending) ?? false;

describe.each([
  ['ending', ending],
  ['ended', ended],
])('a binding that is %s', (_what, of) => {
  it.each<[EndReason, string, number, boolean]>([
    ['dropped', 'a moment before', -1, false],
    ['dropped', '5 s before', -5 * SECOND, false],
    ['dropped', 'longer before, by a clock that is wrong', -5 * SECOND - 1, true],
    ['dropped', 'at that moment', 0, true],
    ['dropped', 'since', 50, true],
    ['unregistered', 'a moment before: it registered again at once', -1, true],
    ['unregistered', 'since', 50, true],
    ['removed', 'a moment before', -1, true],
    ['age', 'a moment before: the phone lives', -1, true],
    ['token-dead', 'a moment before', -1, true],
  ])('because it was %s, and a REGISTER %s', (reason, _when, ms, alive) => {
    expect(lives(step(of(reason), register(plus(MONDAY, ms))))).toBe(alive);
  });
});
