/**
 * A stand-in for Firebase Cloud Messaging and for the service that hands out its access tokens: strict HTTPS on 127.0.0.1,
 * scriptable, for our tests and for yours. Keys and certificate are made at start; nothing here is a secret.
 */
import { createPublicKey, generateKeyPairSync, randomUUID, verify } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { selfSignedCertificate } from '../tls.ts';
import { checkMessage, errorBody, isObject, type ReadMessage, type Refusal } from './check.ts';

/** How the stand-in treats one request, in place of what it would do by itself. */
export type Behaviour =
  /** Answers so. `body` in place of Google's JSON: an HTML page, say. */
  | (Partial<Refusal> & { readonly status: number; readonly body?: string; readonly headers?: Record<string, string> })
  /** Treats it as usual, but answers when the promise resolves. */
  | { readonly until: Promise<unknown> }
  /** Never answers. */
  | 'hang'
  /** Cuts the connection. */
  | 'reset';

/** A push that was taken. */
export interface ReceivedPush extends ReadMessage {
  readonly projectId: string;
  /** `performance.now()` when its last byte was read. */
  readonly atMs: number;
}

export interface TestProject {
  readonly projectId: string;
  readonly senderId: string;
  /** JSON text, as the Firebase console hands it out. */
  readonly serviceAccount: string;
}

export interface FcmStandIn {
  /** For the provider's option `endpoint`. */
  readonly endpoint: { readonly address: string; readonly port: number; readonly ca: string };
  /** The projects: spread one into the provider's option `apps`. */
  readonly apps: readonly TestProject[];
  /** All pushes taken, oldest first. */
  readonly pushes: readonly ReceivedPush[];
  /** What was wrong with each request that was refused, for people. */
  readonly complaints: readonly string[];
  /** Pushes whose last byte was read, also those refused. */
  readonly requests: number;
  /** Access tokens asked for. */
  readonly tokenRequests: number;
  /** Connections now open, and ever opened. */
  readonly connections: number;
  readonly connectionsEver: number;
  /** Makes a registration token known, of the first project unless named. */
  register(token: string, projectId?: string): void;
  /** The app is gone: UNREGISTERED from now on. */
  unregister(token: string): void;
  /** Calls back for each push taken for this token. Returns a function that ends it. */
  onPush(token: string, heard: (push: ReceivedPush) => void): () => void;
  /** Treats the next `count` pushes so, whoever they are for. Scripts queue up. */
  next(behaviour: Behaviour, count?: number): void;
  /** Treats the next `count` requests for an access token so. */
  nextToken(behaviour: Behaviour, count?: number): void;
  /** Resolves when `count` pushes have come, counted from the start. */
  received(count: number): Promise<void>;
  /** Access tokens handed out so far are no longer good. */
  revokeTokens(): void;
  /** Gives the first project a new key; the old one is no longer good. Gives the new JSON text. */
  rotateAccount(): string;
  /** Cuts every connection. */
  reset(): void;
  close(): Promise<void>;
}

const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
const AUDIENCES = ['https://oauth2.googleapis.com/token', 'https://www.googleapis.com/oauth2/v4/token'];

export function makeRsaKey(): string {
  return generateKeyPairSync('rsa', { modulusLength: 2_048 })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
}

/** An RSA key takes up to a second to make: the stand-ins of one process share their first. */
let firstKey: string | undefined;

function makeAccount(projectId: string, privateKey: string): string {
  return JSON.stringify({
    type: 'service_account',
    project_id: projectId,
    private_key_id: randomUUID(),
    private_key: privateKey,
    client_email: `firebase-adminsdk@${projectId}.iam.gserviceaccount.com`,
    token_uri: 'https://oauth2.googleapis.com/token',
  });
}

/** Default: one project, `example-phone`, number 123456789012. */
export async function startFcmStandIn(
  projects: readonly { projectId: string; senderId: string }[] = [
    { projectId: 'example-phone', senderId: '123456789012' },
  ],
): Promise<FcmStandIn> {
  const { key, cert } = selfSignedCertificate();
  firstKey ??= makeRsaKey();
  const privateKey = firstKey;
  const apps = projects.map((project) => ({ ...project, serviceAccount: makeAccount(project.projectId, privateKey) }));
  /** Public keys by the account's address. */
  const accounts = new Map(
    apps.map(({ projectId }) => [
      `firebase-adminsdk@${projectId}.iam.gserviceaccount.com`,
      { projectId, publicKey: createPublicKey(privateKey) },
    ]),
  );
  const accessTokens = new Map<string, string>();
  const tokens = new Map<string, { projectId: string; dead?: true }>();
  const listeners = new Map<string, Set<(push: ReceivedPush) => void>>();
  const waiting: { count: number; done: () => void }[] = [];
  const script: Behaviour[] = [];
  const tokenScript: Behaviour[] = [];
  const sockets = new Set<Socket>();
  const pushes: ReceivedPush[] = [];
  const complaints: string[] = [];
  let requests = 0;
  let tokenRequests = 0;
  let connectionsEver = 0;

  const server = createServer({ key, cert }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      if (request.url === '/token') {
        tokenRequests++;
        treat(tokenScript.shift(), response, () => grant(request, body));
      } else {
        requests++;
        treat(script.shift(), response, () => take(request, body));
        for (const one of waiting.filter(({ count }) => count <= requests)) {
          waiting.splice(waiting.indexOf(one), 1);
          one.done();
        }
      }
    });
  });
  server.on('secureConnection', (socket) => {
    connectionsEver++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  server.on('tlsClientError', () => {});

  function treat(behaviour: Behaviour | undefined, response: ServerResponse, usual: () => Answer): void {
    const answer = ({ status, body, headers }: Answer) => {
      if (response.destroyed) return;
      response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8', ...headers });
      response.end(body);
    };
    if (behaviour === undefined) answer(usual());
    else if (behaviour === 'reset') response.socket?.destroy();
    else if (behaviour === 'hang') return;
    else if ('until' in behaviour) {
      behaviour.until.then(
        () => answer(usual()),
        () => answer(usual()),
      );
    } else {
      const { status, reason = 'UNKNOWN', field, complaint, headers, body } = behaviour;
      const refusal = {
        status,
        reason,
        ...(field !== undefined && { field }),
        ...(complaint !== undefined && { complaint }),
      };
      answer({ status, body: body ?? errorBody(refusal), ...(headers && { headers }) });
    }
  }

  function refused(refusal: Refusal): Answer {
    complaints.push(`${refusal.status} ${refusal.reason}: ${refusal.complaint}`);
    return { status: refusal.status, body: errorBody(refusal) };
  }

  /** RFC 7523: a JWT signed by the service account for an access token. */
  function grant(request: IncomingMessage, body: Buffer): Answer {
    const invalid = (why: string): Answer => {
      complaints.push(`400 invalid_grant: ${why}`);
      return { status: 400, body: JSON.stringify({ error: 'invalid_grant', error_description: why }) };
    };
    const form = new URLSearchParams(body.toString('utf8'));
    if (request.method !== 'POST' || form.get('grant_type') !== GRANT) return invalid('not a JWT bearer grant');
    const [head = '', claims = '', signature = ''] = (form.get('assertion') ?? '').split('.');
    const header = fromBase64Json(head);
    const claim = fromBase64Json(claims);
    const account = accounts.get(String(claim?.iss));
    if (!account || !claim) return invalid('no such account');
    const bytes = Buffer.from(signature, 'base64url');
    const good = verify('sha256', Buffer.from(`${head}.${claims}`), account.publicKey, bytes);
    if (header?.alg !== 'RS256' || !good) return invalid('Invalid JWT Signature.');
    if (!AUDIENCES.includes(String(claim.aud))) return invalid('wrong audience');
    if (!String(claim.scope).split(' ').includes(SCOPE)) return invalid('the scope does not cover messaging');
    const nowS = Date.now() / 1_000;
    const [iat, exp] = [Number(claim.iat), Number(claim.exp)];
    const timely = iat <= nowS + 300 && exp > nowS && exp - iat <= 3_600;
    if (!timely) return invalid('Token must be a short-lived token and in a reasonable timeframe.');
    const token = `ya29.${randomUUID()}`;
    accessTokens.set(token, account.projectId);
    return { status: 200, body: JSON.stringify({ access_token: token, expires_in: 3_599, token_type: 'Bearer' }) };
  }

  /** What Google would answer, and the push noted if it is taken. */
  function take(request: IncomingMessage, body: Buffer): Answer {
    const atMs = performance.now();
    const { method, url = '', headers } = request;
    const path = /^\/v1\/projects\/([^/?#]+)\/messages:send$/.exec(url);
    if (method !== 'POST' || !path) {
      return refused({ status: 404, reason: 'NOT_FOUND', complaint: 'not POST /v1/projects/{project}/messages:send' });
    }
    const owner = accessTokens.get(/^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1] ?? '');
    if (owner === undefined) {
      const complaint = 'the access token is none that was handed out';
      // Google tells ACCESS_TOKEN_EXPIRED and the like by ErrorInfo; the code is the same.
      return refused({ status: 401, reason: 'UNAUTHENTICATED', complaint });
    }
    const app = apps.find(({ projectId, senderId }) => path[1] === projectId || path[1] === senderId);
    if (!app) return refused({ status: 404, reason: 'NOT_FOUND', complaint: 'no such project' });
    const { projectId } = app;
    if (owner !== projectId) {
      return refused({ status: 403, reason: 'PERMISSION_DENIED', complaint: 'the account is of another project' });
    }
    if (!/^application\/json\b/.test(headers['content-type'] ?? '')) {
      return refused({ status: 400, reason: 'INVALID_ARGUMENT', complaint: 'the content type is not JSON' });
    }
    const read = checkMessage(body);
    if ('refusal' in read) return refused(read.refusal);
    const { message } = read;
    const known = tokens.get(message.token);
    if (!known) {
      const complaint =
        message.by === 'fid' ? 'Invalid FID' : 'The registration token is not a valid FCM registration token';
      return refused({ status: 400, reason: 'INVALID_ARGUMENT', field: `message.${message.by}`, complaint });
    }
    if (known.projectId !== projectId) {
      return refused({ status: 403, reason: 'SENDER_ID_MISMATCH', complaint: 'the token is of another project' });
    }
    if (known.dead) return refused({ status: 404, reason: 'UNREGISTERED', complaint: 'the app is gone' });
    const push: ReceivedPush = { ...message, projectId, atMs };
    pushes.push(push);
    for (const heard of listeners.get(message.token) ?? []) heard(push);
    return { status: 200, body: JSON.stringify({ name: `projects/${projectId}/messages/0:${requests}` }) };
  }

  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;

  return {
    endpoint: { address: '127.0.0.1', port, ca: cert },
    apps,
    pushes,
    complaints,
    get requests() {
      return requests;
    },
    get tokenRequests() {
      return tokenRequests;
    },
    get connections() {
      return sockets.size;
    },
    get connectionsEver() {
      return connectionsEver;
    },
    register(token, projectId = apps[0]?.projectId ?? '') {
      tokens.set(token, { projectId });
    },
    unregister(token) {
      tokens.set(token, { projectId: tokens.get(token)?.projectId ?? '', dead: true });
    },
    onPush(token, heard) {
      const all = listeners.get(token) ?? new Set();
      listeners.set(token, all.add(heard));
      return () => void all.delete(heard);
    },
    next(behaviour, count = 1) {
      for (let i = 0; i < count; i++) script.push(behaviour);
    },
    nextToken(behaviour, count = 1) {
      for (let i = 0; i < count; i++) tokenScript.push(behaviour);
    },
    received(count) {
      return new Promise((done) => {
        if (requests >= count) done();
        else waiting.push({ count, done });
      });
    },
    revokeTokens: () => accessTokens.clear(),
    rotateAccount() {
      const renewed = makeRsaKey();
      const projectId = apps[0]?.projectId ?? '';
      const email = `firebase-adminsdk@${projectId}.iam.gserviceaccount.com`;
      accounts.set(email, { projectId, publicKey: createPublicKey(renewed) });
      accessTokens.clear();
      return makeAccount(projectId, renewed);
    },
    reset() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      const stopped = new Promise<void>((done) => server.close(() => done()));
      for (const socket of sockets) socket.destroy();
      await stopped;
    },
  };
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Record<string, string>;
}

function fromBase64Json(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
