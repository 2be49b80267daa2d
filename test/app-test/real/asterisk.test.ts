/** `pushwake app-test` on a real Asterisk. With `APP_REPORTS=1` the app that does everything right writes its report to docs/apps. */
import { afterAll, beforeAll } from 'vitest';
import { DIALPLAN, Scene } from '../../support/scene.ts';
import { type Admin, startMeasured } from './admin.ts';
import { holdsOn, USERS } from './suite.ts';

let scene: Scene;
let admin: Admin;

beforeAll(async () => {
  scene = await Scene.start({
    name: 'app-test',
    hep: true,
    users: USERS.map((id) => ({ id })),
    extensions: DIALPLAN,
    withoutPushwake: true,
    policy: '',
  });
  admin = await startMeasured(scene, (more) => scene.yaml({ more }));
});
afterAll(async () => scene?.close());

holdsOn('asterisk', () => ({
  scene,
  admin,
  isReady: async () => undefined,
  channels: async () => (await scene.asterisk.cli('core show channels concise')).trim(),
  killPbx: () => scene.asterisk.restart({ signal: 'SIGKILL' }),
}));
