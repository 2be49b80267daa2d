/** Two pushwakes beside one real FreeSWITCH: one works, the other takes over when it is killed, stopped in order, or hangs. */
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { FreeswitchScene, freeswitchUsers } from '../support/freeswitch-scene.ts';
import { Mobile } from '../support/mobile.ts';
import { REALM } from '../support/pbx-scene.ts';
import { PushwakeProcess } from '../support/pushwake-process.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';

/** Its lease, and the other's next look at it. */
const TAKES_OVER_WITHIN_MS = 12_000 + 5_000 + 2_000;

let scene: FreeswitchScene;
let caller: SipPhone;
let nodes: { a: PushwakeProcess; b: PushwakeProcess };

beforeAll(async () => {
  scene = await FreeswitchScene.start({ users: freeswitchUsers(20), withoutPushwake: true });
  scene.pushwake.configure(scene.yaml({ node: 'a' }));
  const b = new PushwakeProcess(join(scene.folder, 'b.yaml'));
  b.configure(scene.yaml({ node: 'b', storePath: join(scene.folder, 'b.db') }));
  nodes = { a: scene.pushwake, b };
  await up(nodes.a);
  await up(nodes.b);
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => {
  await nodes?.b.stop();
  await scene?.close();
});
afterEach(async () => {
  nodes.a.thaw();
  nodes.b.thaw();
  await scene.cleanUp();
});

async function up(node: PushwakeProcess): Promise<void> {
  const from = node.log.length;
  await node.start();
  await node.waitForLog((l) => l.msg === 'pbx link up', { from });
}

/** The node calls are told to; undefined while nobody's lease is live. */
async function holder(): Promise<string | undefined> {
  const ask = (command: string) => scene.freeswitch.cli(command);
  const [now, until, node] = await Promise.all([
    ask('strepoch'),
    ask('hash select/pushwake/until'),
    ask('hash select/pushwake/node'),
  ]);
  return Number(until) > Number(now) ? node : undefined;
}

/** Both nodes know the phone, one of them wakes it, by one push, and the caller has it. */
async function wakes(user: string, by: PushwakeProcess): Promise<void> {
  const from = by.log.length;
  const mobile = await Mobile.install(scene, user, { transport: 'tcp' });
  await mobile.phone.register({ contactParams: mobile.identity.params });
  await by.waitForLog((l) => l.msg === 'binding bound' && l.aor === `${user}@${REALM}`, { from });
  await scene.marked(`${user}@${REALM}`);
  await mobile.phone.sleep();
  mobile.wakesByPush();
  const call = await caller.call(user);
  const ringing = await mobile.phone.waitForCall(10_000);
  await ringing.answer();
  expect((await call.done).status).toBe(200);
  await scene.talkAndHangUp(call, ringing);
  await by.waitForLog((l) => l.msg === 'call over' && l.aor === `${user}@${REALM}`, { from });
  expect(mobile.callPushes).toHaveLength(1);
  expect(mobile.phone.incoming).toHaveLength(1);
}

it('one works, the other stands by', async () => {
  expect(await holder()).toBe('a');
  const from = nodes.b.log.length;
  await wakes('1001', nodes.a);
  expect(nodes.b.log.slice(from).filter((l) => l.msg === 'call over')).toEqual([]);
});

it('the one that works is killed: the call right after it rings known contacts, then the other wakes phones', async () => {
  const awake = await scene.phone('1002', { transport: 'tcp', answer: { kind: 'auto' } });
  await scene.bind(awake, scene.install());
  await scene.marked(`1002@${REALM}`);
  await nodes.a.stop('SIGKILL');
  const call = await caller.call('1002');
  expect((await call.done).status).toBe(200);
  expect((awake.incoming[0]?.receivedAt ?? Number.NaN) - call.invitedAt).toBeLessThan(2_200);
  await call.hangup();
  await expect.poll(holder, { timeout: TAKES_OVER_WITHIN_MS }).toBe('b');
  await wakes('1003', nodes.b);
});

it('the one that works hangs: the other takes over, and keeps the calls when the first comes back', async () => {
  await up(nodes.a);
  expect(await holder()).toBe('b');
  nodes.b.freeze();
  await expect.poll(holder, { timeout: TAKES_OVER_WITHIN_MS }).toBe('a');
  await wakes('1004', nodes.a);
  const from = nodes.b.log.length;
  nodes.b.thaw();
  // It finds that it was dead for its PBX, and connects anew.
  await nodes.b.waitForLog((l) => l.msg === 'pbx link up', { from, timeoutMs: 20_000 });
  expect(await holder()).toBe('a');
  await wakes('1005', nodes.a);
  expect(nodes.a.log.slice(-200).some((l) => l.msg.startsWith('pbx link down'))).toBe(false);
});

it('the one that works is stopped in order: the other begins within its next look', async () => {
  expect(await holder()).toBe('a');
  await nodes.a.stop();
  expect(await holder()).not.toBe('a');
  await expect.poll(holder, { timeout: 7_000 }).toBe('b');
  await wakes('1006', nodes.b);
});
