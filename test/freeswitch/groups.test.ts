/** One call that rings several accounts whose phones sleep, on a real FreeSWITCH: every one is woken, and hears how it ended. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { FreeswitchScene, freeswitchUsers } from '../support/freeswitch-scene.ts';
import { Mobile, wakeOver } from '../support/mobile.ts';
import { REALM } from '../support/pbx-scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';

const action = (application: string, data = '') => `<action application="${application}" data="${data}"/>`;

/** How two users are dialled: `1…` by one dial string, `2…` each by one of its own (enterprise). */
const SEPARATORS = { '1': ',', '2': ':_:' } as const;
/** `3…`: the first is rung alone, then the second alone. */
const ONE_BY_ONE = `<extension name="one-by-one"><condition field="destination_number" expression="^3(10\\d\\d)(10\\d\\d)$">
${[
  action('set', 'hangup_after_bridge=true'),
  action('set', 'continue_on_fail=true'),
  action('set', 'call_timeout=20'),
  action('execute_extension', `$1@${REALM} XML pushwake`),
  action('execute_extension', `$2@${REALM} XML pushwake`),
  action('hangup', `\${originate_disposition}`),
].join('\n')}
</condition></extension>`;
const EXTENSIONS = Object.entries(SEPARATORS)
  .map(
    ([
      digit,
      separator,
    ]) => `<extension name="group${digit}"><condition field="destination_number" expression="^${digit}(10\\d\\d)(10\\d\\d)$">
${[
  action('set', 'hangup_after_bridge=true'),
  action('set', 'continue_on_fail=true'),
  action('set', 'call_timeout=20'),
  action('set', `pushwake_plain=user/$1@${REALM}${separator}user/$2@${REALM}`),
  action('execute_extension', `$1@${REALM} XML pushwake`),
  action('hangup', `\${originate_disposition}`),
].join('\n')}
</condition></extension>`,
  )
  .concat(ONE_BY_ONE)
  .join('\n');

let scene: FreeswitchScene;
let caller: SipPhone;
beforeAll(async () => {
  scene = await FreeswitchScene.start({ users: freeswitchUsers(20), extensions: EXTENSIONS });
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => scene?.close());
afterEach(async () => scene.cleanUp());

async function asleep(user: string): Promise<Mobile> {
  const mobile = await Mobile.asleep(scene, user, { transport: 'tcp' });
  await scene.marked(`${user}@${REALM}`);
  return mobile;
}

it.each([
  ['one dial string', '1', '1001', '1002'],
  ['an enterprise dial string', '2', '1003', '1004'],
] as const)(
  '%s, two accounts asleep: both are woken, one answers, the other hears that by SIP',
  async (_what, digit, a, b) => {
    const [first, second] = [await asleep(a), await asleep(b)];
    first.wakesByPush();
    second.wakesByPush({ afterMs: 150 });
    const call = await caller.call(`${digit}${a}${b}`);
    const [one, other] = await Promise.all([first.phone.waitForCall(), second.phone.waitForCall()]);
    await other.answer();
    expect((await call.done).status).toBe(200);
    await one.waitForState('cancelled');
    expect(one.cancelReasons.join()).toContain('Call completed elsewhere');
    await scene.talkAndHangUp(call, other);
    expect([first.rang.length, second.rang.length]).toEqual([1, 1]);
  },
);

it.each([
  ['one dial string', '1', '1005', '1006'],
  ['an enterprise dial string', '2', '1007', '1008'],
] as const)(
  '%s, two accounts asleep, one never wakes: it is told once that somebody else answered',
  async (_what, digit, a, b) => {
    const [first, second] = [await asleep(a), await asleep(b)];
    second.wakesByPush();
    const call = await caller.call(`${digit}${a}${b}`);
    const ringing = await second.phone.waitForCall();
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await scene.talkAndHangUp(call, ringing);
    const callId = await first.callId();
    await wakeOver(scene, callId);
    expect([first.words(callId), second.words(await second.callId())]).toEqual([['elsewhere'], []]);
  },
);

it.each([
  ['one dial string', '1', '1009', '1010'],
  ['an enterprise dial string', '2', '1011', '1012'],
] as const)('%s, two accounts asleep, the caller gives up: both are told once', async (_what, digit, a, b) => {
  const both = [await asleep(a), await asleep(b)];
  const call = await caller.call(`${digit}${a}${b}`);
  const ids = await Promise.all(both.map((mobile) => mobile.callId()));
  call.cancel();
  await call.done;
  for (const [i, mobile] of both.entries()) {
    await wakeOver(scene, ids[i] as string);
    expect(mobile.words(ids[i] as string)).toEqual(['cancelled']);
  }
});

it('one account after the other: the second is woken, though the first has no phone that can be', async () => {
  const mobile = await asleep('1014');
  mobile.wakesByPush();
  const call = await caller.call('310131014');
  const ringing = await mobile.phone.waitForCall();
  await ringing.answer();
  expect((await call.done).status).toBe(200);
  await scene.talkAndHangUp(call, ringing);
});
