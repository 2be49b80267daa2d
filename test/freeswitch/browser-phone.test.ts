/** The phone in the browser, on a real FreeSWITCH: a real Chromium registers over a WebSocket, sleeps, and is woken by a call. */
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Aor } from '../../plugin/core/aor.ts';
import { isLive } from '../../plugin/core/binding.ts';
import {
  BrowserPhone,
  launchBrowser,
  linkOf,
  type PhonePlace,
  phoneYaml,
  waitUntil,
} from '../phone/real/phone-scene.ts';
import { notOk } from '../support/checked.ts';
import { freePort } from '../support/free-port.ts';
import { FreeswitchScene } from '../support/freeswitch-scene.ts';
import type { OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';
import { startWebPushStandIn, type WebPushStandIn } from '../support/webpush-stand-in/index.ts';

let scene: FreeswitchScene;
let push: WebPushStandIn;
let browser: Browser;
let place: PhonePlace;
let yaml: ReturnType<typeof phoneYaml>;
let caller: SipPhone;
const open: BrowserPhone[] = [];

beforeAll(async () => {
  const [port, adminPort] = [await freePort(), await freePort()];
  [push, browser, scene] = await Promise.all([
    startWebPushStandIn(),
    launchBrowser(),
    FreeswitchScene.start({
      users: [{ id: '1001' }, { id: '1002' }, { id: '2000', callerId: 'The Caller <2000>' }],
      // The lines of docs/browser-phone.md.
      profile: { 'apply-candidate-acl': 'any_v4.auto' },
      withoutPushwake: true,
    }),
  ]);
  const wss = `ws://localhost:${scene.freeswitch.ports.ws}`;
  yaml = phoneYaml(push, port, adminPort, [wss]);
  scene.pushwake.configure(scene.yaml(yaml));
  await scene.startPushwake();
  place = { push, browser, origin: `http://localhost:${port}`, link: (account) => linkOf(adminPort, account) };
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => {
  await browser?.close();
  await scene?.close();
  await push?.close();
});
afterEach(async () => {
  for (const phone of open.splice(0)) await phone.close();
  await scene.cleanUp();
});

async function phoneOf(account: string): Promise<BrowserPhone> {
  const phone = await BrowserPhone.open(place);
  open.push(phone);
  await phone.logIn(account);
  await scene.stored.waitFor(`${account}@example.com` as Aor, 'bound', (r) => r.bindings.some(isLive));
  return phone;
}

async function bothHear(phone: BrowserPhone, call: OutgoingCall): Promise<void> {
  await call.waitForRtp(50);
  expect(await phone.hears(), 'the tone of the phone, in the page').toBeCloseTo(1000, -2);
  expect(call.heardTone(), 'the tone of the page, at the phone').toBeCloseTo(440, -2);
}

it('a page that is open rings, and both hear each other', async () => {
  const phone = await phoneOf('1001');
  const call = await caller.call('1001');
  await phone.page?.getByRole('button', { name: 'Answer' }).click();
  expect((await call.done).status).toBe(200);
  await bothHear(phone, call);
  await call.hangup();
  expect(phone.complaints).toEqual([]);
});

it('a page that is closed is woken: push, notification, answer, and both hear each other', async () => {
  const phone = await phoneOf('1002');
  await phone.closePage();
  const call = await caller.call('1002');
  expect(await phone.deliver()).toEqual(['call']);
  await phone.tap('Incoming call', 'answer');
  expect((await call.done).status).toBe(200);
  await bothHear(phone, call);
  await phone.page?.getByRole('button', { name: 'Hang up' }).click();
  await call.waitForState('ended');
  await waitUntil(async () => (await phone.notifications()).length === 0, 'no notification');
});

it('check has nothing to say of it, and names a certificate that browsers refuse and a WebSocket that is none', async () => {
  const ofBrowsers = (lines: readonly string[]) => lines.filter((line) => /WebRTC|browsers/.test(line));
  const said = (change = (text: string) => text) => notOk(scene, () => change(scene.yaml(yaml))).then(ofBrowsers);
  expect(await said()).toEqual([]);
  const { ws, wss, esl } = scene.freeswitch.ports;
  // Its own wss.pem.
  expect(await said((text) => text.replace(`ws://localhost:${ws}`, `wss://localhost:${wss}`))).toEqual([
    expect.stringMatching(
      /^fail http\.devices\.phone, certificate for browsers: .* is self-signed: a browser refuses it/,
    ),
  ]);
  expect((await said((text) => text.replace(`localhost:${ws}`, `localhost:${esl}`))).join('\n')).toMatch(
    /^fail http\.devices\.phone, WebSocket for browsers: .* speaks no HTTP/,
  );
});
