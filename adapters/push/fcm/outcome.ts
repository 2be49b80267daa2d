/**
 * What Google's answers mean for us: one table. Pure. Nothing from the answer's text reaches an outcome but a reason of the
 * table, so no token, page or payload can leak through it.
 * Names: Firebase, "ErrorCode" of FCM v1, and google.rpc.Code.
 */
import { type Instant, SECOND } from '../../../plugin/core/time.ts';
import type { PushOutcome, Verdict } from '../../../plugin/ports/push-provider.ts';
import { isProxyTrouble, proxyTroubleIn } from '../../shared/proxy.ts';
import { outcomeOfProxy } from '../proxy-verdicts.ts';
import { type Answer, readRetryAfter, readVerdict } from '../verdicts.ts';

/** `id` is the message's name at Google. */
export type FcmAnswer = Omit<Answer, 'since'>;

const OUR_BUG = 'Our mistake in this one push: the same push again would fail again.';
const CHECK_APP = 'compare projectId and serviceAccount of this app with the Firebase console';
const ENABLE =
  'enable the Firebase Cloud Messaging API (v1) of this project and give the service account the role Firebase Cloud Messaging API Admin';
const NEXT_MINUTE = 60 * SECOND;

/** Ours: Google says that the token, or the installation id, is none. */
export const TOKEN_DOUBTFUL = 'INVALID_ARGUMENT registration token';
/** Ours: not what stands in the field is refused, but the field. */
const FIELD_REFUSED = 'INVALID_ARGUMENT target field';
/** Where a push says whom it is for. */
const TARGET_FIELDS = ['message.token', 'message.fid'];
/** A text of Google's that names one of them. */
const TARGET_NAMED = /["'](?:token|fid)["']|message\.(?:token|fid)/;
const NO_TOKEN_OF_GOOGLES =
  /registration token is not a valid FCM registration token|invalid (?:registration token|installation id|fid)/i;
/** What Google's JSON parser says of a field that it does not have, and what an API says of one that it no longer takes. */
const NO_SUCH_FIELD = /unknown name|cannot find field|no longer supported|deprecated|removed/i;

export const VERDICTS: readonly Verdict[] = [
  {
    status: 200,
    reason: '*',
    outcome: 'accepted',
    why: 'Google took it. It may still drop or delay it; only a REGISTER proves delivery.',
  },

  // The token.
  {
    status: 404,
    reason: 'UNREGISTERED',
    outcome: 'tokenDead',
    why: 'The app is gone from the device, or the token was not used for 270 days.',
  },

  // The configuration. Every binding is kept.
  {
    status: 404,
    reason: 'NOT_FOUND',
    outcome: 'misconfigured',
    hint: CHECK_APP,
    why: 'Without the word UNREGISTERED it is the project that is not found. firebase-admin calls both an unregistered token.',
  },
  { status: 404, reason: '*', outcome: 'misconfigured', hint: CHECK_APP, why: 'As NOT_FOUND, or a proxy in between.' },
  {
    status: 400,
    reason: FIELD_REFUSED,
    outcome: 'misconfigured',
    hint: 'Google no longer takes the kind of address that this app reports: build the app with Firebase installation ids, and update pushwake',
    why: 'The field that names the device is refused (`token`, or `fid`), not what stands in it. It is so for every device of the app, so none is dead.',
  },
  {
    status: 403,
    reason: 'SENDER_ID_MISMATCH',
    outcome: 'misconfigured',
    scope: 'device',
    hint: 'the token is of another Firebase project; check that the app reports the project number (senderId) it was built with',
    why: 'Wrong project for this token.',
  },
  {
    status: 403,
    reason: 'SERVICE_DISABLED',
    outcome: 'misconfigured',
    hint: ENABLE,
    why: 'The API is switched off in this project.',
  },
  {
    status: 403,
    reason: 'PERMISSION_DENIED',
    outcome: 'misconfigured',
    hint: ENABLE,
    why: 'The service account may not send for this project.',
  },
  { status: 403, reason: '*', outcome: 'misconfigured', hint: ENABLE, why: 'A refusal that repeats for every push.' },
  {
    status: 401,
    reason: 'UNAUTHENTICATED',
    outcome: 'retryLater',
    afterMs: 0,
    why: 'The access token is refused; a new one is fetched at once. If that is refused too, it is `misconfigured`.',
  },
  {
    status: 401,
    reason: 'THIRD_PARTY_AUTH_ERROR',
    outcome: 'misconfigured',
    scope: 'device',
    hint: 'the token is of an iOS or web app, for which the Firebase project has no key; push to iOS by apns',
    why: 'FCM passes such pushes on to Apple or a browser, which refused them. Android is not concerned.',
  },
  {
    status: 401,
    reason: '*',
    outcome: 'misconfigured',
    hint: CHECK_APP,
    why: 'A refusal that repeats for every push.',
  },
  {
    reason: 'service account refused',
    outcome: 'misconfigured',
    hint: 'Google gives no access token: the key of the service account was deleted, or the clock of this machine is wrong (NTP)',
    why: 'Google answers `invalid_grant` or the like instead of an access token.',
  },

  // Too much.
  {
    status: 429,
    reason: 'QUOTA_EXCEEDED',
    outcome: 'retryLater',
    afterMs: NEXT_MINUTE,
    why: 'Quotas are counted by the minute. Retry-After counts, where there is one.',
  },
  {
    status: 429,
    reason: 'RESOURCE_EXHAUSTED',
    outcome: 'retryLater',
    afterMs: NEXT_MINUTE,
    why: 'As QUOTA_EXCEEDED.',
  },
  { status: 429, reason: '*', outcome: 'retryLater', afterMs: NEXT_MINUTE, why: 'As QUOTA_EXCEEDED.' },

  // Trouble of Google's, or on the way. Retry-After counts, where there is one.
  {
    status: 503,
    reason: 'UNAVAILABLE',
    outcome: 'retryLater',
    why: 'It may have been delivered all the same (firebase-admin-node#1248): same push id again, the app drops repeats.',
  },
  { status: 500, reason: 'INTERNAL', outcome: 'retryLater', why: 'As UNAVAILABLE.' },
  { status: 500, reason: '*', outcome: 'retryLater', why: 'As INTERNAL.' },
  { status: 503, reason: '*', outcome: 'retryLater', why: 'As UNAVAILABLE.' },
  { status: 502, reason: '*', outcome: 'retryLater', why: 'An HTML page of a proxy of Google’s.' },
  { status: 504, reason: '*', outcome: 'retryLater', why: 'As 502.' },
  { status: 408, reason: '*', outcome: 'retryLater', why: 'A proxy in between.' },

  // This push is lost.
  {
    status: 400,
    reason: TOKEN_DOUBTFUL,
    outcome: 'failed',
    why: 'Google says that the token or installation id is none: a message of ours that it does not understand may be answered so as well, and all tokens of an app on the day Google gives them up. Three times the same token, 10 min apart, while others of the project are accepted: `tokenDead`. Five different tokens in a row, none accepted between: `misconfigured`.',
  },
  {
    status: 400,
    reason: 'INVALID_ARGUMENT',
    outcome: 'failed',
    why: `No field violation names the token, so it is not dead. ${OUR_BUG}`,
  },
  { status: 400, reason: '*', outcome: 'failed', why: OUR_BUG },
  { status: 413, reason: '*', outcome: 'failed', why: OUR_BUG },
  {
    reason: 'refused before sending',
    outcome: 'failed',
    why: 'firebase-admin finds the message invalid. Our mistake.',
  },

  // No answer that could be read.
  {
    reason: 'connection lost',
    outcome: 'retryLater',
    why: 'Whether Google took it is not known, so again with the same id.',
  },
  { reason: 'no answer in time', outcome: 'retryLater', why: 'The connection is cut, then again on another.' },
  { reason: 'cannot connect', outcome: 'retryLater', why: 'Name, route or port: passes, or is seen by the breaker.' },
  { reason: 'no access token', outcome: 'retryLater', why: 'Google’s token service is in trouble (5xx).' },
  {
    reason: 'certificate not trusted',
    outcome: 'misconfigured',
    hint: 'something between this machine and Google opens the TLS connection; let fcm.googleapis.com and oauth2.googleapis.com pass untouched',
    why: 'A proxy that inspects TLS answers so for ever.',
  },
  { reason: 'unreadable answer', outcome: 'retryLater', why: 'A page of a proxy with status 200.' },
  { reason: 'aborted', outcome: 'retryLater', why: 'Ours: the call ended, its time was up, or the program stops.' },
];

export function outcomeOf(answer: FcmAnswer): PushOutcome {
  const [reason] = answer.reasons ?? [];
  if (answer.status === undefined && reason !== undefined && isProxyTrouble(reason)) return outcomeOfProxy(reason);
  return readVerdict(VERDICTS, answer);
}

/**
 * Reads the error firebase-admin throws. Its own code is not looked at: it has one word for a token that is gone and a
 * project that does not exist, and its messages quote the answer.
 */
export function readFailure(error: unknown, now: Instant): FcmAnswer {
  const trouble = proxyTroubleIn(error);
  if (trouble) return { reasons: [trouble] };
  if (!isObject(error)) return { reasons: ['connection lost'] };
  const code = String(error.code ?? '');
  if (isObject(error.httpResponse)) return readResponse(error.httpResponse, now);
  if (code === 'app/invalid-credential') return { reasons: [reasonOfToken(error.cause)] };
  if (code.startsWith('messaging/')) return { reasons: ['refused before sending'] };
  return { reasons: [reasonOf(error.cause)] };
}

/** An answer that is no success. */
export function readResponse(
  { status, headers, data }: { readonly status?: unknown; readonly headers?: unknown; readonly data?: unknown },
  now: Instant,
): FcmAnswer {
  if (typeof status !== 'number' || status < 300) return { reasons: ['unreadable answer'] };
  const retryAfterMs = isObject(headers) ? readRetryAfter(headers['retry-after'], now) : undefined;
  const reasons = isObject(data) && isObject(data.error) ? wordsOf(data.error) : [];
  return { status, reasons, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

/** FCM's own word, then the reason of the API in general, then the code of the status. */
function wordsOf({ status, details, message }: Record<string, unknown>): string[] {
  const all = Array.isArray(details) ? details.filter(isObject) : [];
  const ofType = (name: string) => all.filter((detail) => String(detail['@type'] ?? '').endsWith(`/${name}`));
  const fcm = ofType('google.firebase.fcm.v1.FcmError').map(({ errorCode }) => errorCode);
  const info = ofType('google.rpc.ErrorInfo').map(({ reason }) => reason);
  const words = [...fcm, ...info, status].filter((word) => typeof word === 'string');
  const violations = ofType('google.rpc.BadRequest').flatMap(({ fieldViolations }) =>
    Array.isArray(fieldViolations) ? fieldViolations.filter(isObject) : [],
  );
  if (!words.includes('INVALID_ARGUMENT')) return words;
  const word = wordOfTarget(violations, typeof message === 'string' ? message.slice(0, 500) : '');
  return word === undefined ? words : [word, ...words];
}

/** Whether an INVALID_ARGUMENT is about whom the push is for: about the address, or about the field that it stands in. */
function wordOfTarget(violations: readonly Record<string, unknown>[], message: string): string | undefined {
  const texts = [message, ...violations.map(({ description }) => String(description ?? '').slice(0, 500))];
  // With another field named beside it, the push is ours to mend.
  const isOfTarget = violations.every(isTargetField);
  const isOfMessage = violations.every(({ field }) => field === 'message' || field === '');
  const names = violations.some(isTargetField) || texts.some((text) => TARGET_NAMED.test(text));
  if (names && (isOfTarget || isOfMessage) && texts.some((text) => NO_SUCH_FIELD.test(text))) return FIELD_REFUSED;
  if (violations.length > 0) return isOfTarget ? TOKEN_DOUBTFUL : undefined;
  return NO_TOKEN_OF_GOOGLES.test(message) ? TOKEN_DOUBTFUL : undefined;
}

function isTargetField({ field }: Record<string, unknown>): boolean {
  return TARGET_FIELDS.includes(String(field));
}

/** Why google-auth-library got no access token. */
export function readNoToken(error: unknown): FcmAnswer {
  return { reasons: [proxyTroubleIn(error) ?? reasonOfToken(error)] };
}

/** Why a request has no answer. */
export function readNoRequest(error: unknown): FcmAnswer {
  return { reasons: [proxyTroubleIn(error) ?? reasonOf(error)] };
}

function reasonOfToken(error: unknown): string {
  const status = isObject(error) ? Number(error.status) : Number.NaN;
  if (status >= 500 || status === 429 || status === 408) return 'no access token';
  if (status >= 400) return 'service account refused';
  return reasonOf(error);
}

/** By the error codes of Node; the tests provoke each. */
function reasonOf(error: unknown): string {
  const code = isObject(error) ? String(error.code ?? '') : '';
  if (/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/.test(code)) return 'certificate not trusted';
  if (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EACCES|EADDRNOTAVAIL)$/.test(code))
    return 'cannot connect';
  if (/^(ETIMEDOUT|TimeoutError)$/.test(code)) return 'no answer in time';
  return 'connection lost';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
