/**
 * Two nodes beside one Asterisk: the first is drained while a call waits on it, ends, and is started again. The call is not cut off, and those that
 * come meanwhile ring through the other node.
 */
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { CALLS_DIALPLAN, callUsers, cleanUp, Mobile } from '../asterisk/calls-support.ts';
import { freePort } from '../support/free-port.ts';
import { PushwakeProcess } from '../support/pushwake-process.ts';
import { Scene } from '../support/scene.ts';
import type { OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';

const PHONES = 10;
let scene: Scene;
let caller: SipPhone;
let b: PushwakeProcess;

let adminOfA: number;

beforeAll(async () => {
  scene = await Scene.start({
    name: 'drain',
    users: callUsers(PHONES + 2),
    extensions: CALLS_DIALPLAN,
    twoNodes: true,
    withoutPushwake: true,
  });
  adminOfA = await freePort();
  const admin = `\nhttp: { admin: { listen: "127.0.0.1:${adminOfA}", tokens: [{ name: t, role: operate, token: a-token-of-24-characters }] } }\n`;
  scene.pushwake.configure(`${scene.yaml()}${admin}`);
  b = new PushwakeProcess(join(scene.folder, 'b.yaml'));
  const yaml = scene.yaml({ storePath: join(scene.folder, 'b.db') });
  b.configure(yaml.replace('    username: pushwake\n', '    username: pushwake\n    app: pushwake-b\n'));
  caller = await scene.phone('2000');
  await caller.register();
  await startA();
  const from = b.log.length;
  await b.start();
  await b.waitForLog((l) => l.msg === 'pbx link up', { from, what: 'node b' });
});
afterAll(async () => {
  await b?.stop('SIGKILL');
  await scene?.close();
});
afterEach(async () => cleanUp(scene));

async function startA(): Promise<void> {
  const from = scene.pushwake.log.length;
  await scene.pushwake.start();
  await scene.pushwake.waitForLog((l) => l.msg === 'pbx link up', { from, what: 'node a' });
}

async function sleeper(user: string): Promise<Mobile> {
  const fromB = b.log.length;
  const mobile = await Mobile.asleep(scene, user, { answer: { kind: 'auto' } });
  await b.waitForLog((l) => /^binding (bound|renewed)$/.test(l.msg) && l.aor === `${user}@example.com`, {
    from: fromB,
  });
  return mobile;
}

const handledBy = (node: PushwakeProcess, user: string) =>
  node.log.filter((l) => l.msg === 'call over' && l.aor === `${user}@example.com`).length;

/** They hear each other and the caller hangs up; another call may go on. */
async function talks(call: OutgoingCall, { phone }: Mobile): Promise<void> {
  const rung = await phone.waitForCall();
  await Promise.all([call.waitForRtp(10), rung.waitForRtp(10)]);
  await call.hangup();
  await rung.waitForState('ended');
}

const drainA = () =>
  fetch(`http://127.0.0.1:${adminOfA}/v1/drain`, {
    method: 'POST',
    headers: { authorization: 'Bearer a-token-of-24-characters' },
  });

it('a call that waits is finished by the drained node, new ones go to the other at once, and it ends with exit code 4', async () => {
  const users = Array.from({ length: PHONES }, (_, n) => String(1001 + n));
  const mobiles = new Map<string, Mobile>();
  for (const user of users) mobiles.set(user, await sleeper(user));

  // The first call waits for its phone, which does not wake before the node was asked to drain.
  const [first = '', ...others] = users;
  mobiles.get(first)?.wakesByPush({ afterMs: 6_000 });
  const waiting = await caller.call(first);
  await mobiles.get(first)?.callPush();
  const ended = scene.pushwake.ended();
  expect((await drainA()).status).toBe(202);
  await scene.pushwake.waitForLog((l) => l.msg.startsWith('draining'), { what: 'draining' });
  const status = await fetch(`http://127.0.0.1:${adminOfA}/v1/status`, {
    headers: { authorization: 'Bearer a-token-of-24-characters' },
  });
  expect(await status.json()).toMatchObject({ draining: true, waiting: 1 });

  for (const user of others) {
    const mobile = mobiles.get(user) as Mobile;
    mobile.wakesByPush();
    const call = await caller.call(user);
    expect((await call.done).status).toBe(200);
    await talks(call, mobile);
  }
  // The first call is still the drained node's.
  expect((await waiting.done).status).toBe(200);
  await talks(waiting, mobiles.get(first) as Mobile);
  expect(await ended).toBe(4);
  await expect.poll(() => others.map((user) => handledBy(b, user))).toEqual(others.map(() => 1));
  expect(handledBy(scene.pushwake, first)).toBe(1);
  expect(handledBy(b, first)).toBe(0);
  expect(others.map((user) => handledBy(scene.pushwake, user))).toEqual(others.map(() => 0));

  await startA();
  const mobile = await sleeper('1011');
  mobile.wakesByPush();
  const call = await caller.call('1011');
  expect((await call.done).status).toBe(200);
  await talks(call, mobile);
  await expect.poll(() => handledBy(scene.pushwake, '1011')).toBe(1);
});

it('started again in mode observe it takes its mark in Asterisk back', async () => {
  const marks = async () =>
    /PUSHWAKE_DRAIN_pushwake=(\w*)/.exec(await scene.asterisk.cli('dialplan show globals'))?.[1];
  const ended = scene.pushwake.ended();
  await drainA();
  expect(await ended).toBe(4);
  expect(await marks()).toBe('1');
  scene.pushwake.configure(scene.yaml({ mode: 'observe' }));
  await startA();
  await expect.poll(marks, { timeout: 10_000 }).toBe('');
});
