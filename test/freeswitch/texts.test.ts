/** SIP MESSAGEs for phones that sleep behind a real FreeSWITCH with mod_sms and the shipped chatplan. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  FREESWITCH_DIALPLAN,
  FreeswitchScene,
  freeswitchShipped,
  freeswitchUsers,
} from '../support/freeswitch-scene.ts';
import { Mobile } from '../support/mobile.ts';
import { REALM } from '../support/pbx-scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';
import { besideCalls, comesBack, gets, keepsText, messagePushes, textsOf } from '../support/texting.ts';

/** The administrator's own extension goes first. */
const CHATPLAN = `<extension name="own"><condition field="to" expression="^1501@"><action application="set" data="own=1"/></condition></extension>
<X-PRE-PROCESS cmd="include" data="${freeswitchShipped('pushwake-chatplan.xml')}"/>`;

/** mod_voicemail without any prompt: nothing is played, a message is a second long at least. */
const VOICEMAIL = `<configuration name="voicemail.conf"><settings/><profiles><profile name="default">
<param name="file-extension" value="wav"/><param name="min-record-len" value="1"/><param name="record-silence-hits" value="1000"/>
<param name="digit-timeout" value="500"/><param name="tone-spec" value="%(100,0,640)"/>
</profile></profiles></configuration>`;
/** 8001 leaves a message in the mailbox of 1001. */
const MAILBOX = `<extension name="mailbox"><condition field="destination_number" expression="^8001$">
<action application="answer"/><action application="set" data="skip_greeting=true"/><action application="set" data="skip_instructions=true"/>
<action application="voicemail" data="default ${REALM} 1001"/></condition></extension>`;

let scene: FreeswitchScene;
let from: SipPhone;
let mobile: Mobile;

beforeAll(async () => {
  scene = await FreeswitchScene.start({
    users: freeswitchUsers(2),
    modules: ['mod_sms', 'mod_sndfile', 'mod_voicemail'],
    extensions: `${MAILBOX}\n${FREESWITCH_DIALPLAN}`,
    configurations: VOICEMAIL,
    policy: '  voicemail: all\n  missedCalls: true',
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

const kept = (body: string) => keepsText(scene, from, `sip:1001@${REALM}`, body);
const pushes = () => messagePushes(scene, mobile);

it('a sleeping phone is pushed, and gets them once, in order', async () => {
  const first = 'Hello, "you"; it\'s 100 % | žluť 🙂\r\nsecond line';
  await kept(first);
  await kept('second');
  await expect.poll(pushes, { timeout: 10_000 }).toHaveLength(1);
  await comesBack(mobile);
  expect(await gets(mobile.phone, 2)).toEqual([first, 'second']);
  const [message] = mobile.phone.log.find(/^MESSAGE /);
  expect(message?.text).toMatch(/\r\nFrom: <sip:2000@/);
  expect(message?.text).toMatch(/\r\nContent-Type: text\/plain\r\n/);
  expect(message?.text).toMatch(/\r\nX-Pushwake-Text-ID: [0-9a-f]{32}\r\n/);
  await kept('third');
  expect((await gets(mobile.phone, 3)).slice(2)).toEqual(['third']);
  expect(pushes(), 'it is awake').toHaveLength(1);
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
  await comesBack(mobile);
  expect((await gets(mobile.phone, 4)).slice(3)).toEqual(["while it is dead, isn't it"]);
});

it('what the administrator’s chatplan takes, and accounts without a phone of ours, are left alone', async () => {
  const desk = await scene.phone('1501');
  await desk.register();
  expect(await from.text(`sip:1501@${REALM}`, 'for the desk')).toBe(202);
  expect(await gets(desk, 1)).toEqual(['for the desk']);
});

it('a message in a real mod_voicemail: a refresh and a notice, and heard elsewhere the badge goes', async () => {
  await mobile.phone.sleep();
  const first = scene.apns.pushes.length;
  const pushed = () => besideCalls(scene, mobile, first);
  const call = await from.call('8001');
  await call.waitForState('answered');
  await delay(2_500);
  await call.hangup();
  await expect.poll(pushed, { timeout: 15_000 }).toEqual(['refresh', 'voicemail 1, alert']);
  expect(await scene.freeswitch.cli(`vm_read 1001@${REALM} read`)).toContain('+OK');
  await expect.poll(() => pushed().slice(2), { timeout: 15_000 }).toEqual(['voicemail 0, background']);
  await comesBack(mobile);
});

it('a call that its phone slept through: the closing push, then a notice that stays', async () => {
  await mobile.phone.sleep();
  const first = scene.apns.pushes.length;
  const call = await from.call('1001');
  await mobile.callPush(mobile.callPushes.length + 1);
  call.cancel();
  await call.done;
  // Nobody is waited for any more 10 s after the end.
  const words = () => besideCalls(scene, mobile, first);
  await expect.poll(words, { timeout: 25_000 }).toEqual(['cancel', 'missed 1, alert']);
  await comesBack(mobile);
});

it('in mode observe: as without us', async () => {
  await scene.pushwake.stop();
  scene.pushwake.configure(scene.yaml({ mode: 'observe', more: 'messages: { wake: true }\n' }));
  await scene.startPushwake();
  const { length } = textsOf(mobile.phone);
  const at = scene.pushwake.log.length;
  expect(await from.text(`sip:1001@${REALM}`, 'observed')).toBe(202);
  expect((await gets(mobile.phone, length + 1)).at(-1)).toBe('observed');
  expect(scene.pushwake.log.slice(at).filter((l) => l.msg === 'text kept')).toEqual([]);
});

it('stopped: as without us', async () => {
  const { length } = textsOf(mobile.phone);
  await scene.pushwake.stop();
  expect(await from.text(`sip:1001@${REALM}`, 'stopped')).toBe(202);
  expect((await gets(mobile.phone, length + 1)).at(-1)).toBe('stopped');
  expect(await scene.freeswitch.cli('global_getvar')).not.toMatch(/^pushwake_text_.*=.+/m);
});
