/** `pushwake app-test` on a real FreeSWITCH: the SIP phone of the tests as an app that does everything right; and a test that is stopped. */
import { afterAll, beforeAll, it } from 'vitest';
import { FreeswitchScene, freeswitchUsers } from '../../support/freeswitch-scene.ts';
import { REALM } from '../../support/pbx-scene.ts';
import { type Admin, measureRightApp, startMeasured } from './measure.ts';
import { SipApp } from './sip-app.ts';

let scene: FreeswitchScene;
let admin: Admin;

beforeAll(async () => {
  scene = await FreeswitchScene.start({ users: freeswitchUsers(3), withoutPushwake: true });
  admin = await startMeasured(scene, (more) => scene.yaml({ more }));
});
afterAll(async () => scene?.close());

it('calls nothing broken of an app that does everything right', async () => {
  const app = await SipApp.install(scene, '1001');
  await scene.marked(`1001@${REALM}`);
  await measureRightApp(app, admin, 'sip-phone-of-the-tests-freeswitch');
});

it.each(['by hand', 'pushwake is killed'] as const)(
  'stopped while the phone rings, %s: the phone is let go',
  async (how) => {
    const user = how === 'by hand' ? '1002' : '1003';
    const app = await SipApp.install(scene, user);
    await scene.marked(`${user}@${REALM}`);
    const id = await admin.start({ aor: `${user}@${REALM}`, steps: ['call'] });
    const call = await app.phone.waitForCall(30_000);
    await call.waitForState('ringing');
    if (how === 'by hand') await admin.stop(id);
    else {
      await scene.pushwake.stop('SIGKILL');
      await scene.startPushwake();
    }
    await call.waitForState('cancelled', 10_000);
    app.stop();
  },
);
