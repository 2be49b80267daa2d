/** SIP MESSAGEs for phones that sleep behind a real FreeSWITCH with mod_sms and the shipped chatplan. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FreeswitchScene, freeswitchShipped, freeswitchUsers } from '../support/freeswitch-scene.ts';
import { Mobile } from '../support/mobile.ts';
import { REALM } from '../support/pbx-scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';

/** The administrator's own extension goes first. */
const CHATPLAN = `<extension name="own"><condition field="to" expression="^1501@"><action application="set" data="own=1"/></condition></extension>
<X-PRE-PROCESS cmd="include" data="${freeswitchShipped('pushwake-chatplan.xml')}"/>`;

let scene: FreeswitchScene;
let from: SipPhone;
let mobile: Mobile;

beforeAll(async () => {
  scene = await FreeswitchScene.start({
    users: freeswitchUsers(2),
    modules: ['mod_sms'],
    chatplan: CHATPLAN,
    withoutPushwake: true,
  });
  scene.pushwake.configure(scene.yaml({ more: 'messages: { wake: true }\n' }));
  await scene.startPushwake();
  from = await scene.phone('2000');
  await from.register();
  mobile = await Mobile.asleep(scene, '1001', { transport: 'tcp' });
  await scene.marked(`1001@${REALM}`);
});
afterAll(() => scene?.close());

const received = (phone: SipPhone) =>
  phone.log
    .find(/^MESSAGE /)
    .filter((e) => e.direction === 'received')
    .map((e) => e.text.split('\r\n\r\n')[1] ?? '');
const gets = (phone: SipPhone, count: number) =>
  phone.waitFor(() => received(phone).length >= count && received(phone), 10_000, `${count} texts`);
const comesBack = async () => {
  if (!mobile.phone.isOpen) await mobile.phone.wake();
  await mobile.bind();
};
const messagePushes = () =>
  scene.apns.pushes.filter((p) => p.token === mobile.identity.other && p.json.includes('"type":"message"'));
const kept = async (body: string) => {
  const at = scene.pushwake.log.length;
  expect(await from.text(`sip:1001@${REALM}`, body)).toBe(202);
  await scene.waitForLog('text kept', at);
};

it('a sleeping phone is pushed, and gets them once, in order', async () => {
  const first = 'Hello, "you"; it\'s 100 % | žluť 🙂\r\nsecond line';
  await kept(first);
  await kept('second');
  await expect.poll(messagePushes, { timeout: 10_000 }).toHaveLength(1);
  await comesBack();
  expect(await gets(mobile.phone, 2)).toEqual([first, 'second']);
  const [message] = mobile.phone.log.find(/^MESSAGE /);
  expect(message?.text).toMatch(/\r\nFrom: <sip:2000@/);
  expect(message?.text).toMatch(/\r\nContent-Type: text\/plain\r\n/);
  expect(message?.text).toMatch(/\r\nX-Pushwake-Text-ID: [0-9a-f]{32}\r\n/);
  await kept('third');
  expect((await gets(mobile.phone, 3)).slice(2)).toEqual(['third']);
  expect(messagePushes(), 'it is awake').toHaveLength(1);
});

it('killed while texts come: FreeSWITCH holds them until pushwake is back, none is lost, none comes twice', async () => {
  // FreeSWITCH says up to 100 ms later that the phone has taken a text: killed before, pushwake could not know.
  const delivered = () => scene.pushwake.log.filter((l) => l.msg === 'text delivered').length;
  await expect.poll(delivered, { timeout: 10_000 }).toBe(3);
  await mobile.phone.sleep();
  await scene.pushwake.stop('SIGKILL');
  // Within the lease FreeSWITCH still counts on us.
  expect(await from.text(`sip:1001@${REALM}`, "while it is dead, isn't it")).toBe(202);
  const at = scene.pushwake.log.length;
  await scene.startPushwake();
  await scene.waitForLog('text kept', at);
  await comesBack();
  expect((await gets(mobile.phone, 4)).slice(3)).toEqual(["while it is dead, isn't it"]);
});

it('what the administrator’s chatplan takes, and accounts without a phone of ours, are left alone', async () => {
  const desk = await scene.phone('1501');
  await desk.register();
  expect(await from.text(`sip:1501@${REALM}`, 'for the desk')).toBe(202);
  expect(await gets(desk, 1)).toEqual(['for the desk']);
});

it('stopped: as without us', async () => {
  const { length } = received(mobile.phone);
  await scene.pushwake.stop();
  expect(await from.text(`sip:1001@${REALM}`, 'stopped')).toBe(202);
  expect((await gets(mobile.phone, length + 1)).at(-1)).toBe('stopped');
  expect(await scene.freeswitch.cli('global_getvar')).not.toMatch(/^pushwake_text_.*=.+/m);
});
