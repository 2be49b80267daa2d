/** Right after a push iOS gives Linphone its VoIP token first: one REGISTER then holds nothing but that (linphone-iphone#853). */
import { describe, expect, it } from 'vitest';
import type { Target, Targets } from '../../plugin/core/binding.ts';
import type { LifecycleEvent } from '../../plugin/core/events.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR, plus } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import { APP, apnsPair, BINDING, bindingEndingIn, MONDAY, OTHER, recordOf, VOIP } from '../support/builders.ts';

const NEW = 'c'.repeat(64);
const uriWith = (prid: string) =>
  `sip:1001@192.0.2.7:40001;transport=tls;pn-provider=apns;pn-param=${APP}.voip&remote;pn-prid=${prid}`;

/** The tokens of the binding after a REGISTER with these. */
function after(before: Targets, uri: string): { call: string | undefined; other: string | undefined } {
  const event: LifecycleEvent = {
    type: 'ContactSeen',
    live: true,
    binds: true,
    at: MONDAY,
    newId: BINDING,
    contact: { pbx: 'office', uri, grantedMs: HOUR, expiresAt: plus(MONDAY, HOUR) },
  };
  const record = recordOf(bindingEndingIn(5 * DAY, MONDAY, { targets: before }));
  const { bindings } = transition(record, event, MONDAY, () => DEFAULT_POLICY).record;
  expect(bindings).toHaveLength(1);
  const text = (target: Target | undefined) => target?.token.reveal();
  return { call: text(bindings[0]?.targets.call), other: text(bindings[0]?.targets.other) };
}

describe('a REGISTER that holds a part of the tokens', () => {
  const other: Target = { provider: 'apns', app: 'TEAM999999.of.another', token: new Token(OTHER) };
  it.each<[string, Targets, string, { call?: string; other?: string }]>([
    ['the known VoIP token: the other one stays', apnsPair(), uriWith(`${VOIP}:voip&`), { call: VOIP, other: OTHER }],
    ['both: as they are', apnsPair(), uriWith(`${VOIP}:voip&${NEW}:remote`), { call: VOIP, other: NEW }],
    ['a new VoIP token: nothing is known of the other one', apnsPair(), uriWith(`${NEW}:voip&`), { call: NEW }],
    ['the other token: calls are no longer pushed by VoIP', apnsPair(), uriWith(`${OTHER}:remote&`), { other: OTHER }],
    ['of another app: it proves nothing', { ...apnsPair(), other }, uriWith(`${VOIP}:voip&`), { call: VOIP }],
  ])('%s', (_, before, uri, expected) => {
    expect(after(before, uri)).toEqual({ call: undefined, other: undefined, ...expected });
  });
});
