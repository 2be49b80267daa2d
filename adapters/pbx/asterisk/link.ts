/**
 * The worker of one Asterisk: the only file that knows ari-client. It connects, subscribes, reads events at once and
 * passes them on; it carries out named operations. It decides nothing and ends itself when anything is wrong: the
 * supervisor starts a new one, which is how ari-client's own faults (it gives up after ten retries, throws on events it does
 * not know, rejects and throws for a wrong password) stay here.
 */
import { parentPort, workerData } from 'node:worker_threads';
import ari from 'ari-client';
import { DEAD_AFTER_MS, type FromWorker, HEARTBEAT_MS, safe, type ToWorker } from '../supervised-worker.ts';
import type { AsteriskOptions } from './options.ts';

export interface LinkData {
  readonly options: Pick<AsteriskOptions, 'url' | 'username' | 'password' | 'app'>;
}

/** Only what we read. Never `subscribeAll`: with it Asterisk 22 can deadlock when the websocket drops under load. */
const EVENTS = [
  'ContactStatusChange',
  'StasisStart',
  'StasisEnd',
  'ChannelStateChange',
  'ChannelHangupRequest',
  'ChannelDestroyed',
  'ApplicationReplaced',
] as const;

const WS_PING_EVERY_MS = 10_000;
const WS_PONG_WITHIN_MS = 5_000;
const CONNECT_WITHIN_MS = 5_000;

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

type Params = Record<string, unknown>;
type Attribute = { attribute: string; value: string };
type Call = (params: Params) => Promise<unknown>;

function op(resource: string, name: string): Call {
  const operations = (client as unknown as Record<string, Record<string, Call> | undefined> | undefined)?.[resource];
  const call = operations?.[name];
  if (!call) throw new Error(`this Asterisk has no ARI operation ${resource}.${name}`);
  return call;
}

const isNotFound = (error: unknown) => error instanceof Error && /not found/i.test(error.message);

/** Leg operations: one on a channel that has just ended is no error. */
async function onChannel(work: () => Promise<unknown>): Promise<'done' | 'gone'> {
  try {
    await work();
    return 'done';
  } catch (error) {
    // 409: the channel has left Stasis (the guard fired, or it was hung up this very moment).
    if (isNotFound(error) || (error instanceof Error && /not in stasis|not in a stasis/i.test(error.message)))
      return 'gone';
    throw error;
  }
}

const attributes = (list: unknown) => (list as Attribute[]).map((a) => [a.attribute, a.value] as const);

const operations: Record<string, (args: never) => Promise<unknown>> = {
  async readAor({ id }: { id: string }) {
    try {
      const all = attributes(await op('asterisk', 'getObject')({ configClass: 'res_pjsip', objectType: 'aor', id }));
      const contacts = all.filter(([k]) => k === 'contact').map(([, v]) => v);
      return {
        exists: true,
        contacts,
        maximumExpiration: Number(all.find(([k]) => k === 'maximum_expiration')?.[1] ?? 0),
      };
    } catch (error) {
      if (isNotFound(error)) return { exists: false, contacts: [], maximumExpiration: 0 };
      throw error;
    }
  },
  async readContact({ id }: { id: string }) {
    try {
      const object = await op('asterisk', 'getObject')({ configClass: 'res_pjsip', objectType: 'contact', id });
      return Object.fromEntries(attributes(object));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  },
  async deleteContact({ id }: { id: string }) {
    try {
      await op('asterisk', 'deleteObject')({ configClass: 'res_pjsip', objectType: 'contact', id });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  },
  async onlineEndpoints() {
    const list = (await op('endpoints', 'listByTech')({ tech: 'PJSIP' })) as { resource: string; state: string }[];
    return list.filter((e) => e.state === 'online').map((e) => e.resource);
  },
  async goOn({ channelId, variables }: { channelId: string; variables: Record<string, string> }) {
    return onChannel(async () => {
      await Promise.all(
        Object.entries(variables).map(([variable, value]) =>
          op('channels', 'setChannelVar')({ channelId, variable, value }),
        ),
      );
      await op('channels', 'continueInDialplan')({ channelId });
    });
  },
  async hangup({ channelId, cause }: { channelId: string; cause: number }) {
    return onChannel(() => op('channels', 'hangup')({ channelId, reason_code: String(cause) }));
  },
  async follow({ channelId }: { channelId: string }) {
    // Leaving Stasis ends the implicit subscription; this one lasts as long as the channel.
    try {
      await op('applications', 'subscribe')({ applicationName: options.app, eventSource: `channel:${channelId}` });
      return 'done';
    } catch (error) {
      // 422: the channel has ended this very moment.
      if (error instanceof Error && /event source does not exist/i.test(error.message)) return 'gone';
      throw error;
    }
  },
  async waitingChannels() {
    const list = (await op('channels', 'list')({})) as unknown as AriChannel[];
    return list.map(channelFields);
  },
  async deviceState({ name, state }: { name: string; state: string }) {
    await op('deviceStates', 'update')({ deviceName: name, deviceState: state });
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

/** Asks once by plain HTTP first: ari-client turns a wrong password into an exception nobody can read. */
async function lookFirst(): Promise<{ version: string } | undefined> {
  const authorization = `Basic ${Buffer.from(`${options.username}:${options.password}`).toString('base64')}`;
  const url = new URL('ari/asterisk/info', options.url.endsWith('/') ? options.url : `${options.url}/`);
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

async function main(): Promise<void> {
  const info = await lookFirst();
  if (!info) return;
  client = await ari.connect(options.url, options.username, options.password);
  const events = client as unknown as {
    on(type: string, listener: (event: Record<string, unknown>) => void): void;
    ping(): void;
  };
  for (const type of EVENTS) events.on(type, (event) => say({ t: 'event', event: eventFields(event) }));
  // ari-client would reconnect but never subscribe again: a new worker does both.
  events.on('WebSocketReconnecting', () => end('the websocket closed'));
  events.on('WebSocketMaxRetries', () => end('the websocket closed'));
  await client.start(options.app);
  // The filter first: without it each call of the PBX sends us every variable it sets.
  await op(
    'applications',
    'filter',
  )({ applicationName: options.app, filter: { allowed: EVENTS.map((type) => ({ type })) } });
  await op('applications', 'subscribe')({ applicationName: options.app, eventSource: 'endpoint:PJSIP' });
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
  say({ t: 'up', info: { version: info.version } });
}

/** Plain data only: ari-client hangs live objects into its events, which cannot leave the thread. */
function eventFields(event: Record<string, unknown>): Record<string, unknown> {
  const channel = event.channel as AriChannel | undefined;
  return {
    type: event.type,
    timestamp: event.timestamp,
    ...(event.args ? { args: event.args } : {}),
    ...(event.cause === undefined ? {} : { cause: event.cause }),
    ...(event.soft === undefined ? {} : { soft: event.soft }),
    ...(event.contact_info ? { contact_info: event.contact_info } : {}),
    ...(channel ? { channel: channelFields(channel) } : {}),
  };
}

main().catch((error: unknown) => end(`cannot connect to ARI: ${safe(error)}`));
