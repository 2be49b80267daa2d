/**
 * Fail open, on a real FreeSWITCH: pushwake absent, killed, stopped, cut off; FreeSWITCH restarted, mod_sofia reloaded. Known
 * contacts ring within two seconds, no channel is left, the link comes back by itself, what was missed is caught up.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FreeswitchScene, freeswitchUsers } from '../support/freeswitch-scene.ts';
import { Mobile, wakeOver } from '../support/mobile.ts';
import { REALM } from '../support/pbx-scene.ts';
import type { OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

/** The longest a known contact may wait, in ms: the guard of the dialplan, and a little for the machine. */
const RINGS_WITHIN = 2_200;

let scene: FreeswitchScene;
let proxy: TcpProxy;
let caller: SipPhone;
const figures: string[] = [];
const aor = (user: string) => `${user}@${REALM}`;

beforeAll(async () => {
  scene = await FreeswitchScene.start({ users: freeswitchUsers(40), withoutPushwake: true });
  proxy = await TcpProxy.start(scene.freeswitch.ports.esl);
  scene.pushwake.configure(scene.yaml({ port: proxy.port }));
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
  await scene.cleanUp();
});

afterAll(async () => {
  console.log(figures.join('\n'));
  await scene?.close();
  await proxy?.close();
});

/** A phone that is awake, known to the PBX and to pushwake. */
async function awake(user: string): Promise<SipPhone> {
  const phone = await scene.phone(user, { transport: 'tcp', answer: { kind: 'auto' } });
  await scene.bind(phone, scene.install());
  await scene.marked(aor(user));
  return phone;
}

async function asleep(user: string): Promise<Mobile> {
  const mobile = await Mobile.asleep(scene, user, { transport: 'tcp' });
  await scene.marked(aor(user));
  return mobile;
}

/** Calls, and waits until the known phone has rung once and answered. */
async function ringsAndTalks(what: string, phone: SipPhone): Promise<OutgoingCall> {
  const before = phone.incoming.length;
  const call = await caller.call(phone.user);
  expect((await call.done).status).toBe(200);
  const fresh = phone.incoming.slice(before);
  const ms = Math.round((fresh[0]?.receivedAt ?? Number.NaN) - call.invitedAt);
  figures.push(`${what}: the phone rang after ${ms} ms`);
  expect(ms).toBeLessThan(RINGS_WITHIN);
  expect(fresh, 'one ringing INVITE').toHaveLength(1);
  return call;
}

async function ends(call: OutgoingCall): Promise<void> {
  await call.hangup();
  await scene.freeswitch.waitForNoChannels();
}

async function wakesAPhone(user: string): Promise<void> {
  const mobile = await asleep(user);
  mobile.wakesByPush();
  const call = await caller.call(user);
  const ringing = await mobile.phone.waitForCall(10_000);
  await ringing.answer();
  expect((await call.done).status).toBe(200);
  await ends(call);
}

const linkIsBack = (from: number) => scene.waitForLog('pbx link up', from, 20_000);

describe('pushwake is away', () => {
  it('stopped in order: the known contact rings at once, nobody waits for the guard', async () => {
    const phone = await awake('1001');
    await scene.pushwake.stop();
    const call = await ringsAndTalks('stopped', phone);
    expect((phone.incoming[0]?.receivedAt ?? 0) - call.invitedAt).toBeLessThan(1_000);
    await ends(call);
  });

  it('SIGKILLed: the call right after it waits for the guard at most', async () => {
    const phone = await awake('1002');
    await scene.pushwake.stop('SIGKILL');
    await ends(await ringsAndTalks('SIGKILLed before the call', phone));
  });

  it('SIGKILLed a while ago: its lease has run out, nobody waits', async () => {
    const phone = await awake('1003');
    await scene.pushwake.stop('SIGKILL');
    const deadline = performance.now() + 20_000;
    const lease = async () =>
      Number(await scene.freeswitch.cli('hash select/pushwake/until')) > Number(await scene.freeswitch.cli('strepoch'));
    while ((await lease()) && performance.now() < deadline);
    const call = await ringsAndTalks('SIGKILLed, lease over', phone);
    expect((phone.incoming[0]?.receivedAt ?? 0) - call.invitedAt).toBeLessThan(1_000);
    await ends(call);
  });

  it('SIGSTOPped before a call: the guard takes over; continued, it wakes phones again', async () => {
    const phone = await awake('1004');
    scene.pushwake.freeze();
    await ends(await ringsAndTalks('SIGSTOPped before the call', phone));
    scene.pushwake.thaw();
    await wakesAPhone('1005');
  });

  it.each([
    ['SIGSTOP', '1006'],
    ['SIGKILL', '1007'],
  ] as const)('%s while a call waits on a sleeping phone: the desk phone rings on and answers', async (how, user) => {
    await asleep(user);
    const desk = await scene.phone(user.replace('10', '15'));
    await desk.register();
    const call = await caller.call(`5${user}`);
    const ringing = await desk.waitForCall();
    if (how === 'SIGSTOP') scene.pushwake.freeze();
    else await scene.pushwake.stop(how);
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await ends(call);
  });

  it('SIGKILLed while the woken phone rings: it answers and has the call', async () => {
    const mobile = await asleep('1008');
    mobile.wakesByPush();
    const call = await caller.call('1008');
    const ringing = await mobile.phone.waitForCall();
    await scene.pushwake.stop('SIGKILL');
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await scene.talkAndHangUp(call, ringing);
  });

  it('SIGKILLed and started again while the woken phone rings: one INVITE, it answers and has the call', async () => {
    const mobile = await asleep('1009');
    mobile.wakesByPush();
    const call = await caller.call('1009');
    const ringing = await mobile.phone.waitForCall();
    await scene.pushwake.stop('SIGKILL');
    const from = scene.pushwake.log.length;
    await scene.startPushwake();
    await scene.pushwake.waitForLog((l) => l.msg === 'call step' && l.step === 'composed', { from });
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await scene.talkAndHangUp(call, ringing);
    expect(mobile.phone.incoming).toHaveLength(1);
    const over = await scene.pushwake.waitForLog((l) => l.msg === 'call over', { from });
    expect(over.outcome).toBe('answered');
  });

  it('SIGKILLed and started again while a phone sleeps: it is woken all the same', async () => {
    const mobile = await asleep('1010');
    const before = scene.pushwake.log.length;
    const call = await caller.call('1010');
    await scene.pushwake.waitForLog((l) => l.step === 'composed', { from: before });
    await scene.pushwake.stop('SIGKILL');
    mobile.wakesByPush();
    await scene.startPushwake();
    const ringing = await mobile.phone.waitForCall(10_000);
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await scene.talkAndHangUp(call, ringing);
  });
});

describe('the line to FreeSWITCH', () => {
  it('cut: the known contact rings, the link comes back by itself, what was missed is caught up', async () => {
    const phone = await awake('1011');
    const from = scene.pushwake.log.length;
    proxy.cut();
    await scene.waitForLog('pbx link down, calls take the plain path', from);
    await ends(await ringsAndTalks('line cut', phone));
    const missed = await scene.phone('1012', { transport: 'tcp' });
    await missed.register({ contactParams: scene.install().params });
    proxy.mend();
    await linkIsBack(from);
    await scene.stored.waitFor(aor('1012'), 'bound by the resync', (r) => r.bindings.length === 1);
    await wakesAPhone('1013');
  });

  it('cut while a call waits: the phone that registers when it is back rings', async () => {
    const mobile = await asleep('1014');
    const before = scene.pushwake.log.length;
    const call = await caller.call('1014');
    await scene.pushwake.waitForLog((l) => l.step === 'composed', { from: before });
    const from = scene.pushwake.log.length;
    proxy.cut();
    await scene.waitForLog('pbx link down, calls take the plain path', from);
    proxy.mend();
    await linkIsBack(from);
    await mobile.phone.wake();
    await mobile.bind();
    const ringing = await mobile.phone.waitForCall();
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await scene.talkAndHangUp(call, ringing);
  });

  it('breaks between the REGISTER and the order to dial, which is lost: the phone rings when the line is back', async () => {
    const mobile = await asleep('1026');
    const before = scene.pushwake.log.length;
    const call = await caller.call('1026');
    await scene.pushwake.waitForLog((l) => l.step === 'composed', { from: before });
    await mobile.callId();
    proxy.deafen();
    await mobile.phone.wake();
    await mobile.phone.register({ contactParams: mobile.identity.params, newCallId: true });
    await scene.pushwake.waitForLog((l) => l.step === 'registered', { from: before });
    const from = scene.pushwake.log.length;
    proxy.cut();
    await scene.waitForLog('pbx link down, calls take the plain path', from);
    proxy.mend();
    const ringing = await mobile.phone.waitForCall(15_000);
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await scene.talkAndHangUp(call, ringing);
    expect(mobile.phone.incoming).toHaveLength(1);
  });

  it('is away while the phone registers: the phone rings when the line is back', async () => {
    const mobile = await asleep('1025');
    const before = scene.pushwake.log.length;
    const call = await caller.call('1025');
    await scene.pushwake.waitForLog((l) => l.step === 'composed', { from: before });
    await mobile.callId();
    proxy.stall();
    await mobile.phone.wake();
    await mobile.phone.register({ contactParams: mobile.identity.params, newCallId: true });
    const from = scene.pushwake.log.length;
    proxy.cut();
    await scene.waitForLog('pbx link down, calls take the plain path', from);
    proxy.mend();
    const ringing = await mobile.phone.waitForCall(15_000);
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await scene.talkAndHangUp(call, ringing);
    expect(mobile.phone.incoming).toHaveLength(1);
  });

  it('cut while a call waits, and the caller gives up meanwhile: the phone is told', async () => {
    const mobile = await asleep('1015');
    const call = await caller.call('1015');
    const callId = await mobile.callId();
    const from = scene.pushwake.log.length;
    proxy.cut();
    await scene.waitForLog('pbx link down, calls take the plain path', from);
    call.cancel();
    await call.done;
    proxy.mend();
    await wakeOver(scene, callId);
    expect(mobile.words(callId)).toHaveLength(1);
  });

  it('stalled without a word: the guard takes over, and afterwards phones are woken again', async () => {
    const phone = await awake('1016');
    const from = scene.pushwake.log.length;
    proxy.stall();
    await ends(await ringsAndTalks('line stalled', phone));
    await scene.waitForLog('pbx link down, calls take the plain path', from, 20_000);
    proxy.mend();
    await linkIsBack(from);
    await wakesAPhone('1017');
  });
});

describe('FreeSWITCH', () => {
  it('reloads mod_sofia: bindings are kept, REGISTERs are heard by the same connection, phones are woken', async () => {
    await awake('1018');
    const from = scene.pushwake.log.length;
    const before = scene.stored.bindings(aor('1018'));
    expect(await scene.freeswitch.cli('reload mod_sofia')).toContain('module loaded');
    for (const phone of scene.phones) await phone.sleep();
    await caller.wake();
    await caller.register();
    await wakesAPhone('1019');
    expect(scene.stored.bindings(aor('1018')).map((b) => b.id)).toEqual(before.map((b) => b.id));
    expect(scene.pushwake.log.slice(from).some((l) => l.msg.startsWith('pbx link down'))).toBe(false);
  });

  it('loses its marks (mod_hash reloaded): they are set again', async () => {
    await awake('1020');
    const from = scene.pushwake.log.length;
    await scene.freeswitch.cli('reload mod_hash');
    await linkIsBack(from);
    await scene.marked(aor('1020'));
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'restarts (%s): bindings and registrations are kept, marks are set again',
    async (signal) => {
      const user = signal === 'SIGTERM' ? '1021' : '1023';
      await asleep(user);
      const before = scene.stored.bindings(aor(user));
      const from = scene.pushwake.log.length;
      for (const phone of scene.phones) await phone.sleep();
      await scene.freeswitch.restart({ signal });
      await linkIsBack(from);
      await scene.marked(aor(user));
      expect(scene.stored.bindings(aor(user)).map((b) => b.id)).toEqual(before.map((b) => b.id));
      await caller.wake();
      await caller.register();
      await wakesAPhone(signal === 'SIGTERM' ? '1022' : '1024');
    },
  );
});
