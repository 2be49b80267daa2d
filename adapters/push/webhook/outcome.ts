/** What a webhook's answers mean: one table, which the author of a receiver goes by. Pure. */
import { SECOND } from '../../../plugin/core/time.ts';
import type { PushOutcome, Verdict } from '../../../plugin/ports/push-provider.ts';
import { type Answer, noAnswerRows, readVerdict } from '../verdicts.ts';

const CHECK_URL = 'compare url and secret of this push service with the receiver';

export const VERDICTS: readonly Verdict[] = [
  { status: 200, reason: '*', outcome: 'accepted', why: 'Any 2xx: the receiver took it and sees to the rest.' },
  { status: 410, reason: '*', outcome: 'tokenDead', why: 'Gone: the one answer that ends a binding.' },
  {
    status: 400,
    reason: '*',
    outcome: 'failed',
    why: 'The receiver cannot do with this push; the same again would fail again.',
  },
  { status: 413, reason: '*', outcome: 'failed', why: 'As 400.' },
  { status: 422, reason: '*', outcome: 'failed', why: 'As 400.' },
  {
    status: 401,
    reason: '*',
    outcome: 'misconfigured',
    hint: CHECK_URL,
    why: 'The signature does not fit: another secret, or a clock that is wrong.',
  },
  { status: 403, reason: '*', outcome: 'misconfigured', hint: CHECK_URL, why: 'As 401.' },
  {
    status: 404,
    reason: '*',
    outcome: 'misconfigured',
    hint: CHECK_URL,
    why: 'The URL is wrong. Says nothing about a token: that is 410.',
  },
  { status: 405, reason: '*', outcome: 'misconfigured', hint: CHECK_URL, why: 'As 404.' },
  {
    status: 301,
    reason: '*',
    outcome: 'misconfigured',
    hint: CHECK_URL,
    why: 'Redirects are not followed: a token is not handed on.',
  },
  { status: 302, reason: '*', outcome: 'misconfigured', hint: CHECK_URL, why: 'As 301.' },
  { status: 307, reason: '*', outcome: 'misconfigured', hint: CHECK_URL, why: 'As 301.' },
  { status: 308, reason: '*', outcome: 'misconfigured', hint: CHECK_URL, why: 'As 301.' },
  { status: 408, reason: '*', outcome: 'retryLater', why: 'A proxy in between.' },
  { status: 429, reason: '*', outcome: 'retryLater', afterMs: 10 * SECOND, why: 'Slow down. Retry-After counts.' },
  {
    status: 500,
    reason: '*',
    outcome: 'retryLater',
    why: 'Trouble at the receiver; it drops repeats by `webhook-id`.',
  },
  { status: 502, reason: '*', outcome: 'retryLater', why: 'A proxy in between.' },
  { status: 503, reason: '*', outcome: 'retryLater', why: 'As 500. Retry-After counts.' },
  { status: 504, reason: '*', outcome: 'retryLater', why: 'A proxy in between.' },
  // A receiver knows repeats by their id: nothing is seen twice.
  ...noAnswerRows('the receiver’s certificate is not trusted; give its authority in `ca`').map(
    ({ unsure: _, ...row }) => row,
  ),
];

export function outcomeOf(answer: Answer): PushOutcome {
  return readVerdict(VERDICTS, answer);
}
