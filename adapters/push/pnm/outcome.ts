/**
 * What the answers of Acrobits' push service mean for us: one table. Pure. The verdict stands inside the body:
 * `{"code": 200, "response": "…"}` with HTTP status 200. Shown here as `code 200`.
 */
import { SECOND } from '../../../plugin/core/time.ts';
import type { PushOutcome, Verdict } from '../../../plugin/ports/push-provider.ts';
import { type Answer, noAnswerRows, readVerdict } from '../verdicts.ts';

const CHECK_APP =
  'Acrobits does not know this app id, or a field of the report is wrong: print the Account XML again (pushwake acrobits-xml) and compare its reporter with the one of the app';
const CHECK_URL = 'compare push.pnm.url with the documentation of Acrobits, and let no proxy answer in its place';

export const VERDICTS: readonly Verdict[] = [
  {
    status: 200,
    reason: 'code 200',
    outcome: 'accepted',
    why: 'Acrobits took it. Only a REGISTER, a report or a receipt of the app proves delivery.',
  },
  {
    status: 200,
    reason: 'code 404',
    outcome: 'tokenDead',
    why: 'Acrobits knows the token no more: the app is gone, or has a new one.',
  },
  {
    status: 200,
    reason: 'code 400',
    outcome: 'misconfigured',
    scope: 'device',
    hint: CHECK_APP,
    why: 'A wrong app id or field. Other devices may have reported theirs rightly.',
  },
  { status: 200, reason: 'code 429', outcome: 'retryLater', afterMs: 10 * SECOND, why: 'Slow down.' },
  { status: 200, reason: 'code 500', outcome: 'retryLater', why: 'Trouble at Acrobits.' },
  { status: 200, reason: 'code 503', outcome: 'retryLater', why: 'As code 500.' },
  {
    status: 200,
    reason: '*',
    outcome: 'failed',
    why: 'A code nobody knows, or a body without one. It may have been delivered, and a text sent again would be seen twice.',
  },
  {
    status: 400,
    reason: '*',
    outcome: 'misconfigured',
    scope: 'device',
    hint: CHECK_APP,
    why: 'A field is missing. As code 400.',
  },
  {
    status: 401,
    reason: '*',
    outcome: 'misconfigured',
    hint: CHECK_URL,
    why: 'The service asks for no credentials; something in between does.',
  },
  { status: 403, reason: '*', outcome: 'misconfigured', hint: CHECK_URL, why: 'As 401.' },
  {
    status: 404,
    reason: '*',
    outcome: 'misconfigured',
    hint: CHECK_URL,
    why: 'The status speaks of the URL; only the code in the body speaks of a token.',
  },
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
  { status: 413, reason: '*', outcome: 'failed', why: 'Our mistake in this one push.' },
  { status: 408, reason: '*', outcome: 'retryLater', why: 'A proxy in between.' },
  { status: 429, reason: '*', outcome: 'retryLater', afterMs: 10 * SECOND, why: 'Slow down.' },
  { status: 500, reason: '*', outcome: 'retryLater', why: 'Trouble at Acrobits.' },
  { status: 502, reason: '*', outcome: 'retryLater', why: 'A proxy in between.' },
  { status: 503, reason: '*', outcome: 'retryLater', why: 'As 500.' },
  { status: 504, reason: '*', outcome: 'retryLater', why: 'A proxy in between.' },
  ...noAnswerRows(
    'something between this machine and Acrobits opens the TLS connection; let pnm.cloudsoftphone.com pass untouched',
  ),
];

export function outcomeOf(answer: Answer): PushOutcome {
  return readVerdict(VERDICTS, answer);
}

let lastRead: { readonly body: string; readonly codes: readonly string[] } = { body: '', codes: [] };

/** The code inside an answer's body. Nearly every push is answered with the same text, which is read once. */
export function codesOf(body: string): readonly string[] {
  if (body !== lastRead.body) lastRead = { body, codes: readCodes(body) };
  return lastRead.codes;
}

function readCodes(body: string): readonly string[] {
  try {
    const { code } = JSON.parse(body) as { code?: unknown };
    const number = typeof code === 'string' && /^\d{3}$/.test(code) ? Number(code) : code;
    return typeof number === 'number' && Number.isInteger(number) ? [`code ${number}`] : [];
  } catch {
    return [];
  }
}
