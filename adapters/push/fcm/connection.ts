/**
 * Connections to Google, and the sending for one project with one service account. The only file that knows firebase-admin,
 * and what it does that we do not want (14.5.1; each is provoked in `test/providers/fcm.test.ts`).
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { ClientRequest } from 'node:http';
import { Agent } from 'node:https';
import { deleteApp, initializeApp } from 'firebase-admin/app';
import { getMessaging, type Messaging } from 'firebase-admin/messaging';
import { JWT } from 'google-auth-library';
import type { HttpProxy } from '../../../plugin/core/proxy.ts';
import { MINUTE } from '../../../plugin/core/time.ts';
import type { Token } from '../../../plugin/core/token.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';
import type { GiveUp } from '../../../plugin/ports/push-provider.ts';
import { closeIdle, DOUBTED_AFTER } from '../../shared/alive.ts';
import { openingMs, TunnelAgent } from '../../shared/proxy.ts';
import type { Endpoint, FcmOptions, ServiceAccount } from './options.ts';
import { type FcmAnswer, readFailure } from './outcome.ts';
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
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
}

const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';

/** firebase-admin opens requests it cannot cancel. Each that a push opens is found here, and cut off with it. */
const opened = new AsyncLocalStorage<Set<ClientRequest>>();
const CREATED = 'http.client.request.created';

function onCreated(event: unknown): void {
  const request = typeof event === 'object' && event !== null && 'request' in event ? event.request : undefined;
  if (request instanceof ClientRequest) opened.getStore()?.add(request);
}

/** A push on a kept connection has no answer: it goes again on a new one, and so does whatever comes next. */
function doubt(requests: readonly ClientRequest[], agent: Agent, end: (reason: string) => void): void {
  if (!requests.some((request) => request.reusedSocket)) return;
  closeIdle(agent);
  end('connection lost');
}

let watchers = 0;

/** Watches requests from now until the function it gives is called. */
export function watchRequests(): () => void {
  if (watchers++ === 0) subscribe(CREATED, onCreated);
  return () => {
    if (--watchers === 0) unsubscribe(CREATED, onCreated);
  };
}

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

export function openSession(options: SessionOptions): FcmSession {
  const { projectId, account, agent, requestTimeoutMs, clock } = options;
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
      const { token } = await jwt.getAccessToken();
      return token ?? '';
    } finally {
      fetching = undefined;
    }
  }
  const credential = {
    async getAccessToken() {
      // All pushes wait for the same one: it is not cut off together with the push that asked first.
      fetching ??= opened.exit(fetchToken);
      // "Expired", so that we are asked each time: the library keeps the token, and renews it 5 minutes before its end.
      return { access_token: await fetching, expires_in: 0 };
    },
  };
  const app = initializeApp({ projectId, credential, httpAgent: agent }, `pushwake ${randomUUID()}`);
  const messaging = getMessaging(app);
  doNotRetry(messaging);

  async function ask(message: FcmMessage, token: Token): Promise<FcmAnswer> {
    const text = token.reveal();
    const to = token.isInstallationId ? { fid: text } : { token: text };
    try {
      const id: unknown = await messaging.send({ ...message, ...to });
      return typeof id === 'string' ? { status: 200, id } : { reasons: ['unreadable answer'] };
    } catch (error) {
      return readFailure(error, clock.now());
    }
  }

  return {
    async exchange(message, token, signal, isCall) {
      if (signal.aborted) return { reasons: ['aborted'] };
      const requests = new Set<ClientRequest>();
      const over = Promise.withResolvers<FcmAnswer>();
      // A late answer finds nobody who waits for it.
      const end = (reason: string) => {
        over.resolve({ reasons: [reason] });
        for (const request of requests) request.destroy();
      };
      const onAbort = () => end('aborted');
      const cancelTimer = clock.after(requestTimeoutMs, () => end('no answer in time'));
      const cancelDoubt = isCall ? clock.after(DOUBTED_AFTER, () => doubt([...requests], agent, end)) : undefined;
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        return await Promise.race([opened.run(requests, () => ask(message, token)), over.promise]);
      } finally {
        cancelTimer();
        cancelDoubt?.();
        signal.removeEventListener('abort', onAbort);
      }
    },
    warm() {
      // A service that cannot be reached now is reported by the next push that needs it.
      credential.getAccessToken().catch(() => undefined);
    },
    retire() {
      deleteApp(app).catch(() => undefined);
    },
  };
}

/**
 * firebase-admin repeats a push up to 4 times on 503, reset and timeout, within 7 s or as long as Retry-After says, before it
 * returns, and has no setting for that (its pull request 1739). Retry lies in `plugin/runtime/push/delivery.ts`.
 */
function doNotRetry(messaging: Messaging): void {
  const { messagingRequestHandler } = messaging as unknown as {
    messagingRequestHandler?: { httpClient?: { retry?: unknown } };
  };
  if (messagingRequestHandler?.httpClient) messagingRequestHandler.httpClient.retry = undefined;
}
