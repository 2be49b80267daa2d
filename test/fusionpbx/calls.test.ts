/** Calls to sleeping phones of a FusionPBX: by extension, ring group, follow-me and call center, and what FusionPBX does besides. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { notOk } from '../support/checked.ts';
import { Checkout } from '../support/fusionpbx/checkout.ts';
import { Mobile } from '../support/mobile.ts';
import type { IncomingCall, OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';
import { type Site, TENANTS } from './database.ts';
import { type FusionScene, startFusion } from './scene.ts';

const [FIRST, SECOND] = TENANTS;
/** The fewest seconds in which a phone that does not wake is given up. */
const SHORT = { call_timeout: '3' };

const SITE: Site = {
  extensions: {
    '1001': {},
    '1002': {},
    '1003': {},
    '1004': { do_not_disturb: 'true' },
    '1005': { forward_all_enabled: 'true', forward_all_destination: '1501' },
    '1006': { ...SHORT, forward_user_not_registered_enabled: 'true', forward_user_not_registered_destination: '1501' },
    '1007': { ...SHORT, forward_no_answer_enabled: 'true', forward_no_answer_destination: '1501' },
    '1008': { user_record: 'all' },
    '1009': { ...SHORT },
    '1501': {},
    '2000': {},
  },
  mailboxes: ['1009'],
  followMe: { '1003': ['1003', '1002'] },
  ringGroups: {
    '7001': { strategy: 'simultaneous', members: ['1001', '1002'] },
    '7002': { strategy: 'enterprise', members: ['1001', '1002'] },
    '7003': { strategy: 'sequence', members: ['1001', '1002'] },
    '7004': { strategy: 'rollover', members: ['1001', '1002'] },
    '7005': { strategy: 'simultaneous', members: ['1501', '1001'] },
  },
  rows: {
    '7200': `<action application="answer"/><action application="sleep" data="200"/><action application="ivr" data="menu"/>`,
    '7300': `<action application="answer"/><action application="callcenter" data="sales@${FIRST}"/>`,
  },
  // The menu is what FusionPBX's handler of ivr.conf writes for one with two keys.
  configurations: `<configuration name="ivr.conf"><menus><menu name="menu" greet-long="silence_stream://2000" greet-short="silence_stream://2000"
 invalid-sound="silence_stream://100" exit-sound="silence_stream://100" timeout="5000" inter-digit-timeout="500" max-failures="3" max-timeouts="3" digit-len="1">
<entry action="menu-exec-app" digits="1" param="transfer 1001 XML ${FIRST}"/><entry action="menu-exec-app" digits="5" param="transfer 1501 XML ${FIRST}"/>
</menu></menus></configuration><configuration name="callcenter.conf"><settings/>
<queues><queue name="sales@${FIRST}"><param name="strategy" value="ring-all"/><param name="moh-sound" value="silence"/>
<param name="tier-rules-apply" value="false"/></queue></queues>
<agents><agent name="agent" type="callback" contact="{call_timeout=20,domain_name=${FIRST}}loopback/1001@${FIRST}/pushwake@fusionpbx/XML"
 status="Available" max-no-answer="0" wrap-up-time="0" reject-delay-time="0" busy-delay-time="0"/></agents>
<tiers><tier agent="agent" queue="sales@${FIRST}" level="1" position="1"/></tiers></configuration>`,
};

const checkout = Checkout.find();
if (!checkout) throw new Error('PUSHWAKE_FUSIONPBX names no checkout of FusionPBX');

let fusion: FusionScene;
let caller: SipPhone;
let desk: SipPhone;

const opened = async (user: string, domain: string) => {
  const phone = await fusion.scene.phone(user, { domain, transport: 'tcp' });
  expect((await phone.register()).status).toBe(200);
  return phone;
};

async function asleep(user: string, domain: string = FIRST): Promise<Mobile> {
  const mobile = await Mobile.asleep(fusion.scene, user, { domain, transport: 'tcp' });
  await fusion.scene.marked(`${user}@${domain}`);
  return mobile;
}

/** The desk phone's next call. */
const atDesk = (nth = desk.incoming.length + 1) => desk.waitForCall(20_000, nth);

/** A key of a menu that is listening. */
async function press(call: OutgoingCall, digit: string): Promise<void> {
  const menu = () => fusion.scene.freeswitch.cli('show channels');
  await expect.poll(menu, { timeout: 10_000 }).toMatch(/,ivr,/);
  await call.request('INFO', [['Content-Type', 'application/dtmf-relay']], `Signal=${digit}\r\nDuration=160\r\n`);
}

const recordings = () =>
  readdirSync(fusion.folder, { recursive: true, encoding: 'utf8' }).filter((name) => /archive.*\.wav$/.test(name));

/** They talk, the caller hangs up, and there is one file more, with a second of both (G.711 in two channels is 32 kB of it). */
async function recorded(call: OutgoingCall, ringing: IncomingCall, before: number): Promise<void> {
  await Promise.all([call.waitForRtp(60), ringing.waitForRtp(60)]);
  await fusion.scene.talkAndHangUp(call, ringing);
  expect(recordings()).toHaveLength(before + 1);
  const newest = recordings().map((name) => statSync(join(fusion.folder, name)).size);
  expect(Math.max(...newest)).toBeGreaterThan(20_000);
}

/** The caller is in FusionPBX's own voicemail. */
async function voicemailRuns(call: OutgoingCall): Promise<void> {
  const channels = () => fusion.scene.freeswitch.cli('show channels');
  await expect.poll(channels, { timeout: 10_000 }).toMatch(/,lua,app\.lua voicemail,/);
  await call.hangup();
}

describe('with pushwake', () => {
  beforeAll(async () => {
    fusion = await startFusion(checkout, SITE);
    [caller, desk] = [await opened('2000', FIRST), await opened('1501', FIRST)];
  });
  afterAll(async () => fusion?.close());
  afterEach(async () => fusion.scene.cleanUp());

  it('an extension: its phone wakes, rings and talks; the same number of the other tenant sleeps on', async () => {
    const [own, other] = [await asleep('1001'), await asleep('1001', SECOND)];
    own.wakesByPush();
    const call = await caller.call('1001');
    const ringing = await own.phone.waitForCall();
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await fusion.scene.talkAndHangUp(call, ringing);
    expect(other.callPushes).toEqual([]);
  });

  it.each(['7001', '7002', '7003', '7004'])(
    'ring group %s: its first sleeping phone wakes, rings and talks',
    async (group) => {
      const mobile = await asleep('1001');
      mobile.wakesByPush();
      const call = await caller.call(group);
      const ringing = await mobile.phone.waitForCall();
      await ringing.answer();
      expect((await call.done).status).toBe(200);
      await fusion.scene.talkAndHangUp(call, ringing);
    },
  );

  it('a ring group of a desk phone and a sleeping one: both ring', async () => {
    const mobile = await asleep('1001');
    mobile.wakesByPush();
    const theirs = atDesk();
    const call = await caller.call('7005');
    const [at, ringing] = await Promise.all([theirs, mobile.phone.waitForCall()]);
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await at.waitForState('cancelled');
    await fusion.scene.talkAndHangUp(call, ringing);
  });

  it('follow-me: the phone that sleeps wakes', async () => {
    const mobile = await asleep('1002');
    mobile.wakesByPush();
    const call = await caller.call('1003');
    const ringing = await mobile.phone.waitForCall();
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await fusion.scene.talkAndHangUp(call, ringing);
  });

  it('do not disturb: nobody is pushed', async () => {
    const mobile = await asleep('1004');
    const call = await caller.call('1004');
    await call.done;
    expect(mobile.callPushes).toEqual([]);
  });

  it('call forward: it is followed, and nobody is pushed', async () => {
    const mobile = await asleep('1005');
    const theirs = atDesk();
    const call = await caller.call('1005');
    const ringing = await theirs;
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await fusion.scene.talkAndHangUp(call, ringing);
    expect(mobile.callPushes).toEqual([]);
  });

  it.each([
    ['not registered', '1006'],
    ['no answer', '1007'],
  ])('a forward for "%s": the phone is woken first; it is followed when none comes', async (_what, number) => {
    const mobile = await asleep(number);
    const theirs = atDesk();
    const call = await caller.call(number);
    const ringing = await theirs;
    expect(mobile.callPushes).toHaveLength(1);
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await fusion.scene.talkAndHangUp(call, ringing);
  });

  it('an IVR: the key is pressed, and the phone that sleeps wakes', async () => {
    const mobile = await asleep('1001');
    mobile.wakesByPush();
    const call = await caller.call('7200');
    expect((await call.done).status).toBe(200);
    await press(call, '1');
    const ringing = await mobile.phone.waitForCall(20_000);
    await ringing.answer();
    await fusion.scene.talkAndHangUp(call, ringing);
  });

  it('a queue of the call center: the phone that sleeps wakes', async () => {
    const mobile = await asleep('1001');
    mobile.wakesByPush();
    const call = await caller.call('7300');
    const ringing = await mobile.phone.waitForCall(20_000);
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await fusion.scene.talkAndHangUp(call, ringing);
  });

  it('a ring group whose members all sleep: both wake, and the one that does not answer hears it', async () => {
    const [one, other] = [await asleep('1001'), await asleep('1002')];
    one.wakesByPush();
    other.wakesByPush({ afterMs: 150 });
    const call = await caller.call('7001');
    const [first, second] = await Promise.all([one.phone.waitForCall(), other.phone.waitForCall()]);
    await second.answer();
    expect((await call.done).status).toBe(200);
    await first.waitForState('cancelled');
    await fusion.scene.talkAndHangUp(call, second);
  });

  it('an attended transfer to a phone that sleeps: it wakes, and has the caller at the end', async () => {
    const mobile = await asleep('1001');
    mobile.wakesByPush();
    const theirs = atDesk();
    const call = await caller.call('1501');
    const first = await theirs;
    await first.answer();
    expect((await call.done).status).toBe(200);
    const second = await desk.call('1001');
    const ringing = await mobile.phone.waitForCall();
    await ringing.answer();
    expect((await second.done).status).toBe(200);
    await Promise.all([second.waitForRtp(10), ringing.waitForRtp(10)]);
    const { callId, localTag, remoteTag } = second.dialogId as Record<'callId' | 'localTag' | 'remoteTag', string>;
    const replaces = encodeURIComponent(`${callId};to-tag=${remoteTag};from-tag=${localTag}`);
    await first.refer(`<sip:1001@${FIRST}?Replaces=${replaces}>`);
    await Promise.all([first.waitForState('ended'), second.waitForState('ended')]);
    const [atCaller, atPhone] = [call.rtp.received, ringing.rtp.received];
    await expect
      .poll(() => call.rtp.received > atCaller + 5 && ringing.rtp.received > atPhone + 5, { timeout: 5_000 })
      .toBe(true);
    await fusion.scene.talkAndHangUp(call, ringing);
  });

  it('a lamp is lit while the phone still sleeps, while it talks, and goes out', async () => {
    const mobile = await asleep('1001');
    const lamp = await desk.watch('1001');
    expect(lamp.state).toBe('terminated');
    const call = await caller.call('1001');
    await expect.poll(() => lamp.state, { timeout: 10_000 }).toBe('early');
    expect(mobile.phone.incoming).toEqual([]);
    await mobile.callPush();
    await mobile.phone.wake();
    await mobile.bind();
    const ringing = await mobile.phone.waitForCall(10_000);
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await expect.poll(() => lamp.state, { timeout: 10_000 }).toBe('confirmed');
    await fusion.scene.talkAndHangUp(call, ringing);
    await expect.poll(() => lamp.state, { timeout: 10_000 }).toBe('terminated');
  });

  it('a recorded extension: both are in the file', async () => {
    const mobile = await asleep('1008');
    mobile.wakesByPush();
    const before = recordings().length;
    const call = await caller.call('1008');
    const ringing = await mobile.phone.waitForCall();
    await ringing.answer();
    expect((await call.done).status).toBe(200);
    await recorded(call, ringing, before);
  });

  it('nobody comes: the mailbox takes the message', async () => {
    const mobile = await asleep('1009');
    const call = await caller.call('1009');
    expect((await call.done).status).toBe(200);
    expect(mobile.callPushes).toHaveLength(1);
    await voicemailRuns(call);
  });

  it('check: the row and the script are seen', async () => {
    expect((await notOk(fusion.scene)).filter((line) => /FusionPBX|dialplan/.test(line))).toEqual([]);
  });

  it('pushwake is dead: whoever is awake rings, by extension and by ring group', async () => {
    await fusion.scene.pushwake.stop('SIGKILL');
    try {
      for (const number of ['1501', '7005']) {
        const theirs = atDesk();
        const call = await caller.call(number);
        const ringing = await theirs;
        await ringing.answer();
        expect((await call.done).status).toBe(200);
        await fusion.scene.talkAndHangUp(call, ringing);
      }
    } finally {
      await fusion.scene.startPushwake();
    }
  });
});

describe('FusionPBX as it is installed', () => {
  beforeAll(async () => {
    fusion = await startFusion(checkout, SITE, true);
    caller = await opened('2000', FIRST);
  });
  afterAll(async () => fusion?.close());
  afterEach(async () => fusion.scene.cleanUp());

  it('check: names the row that is to be changed and the script that is not loaded', async () => {
    const lines = (await notOk(fusion.scene)).join('\n');
    expect(lines).toMatch(/^fail .*local_extension \(context .*→ .*execute_extension/m);
    expect(lines).toMatch(/^warn .*ring groups and follow-me wake nobody.*→ .*init --pbx fusionpbx/m);
  });

  it('a lamp, a menu, a recording and a mailbox, as they are without us', async () => {
    const phone = await opened('1001', FIRST);
    const lamp = await caller.watch('1001');
    const call = await caller.call('7200');
    expect((await call.done).status).toBe(200);
    await press(call, '1');
    const ringing = await phone.waitForCall(10_000);
    await expect.poll(() => lamp.state, { timeout: 10_000 }).toBe('early');
    await ringing.answer();
    await expect.poll(() => lamp.state, { timeout: 10_000 }).toBe('confirmed');
    await fusion.scene.talkAndHangUp(call, ringing);
    await expect.poll(() => lamp.state, { timeout: 10_000 }).toBe('terminated');
    await phone.unregister();

    const before = recordings().length;
    const taped = await opened('1008', FIRST);
    const second = await caller.call('1008');
    const rung = await taped.waitForCall(10_000);
    await rung.answer();
    expect((await second.done).status).toBe(200);
    await recorded(second, rung, before);

    await opened('1009', FIRST);
    const third = await caller.call('1009');
    expect((await third.done).status).toBe(200);
    await voicemailRuns(third);
  });

  it.each(['1001', '7001', '7002', '7003', '7004', '1003'])('%s: a phone that sleeps is not rung', async (number) => {
    const mobile = await asleep('1001');
    mobile.wakesByPush();
    const call = await caller.call(number);
    await call.done;
    expect(mobile.callPushes).toEqual([]);
  });
});
