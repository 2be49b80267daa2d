/**
 * The steps of a call as people read them: in the log, in the JSON of `explain`, on the pages. A step without words does not
 * compile.
 */
import type { BindingId } from '../binding.ts';
import type { CallTrace, TraceStep } from '../trace.ts';
import type { CallStep, LegOrder } from './steps.ts';

/** `detail`: the text in brackets behind the step. */
export interface StepWords {
  readonly step: string;
  readonly detail?: string;
}

type Words = string | readonly [step: string, detail: string | undefined];

const ORDERS: Readonly<Record<LegOrder, string>> = {
  compose: 'composed',
  dial: 'dial sent',
  dialStored: 'stored contact dialled',
  giveUp: 'leg ended',
};

const PLAIN: Readonly<Record<Extract<CallStep, { step: 'plainPath' }>['why'], string>> = {
  noBinding: 'no binding, plain path',
  pbxSilent: 'pbx did not answer, plain path',
  observed: 'mode observe, plain path',
};

const WORDS: { readonly [S in CallStep['step']]: (of: Extract<CallStep, { step: S }>) => Words } = {
  seen: ({ toWake }) => ['call seen', `${toWake} to wake`],
  takenUp: () => 'waiting call taken up',
  plainPath: ({ why }) => PLAIN[why],
  pbxSilent: ({ error }) => ['the pbx did not say what it holds', error],
  pushSent: ({ provider }) => ['push sent', provider],
  pushDelayed: () => 'push delayed',
  pushSettled: ({ verdict, reason }) => [`push ${verdict}`, reason],
  awakeAlready: () => 'awake since an earlier round, not pushed',
  noLongerAwake: () => 'no longer awake, pushed',
  pushedAgain: () => 'has not registered, pushed again',
  registerSeen: ({ sensor }) => `REGISTER seen by ${sensor}`,
  registered: ({ proved, undated }) => [
    undated ? 'registered while the link was away' : 'registered',
    proved ? undefined : 'a new contact of the account, taken for this device',
  ],
  registerRefused: ({ status, proved }) => [
    'REGISTER refused by the pbx',
    proved ? `${status}` : `${status}; it named no device that is known`,
  ],
  storedIsRung: () => 'registered where its stored contact is being rung, waiting for that',
  notDialable: ({ reason }) => ['cannot be dialled', reason],
  dialled: () => 'dialled',
  notReached: ({ cause }) => ['not reached, waiting for another REGISTER', `cause ${cause}`],
  dialledAnew: () => 'has not rung and registered at another address, dialled there',
  ringing: ({ at }) => ['ringing', at === 'stored' ? 'at its stored contact' : undefined],
  answered: () => 'answered',
  declined: ({ cause }) => ['declined', `cause ${cause}`],
  takenOver: () => 'another node has taken it over',
  linkLost: () => 'the link to the pbx went away',
  ordered: ({ order, legGone }) => [ORDERS[order], legGone ? 'the leg had ended' : undefined],
  orderFailed: ({ order, error }) => [`${ORDERS[order]}: failed`, error],
  statusNotSet: ({ status }) => ['status not set', status],
  told: ({ word }) => `closing push: ${word}`,
  endUnknown: () => 'its end was never reported',
  over: ({ outcome }) => ['over', outcome ?? 'plain path'],
  registeredLate: () => 'registered after the end',
  shownEnded: ({ word }) => `shown that it is over: ${word}`,
  notShownEnded: ({ error }) => ['could not be shown that it is over', error],
};

export function stepInWords(of: CallStep): StepWords {
  // Each entry takes its own member of the union, which TypeScript cannot follow through an index.
  const words = (WORDS[of.step] as (of: CallStep) => Words)(of);
  if (typeof words === 'string') return { step: words };
  const [step, detail] = words;
  return detail === undefined ? { step } : { step, detail };
}

/** A step as the API and `--json` show it. */
export interface ShownStep extends StepWords {
  readonly ms: number;
  readonly device?: BindingId;
}

/** A trace as the API and `--json` show it. */
export type ShownTrace = Omit<CallTrace, 'steps'> & { readonly steps: readonly ShownStep[] };

export function shownStep(step: TraceStep): ShownStep {
  const { step: words, detail } = stepInWords(step);
  return {
    ms: step.ms,
    step: words,
    ...(step.device === undefined ? {} : { device: step.device }),
    ...(detail === undefined ? {} : { detail }),
  };
}

export const shownTrace = (trace: CallTrace): ShownTrace => ({ ...trace, steps: trace.steps.map(shownStep) });
