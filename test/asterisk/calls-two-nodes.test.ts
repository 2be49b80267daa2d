/** Two plugin nodes beside one Asterisk: the dialplan is the failover, for a node that is gone and for one that hangs. */
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { PushwakeProcess } from '../support/pushwake-process.ts';
import { Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';
import { CALLS_DIALPLAN, callUsers, cleanUp, Mobile, talkAndHangUp } from './calls-support.ts';

let scene: Scene;
let caller: SipPhone;
let b: PushwakeProcess;

beforeAll(async () => {
  scene = await Scene.start({
    name: 'call-nodes',
    users: callUsers(12),
    extensions: CALLS_DIALPLAN,
    twoNodes: true,
    withoutPushwake: true,
  });
  const yaml = scene.yaml({ storePath: join(scene.folder, 'b.db') });
  b = new PushwakeProcess(join(scene.folder, 'b.yaml'));
  b.configure(yaml.replace('    username: pushwake\n', '    username: pushwake\n    app: pushwake-b\n'));
  caller = await scene.phone('2000');
  await caller.register();
  await scene.startPushwake();
  await startB();
});
afterAll(async () => {
  await b?.stop('SIGKILL');
  await scene?.close();
});
afterEach(async () => cleanUp(scene));

async function startB(): Promise<void> {
  const from = b.log.length;
  await b.start();
  await b.waitForLog((l) => l.msg === 'pbx link up', { from, what: 'node b' });
}

/** Bound by both nodes, asleep, and willing to wake. */
async function sleeper(user: string): Promise<Mobile> {
  const fromB = b.log.length;
  const mobile = await Mobile.asleep(scene, user, { answer: { kind: 'auto' } });
  await b.waitForLog((l) => /^binding (bound|renewed)$/.test(l.msg) && l.aor === `${user}@example.com`, {
    from: fromB,
  });
  mobile.wakesByPush();
  return mobile;
}

async function isWoken(mobile: Mobile): Promise<number> {
  const call = await caller.call(mobile.phone.user);
  expect((await call.done).status).toBe(200);
  const push = await mobile.callPush();
  await talkAndHangUp(scene, call, mobile.rang[0] as never);
  expect(mobile.callPushes).toHaveLength(1);
  return push.atMs - call.invitedAt;
}

const handledBy = (node: PushwakeProcess, user: string) =>
  node.log.filter((l) => l.msg === 'call over' && l.aor === `${user}@example.com`).length;

it('both are there: the first takes the call, the second hears nothing of it', async () => {
  await isWoken(await sleeper('1001'));
  await expect.poll(() => handledBy(scene.pushwake, '1001')).toBe(1);
  expect(handledBy(b, '1001')).toBe(0);
});

it('the first hangs (SIGSTOP): the second takes the call after the guard, and the first again when it is back', async () => {
  const mobile = await sleeper('1002');
  scene.pushwake.freeze();
  const toPush = await isWoken(mobile);
  expect(toPush).toBeGreaterThan(1_400);
  await expect.poll(() => handledBy(b, '1002')).toBe(1);
  const from = scene.pushwake.log.length;
  scene.pushwake.thaw();
  // Either its line held, or its own watchdog closed it and it has come back.
  await expect
    .poll(
      () =>
        scene.pushwake.log.slice(from).length > 0 &&
        scene.pushwake.log.findLast((l) => l.msg.startsWith('pbx link '))?.msg,
      { timeout: 15_000 },
    )
    .toBe('pbx link up');
  const next = await sleeper('1003');
  await isWoken(next);
  await expect.poll(() => handledBy(scene.pushwake, '1003')).toBe(1);
});

it('the first is killed: the second takes the call at once', async () => {
  const mobile = await sleeper('1004');
  await scene.pushwake.stop('SIGKILL');
  expect(await isWoken(mobile)).toBeLessThan(1_400);
  await expect.poll(() => handledBy(b, '1004')).toBe(1);
});

it('the first is killed, the second hangs; then both are gone: the phone that is awake rings by the fallback', async () => {
  const phone = await scene.phone('1005', { answer: { kind: 'auto' } });
  await phone.register();
  b.freeze();
  const call = await caller.call('1005');
  expect((await call.done).status).toBe(200);
  await talkAndHangUp(scene, call, phone.incoming[0] as never);
  b.thaw();
  await b.stop('SIGKILL');
  const again = await caller.call('1005');
  expect((await again.done).status).toBe(200);
  await talkAndHangUp(scene, again, phone.incoming[1] as never);
});
