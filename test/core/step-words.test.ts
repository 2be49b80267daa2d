/** The steps of a call as the log, the API and the pages print them: people and scripts search for these words. */
import { expect, it } from 'vitest';
import { instant } from '../../plugin/core/time.ts';
import { shownTrace, stepInWords } from '../../plugin/core/wake/step-words.ts';
import type { CallStep } from '../../plugin/core/wake/steps.ts';
import { AOR, BINDING } from '../support/builders.ts';

const device = BINDING;

it.each<[printed: string, of: CallStep]>([
  ['call seen (1 to wake)', { step: 'seen', toWake: 1 }],
  ['waiting call taken up', { step: 'takenUp', device }],
  ['no binding, plain path', { step: 'plainPath', why: 'noBinding' }],
  ['pbx did not answer, plain path', { step: 'plainPath', why: 'pbxSilent' }],
  ['the link to the pbx went away', { step: 'linkLost' }],
  ['the pbx did not say what it holds (LinkError)', { step: 'pbxSilent', error: 'LinkError' }],
  ['push sent (apns)', { step: 'pushSent', device, provider: 'apns' }],
  ['push delayed', { step: 'pushDelayed', device }],
  ['push accepted', { step: 'pushSettled', device, verdict: 'accepted' }],
  ['push tokenDead (Unregistered)', { step: 'pushSettled', device, verdict: 'tokenDead', reason: 'Unregistered' }],
  ['awake since an earlier round, not pushed', { step: 'awakeAlready', device }],
  ['no longer awake, pushed', { step: 'noLongerAwake', device }],
  ['has not registered, pushed again', { step: 'pushedAgain', device }],
  ['REGISTER seen by hep', { step: 'registerSeen', sensor: 'hep' }],
  ['registered', { step: 'registered', device, proved: true }],
  ['registered while the link was away', { step: 'registered', device, proved: true, undated: true }],
  ['registered (a new contact of the account, taken for this device)', { step: 'registered', device, proved: false }],
  ['REGISTER refused by the pbx (403)', { step: 'registerRefused', device, status: 403, proved: true }],
  [
    'REGISTER refused by the pbx (503; it named no device that is known)',
    { step: 'registerRefused', device, status: 503, proved: false },
  ],
  ['registered where its stored contact is being rung, waiting for that', { step: 'storedIsRung', device }],
  ['cannot be dialled (the character &)', { step: 'notDialable', device, reason: 'the character &' }],
  ['dialled', { step: 'dialled', device }],
  ['ringing', { step: 'ringing', device, at: 'fresh' }],
  ['ringing (at its stored contact)', { step: 'ringing', device, at: 'stored' }],
  ['answered', { step: 'answered' }],
  ['declined (cause 21)', { step: 'declined', device, cause: 21 }],
  ['composed', { step: 'ordered', order: 'compose', legGone: false }],
  ['dial sent (the leg had ended)', { step: 'ordered', order: 'dial', legGone: true }],
  ['stored contact dialled: failed (LinkError)', { step: 'orderFailed', order: 'dialStored', error: 'LinkError' }],
  ['leg ended', { step: 'ordered', order: 'giveUp', legGone: false }],
  ['status not set (NOBODY)', { step: 'statusNotSet', status: 'NOBODY' }],
  ['closing push: gave-up', { step: 'told', device, word: 'gave-up' }],
  ['its end was never reported', { step: 'endUnknown' }],
  ['over (plain path)', { step: 'over' }],
  ['over (answered)', { step: 'over', outcome: 'answered' }],
  ['registered after the end', { step: 'registeredLate', device }],
  ['shown that it is over: elsewhere', { step: 'shownEnded', word: 'elsewhere' }],
  ['could not be shown that it is over (LinkError)', { step: 'notShownEnded', error: 'LinkError' }],
])('%s', (printed, of) => {
  const { step, detail } = stepInWords(of);
  expect(detail === undefined ? step : `${step} (${detail})`).toBe(printed);
});

it('the API shows a trace in the form of 0.1.0', () => {
  const steps = [{ ms: 40.2, step: 'pushSettled', device, verdict: 'failed', reason: 'no answer' }] as const;
  const call = { callId: 'c', aor: AOR, pbx: 'office', at: instant(0), over: true, outcome: 'gave-up' } as const;
  expect(shownTrace({ ...call, steps })).toEqual({
    ...call,
    steps: [{ ms: 40.2, step: 'push failed', device, detail: 'no answer' }],
  });
});
