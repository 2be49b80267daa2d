/** The examples of `docs/dialplan-examples.md` for FreeSWITCH, as they stand there, and who calls in a call push. */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FREESWITCH_DIALPLAN, FreeswitchScene, freeswitchUsers } from '../support/freeswitch-scene.ts';
import { Mobile } from '../support/mobile.ts';
import { ours, REALM } from '../support/pbx-scene.ts';
import type { IncomingCall, SipPhone } from '../support/sip-phone/index.ts';

const PAGE = new URL('../../docs/dialplan-examples.md', import.meta.url);

/** With what this FreeSWITCH lacks put in its place, voicemail and a trunk, and numbers of their own. */
const EXAMPLES = [...readFileSync(PAGE, 'utf8').matchAll(/```xml\n([\s\S]*?)```/g)]
  .map((m, i) => (m[1] as string).replace('^(1\\d{3})$', `^8${i + 1}(1\\d{3})$`))
  .join('\n')
  .replaceAll(
    'application="voicemail" data="default example.com $1"',
    `application="log" data="NOTICE VOICEMAIL $1 greeting \${voicemail_greeting_number}"`,
  )
  .replaceAll('sofia/gateway/trunk/', 'user/')
  .replaceAll(/call_timeout=(10|25)/g, 'call_timeout=3');

/** The dialplan withholds the caller: `89` through pushwake, `88` by a plain bridge. */
const WITHHELD = [
  ['89', 'execute_extension', `$1@${REALM} XML pushwake`],
  ['88', 'bridge', `user/$1@${REALM}`],
]
  .map(
    ([prefix, application, data]) => `<extension name="withheld${prefix}">
<condition field="destination_number" expression="^${prefix}(1\\d{3})$">
<action application="privacy" data="full"/>
<action application="set" data="hangup_after_bridge=true"/>
<action application="${application}" data="${data}"/>
</condition></extension>`,
  )
  .join('\n');

let scene: FreeswitchScene;
let caller: SipPhone;

beforeAll(async () => {
  scene = await FreeswitchScene.start({
    users: freeswitchUsers(20),
    extensions: [FREESWITCH_DIALPLAN, EXAMPLES, WITHHELD].join('\n'),
    directory: { '1003': { mobile_number: `2001@${REALM}` } },
    policy: 'calls: { showCaller: true }',
  });
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => scene?.close());
afterEach(async () => scene.cleanUp());

async function asleep(user: string, options: Parameters<typeof Mobile.asleep>[2] = {}): Promise<Mobile> {
  const mobile = await Mobile.asleep(scene, user, { transport: 'tcp', ...options });
  await scene.marked(`${user}@${REALM}`);
  return mobile;
}

/** What FreeSWITCH logged of this mailbox, once it has. */
async function voicemail(user: string): Promise<string> {
  const found = () => new RegExp(`VOICEMAIL ${user} (greeting ?\\d?)`).exec(scene.freeswitch.logText())?.[1]?.trim();
  await expect.poll(found, { timeout: 8_000 }).toBeDefined();
  return found() as string;
}

describe('the page’s examples', () => {
  it.each([
    ['nobody came', '811001', false, 'greeting 1'],
    ['it rang and nobody answered', '811002', true, 'greeting 2'],
  ] as const)('voicemail, %s', async (_, number, wakes, said) => {
    const mobile = await asleep(number.slice(2));
    if (wakes) mobile.wakesByPush();
    const call = await caller.call(number);
    if (wakes) await mobile.phone.waitForCall(8_000);
    expect((await call.done).status).toBe(200);
    expect(await voicemail(number.slice(2))).toBe(said);
  });

  it('nobody came within the time: the person’s own number rings', async () => {
    const other = await scene.phone('2001', { answer: { kind: 'auto' } });
    await other.register();
    await asleep('1003');
    const call = await caller.call('821003');
    expect((await call.done).status).toBe(200);
    await scene.talkAndHangUp(call, other.incoming.at(-1) as never);
    expect(scene.freeswitch.logText()).not.toContain('VOICEMAIL 1003');
  });

  it.each([
    ['it rang and nobody answered: nobody is bothered a second time', '821004', true],
    ['nobody came, and there is no number', '821005', false],
  ] as const)('%s: voicemail', async (_, number, wakes) => {
    const other = scene.phones.find((p) => p.user === '2001');
    const before = other?.incoming.length;
    const mobile = await asleep(number.slice(2));
    if (wakes) mobile.wakesByPush();
    const call = await caller.call(number);
    expect((await call.done).status).toBe(200);
    await voicemail(number.slice(2));
    expect(other?.incoming.length).toBe(before);
  });
});

describe('the caller in a call push', () => {
  /** What a phone is told of the caller. */
  const identity = (call: IncomingCall) =>
    ['From', 'Remote-Party-ID', 'P-Asserted-Identity', 'Privacy'].map((name) =>
      call.headers.get(name)?.replace(/;tag=.*/, ''),
    );
  const rows: [string, string, string, [string, string][], unknown][] = [
    ['is shown', '1010', '91010', [], { name: 'The Caller', number: '2000' }],
    ['is not when his phone withholds him (RFC 3323)', '1011', '91011', [['Privacy', 'id']], undefined],
    ['is not when the dialplan does', '891012', '881012', [], undefined],
  ];
  it.each(rows)('%s; the phone is told what a plain bridge tells it', async (_, number, plain, headers, expected) => {
    const mobile = await asleep(number.slice(-4), { answer: { kind: 'auto' } });
    mobile.wakesByPush();
    const call = await caller.call(number, { headers });
    expect((await call.done).status).toBe(200);
    const push = await mobile.callPush();
    expect(ours(push).caller).toEqual(expected);
    if (!expected) expect(push.json).not.toMatch(/The Caller|2000"/);
    await call.hangup();
    await scene.freeswitch.waitForNoChannels();
    const again = await caller.call(plain, { headers });
    await again.done;
    await again.hangup();
    const [woken, bridged] = mobile.rang.map(identity);
    expect(woken).toEqual(bridged);
  });
});
