/**
 * The life of a binding as a table: one plain sentence per row, boundaries in threes. `docs/lifecycle.md` is generated from
 * these rows (`UPDATE_DOCS=1 npm test -- lifecycle`); the test fails when they differ.
 */
import type { AorRecord, BindingId, Target, Targets } from '../../plugin/core/binding.ts';
import type { LifecycleEvent } from '../../plugin/core/events.ts';
import { DEFAULT_POLICY, type Policy } from '../../plugin/core/policy.ts';
import { DAY, HOUR, type Instant, MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import { fingerprint } from '../../plugin/core/token.ts';
import {
  apnsPair,
  BINDING,
  bindingEndingIn,
  contactUri,
  MONDAY,
  OTHER,
  recordOf,
  VOIP,
  voipOnly,
  warned,
} from '../support/builders.ts';
import { reports } from './lifecycle-reports.cases.ts';

export interface LifecycleCase {
  readonly group: string;
  readonly sentence: string;
  readonly record: AorRecord;
  readonly event: LifecycleEvent;
  readonly policy?: Partial<Policy>;
  /** Effects in words, in order. Empty: nothing happens. */
  readonly does: readonly string[];
  /** What is left: `live`, `ending`, `gone`, a `claim`, or nothing written at all. */
  readonly left: 'live' | 'ending' | 'gone' | 'claim' | 'unchanged';
}

const NOW: Instant = MONDAY;
const observed = (offsetMs: number, at: Instant) => ({ ...warned(offsetMs, at), observed: true as const });
const tick: Extract<LifecycleEvent, { type: 'Ticked' }> = {
  type: 'Ticked',
  observing: false,
  asked: 'held',
  braked: 'nothing',
};
const unknown: LifecycleEvent = { type: 'Ticked', observing: false, asked: 'unknown', braked: 'nothing' };
const missing: LifecycleEvent = { type: 'Ticked', observing: false, asked: 'missing', braked: 'nothing' };
const newId = '00000000000000b2' as BindingId;
const withoutLibrary = ({ call, other }: Targets): Targets => {
  const of = ({ library: _, ...rest }: Target): Target => rest;
  return { ...(call && { call: of(call) }), ...(other && { other: of(other) }) };
};
const NO_JITTER = { refreshSpreadMs: 0 };
const h12 = 12 * HOUR;
const at12 = (left: number): Instant => plus(NOW, left - h12);

const register = (o: { port?: number; voip?: string; other?: string } = {}, at = NOW): LifecycleEvent => ({
  type: 'ContactSeen',
  live: true,
  binds: true,
  at,
  newId,
  contact: { pbx: 'office', uri: contactUri(o), grantedMs: HOUR, expiresAt: plus(at, HOUR) },
});
const held = (expiresAt: Instant, o: { port?: number; grantedMs?: number } = {}): LifecycleEvent => ({
  type: 'ContactSeen',
  live: false,
  binds: true,
  at: NOW,
  newId,
  contact: {
    pbx: 'office',
    uri: contactUri(o),
    expiresAt,
    ...(o.grantedMs === undefined ? {} : { grantedMs: o.grantedMs }),
  },
});
const ending = (change: { notice?: 'due' | 'done'; contact?: 'due' | 'gone'; since?: Instant } = {}) => ({
  ending: {
    reason: 'age' as const,
    since: change.since ?? plus(NOW, -MINUTE),
    notice: change.notice ?? 'due',
    contact: change.contact ?? 'due',
  },
});

const waiting: LifecycleCase[] = [
  {
    group: 'Waiting',
    sentence: 'a day and a millisecond before the end',
    record: recordOf(bindingEndingIn(DAY + 1, NOW)),
    event: tick,
    policy: NO_JITTER,
    does: [],
    left: 'unchanged',
  },
  {
    group: 'Waiting',
    sentence: 'just renewed',
    record: recordOf(bindingEndingIn(7 * DAY, NOW)),
    event: tick,
    does: [],
    left: 'unchanged',
  },
];

const refreshes: LifecycleCase[] = [
  {
    group: 'Refresh pushes',
    sentence: 'exactly 24 h before the end (this binding’s jitter being 0)',
    record: recordOf(bindingEndingIn(DAY, NOW)),
    event: tick,
    policy: NO_JITTER,
    does: ['refresh push'],
    left: 'live',
  },
  {
    group: 'Refresh pushes',
    sentence: 'a millisecond less than an hour after the last one',
    record: recordOf(bindingEndingIn(20 * HOUR, NOW, { lastRefreshAt: plus(NOW, -HOUR + 1), sent: [] })),
    event: tick,
    policy: NO_JITTER,
    does: [],
    left: 'unchanged',
  },
  {
    group: 'Refresh pushes',
    sentence: 'an hour after the last one',
    record: recordOf(bindingEndingIn(20 * HOUR, NOW, { lastRefreshAt: plus(NOW, -HOUR), sent: [] })),
    event: tick,
    policy: NO_JITTER,
    does: ['refresh push'],
    left: 'live',
  },
  {
    group: 'Refresh pushes',
    sentence: 'one would be due 9 min before a notice: it waits, a silent push could displace the notice at Apple',
    record: recordOf(bindingEndingIn(h12 + 9 * MINUTE, NOW, { lastRefreshAt: plus(NOW, -HOUR), sent: [] })),
    event: tick,
    policy: NO_JITTER,
    does: [],
    left: 'unchanged',
  },
  {
    group: 'Refresh pushes',
    sentence: 'one is due 11 min before a notice',
    record: recordOf(bindingEndingIn(h12 + 11 * MINUTE, NOW, { lastRefreshAt: plus(NOW, -HOUR), sent: [] })),
    event: tick,
    policy: NO_JITTER,
    does: ['refresh push'],
    left: 'live',
  },
  {
    group: 'Refresh pushes',
    sentence: 'an app with a VoIP token only: Apple allows no silent push to that',
    record: recordOf(bindingEndingIn(20 * HOUR, NOW, { targets: voipOnly() })),
    event: tick,
    policy: NO_JITTER,
    does: [],
    left: 'unchanged',
  },
];

refreshes.push({
  group: 'Refresh pushes',
  sentence: '59 min after a notice: the user has an hour to open the app',
  record: recordOf(bindingEndingIn(h12 - 59 * MINUTE, NOW, { sent: [warned(h12, plus(NOW, -59 * MINUTE))] })),
  event: tick,
  policy: NO_JITTER,
  does: [],
  left: 'unchanged',
});

const asRefreshed = { lastRefreshAt: plus(NOW, -MINUTE), sent: [] };
const notices: LifecycleCase[] = [
  {
    group: 'Notices',
    sentence: 'a millisecond before the 12 h notice',
    record: recordOf(bindingEndingIn(h12 + 1, NOW, asRefreshed)),
    event: tick,
    does: [],
    left: 'unchanged',
  },
  {
    group: 'Notices',
    sentence: 'exactly 12 h before the end',
    record: recordOf(bindingEndingIn(h12, NOW, asRefreshed)),
    event: tick,
    does: ['notice *expires soon*, 12 h before the end', '(warned: soon-43200000)'],
    left: 'live',
  },
  {
    group: 'Notices',
    sentence: '11 h 30 min before the end and not warned yet: late, but the promise (11 h) holds',
    record: recordOf(bindingEndingIn(11.5 * HOUR, NOW, asRefreshed)),
    event: tick,
    does: ['notice *expires soon*, 11.5 h before the end', '(warned: soon-43200000)'],
    left: 'live',
  },
  {
    group: 'Notices',
    sentence: '10 h before the end and not warned yet (we were away): the end moves out to 12 h from now',
    record: recordOf(bindingEndingIn(10 * HOUR, NOW, asRefreshed)),
    event: tick,
    does: ['notice *expires soon*, 12 h before the end', '(warned: soon-43200000)'],
    left: 'live',
  },
  {
    group: 'Notices',
    sentence:
      'the end has passed and the user was never warned (three days of downtime): warned first, the end moves out',
    record: recordOf(bindingEndingIn(-3 * DAY, NOW)),
    event: tick,
    does: ['notice *expires soon*, 12 h before the end', '(warned: soon-43200000)'],
    left: 'live',
  },
  {
    group: 'Notices',
    sentence: 'the 12 h notice was saved a minute ago and nobody said how it went: wait',
    record: recordOf(
      bindingEndingIn(h12 - MINUTE, NOW, {
        lastRefreshAt: plus(NOW, -2 * MINUTE),
        sent: [warned(h12, plus(NOW, -MINUTE), false)],
      }),
    ),
    event: tick,
    does: [],
    left: 'unchanged',
  },
  {
    group: 'Notices',
    sentence: 'it was saved two minutes ago (a crash lies between): sent again under the same collapse id',
    record: recordOf(bindingEndingIn(h12 - 2 * MINUTE, NOW, { sent: [warned(h12, plus(NOW, -2 * MINUTE), false)] })),
    event: tick,
    does: ['notice *expires soon*, 11.97 h before the end', '(warned: soon-43200000)'],
    left: 'live',
  },
  {
    group: 'Notices',
    sentence: 'exactly 1 h before the end, the 12 h notice sent',
    record: recordOf(
      bindingEndingIn(HOUR, NOW, { lastRefreshAt: plus(NOW, -MINUTE), sent: [warned(h12, at12(HOUR))] }),
    ),
    event: tick,
    does: ['notice *expires soon*, 1 h before the end', '(warned: soon-3600000)'],
    left: 'live',
  },
  {
    group: 'Notices',
    sentence: '40 min before the end and the 1 h notice is missing: the end moves out to 1 h from now',
    record: recordOf(
      bindingEndingIn(40 * MINUTE, NOW, { lastRefreshAt: plus(NOW, -MINUTE), sent: [warned(h12, at12(40 * MINUTE))] }),
    ),
    event: tick,
    does: ['notice *expires soon*, 1 h before the end', '(warned: soon-3600000)'],
    left: 'live',
  },
  {
    group: 'Notices',
    sentence: 'the PBX cannot be asked: nothing is sent, tried again in 5 min',
    record: recordOf(bindingEndingIn(h12, NOW, asRefreshed)),
    event: unknown,
    does: ['(put-off: pbx unknown)'],
    left: 'live',
  },
  {
    group: 'Notices',
    sentence: 'the brake is on: nothing is sent',
    record: recordOf(bindingEndingIn(h12, NOW, asRefreshed)),
    event: { type: 'Ticked', observing: false, asked: 'held', braked: 'everything' },
    does: ['(put-off: brake)'],
    left: 'live',
  },
  {
    group: 'Notices',
    sentence: 'the push service was not to be had: the notice is due again',
    record: recordOf(bindingEndingIn(h12, NOW, { sent: [warned(h12, NOW, false)] })),
    event: {
      type: 'NoticeSettled',
      bindingId: BINDING,
      which: { notice: 'soon', offsetMs: 12 * HOUR },
      outcome: 'later',
    },
    does: ['(put-off: push service: later)'],
    left: 'live',
  },
  {
    group: 'Notices',
    sentence: 'our key is wrong: the notice is due again, no binding is lost by our mistake',
    record: recordOf(bindingEndingIn(h12, NOW, { sent: [warned(h12, NOW, false)] })),
    event: {
      type: 'NoticeSettled',
      bindingId: BINDING,
      which: { notice: 'soon', offsetMs: 12 * HOUR },
      outcome: 'misconfigured',
    },
    does: ['(put-off: push service: misconfigured)'],
    left: 'live',
  },
  {
    group: 'Notices',
    sentence:
      'the end has come and its notices were only logged (`mode: observe`): the user is warned now, and the end moves out',
    record: recordOf(
      bindingEndingIn(0, NOW, {
        lastRefreshAt: plus(NOW, -HOUR),
        sent: [observed(12 * HOUR, at12(0)), observed(HOUR, plus(NOW, -HOUR))],
      }),
    ),
    event: tick,
    does: ['notice *expires soon*, 12 h before the end', '(warned: soon-43200000)'],
    left: 'live',
  },
  {
    group: 'Notices',
    sentence: 'the same while it still only observes: it ends in the log',
    record: recordOf(
      bindingEndingIn(0, NOW, { sent: [observed(12 * HOUR, at12(0)), observed(HOUR, plus(NOW, -HOUR))] }),
    ),
    event: { ...tick, observing: true },
    does: ['(ending: age)', 'notice *expired*', 'contact removed from the PBX'],
    left: 'ending',
  },
  {
    group: 'Notices',
    sentence: 'a VoIP token only: the user cannot be notified, so there is no notice and the lifetime is 30 days',
    record: recordOf(bindingEndingIn(HOUR, NOW, { targets: voipOnly() })),
    event: tick,
    does: [],
    left: 'unchanged',
  },
];

const bothWarned = (left: number) => [warned(h12, at12(left)), warned(HOUR, plus(NOW, left - HOUR))];
const ends: LifecycleCase[] = [
  {
    group: 'The end',
    sentence: 'a millisecond before the end, warned twice',
    record: recordOf(bindingEndingIn(1, NOW, { lastRefreshAt: plus(NOW, -MINUTE), sent: [...bothWarned(1)] })),
    event: tick,
    does: [],
    left: 'unchanged',
  },
  {
    group: 'The end',
    sentence: 'at the end, warned twice',
    record: recordOf(bindingEndingIn(0, NOW, { sent: bothWarned(0) })),
    event: tick,
    does: ['(ending: age)', 'notice *expired*', 'contact removed from the PBX'],
    left: 'ending',
  },
  {
    group: 'The end',
    sentence: 'at the end, the PBX cannot be asked: nothing ends on what is unknown',
    record: recordOf(bindingEndingIn(0, NOW, { sent: bothWarned(0) })),
    event: unknown,
    does: ['(put-off: pbx unknown)'],
    left: 'live',
  },
  {
    group: 'The end',
    sentence: 'at the end of a binding with a VoIP token only',
    record: recordOf(bindingEndingIn(0, NOW, { targets: voipOnly() })),
    event: tick,
    does: ['(ending: age)', 'contact removed from the PBX'],
    left: 'ending',
  },
  {
    group: 'The end',
    sentence: 'the notice *expired* is out, the contact is still there',
    record: recordOf(bindingEndingIn(-MINUTE, NOW, ending())),
    event: { type: 'NoticeSettled', bindingId: BINDING, which: { notice: 'expired' }, outcome: 'sent' },
    does: [],
    left: 'ending',
  },
  {
    group: 'The end',
    sentence: 'the contact is gone as well',
    record: recordOf(bindingEndingIn(-MINUTE, NOW, ending({ notice: 'done' }))),
    event: { type: 'ContactGone', bindingId: BINDING, pbx: 'office', uri: contactUri() },
    does: ['(ended: age)'],
    left: 'gone',
  },
  {
    group: 'The end',
    sentence: 'nobody said how the two steps went (a crash): both are asked for again',
    record: recordOf(bindingEndingIn(-MINUTE, NOW, ending())),
    event: tick,
    does: ['notice *expired*', 'contact removed from the PBX'],
    left: 'ending',
  },
  {
    group: 'The end',
    sentence: 'a REGISTER while it ends: it lives on',
    record: recordOf(bindingEndingIn(-MINUTE, NOW, ending())),
    event: register(),
    does: ['(revived)'],
    left: 'live',
  },
  {
    group: 'The end',
    sentence: 'neither step worked for more than a day: it ends without',
    record: recordOf(bindingEndingIn(-2 * DAY, NOW, ending({ since: plus(NOW, -DAY - 1) }))),
    event: tick,
    does: ['(ended: age)'],
    left: 'gone',
  },
];

const renewals: LifecycleCase[] = [
  {
    group: 'Renewal',
    sentence: 'first REGISTER with push parameters',
    record: recordOf(),
    event: register(),
    does: ['(bound)'],
    left: 'live',
  },
  {
    group: 'Renewal',
    sentence: 'REGISTER again half an hour later: known, not worth a write',
    record: recordOf(bindingEndingIn(7 * DAY - 30 * MINUTE, NOW)),
    event: register(),
    does: [],
    left: 'unchanged',
  },
  {
    group: 'Renewal',
    sentence:
      'a REGISTER shows that the app is made with Linphone’s library, which was not known: stored, no new token',
    record: recordOf(bindingEndingIn(7 * DAY - 30 * MINUTE, NOW, { targets: withoutLibrary(apnsPair()) })),
    event: register(),
    does: ['(renewed)'],
    left: 'live',
  },
  {
    group: 'Renewal',
    sentence: 'REGISTER after the 12 h notice: a new lifetime, nothing planned remains',
    record: recordOf(bindingEndingIn(11 * HOUR, NOW, { sent: [warned(h12, at12(11 * HOUR))] })),
    event: register(),
    does: ['(renewed)'],
    left: 'live',
  },
  {
    group: 'Renewal',
    sentence: 'the app was started again: same token, new contact',
    record: recordOf(bindingEndingIn(5 * DAY, NOW)),
    event: register({ port: 40002 }),
    does: ['(renewed)', 'the contact it left behind removed from the PBX'],
    left: 'live',
  },
  {
    group: 'Renewal',
    sentence: 'the app has a new token: same host and port',
    record: recordOf(bindingEndingIn(5 * DAY, NOW)),
    event: register({ voip: 'c'.repeat(64), other: 'd'.repeat(64) }),
    does: ['(token-changed)', 'the contact it left behind removed from the PBX'],
    left: 'live',
  },
  {
    group: 'Renewal',
    sentence: 'the PBX holds a contact whose expiry proves a REGISTER two days ago',
    record: recordOf(bindingEndingIn(11 * HOUR, NOW, { sent: [warned(h12, at12(11 * HOUR))] })),
    event: held(plus(NOW, -2 * DAY + HOUR)),
    does: ['(renewed)'],
    left: 'live',
  },
  {
    group: 'Renewal',
    sentence: 'the contact’s expiry proves nothing new (whole seconds, rounded)',
    record: recordOf(bindingEndingIn(6 * DAY, NOW, { sent: [] })),
    event: held(plus(NOW, -DAY + HOUR + 3 * SECOND)),
    does: [],
    left: 'unchanged',
  },
  {
    group: 'Renewal',
    sentence:
      'a contact expires later than the hour once granted to it allows: when it registered is not known, and nothing is renewed',
    record: recordOf(bindingEndingIn(2 * DAY, NOW)),
    event: held(plus(NOW, 90 * MINUTE)),
    does: [],
    left: 'live',
  },
  {
    group: 'Renewal',
    sentence: 'a contact is removed now that was granted an hour: a REGISTER no earlier than an hour ago',
    record: recordOf(bindingEndingIn(2 * DAY, NOW)),
    event: { type: 'ContactRemoved', pbx: 'office', uri: contactUri(), at: NOW, maximumMs: 2 * HOUR },
    does: [],
    left: 'live',
  },
  {
    group: 'Renewal',
    sentence: 'a contact that an ended binding left behind is still held: it stays ended',
    record: {
      ...recordOf(),
      tombstones: [
        {
          id: BINDING,
          reason: 'unreachable',
          endedAt: plus(NOW, -HOUR),
          renewedAt: plus(NOW, -DAY),
          tokens: [fingerprint(VOIP), fingerprint(OTHER)],
        },
      ],
    },
    event: held(plus(NOW, 10 * MINUTE)),
    does: [],
    left: 'unchanged',
  },
];

const stops: LifecycleCase[] = [
  {
    group: 'Other ends',
    sentence: 'the user logged out (seen on the wire)',
    record: recordOf(bindingEndingIn(5 * DAY, NOW)),
    event: { type: 'Unregistered', pbx: 'office', uri: contactUri(), at: NOW },
    does: ['(ended: unregistered)'],
    left: 'gone',
  },
  {
    group: 'Other ends',
    sentence: 'the same for an app that logs out when it goes to the background (policy keep)',
    record: recordOf(bindingEndingIn(5 * DAY, NOW)),
    event: { type: 'Unregistered', pbx: 'office', uri: contactUri(), at: NOW },
    policy: { onUnregister: 'keep' },
    does: [],
    left: 'live',
  },
  {
    group: 'Other ends',
    sentence: 'push switched off in the app: a REGISTER without push parameters (seen on the wire)',
    record: recordOf(bindingEndingIn(5 * DAY, NOW)),
    event: {
      type: 'ContactSeen',
      live: true,
      binds: true,
      at: NOW,
      newId,
      contact: { pbx: 'office', uri: contactUri(), wireUri: 'sip:1001@192.0.2.7:40001;transport=tls' },
    },
    does: ['(ended: unregistered)'],
    left: 'gone',
  },
  {
    group: 'Other ends',
    sentence:
      'push parameters behind the `>` of the Contact, as a wrong app writes them: it asks for push, nothing is switched off',
    record: recordOf(bindingEndingIn(5 * DAY, NOW)),
    event: {
      type: 'ContactSeen',
      live: true,
      binds: true,
      at: NOW,
      newId,
      contact: {
        pbx: 'office',
        uri: 'sip:1001@192.0.2.7:40001;transport=tls',
        wireUri: 'sip:1001@192.0.2.7:40001;transport=tls',
        misplaced: true,
      },
    },
    does: ['(not bound: its push parameters stand behind the ">" of the Contact)'],
    left: 'unchanged',
  },
  {
    group: 'Other ends',
    sentence:
      'push parameters that cannot be read, of a device that is bound: it lives on, and the log says why they were not taken',
    record: recordOf(bindingEndingIn(5 * DAY, NOW)),
    event: {
      type: 'ContactSeen',
      live: true,
      binds: true,
      at: NOW,
      newId,
      contact: { pbx: 'office', uri: 'sip:1001@192.0.2.7:40001;transport=tls;pn-prid=t' },
    },
    does: ['(not bound: pn-prid without pn-provider)'],
    left: 'unchanged',
  },
  {
    group: 'Other ends',
    sentence:
      'the same REGISTER without push parameters, but the phone has registered with them since (arrived in the wrong order)',
    record: recordOf(bindingEndingIn(7 * DAY, NOW)),
    event: {
      type: 'ContactSeen',
      live: true,
      binds: true,
      at: plus(NOW, -1),
      newId,
      contact: { pbx: 'office', uri: contactUri(), wireUri: 'sip:1001@192.0.2.7:40001;transport=tls' },
    },
    does: [],
    left: 'unchanged',
  },
  {
    group: 'Other ends',
    sentence: 'a log-out from before the last REGISTER (arrived in the wrong order)',
    record: recordOf(bindingEndingIn(7 * DAY, NOW)),
    event: { type: 'Unregistered', pbx: 'office', uri: contactUri(), at: plus(NOW, -1) },
    does: [],
    left: 'unchanged',
  },
  {
    group: 'Other ends',
    sentence: 'the service calls the call token dead: the user is notified by the other one',
    record: recordOf(bindingEndingIn(5 * DAY, NOW)),
    event: { type: 'TokenDied', bindingId: BINDING, token: fingerprint(VOIP), at: NOW },
    // A service may be wrong about a phone that is awake, and without us that phone would ring (ADR 0111).
    does: ['(ending: token-dead)', 'notice *expired*', 'contact left to expire within a day, or removed from the PBX'],
    left: 'ending',
  },
  {
    group: 'Other ends',
    sentence: 'the service calls the notices’ token dead: calls still reach the phone',
    record: recordOf(bindingEndingIn(5 * DAY, NOW)),
    event: { type: 'TokenDied', bindingId: BINDING, token: fingerprint(OTHER), at: NOW },
    does: [],
    left: 'live',
  },
  {
    group: 'Other ends',
    sentence: 'the service says dead since yesterday, but the phone has registered with the token since',
    record: recordOf(bindingEndingIn(7 * DAY - HOUR, NOW)),
    event: { type: 'TokenDied', bindingId: BINDING, token: fingerprint(VOIP), at: NOW, since: plus(NOW, -DAY) },
    does: [],
    left: 'unchanged',
  },
  {
    group: 'Other ends',
    sentence:
      'it says so an hour after a REGISTER that is dated five minutes later than the death: two clocks, and the word of now counts',
    record: recordOf(bindingEndingIn(7 * DAY - HOUR, NOW)),
    event: {
      type: 'TokenDied',
      bindingId: BINDING,
      token: fingerprint(VOIP),
      at: NOW,
      since: plus(NOW, -HOUR - 5 * MINUTE),
    },
    does: ['(ending: token-dead)', 'notice *expired*', 'contact left to expire within a day, or removed from the PBX'],
    left: 'ending',
  },
  {
    group: 'Other ends',
    sentence: 'the same within ten minutes after that REGISTER',
    record: recordOf(bindingEndingIn(7 * DAY - 9 * MINUTE, NOW)),
    event: {
      type: 'TokenDied',
      bindingId: BINDING,
      token: fingerprint(VOIP),
      at: NOW,
      since: plus(NOW, -14 * MINUTE),
    },
    does: [],
    left: 'unchanged',
  },
  {
    group: 'Other ends',
    sentence: 'a verdict about a token the device has not any more',
    record: recordOf(bindingEndingIn(5 * DAY, NOW, { targets: apnsPair('e'.repeat(64), 'f'.repeat(64)) })),
    event: { type: 'TokenDied', bindingId: BINDING, token: fingerprint(VOIP), at: NOW },
    does: [],
    left: 'unchanged',
  },
  {
    group: 'Other ends',
    sentence: 'the second accepted call push that nobody woke up for',
    record: recordOf(bindingEndingIn(5 * DAY, NOW, { unansweredWakes: 1 })),
    event: { type: 'WakeSettled', bindingId: BINDING, sign: 'nothing', startedAt: NOW },
    does: [],
    left: 'live',
  },
  {
    group: 'Other ends',
    sentence: 'the third',
    record: recordOf(bindingEndingIn(5 * DAY, NOW, { unansweredWakes: 2 })),
    event: { type: 'WakeSettled', bindingId: BINDING, sign: 'nothing', startedAt: NOW },
    does: ['(ending: unreachable)', 'notice *expired*', 'contact removed from the PBX'],
    left: 'ending',
  },
  {
    group: 'Other ends',
    sentence: 'the PBX says that it knows no such account: asked again in 10 min',
    record: recordOf(bindingEndingIn(h12, NOW, asRefreshed)),
    event: missing,
    does: [],
    left: 'live',
  },
  {
    group: 'Other ends',
    sentence: 'the PBX said so ten minutes ago and says so again: ends silently',
    record: { ...recordOf(bindingEndingIn(h12, NOW, asRefreshed)), missingSince: plus(NOW, -10 * MINUTE) },
    event: missing,
    does: ['(ended: aor-deleted)'],
    left: 'gone',
  },
];

export const CASES: readonly LifecycleCase[] = [
  ...waiting,
  ...refreshes,
  ...notices,
  ...ends,
  ...renewals,
  ...stops,
  ...reports,
];
export const policyOf = (c: LifecycleCase): Policy => ({ ...DEFAULT_POLICY, ...c.policy });
export { NOW };
