/**
 * The token for notices died while one of them was to be sent again. Calls still reach the device, so the binding lives on; what can be
 * sent to nobody must not stay due, for it would keep everything after it from happening.
 */
import { describe, expect, it } from 'vitest';
import type { Binding } from '../../plugin/core/binding.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR, MINUTE, plus } from '../../plugin/core/time.ts';
import { bindingEndingIn, MONDAY, recordOf, voipOnly } from '../support/builders.ts';

const againAt = plus(MONDAY, -MINUTE);
const at = plus(MONDAY, -HOUR);

describe('a device with a token for calls only, and a word to be sent again', () => {
  it.each<[what: string, binding: Partial<Binding>]>([
    ['missed calls', { missed: { count: 1, callId: 'a', at, againAt } }],
    ['texts', { texts: { count: 1, at, pushedAt: at, againAt } }],
    ['voice messages', { voicemail: { count: 1, at, how: 'seen', againAt } }],
    ['open the app', { trouble: { cause: 'not-woken', since: at, askAgainAt: againAt } as never }],
  ])('%s: nothing is sent, and nothing stays due', (_what, binding) => {
    const before = recordOf(bindingEndingIn(5 * DAY, MONDAY, { targets: voipOnly(), ...binding }));
    const tick = { type: 'Ticked', observing: false, asked: 'held', braked: 'nothing' } as const;
    const { record, changed, effects } = transition(before, tick, MONDAY, () => DEFAULT_POLICY);
    expect(effects).toEqual([]);
    expect([changed, (record.dueAt ?? 0) > MONDAY]).toEqual([true, true]);
    expect(transition(record, tick, MONDAY, () => DEFAULT_POLICY).changed, 'once').toBe(false);
  });
});
