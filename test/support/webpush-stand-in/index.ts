/**
 * A stand-in for web push services: strict HTTPS on 127.0.0.1 that checks the VAPID signature, takes the headers of RFC 8030
 * at their word, and hands the text to the "browser", which really decrypts it. For our tests and for yours.
 */
import { createECDH, createPublicKey, type ECDH, randomBytes, randomUUID, verify } from 'node:crypto';
import { type Answered, type Asked, type HttpStandIn, startHttpStandIn } from '../http-stand-in.ts';
import { decrypt } from './decrypt.ts';

/** A push that was taken. */
export interface ReceivedPush {
  readonly path: string;
  readonly ttl: number;
  readonly urgency: string | undefined;
  readonly topic: string | undefined;
  /** Decrypted; undefined for a push without text. */
  readonly text: string | undefined;
  readonly bytes: number;
  readonly atMs: number;
}

export interface Subscription {
  /** As an app writes it into `pn-prid`, or tells it: the endpoint. */
  readonly endpoint: string;
  /** `<p256dh>.<auth>` */
  readonly keys: string;
  /** Both in one, as pushwake keeps it. */
  readonly token: string;
}

export interface WebPushStandIn extends HttpStandIn {
  readonly origin: string;
  readonly pushes: readonly ReceivedPush[];
  readonly complaints: readonly string[];
  /** A browser subscribes with this application server key (VAPID public key). */
  subscribe(applicationServerKey: string): Subscription;
  /** The user has ended it: 410 from now on. */
  unsubscribe(subscription: Subscription): void;
}

interface Known {
  readonly curve: ECDH;
  readonly auth: Buffer;
  readonly applicationServerKey: string;
  gone: boolean;
}

const TOPIC = /^[A-Za-z0-9_-]{1,32}$/;
const URGENCIES = ['very-low', 'low', 'normal', 'high'];

export async function startWebPushStandIn(options: { http1?: boolean; origin?: string } = {}): Promise<WebPushStandIn> {
  const origin = options.origin ?? 'https://push.example.org';
  const subscriptions = new Map<string, Known>();
  const pushes: ReceivedPush[] = [];
  const complaints: string[] = [];

  function take({ method, url, headers, body, atMs }: Asked): Answered {
    const refuse = (status: number, complaint: string): Answered => {
      complaints.push(`${status}: ${complaint}`);
      return { status, body: complaint };
    };
    if (method !== 'POST') return refuse(405, 'not POST');
    const known = subscriptions.get(url);
    if (!known) return refuse(404, 'no such subscription');
    const unsigned = checkVapid(headers.authorization ?? '', origin, known.applicationServerKey);
    if (unsigned) return refuse(unsigned.startsWith('another key') ? 403 : 401, unsigned);
    if (known.gone) return { status: 410 };
    const { ttl = '', urgency, topic } = headers;
    if (!/^\d{1,10}$/.test(ttl)) return refuse(400, 'TTL is missing or no number (RFC 8030 §5.2)');
    if (urgency !== undefined && !URGENCIES.includes(urgency)) return refuse(400, `urgency ${urgency} (RFC 8030 §5.3)`);
    if (topic !== undefined && !TOPIC.test(topic)) return refuse(400, 'topic is not 32 of base64url (RFC 8030 §5.4)');
    const push = { path: url, ttl: Number(ttl), urgency, topic, bytes: body.length, atMs };
    if (body.length > 4_096) return refuse(413, `${body.length} bytes`);
    if (body.length === 0) {
      pushes.push({ ...push, text: undefined });
    } else {
      if (headers['content-encoding'] !== 'aes128gcm') return refuse(400, 'content-encoding is not aes128gcm');
      const read = decrypt(body, known.curve, known.auth);
      if ('wrong' in read) return refuse(400, read.wrong);
      pushes.push({ ...push, text: read.text });
    }
    return { status: 201, headers: { location: `${origin}/m/${randomUUID()}`, ttl } };
  }

  const http = await startHttpStandIn(take, options);
  return {
    ...http,
    get requests() {
      return http.requests;
    },
    get connections() {
      return http.connections;
    },
    get connectionsEver() {
      return http.connectionsEver;
    },
    origin,
    pushes,
    complaints,
    subscribe(applicationServerKey) {
      const curve = createECDH('prime256v1');
      const p256dh = curve.generateKeys('base64url');
      const auth = randomBytes(16);
      const path = `/wpush/v2/${randomBytes(24).toString('base64url')}?p=${subscriptions.size}`;
      subscriptions.set(path, { curve, auth, applicationServerKey, gone: false });
      const keys = `${p256dh}.${auth.toString('base64url')}`;
      return { endpoint: `${origin}${path}`, keys, token: `${origin}${path}#${keys}` };
    },
    unsubscribe({ endpoint }) {
      const known = subscriptions.get(endpoint.slice(origin.length));
      if (known) known.gone = true;
    },
  };
}

/** RFC 8292: `vapid t=<JWT>, k=<public key>`. Undefined when it is right. */
function checkVapid(header: string, origin: string, expectedKey: string): string | undefined {
  const [, jwt = '', k = ''] = /^vapid t=([^,]+), ?k=([A-Za-z0-9_-]+)$/.exec(header) ?? [];
  if (jwt === '') return 'no VAPID signature';
  if (k !== expectedKey) return 'another key than the one it was subscribed with';
  const [head = '', claims = '', signature = ''] = jwt.split('.');
  const point = Buffer.from(k, 'base64url');
  if (point.length !== 65) return 'k is no P-256 key';
  const key = createPublicKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: 'P-256',
      x: point.subarray(1, 33).toString('base64url'),
      y: point.subarray(33).toString('base64url'),
    },
  });
  const bytes = Buffer.from(signature, 'base64url');
  const good = verify('sha256', Buffer.from(`${head}.${claims}`), { key, dsaEncoding: 'ieee-p1363' }, bytes);
  if (!good) return 'the signature is not by k';
  const { alg } = JSON.parse(Buffer.from(head, 'base64url').toString()) as { alg?: string };
  const { aud, exp, sub } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
  if (alg !== 'ES256') return `alg ${alg}`;
  if (aud !== origin) return `aud ${aud}, expected ${origin}`;
  const now = Date.now() / 1_000;
  if (typeof exp !== 'number' || exp <= now || exp > now + 86_400) return 'exp is not within 24 hours';
  return typeof sub === 'string' && /^(mailto:|https:)/.test(sub) ? undefined : 'sub is no mailto: or https:';
}
