/** `pushwake app-test` with Debian's softphones on a real Asterisk. With `APP_REPORTS=1` their reports go to docs/apps. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DIALPLAN, Scene } from '../../support/scene.ts';
import { CHOSEN, checkReport, Programs } from './apps/programs.ts';

let scene: Scene;
let programs: Programs;

beforeAll(async () => {
  const users = ['1001', '1002', '1003', '1004'].map((id) => ({ id, rewriteContact: true }));
  scene = await Scene.start({
    name: 'app-programs',
    hep: true,
    users,
    extensions: DIALPLAN,
    withoutPushwake: true,
    policy: '',
  });
  programs = await Programs.open(scene, (more) => scene.yaml({ more }), scene.asterisk.ports.tcp);
});
afterAll(async () => {
  await programs?.close();
  await scene?.close();
});

it('measures linphonec, liblinphone and baresip', async () => {
  const reports = await programs.measure('asterisk', async () => undefined);
  expect(reports).toHaveLength(CHOSEN.length);
  for (const report of reports) checkReport(report);
});
