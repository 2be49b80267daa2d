/** What a rule for apps is, and the few questions about a test that most rules ask. */
import { type DurationMs, SECOND } from '../time.ts';
import type { QuestionName } from './questions.ts';
import type { CallSeen, StepName, StepSeen } from './seen.ts';
import type { AppKind, Platform, Subject } from './subject.ts';

/** `not-seen`: the test could not show it. `not-applicable`: the rule is not for this app. */
export type Word = 'ok' | 'broken' | 'not-seen' | 'not-applicable';

export interface Judged {
  readonly verdict: Word;
  /** What was seen, or why nothing was. One sentence without a full stop. */
  readonly seen: string;
}

export interface Observed {
  readonly subject: Subject;
  readonly steps: readonly StepSeen[];
}

export interface Rule {
  /** Never given twice, never changed: issues of others quote it. */
  readonly id: `A${number}`;
  readonly title: string;
  readonly platforms: readonly Platform[] | 'all';
  readonly kinds: readonly AppKind[] | 'all';
  readonly reason: string;
  readonly source: string;
  readonly observed: string;
  readonly suffers: string;
  readonly judge: (o: Observed) => Judged;
}

export const ok = (seen: string): Judged => ({ verdict: 'ok', seen });
export const broken = (seen: string): Judged => ({ verdict: 'broken', seen });
export const notSeen = (seen: string): Judged => ({ verdict: 'not-seen', seen });
export const notApplicable = (seen: string): Judged => ({ verdict: 'not-applicable', seen });

export const inSeconds = (ms: DurationMs): string => `${(ms / SECOND).toFixed(1)} s`;

/** What a rule says whose step was not asked for, or was not reached. */
export const NOT_CARRIED_OUT = 'this step was not carried out';

/** Judges by one step; a step that was not carried out to its end shows nothing. */
export function byStep({ steps }: Observed, name: StepName, judge: (step: StepSeen) => Judged): Judged {
  const step = steps.find((s) => s.step === name);
  if (step === undefined) return notSeen(NOT_CARRIED_OUT);
  if (step.state !== 'done') return notSeen(step.why ?? 'this step was not carried out to its end');
  return judge(step);
}

/** Judges by what the person at the phone answered. `before`: why the question had no meaning in this test. */
export function byAnswer(
  step: StepSeen,
  question: QuestionName,
  words: { readonly yes: string; readonly no: string },
): Judged {
  const answer = step.answers[question];
  if (answer === undefined) return notSeen('nobody looked at the phone');
  return answer === 'yes' ? ok(words.yes) : broken(words.no);
}

/** Calls that should wake the phone and gave it time for it; the second of two calls is not one of them. */
export function wakingCalls({ steps }: Observed): readonly CallSeen[] {
  const waking: readonly StepName[] = ['call', 'cancel-after', 'elsewhere', 'two-calls', 'repeated'];
  return steps
    .filter((s) => waking.includes(s.step))
    .flatMap((s) => s.calls.slice(0, 1))
    .filter((c) => c.push === 'accepted' && !c.rangAtOnce);
}

/** `0.3 s` or `0.3 s to 0.9 s`. */
export function range(ms: readonly DurationMs[]): string {
  const [least, most] = [Math.min(...ms), Math.max(...ms)];
  const [from, to] = [inSeconds(least), inSeconds(most)];
  return from === to ? from : `${from} to ${to}`;
}

export const count = (n: number, what: string): string => `${n} ${n === 1 ? what : `${what}s`}`;
export const calls = (n: number): string => count(n, 'call');
/** `the INVITE`, `each of 5 INVITEs`. */
export const each = (n: number, what: string): string => (n === 1 ? `the ${what}` : `each of ${n} ${what}s`);
