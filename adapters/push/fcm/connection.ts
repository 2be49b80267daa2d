/**
 * Connections to Google, and the sending for one project with one service account. The only file that knows firebase-admin: it makes the
 * message and reads the answer. The request between the two is ours: its own cannot be cancelled, is repeated without being asked, and costs a
 * quarter more (ADR 0135; 14.5.1, each trap is provoked in `test/providers/fcm.test.ts`).
 */
import { randomUUID } from 'node:crypto';
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { deleteApp, initializeApp } from 'firebase-admin/app';
import { getMessaging, type Messaging } from 'firebase-admin/messaging';
import { JWT } from 'google-auth-library';
import type { HttpProxy } from '../../../plugin/core/proxy.ts';
import { type DurationMs, MINUTE } from '../../../plugin/core/time.ts';
import type { Token } from '../../../plugin/core/token.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';
import type { GiveUp } from '../../../plugin/ports/push-provider.ts';
import { CallWhenOver, TimeLimit } from '../../../plugin/ports/time-limit.ts';
import { closeIdle, DOUBTED_AFTER } from '../../shared/alive.ts';
import { openingMs, TunnelAgent } from '../../shared/proxy.ts';
import { type Endpoint, type FcmOptions, SERVERS, type ServiceAccount } from './options.ts';
import { type FcmAnswer, readFailure, readNoRequest, readNoToken, readResponse } from './outcome.ts';
import type { FcmMessage } from './payload.ts';

export interface FcmSession {
  /**
   * One request, no retry. Never rejects. Aborted, it answers at once and cuts the request off. `isCall`: somebody waits for it, so that a
   * kept connection that is silent for a second counts as lost.
   */
  exchange(message: FcmMessage, token: Token, signal: GiveUp, isCall: boolean): Promise<FcmAnswer>;
  /** Fetches an access token, so that a call's push need not wait for one. */
  warm(): void;
  /** Takes no more pushes, lets those in flight finish. */
  retire(): void;
}

export interface SessionOptions {
  readonly projectId: string;
  readonly account: ServiceAccount;
  readonly agent: Agent;
  readonly requestTimeoutMs: DurationMs;
  readonly clock: Clock;
  /** Holds for each push under way what cuts it off, as if it were aborted. */
  readonly underWay: Set<() => void>;
}

const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
/** Google's answers are below a kilobyte; a page of a proxy is not read to its end. */
const MOST_BODY_CHARACTERS = 64 * 1024;

/** Connections are kept, but not idle for longer than Google keeps them (240 s): a call must not find one that is dead. */
export function createAgent(
  { connections, endpoint, requestTimeoutMs }: FcmOptions,
  clock: Clock,
  proxy: HttpProxy | undefined,
): Agent {
  const options = { keepAlive: true, maxSockets: connections, timeout: MINUTE };
  if (proxy) {
    return new TunnelAgent({
      ...options,
      opening: { proxy, clock, withinMs: openingMs(requestTimeoutMs) },
      connectTo: endpoint,
    });
  }
  return endpoint ? new DivertedAgent(options, endpoint) : new Agent(options);
}

/** firebase-admin and google-auth-library know Google's host names by heart: only the connection can lead elsewhere. */
class DivertedAgent extends Agent {
  readonly #endpoint: Endpoint;

  constructor(options: ConstructorParameters<typeof Agent>[0], endpoint: Endpoint) {
    super(options);
    this.#endpoint = endpoint;
  }

  override createConnection(...[options, callback]: Parameters<Agent['createConnection']>) {
    const { address, port, ca } = this.#endpoint;
    // Without a server name the certificate is compared with the address.
    const there = { ...options, host: address, port, servername: '', ...(ca !== undefined && { ca }) };
    return super.createConnection(there, callback);
  }
}

/** What firebase-admin hands to its client, and what it wants of it: the part that is used below. */
interface InnerRequest {
  /** With the host that it knows by heart. */
  readonly url: string;
  readonly data: unknown;
  readonly headers: Readonly<Record<string, string>>;
}
interface InnerAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly data: unknown;
  isJson(): boolean;
}
interface InnerClient {
  send(request: InnerRequest): Promise<InnerAnswer>;
}

/** The same messaging, whose requests go out by this client. */
function by(client: InnerClient, messaging: Messaging): Messaging {
  const { messagingRequestHandler = null } = messaging as unknown as { messagingRequestHandler?: object };
  const handler: object = Object.create(messagingRequestHandler, { httpClient: { value: client } });
  return Object.create(messaging, { messagingRequestHandler: { value: handler } }) as Messaging;
}

export function openSession(options: SessionOptions): FcmSession {
  const { projectId, account, agent, requestTimeoutMs, clock, underWay } = options;
  // Not firebase-admin's `cert()`: that takes the agent and does not use it, and writes a warning to the console.
  const jwt = new JWT({
    email: account.clientEmail,
    key: account.privateKey,
    scopes: [SCOPE],
    // Its own retries are off: they would delay the error "no token" to a push by 2 s.
    transporterOptions: { agent, timeout: requestTimeoutMs, retryConfig: { retry: 0, noResponseRetries: 0 } },
  });
  let fetching: Promise<string> | undefined;
  async function fetchToken(): Promise<string> {
    try {
      // The library keeps the token, and renews it 5 minutes before its end.
      const { token } = await jwt.getAccessToken();
      return token ?? '';
    } finally {
      fetching = undefined;
    }
  }
  /** All pushes wait for the same one: it is not cut off together with the push that asked first. */
  function accessToken(): Promise<string> {
    fetching ??= fetchToken();
    return fetching;
  }
  const credential = { getAccessToken: async () => ({ access_token: await accessToken(), expires_in: 0 }) };
  const app = initializeApp({ projectId, credential }, `pushwake ${randomUUID()}`);
  const messaging = getMessaging(app);
  const limit = new TimeLimit(clock, requestTimeoutMs);
  const doubt = new TimeLimit(clock, DOUBTED_AFTER);

  /** Sends it by firebase-admin's `send`, in whose middle `client` is. Never rejects. */
  async function ask(client: InnerClient, message: FcmMessage, token: Token): Promise<FcmAnswer> {
    const text = token.reveal();
    const to = token.isInstallationId ? { fid: text } : { token: text };
    try {
      const id: unknown = await by(client, messaging).send({ ...message, ...to });
      return typeof id === 'string' ? { status: 200, id } : { reasons: ['unreadable answer'] };
    } catch (error) {
      return readFailure(error, clock.now());
    }
  }

  return {
    exchange(message, token, signal, isCall) {
      if (signal.aborted) return Promise.resolve({ reasons: ['aborted'] });
      return new Promise((resolve) => {
        let request: ClientRequest | undefined;
        let isOver = false;
        const end = (answer: FcmAnswer) => {
          if (isOver) return;
          isOver = true;
          limit.end(onLate);
          doubt.end(onDoubt);
          underWay.delete(onAbort);
          signal.removeEventListener('abort', onAbort);
          resolve(answer);
        };
        const cut = (reason: string) => {
          end({ reasons: [reason] });
          request?.destroy();
        };
        const onAbort = () => cut('aborted');
        const onLate = new CallWhenOver(() => cut('no answer in time'));
        // A push on a kept connection has no answer: it goes again on a new one, and so does whatever comes next.
        const onDoubt = new CallWhenOver(() => {
          if (!request?.reusedSocket) return;
          closeIdle(agent);
          cut('connection lost');
        });
        limit.begin(onLate);
        if (isCall) doubt.begin(onDoubt);
        underWay.add(onAbort);
        signal.addEventListener('abort', onAbort);
        const client: InnerClient = {
          async send(inner) {
            const bearer = await accessToken().catch((error: unknown) => {
              end(readNoToken(error));
              throw error;
            });
            // Cut off meanwhile: nobody waits for what is thrown here.
            if (isOver) throw new Error('cut off');
            return new Promise((answered, failed) => {
              request = post(inner, bearer, agent);
              request.on('error', (error) => {
                end(readNoRequest(error));
                failed(error);
              });
              request.on('response', (response) => {
                response.on('error', (error) => {
                  end(readNoRequest(error));
                  failed(error);
                });
                readText(response, (text) => {
                  const answer = readInner(response, text);
                  // What firebase-admin makes of a refusal is not looked at: it has one word for a token that is gone and a project that is not there.
                  if (answer.status >= 300) end(readResponse(answer, clock.now()));
                  answered(answer);
                });
              });
            });
          },
        };
        void ask(client, message, token).then(end);
      });
    },
    warm() {
      // A service that cannot be reached now is reported by the next push that needs it.
      accessToken().catch(() => undefined);
    },
    retire() {
      deleteApp(app).catch(() => undefined);
    },
  };
}

/** Head and body are one text, so that they are one write, one TLS record and one packet. */
function post({ url, data, headers }: InnerRequest, bearer: string, agent: Agent): ClientRequest {
  const body = JSON.stringify(data);
  const request = httpsRequest({
    agent,
    host: SERVERS.push,
    method: 'POST',
    path: url.slice(url.indexOf('/', 'https://'.length)),
    headers: {
      ...headers,
      authorization: `Bearer ${bearer}`,
      'content-type': 'application/json;charset=utf-8',
      'content-length': Buffer.byteLength(body),
    },
  });
  request.end(body);
  return request;
}

function readText(response: IncomingMessage, done: (text: string) => void): void {
  let text = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    if (text.length < MOST_BODY_CHARACTERS) text += chunk;
  });
  response.on('end', () => done(text));
}

function readInner({ statusCode = 0, headers }: IncomingMessage, text: string): InnerAnswer {
  try {
    const data: unknown = JSON.parse(text);
    return { status: statusCode, headers, data, isJson: () => true };
  } catch {
    return { status: statusCode, headers, data: undefined, isJson: () => false };
  }
}
