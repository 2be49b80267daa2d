/**
 * What Apple would say to one request. Pure but for the signature check. Stricter than Apple in one thing: a push that Apple
 * takes and then never shows (an alert without a text, a background push with one) is refused here, as `InvalidPushType`.
 */
import { type KeyObject, verify } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http2';

export interface Answer {
  readonly status: number;
  readonly reason?: string;
  /** 410: epoch ms. */
  readonly timestamp?: number;
  /** For the person who reads the test's output. */
  readonly complaint?: string;
}

export interface StandInApp {
  readonly teamId: string;
  readonly bundleId: string;
  readonly keyId: string;
  readonly publicKey: KeyObject;
}

/** What was seen on one connection: Apple ties a connection to one team and one signature at a time. */
export interface ConnectionState {
  teamId?: string;
  jwt?: string;
  jwtSince?: number;
  /** The key `jwt` was found good by: one signature serves thousands of pushes. */
  verifiedBy?: KeyObject;
  /** The app whose certificate the client showed: such a connection needs no signature. */
  certified?: StandInApp;
}

export interface ReadRequest {
  readonly token: string;
  readonly bundleId: string;
  readonly topic: string;
  readonly pushType: string;
  readonly priority: number;
  readonly expiration: number | undefined;
  readonly collapseId: string | undefined;
  readonly apnsId: string | undefined;
  readonly payload: Record<string, unknown>;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const PUSH_TYPES = ['alert', 'background', 'voip'];
const HOUR_S = 3_600;
const TWENTY_MINUTES_MS = 1_200_000;

function refuse(status: number, reason: string, complaint: string): { refusal: Answer } {
  return { refusal: { status, reason, complaint } };
}

/** The signature of the request: ES256 over the JWT, its key, team and age. Gives the apps it may push to. */
export function checkSignature(
  headers: IncomingHttpHeaders,
  apps: readonly StandInApp[],
  state: ConnectionState,
  nowMs: number,
): { refusal: Answer } | { allowed: readonly StandInApp[] } {
  const invalid = (complaint: string) => refuse(403, 'InvalidProviderToken', complaint);
  if (state.certified && headers.authorization === undefined) return { allowed: [state.certified] };
  const [scheme, jwt] = (headers.authorization ?? '').split(' ');
  if (scheme?.toLowerCase() !== 'bearer' || !jwt)
    return refuse(403, 'MissingProviderToken', 'no "authorization: bearer"');
  const [head, claims, signature] = jwt.split('.');
  const header = fromBase64Json(head);
  const claim = fromBase64Json(claims);
  if (!header || !claim || !signature) return invalid('the provider token is no JWT');
  if (header.alg !== 'ES256') return invalid('alg is not ES256');
  const allowed = apps.filter((app) => app.teamId === claim.iss && app.keyId === header.kid);
  const key = allowed[0]?.publicKey;
  if (!key) return invalid('no app with this iss and kid');
  const signed = Buffer.from(`${head}.${claims}`);
  const bytes = Buffer.from(signature, 'base64url');
  const known = state.jwt === jwt && state.verifiedBy === key;
  if (!known && !verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, bytes))
    return invalid('the signature is not by this key');
  if (typeof claim.iat !== 'number') return invalid('iat is missing');
  const ageS = nowMs / 1_000 - claim.iat;
  if (ageS < -60) return invalid('iat lies in the future');
  if (ageS > HOUR_S) return refuse(403, 'ExpiredProviderToken', 'iat is more than an hour old');
  if (state.teamId !== undefined && state.teamId !== claim.iss) return invalid('two teams on one connection');
  if (state.jwt !== undefined && state.jwt !== jwt && nowMs - (state.jwtSince ?? 0) < TWENTY_MINUTES_MS) {
    return refuse(429, 'TooManyProviderTokenUpdates', 'a second signature within 20 minutes');
  }
  if (state.jwt !== jwt) state.jwtSince = nowMs;
  state.jwt = jwt;
  state.verifiedBy = key;
  state.teamId = String(claim.iss);
  return { allowed };
}

/** Everything about the request but its signature. */
export function checkRequest(
  headers: IncomingHttpHeaders,
  body: Buffer,
  allowed: readonly StandInApp[],
): { refusal: Answer } | { request: ReadRequest } {
  if (headers[':method'] !== 'POST') return refuse(405, 'MethodNotAllowed', 'not a POST');
  const path = /^\/3\/device\/([^/?#]*)$/.exec(headers[':path'] ?? '');
  if (!path) return refuse(404, 'BadPath', 'the path is not /3/device/<token>');
  const token = path[1] ?? '';
  if (token === '') return refuse(400, 'MissingDeviceToken', 'no token in the path');
  if (!/^[0-9a-fA-F]{64,200}$/.test(token))
    return refuse(400, 'BadDeviceToken', 'the token is not 64 to 200 hex digits');

  const text = (name: string) => (typeof headers[name] === 'string' ? headers[name] : undefined);
  const topic = text('apns-topic');
  if (topic === undefined) return refuse(400, 'MissingTopic', 'no apns-topic');
  const app = allowed.find(({ bundleId }) => topic === bundleId || topic === `${bundleId}.voip`);
  if (!app) return refuse(400, 'TopicDisallowed', 'the topic is of no app of this key');

  const pushType = text('apns-push-type') ?? '';
  if (!PUSH_TYPES.includes(pushType))
    return refuse(400, 'InvalidPushType', 'apns-push-type is not alert, background or voip');
  if ((pushType === 'voip') !== topic.endsWith('.voip')) {
    return refuse(400, 'BadTopic', 'push type voip goes to <bundle>.voip, and nothing else does');
  }
  const priority = Number(text('apns-priority') ?? 10);
  if (priority !== 5 && priority !== 10) return refuse(400, 'BadPriority', 'apns-priority is neither 5 nor 10');
  if (pushType === 'background' && priority !== 5)
    return refuse(400, 'BadPriority', 'a background push has priority 5');
  const expiration = text('apns-expiration');
  if (expiration !== undefined && !/^\d{1,10}$/.test(expiration)) {
    return refuse(400, 'BadExpirationDate', 'apns-expiration is not a number of seconds');
  }
  const collapseId = text('apns-collapse-id');
  if (collapseId !== undefined && Buffer.byteLength(collapseId) > 64) {
    return refuse(400, 'BadCollapseId', 'apns-collapse-id is longer than 64 bytes');
  }
  const apnsId = text('apns-id');
  if (apnsId !== undefined && !UUID.test(apnsId)) return refuse(400, 'BadMessageId', 'apns-id is no UUID');

  if (body.length === 0) return refuse(400, 'PayloadEmpty', 'no payload');
  const limit = pushType === 'voip' ? 5_120 : 4_096;
  if (body.length > limit) return refuse(413, 'PayloadTooLarge', `${body.length} bytes, ${limit} is the limit`);
  const payload = fromJson(body.toString('utf8'));
  if (!payload) return refuse(400, 'PayloadEmpty', 'the payload is no JSON object');
  const complaint = complaintOf(pushType, payload.aps);
  if (complaint) return refuse(400, 'InvalidPushType', complaint);
  return {
    request: {
      token: token.toLowerCase(),
      bundleId: app.bundleId,
      topic,
      pushType,
      priority,
      expiration: expiration === undefined ? undefined : Number(expiration),
      collapseId,
      apnsId,
      payload,
    },
  };
}

function complaintOf(pushType: string, aps: unknown): string | undefined {
  const has = (key: string) => isObject(aps) && aps[key] !== undefined;
  if (pushType === 'alert' && !has('alert')) return 'an alert push without aps.alert shows nothing';
  if (pushType !== 'background') return undefined;
  if (!isObject(aps) || aps['content-available'] !== 1) return 'a background push needs aps.content-available: 1';
  return has('alert') || has('sound') || has('badge') ? 'a background push has no alert, sound or badge' : undefined;
}

function fromBase64Json(text: string | undefined): Record<string, unknown> | undefined {
  return text ? fromJson(Buffer.from(text, 'base64url').toString('utf8')) : undefined;
}

function fromJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
