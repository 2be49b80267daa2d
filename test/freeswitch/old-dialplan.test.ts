/**
 * An upgrade takes pushwake first and the dialplan later, or never: calls by the file of before ADR 0040 are woken and lost by nobody.
 * What the new file brings (the directory's dial-string, transfers of a woken phone) needs the new file.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { FreeswitchScene, freeswitchUsers } from '../support/freeswitch-scene.ts';
import { Mobile } from '../support/mobile.ts';
import { REALM } from '../support/pbx-scene.ts';
import type { IncomingCall, SipPhone } from '../support/sip-phone/index.ts';

let scene: FreeswitchScene;
let caller: SipPhone;

beforeAll(async () => {
  scene = await FreeswitchScene.start({
    users: freeswitchUsers(8),
    dialplan: fileURLToPath(new URL('./fixtures/pushwake-dialplan-before-0040.xml', import.meta.url)),
  });
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => scene?.close());
afterEach(async () => scene.cleanUp());

async function asleep(user: string): Promise<Mobile> {
  const mobile = await Mobile.asleep(scene, user, { transport: 'tcp', answer: { kind: 'auto' } });
  await scene.marked(`${user}@${REALM}`);
  return mobile;
}

async function desk(user: string): Promise<SipPhone> {
  const phone = await scene.phone(user);
  await phone.register();
  return phone;
}

it('a phone that sleeps is woken and talks', async () => {
  const mobile = await asleep('1001');
  mobile.wakesByPush();
  const call = await caller.call('1001');
  expect((await call.done).status).toBe(200);
  await scene.talkAndHangUp(call, mobile.rang[0] as IncomingCall);
});

it('a phone that is awake rings at once and talks', async () => {
  const mobile = await Mobile.install(scene, '1002', { transport: 'tcp', answer: { kind: 'auto' } });
  await mobile.bind();
  await scene.marked(`1002@${REALM}`);
  const call = await caller.call('1002');
  expect((await call.done).status).toBe(200);
  await scene.talkAndHangUp(call, mobile.rang[0] as IncomingCall);
});

it('a desk phone beside (pushwake_and) rings, and is told when the woken phone answers', async () => {
  const [phone, mobile] = [await desk('1503'), await asleep('1003')];
  mobile.wakesByPush({ afterMs: 400 });
  const call = await caller.call('51003');
  const ringing = await phone.waitForCall();
  expect((await call.done).status).toBe(200);
  await ringing.waitForState('cancelled');
  expect(ringing.cancelReasons.join()).toContain('Call completed elsewhere');
  await scene.talkAndHangUp(call, mobile.rang[0] as IncomingCall);
});

it('nobody comes: the dialplan goes on to its voicemail', async () => {
  await asleep('1004');
  const call = await caller.call('31004');
  expect((await call.done).status).toBe(200);
  await call.hangup();
});

it('a caller whom an attendant has answered is taken over', async () => {
  const mobile = await asleep('1005');
  mobile.wakesByPush();
  const call = await caller.call('71005');
  await mobile.phone.waitForCall();
  await scene.talkAndHangUp(call, mobile.rang[0] as IncomingCall);
});

it('without a binding, and with pushwake dead, it rings as by a plain bridge', async () => {
  const plain = await desk('1006');
  plain.answer = { kind: 'auto' };
  const first = await caller.call('1006');
  expect((await first.done).status).toBe(200);
  await first.hangup();
  await scene.pushwake.stop('SIGKILL');
  const second = await caller.call('1006');
  expect((await second.done).status).toBe(200);
  await second.hangup();
});
