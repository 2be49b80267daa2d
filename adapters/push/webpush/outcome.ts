/**
 * What the answers of web push services mean for us: one table (RFC 8030, RFC 8292, the vendors' pages). Pure. Every
 * endpoint may be another service, some run by strangers: no answer of one says anything about another, so every row that
 * could slow others down is about this device alone.
 */
import { MINUTE, SECOND } from '../../../plugin/core/time.ts';
import type { PushOutcome, Verdict } from '../../../plugin/ports/push-provider.ts';
import { type Answer, noAnswerRows, readVerdict } from '../verdicts.ts';

const CHECK_KEY =
  'the app subscribed with another applicationServerKey than the public key of push.webpush.privateKey; subscribe it anew';

const later = (status: number, why: string, afterMs?: number): Verdict => ({
  status,
  reason: '*',
  outcome: 'retryLater',
  scope: 'device',
  ...(afterMs === undefined ? {} : { afterMs }),
  why,
});

export const VERDICTS: readonly Verdict[] = [
  { status: 201, reason: '*', outcome: 'accepted', why: 'Any 2xx. Only a REGISTER proves delivery.' },
  { status: 404, reason: '*', outcome: 'tokenDead', why: 'The subscription has expired (RFC 8030 §7.3).' },
  { status: 410, reason: '*', outcome: 'tokenDead', why: 'The user or the browser has ended the subscription.' },
  {
    status: 401,
    reason: '*',
    outcome: 'misconfigured',
    scope: 'device',
    hint: CHECK_KEY,
    why: 'The VAPID signature is not accepted (RFC 8292 §4.2).',
  },
  { status: 403, reason: '*', outcome: 'misconfigured', scope: 'device', hint: CHECK_KEY, why: 'As 401.' },
  {
    status: 400,
    reason: '*',
    outcome: 'failed',
    why: 'A header or the key of the subscription is wrong. Some services say so to a foreign VAPID key too: never dead by it.',
  },
  {
    status: 413,
    reason: '*',
    outcome: 'failed',
    why: 'Our mistake in this one push: the same again would fail again.',
  },
  later(406, 'Too many pushes to this one device (Windows).', MINUTE),
  later(408, 'A proxy in between.'),
  later(429, 'Too many pushes to this one device. Retry-After counts.', 10 * SECOND),
  later(500, 'Trouble at the service; the app drops repeats.'),
  later(502, 'A proxy in between.'),
  later(503, 'As 500. Retry-After counts.'),
  later(504, 'A proxy in between.'),
  {
    reason: 'endpoint not allowed',
    outcome: 'misconfigured',
    scope: 'device',
    hint: 'the endpoint is not https, not on a public address, or not in push.webpush.allowHosts; name its host there if it is yours',
    why: 'A stranger may have written it: nothing inside the network is ever asked for one.',
  },
  // A certificate that is not trusted is this service's trouble, not ours.
  ...noAnswerRows('').map(({ unsure: _, hint: __, ...row }): Verdict => {
    if (row.reason === 'aborted' || row.outcome === 'failed') return row;
    if (row.reason === 'certificate not trusted')
      return { ...row, outcome: 'retryLater', scope: 'device', why: 'The operator of that server must mend it.' };
    return { ...row, scope: 'device' };
  }),
];

export function outcomeOf(answer: Answer): PushOutcome {
  const outcome = readVerdict(VERDICTS, answer);
  return outcome.kind === 'retryLater' && outcome.reason !== 'aborted' ? { ...outcome, scope: 'device' } : outcome;
}
