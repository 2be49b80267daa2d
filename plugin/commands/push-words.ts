/** What a push service answered, in words, with what to do about it. */
import type { PushOutcome } from '../ports/push-provider.ts';

export interface Verdict {
  readonly level: 'ok' | 'warn' | 'fail';
  readonly words: string;
  readonly remedy?: string;
}

export function verdictOf(outcome: PushOutcome, provider: string | undefined): Verdict {
  switch (outcome.kind) {
    case 'accepted':
      return { level: 'ok', words: `${provider} took the push; whether the phone came, its REGISTER shows` };
    case 'tokenDead':
      return {
        level: 'fail',
        words: `${provider} says that this app is gone (${outcome.reason})`,
        remedy: 'Its user opens the app once: its REGISTER brings the new token. The binding is left as it is.',
      };
    case 'misconfigured':
      return { level: 'fail', words: `${provider} refuses us (${outcome.reason})`, remedy: outcome.hint };
    case 'retryLater':
      return {
        level: 'fail',
        words: `${provider} could not be reached in time (${outcome.reason})`,
        remedy: 'Is it reachable from this machine (port 443; for Apple also 2197)? `pushwake check` tries it.',
      };
    case 'failed':
      return provider === undefined
        ? {
            level: 'warn',
            words: 'it cannot be sent this kind of push',
            remedy:
              'It has a VoIP token only, its service has no such push, or its service is not configured under `push`.',
          }
        : { level: 'fail', words: `the push was lost (${outcome.reason})`, remedy: 'See "push given up" in the log.' };
    default:
      return outcome satisfies never;
  }
}
