/** `pushwake app-test` on a real FreeSWITCH: the SIP phone of the tests as an app that does everything right; and a test that is stopped. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FreeswitchScene, freeswitchUsers } from '../../support/freeswitch-scene.ts';
import { REALM } from '../../support/pbx-scene.ts';
import { freeUdpPort } from '../../support/scene.ts';
import { Admin, adminYaml, brokenOf } from './measure.ts';
import { SipApp } from './sip-app.ts';

let scene: FreeswitchScene;
let admin: Admin;

beforeAll(async () => {
  const port = await freeUdpPort();
  scene = await FreeswitchScene.start({ users: freeswitchUsers(3), withoutPushwake: true });
  scene.pushwake.configure(scene.yaml({ more: adminYaml(port) }));
  await scene.startPushwake();
  admin = new Admin(port);
});
afterAll(async () => scene?.close());

it('calls nothing broken of an app that does everything right', async () => {
  const app = await SipApp.install(scene, '1001');
  await scene.marked(`1001@${REALM}`);
  const report = await admin.measure({
    aor: `1001@${REALM}`,
    appName: 'SIP phone of the tests',
    says: (q) => app.says(q),
  });
  app.stop();
  expect(brokenOf(report)).toEqual([]);
  expect(report.verdicts.filter((v) => v.verdict !== 'ok')).toEqual([]);
  expect(report.stopped).toBeUndefined();
  if (process.env.APP_REPORTS) {
    const file = fileURLToPath(new URL('../../../docs/apps/sip-phone-of-the-tests-freeswitch.json', import.meta.url));
    writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`);
  }
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
