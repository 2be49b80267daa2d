/**
 * A stand-in for Apple's push service: strict HTTP/2 over TLS on 127.0.0.1, scriptable, for our tests and for yours.
 * Keys and certificate are made at start; nothing here is a secret.
 */

import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { EventEmitter } from 'node:events';
import {
  constants,
  createSecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { selfSignedCertificate } from '../tls.ts';
import {
  type Answer,
  type ConnectionState,
  checkRequest,
  checkSignature,
  type ReadRequest,
  type StandInApp,
} from './check.ts';

/** How the stand-in treats one push, in place of what it would do by itself. */
export type Behaviour =
  /** Answers so, whatever the push. `reason: undefined` with a `body` gives that body (an HTML page, say). */
  | {
      readonly status: number;
      readonly reason?: string;
      readonly timestamp?: number;
      readonly body?: string;
      readonly headers?: Record<string, string>;
    }
  /** Treats it as usual, but answers so much later. */
  | { readonly delayMs: number }
  /** Treats it as usual, but answers when the promise resolves. */
  | { readonly until: Promise<unknown> }
  /** Never answers. */
  | 'hang'
  /** Ends this one stream: REFUSED_STREAM. */
  | 'refuse-stream'
  /** Cuts the connection. */
  | 'reset';

/** A push that was taken. */
export interface ReceivedPush extends ReadRequest {
  /** `performance.now()` when its last byte was read. */
  readonly atMs: number;
  /** The payload as it came. */
  readonly json: string;
}

export interface TestApp {
  readonly teamId?: string;
  readonly bundleId?: string;
  readonly keyId?: string;
}

export interface StandInOptions {
  /** Default: one app, `TEAM123456` `com.example.phone`, key `KEY1234567`. */
  readonly apps?: readonly TestApp[];
  /** Epoch ms of "Apple's clock", for the age of signatures. Default: this machine's. */
  readonly now?: () => number;
}

export interface ApnsStandIn {
  /** For the provider's option `endpoint`. */
  readonly endpoint: { readonly address: string; readonly port: number; readonly ca: string };
  /** The apps, each with a key made for this run: spread one into the provider's option `apps`. */
  readonly apps: readonly { teamId: string; bundleId: string; keyId: string; key: string }[];
  /** A push certificate of an app with its key, PEM: in place of `keyId` and `key`. `notAfter`: in the past, it has ended. */
  certificate(index?: number, options?: { notAfter?: Date }): string;
  /** All pushes taken, oldest first. */
  readonly pushes: readonly ReceivedPush[];
  /** What was wrong with each request that was refused, for people. */
  readonly complaints: readonly string[];
  /** Requests whose last byte was read, also those refused. */
  readonly requests: number;
  /** Connections now open. */
  readonly connections: number;
  /** Connections ever opened. */
  readonly connectionsEver: number;
  /** Makes a token known. VoIP tokens and the others differ, as with Apple. */
  register(token: string, of?: { bundleId?: string; voip?: boolean }): void;
  /** From now on 410 with this timestamp (epoch ms). */
  unregister(token: string, sinceMs: number): void;
  /** Calls back for each push taken for this token. Returns a function that ends it. */
  onPush(token: string, heard: (push: ReceivedPush) => void): () => void;
  /** Treats the next `count` pushes so, whoever they are for. Scripts queue up. */
  next(behaviour: Behaviour, count?: number): void;
  /** Treats the pushes of one token so, the first of them or each; goes before every other script. */
  treat(token: string, behaviour: Behaviour, how?: 'once' | 'always'): void;
  /** Treats every push so that no script is for, until it is called with nothing. */
  always(behaviour?: Behaviour): void;
  /** Resolves when `count` requests have come, counted from the start. */
  received(count: number): Promise<void>;
  /** Resolves when a client has asked by PING and has read the answer. */
  pinged(): Promise<void>;
  /** A graceful GOAWAY on every connection: what is in flight is still answered. */
  goAway(): void;
  /** Cuts every connection. */
  reset(): void;
  /** Takes another stand-in's apps and keys for its own: production and sandbox know the same keys. */
  trust(apps: ApnsStandIn['apps']): void;
  /** Replaces the key of an app, as a rotation does. Gives the new .p8 text. */
  rotateKey(index?: number): string;
  close(): Promise<void>;
}

/** A P-256 key as Apple hands them out: .p8 is PKCS #8 in PEM. */
export function makeP8Key(): string {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
}

export async function startApnsStandIn(options: StandInOptions = {}): Promise<ApnsStandIn> {
  const { key, cert } = selfSignedCertificate();
  const now = options.now ?? Date.now;
  const keys = new Map<string, string>();
  const apps = (options.apps ?? [{}]).map((app) => withKey(app, keys));
  const known: StandInApp[] = apps.map((app) => ({ ...app, publicKey: createPublicKey(app.key) }));
  const certificates = new Map<string, StandInApp>();
  const tokens = new Map<string, { topic: string; deadSince?: number }>();
  const listeners = new Map<string, Set<(push: ReceivedPush) => void>>();
  const waiting: { count: number; done: () => void }[] = [];
  const script: Behaviour[] = [];
  let always: Behaviour | undefined;
  const byToken = new Map<string, { readonly behaviour: Behaviour; readonly once: boolean }>();
  const sessions = new Set<ServerHttp2Session>();
  const pings = new EventEmitter();
  const timers = new Set<NodeJS.Timeout>();
  const pushes: ReceivedPush[] = [];
  const complaints: string[] = [];
  let requests = 0;
  let connectionsEver = 0;

  // "APNs allows multiple concurrent streams for each connection"; 1000 is what it announces.
  const server: Http2Server = createSecureServer({
    key,
    cert,
    settings: { maxConcurrentStreams: 1_000 },
    // Whoever shows a certificate is known by it; who shows none signs.
    requestCert: true,
    rejectUnauthorized: false,
  });
  server.on('session', (session) => {
    const { fingerprint256 = '' } = (session.socket as TLSSocket).getPeerCertificate();
    const certified = certificates.get(fingerprint256);
    const state: ConnectionState = certified ? { certified } : {};
    sessions.add(session);
    connectionsEver++;
    session.on('close', () => sessions.delete(session));
    session.on('error', () => session.destroy());
    // The answer of our own PING comes behind what the client has read of its.
    session.on('ping', () => session.ping(() => pings.emit('read')));
    session.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      const chunks: Buffer[] = [];
      stream.on('error', () => {});
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => receive(stream, headers, Buffer.concat(chunks), state, session));
    });
  });
  server.on('sessionError', () => {});

  function receive(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    body: Buffer,
    state: ConnectionState,
    session: ServerHttp2Session,
  ): void {
    const atMs = performance.now();
    requests++;
    const token = String(headers[':path']).split('/').at(-1)?.toLowerCase() ?? '';
    const ofToken = byToken.get(token);
    if (ofToken?.once) byToken.delete(token);
    const behaviour = ofToken?.behaviour ?? script.shift() ?? always;
    const respond = (answer: Answer, extra?: { body?: string; headers?: Record<string, string> }) => {
      if (stream.destroyed || stream.closed) return;
      const { status, reason, timestamp } = answer;
      const id = headers['apns-id'] ?? crypto.randomUUID();
      const text =
        extra?.body ?? (reason ? JSON.stringify({ reason, ...(timestamp !== undefined && { timestamp }) }) : '');
      stream.respond({ ':status': status, 'apns-id': id, ...extra?.headers }, { endStream: text === '' });
      if (text !== '') stream.end(text);
    };
    const treat = () => {
      const answer = judge(headers, body, state, atMs);
      if (answer.complaint) complaints.push(`${answer.status} ${answer.reason}: ${answer.complaint}`);
      respond(answer);
    };
    if (behaviour === undefined) treat();
    else if (behaviour === 'reset') session.destroy();
    else if (behaviour === 'refuse-stream') stream.close(constants.NGHTTP2_REFUSED_STREAM);
    else if (behaviour !== 'hang') {
      if ('delayMs' in behaviour) {
        const timer = setTimeout(() => {
          timers.delete(timer);
          treat();
        }, behaviour.delayMs);
        timers.add(timer);
      } else if ('until' in behaviour) {
        behaviour.until.then(treat, treat);
      } else {
        // Told that its signature is too old, a client may bring a new one at once.
        if (behaviour.reason === 'ExpiredProviderToken') delete state.jwt;
        respond(behaviour, behaviour);
      }
    }
    for (const one of waiting.filter(({ count }) => count <= requests)) {
      waiting.splice(waiting.indexOf(one), 1);
      one.done();
    }
  }

  /** What Apple would answer, and the push noted if it is taken. */
  function judge(headers: IncomingHttpHeaders, body: Buffer, state: ConnectionState, atMs: number): Answer {
    const signature = checkSignature(headers, known, state, now());
    if ('refusal' in signature) return signature.refusal;
    const read = checkRequest(headers, body, signature.allowed);
    if ('refusal' in read) return read.refusal;
    const { request } = read;
    const token = tokens.get(request.token);
    if (!token) return { status: 400, reason: 'BadDeviceToken', complaint: 'no such token' };
    if (token.topic !== request.topic) {
      return { status: 400, reason: 'DeviceTokenNotForTopic', complaint: `the token is for ${token.topic}` };
    }
    if (token.deadSince !== undefined) return { status: 410, reason: 'Unregistered', timestamp: token.deadSince };
    const push: ReceivedPush = { ...request, atMs, json: body.toString('utf8') };
    pushes.push(push);
    for (const heard of listeners.get(request.token) ?? []) heard(push);
    return { status: 200 };
  }

  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;

  return {
    endpoint: { address: '127.0.0.1', port, ca: cert },
    apps,
    certificate(index = 0, options = {}) {
      const made = selfSignedCertificate({ hosts: [apps[index]?.bundleId ?? ''], ...options });
      const app = known[index];
      if (app) certificates.set(new X509Certificate(made.cert).fingerprint256, app);
      return `${made.cert}${made.key}`;
    },
    pushes,
    complaints,
    get requests() {
      return requests;
    },
    get connections() {
      return sessions.size;
    },
    get connectionsEver() {
      return connectionsEver;
    },
    register(token, of = {}) {
      const bundleId = of.bundleId ?? apps[0]?.bundleId;
      tokens.set(token.toLowerCase(), { topic: `${bundleId}${of.voip ? '.voip' : ''}` });
    },
    unregister(token, sinceMs) {
      const topic = tokens.get(token.toLowerCase())?.topic ?? `${apps[0]?.bundleId}`;
      tokens.set(token.toLowerCase(), { topic, deadSince: sinceMs });
    },
    onPush(token, heard) {
      const id = token.toLowerCase();
      const all = listeners.get(id) ?? new Set();
      listeners.set(id, all.add(heard));
      return () => void all.delete(heard);
    },
    next(behaviour, count = 1) {
      for (let i = 0; i < count; i++) script.push(behaviour);
    },
    treat(token, behaviour, how = 'always') {
      byToken.set(token.toLowerCase(), { behaviour, once: how === 'once' });
    },
    always(behaviour) {
      always = behaviour;
    },
    received(count) {
      return new Promise((done) => {
        if (requests >= count) done();
        else waiting.push({ count, done });
      });
    },
    pinged: () => new Promise((done) => pings.once('read', () => done())),
    goAway() {
      for (const session of sessions) {
        session.goaway(constants.NGHTTP2_NO_ERROR, 0, Buffer.from('{"reason":"Shutdown"}'));
        session.close();
      }
    },
    reset() {
      for (const session of sessions) session.destroy();
    },
    trust(others) {
      known.splice(0, known.length, ...others.map((app) => ({ ...app, publicKey: createPublicKey(app.key) })));
    },
    rotateKey(index = 0) {
      const p8 = makeP8Key();
      const old = known[index];
      for (const [i, app] of known.entries()) {
        const same = app.teamId === old?.teamId && app.keyId === old.keyId;
        if (same) known[i] = { ...app, publicKey: createPublicKey(p8) };
      }
      return p8;
    },
    async close() {
      for (const timer of timers) clearTimeout(timer);
      const stopped = new Promise<void>((done) => server.close(() => done()));
      for (const session of sessions) session.destroy();
      await stopped;
    },
  };
}

/** Apps of one team with one key id share the key. */
function withKey(app: TestApp, keys: Map<string, string>) {
  const { teamId = 'TEAM123456', bundleId = 'com.example.phone', keyId = 'KEY1234567' } = app;
  const key = keys.get(teamId + keyId) ?? makeP8Key();
  keys.set(teamId + keyId, key);
  return { teamId, bundleId, keyId, key };
}
