/**
 * One pushwake, and Asterisks that dial in: three real ones and 200 that are played. A phone sleeps behind each real one and is woken; pushwake is killed and
 * comes back while calls go on, and none is lost that the plain path would have brought.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CALLS_DIALPLAN, callUsers } from '../asterisk/calls-support.ts';
import { DiallingAsterisk } from '../support/dialling-asterisk.ts';
import { freePort } from '../support/free-port.ts';
import { Mobile } from '../support/mobile.ts';
import type { PushwakeProcess } from '../support/pushwake-process.ts';
import { Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';

const PLAYED = 200;
/** The guard of the dialplan, and what the machine takes. */
const PLAIN_WITHIN = 3_000;
const AWAKE = '1010';

interface Site {
  readonly name: string;
  readonly realm: string;
  readonly scene: Scene;
  readonly caller: SipPhone;
  readonly mobile: Mobile;
}
const sites: Site[] = [];
const played: DiallingAsterisk[] = [];
let pushwake: PushwakeProcess;

const password = (name: string) => `secret-of-${name}`;
const realNames = ['berlin', 'hamburg', 'bremen'];
const playedNames = Array.from({ length: PLAYED }, (_, i) => `site${i}`);

beforeAll(async () => {
  const port = await freePort();
  for (const name of realNames) {
    const scene = await Scene.start({
      name: `dials-in-${name}`,
      users: callUsers(10),
      extensions: CALLS_DIALPLAN,
      modules: ['res_websocket_client'],
      withoutPushwake: true,
      dialsIn: { port, username: name, password: password(name) },
      ...(sites[0] && { apns: sites[0].scene.apns }),
    });
    const caller = await scene.phone('2000');
    const mobile = await Mobile.install(scene, '1001', { transport: 'tls', answer: { kind: 'auto' } });
    sites.push({ name, realm: `${name}.example`, scene, caller, mobile });
  }
  const { scene } = sites[0] as Site;
  pushwake = scene.pushwake;
  const pbxs = [...realNames, ...playedNames].map(
    (name) =>
      `  ${name}: { type: asterisk, dialsIn: { listen: "127.0.0.1:${port}" }, username: ${name}, password: ${password(name)}, realm: ${name}.example }`,
  );
  pushwake.configure(scene.yaml().replace(/^pbx:\n[\s\S]*?^push:/m, `pbx:\n${pbxs.join('\n')}\npush:`));
  for (const name of playedNames) {
    const url = `ws://127.0.0.1:${port}/`;
    played.push(new DiallingAsterisk({ url, username: name, password: password(name), reconnectMs: 500 }));
  }
}, 120_000);
afterAll(async () => {
  for (const one of played) one.stop();
  await pushwake?.stop('SIGKILL');
  for (const { scene } of sites.reverse()) await scene.close();
});

/** Resolves with how long it took until all links were up. */
async function allUp(from: number): Promise<number> {
  const begunMs = performance.now();
  const up = () => new Set(pushwake.log.slice(from).flatMap((l) => (l.msg === 'pbx link up' ? [l.pbx] : [])));
  const missing = () => [...realNames, ...playedNames].filter((name) => !up().has(name));
  await expect.poll(missing, { timeout: 30_000 }).toEqual([]);
  return Math.round(performance.now() - begunMs);
}

const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pushwake.pid}/status`, 'utf8'))?.[1]) / 1024;

async function wakes({ caller, mobile, name }: Site): Promise<number> {
  const before = mobile.callPushes.length;
  const woken = mobile.wakesByPush();
  const call = await caller.call('1001');
  expect((await call.done).status, name).toBe(200);
  await call.hangup();
  await expect.poll(() => mobile.phone.incoming.every((c) => c.isOver)).toBe(true);
  await mobile.phone.sleep();
  woken.stop();
  expect(mobile.callPushes.length - before, name).toBe(1);
  return Math.round((mobile.callPushes[before]?.atMs ?? Number.NaN) - call.invitedAt);
}

it('all of them have links, and a phone behind each real one is woken', { timeout: 120_000 }, async () => {
  await pushwake.start();
  const upMs = await allUp(0);
  for (const { caller, mobile, realm, scene } of sites) {
    await caller.register();
    await (await scene.phone(AWAKE, { answer: { kind: 'auto' } })).register();
    const from = pushwake.log.length;
    await mobile.phone.register({ contactParams: mobile.identity.params });
    await pushwake.waitForLog((l) => l.msg === 'binding bound' && l.aor === `1001@${realm}`, { from });
    await mobile.phone.sleep();
  }
  const pushedMs: number[] = [];
  for (const site of sites) pushedMs.push(await wakes(site));
  console.log(
    `${PLAYED} + 3 links up after ${upMs} ms, ${Math.round(rss())} MiB, pushed after ${pushedMs.join(', ')} ms`,
  );
});

it('pushwake is killed and comes back with calls going on: a phone that is awake always rings', {
  timeout: 120_000,
}, async () => {
  let ends = false;
  const calling = sites.map(async ({ caller }) => {
    const seen: { status: number; ms: number }[] = [];
    while (!ends) {
      const call = await caller.call(AWAKE);
      const { status, at } = await call.done;
      seen.push({ status, ms: Math.round(at - call.invitedAt) });
      if (status === 200) await call.hangup();
      await delay(200);
    }
    return seen;
  });
  await delay(2_000);
  await pushwake.stop('SIGKILL');
  await delay(5_000);
  const from = pushwake.log.length;
  await pushwake.start();
  const upMs = await allUp(from);
  await delay(2_000);
  ends = true;
  const calls = (await Promise.all(calling)).flat();
  const slowest = Math.max(...calls.map(({ ms }) => ms));
  console.log(`killed: ${calls.length} calls, slowest ${slowest} ms; all links up ${upMs} ms after "ready"`);
  expect(calls.filter(({ status }) => status !== 200)).toEqual([]);
  expect(slowest).toBeLessThan(PLAIN_WITHIN);
  for (const site of sites) await wakes(site);
});
