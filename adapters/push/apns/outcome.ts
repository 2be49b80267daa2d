/**
 * What Apple's answers mean for us: one table. Pure. Nothing from the answer's text reaches an outcome but a reason of the
 * table, so no token, page or payload can leak through it.
 * Names: Apple, "Handling notification responses from APNs".
 */
import { instant, MINUTE, SECOND } from '../../../plugin/core/time.ts';
import type { PushOutcome, Verdict } from '../../../plugin/ports/push-provider.ts';
import { isProxyTrouble, proxyTroubleIn } from '../../shared/proxy.ts';
import { outcomeOfProxy } from '../proxy-verdicts.ts';
import { readVerdict } from '../verdicts.ts';

/** An answer, or what came in its place. */
export interface ApnsAnswer {
  readonly status?: number;
  /** Apple's word, or ours for "no answer". */
  readonly reason?: string;
  readonly id?: string;
  /** 410: since when Apple knows, epoch ms. */
  readonly timestamp?: number;
}

const OUR_BUG = 'Our mistake in this one push: the same push again would fail again.';
const CHECK_CERTIFICATE = 'renew the push certificate of this app, for production and VoIP, or use a .p8 key';
const CHECK_APP = 'compare teamId, bundleId and keyId of this app with the developer account';

export const VERDICTS: readonly Verdict[] = [
  {
    status: 200,
    reason: '*',
    outcome: 'accepted',
    why: 'Apple took it. It may still drop it; only a REGISTER proves delivery.',
  },

  // The token.
  {
    status: 410,
    reason: 'Unregistered',
    outcome: 'tokenDead',
    why: 'The app is gone from the device. The timestamp counts: a token renewed after it lives (PyAPNs2#61).',
  },
  { status: 410, reason: 'ExpiredToken', outcome: 'tokenDead', why: 'The token has run out. As Unregistered.' },
  { status: 410, reason: '*', outcome: 'tokenDead', why: '410 is Gone, whatever word comes with it.' },
  {
    status: 400,
    reason: 'BadDeviceToken',
    outcome: 'failed',
    why: 'Never dead at once: a token of the other environment is answered so, and pruning by it would end every binding (taOS#2801). With `environment: auto` the other environment is tried once. Five different tokens in a row, none accepted between: `misconfigured`, the environment is wrong. Three times the same one, 10 min apart, while others of the app are accepted: `tokenDead`.',
  },

  // The configuration. Every binding is kept.
  {
    status: 400,
    reason: 'DeviceTokenNotForTopic',
    outcome: 'misconfigured',
    scope: 'device',
    hint: 'the token is of another app than the bundleId; check that the app reports its own bundle identifier',
    why: 'Wrong topic for this token.',
  },
  { status: 400, reason: 'BadTopic', outcome: 'misconfigured', hint: CHECK_APP, why: 'No such topic.' },
  {
    status: 400,
    reason: 'MissingTopic',
    outcome: 'misconfigured',
    hint: CHECK_APP,
    why: 'Only certificates imply a topic.',
  },
  {
    status: 400,
    reason: 'TopicDisallowed',
    outcome: 'misconfigured',
    hint: 'the key may not push to this app: the app must belong to teamId and have the push (and VoIP) capability',
    why: 'Wrong team, or a capability is missing.',
  },
  {
    status: 403,
    reason: 'InvalidProviderToken',
    outcome: 'misconfigured',
    hint: CHECK_APP,
    why: 'Signature, key id or team is wrong, or the key was revoked.',
  },
  {
    status: 403,
    reason: 'MissingProviderToken',
    outcome: 'misconfigured',
    hint: CHECK_APP,
    why: 'No signature reached Apple.',
  },
  {
    status: 403,
    reason: 'UnrelatedKeyIdInToken',
    outcome: 'misconfigured',
    hint: 'this key does not belong to the app; create one for its team, or for its topic',
    why: 'Keys may be limited to topics.',
  },
  {
    status: 403,
    reason: 'BadEnvironmentKeyIdInToken',
    outcome: 'misconfigured',
    hint: 'this key is limited to the other environment; create one for both, or set environment',
    why: 'Keys may be limited to production or sandbox.',
  },
  {
    status: 403,
    reason: 'BadCertificate',
    outcome: 'misconfigured',
    hint: CHECK_CERTIFICATE,
    why: 'Revoked, ended, or of another app.',
  },
  {
    status: 403,
    reason: 'BadCertificateEnvironment',
    outcome: 'misconfigured',
    hint: CHECK_CERTIFICATE,
    why: 'A certificate for development in production, or the reverse.',
  },
  {
    status: 403,
    reason: 'Forbidden',
    outcome: 'misconfigured',
    hint: CHECK_APP,
    why: 'Named by Apple without a cause.',
  },
  {
    status: 403,
    reason: '*',
    outcome: 'misconfigured',
    hint: CHECK_APP,
    why: 'A refusal that repeats for every push.',
  },
  {
    status: 403,
    reason: 'ExpiredProviderToken',
    outcome: 'retryLater',
    afterMs: 0,
    why: 'Older than an hour; a new one is signed at once. If that is refused too, the clock of this machine is wrong, which is `misconfigured`.',
  },

  // Too much.
  {
    status: 429,
    reason: 'TooManyProviderTokenUpdates',
    outcome: 'retryLater',
    afterMs: 20 * MINUTE,
    why: 'The signature was renewed twice within 20 minutes. The old one stays in use; the connection is of no use meanwhile (Apple forum 675879).',
  },
  {
    status: 429,
    reason: 'TooManyRequests',
    outcome: 'retryLater',
    scope: 'device',
    afterMs: 10 * SECOND,
    why: 'Too many pushes to this one device. Others are not slowed.',
  },
  { status: 429, reason: '*', outcome: 'retryLater', afterMs: 10 * SECOND, why: 'Slow down.' },

  // Trouble of Apple's, or on the way.
  {
    status: 500,
    reason: 'InternalServerError',
    outcome: 'retryLater',
    why: 'Same push id and collapse id again: the app drops repeats.',
  },
  { status: 503, reason: 'ServiceUnavailable', outcome: 'retryLater', why: 'As 500.' },
  {
    status: 503,
    reason: 'Shutdown',
    outcome: 'retryLater',
    why: 'This server goes; the next connection reaches another.',
  },
  {
    status: 400,
    reason: 'IdleTimeout',
    outcome: 'retryLater',
    why: 'The connection slept too long; the next attempt opens another.',
  },
  { status: 500, reason: '*', outcome: 'retryLater', why: 'As InternalServerError.' },
  { status: 503, reason: '*', outcome: 'retryLater', why: 'As ServiceUnavailable.' },
  { status: 502, reason: '*', outcome: 'retryLater', why: 'A proxy in between.' },
  { status: 504, reason: '*', outcome: 'retryLater', why: 'A proxy in between.' },
  { status: 408, reason: '*', outcome: 'retryLater', why: 'A proxy in between.' },

  // This push is lost.
  { status: 413, reason: 'PayloadTooLarge', outcome: 'failed', why: OUR_BUG },
  { status: 400, reason: 'PayloadEmpty', outcome: 'failed', why: OUR_BUG },
  { status: 400, reason: 'BadPriority', outcome: 'failed', why: OUR_BUG },
  { status: 400, reason: 'BadCollapseId', outcome: 'failed', why: OUR_BUG },
  { status: 400, reason: 'BadExpirationDate', outcome: 'failed', why: OUR_BUG },
  { status: 400, reason: 'BadMessageId', outcome: 'failed', why: OUR_BUG },
  { status: 400, reason: 'InvalidPushType', outcome: 'failed', why: OUR_BUG },
  { status: 400, reason: 'DuplicateHeaders', outcome: 'failed', why: OUR_BUG },
  { status: 400, reason: 'MissingDeviceToken', outcome: 'failed', why: OUR_BUG },
  { status: 404, reason: 'BadPath', outcome: 'failed', why: OUR_BUG },
  { status: 405, reason: 'MethodNotAllowed', outcome: 'failed', why: OUR_BUG },

  // No answer that could be read.
  {
    reason: 'refused',
    outcome: 'retryLater',
    afterMs: 0,
    scope: 'device',
    why: 'The connection was being closed (GOAWAY) and Apple did not look at it: at once on another (RFC 9113 §8.7).',
  },
  {
    reason: 'connection lost',
    outcome: 'retryLater',
    why: 'Reset: whether Apple took it is not known, so again with the same ids; the app drops repeats.',
  },
  {
    reason: 'no answer in time',
    outcome: 'retryLater',
    why: 'The connection may be dead without a word: it is replaced, then again.',
  },
  { reason: 'cannot connect', outcome: 'retryLater', why: 'Name, route or port: passes, or is seen by the breaker.' },
  {
    reason: 'certificate not trusted',
    outcome: 'misconfigured',
    hint: 'something between this machine and Apple opens the TLS connection; let *.push.apple.com pass untouched',
    why: 'A proxy that inspects TLS answers so for ever.',
  },
  { reason: 'aborted', outcome: 'retryLater', why: 'Ours: the call ended, its time was up, or the program stops.' },
];

export function outcomeOf(answer: ApnsAnswer): PushOutcome {
  const { status, reason, id, timestamp } = answer;
  if (status === 200 && reason === undefined) return readVerdict(VERDICTS, { status, id });
  if (status === undefined && reason !== undefined && isProxyTrouble(reason)) return outcomeOfProxy(reason);
  const since = timestamp === undefined ? undefined : instant(timestamp);
  return readVerdict(VERDICTS, {
    ...(status !== undefined && { status }),
    ...(reason !== undefined && { reasons: [reason] }),
    id,
    since,
  });
}

/** Apple's answer: nothing with 200, else JSON with a reason. What is no JSON is known by its status alone. */
export function readAnswer(status: number, id: string | undefined, body: string): ApnsAnswer {
  if (status === 200) return { status, ...(id !== undefined && { id }) };
  let read: unknown;
  try {
    read = body === '' ? undefined : JSON.parse(body);
  } catch {
    read = undefined;
  }
  const { reason, timestamp } = isObject(read) ? read : {};
  return {
    status,
    ...(typeof reason === 'string' && { reason }),
    ...(isEpochMs(timestamp) && { timestamp: Number(timestamp) }),
  };
}

/** By the error codes of Node; the tests provoke each. */
export function reasonOfError(thrown: unknown): string {
  const trouble = proxyTroubleIn(thrown);
  if (trouble) return trouble;
  // For a stream that waited for its connection, the error's cause says why there was none.
  const error = isObject(thrown) && isObject(thrown.cause) ? thrown.cause : thrown;
  const code = isObject(error) ? String(error.code ?? '') : '';
  const message = isObject(error) ? String(error.message ?? '') : '';
  if (/CERT|ALTNAME|UNABLE_TO_(?:GET|VERIFY)/.test(code) || /certificate/i.test(message))
    return 'certificate not trusted';
  if (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EACCES|EADDRNOTAVAIL)$/.test(code))
    return 'cannot connect';
  return 'connection lost';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isEpochMs(value: unknown): boolean {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) && number > 0;
}
