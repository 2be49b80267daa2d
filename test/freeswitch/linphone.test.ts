/** A call by a push and the INVITE that follows is one call to Linphone's library, on a real FreeSWITCH: the Call-ID is the push's. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type FcmStandIn, startFcmStandIn, type TestProject } from '../support/fcm-stand-in/index.ts';
import { FreeswitchScene, freeswitchUsers } from '../support/freeswitch-scene.ts';
import { androidParams, callAndroid, LinphoneOnIos, withFcm } from '../support/linphone.ts';
import { Mobile } from '../support/mobile.ts';
import { REALM } from '../support/pbx-scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';

const CALLS = 100;
const TOKEN = 'dEf:APA91b_of-the-linphone-test';

let scene: FreeswitchScene;
let fcm: FcmStandIn;
let caller: SipPhone;

beforeAll(async () => {
  [scene, fcm] = await Promise.all([
    FreeswitchScene.start({ users: freeswitchUsers(2), withoutPushwake: true }),
    startFcmStandIn(),
  ]);
  fcm.register(TOKEN);
  scene.pushwake.configure(withFcm(scene.yaml(), fcm));
  await scene.startPushwake();
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => {
  await scene?.close();
  await fcm?.close();
});
afterEach(async () => scene.cleanUp());

it(`${CALLS} of ${CALLS} calls are one screen each on iOS`, { timeout: 180_000 }, async () => {
  const mobile = await Mobile.asleep(scene, '1001', { transport: 'tcp' });
  await scene.marked(`1001@${REALM}`);
  const linphone = new LinphoneOnIos();
  const stop = scene.apns.onPush(mobile.identity.voip, (push) => linphone.pushed(push.json));
  const woken = mobile.wakesByPush({ afterMs: 0 });
  for (let n = 1; n <= CALLS; n++) {
    const call = await caller.call('1001');
    const rung = await mobile.phone.waitForCall(5_000, n);
    linphone.invited(rung.callId);
    // Its library looks up the account by `To`.
    const [invite] = mobile.phone.invites.slice(-1);
    expect(invite?.message.headers.all('To')).toEqual([expect.stringContaining(`<sip:1001@${REALM}>`)]);
    expect(linphone.screens, `after call ${n}`).toBe(n);
    call.cancel();
    await rung.waitForState('cancelled');
    await mobile.phone.sleep();
  }
  stop();
  woken.stop();
  expect([linphone.screens, linphone.invitedScreens, mobile.callPushes.length]).toEqual([CALLS, CALLS, CALLS]);
});

it(`${CALLS} of ${CALLS} pushes are processed and ring on Android`, { timeout: 180_000 }, async () => {
  const phone = await scene.phone('1002', { transport: 'tcp' });
  const params = androidParams(TOKEN, fcm.apps[0] as TestProject);
  expect((await phone.register({ contactParams: params })).status).toBe(200);
  await scene.marked(`1002@${REALM}`);
  await phone.sleep();
  const counted = await callAndroid({ calls: CALLS, fcm, token: TOKEN, phone, params, caller });
  expect(counted).toEqual({ processed: CALLS, rang: CALLS });
});
