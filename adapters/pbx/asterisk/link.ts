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
import { contactsAppOf, hearAndTakeTexts, hearContacts } from './contact-events.ts';
import { contactObjectId } from './dial.ts';
import { NodeOrders } from './node-orders.ts';
import type { AsteriskOptions } from './options.ts';
import { parametersOf, reasonOf } from './reasons.ts';
import { httpRest, type Rest, type RestAnswer, type RestRequest, SocketRest } from './rest.ts';

export interface LinkData {
  readonly options: Pick<AsteriskOptions, 'url' | 'username' | 'password' | 'app'>;
}

/** Only what we read. Never `subscribeAll`: with it Asterisk 22 can deadlock when the websocket drops under load. */
const EVENTS = [
  'ContactStatusChange',
  'StasisStart',
  'StasisEnd',
  'CallBroadcast',
  'ChannelStateChange',
  'ChannelHangupRequest',
  'ChannelDestroyed',
  'Dial',
  'ApplicationReplaced',
  'ChannelUserevent',
  'RESTResponse',
] as const;

const TEXTS_TAKEN =
  'while pushwake is connected, Asterisk answers 202 to a SIP MESSAGE that nobody takes; a dialplan that takes MESSAGE goes first';

const WS_PING_EVERY_MS = 10_000;
const WS_PONG_WITHIN_MS = 5_000;
const CONNECT_WITHIN_MS = 5_000;
const SOCKET_ANSWERS_WITHIN_MS = 1_000;
const CALM_AT_ONCE = 2;
/** Names of global variables that are used again and again: far more than calls are handed over within a second. */
const SLOTS = 1_024;
let nextSlot = 0;

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
let rest: Rest = httpRest(base, options.username, options.password);
let socketRest: SocketRest | undefined;
/** Asterisk 16 takes a word for the cause of a hang-up, newer ones any Q.850 code. An unknown parameter would be ignored: cause 16. */
let takesCodes = true;

/** An answer that is neither a success nor one that the operation handles. */
class RefusedError extends Error {
  constructor(r: RestRequest, { status, body }: RestAnswer) {
    const said = (body as { message?: unknown } | undefined)?.message;
    super(`${r.method} ${r.path.replace(/%[0-9A-F]{2}|@.*$/g, '…')}: ${status} ${String(said ?? '')}`.trim());
  }
}

/** The body of a success; `undefined` for a status in `fine`. Anything else rejects. */
async function ask(
  r: RestRequest,
  fine: readonly number[] = [],
  by: Rest = rest,
): Promise<{ ok: boolean; body: unknown }> {
  const answer = await by.ask(r);
  if (answer.status >= 200 && answer.status < 300) return { ok: true, body: answer.body };
  if (fine.includes(answer.status)) return { ok: false, body: undefined };
  throw new RefusedError(r, answer);
}

/** Leg operations: 404, it has just ended; 409, it has left Stasis (the guard fired, or it was hung up). That is no error. */
const onChannel = async (r: RestRequest): Promise<'done' | 'gone'> => ((await ask(r, [404, 409])).ok ? 'done' : 'gone');

const part = encodeURIComponent;
const sorcery = (type: string, id: string) => `asterisk/config/dynamic/res_pjsip/${type}/${part(id)}`;

type Attribute = { attribute: string; value: string };
const attributes = (list: unknown) => (list as Attribute[]).map((a) => [a.attribute, a.value] as const);

async function readContact(id: string, by?: Rest): Promise<Record<string, string> | undefined> {
  const { ok, body } = await ask({ method: 'GET', path: sorcery('contact', id) }, [404], by);
  return ok ? Object.fromEntries(attributes(body)) : undefined;
}

const nodeOrders = new NodeOrders({
  ask,
  app: options.app,
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

const operations: Record<string, (args: never) => Promise<unknown>> = {
  ...nodeOrders.operations,
  /** An AOR with all its contacts. */
  async readAor({ id }: { id: string }) {
    const { ok, body } = await ask({ method: 'GET', path: sorcery('aor', id) }, [404]);
    const all = ok ? attributes(body) : [];
    const uris = all.filter(([k]) => k === 'contact').map(([, v]) => v);
    const contacts = await Promise.all(uris.map((uri) => readContact(contactObjectId(id, uri))));
    return {
      exists: ok,
      contacts: contacts.filter((c) => c !== undefined),
      maximumExpiration: Number(all.find(([k]) => k === 'maximum_expiration')?.[1] ?? 0),
    };
  },
  async readContactCalmly({ id }: { id: string }) {
    return readContact(id, calmRest);
  },
  async deleteContact({ id }: { id: string }) {
    await ask({ method: 'DELETE', path: sorcery('contact', id) }, [404]);
  },
  /** AORs of an endpoint, as Asterisk names them: `undefined` when it knows no such endpoint. */
  async aorsOf({ id }: { id: string }) {
    const { ok, body } = await ask({ method: 'GET', path: sorcery('endpoint', id) }, [404], calmRest);
    if (!ok) return undefined;
    const aors = attributes(body).find(([k]) => k === 'aors')?.[1] ?? '';
    return aors.split(',').flatMap((name) => name.trim() || []);
  },
  /** Asterisk has said nothing of contacts that came: it is asked as versions before did. */
  async hearAndTakeTexts() {
    await hearAndTakeTexts({ ask, keepsOrder: rest.keepsOrder }, options.app);
  },
  async onlineEndpoints() {
    const { body } = await ask({ method: 'GET', path: 'endpoints/PJSIP' });
    return (body as { resource: string; state: string }[]).filter((e) => e.state === 'online').map((e) => e.resource);
  },
  async goOn({ channelId, variables }: { channelId: string; variables: Record<string, string> }) {
    const channel = `channels/${part(channelId)}`;
    const set = Object.entries(variables).map(([variable, value]) =>
      onChannel({ method: 'POST', path: `${channel}/variable`, query: { variable, value } }),
    );
    const goOn = () => onChannel({ method: 'POST', path: `${channel}/continue` });
    // In order, both are under way at once; otherwise the leg must not go on before it knows what to dial.
    if (rest.keepsOrder) return (await Promise.all([...set, goOn()])).at(-1);
    await Promise.all(set);
    return goOn();
  },
  /** As `goOn`, of a caller's own channel: nothing is written to it, and its dialplan reads the text from a global variable. */
  async handOver({ channelId, text: value }: { channelId: string; text: string }) {
    const slot = `g${nextSlot++ % SLOTS}`;
    const query = { variable: `PUSHWAKE_${options.app}_${slot}`, value };
    await ask({ method: 'POST', path: 'asterisk/variable', query });
    const go = { context: 'pushwake-go', extension: slot, priority: '1' };
    return onChannel({ method: 'POST', path: `channels/${part(channelId)}/continue`, query: go });
  },
  /** The dialplan of two nodes reads it before it asks the first one. */
  async setDrained({ on, onlyIfSet }: { on: boolean; onlyIfSet: boolean }) {
    if (onlyIfSet) {
      const query = { variable: `PUSHWAKE_DRAIN_${options.app}` };
      const { body } = await ask({ method: 'GET', path: 'asterisk/variable', query });
      if (!(body as { value?: string } | undefined)?.value) return;
    }
    const query = { variable: `PUSHWAKE_DRAIN_${options.app}`, value: on ? '1' : '' };
    await ask({ method: 'POST', path: 'asterisk/variable', query });
  },
  /** Of a channel that may be gone. */
  async setVariable({ channelId, ...query }: { channelId: string; variable: string; value: string }) {
    return onChannel({ method: 'POST', path: `channels/${part(channelId)}/variable`, query });
  },
  async originate(o: {
    channelId: string;
    endpoint: string;
    variables: Record<string, string>;
    appArgs: 'late' | `test,${string}`;
    seconds: number;
    /** `"Name" <number>`. */
    callerId?: string;
  }) {
    const { endpoint, appArgs, callerId } = o;
    const query = { endpoint, app: options.app, appArgs, timeout: String(o.seconds), ...(callerId && { callerId }) };
    await ask({ method: 'POST', path: `channels/${part(o.channelId)}`, query, body: { variables: o.variables } });
  },
  async hangup({ channelId, cause }: { channelId: string; cause: number }) {
    const query = takesCodes ? { reason_code: String(cause) } : { reason: reasonOf(cause) };
    return onChannel({ method: 'DELETE', path: `channels/${part(channelId)}`, query });
  },
  async follow({ channelId }: { channelId: string }) {
    // Leaving Stasis ends the implicit subscription; this one lasts as long as the channel. 422: it has ended this moment.
    const query = { eventSource: `channel:${channelId}` };
    const path = `applications/${part(options.app)}/subscription`;
    return (await ask({ method: 'POST', path, query }, [422])).ok ? 'done' : 'gone';
  },
  async sendText({ variables, ...query }: { to: string; from: string; body: string; variables: object }) {
    await ask({ method: 'PUT', path: 'endpoints/sendMessage', query, body: { variables } });
  },
  async waitingChannels() {
    const { body } = await ask({ method: 'GET', path: 'channels' });
    return nodeOrders.owned((body as AriChannel[]).map(channelFields));
  },
  /** Undefined: it is gone. */
  async channel({ channelId }: { channelId: string }) {
    const { ok, body } = await ask({ method: 'GET', path: `channels/${part(channelId)}` }, [404]);
    return ok ? channelFields(body as AriChannel) : undefined;
  },
  async deviceState({ name, state }: { name: string; state: string }) {
    await ask({ method: 'PUT', path: `deviceStates/${part(name)}`, query: { deviceState: state } });
  },
};

interface AriChannel {
  id: string;
  name: string;
  state: string;
  creationtime: string;
  caller?: { name?: string; number?: string };
  dialplan?: { context?: string; exten?: string; app_name?: string; app_data?: string };
}

const channelFields = (c: AriChannel) => ({
  id: c.id,
  name: c.name,
  state: c.state,
  creationtime: c.creationtime,
  caller: { name: c.caller?.name, number: c.caller?.number },
  dialplan: { exten: c.dialplan?.exten, app_name: c.dialplan?.app_name, app_data: c.dialplan?.app_data },
});

port.on('message', (m: ToWorker) => {
  heardAt = performance.now();
  if (m.t !== 'call') return;
  const operation = operations[m.op];
  const work = operation
    ? Promise.resolve().then(() => operation(m.args as never))
    : Promise.reject(new Error(`unknown operation ${m.op}`));
  work.then(
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
  await client.start([options.app, contactsAppOf(options.app)]);
  const socket = (client as unknown as Inner)._ws;
  // ari-client's own reader makes an object with forty methods of each channel, and throws on a type it does not know.
  socket.removeAllListeners('message');
  socket.on('message', (text) => void heard(text));
  // The filter first: without it each call of the PBX sends us every variable it sets.
  const application = `applications/${part(options.app)}`;
  const filter = { allowed: EVENTS.map((type) => ({ type })) };
  await ask({ method: 'PUT', path: `${application}/eventFilter`, body: filter });
  await restBySocket(client);
  takesCodes = await hangsUpByCode();
  await nodeOrders.begin();
  const { texts, ...why } = await hearContacts({ ask, keepsOrder: rest.keepsOrder }, options.app);
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
  say({ t: 'up', info: { version: info.version, rest: rest.keepsOrder ? 'websocket' : 'http' } });
}

/** Asterisk describes its own requests. A description that cannot be read is taken for that of a newer one. */
async function hangsUpByCode(): Promise<boolean> {
  const { status, body } = await calmRest.ask({ method: 'GET', path: 'api-docs/channels.json' });
  if (status !== 200) return true;
  return parametersOf(body, '/channels/{channelId}', 'DELETE').includes('reason_code');
}

/** Sends requests by websocket where this Asterisk takes them: its description and one trial request show that. */
async function restBySocket(client: ari.Client): Promise<void> {
  const { _swagger: described, _ws: ws } = client as unknown as Inner;
  if (!described.apis.events.models.RESTResponse) return;
  socketRest = new SocketRest((text) => ws.send(text));
  const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), SOCKET_ANSWERS_WITHIN_MS));
  const answer = await Promise.race([socketRest.ask({ method: 'GET', path: 'asterisk/ping' }), late]);
  if (answer?.status === 200) rest = socketRest;
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
  if (!(EVENTS as readonly unknown[]).includes(event.type)) return;
  const fields = eventFields(event);
  const contact = event.contact_info as { aor?: unknown; uri?: unknown; contact_status?: unknown } | undefined;
  // A contact that has just been added is read at once: a waiting call needs its address and its expiry.
  if (contact && contact.contact_status !== 'Removed') {
    const id = contactObjectId(String(contact.aor), String(contact.uri));
    fields.contact = await readContact(id).catch(() => undefined);
  }
  say({ t: 'event', event: fields });
}

const idOf = (channel: unknown) => {
  const { id, dialplan } = (channel as AriChannel | undefined) ?? {};
  return { id, exten: dialplan?.exten };
};

/** Plain data only: ari-client hangs live objects into its events, which cannot leave the thread. */
function eventFields(event: Record<string, unknown>): Record<string, unknown> {
  const channel = event.channel as AriChannel | undefined;
  return {
    type: event.type,
    timestamp: event.timestamp,
    ...(event.args ? { args: event.args } : {}),
    ...(event.userevent ? { eventname: event.eventname, userevent: event.userevent } : {}),
    ...(event.cause === undefined ? {} : { cause: event.cause }),
    ...(event.soft === undefined ? {} : { soft: event.soft }),
    ...(event.contact_info ? { contact_info: event.contact_info } : {}),
    ...(channel ? { channel: channelFields(channel) } : {}),
    ...(event.dialstatus === undefined
      ? {}
      : { dialstatus: event.dialstatus, caller: idOf(event.caller), peer: idOf(event.peer) }),
  };
}

main().catch((error: unknown) => end(`cannot connect to ARI: ${safe(error)}`));
