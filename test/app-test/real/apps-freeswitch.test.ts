/** `pushwake app-test` with Debian's softphones on a real FreeSWITCH. With `APP_REPORTS=1` their reports go to docs/apps. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FreeswitchScene, freeswitchUsers } from '../../support/freeswitch-scene.ts';
import { CHOSEN, Programs } from './apps/programs.ts';

let scene: FreeswitchScene;
let programs: Programs;

beforeAll(async () => {
  scene = await FreeswitchScene.start({ users: freeswitchUsers(4), withoutPushwake: true });
  programs = await Programs.open(scene, (more) => scene.yaml({ more }), scene.freeswitch.ports.tcp);
});
afterAll(async () => {
  await programs?.close();
  await scene?.close();
});

it('measures linphonec, liblinphone and baresip', async () => {
  const reports = await programs.measure('freeswitch', (aor) => scene.marked(aor));
  expect(reports).toHaveLength(CHOSEN.length);
});
