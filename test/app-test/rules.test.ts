/** What single rules make of what was seen, where the planted misbehaviours do not reach. */
import { describe, expect, it } from 'vitest';
import { type CallSeen, type StepSeen, verdictsOf } from '../../plugin/core/app-test/index.ts';

const SUBJECT = { platform: 'android', kind: 'own', hasOther: true, reports: false } as const;
const PUSHED: CallSeen = { push: 'accepted', pushedMs: 20, rangAtOnce: false, endedMs: 60 };

type Seen = Partial<Pick<StepSeen, 'answers' | 'registers'>>;

const stepOf = (step: StepSeen['step'], calls: readonly CallSeen[], seen: Seen): StepSeen => ({
  step,
  state: 'done',
  calls,
  answers: {},
  registers: { withPush: 0, withoutPush: 0, loggedOut: 0 },
  ...seen,
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
    expect(verdictOf('A8', stepOf('cancel-before', [call], { answers: { 'silent-before': answer } }))).toBe(verdict);
  });
});

describe('A7, a call that can be answered', () => {
  const rang: CallSeen = { ...PUSHED, ringingMs: 900, mayAnswerMs: 4_000, endedMs: 30_000 };

  it.each([
    ['a person was asked to answer and saw the call', rang, { 'one-screen': 'yes' }, 'broken'],
    ['it was answered', { ...rang, answeredMs: 5_000 }, {}, 'ok'],
    ['nobody says anything of it afterwards', rang, {}, 'not-seen'],
  ] as const)('%s', (_, call, answers, verdict) => {
    expect(verdictOf('A7', stepOf('call', [call], { answers }))).toBe(verdict);
  });
});

it('A11 is not seen where the app reports its token over HTTP and its contact names no device', () => {
  const first: CallSeen = { ...PUSHED, ringingMs: 900, endedMs: 20_000 };
  const step = stepOf('two-calls', [first, { ...PUSHED, endedMs: 12_000 }], {});
  const of = (reports: boolean) =>
    verdictsOf({ subject: { ...SUBJECT, reports }, steps: [step] }).find((v) => v.rule === 'A11')?.verdict;
  expect([of(false), of(true)]).toEqual(['broken', 'not-seen']);
});

const REGISTERED: CallSeen = { ...PUSHED, registeredMs: 900, endedMs: 15_000 };
const registers = (withPush: number, withoutPush: number) => ({ withPush, withoutPush, loggedOut: 0 });

describe('A3, a REGISTER that names the device', () => {
  it.each([
    ['named', true, registers(1, 0), 'ok'],
    ['bare, as the PBX shows it', undefined, registers(0, 1), 'broken'],
    ['bare, as the call shows it', false, registers(0, 0), 'broken'],
    ['with push parameters of a device that nobody knows', false, registers(1, 0), 'ok'],
  ] as const)('%s', (_, named, seen, verdict) => {
    const call = { ...REGISTERED, ...(named !== undefined && { named }) };
    expect(verdictOf('A3', stepOf('call', [call], { registers: seen }))).toBe(verdict);
  });
});

describe('A11, the second of two calls', () => {
  const rang: CallSeen = { ...REGISTERED, dialledMs: 950, ringingMs: 990 };
  it.each([
    ['rings', rang, registers(2, 0), 'ok'],
    ['is refused', { ...REGISTERED, declinedMs: 1_000 }, registers(2, 0), 'ok'],
    ['has no answer', REGISTERED, registers(2, 0), 'broken'],
    ['has no answer from a phone that does not say which device it is', REGISTERED, registers(0, 2), 'not-seen'],
    ['was not given time', { ...REGISTERED, endedMs: 900 }, registers(2, 0), 'not-seen'],
  ] as const)('%s', (_, second, seen, verdict) => {
    expect(verdictOf('A11', stepOf('two-calls', [rang, second], { registers: seen }))).toBe(verdict);
  });
});
