/** Linphone on Android, on a real Asterisk: its library processes the push that starts the app, registers, and the call rings. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type FcmStandIn, startFcmStandIn, type TestProject } from '../support/fcm-stand-in/index.ts';
import { androidParams, callAndroid, withFcm } from '../support/linphone.ts';
import { DIALPLAN, REALM, Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';
import { steps } from './calls-support.ts';

const CALLS = 100;
const TOKEN = 'dEf:APA91b_of-the-linphone-test';

let scene: Scene;
let fcm: FcmStandIn;
let caller: SipPhone;

beforeAll(async () => {
  [scene, fcm] = await Promise.all([
    Scene.start({ name: 'linphone', hep: true, extensions: DIALPLAN, withoutPushwake: true }),
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

it(`${CALLS} of ${CALLS} pushes are processed and ring`, { timeout: 120_000 }, async () => {
  const phone = await scene.phone('1001', { transport: 'tls' });
  const params = androidParams(TOKEN, fcm.apps[0] as TestProject);
  expect((await phone.register({ contactParams: params })).status).toBe(200);
  await scene.stored.waitFor(`1001@${REALM}`, 'bound', (r) => r.bindings[0]?.targets.call?.library === 'liblinphone');
  await phone.sleep();
  const counted = await callAndroid({ calls: CALLS, fcm, token: TOKEN, phone, params, caller }).catch(
    (error: Error) => {
      // Asterisk 22 shuts one new connection of some 1,400 right after its REGISTER (docs/limits.md).
      const shut = scene.asterisk.logText().match(/.*Shutting down transport.*/g) ?? ['no connection was shut'];
      const callId = scene.pushwake.log.findLast((line) => line.callId !== undefined)?.callId;
      const done = steps(scene, String(callId)).join(' | ');
      throw new Error(`${error.message}\npushwake: ${done}\nAsterisk: ${shut.slice(-3).join('\n')}`);
    },
  );
  expect(counted).toEqual({ processed: CALLS, rang: CALLS });
});
