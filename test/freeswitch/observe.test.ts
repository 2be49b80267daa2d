/** `mode: observe` on a real FreeSWITCH, with the dialplan in place: every call is seen, and none is any different. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { FreeswitchScene, freeswitchUsers } from '../support/freeswitch-scene.ts';
import { Mobile } from '../support/mobile.ts';
import { REALM } from '../support/pbx-scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';

let scene: FreeswitchScene;
let caller: SipPhone;

beforeAll(async () => {
  scene = await FreeswitchScene.start({ users: freeswitchUsers(10), mode: 'observe' });
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => scene?.close());
afterEach(async () => scene.cleanUp());

const wouldWake = (user: string, from: number) =>
  scene.pushwake.waitForLog((l) => l.msg === 'observe: would wake' && l.aor === `${user}@${REALM}`, { from });

it('a phone that would be woken rings as by a plain bridge: what the caller sees, and what he waits, is the same', async () => {
  const mobile = await Mobile.install(scene, '1001', { transport: 'tcp', answer: { kind: 'auto' } });
  await mobile.bind();
  const from = scene.pushwake.log.length;
  const seen = [];
  for (const number of ['1001', '91001']) {
    const call = await caller.call(number);
    expect((await call.done).status).toBe(200);
    const rung = mobile.phone.incoming.at(-1);
    expect((rung?.receivedAt ?? Number.NaN) - call.invitedAt).toBeLessThan(1_000);
    expect(rung?.headers.get('X-Push-ID')).toBeUndefined();
    seen.push(call.progress.map((p) => p.status).join());
    await call.hangup();
    await scene.freeswitch.waitForNoChannels();
  }
  expect(seen[0]).toBe(seen[1]);
  expect((await wouldWake('1001', from)).wouldPush).toBe(1);
  expect(mobile.phone.incoming).toHaveLength(2);
  expect(scene.apns.pushes).toEqual([]);
});

it('a phone that sleeps, and nobody answers: the dialplan goes on as without pushwake', async () => {
  const mobile = await Mobile.install(scene, '1002', { transport: 'tcp' });
  await mobile.bind();
  await mobile.phone.sleep();
  const from = scene.pushwake.log.length;
  const [ours, plain] = [await caller.call('1002'), await caller.call('91002')];
  const words = [await scene.seenByCaller(ours, '1002'), await scene.seenByCaller(plain, '91002')];
  expect(words[0]).toBe(`${words[1]} UNAVAILABLE`);
  expect((await wouldWake('1002', from)).wouldPush).toBe(1);
  expect(scene.apns.pushes).toEqual([]);
  expect(await scene.freeswitch.cli('hash dump pushwake_aor')).not.toContain('1002');
});

it('an account without a binding is seen as well, and nothing of a call is left behind', async () => {
  const from = scene.pushwake.log.length;
  await (await caller.call('1003')).done;
  expect((await wouldWake('1003', from)).wouldPush).toBe(0);
  await scene.pushwake.waitForLog((l) => l.msg === 'call over' && l.aor === `1003@${REALM}`, { from });
});

it('told to do it (SIGHUP), it wakes phones; told to observe again, it does not', async () => {
  const mobile = await Mobile.install(scene, '1004', { transport: 'tcp' });
  await mobile.bind();
  const mode = async (now: 'full' | 'observe') => {
    const from = scene.pushwake.log.length;
    scene.pushwake.configure(scene.yaml({ mode: now }));
    process.kill(scene.pushwake.pid as number, 'SIGHUP');
    await scene.pushwake.waitForLog((l) => JSON.stringify(l).includes('mode'), { from });
  };
  await mode('full');
  await scene.marked(`1004@${REALM}`);
  await mobile.phone.sleep();
  mobile.wakesByPush();
  const call = await caller.call('1004');
  await (await mobile.phone.waitForCall()).answer();
  expect((await call.done).status).toBe(200);
  await call.hangup();
  await mode('observe');
  await expect.poll(() => scene.freeswitch.cli('hash select/pushwake/until')).toBe('');
  await mobile.phone.sleep();
  await scene.freeswitch.waitForNoChannels();
  const pushed = mobile.callPushes.length;
  await (await caller.call('1004')).done;
  expect(mobile.callPushes.length).toBe(pushed);
});

it('stopped, it is told no more', async () => {
  await scene.pushwake.stop();
  expect(await scene.freeswitch.cli('hash select/pushwake/observe')).toBe('');
  await (await caller.call('1003')).done;
});
