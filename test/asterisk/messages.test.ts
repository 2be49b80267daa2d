/**
 * A SIP MESSAGE gets what it would get without pushwake: in every mode, while pushwake runs, after it was stopped or killed, and on an
 * Asterisk that an earlier version had subscribed to. Each time registrations are still heard at once.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';

/** Whom the text is for, and what Asterisk says to it by itself. */
const TEXTS = [
  ['nobody', 404],
  ['1001', 202],
] as const;

let scene: Scene;
let sender: SipPhone;
let mobiles = 0;

beforeAll(async () => {
  scene = await Scene.start({ name: 'messages', withoutPushwake: true });
  sender = await scene.phone('2000');
  await sender.register();
});
afterAll(async () => {
  // A test that failed may have left it frozen, and a frozen process hears no SIGTERM.
  scene?.pushwake.thaw();
  await scene?.close();
});

async function answers(): Promise<Record<string, number>> {
  const all: Record<string, number> = {};
  for (const [to] of TEXTS) all[to] = await sender.text(to, 'hello');
  return all;
}

const WITHOUT = Object.fromEntries(TEXTS);

/** Without HEP: only Asterisk's own event says so before the next sweep. */
async function aNewPhoneIsBound(): Promise<void> {
  mobiles++;
  const phone = await scene.phone(mobiles % 2 ? '1001' : '1003');
  await scene.bind(phone, scene.install());
}

/** Applications as Asterisk knows them, by name: what they are subscribed to. */
async function subscriptions(): Promise<Record<string, { endpoint_ids: string[]; bridge_ids: string[] }>> {
  const { url, user, password } = scene.asterisk.ari;
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const all = (await (await fetch(`${url}/ari/applications`, { headers: { authorization } })).json()) as {
    name: string;
    endpoint_ids: string[];
    bridge_ids: string[];
  }[];
  return Object.fromEntries(all.map((app) => [app.name, app]));
}

/** What pushwake did until 0.1.0, `times` over: each connection made the subscription once more, and none was ever taken back. */
async function asEarlierVersions(times: number): Promise<void> {
  const { url, user, password } = scene.asterisk.ari;
  const ws = new WebSocket(`${url.replace('http', 'ws')}/ari/events?app=pushwake&api_key=${user}:${password}`);
  await new Promise((open) => ws.once('open', open));
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  for (let i = 0; i < times; i++) {
    const path = `${url}/ari/applications/pushwake/subscription?eventSource=endpoint:PJSIP`;
    expect((await fetch(path, { method: 'POST', headers: { authorization } })).status).toBe(200);
  }
  const gone = new Promise((closed) => ws.once('close', closed));
  ws.terminate();
  await gone;
}

describe('a text gets the same answer', () => {
  it('without pushwake: the control', async () => {
    expect(await answers()).toEqual(WITHOUT);
  });

  it('an endpoint subscription takes it: the test can fail', async () => {
    await asEarlierVersions(3);
    expect(await answers()).toEqual({ ...WITHOUT, nobody: 202 });
  });

  it.each(['full', 'observe'])('mode %s: running, stopped, running again, killed', async (mode) => {
    scene.pushwake.configure(scene.yaml({ mode }));
    await scene.startPushwake();
    expect(await answers(), 'running').toEqual(WITHOUT);
    if (mode === 'full') await aNewPhoneIsBound();
    await scene.pushwake.stop();
    expect(await answers(), 'stopped').toEqual(WITHOUT);
    await scene.startPushwake();
    expect(await answers(), 'running again').toEqual(WITHOUT);
    await aNewPhoneIsBound();
    await scene.pushwake.stop('SIGKILL');
    expect(await answers(), 'killed').toEqual(WITHOUT);
  });

  it('frozen, and when Asterisk was started anew', async () => {
    scene.pushwake.configure(scene.yaml());
    await scene.startPushwake();
    scene.pushwake.freeze();
    expect(await answers(), 'frozen').toEqual(WITHOUT);
    scene.pushwake.thaw();
    const from = scene.pushwake.log.length;
    await scene.asterisk.restart();
    await scene.waitForLog('pbx link up', from, 20_000);
    await sender.register();
    expect(await answers(), 'after the restart').toEqual(WITHOUT);
    await aNewPhoneIsBound();
    expect((await subscriptions())['pushwake-contacts']).toMatchObject({
      endpoint_ids: [],
      bridge_ids: ['pushwake-contacts'],
    });
  });

  it('a websocket that drops again and again: contacts are heard once each', async () => {
    for (let i = 0; i < 3; i++) {
      await scene.pushwake.stop('SIGKILL');
      await scene.startPushwake();
    }
    const from = scene.pushwake.log.length;
    await aNewPhoneIsBound();
    expect(
      scene.pushwake.log
        .slice(from)
        .filter((l) => /^binding (bound|renewed)/.test(l.msg))
        .map((l) => l.msg),
    ).toEqual(['binding bound']);
    expect(await answers()).toEqual(WITHOUT);
    const log = scene.pushwake.log.map((l) => l.msg);
    expect(log).not.toContain('texts that nobody takes are not refused');
  });
});
