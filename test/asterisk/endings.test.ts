/**
 * The endings of `test/runtime/endings.cases.ts`, each produced on a real Asterisk, and what the running product says of it: `explain`, the
 * status page, the event `missed` and PUSHWAKE_STATUS in the dialplan. Times are shorter: a phone rings for 4 s.
 */

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { create as createStore } from '../../adapters/store/sqlite/index.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import type { AorRecord, Binding, BindingId } from '../../plugin/core/binding.ts';
import { pushParamsOf } from '../../plugin/core/push-params.ts';
import { DAY, instant } from '../../plugin/core/time.ts';
import type { Clock } from '../../plugin/ports/clock.ts';
import { ENDINGS } from '../runtime/endings.cases.ts';
import { bindingEndingIn } from '../support/builders.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { freeUdpPort, REALM, Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { startWebhookStandIn, WEBHOOK_SECRET, type WebhookStandIn } from '../support/webhook-stand-in.ts';
import { ours } from './calls-support.ts';
import { ACTED, type Bench, inVain, KNOWN, NOT_HERE, PRODUCED, Site } from './endings-produced.ts';

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
let bench: Bench;
let caller: SipPhone;
let webhook: WebhookStandIn;
/** A service of our own whose certificate nobody trusts. */
let stranger: WebhookStandIn;
let proxy: TcpProxy;
/** A push service that takes each connection and never answers. */
let mute: Server;
let adminPort: number;

/** `npm run test:endings` has them all; `npm test` has no time for those of `KNOWN`. */
const PREPARED = process.env.PUSHWAKE_ENDINGS === 'long' ? Object.keys(KNOWN) : [];
const names = [...PREPARED, ...Object.keys(PRODUCED)];
const ALONE = [
  'pushwake was started anew while the call waited: answered after 5.4 s of the call',
  'pushwake was started anew while the call waited, and nobody came',
  'pushwake only observes',
  'the PBX does not say what it holds',
  'the link to the PBX goes away while the call waits, and the phone comes meanwhile',
];
/** Whose account may have one contact. */
const ONE_PLACE = names.flatMap((name, i) => (/the PBX refuses/.test(name) ? [userOf(i)] : []));
/** Whose contact Asterisk forgets with its connection, which it does by `rewrite_contact` alone: one that is held is left to expire (ADR 0111). */
const FORGOTTEN = names.flatMap((name, i) =>
  /^the last binding had ended: the service/.test(name) ? [userOf(i)] : [],
);

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
  mute = createServer((socket) => void socket.on('error', () => undefined)).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  stranger = await startWebhookStandIn({ now: () => instant(Date.now()) } as Clock);
  const accounts = [...names, ...ALONE].map((_, i) => userOf(i));
  scene = await Scene.start({
    name: 'endings',
    hep: true,
    withoutPushwake: true,
    users: [
      { id: '2000', callerId: 'The Caller <2000>' },
      ...accounts.flatMap((id) => [
        {
          id,
          ...(ONE_PLACE.includes(id) ? { maxContacts: 1 } : {}),
          rewriteContact: ONE_PLACE.includes(id) || FORGOTTEN.includes(id),
        },
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
  bench = { scene, caller, admin };
});
afterAll(async () => {
  await scene?.close();
  await webhook?.close();
  await stranger?.close();
  await proxy?.close();
  mute?.close();
});

function yaml(mode: string): string {
  const everywhere = userOf(
    names.indexOf('woken, rang, declined (603), and the policy says that holds for all devices'),
  );
  return scene.yaml({
    mode,
    url: `http://127.0.0.1:${proxy.port}`,
    push: `  stranger: { type: webhook, url: "${stranger.url}", secret: ${WEBHOOK_SECRET} }
  mute: { type: webhook, url: "http://127.0.0.1:${(mute.address() as AddressInfo).port}/", secret: ${WEBHOOK_SECRET} }
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

/** PUSHWAKE_STATUS as the dialplan has it when the call is over. */
const statusOf = (user: string): string | undefined =>
  [...scene.asterisk.logText().matchAll(/ENDS (\d+) (\w*)/g)].filter((m) => m[1] === user).at(-1)?.[2];

/** Asterisk's logger, the webhook and a REGISTER that comes late are seen a moment after the call. */
const isSaidOf = (what: string, user: string): Promise<void> =>
  vi.waitFor(() => saysSo(what, user), { timeout: 4_000, interval: 100 });

async function saysSo(what: string, user: string): Promise<void> {
  const expected = ENDINGS.find((e) => e.what === what);
  if (!expected) throw new Error(`no such ending: ${what}`);
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
  if (expected.status !== '–') expect(statusOf(user)).toBe(expected.status);
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
        const site = new Site(bench, userOf(names.indexOf(what)));
        await (PRODUCED[what] ?? ACTED[what] ?? inVain)(site);
        await isSaidOf(what, site.user);
      });
    });
  }

  it('pushwake was started anew while two calls waited: one was answered, and nobody came for the other', async () => {
    const [answered, nobody] = ALONE.map((_, i) => new Site(bench, userOf(names.length + i))) as [Site, Site];
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
    const site = new Site(bench, userOf(names.length + 3));
    await site.asleep();
    proxy.deafen();
    await site.calls();
    await site.over();
    proxy.mend();
    await isSaidOf(ALONE[3] as string, site.user);
  });

  it('the link to the PBX was away when the phone registered', async () => {
    const site = new Site(bench, userOf(names.length + 4));
    await site.asleep();
    await site.calls();
    const callId = await site.phone.callId();
    await scene.pushwake.waitForLog((l) => l.callId === callId && l.step === 'composed', { what: 'the dial' });
    proxy.cut();
    await site.comes();
    await site.over();
    proxy.mend();
    await isSaidOf(ALONE[4] as string, site.user);
  });

  it('pushwake only observes', async () => {
    const site = new Site(bench, userOf(names.length + 2));
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
