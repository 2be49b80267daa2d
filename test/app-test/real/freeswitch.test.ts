/** `pushwake app-test` on a real FreeSWITCH. With `APP_REPORTS=1` the app that does everything right writes its report to docs/apps. */
import { afterAll, beforeAll } from 'vitest';
import { FreeswitchScene } from '../../support/freeswitch-scene.ts';
import { type Admin, startMeasured } from './admin.ts';
import { holdsOn, USERS } from './suite.ts';

let scene: FreeswitchScene;
let admin: Admin;

beforeAll(async () => {
  scene = await FreeswitchScene.start({ users: USERS.map((id) => ({ id })), withoutPushwake: true });
  admin = await startMeasured(scene, (more) => scene.yaml({ more }));
});
afterAll(async () => scene?.close());

holdsOn('freeswitch', () => ({
  scene,
  admin,
  isReady: (aor) => scene.marked(aor),
  channels: async () => {
    const shown = (await scene.freeswitch.cli('show channels')).trim();
    return /^0 total\.$/m.test(shown) ? '' : shown;
  },
  killPbx: () => scene.freeswitch.restart({ signal: 'SIGKILL' }),
}));
