/** What single rules make of what was seen, where the planted misbehaviours do not reach. */
import { describe, expect, it } from 'vitest';
import { type CallSeen, type StepSeen, verdictsOf } from '../../plugin/core/app-test/index.ts';

const SUBJECT = { platform: 'android', kind: 'own', hasOther: true, reports: false } as const;
const PUSHED: CallSeen = { push: 'accepted', pushedMs: 20, rangAtOnce: false, endedMs: 60 };

const stepOf = (step: StepSeen['step'], calls: readonly CallSeen[], answers: StepSeen['answers']): StepSeen => ({
  step,
  state: 'done',
  calls,
  answers,
  registers: { withPush: 0, withoutPush: 0, loggedOut: 0 },
  bindings: { before: 1, after: 1 },
  newTokens: false,
  held: 'unknown',
});
const verdictOf = (rule: string, step: StepSeen) =>
  verdictsOf({ subject: SUBJECT, steps: [step] }).find((v) => v.rule === rule)?.verdict;

describe('A8, a call that ended before the app came', () => {
  it.each([
    ['the app came after the end', PUSHED, 'no', 'broken'],
    ['the app came after the end', PUSHED, 'yes', 'ok'],
    ['its INVITE went out before the end', { ...PUSHED, registeredMs: 30, dialledMs: 40 }, 'no', 'not-seen'],
    ['it rang at its old contact before the end', { ...PUSHED, ringingMs: 40 }, 'yes', 'not-seen'],
    ['the service refused the push', { ...PUSHED, push: 'refused' }, 'no', 'not-seen'],
  ] as const)('%s (row %#)', (_, call, answer, verdict) => {
    expect(verdictOf('A8', stepOf('cancel-before', [call], { 'silent-before': answer }))).toBe(verdict);
  });
});
