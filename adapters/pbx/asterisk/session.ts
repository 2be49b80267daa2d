/**
 * What is said to one Asterisk by ARI, and what is read of what it says, whoever opened the connection: named operations, the subscription, the
 * events that matter. Knows requests and events, not how they travel.
 */
import { contactsAppOf, hearAndTakeTexts, hearContacts } from './contact-events.ts';
import { contactObjectId } from './dial.ts';
import { ExpectedPhones } from './expected-phones.ts';
import { NodeOrders, type NodeOrdersIo } from './node-orders.ts';
import { parametersOf, reasonOf } from './reasons.ts';
import type { Rest, RestAnswer, RestRequest } from './rest.ts';
import { CONTACT_COMING } from './translate.ts';

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

export const TEXTS_TAKEN =
  'while pushwake is connected, Asterisk answers 202 to a SIP MESSAGE that nobody takes; a dialplan that takes MESSAGE goes first';

/** Names of global variables that are used again and again: far more than calls are handed over within a second. */
const SLOTS = 1_024;
let nextSlot = 0;
/** A contact that was told before it was read is read after this time, in ms: the order to ring its phone has gone by then. */
const READ_AFTER_MS = 5;

/** How requests reach this Asterisk. */
export interface Ways {
  rest: Rest;
  /** For requests that no call waits for: few at once, so that no call queues behind them. */
  readonly calmRest: Rest;
}

/** The applications that a connection registers. */
export const appsOf = (app: string): readonly string[] => [app, contactsAppOf(app)];

/** An answer that is neither a success nor one that the operation handles. */
class RefusedError extends Error {
  constructor(r: RestRequest, { status, body }: RestAnswer) {
    const said = (body as { message?: unknown } | undefined)?.message;
    super(`${r.method} ${r.path.replace(/%[0-9A-F]{2}|@.*$/g, '…')}: ${status} ${String(said ?? '')}`.trim());
  }
}

const part = encodeURIComponent;
const sorcery = (type: string, id: string) => `asterisk/config/dynamic/res_pjsip/${type}/${part(id)}`;

type Attribute = { attribute: string; value: string };
const attributes = (list: unknown) => (list as Attribute[]).map((a) => [a.attribute, a.value] as const);

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

const idOf = (channel: unknown) => {
  const { id, dialplan } = (channel as AriChannel | undefined) ?? {};
  return { id, exten: dialplan?.exten };
};

/** What we read of an event, and nothing else: of a channel Asterisk tells several times as much. */
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

/** Whether a contact has just been added; the words of `translate.ts`. */
const isNewContact = (status: unknown): boolean => status === 'NonQualified' || status === 'Created';

/** What a session said of contacts at its beginning; see `contact-events.ts`. */
export type Begun = Awaited<ReturnType<typeof hearContacts>>;

export class AriSession {
  readonly #app: string;
  readonly #ways: Ways;
  readonly #nodeOrders: NodeOrders;
  readonly #after: (ms: number) => Promise<void>;
  readonly #expected = new ExpectedPhones();
  /** Contacts that are being read, by their id: what comes of them meanwhile waits, so that the events of a contact stay in order. */
  readonly #reading = new Map<string, Promise<unknown>>();
  readonly #operations: Readonly<Record<string, (args: never) => Promise<unknown>>>;
  /** Asterisk 16 takes a word for the cause of a hang-up, newer ones any Q.850 code. An unknown parameter would be ignored: cause 16. */
  #takesCodes = true;

  /** `others`: how it lives beside other nodes. `after` resolves after so many ms of real time. */
  constructor(
    app: string,
    ways: Ways,
    { after, ...others }: Omit<NodeOrdersIo, 'ask' | 'app'> & { readonly after: (ms: number) => Promise<void> },
  ) {
    this.#app = app;
    this.#ways = ways;
    this.#after = after;
    this.#nodeOrders = new NodeOrders({ ...others, app, ask: (r, fine) => askBy(ways.rest, r, fine) });
    const { operations } = this.#nodeOrders;
    const own = operationsOf(app, {
      get rest() {
        return ways.rest;
      },
      calmRest: ways.calmRest,
      takesCodes: () => this.#takesCodes,
      owned: (channels) => this.#nodeOrders.owned(channels),
      expected: this.#expected,
    });
    this.#operations = { ...own, ...operations };
  }

  /** Carries out a named operation. */
  async run(operation: string, args: unknown): Promise<unknown> {
    const work = this.#operations[operation];
    if (!work) throw new Error(`unknown operation ${operation}`);
    return work(args as never);
  }

  /** The filter first: without it each call of the PBX sends us every variable it sets. */
  async filter(): Promise<void> {
    const body = { allowed: EVENTS.map((type) => ({ type })) };
    await askBy(this.#ways.rest, { method: 'PUT', path: `applications/${part(this.#app)}/eventFilter`, body });
  }

  /** Nothing is said any more. */
  end(): void {
    this.#nodeOrders.end();
  }

  /** Once both applications are registered. */
  async hearContacts(): Promise<Begun> {
    const { rest } = this.#ways;
    return hearContacts({ ask: (r, fine) => askBy(rest, r, fine), keepsOrder: rest.keepsOrder }, this.#app);
  }

  /** Asterisk describes its own requests. A description that cannot be read is taken for that of a newer one. */
  async learnCauses(): Promise<void> {
    const { status, body } = await this.#ways.calmRest.ask({ method: 'GET', path: 'api-docs/channels.json' });
    if (status !== 200) return;
    this.#takesCodes = parametersOf(body, '/channels/{channelId}', 'DELETE').includes('reason_code');
  }

  /** Whether this Asterisk asks several nodes at once. */
  async learnNodes(): Promise<void> {
    await this.#nodeOrders.begin();
  }

  /**
   * Gives `tell` what is to be known of an event, at once, so that what channels do is told in its order; nothing for one that does not
   * matter. A contact is read first, and one that a call waits for is told twice: at once, and when it has been read. Resolves when all is told.
   */
  hear(
    event: Readonly<Record<string, unknown>>,
    tell: (fields: Record<string, unknown>) => void,
  ): Promise<void> | undefined {
    if (!(EVENTS as readonly unknown[]).includes(event.type)) return undefined;
    if (event.type === 'ChannelDestroyed') this.#expected.ended(String(idOf(event.channel).id));
    if (event.contact_info) {
      if (this.#isComing(event)) tell({ ...eventFields(event), type: CONTACT_COMING });
      return this.#withContact(event).then(tell);
    }
    tell(eventFields(event));
    return undefined;
  }

  #isComing({ type, contact_info }: Readonly<Record<string, unknown>>): boolean {
    const contact = contact_info as { aor?: unknown; contact_status?: unknown } | undefined;
    if (type !== 'ContactStatusChange' || !contact || !isNewContact(contact.contact_status)) return false;
    return this.#expected.has(String(contact.aor));
  }

  async #withContact(event: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> {
    const fields = eventFields(event);
    const contact = event.contact_info as { aor?: unknown; uri?: unknown; contact_status?: unknown };
    const id = contactObjectId(String(contact.aor), String(contact.uri));
    const before = this.#reading.get(id);
    if (contact.contact_status === 'Removed') {
      await before;
      return fields;
    }
    // A contact that has just been added is read at once: a waiting call needs its address and its expiry.
    const reading = this.#isComing(event)
      ? this.#after(READ_AFTER_MS).then(() => this.#contact(id))
      : this.#contact(id);
    this.#reading.set(id, reading);
    fields.contact = await reading;
    if (this.#reading.get(id) === reading) this.#reading.delete(id);
    return fields;
  }

  /** Undefined: it is gone, or could not be read. */
  #contact(id: string): Promise<Record<string, string> | undefined> {
    return readContact(this.#ways.rest, id).catch(() => undefined);
  }
}

/** The body of a success; `undefined` for a status in `fine`. Anything else rejects. */
async function askBy(by: Rest, r: RestRequest, fine: readonly number[] = []): Promise<{ ok: boolean; body: unknown }> {
  const answer = await by.ask(r);
  if (answer.status >= 200 && answer.status < 300) return { ok: true, body: answer.body };
  if (fine.includes(answer.status)) return { ok: false, body: undefined };
  throw new RefusedError(r, answer);
}

async function readContact(by: Rest, id: string): Promise<Record<string, string> | undefined> {
  const { ok, body } = await askBy(by, { method: 'GET', path: sorcery('contact', id) }, [404]);
  return ok ? Object.fromEntries(attributes(body)) : undefined;
}

function operationsOf(
  app: string,
  link: Ways & {
    readonly takesCodes: () => boolean;
    readonly owned: NodeOrders['owned'];
    readonly expected: ExpectedPhones;
  },
): Record<string, (args: never) => Promise<unknown>> {
  const ask = (r: RestRequest, fine: readonly number[] = [], by: Rest = link.rest) => askBy(by, r, fine);
  /** Leg operations: 404, it has just ended; 409, it has left Stasis (the guard fired, or it was hung up). That is no error. */
  const onChannel = async (r: RestRequest): Promise<'done' | 'gone'> =>
    (await ask(r, [404, 409])).ok ? 'done' : 'gone';
  return {
    /** An AOR with all its contacts. */
    async readAor({ id }: { id: string }) {
      const { ok, body } = await ask({ method: 'GET', path: sorcery('aor', id) }, [404]);
      const all = ok ? attributes(body) : [];
      const uris = all.filter(([k]) => k === 'contact').map(([, v]) => v);
      const contacts = await Promise.all(uris.map((uri) => readContact(link.rest, contactObjectId(id, uri))));
      return {
        exists: ok,
        contacts: contacts.filter((c) => c !== undefined),
        maximumExpiration: Number(all.find(([k]) => k === 'maximum_expiration')?.[1] ?? 0),
        supportPath: all.find(([k]) => k === 'support_path')?.[1],
      };
    },
    async readContactCalmly({ id }: { id: string }) {
      return readContact(link.calmRest, id);
    },
    async deleteContact({ id }: { id: string }) {
      await ask({ method: 'DELETE', path: sorcery('contact', id) }, [404]);
    },
    /** AORs of an endpoint, as Asterisk names them: `undefined` when it knows no such endpoint. */
    async aorsOf({ id }: { id: string }) {
      const { ok, body } = await ask({ method: 'GET', path: sorcery('endpoint', id) }, [404], link.calmRest);
      if (!ok) return undefined;
      const aors = attributes(body).find(([k]) => k === 'aors')?.[1] ?? '';
      return aors.split(',').flatMap((name) => name.trim() || []);
    },
    /** Asterisk has said nothing of contacts that came: it is asked as versions before did. */
    async hearAndTakeTexts() {
      await hearAndTakeTexts({ ask, keepsOrder: link.rest.keepsOrder }, app);
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
      if (link.rest.keepsOrder) return (await Promise.all([...set, goOn()])).at(-1);
      await Promise.all(set);
      return goOn();
    },
    /** As `goOn`, of a caller's own channel: nothing is written to it, and its dialplan reads the text from a global variable. */
    async handOver({ channelId, text: value }: { channelId: string; text: string }) {
      const slot = `g${nextSlot++ % SLOTS}`;
      const query = { variable: `PUSHWAKE_${app}_${slot}`, value };
      await ask({ method: 'POST', path: 'asterisk/variable', query });
      const go = { context: 'pushwake-go', extension: slot, priority: '1' };
      return onChannel({ method: 'POST', path: `channels/${part(channelId)}/continue`, query: go });
    },
    /** The dialplan of two nodes reads it before it asks the first one. */
    async setDrained({ on, onlyIfSet }: { on: boolean; onlyIfSet: boolean }) {
      if (onlyIfSet) {
        const query = { variable: `PUSHWAKE_DRAIN_${app}` };
        const { body } = await ask({ method: 'GET', path: 'asterisk/variable', query });
        if (!(body as { value?: string } | undefined)?.value) return;
      }
      const query = { variable: `PUSHWAKE_DRAIN_${app}`, value: on ? '1' : '' };
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
      const query = { endpoint, app: app, appArgs, timeout: String(o.seconds), ...(callerId && { callerId }) };
      await ask({ method: 'POST', path: `channels/${part(o.channelId)}`, query, body: { variables: o.variables } });
    },
    async hangup({ channelId, cause }: { channelId: string; cause: number }) {
      const query = link.takesCodes() ? { reason_code: String(cause) } : { reason: reasonOf(cause) };
      return onChannel({ method: 'DELETE', path: `channels/${part(channelId)}`, query });
    },
    /** `expects`: the account of the phone that this leg waits for, of which the address is all that is needed. */
    async follow({ channelId, expects }: { channelId: string; expects?: string }) {
      if (expects !== undefined) link.expected.add(channelId, expects);
      // Leaving Stasis ends the implicit subscription; this one lasts as long as the channel. 422: it has ended this moment.
      const query = { eventSource: `channel:${channelId}` };
      const path = `applications/${part(app)}/subscription`;
      return (await ask({ method: 'POST', path, query }, [422])).ok ? 'done' : 'gone';
    },
    async sendText({ variables, ...query }: { to: string; from: string; body: string; variables: object }) {
      await ask({ method: 'PUT', path: 'endpoints/sendMessage', query, body: { variables } });
    },
    async waitingChannels() {
      const { body } = await ask({ method: 'GET', path: 'channels' });
      return link.owned((body as AriChannel[]).map(channelFields));
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
}
