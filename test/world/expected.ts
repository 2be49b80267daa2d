/** What there is to visit: each change of a binding's stage that the lifecycle's table has, each step that a call may take. */

import type { BindingId } from '../../plugin/core/binding.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { stepInWords } from '../../plugin/core/wake/step-words.ts';
import type { CallStep } from '../../plugin/core/wake/steps.ts';
import { CASES, NOW, policyOf } from '../core/lifecycle.cases.ts';
import { Coverage } from './coverage.ts';

/** As `Coverage` counts them, made by the rows of the table themselves. */
export function changesOfStage(): readonly string[] {
  const coverage = new Coverage();
  for (const row of CASES) {
    const { record } = transition(row.record, row.event, NOW, () => policyOf(row));
    coverage.commit({ aor: row.record.aor, before: row.record, after: record });
  }
  return coverage.of('life').map(([what]) => what);
}

const device = '' as BindingId;

/** One example of each step in each of its words. A new step does not compile without one. */
const STEPS: { readonly [S in CallStep['step']]: readonly Extract<CallStep, { step: S }>[] } = {
  seen: [{ step: 'seen', toWake: 1 }],
  takenUp: [{ step: 'takenUp', device }],
  plainPath: (['noBinding', 'pbxSilent', 'observed'] as const).map((why) => ({ step: 'plainPath', why })),
  pbxSilent: [{ step: 'pbxSilent', error: '' }],
  pushSent: [{ step: 'pushSent', device, provider: '' }],
  pushDelayed: [{ step: 'pushDelayed', device }],
  pushSettled: (['accepted', 'tokenDead', 'misconfigured', 'failed', 'retryLater'] as const).map((verdict) => ({
    step: 'pushSettled',
    device,
    verdict,
  })),
  awakeAlready: [{ step: 'awakeAlready', device }],
  noLongerAwake: [{ step: 'noLongerAwake', device }],
  pushedAgain: [{ step: 'pushedAgain', device }],
  registerSeen: (['event', 'hep', 'watch'] as const).map((sensor) => ({ step: 'registerSeen', sensor })),
  registered: [
    { step: 'registered', device, proved: true },
    { step: 'registered', device, proved: true, undated: true },
  ],
  registerRefused: [{ step: 'registerRefused', device, status: 403, proved: true }],
  storedIsRung: [{ step: 'storedIsRung', device }],
  notDialable: [{ step: 'notDialable', device, reason: '' }],
  dialled: [{ step: 'dialled', device }],
  notReached: [{ step: 'notReached', device, cause: 20 }],
  dialledAnew: [{ step: 'dialledAnew', device }],
  ringing: [{ step: 'ringing', device, at: 'fresh' }],
  answered: [{ step: 'answered' }],
  declined: [{ step: 'declined', device, cause: 21 }],
  takenOver: [{ step: 'takenOver' }],
  linkLost: [{ step: 'linkLost' }],
  ordered: (['compose', 'dial', 'dialStored', 'giveUp'] as const).map((order) => ({
    step: 'ordered',
    order,
    legGone: false,
  })),
  orderFailed: (['compose', 'dial', 'dialStored', 'giveUp'] as const).map((order) => ({
    step: 'orderFailed',
    order,
    error: '',
  })),
  statusNotSet: [{ step: 'statusNotSet', status: 'WOKEN' }],
  told: (['cancelled', 'elsewhere', 'declined', 'gave-up'] as const).map((word) => ({ step: 'told', device, word })),
  endUnknown: [{ step: 'endUnknown' }],
  over: [{ step: 'over' }],
  registeredLate: [{ step: 'registeredLate', device }],
  shownEnded: (['cancelled', 'elsewhere', 'declined'] as const).map((word) => ({ step: 'shownEnded', word })),
  notShownEnded: [{ step: 'notShownEnded', error: '' }],
};

export const stepsOfCalls = (): readonly string[] =>
  Object.values(STEPS)
    .flat()
    .map((step) => `step ${stepInWords(step).step}`);
