/** Words that several pages use for the same things. */
import type { Binding, Target } from '../../core/binding.ts';
import { dialableUri } from '../../core/contact-uri.ts';
import type { Stage } from '../../core/stage.ts';
import type { CallTrace } from '../../core/trace.ts';
import type { CallStep } from '../../core/wake/steps.ts';
import type { CallOutcome } from '../../core/wake.ts';
import { type Html, html } from './html.ts';
import { badge, type Mood } from './layout.ts';

const STAGES: Readonly<Record<Stage, readonly [Mood, string]>> = {
  fresh: ['good', 'fresh'],
  refreshing: ['good', 'asked to register'],
  warned: ['warn', 'user was warned'],
  ending: ['bad', 'ending'],
  claimed: ['idle', 'reported, not registered yet'],
};

export const stageBadge = (stage: Stage): Html => badge(...STAGES[stage]);
export const stageWord = (stage: Stage): string => STAGES[stage][1];

const OUTCOMES: Readonly<Record<CallOutcome, readonly [Mood, string]>> = {
  answered: ['good', 'answered'],
  elsewhere: ['good', 'answered elsewhere'],
  declined: ['idle', 'declined'],
  cancelled: ['warn', 'the caller gave up'],
  'gave-up': ['warn', 'nobody answered'],
};

export function outcomeBadge({ over, outcome, status, steps }: Omit<CallTrace, 'callId' | 'aor' | 'pbx' | 'at'>): Html {
  if (!over) return badge('idle', 'waits');
  if (status === 'UNAVAILABLE') return badge('warn', 'rung without pushwake');
  if (outcome === undefined) return badge('idle', 'nothing to wake');
  if (outcome === 'gave-up' && steps.some((s) => s.step === 'declined')) return badge('idle', 'declined or busy');
  return badge(...OUTCOMES[outcome]);
}

/** A token by its fingerprint; the token itself is on no page. */
export function targetInWords(name: string, target: Target | undefined): Html | undefined {
  if (!target) return undefined;
  const world = target.environment === 'sandbox' ? ', sandbox' : '';
  return html`${name}: ${target.provider}${world}, token <code>${target.token.fingerprint}</code>`;
}

export function appOf({ targets, claim }: Pick<Binding, 'targets' | 'claim'>): Target | undefined {
  return targets.call ?? targets.other ?? claim?.targets.call ?? claim?.targets.other;
}

/** Most of a Contact that is shown. */
const SHOWN = 160;

/** Where a phone is: its Contact without what belongs to push. One in no form we know is cut before its parameters. */
export function contactInWords(uri: string): string {
  const dialable = dialableUri(uri);
  const text = dialable.ok ? dialable.uri : (uri.split(/[;?,]|pn-/i, 1)[0] ?? '');
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

/** The first time a call came to a step, in ms. */
export const firstStep = ({ steps }: Pick<CallTrace, 'steps'>, name: CallStep['step']): number | undefined =>
  steps.find((s) => s.step === name)?.ms;

/** When a push service first took a push of the call, in ms. */
export const firstTaken = ({ steps }: Pick<CallTrace, 'steps'>): number | undefined =>
  steps.find((s) => s.step === 'pushSettled' && s.verdict === 'accepted')?.ms;

export const devicesOf = ({ steps }: Pick<CallTrace, 'steps'>): number =>
  new Set(steps.flatMap((s) => (s.device === undefined ? [] : [s.device]))).size;
