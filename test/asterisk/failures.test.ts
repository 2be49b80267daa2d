/**
 * Fail open, on a real Asterisk: pushwake absent, killed, stopped, cut off; Asterisk restarted. Known contacts ring within two
 * seconds, no channel is left, the link comes back by itself, and what was missed meanwhile is caught up.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SipUser } from '../support/asterisk/index.ts';
import { hang, INSPECTABLE } from '../support/hang.ts';
import { DIALPLAN, REALM, Scene } from '../support/scene.ts';
import type { OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

/** The longest a known contact may wait, in ms: the guard of the wake leg, and a little for the machine. */
const RINGS_WITHIN = 2_000;

const numbers = Array.from({ length: 30 }, (_, i) => String(1001 + i));
const USERS: readonly SipUser[] = [...numbers.map((id) => ({ id })), { id: '1099', maxContacts: 100 }, { id: '2000' }];
const aor = (user: string) => `${user}@${REALM}`;

/** 6AABB: the desk phone 10AA and the mobile 10BB ring together; the mobile through pushwake. */
const BOTH = `exten => _6XXXX,1,Dial(PJSIP/10\${EXTEN:1:2}&Local/10\${EXTEN:3:2}@pushwake/n,30)
 same => n,Goto(after,s,1)
`;

let scene: Scene;
let proxy: TcpProxy;
let caller: SipPhone;
const figures: string[] = [];

beforeAll(async () => {
  const extensions = DIALPLAN.replace('[internal]\n', `[internal]\n${BOTH}`);
  // 1007 takes the slower way: its stored UDP contact never counts as awake.
  scene = await Scene.start({
    name: 'fail',
    users: USERS,
    extensions,
    policy: `policies:\n  - { aor: ${aor('1007')}, policy: { freshContact: 0s } }\n`,
    withoutPushwake: true,
    env: INSPECTABLE,
  });
  proxy = await TcpProxy.start(scene.asterisk.ports.ari);
  scene.pushwake.configure(scene.yaml({ url: `http://127.0.0.1:${proxy.port}` }));
  caller = await scene.phone('2000');
  await caller.register();
});

beforeEach(async () => {
  proxy.mend();
  if (scene.pushwake.pid === undefined) await scene.startPushwake();
});

afterEach(async () => {
  scene.pushwake.thaw();
  proxy.mend();
  // A test that failed leaves the next one a quiet Asterisk.
  for (const call of caller.outgoing) call.cancel();
  for (const phone of scene.phones) for (const call of phone.calls) await call.hangup().catch(() => undefined);
});

afterAll(async () => {
  console.log(figures.join('\n'));
  await scene?.close();
  await proxy?.close();
});

/** A phone that is awake, known to the PBX and to pushwake. */
async function awake(user: string, transport: 'udp' | 'tcp' = 'tcp'): Promise<SipPhone> {
  const phone = await scene.phone(user, { transport, answer: { kind: 'auto' } });
  await scene.bind(phone, scene.install());
  return phone;
}

/** Whether Asterisk asks us. */
async function hasApplication(): Promise<boolean> {
  const { url, user, password } = scene.asterisk.ari;
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return (await fetch(`${url}/ari/applications/pushwake`, { headers: { authorization } })).ok;
}

/** Calls, and waits until the known phone has rung and answered. */
async function ringsAndTalks(what: string, phone: SipPhone): Promise<OutgoingCall> {
  const before = phone.invites.length;
  const call = await caller.call(phone.user);
  const { status } = await call.done;
  expect(status).toBe(200);
  const fresh = phone.invites.slice(before);
  const ms = Math.round((fresh[0]?.at ?? Number.NaN) - call.invitedAt);
  figures.push(`${what}: the phone rang after ${ms} ms`);
  expect(ms).toBeLessThan(RINGS_WITHIN);
  expect(new Set(fresh.map((i) => i.callId)).size, 'one ringing INVITE').toBe(1);
  expect(phone.log.find(/^INVITE [\s\S]*pn-/, 'received')).toEqual([]);
  return call;
}

async function ends(call: OutgoingCall): Promise<void> {
  await call.hangup();
  await scene.asterisk.waitForNoChannels(15_000);
}

describe('pushwake is away', () => {
  it('never started: every known contact rings at once', async () => {
    const phone = await awake('1001');
    await scene.pushwake.stop();
    await ends(await ringsAndTalks('not started', phone));
  });

  it('SIGKILLed: the call right after it takes the plain path', async () => {
    const phone = await awake('1002');
    await scene.pushwake.stop('SIGKILL');
    await ends(await ringsAndTalks('SIGKILLed before the call', phone));
  });

  it('SIGSTOPped before a call: the guard takes over; continued, its link is back and it wakes phones again', async () => {
    const phone = await awake('1003');
    scene.pushwake.freeze();
    await ends(await ringsAndTalks('SIGSTOPped before the call', phone));
    scene.pushwake.thaw();
    await wakesAPhone('1004');
  });

  it.each([
    ['SIGSTOP', '60506'],
    ['SIGKILL', '62324'],
  ] as const)('%s while a call waits on a sleeping phone: the awake one rings on and answers', async (how, number) => {
    const desk = await scene.phone(`10${number.slice(1, 3)}`, { answer: { kind: 'ring' } });
    await desk.register();
    const mobile = await scene.phone(`10${number.slice(3)}`, { transport: 'tcp' });
    await scene.bind(mobile, scene.install());
    await mobile.sleep();
    const call = await caller.call(number);
    const ringing = await desk.waitForCall();
    await aLegWaits();
    if (how === 'SIGSTOP') scene.pushwake.freeze();
    else await scene.pushwake.stop(how);
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await ends(call);
    if (how === 'SIGKILL') return;
    scene.pushwake.thaw();
    await wakesAPhone('1030');
  });

  it('SIGSTOPped while the contact it composed is not known to be awake: Asterisk rings it by itself', async () => {
    const phone = await awake('1007', 'udp');
    const from = scene.pushwake.log.length;
    const composed = scene.pushwake.waitForLog((l) => l.step === 'composed', { from });
    const call = await caller.call('1007');
    await composed;
    scene.pushwake.freeze();
    expect((await call.done).status).toBe(200);
    const ms = Math.round((phone.invites[0]?.at ?? Number.NaN) - call.invitedAt);
    figures.push(`SIGSTOPped during the call, stored UDP contact: the phone rang after ${ms} ms`);
    // Its own 1.8 s begin when the call is composed; a busy machine adds to them. Nothing else would let it ring before the
    // 30 of the Dial.
    expect(ms).toBeLessThan(RINGS_WITHIN + 500);
    await ends(call);
    scene.pushwake.thaw();
    await wakesAPhone('1030');
  });
});

describe('a thread of pushwake hangs', () => {
  it('the main one: after a second its standby takes the application away, so that calls need not even wait for the guard', async () => {
    const phone = await awake('1019');
    await expect.poll(() => proxy.webSockets).toBe(1);
    const log = scene.pushwake.log.length;
    await hang(scene.pushwake, 'main', 5_000);
    await ends(await ringsAndTalks('main thread hangs, first call', phone));
    await expect.poll(hasApplication, { timeout: 3_000, interval: 20 }).toBe(false);
    const begun = performance.now();
    await ends(await ringsAndTalks('main thread hangs, application taken away', phone));
    // The guard alone would take 1.5 s, and the talk is hung up at once.
    expect(performance.now() - begun).toBeLessThan(1_400);
    const down = await scene.waitForLog('pbx link down, calls take the plain path', log);
    expect(down.reason).toBe('the main thread stood still for a second');
    await scene.waitForLog('pbx link up', log);
    expect(await hasApplication()).toBe(true);
    await wakesAPhone('1020');
    expect(proxy.webSockets).toBe(1);
  });

  it('the standby: nobody is kept waiting for it', async () => {
    await hang(scene.pushwake, 'standby', 60_000);
    await wakesAPhone('1022');
  });
});

describe('the line to Asterisk', () => {
  it('cut: calls take the plain path, the link comes back by itself, what was missed is caught up', async () => {
    const phone = await awake('1008');
    const log = scene.pushwake.log.length;
    proxy.cut();
    await scene.waitForLog('pbx link down, calls take the plain path', log);
    await ends(await ringsAndTalks('websocket cut', phone));

    const missed = await scene.phone('1009');
    const install = scene.install();
    await missed.register({ contactParams: install.params });
    proxy.mend();
    await scene.waitForLog('pbx link up', log);
    await scene.stored.waitFor(aor('1009'), 'bound by the resync', (r) => r.bindings.length === 1);
    await wakesAPhone('1010');
  });

  it('cut while a call waits: the phone that registers when it is back rings', async () => {
    const phone = await scene.phone('1011', { transport: 'tcp', answer: { kind: 'auto' } });
    const install = scene.install();
    await scene.bind(phone, install);
    await phone.sleep();
    const log = scene.pushwake.log.length;
    const call = await caller.call('1011');
    await aLegWaits();
    proxy.cut();
    await scene.waitForLog('pbx link down, calls take the plain path', log);
    proxy.mend();
    await scene.waitForLog('pbx link up', log);
    await phone.wake();
    const { at } = await phone.register({ contactParams: install.params });
    expect((await call.done).status).toBe(200);
    figures.push(`line cut while the call waited: REGISTER → INVITE ${Math.round(phone.invites[0]!.at - at)} ms`);
    await ends(call);
    expect(new Set(phone.invites.map((i) => i.callId)).size).toBe(1);
  });

  it('stalled without a word: the guard takes over, and afterwards phones are woken again', async () => {
    const phone = await awake('1012');
    const log = scene.pushwake.log.length;
    proxy.stall();
    await ends(await ringsAndTalks('line stalled', phone));
    proxy.mend();
    await wakesAPhone('1013');
    expect(scene.pushwake.log.slice(log).filter((l) => l.msg === 'unexpected error, ending')).toEqual([]);
  });
});

describe('Asterisk restarts while a call waits', () => {
  it('the link is back by itself, missed registrations are caught up, the next call wakes and rings', async () => {
    const known = await awake('1014', 'udp');
    const phone = await scene.phone('1015', { answer: { kind: 'auto' } });
    const install = scene.install();
    await scene.bind(phone, install);
    await phone.sleep();
    await caller.call('1015');
    await aLegWaits();
    const log = scene.pushwake.log.length;
    proxy.cut();
    await scene.asterisk.restart();
    // pushwake is not there yet when this phone registers.
    const missed = await scene.phone('1016');
    const missedInstall = scene.install();
    expect((await missed.register({ contactParams: missedInstall.params })).status).toBe(200);
    proxy.mend();
    await scene.waitForLog('pbx link up', log);
    const over = await scene.pushwake.waitForLog((l) => l.msg === 'call over' && l.aor === aor('1015'), { from: log });
    expect(over.outcome).toBe('gave-up');
    await scene.stored.waitFor(aor('1016'), 'bound by the resync', (r) => r.bindings.length === 1);

    caller = await scene.phone('2000');
    await caller.register();
    await known.register();
    await ends(await ringsAndTalks('after a restart of Asterisk, a contact it restored', known));
    const woken = scene.wakeByPush(phone, install);
    const again = await caller.call('1015');
    expect((await again.done).status).toBe(200);
    woken.stop();
    await ends(again);
  });
});

describe('pushwake is killed while a call waits on a sleeping phone, and started again', () => {
  it.each([
    ['registers afterwards', '1017', false],
    ['has registered meanwhile', '1018', true],
  ] as const)('the phone that %s rings', async (_when, user, meanwhile) => {
    const phone = await scene.phone(user, { transport: 'tcp', answer: { kind: 'auto' } });
    const install = scene.install();
    await scene.bind(phone, install);
    await phone.sleep();
    const call = await caller.call(user);
    await aLegWaits();
    await scene.pushwake.stop('SIGKILL');
    await phone.wake();
    if (meanwhile) await phone.register({ contactParams: install.params });
    const log = scene.pushwake.log.length;
    await scene.startPushwake();
    await scene.pushwake.waitForLog((l) => l.step === 'waiting call taken up', { from: log });
    if (!meanwhile) await phone.register({ contactParams: install.params });
    expect((await call.done).status).toBe(200);
    expect(new Set(phone.invites.map((i) => i.callId)).size).toBe(1);
    expect(scene.apns.pushes.filter((p) => p.token === install.voip)).toHaveLength(1);
    await ends(call);
  });
});

/** The call waits on a sleeping phone: its leg is in the plugin's application. */
async function aLegWaits(): Promise<void> {
  const channels = () => scene.asterisk.cli('core show channels concise');
  await expect.poll(channels, { interval: 20, timeout: 5_000 }).toMatch(/!pushwake-device!.*!Stasis!/);
}

/** The whole way works (again): a sleeping phone is pushed, registers, rings and answers. */
async function wakesAPhone(user: string): Promise<void> {
  const phone = await scene.phone(user, { transport: 'tcp', answer: { kind: 'auto' } });
  const install = scene.install();
  await scene.bind(phone, install);
  await phone.sleep();
  await linkIsUp();
  const woken = scene.wakeByPush(phone, install);
  const call = await caller.call(user);
  expect((await call.done).status, scene.pushwake.output.slice(-4_000)).toBe(200);
  woken.stop();
  expect(woken.pushes).toHaveLength(1);
  await ends(call);
  await phone.unregister();
  await phone.sleep();
}

/** What was said last of the link is that it is up. */
async function linkIsUp(): Promise<void> {
  const last = () => scene.pushwake.log.findLast((l) => l.msg.startsWith('pbx link '))?.msg;
  await expect.poll(last, { timeout: 15_000, interval: 20 }).toBe('pbx link up');
}
