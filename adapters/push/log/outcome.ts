/** The verdict table of a service that is not there. Pure. A new provider starts from here. */
import type { PushOutcome, Verdict } from '../../../plugin/ports/push-provider.ts';

export const VERDICTS: readonly Verdict[] = [
  { reason: 'logged', outcome: 'accepted', why: 'Nothing is sent, so nothing can fail.' },
  { reason: 'aborted', outcome: 'retryLater', why: 'Ours: the call ended, its time was up, or the program stops.' },
];

export function outcomeOf(answer: { readonly aborted: boolean }): PushOutcome {
  return answer.aborted ? { kind: 'retryLater', reason: 'aborted' } : { kind: 'accepted' };
}
