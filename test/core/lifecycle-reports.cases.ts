/** Rows of the lifecycle's table: devices that report over HTTP. */
import type { BindingId, Targets } from '../../plugin/core/binding.ts';
import type { LifecycleEvent } from '../../plugin/core/events.ts';
import { DAY, HOUR, type Instant, MINUTE, plus } from '../../plugin/core/time.ts';
import { fingerprint, Token } from '../../plugin/core/token.ts';
import { BINDING, bindingEndingIn, MONDAY, recordOf, warned } from '../support/builders.ts';
import type { LifecycleCase } from './lifecycle.cases.ts';

const NOW: Instant = MONDAY;
const newId = '00000000000000c3' as BindingId;
const INSTALL = 'install-1';

export const acrobits = (calls = 'calls-token', other = 'other-token'): Targets => ({
  call: { provider: 'pnm', app: 'com.example.voip', selector: 'SEL:1', token: new Token(calls) },
  other: { provider: 'pnm', app: 'com.example', selector: 'SEL:1', token: new Token(other) },
});

type Reported = Extract<LifecycleEvent, { type: 'Reported' }>;

const report = (o: Partial<Reported> = {}): LifecycleEvent => ({
  type: 'Reported',
  newId,
  installId: INSTALL,
  targets: acrobits(),
  at: NOW,
  ...o,
});

const desk = (at: Instant): LifecycleEvent => ({
  type: 'ContactSeen',
  live: true,
  binds: true,
  at,
  newId,
  contact: { pbx: 'office', uri: 'sip:1001@192.0.2.9:5060' },
});
const heldDesk = (expiresAt: Instant): LifecycleEvent => ({
  type: 'ContactSeen',
  live: false,
  binds: true,
  at: NOW,
  newId,
  contact: { pbx: 'office', uri: 'sip:1001@192.0.2.9:5060', expiresAt, maximumMs: HOUR },
});

const device = (left: number, change: object = {}) =>
  bindingEndingIn(left, NOW, {
    targets: acrobits(),
    contacts: [],
    reportedAt: plus(NOW, left - 7 * DAY),
    evidence: { installId: INSTALL },
    ...change,
  });
const claimed = (agoMs: number, targets = acrobits()) =>
  bindingEndingIn(12 * HOUR - agoMs, NOW, {
    targets: {},
    contacts: [],
    claim: { at: plus(NOW, -agoMs), installId: INSTALL, targets },
  });

const group = 'Devices that report over HTTP';
const row = (c: Omit<LifecycleCase, 'group'>): LifecycleCase => ({ group, ...c });

export const reports: LifecycleCase[] = [
  row({
    sentence: 'a report; the account has not registered: a claim, nothing is pushed to it',
    record: recordOf(),
    event: report(),
    does: ['(claimed)'],
    left: 'claim',
  }),
  row({
    sentence: 'a report, the account registered a minute before',
    record: recordOf(),
    event: report({ registeredAt: plus(NOW, -MINUTE) }),
    does: ['(bound)'],
    left: 'live',
  }),
  row({
    sentence: 'the account registered a millisecond earlier than that',
    record: recordOf(),
    event: report({ registeredAt: plus(NOW, -MINUTE - 1) }),
    does: ['(claimed)'],
    left: 'claim',
  }),
  row({
    sentence: 'a REGISTER of the account after the claim, whatever phone sent it',
    record: recordOf(claimed(HOUR)),
    event: desk(NOW),
    does: ['(bound)'],
    left: 'live',
  }),
  row({
    sentence: 'a contact the PBX holds that must have registered after the claim',
    record: recordOf(claimed(HOUR)),
    event: heldDesk(plus(NOW, 1)),
    does: ['(bound)'],
    left: 'live',
  }),
  row({
    sentence: 'a held contact that may have registered more than a minute before the claim',
    record: recordOf(claimed(HOUR)),
    event: heldDesk(plus(NOW, -MINUTE - 1)),
    does: [],
    left: 'unchanged',
  }),
  row({
    sentence: 'twelve hours after the claim, and no REGISTER',
    record: recordOf(claimed(12 * HOUR)),
    event: { type: 'Ticked', observing: false, asked: 'held', braked: 'nothing' },
    does: ['(ending: never-registered)', '(ended: never-registered)'],
    left: 'gone',
  }),
  row({
    sentence: 'a millisecond before that',
    record: recordOf(claimed(12 * HOUR - 1)),
    event: { type: 'Ticked', observing: false, asked: 'held', braked: 'nothing' },
    does: [],
    left: 'unchanged',
  }),
  row({
    sentence: 'the same report again, at once',
    record: recordOf(claimed(0)),
    event: report(),
    does: [],
    left: 'unchanged',
  }),
  row({
    sentence: 'a fresh report of a known device: renewed',
    record: recordOf(device(3 * DAY, { sent: [warned(12 * HOUR, plus(NOW, -HOUR))] })),
    event: report({ registeredAt: NOW }),
    does: ['(renewed)'],
    left: 'live',
  }),
  row({
    sentence: 'a report with new tokens',
    record: recordOf(device(3 * DAY)),
    event: report({ targets: acrobits('new-calls', 'new-other'), registeredAt: NOW }),
    does: ['(token-changed)'],
    left: 'live',
  }),
  row({
    sentence: 'an old report sent again, with tokens the device has given up since',
    record: recordOf(
      device(3 * DAY, {
        targets: acrobits('new-calls', 'new-other'),
        evidence: { installId: INSTALL, formerTokens: [fingerprint('calls-token'), fingerprint('other-token')] },
      }),
    ),
    event: report({ registeredAt: NOW }),
    does: [],
    left: 'unchanged',
  }),
  row({
    sentence: 'its receipt for a push, or its REGISTER right after one',
    record: recordOf(device(HOUR, { sent: [warned(12 * HOUR, plus(NOW, -11 * HOUR))] })),
    event: { type: 'ReportedDeviceAnswered', bindingId: BINDING, at: NOW },
    does: ['(renewed)'],
    left: 'live',
  }),
  row({
    sentence: 'the same of a device that never reported',
    record: recordOf(bindingEndingIn(HOUR, NOW)),
    event: { type: 'ReportedDeviceAnswered', bindingId: BINDING, at: NOW },
    does: [],
    left: 'unchanged',
  }),
  row({
    sentence: 'it unregisters, as such apps do when they go to the background',
    record: recordOf(device(5 * DAY, { contacts: [{ pbx: 'office', uri: 'sip:1001@192.0.2.9:5060', seenAt: NOW }] })),
    event: { type: 'Unregistered', pbx: 'office', uri: 'sip:1001@192.0.2.9:5060', at: NOW },
    does: [],
    left: 'live',
  }),
  row({
    sentence: 'the account is removed from the app',
    record: recordOf(device(5 * DAY)),
    event: { type: 'ReportWithdrawn', installId: INSTALL, tokens: [], at: NOW },
    does: ['(ended: removed)'],
    left: 'gone',
  }),
  row({
    sentence: 'the same, reported by the token alone',
    record: recordOf(device(5 * DAY)),
    event: { type: 'ReportWithdrawn', tokens: [fingerprint('other-token')], at: NOW },
    does: ['(ended: removed)'],
    left: 'gone',
  }),
  row({
    sentence: 'a removal that names a device known from SIP alone',
    record: recordOf(bindingEndingIn(5 * DAY, NOW, { targets: acrobits() })),
    event: { type: 'ReportWithdrawn', installId: INSTALL, tokens: [fingerprint('other-token')], at: NOW },
    does: [],
    left: 'unchanged',
  }),
];
