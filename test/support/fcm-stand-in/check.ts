/**
 * What Google would say to one message. Pure. As Google's parser does, a field it does not know is an INVALID_ARGUMENT.
 * Stricter in one thing: the size is that of the JSON of data and notification, which is more than Google counts.
 */

export interface Refusal {
  readonly status: number;
  /** FCM's own word (`UNREGISTERED`), or a code of google.rpc (`NOT_FOUND`). */
  readonly reason: string;
  /** The field a violation names. */
  readonly field?: string;
  /** For the person who reads the test's output. */
  readonly complaint?: string;
}

export interface ReadMessage {
  /** A registration token, or the id of a Firebase installation. */
  readonly token: string;
  /** The field that it stood in. */
  readonly by: 'token' | 'fid';
  readonly data: Readonly<Record<string, string>>;
  readonly notification: Readonly<Record<string, unknown>> | undefined;
  readonly priority: 'HIGH' | 'NORMAL' | undefined;
  /** Seconds. */
  readonly ttl: number | undefined;
  readonly collapseKey: string | undefined;
  readonly androidNotification: Readonly<Record<string, unknown>> | undefined;
  /** JSON of data and notification. */
  readonly json: string;
}

export const LIMIT_BYTES = 4_096;
const MOST_SECONDS = 2_419_200;
const INSTALLATION_ID = /^[c-f][A-Za-z0-9_-]{21}$/;

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  '': ['message', 'validate_only'],
  message: ['token', 'fid', 'data', 'notification', 'android', 'apns', 'webpush', 'fcm_options', 'topic', 'condition'],
  'message.notification': ['title', 'body', 'image'],
  'message.android': [
    'collapse_key',
    'priority',
    'ttl',
    'restricted_package_name',
    'data',
    'notification',
    'fcm_options',
    'direct_boot_ok',
  ],
  'message.android.notification': [
    'title',
    'body',
    'icon',
    'color',
    'sound',
    'tag',
    'click_action',
    'channel_id',
    'ticker',
    'sticky',
    'event_time',
    'local_only',
    'notification_priority',
    'visibility',
    'notification_count',
  ],
};

/** Words of FCM itself and the google.rpc code they come with. */
const RPC_STATUS: Readonly<Record<string, string>> = {
  UNREGISTERED: 'NOT_FOUND',
  SENDER_ID_MISMATCH: 'PERMISSION_DENIED',
  QUOTA_EXCEEDED: 'RESOURCE_EXHAUSTED',
  THIRD_PARTY_AUTH_ERROR: 'UNAUTHENTICATED',
  UNAVAILABLE: 'UNAVAILABLE',
  INTERNAL: 'INTERNAL',
  INVALID_ARGUMENT: 'INVALID_ARGUMENT',
};

/** The JSON Google puts around a refusal. `SERVICE_DISABLED` is told by ErrorInfo, plain google.rpc codes without details. */
export function errorBody({ status, reason, field, complaint }: Refusal): string {
  const type = (name: string) => `type.googleapis.com/${name}`;
  const ofFcm = RPC_STATUS[reason];
  const details = [
    ...(ofFcm === undefined ? [] : [{ '@type': type('google.firebase.fcm.v1.FcmError'), errorCode: reason }]),
    ...(reason === 'SERVICE_DISABLED' ? [{ '@type': type('google.rpc.ErrorInfo'), reason }] : []),
    ...(field === undefined
      ? []
      : [
          { '@type': type('google.rpc.BadRequest'), fieldViolations: [{ field, description: complaint ?? 'Invalid' }] },
        ]),
  ];
  const rpc = ofFcm ?? (reason === 'SERVICE_DISABLED' ? 'PERMISSION_DENIED' : reason);
  const more = details.length > 0 ? { details } : {};
  return JSON.stringify({ error: { code: status, message: complaint ?? reason, status: rpc, ...more } });
}

/** Everything about the message but whom the token belongs to. */
export function checkMessage(body: Buffer): { refusal: Refusal } | { message: ReadMessage } {
  const refuse = (field: string, complaint: string) => ({
    refusal: { status: 400, reason: 'INVALID_ARGUMENT', field, complaint: `${field}: ${complaint}` },
  });
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch {
    return refuse('', 'the body is no JSON');
  }
  if (!isObject(parsed) || !isObject(parsed.message)) return refuse('message', 'missing');
  const { message } = parsed;
  const unknown = unknownField(parsed, '');
  if (unknown !== undefined) return refuse(unknown, 'cannot find field');
  const { fid, data = {}, notification, android = {} } = message;
  if ((message.token === undefined) === (fid === undefined))
    return refuse('message', 'not exactly one of token and fid');
  const token = fid ?? message.token;
  if (typeof token !== 'string' || token === '')
    return refuse(fid === undefined ? 'message.token' : 'message.fid', 'missing');
  if (fid !== undefined && !INSTALLATION_ID.test(token)) return refuse('message.fid', 'Invalid FID');
  if (!isObject(data)) return refuse('message.data', 'not an object');
  for (const [key, value] of Object.entries(data)) {
    if (typeof value !== 'string') return refuse(`message.data[${key}]`, 'not a string');
    if (/^(from|message_type|google.*|gcm.*)$/.test(key)) return refuse(`message.data[${key}]`, 'reserved');
  }
  if (notification !== undefined && !isObject(notification)) return refuse('message.notification', 'not an object');
  if (!isObject(android)) return refuse('message.android', 'not an object');
  const { priority, ttl, collapse_key: collapseKey, notification: shown } = android;
  if (priority !== undefined && !/^(high|normal)$/i.test(String(priority))) {
    return refuse('message.android.priority', 'neither HIGH nor NORMAL');
  }
  // google.protobuf.Duration in JSON: seconds with up to nine digits after the point, and an "s".
  const seconds = typeof ttl === 'string' && /^\d+(\.\d{1,9})?s$/.test(ttl) ? Number(ttl.slice(0, -1)) : Number.NaN;
  if (ttl !== undefined && !(seconds <= MOST_SECONDS)) return refuse('message.android.ttl', 'not "0s" to "2419200s"');
  if (collapseKey !== undefined && typeof collapseKey !== 'string') {
    return refuse('message.android.collapse_key', 'not a string');
  }
  if (shown !== undefined && !isObject(shown)) return refuse('message.android.notification', 'not an object');
  const json = JSON.stringify({ data, notification });
  if (Buffer.byteLength(json) > LIMIT_BYTES) return refuse('message', `too big: ${Buffer.byteLength(json)} bytes`);
  return {
    message: {
      token,
      by: fid === undefined ? 'token' : 'fid',
      data: data as Record<string, string>,
      notification,
      priority: priority === undefined ? undefined : (String(priority).toUpperCase() as 'HIGH' | 'NORMAL'),
      ttl: ttl === undefined ? undefined : seconds,
      collapseKey,
      androidNotification: shown,
      json,
    },
  };
}

function unknownField(value: Record<string, unknown>, path: string): string | undefined {
  const known = FIELDS[path];
  if (!known) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const at = path === '' ? key : `${path}.${key}`;
    if (!known.includes(key)) return at;
    const deeper = isObject(inner) ? unknownField(inner, at) : undefined;
    if (deeper !== undefined) return deeper;
  }
  return undefined;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
