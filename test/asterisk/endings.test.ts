/**
 * The endings of `test/runtime/endings.cases.ts`, each produced on a real Asterisk, and what the running product says of it: `explain`, the
 * status page, the event `missed` and PUSHWAKE_STATUS in the dialplan. Times are shorter: a phone rings for 4 s.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { create as createStore } from '../../adapters/store/sqlite/index.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import type { AorRecord, Binding, BindingId } from '../../plugin/core/binding.ts';
import { pushParamsOf } from '../../plugin/core/push-params.ts';
import { DAY, HOUR, instant } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type { Clock } from '../../plugin/ports/clock.ts';
import { ENDINGS } from '../runtime/endings.cases.ts';
import type { Behaviour } from '../support/apns-stand-in/index.ts';
import { bindingEndingIn } from '../support/builders.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { freeUdpPort, REALM, Scene } from '../support/scene.ts';
import type { OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { startWebhookStandIn, WEBHOOK_SECRET, type WebhookStandIn } from '../support/webhook-stand-in.ts';
import { Mobile, ours } from './calls-support.ts';

const OPERATOR = 'a-token-of-the-operator-0123456789';
const EXTENSIONS = `[internal]
; 10NN and its phone; 510NN: with the desk phone 15NN; 410NN: for a moment
exten => _10XX,1,Set(CASE=\${EXTEN})
 same => n,Dial(Local/\${EXTEN}@pushwake/n,4)
exten => _510XX,1,Set(CASE=\${EXTEN:1})
 same => n,Dial(PJSIP/15\${EXTEN:3}&Local/\${EXTEN:1}@pushwake/n,12)
exten => _410XX,1,Set(CASE=\${EXTEN:1})
 same => n,Dial(Local/\${EXTEN:1}@pushwake/n,0.9)
exten => h,1,Log(NOTICE,ENDS \${CASE} \${PUSHWAKE_STATUS})
`;

let scene: Scene;
let caller: SipPhone;
let webhook: WebhookStandIn;
/** A service of our own whose certificate nobody trusts. */
let stranger: WebhookStandIn;
let proxy: TcpProxy;
let adminPort: number;

/** One ending: an account of its own, its phone and its caller. */
class Site {
  readonly user: string;
  phone!: Mobile;
  call!: OutgoingCall;

  constructor(user: string) {
    this.user = user;
  }

  async asleep(): Promise<Mobile> {
    this.phone = await Mobile.asleep(scene, this.user);
    return this.phone;
  }

  /** `as`: `5` with the desk phone, `4` for a moment. */
  async calls(as: '' | '4' | '5' = ''): Promise<void> {
    this.call = await caller.call(`${as}${this.user}`);
  }

  async comes(params = this.phone.identity.params): Promise<void> {
    if (!this.phone.phone.isOpen) await this.phone.phone.wake();
    const { status } = await this.phone.phone.register({ contactParams: params, newCallId: true });
    if (status !== 200) throw new Error(`REGISTER of ${this.user}: ${status}`);
  }

  /** Asleep, called, and awake by its push. */
  async wakes(policy: SipPhone['answer'] = { kind: 'ring' }): Promise<void> {
    await this.asleep();
    this.phone.phone.answer = policy;
    this.phone.wakesByPush();
    await this.calls();
  }

  /** It wants to register, and the PBX has no place for it. */
  async isRefused(params: string): Promise<void> {
    await this.phone.phone.wake();
    const { status } = await this.phone.phone.register({ contactParams: params, newCallId: true });
    if (status !== 403) throw new Error(`REGISTER of ${this.user}: ${status}`);
  }

  async rung() {
    return this.phone.phone.waitForCall(8_000);
  }

  async desk(): Promise<SipPhone> {
    const desk = await scene.phone(this.user.replace('10', '15'));
    await desk.register();
    return desk;
  }

  async over(): Promise<void> {
    await this.call.done;
    if (!this.call.isOver) await this.call.hangup();
  }
}

function treat(s: Site, behaviour: Behaviour, how: 'once' | 'always' = 'always'): void {
  scene.apns.treat(s.phone.identity.voip, behaviour, how);
}

/** A call with no phone that comes, until its time is up. */
const inVain = async (s: Site) => {
  await s.calls();
  await s.over();
};
const dead = { status: 410, reason: 'Unregistered', timestamp: Date.now() + 3_600_000 };
const refused = { status: 403, reason: 'InvalidProviderToken' };
const deskAnswers = async (s: Site, afterMs: number) => {
  const desk = await s.desk();
  await s.calls('5');
  const rung = await desk.waitForCall();
  await delay(afterMs);
  await rung.answer();
  await delay(100);
  await s.over();
};

const PRODUCED: Readonly<Record<string, (s: Site) => Promise<void>>> = {
  // The first of those whose token dies: of a site this small the brake lets no more than three go.
  'the last binding had ended: the service had called the token dead': async (s) => {
    await s.asleep();
    treat(s, dead);
    await inVain(s);
    await scene.stored.waitFor(`${s.user}@${REALM}`, 'ended', (r) => r.bindings.length === 0);
    await inVain(s);
  },
  'woken, rang, answered': async (s) => {
    await s.wakes({ kind: 'auto', afterMs: 300 });
    await s.over();
  },
  'woken, rang, the ring time went by': async (s) => {
    await s.wakes();
    await s.over();
  },
  'woken, rang, the caller hung up': async (s) => {
    await s.wakes();
    await s.rung();
    await delay(300);
    s.call.cancel();
    await s.over();
  },
  'woken, rang, a desk phone answered': async (s) => {
    const desk = await s.desk();
    await s.asleep();
    s.phone.wakesByPush();
    await s.calls('5');
    await s.rung();
    await delay(500);
    await (await desk.waitForCall()).answer();
    await delay(200);
    await s.over();
  },
  'woken, and the phone is busy (486)': async (s) => {
    await s.wakes({ kind: 'reject', code: 486 });
    await s.over();
  },
  'woken, rang, declined (603)': async (s) => {
    await s.wakes();
    const rung = await s.rung();
    await delay(300);
    rung.reject(603);
    await s.over();
  },
  'woken, rang, declined (603), and the policy says that holds for all devices': async (s) => {
    await s.wakes();
    const rung = await s.rung();
    await delay(300);
    rung.reject(603);
    await s.over();
  },
  'woken, rang, dismissed (480)': async (s) => {
    await s.wakes();
    const rung = await s.rung();
    await delay(300);
    rung.reject(480);
    await s.over();
  },
  'still registered: rang at its stored contact, answered': async (s) => {
    s.phone = await Mobile.install(scene, s.user, { transport: 'tls', answer: { kind: 'auto', afterMs: 300 } });
    await s.phone.bind();
    await inVain(s);
  },
  'came by a new contact that says nothing of its device, answered': async (s) => {
    await s.asleep();
    s.phone.phone.answer = { kind: 'auto' };
    await s.calls();
    await s.phone.callPush();
    await s.comes('');
    await s.over();
  },
  'a desk phone answered after 0.6 s, the phone still slept': async (s) => {
    await s.asleep();
    await deskAnswers(s, 600);
  },
  'a desk phone answered after 0.6 s, the phone came after 2 s': async (s) => {
    await s.asleep();
    await deskAnswers(s, 600);
    await delay(1_300);
    await s.comes();
  },
  'a desk phone answered after 12 s, the phone had not come': async (s) => {
    await s.asleep();
    await deskAnswers(s, 5_000);
  },
  'the caller hung up after 0.9 s': async (s) => {
    await s.asleep();
    await s.calls();
    await delay(900);
    s.call.cancel();
    await s.over();
  },
  'the caller hung up after 8 s, the phone came after 9 s': async (s) => {
    await s.asleep();
    await s.calls();
    await delay(3_500);
    s.call.cancel();
    await s.over();
    await delay(700);
    await s.comes();
  },
  'the ring time of 20 s was over, the phone came after 22 s': async (s) => {
    await s.asleep();
    await inVain(s);
    await delay(1_500);
    await s.comes();
  },
  'the dialplan ended the call after 0.9 s': async (s) => {
    await s.asleep();
    await s.calls('4');
    await s.over();
  },
  'the push was taken, the ring time went by: a phone of which nothing is known did not come': async (s) => {
    await s.asleep();
    await inVain(s);
  },
  'the service says that the token is dead': async (s) => {
    await s.asleep();
    treat(s, dead);
    await inVain(s);
  },
  'the token is dead, and the phone comes after the end': async (s) => {
    await s.asleep();
    treat(s, dead);
    await inVain(s);
    await delay(1_500);
    await s.comes();
  },
  'the token is dead, the app is opened by hand while the call waits': async (s) => {
    await s.asleep();
    treat(s, dead);
    s.phone.phone.answer = { kind: 'auto' };
    await s.calls();
    await delay(1_500);
    await s.comes();
    await s.over();
  },
  'the service refuses our key (403)': async (s) => {
    await s.asleep();
    treat(s, refused);
    await inVain(s);
  },
  'the service refuses our key, and the phone comes after the end': async (s) => {
    await s.asleep();
    treat(s, refused);
    await inVain(s);
    await delay(1_500);
    await s.comes();
  },
  'the service refuses our key, a desk phone answers': async (s) => {
    await s.asleep();
    treat(s, refused);
    await deskAnswers(s, 2_500);
  },
  'the service takes the connection and never answers': async (s) => {
    await s.asleep();
    treat(s, 'hang');
    await inVain(s);
  },
  'the service wants fewer pushes (429), twice in a call of 6 s': async (s) => {
    await s.asleep();
    treat(s, { status: 429, reason: 'TooManyRequests' });
    await inVain(s);
  },
  'the service is out at the first try (503) and takes the second: answered': async (s) => {
    await s.asleep();
    treat(s, { status: 503, reason: 'ServiceUnavailable' }, 'once');
    s.phone.phone.answer = { kind: 'auto' };
    s.phone.wakesByPush();
    await inVain(s);
  },
  'the service cannot do with this push (400)': async (s) => {
    await s.asleep();
    treat(s, { status: 400, reason: 'BadPriority' });
    await inVain(s);
  },
  'the caller hung up before the service had answered': async (s) => {
    await s.asleep();
    treat(s, 'hang');
    await s.calls();
    await delay(300);
    s.call.cancel();
    await s.over();
  },
  'woken and dialled, and no 180 came back': async (s) => {
    await s.wakes({ kind: 'silent' });
    await s.over();
  },
  'woken, with a Contact that could add a leg to the dial string': async (s) => {
    await s.asleep();
    await s.calls();
    await s.phone.callPush();
    await s.phone.phone.wake();
    const uri = s.phone.phone.contactUri.replace(`${s.user}@`, `${s.user},x@`);
    const { status } = await s.phone.phone.register({ contact: `<${uri}${s.phone.identity.params}>`, newCallId: true });
    expect(status).toBe(200);
    await s.over();
  },
  'woken just when the ring time was over': async (s) => {
    await s.asleep();
    s.phone.phone.answer = { kind: 'silent' };
    await s.calls();
    await delay(3_600);
    await s.comes();
    await s.over();
  },
  'woken, and the PBX refuses its REGISTER (403)': async (s) => {
    await takesTheLastPlace(s);
    await s.calls();
    await s.phone.callPush();
    await s.isRefused(s.phone.identity.params);
    await s.over();
  },
  'woken, and the PBX refuses its REGISTER (403, without a word of its device)': async (s) => {
    await takesTheLastPlace(s);
    await s.calls();
    await s.phone.callPush();
    await s.isRefused('');
    await s.over();
  },
  'the PBX refuses the first REGISTER and takes the second: answered': async (s) => {
    const desk = await takesTheLastPlace(s);
    s.phone.phone.answer = { kind: 'auto' };
    await s.calls();
    await s.phone.callPush();
    await s.isRefused(s.phone.identity.params);
    await desk.unregister();
    await s.comes();
    await s.over();
  },
  'no REGISTER with push parameters was ever seen': inVain,
  'the last binding had ended: push was switched off in the app, or it logged out': async (s) => {
    s.phone = await Mobile.install(scene, s.user, { transport: 'tls' });
    await s.phone.bind();
    await s.phone.phone.unregister();
    await scene.stored.waitFor(`${s.user}@${REALM}`, 'ended', (r) => r.bindings.length === 0);
    await inVain(s);
  },
  'the last binding had ended: dropped by hand': async (s) => {
    await s.asleep();
    await admin(`/v1/bindings/${s.user}@${REALM}`, 'DELETE');
    await scene.stored.waitFor(`${s.user}@${REALM}`, 'ended', (r) => r.bindings.length === 0);
    await inVain(s);
  },
};

/** Another phone of the account registers, and it may have no more contacts. */
async function takesTheLastPlace(s: Site): Promise<SipPhone> {
  await s.asleep();
  await vi.waitFor(async () => expect(await scene.contacts(s.user)).toEqual([]), { timeout: 5_000 });
  const desk = await scene.phone(s.user, { answer: { kind: 'ring' } });
  const { status } = await desk.register();
  if (status !== 200) throw new Error(`REGISTER of the other phone: ${status}`);
  return desk;
}

const years = 'the push was taken, the ring time went by: a phone that';
/** What the store knows of an account when pushwake starts, where that takes longer than a test may. The call is in vain. */
const KNOWN: Readonly<Record<string, (now: number) => Partial<AorRecord> | Partial<Binding>>> = {
  // First: it goes on ending an hour from now.
  'the only binding is ending': (now) => ({
    ending: { reason: 'age', since: instant(now - HOUR), notice: 'done', contact: 'due' },
    notBefore: instant(now + HOUR),
  }),
  [`${years} usually comes did not`]: () => ({ wakes: [1_700, 1_800, null, 1_900] }),
  [`${years} never came for a push did not`]: () => ({ wakes: [null, null, null] }),
  [`${years} comes seldom did not`]: () => ({ wakes: [null, null, 1_000, null, null] }),
  'the certificate of the service is not trusted': () => ({ targets: at('stranger') }),
  'the service cannot be reached for the whole call': () => ({ targets: at('nowhere') }),
  'the push service of the device is not configured': () => ({ targets: at('another') }),
  'the last binding had ended: silent for its whole lifetime': (now) => ({
    bindings: [],
    tombstones: [
      {
        id: '00000000000000b1' as BindingId,
        reason: 'age',
        endedAt: instant(now - 2 * HOUR),
        renewedAt: instant(now - 7 * DAY),
        tokens: [],
      },
    ],
  }),
};

const at = (provider: string): Binding['targets'] => {
  const target = { provider, app: 'app', token: new Token(`token-at-${provider}-0123456789`) };
  return { call: target, other: target };
};

/** Endings that this PBX cannot be brought to. */
const NOT_HERE: Readonly<Record<string, string>> = {
  'woken, and the link to the PBX was away': 'a contact that is new is heard of by the same link',
  'woken, and the PBX refuses its REGISTER (404)': 'an account that is asked for is there',
  'woken, and the PBX refuses its REGISTER (503)': 'its contacts are in its own memory',
  'the service hangs, and the caller hangs up after 4 s':
    'Apple’s own client ends each try itself, and says why: the row of a service that never answers',
};

/** `npm run test:endings` has them all; `npm test` has no time for those of `KNOWN`. */
const PREPARED = process.env.PUSHWAKE_ENDINGS === 'long' ? Object.keys(KNOWN) : [];
const names = [...PREPARED, ...Object.keys(PRODUCED)];
const ALONE = [
  'pushwake was started anew while the call waited: answered after 5.4 s of the call',
  'pushwake was started anew while the call waited, and nobody came',
  'pushwake only observes',
  'the PBX does not say what it holds',
];
/** Whose account may have one contact. */
const ONE_PLACE = names.flatMap((name, i) => (/the PBX refuses/.test(name) ? [userOf(i)] : []));

function userOf(index: number): string {
  return `10${String(index + 1).padStart(2, '0')}`;
}

async function prepare(): Promise<void> {
  const clock = new FakeClock();
  const store = createStore({ path: scene.storePath }, { clock, log: new RecordedLog(), name: 'sqlite' });
  await store.open();
  const now = Date.now();
  for (const name of PREPARED) {
    const user = userOf(names.indexOf(name));
    const params = pushParamsOf(`sip:${user}@127.0.0.1${scene.install().params}`);
    if (params.kind !== 'push') throw new Error('not a push Contact');
    const what = KNOWN[name]?.(now) ?? {};
    const isRecord = 'tombstones' in what;
    const binding = bindingEndingIn(6 * DAY, instant(now), {
      id: `b${user}00000000000`.slice(0, 16) as BindingId,
      targets: params.targets,
      contacts: [],
      ...(isRecord ? {} : (what as Partial<Binding>)),
    });
    const record: AorRecord = {
      aor: `${user}@${REALM}` as Aor,
      version: 0,
      bindings: [binding],
      tombstones: [],
      ...(isRecord ? what : {}),
    };
    expect(await store.put(record, 0)).toMatchObject({ ok: true });
  }
  await store.close();
}

beforeAll(async () => {
  adminPort = await freeUdpPort();
  webhook = await startWebhookStandIn({ now: () => instant(Date.now()) } as Clock, { plain: true });
  stranger = await startWebhookStandIn({ now: () => instant(Date.now()) } as Clock);
  const accounts = [...names, ...ALONE].map((_, i) => userOf(i));
  scene = await Scene.start({
    name: 'endings',
    hep: true,
    withoutPushwake: true,
    users: [
      { id: '2000', callerId: 'The Caller <2000>' },
      ...accounts.flatMap((id) => [
        { id, ...(ONE_PLACE.includes(id) ? { maxContacts: 1, rewriteContact: true } : {}) },
        { id: id.replace('10', '15') },
      ]),
    ],
    extensions: EXTENSIONS,
    policy: '  retryVoip: 0s',
  });
  proxy = await TcpProxy.start(scene.asterisk.ports.ari);
  await prepare();
  scene.pushwake.configure(yaml('full'));
  await scene.startPushwake();
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => {
  await scene?.close();
  await webhook?.close();
  await stranger?.close();
  await proxy?.close();
});

function yaml(mode: string): string {
  const everywhere = userOf(
    names.indexOf('woken, rang, declined (603), and the policy says that holds for all devices'),
  );
  return scene.yaml({
    mode,
    url: `http://127.0.0.1:${proxy.port}`,
    push: `  stranger: { type: webhook, url: "${stranger.url}", secret: ${WEBHOOK_SECRET} }
  nowhere: { type: webhook, url: "http://127.0.0.1:1/", secret: ${WEBHOOK_SECRET} }
`,
    more: `http: { admin: { listen: "127.0.0.1:${adminPort}", tokens: [{ name: op, role: operate, token: ${OPERATOR} }] } }
policies:
  - { aor: ${everywhere}@${REALM}, policy: { declineEverywhere: true } }
events: { crm: { url: "${webhook.url}", secret: ${WEBHOOK_SECRET}, only: [missed] } }
`,
  });
}

async function admin(path: string, method = 'GET'): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}${path}`, {
    method,
    headers: { authorization: `Bearer ${OPERATOR}` },
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text;
}

interface Explained {
  readonly calls: readonly {
    readonly trace: { readonly callId: string };
    readonly sentences: readonly string[];
    readonly cause?: string;
    readonly remedy?: string;
  }[];
}

/** The same sentence with other times: what differs here is how long things take. */
const anyTime = (text: RegExp) => new RegExp(text.source.replaceAll(/\d+\\\.\d/g, '\\d+\\.\\d'), text.flags);

const asHtml = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** Asterisk's logger, the webhook and a REGISTER that comes late are seen a moment after the call. */
const isSaidOf = (what: string, user: string): Promise<void> =>
  vi.waitFor(() => saysSo(what, user), { timeout: 4_000, interval: 100 });

async function saysSo(what: string, user: string): Promise<void> {
  const expected = ENDINGS.find((e) => e.what === what);
  if (!expected) throw new Error(`no such ending: ${what}`);
  const status = () =>
    [...scene.asterisk.logText().matchAll(/ENDS (\d+) (\w*)/g)].filter((m) => m[1] === user).at(-1)?.[2];
  const { calls } = JSON.parse(await admin(`/v1/explain?of=${user}@${REALM}`)) as Explained;
  const [call] = calls;
  if (!call) throw new Error('explain knows no call');
  expect(call.sentences[0]).toMatch(anyTime(expected.end));
  if (expected.cause) expect(call.cause).toMatch(anyTime(expected.cause));
  else expect(call.cause).toBeUndefined();
  if (expected.remedy) expect(call.remedy).toMatch(anyTime(expected.remedy));
  else expect(call.remedy).toBeUndefined();
  const page = await admin(`/calls/${call.trace.callId}`);
  for (const text of [call.cause, call.remedy])
    if (text !== undefined) expect(page.replaceAll('&#39;', "'")).toContain(asHtml(text));
  if (expected.status !== '–') expect(status()).toBe(expected.status);
  const missed = () =>
    webhook.bodies
      .map((text) => JSON.parse(text) as { type: string; aor: string; data: { callId: string; why: string } })
      .find((e) => e.type === 'missed' && e.data.callId === call.trace.callId)?.data.why;
  expect(missed()).toBe(expected.missed);
}

describe('what is said of a call', () => {
  it('every ending is produced here, but for those that this PBX cannot be brought to', () => {
    const left = Object.keys(KNOWN).filter((name) => !names.includes(name));
    expect([...names, ...left, ...ALONE, ...Object.keys(NOT_HERE)].sort()).toEqual(ENDINGS.map((e) => e.what).sort());
  });

  // Each has its own account; a few at a time, for two cores.
  for (const chunk of inChunks(names, 8)) {
    describe.concurrent(`${chunk[0]} …`, () => {
      it.each(chunk)('%s', async (what) => {
        const site = new Site(userOf(names.indexOf(what)));
        await (PRODUCED[what] ?? inVain)(site);
        await isSaidOf(what, site.user);
      });
    });
  }

  it('pushwake was started anew while two calls waited: one was answered, and nobody came for the other', async () => {
    const [answered, nobody] = ALONE.map((_, i) => new Site(userOf(names.length + i))) as [Site, Site];
    await answered.asleep();
    await nobody.asleep();
    answered.phone.phone.answer = { kind: 'auto' };
    // Long enough for a new start.
    await answered.calls('5');
    await nobody.calls('5');
    await answered.phone.callPush();
    await nobody.phone.callPush();
    for (const { user } of [answered, nobody]) {
      const aor = `${user}@${REALM}`;
      await scene.pushwake.waitForLog((l) => l.aor === aor && l.step === 'composed', { what: `the dial of ${aor}` });
    }
    await scene.pushwake.stop('SIGKILL');
    await scene.startPushwake();
    await answered.comes();
    await answered.over();
    await nobody.over();
    await isSaidOf(ALONE[0] as string, answered.user);
    await isSaidOf(ALONE[1] as string, nobody.user);
  });

  it('the PBX does not say what it holds', async () => {
    const site = new Site(userOf(names.length + 3));
    await site.asleep();
    proxy.deafen();
    await site.calls();
    await site.over();
    proxy.mend();
    await isSaidOf(ALONE[3] as string, site.user);
  });

  it('pushwake only observes', async () => {
    const site = new Site(userOf(names.length + 2));
    await site.asleep();
    await scene.pushwake.stop();
    scene.pushwake.configure(yaml('observe'));
    await scene.startPushwake();
    await inVain(site);
    await isSaidOf(ALONE[2] as string, site.user);
    expect(site.phone.callPushes.map(ours)).toEqual([]);
  });
});

function inChunks<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}
