/**
 * The worker of one Asterisk: the only file that knows ari-client. It connects, subscribes, reads events at once and
 * passes them on; it carries out named operations. It decides nothing and ends itself when anything is wrong: the
 * supervisor starts a new one, which is how ari-client's own faults (it gives up after ten retries, throws on events it does
 * not know, rejects and throws for a wrong password) stay here.
 */

import { parentPort, workerData } from 'node:worker_threads';
import ari from 'ari-client';
import { DEAD_AFTER_MS, type FromWorker, HEARTBEAT_MS, safe, type ToWorker } from '../supervised-worker.ts';
import { isAclRefusal } from './acl-refusal.ts';
import type { ReachedOptions } from './options.ts';
import { httpRest, SocketRest } from './rest.ts';
import { AriSession, appsOf, TEXTS_TAKEN, type Ways } from './session.ts';

export interface LinkData {
  readonly options: Pick<ReachedOptions, 'url' | 'username' | 'password' | 'app'>;
}

const WS_PING_EVERY_MS = 10_000;
const WS_PONG_WITHIN_MS = 5_000;
const CONNECT_WITHIN_MS = 5_000;
const SOCKET_ANSWERS_WITHIN_MS = 1_000;
const CALM_AT_ONCE = 2;
const port = parentPort;
if (!port) throw new Error('link.ts runs as a worker thread only');
const { options } = (workerData as LinkData) ?? {};
const say = (m: FromWorker) => port.postMessage(m);

function end(reason: string, hint?: string): void {
  say({ t: 'down', reason, ...(hint ? { hint } : {}) });
  // The message must leave before the thread does.
  setTimeout(() => process.exit(0), 20);
}

process.on('uncaughtException', (error: unknown) => end(`the ARI client library threw: ${safe(error)}`));
process.on('unhandledRejection', (error: unknown) => end(`the ARI client library rejected: ${safe(error)}`));

// ── Dead man's switch ────────────────────────────────────────────────────────────────────────────────────────────────

let client: ari.Client | undefined;
let heardAt = performance.now();
setInterval(() => {
  say({ t: 'beat' });
  if (performance.now() - heardAt > DEAD_AFTER_MS) {
    // Closing the websocket is what makes Stasis() fail at once, so that calls go the plain path without the guard's wait.
    closeSocket();
    end('the main thread did not answer for a second');
  }
}, HEARTBEAT_MS);

function closeSocket(): void {
  try {
    client?.stop();
  } catch {
    // Nothing to close: it never opened.
  }
}

// ── Operations ───────────────────────────────────────────────────────────────────────────────────────────────────────

const base = new URL(options.url.endsWith('/') ? options.url : `${options.url}/`);
/** Requests that no call waits for: few at once and over connections of their own, so that no call queues behind them. */
const calmRest = httpRest(base, options.username, options.password, CALM_AT_ONCE);
const ways: Ways = { rest: httpRest(base, options.username, options.password), calmRest };
const session = new AriSession(options.app, ways, {
  after: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  tell: (event) => say({ t: 'event', event }),
  every: (ms, work) => {
    const timer = setInterval(work, ms);
    return () => clearInterval(timer);
  },
  failed: (error) =>
    say({
      t: 'log',
      level: 'debug',
      fields: { reason: safe(error) },
      message: 'asterisk was not asked for other nodes',
    }),
});
let socketRest: SocketRest | undefined;

port.on('message', (m: ToWorker) => {
  heardAt = performance.now();
  if (m.t !== 'call') return;
  session.run(m.op, m.args).then(
    (value) => say({ t: 'reply', id: m.id, ok: true, value }),
    (error: unknown) => say({ t: 'reply', id: m.id, ok: false, error: safe(error) }),
  );
});

// ── The link ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Asks once by plain HTTP first, because ari-client turns a wrong password into an unreadable exception. */
async function lookFirst(): Promise<{ version: string } | undefined> {
  const authorization = `Basic ${Buffer.from(`${options.username}:${options.password}`).toString('base64')}`;
  const url = new URL('ari/asterisk/info', base);
  let response: Response;
  try {
    response = await fetch(url, { headers: { authorization }, signal: AbortSignal.timeout(CONNECT_WITHIN_MS) });
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = (cause as NodeJS.ErrnoException)?.code ?? (cause as Error)?.name;
    end(
      `cannot reach ARI at ${url.host}: ${code}`,
      'is Asterisk running, and are http.conf (enabled, bindaddr, bindport) and `url` right?',
    );
    return undefined;
  }
  if (response.status === 403 && isAclRefusal(403, await response.json().catch(() => undefined))) {
    end(
      `the ACL of ARI user "${options.username}" does not let this machine in`,
      'its section of ari.conf needs permit = <this machine’s address>, or no deny, permit and acl at all; then `module reload res_ari.so`',
    );
    return undefined;
  }
  if (response.status === 401 || response.status === 403) {
    end(
      `ARI refuses the login of user "${options.username}"`,
      '`username` and `password` must be those of ari.conf; `module reload res_ari.so` after a change',
    );
    return undefined;
  }
  if (!response.ok) {
    end(
      `${url.host} answers ${response.status} to ${url.pathname}`,
      'is res_ari loaded, and is ari.conf `enabled = yes`?',
    );
    return undefined;
  }
  const info = (await response.json()) as { system?: { version?: string } };
  return { version: String(info.system?.version ?? 'unknown') };
}

/** ari-client's own declarations leave these out. */
interface Events {
  on(type: string, listener: (event: Record<string, unknown>) => void): void;
  ping(): void;
}

/** The parts of ari-client (2.2.0, pinned) that lie beneath its public ones. */
interface Inner {
  readonly _ws: {
    send(text: string): void;
    on(type: 'message', listener: (text: unknown) => void): void;
    removeAllListeners(type: 'message'): void;
  };
  readonly _swagger: { readonly apis: { readonly events: { readonly models: Readonly<Record<string, unknown>> } } };
}

async function main(): Promise<void> {
  const info = await lookFirst();
  if (!info) return;
  client = await ari.connect(options.url, options.username, options.password);
  const events = client as unknown as Events;
  // ari-client would reconnect but never subscribe again: a new worker does both.
  events.on('WebSocketReconnecting', () => end('the websocket closed'));
  events.on('WebSocketMaxRetries', () => end('the websocket closed'));
  await client.start([...appsOf(options.app)]);
  const socket = (client as unknown as Inner)._ws;
  // ari-client's own reader makes an object with forty methods of each channel, and throws on a type it does not know.
  socket.removeAllListeners('message');
  socket.on('message', (text) => void heard(text));
  await session.filter();
  await restBySocket(client);
  await session.learnCauses();
  await session.learnNodes();
  const { texts, ...why } = await session.hearContacts();
  if (texts === 'taken')
    say({
      t: 'log',
      level: 'warn',
      fields: { ...why, hint: TEXTS_TAKEN },
      message: 'texts that nobody takes are not refused',
    });
  let pongAt = performance.now();
  events.on('pong', () => {
    pongAt = performance.now();
  });
  setInterval(() => {
    const askedAt = performance.now();
    events.ping();
    setTimeout(() => {
      if (pongAt < askedAt) end('the websocket is half open: no pong within 5 s');
    }, WS_PONG_WITHIN_MS);
  }, WS_PING_EVERY_MS);
  say({ t: 'up', info: { version: info.version, rest: ways.rest.keepsOrder ? 'websocket' : 'http' } });
}

/** Sends requests by websocket where this Asterisk takes them: its description and one trial request show that. */
async function restBySocket(client: ari.Client): Promise<void> {
  const { _swagger: described, _ws: ws } = client as unknown as Inner;
  if (!described.apis.events.models.RESTResponse) return;
  socketRest = new SocketRest((text) => ws.send(text));
  const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), SOCKET_ANSWERS_WITHIN_MS));
  const answer = await Promise.race([socketRest.ask({ method: 'GET', path: 'asterisk/ping' }), late]);
  if (answer?.status === 200) ways.rest = socketRest;
}

/** Parses one message of the websocket. An unreadable one is dropped, because nothing can be known of it. */
async function heard(text: unknown): Promise<void> {
  let event: Record<string, unknown>;
  try {
    event = JSON.parse(String(text)) as Record<string, unknown>;
  } catch {
    return;
  }
  if (event.type === 'RESTResponse') return socketRest?.answered(event);
  const coming = session.coming(event);
  if (coming) say({ t: 'event', event: coming });
  const fields = await session.read(event);
  if (fields) say({ t: 'event', event: fields });
}

main().catch((error: unknown) => end(`cannot connect to ARI: ${safe(error)}`));
