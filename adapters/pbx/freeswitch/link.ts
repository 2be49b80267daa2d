/**
 * The worker of one FreeSWITCH. Connects, subscribes, reads events at once and passes on the few headers we read; keeps the
 * lease; carries out named operations. It decides nothing and ends itself when anything is wrong: the supervisor starts a new
 * one, for ever, which is how modesl's own faults (it never reconnects, forgets callbacks, throws on bytes) stay here.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { isLoopback } from '../../../plugin/core/loopback.ts';
import { TEXT_HEADER } from '../../../plugin/core/texts.ts';
import { DEAD_AFTER_MS, type FromWorker, HEARTBEAT_MS, safe, type ToWorker } from '../supervised-worker.ts';
import { isId, type Said } from './calls/dial.ts';
import { argument } from './calls/dial-string.ts';
import { type Address, EslConnection } from './connection.ts';
import { LEASE_EVERY_MS, LEASE_NEWS, LEASE_SECONDS, Lease, Observing, type Presence } from './lease.ts';
import { patiently, untilListening, type Watch } from './patience.ts';
import { ProfileNames } from './profile-names.ts';
import { type Registration, readRegistrations } from './registrations/xml-status.ts';
import type { TextOrder } from './texts.ts';
import { type EventHeaders, SUBSCRIPTION, worthReading } from './translate.ts';

export interface LinkData {
  readonly address: Address;
  readonly node: string;
  readonly profiles: readonly string[];
  /** Only observe: calls raise events and never wait for us. */
  readonly observing: boolean;
  /** An earlier worker had reached this FreeSWITCH. */
  readonly wasUp: boolean;
}

/** One of the operations below, asked from the main thread. Rejects with `LinkError`. */
export type Ask = <T>(operation: string, args: unknown, deadlineMs: number) => Promise<T>;

/** A registration with the instant (epoch ms of this machine) at which FreeSWITCH drops it, never later than the truth. */
export type HeldRow = Registration & { readonly dropsEpochMs?: number };

/** FreeSWITCH's HEARTBEAT comes every 20 s. */
const SILENCE_MS = 45_000;
/** Three small commands; one that waits longer means a PBX that hangs. */
const ANSWERS_WITHIN_MS = 4_000;
/** A FreeSWITCH that is started anew takes this long at most until its modules are there. */
const PATIENCE_MS = 10_000;
/** While calls wait, events are fetched this often, in ms: the REGISTER of a woken phone then waits 2.5 ms in FreeSWITCH and not 10. */
const HURRY_MS = 5;
/** A call that another node let wait is claimed for this long, in ms: its guard is over by then. */
const CLAIMED_MS = 2_000;
/** A profile whose name is not known yet is asked for so often, in ms. */
const NAMES_EVERY_MS = 5_000;
/** The second connection, for long answers, stays for the next question. */
const BULK_IDLE_MS = 5_000;

const port = parentPort;
if (!port) throw new Error('link.ts runs as a worker thread only');
const { address, node, profiles, observing, wasUp } = workerData as LinkData;
const say = (m: FromWorker) => port.postMessage(m);

let ending = false;
function end(reason: string, hint?: string): void {
  if (ending) return;
  ending = true;
  say({ t: 'down', reason, ...(hint ? { hint } : {}) });
  // The message must leave before the thread does.
  setTimeout(() => process.exit(0), 20);
}

process.on('uncaughtException', (error: unknown) => end(`the event socket library threw: ${safe(error)}`));
process.on('unhandledRejection', (error: unknown) => end(`the event socket library rejected: ${safe(error)}`));

// ── Dead man's switch ────────────────────────────────────────────────────────────────────────────────────────────────

let main: EslConnection | undefined;
let lease: Presence | undefined;
let observes = observing;
let drained = false;
let switching = Promise.resolve();
let heardAt = performance.now();
let dataAt = performance.now();
setInterval(() => {
  say({ t: 'beat' });
  const now = performance.now();
  if (now - heardAt > DEAD_AFTER_MS) {
    // The lease goes first, so that no further call waits for us; the command is on its way before the thread ends.
    void lease?.drop();
    end('the main thread did not answer for a second');
  } else if (now - dataAt > SILENCE_MS) {
    end(`nothing came from FreeSWITCH for ${SILENCE_MS / 1_000} s`);
  }
}, HEARTBEAT_MS);

const names = new ProfileNames(profiles);

// ── The second connection ────────────────────────────────────────────────────────────────────────────────────────────

interface Bulk {
  readonly opened: Promise<EslConnection>;
  /** Rejects when the link breaks: a request that waits for an answer would wait for ever. */
  readonly broken: Promise<never>;
}

let bulk: Bulk | undefined;
let bulkUsers = 0;
let closeBulk: NodeJS.Timeout | undefined;

function openBulk(): Bulk {
  let fail: (reason: string) => void = () => undefined;
  const broken = new Promise<never>((_, reject) => {
    fail = (reason) => reject(new Error(reason));
  });
  broken.catch(() => undefined);
  const opened = EslConnection.open(address, {
    onEvent: () => undefined,
    onData: () => undefined,
    onEnd: (reason) => {
      if (bulk === it) bulk = undefined;
      fail(reason);
    },
  });
  const it: Bulk = { opened, broken };
  return it;
}

/** Long answers (every registration, many marks) must not stand before a call's commands and events. */
async function onBulk<T>(work: (connection: EslConnection) => Promise<T>): Promise<T> {
  clearTimeout(closeBulk);
  bulkUsers++;
  bulk ??= openBulk();
  const { opened, broken } = bulk;
  try {
    return await Promise.race([opened.then(work), broken]);
  } finally {
    bulkUsers--;
    if (bulkUsers === 0) {
      closeBulk = setTimeout(() => {
        void bulk?.opened.then((connection) => connection.close());
        bulk = undefined;
      }, BULK_IDLE_MS);
    }
  }
}

// ── Operations ───────────────────────────────────────────────────────────────────────────────────────────────────────

function connected(): EslConnection {
  if (!main) throw new Error('not connected');
  return main;
}

/** FreeSWITCH counts whole seconds: those of the moment before it was asked are never ahead of its own. */
async function rows(connection: EslConnection, profile: string, filter: string): Promise<HeldRow[]> {
  const askedAtSeconds = Math.floor(Date.now() / 1_000);
  const answer = await connection.api(`sofia xmlstatus profile ${profile} ${filter}`);
  const found = readRegistrations(profile, answer);
  if (!found) throw new Error(`FreeSWITCH does not tell what profile ${profile} holds: ${answer.trim().slice(0, 80)}`);
  return found.map((row) => ({
    ...row,
    ...(row.expiresInSeconds === undefined ? {} : { dropsEpochMs: (askedAtSeconds + row.expiresInSeconds) * 1_000 }),
  }));
}

let hurrying: NodeJS.Timeout | undefined;

const isGone = (answer: string) => /^-ERR (?:No such channel|invalid session)/i.test(answer);

/**
 * The leg of the caller that hears "Call completed elsewhere" when somebody takes the call over: the last one that was made. A leg
 * of ours that belongs to the caller takes that place, and gives it back as soon as it is there.
 */
const BOND = 'originate_signal_bond';

/** Which node a call belongs to: the dialplan writes it when it asks, and a node that takes the call over. */
const NODE_OF_CALL = 'pushwake_node';

/** The fence: a node that stood still finds here that another one has the call. A call of a dialplan that writes no node is everybody's. */
async function isTaken(caller: string): Promise<boolean> {
  const of = (await connected().api(`uuid_getvar ${caller} ${NODE_OF_CALL}`)).trim();
  return isNode(of) && of !== node;
}

const isNode = (text: string) => text !== '' && text !== '_undef_' && !text.startsWith('-ERR');

async function givingBack(command: string, caller: string): Promise<string> {
  const bond = (await connected().api(`uuid_getvar ${caller} ${BOND}`)).trim();
  if (!isId(bond)) return command;
  const giveBack = argument(`{api_on_originate_pushwake='uuid_setvar ${caller} ${BOND} ${bond}'}`);
  return command.replace(/^originate /, () => `originate ${giveBack}`);
}

const operations: Record<string, (args: never) => Promise<unknown>> = {
  async rowsOf({ user }: { user: string }): Promise<HeldRow[]> {
    const all = await Promise.all(profiles.map((profile) => rows(connected(), profile, `user ${user}`)));
    return all.flat();
  },
  async allRows({ profile, containing }: { profile: string; containing: string }): Promise<HeldRow[]> {
    return onBulk((connection) => rows(connection, profile, `reg ${containing}`));
  },
  async profileInfo({ profile }: { profile: string }): Promise<string> {
    return connected().api(`sofia xmlstatus profile ${profile}`);
  },
  async flush({ profile, callId }: { profile: string; callId: string }): Promise<string> {
    return connected().api(`sofia profile ${profile} flush_inbound_reg ${callId}`);
  },
  async mark({ aor, on }: { aor: string; on: boolean }): Promise<void> {
    const answer = await onBulk((connection) =>
      connection.api(on ? `hash insert/pushwake_aor/${aor}/1` : `hash delete/pushwake_aor/${aor}`),
    );
    if (on && !answer.startsWith('+OK')) throw new Error(`no mark was set: ${answer.trim().slice(0, 80)}`);
  },
  /** Those of them that have a mark. */
  async marked({ aors }: { aors: readonly string[] }): Promise<readonly string[]> {
    const marks = await Promise.all(aors.map((aor) => connected().api(`hash select/pushwake_aor/${aor}`)));
    return aors.filter((_, i) => marks[i] === '1');
  },
  /** `dial` is an argument of a command; empty: the dialplan's own. It takes the place of what the dialplan has put beside, too. */
  async compose({ caller, dial }: { caller: string; dial: string }): Promise<'done' | 'gone' | 'taken'> {
    if (await isTaken(caller)) return 'taken';
    const connection = connected();
    const answers = await Promise.all([
      ...(dial === ''
        ? []
        : [
            connection.api(`uuid_setvar ${caller} pushwake_dial ${dial}`),
            connection.api(`uuid_setvar ${caller} pushwake_and`),
          ]),
      connection.api(`uuid_break ${caller}`),
    ]);
    return answers.some(isGone) ? 'gone' : 'done';
  },
  /** The directory's dial string of an account, worked out for this caller; undefined: it has none, or there is no such user. */
  async said({ caller, aor }: { caller: string; aor: string }): Promise<Said | undefined> {
    const connection = connected();
    const written = (await connection.api(`user_data ${aor} param dial-string`)).trim();
    if (written === '' || /[\r\n]/.test(written)) return undefined;
    const [user = '', realm = ''] = aor.split('@');
    const of = written.replaceAll(`\${dialed_user}`, user).replaceAll(`\${dialed_domain}`, realm);
    const [text, held] = await Promise.all([
      connection.api(`expand uuid:${caller} echo ${of}`),
      connection.api(`sofia_contact */${aor}`),
    ]);
    return { text: text.trim(), held: held.trim() };
  },
  /** An empty value unsets it. */
  async setVariable({ caller, name, value }: { caller: string; name: string; value: string }): Promise<void> {
    await connected().api(`uuid_setvar ${caller} ${name} ${value}`.trimEnd());
  },
  /** `caller`: whose call the new channel belongs to. */
  async originate({
    uuid,
    command,
    caller,
  }: {
    uuid: string;
    command: string;
    caller?: string;
  }): Promise<'done' | 'taken'> {
    const [whole, taken] =
      caller === undefined ? [command, false] : await Promise.all([givingBack(command, caller), isTaken(caller)]);
    if (taken) return 'taken';
    const answer = await connected().command(`bgapi ${whole}`, { 'Job-UUID': uuid });
    if (!answer.startsWith('+OK')) throw new Error(`FreeSWITCH does not dial: ${answer.slice(0, 80)}`);
    return 'done';
  },
  /** A call that still waits for the answer of another node becomes ours, unless a third node was faster. */
  async takeOver({ caller, from }: { caller: string; from: string }): Promise<boolean> {
    const connection = connected();
    const api = (command: string) => connection.api(command);
    const [application, holder] = await Promise.all([
      api(`uuid_getvar ${caller} current_application`),
      api(`uuid_getvar ${caller} ${NODE_OF_CALL}`),
    ]);
    if (application.trim() !== 'sleep' || holder.trim() !== from) return false;
    const claim = `pushwake_taken/${caller}`;
    if (!(await api(`hash insert_ifempty/${claim}/${node}`)).startsWith('+OK')) return false;
    setTimeout(() => void main?.api(`hash delete/${claim}`), CLAIMED_MS);
    await api(`uuid_setvar ${caller} ${NODE_OF_CALL} ${node}`);
    return true;
  },
  /** A call that waits on a node which holds the lease no more. */
  async adopt({ caller }: { caller: string }): Promise<void> {
    await connected().api(`uuid_setvar ${caller} ${NODE_OF_CALL} ${node}`);
  },
  /** Those of these callers whom another node has taken over. */
  async taken({ callers }: { callers: readonly string[] }): Promise<readonly string[]> {
    const taken = await Promise.all(callers.map(isTaken));
    return callers.filter((_, i) => taken[i]);
  },
  async kill({ uuid, cause }: { uuid: string; cause: string }): Promise<'done' | 'gone'> {
    return isGone(await connected().api(`uuid_kill ${uuid} ${cause}`)) ? 'gone' : 'done';
  },
  async letGo({ caller, uuids }: { caller: string; uuids: readonly string[] }): Promise<void> {
    const connection = connected();
    const has = (await connection.api(`uuid_getvar ${caller} bridge_uuid`)).trim();
    if (!uuids.includes(has)) return;
    const losers = uuids.filter((uuid) => uuid !== has);
    await Promise.all(losers.map((uuid) => connection.api(`uuid_kill ${uuid} LOSE_RACE`)));
  },
  /** Calls wait for phones, or none does any more. */
  async hurry({ on }: { on: boolean }): Promise<void> {
    clearInterval(hurrying);
    hurrying = on ? setInterval(() => main?.nudge(), HURRY_MS) : undefined;
  },
  async channels(): Promise<unknown> {
    return JSON.parse((await connected().api('show channels as json')) || '{}');
  },
  async dump({ uuid }: { uuid: string }): Promise<EventHeaders | undefined> {
    const answer = await connected().api(`uuid_dump ${uuid} json`);
    return answer.startsWith('{') ? (JSON.parse(answer) as EventHeaders) : undefined;
  },
  /** The mode, as it is now; the same again changes nothing. One after the other, whatever comes in between. */
  observe({ on }: { on: boolean }): Promise<void> {
    switching = switching.catch(() => undefined).then(() => switchTo(on));
    return switching;
  },
  /** The same again changes nothing. */
  async drain(): Promise<void> {
    drained = true;
    lease?.drain();
    await keepLease();
  },
  async leave(): Promise<void> {
    await Promise.all([lease?.drop(), wantTexts(false)]);
  },
  async texts({ on }: { on: boolean }): Promise<void> {
    await wantTexts(on);
  },
  /** Texts that the chatplan took and nobody finished. */
  async heldTexts(): Promise<readonly { id: string; value: string }[]> {
    const all = await onBulk((connection) => connection.api('global_getvar'));
    return [...all.matchAll(/^pushwake_text_([0-9a-f-]{36})=(.*)$/gm)].map(([, id = '', value = '']) => ({
      id,
      value,
    }));
  },
  async forgetText({ id }: { id: string }): Promise<void> {
    await connected().api(`global_setvar pushwake_text_${id}=`);
  },
  async sendText({ to, from, contentType, body, mark, word }: TextOrder): Promise<void> {
    const answer = await connected().event(
      'CUSTOM',
      {
        'Event-Subclass': 'SMS::SEND_MESSAGE',
        proto: 'sip',
        dest_proto: 'sip',
        from,
        from_full: from,
        to,
        type: contentType,
        ...(mark !== undefined && { blocking: 'true', 'pushwake-sent': mark }),
        ...(word !== undefined && { [`sip_h_${TEXT_HEADER}`]: word }),
      },
      body,
    );
    if (!answer.startsWith('+OK')) throw new Error(`FreeSWITCH does not send a text: ${answer.slice(0, 80)}`);
  },
};

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

async function switchTo(on: boolean): Promise<void> {
  if (on === observes) return;
  observes = on;
  // What is being written of the old one is taken back behind it: commands arrive in their order.
  await lease?.drop();
  lease = presence(connected());
  await keepLease();
}

function presence(connection: EslConnection): Presence {
  const api = (command: string) => connection.api(command);
  const of = observes ? new Observing(api) : new Lease(node, api, () => performance.now());
  if (drained) of.drain();
  return of;
}

let textsWanted = false;

/** Until when the chatplan may give us texts, beside the lease and in the same way. */
async function wantTexts(on: boolean): Promise<void> {
  textsWanted = on;
  if (on) await renewTexts();
  else await connected().api('hash delete/pushwake/texts');
}

async function renewTexts(): Promise<void> {
  const now = Number((await connected().api('strepoch')).trim());
  if (textsWanted && Number.isInteger(now)) await connected().api(`hash insert/pushwake/texts/${now + LEASE_SECONDS}`);
}

async function keepLease(): Promise<void> {
  const state = await answered(lease?.renew());
  say({ t: 'event', event: { 'Event-Name': LEASE_NEWS, held: state === 'held' ? 'yes' : 'no' } });
  // The node that works takes them.
  if (state === 'held' && textsWanted) await answered(renewTexts());
  if (state !== 'lost') return;
  end('the marks in FreeSWITCH are gone (mod_hash was reloaded): they are set again');
}

/** Rejects when FreeSWITCH does not answer in time. */
async function answered<T>(work: Promise<T> | undefined): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('FreeSWITCH does not answer')), ANSWERS_WITHIN_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

const watch: Watch = {
  nowMs: () => performance.now(),
  pause: (ms) => new Promise((passed) => setTimeout(passed, ms)),
};

async function start(): Promise<void> {
  const untilMs = wasUp && isLoopback(address.host) ? performance.now() + PATIENCE_MS : 0;
  await untilListening(address.host, address.port, untilMs, watch);
  // Registrations that wait until FreeSWITCH has been asked for the names of its profiles.
  let early: EventHeaders[] | undefined = [];
  const connection = await EslConnection.open(address, {
    onEvent: (event) => {
      const read = worthReading(event);
      if (!read) return;
      if (early && names.isStrange(read)) early.push(read);
      else say({ t: 'event', event: names.asConfigured(read) });
    },
    onData: () => {
      dataAt = performance.now();
    },
    onEnd: end,
  });
  main = connection;
  const answer = await connection.command(SUBSCRIPTION);
  if (!answer.startsWith('+OK')) throw new Error(`FreeSWITCH does not tell its events: ${answer.slice(0, 80)}`);
  const api = (command: string) => connection.api(command);
  const version = api('version');
  const asked = answered(Promise.allSettled(profiles.map((one) => names.learn(one, api))))
    .catch(() => undefined)
    .then(() => {
      for (const event of early ?? []) say({ t: 'event', event: names.asConfigured(event) });
      early = undefined;
    });
  // Before its modules are there it neither takes calls nor knows what it holds: the lease would promise too much.
  const learn = () => answered(Promise.any(profiles.map((one) => names.learn(one, api))));
  if (untilMs > 0) await patiently(learn, untilMs, watch).catch(() => undefined);
  lease = presence(connection);
  await patiently(keepLease, untilMs, watch);
  setInterval(() => {
    keepLease().catch((error: unknown) => end(safe(error)));
  }, LEASE_EVERY_MS);
  setInterval(() => {
    for (const one of names.unknown) names.learn(one, api).catch(() => undefined);
  }, NAMES_EVERY_MS);
  await asked;
  const text = (await version).trim();
  say({ t: 'up', info: { version: /FreeSWITCH Version (\S+)/.exec(text)?.[1] ?? text.slice(0, 40) } });
}

start().catch((error: unknown) => end(`cannot use FreeSWITCH: ${safe(error)}`));
