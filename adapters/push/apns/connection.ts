/**
 * Connections to Apple with one key in one environment. The only file that knows @parse/node-apn, and what it does wrong
 * (8.1.0; each is provoked in `test/providers/apns.test.ts`).
 */
import type { ClientHttp2Session } from 'node:http2';
import { MultiProvider, Notification } from '@parse/node-apn';
import type { Credential, Endpoint } from './options.ts';
import { type ApnsAnswer, readFailure } from './outcome.ts';
import type { ApnsMessage } from './payload.ts';

export interface ConnectionOptions {
  readonly credential: Credential;
  readonly production: boolean;
  readonly connections: number;
  readonly requestTimeoutMs: number;
  readonly endpoint?: Endpoint | undefined;
}

export interface ApnsConnection {
  /** One request, no retry. Never rejects. */
  exchange(message: ApnsMessage, deviceToken: string): Promise<ApnsAnswer>;
  /** Opens what is not open. A call's push must not wait for TCP, TLS and HTTP/2 to say hello: three round trips to Apple. */
  warm(): void;
  /** Takes no more pushes, lets those in flight finish. */
  retire(): void;
  /** Cuts off what is in flight. */
  close(): void;
}

/** The part of node-apn's inner clients that is touched below. */
interface InnerClient {
  session?: ClientHttp2Session | null;
  connect(): Promise<void>;
  closeAndDestroySession(session: ClientHttp2Session | null | undefined): Promise<void>;
}

export function connect(options: ConnectionOptions): ApnsConnection {
  const { credential, production, connections, requestTimeoutMs, endpoint } = options;
  const provider = new MultiProvider({
    ...(credential.kind === 'key'
      ? { token: { key: credential.key, keyId: credential.keyId, teamId: credential.teamId } }
      : { cert: credential.certificate, key: credential.key }),
    // Explicit: the default is taken from NODE_ENV.
    production,
    clientCount: connections,
    requestTimeout: requestTimeoutMs,
    // Its own retries come within 5 ms, ignore Retry-After and forget why the first attempt failed.
    connectionRetryLimit: 0,
    ...(endpoint && { address: endpoint.address, port: endpoint.port }),
    ...(endpoint?.ca !== undefined && { ca: [endpoint.ca] }),
  });
  const clients = innerClients(provider);
  for (const client of clients) finishStreamsOnGoaway(client);

  return {
    async exchange(message, deviceToken) {
      const before = clients.map((client) => client.session);
      const notification = new Notification({
        id: message.id,
        topic: message.topic,
        pushType: message.pushType,
        priority: message.priority,
        expiry: message.expiration,
        rawPayload: message.payload,
        ...(message.collapseId !== undefined && { collapseId: message.collapseId }),
      });
      let answer: ApnsAnswer;
      try {
        const { sent, failed } = await provider.send(notification, deviceToken);
        answer = sent.length > 0 ? accepted(sent[0]) : readFailure(failed[0]);
      } catch (error) {
        answer = readFailure(error);
      }
      // A firewall that forgot the connection leaves it open and silent, and node-apn would use it until TCP gives up,
      // a quarter of an hour later. The next push opens another; those in flight may still finish.
      if (answer.reason === 'no answer in time') {
        for (const [i, client] of clients.entries()) {
          const session = before[i] ?? client.session;
          if (session?.closed === false) session.close();
        }
      }
      return answer;
    },
    warm() {
      for (const client of clients) {
        if (client.session && !client.session.closed && !client.session.destroyed) continue;
        // Whoever cannot be reached now is told by the next push that needs it.
        client.connect().catch(() => undefined);
      }
    },
    // Typed as a promise, but gives none. It closes each session once its streams have ended.
    retire: () => void provider.shutdown(),
    close() {
      void provider.shutdown();
      for (const { session } of clients) session?.destroy();
    },
  };
}

function accepted(sent: unknown): ApnsAnswer {
  const id = typeof sent === 'object' && sent !== null && 'apns-id' in sent ? sent['apns-id'] : undefined;
  return { status: 200, ...(typeof id === 'string' && { id }) };
}

function innerClients(provider: MultiProvider): readonly InnerClient[] {
  const { client } = provider as unknown as { client?: { clients?: readonly InnerClient[] } };
  return client?.clients ?? [];
}

/**
 * "Clients SHOULD … continue to process streams below the last stream identifier" (RFC 9113 §6.8). On a graceful GOAWAY Node
 * closes the session and would let them finish; node-apn sees it closed and destroys it, with the answers of all pushes in
 * flight (parse-community/node-apn#140). Apple sends GOAWAY as routine.
 */
function finishStreamsOnGoaway(client: InnerClient): void {
  const destroy = client.closeAndDestroySession.bind(client);
  client.closeAndDestroySession = async (session) => {
    if (session?.closed && !session.destroyed) return;
    await destroy(session);
  };
}
