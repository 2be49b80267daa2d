/**
 * A sleeping phone behind FreePBX: the dialplan, hints, queues and AstDB of the site are written by FreePBX's own generators. 1001 is rung
 * through pushwake, by the fields "Dial" and "Hint Override" of its extension; 1003 is the same phone as FreePBX rings it without us.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { planHints } from '../../plugin/commands/init/freepbx.ts';
import { Mobile } from '../support/mobile.ts';
import { Scene } from '../support/scene.ts';
import type { OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';
import { type Generated, generate, type Site } from './site.ts';

/** Every call from within is recorded. */
const RECORDED = { ringtimer: '6', recording_in_internal: 'force' };
const twins = (number: string, strategy: string) => [
  { number, strategy, seconds: 12, members: ['1001', '1002'] },
  { number: number.replace(/.$/, '3'), strategy, seconds: 12, members: ['1003', '1002'] },
];
const SITE: Site = {
  extensions: [
    {
      number: '1001',
      name: 'Mobile',
      dial: 'Local/1001@pushwake/n',
      hint_override: 'PJSIP/1001&Stasis:pushwake-1001',
      voicemail: 'default',
      user: RECORDED,
    },
    { number: '1002', name: 'Desk' },
    { number: '1003', name: 'Plain Mobile', voicemail: 'default', user: RECORDED },
    // "Dial" alone, as this page said it until now.
    { number: '1004', name: 'Dial Alone', dial: 'Local/1004@pushwake/n' },
    { number: '1005', name: 'Follow Me' },
    { number: '1006', name: 'Follow Me' },
    { number: '2000', name: 'The Caller' },
    // An office of twenty.
    ...Array.from({ length: 13 }, (_, i) => ({ number: String(1010 + i), name: `Colleague ${i + 1}` })),
  ],
  ringGroups: [...twins('600', 'ringall'), ...twins('610', 'hunt')],
  queues: [
    { number: '700', strategy: 'ringall', members: ['1001'] },
    { number: '703', strategy: 'ringall', members: ['1003'] },
  ],
  ivrs: [{ id: 1, keys: { 1: 'ext-local,1001,1', 3: 'ext-local,1003,1' } }],
  followMe: [
    { number: '1005', strategy: 'ringallv2', seconds: 12, members: ['1005', '1001'], first: 0 },
    { number: '1006', strategy: 'ringallv2', seconds: 12, members: ['1006', '1003'], first: 0 },
  ],
};
/** Extensions of the administrator's own: the menu, and the voicemail greeting is not waited for. */
const CUSTOM = `[from-internal-custom]
exten => 8001,1,Goto(ivr-1,s,1)
`;
const USERS = SITE.extensions.map(({ number, name }) => ({
  id: number,
  callerId: `${name} <${number}>`,
  rewriteContact: true,
  endpointLines: ['context=from-internal'],
}));

/** What `pushwake init --extensions 1004` writes into extensions_override_freepbx.conf. */
function overrideFor(additional: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'pushwake-freepbx-'));
  try {
    writeFileSync(join(folder, 'extensions_additional.conf'), additional);
    return planHints(folder, ['1004']).files[0]?.after ?? '';
  } finally {
    rmSync(folder, { recursive: true });
  }
}

let generated: Generated;
let scene: Scene;
let caller: SipPhone;
let desk: SipPhone;
let mobile: Mobile;
/** 1003: awake, rung by FreePBX itself. */
let plain: SipPhone;

beforeAll(async () => {
  generated = await generate(process.env.PUSHWAKE_FREEPBX ?? '', SITE);
  scene = await Scene.start({
    name: 'freepbx',
    hep: true,
    users: USERS,
    extensions: generated.extensions,
    queues: generated.queues,
    modules: ['app_voicemail'],
    extra: {
      'extensions_additional.conf': generated.additional,
      'extensions_override_freepbx.conf': overrideFor(generated.additional),
      'extensions_custom.conf': CUSTOM,
      'voicemail.conf': '[general]\nformat=wav\n[default]\n1001 => 1234,Mobile\n1003 => 1234,Plain\n',
    },
  });
  for (const [family, key, value] of generated.astdb)
    await scene.asterisk.cli(`database put ${family} "${key}" "${value}"`);
  const phone = async (user: string) => {
    const one = await scene.phone(user, { transport: 'tls' });
    await one.register();
    return one;
  };
  [caller, desk, plain] = [await phone('2000'), await phone('1002'), await phone('1003')];
  mobile = await Mobile.asleep(scene, '1001');
  mobile.wakesByPush();
});
afterAll(async () => scene?.close());

/** Calls that a phone had before this test. */
const had = new Map<SipPhone, number>();

/** The mobile sleeps again before each call. */
beforeEach(async () => {
  for (const phone of scene.phones) had.set(phone, phone.incoming.length);
  desk.answer = { kind: 'ring' };
  mobile.phone.answer = { kind: 'ring' };
  plain.answer = { kind: 'ring' };
  if (mobile.phone.isOpen) await mobile.phone.sleep();
  await expect.poll(() => scene.contacts('1001'), { timeout: 5_000 }).toEqual([]);
});
afterEach(async () => {
  for (const phone of scene.phones) for (const call of phone.outgoing) if (!call.isOver) call.drop();
  await scene.asterisk.cli('channel request hangup all');
  await scene.asterisk.waitForNoChannels();
});

/** The call that comes to a phone in this test. */
const rings = (phone: SipPhone) => phone.waitForCall(12_000, (had.get(phone) ?? 0) + 1);

/** The phone rings for the call, answers it, both hear each other, and the caller hangs up. */
async function talks(call: OutgoingCall, phone: SipPhone): Promise<void> {
  const rung = await rings(phone);
  await rung.answer();
  await call.done;
  await Promise.all([call.waitForRtp(10), rung.waitForRtp(10)]);
  await call.hangup();
  await rung.waitForState('ended');
}

const hint = async (extension: string): Promise<string> => {
  const shown = await scene.asterisk.cli(`core show hint ${extension}`);
  return /State:(\w+)/.exec(shown)?.[1] ?? shown;
};

/** Through pushwake, and as FreePBX rings a phone that is awake: the same number for both. */
const BOTH = [
  ['through pushwake, asleep', '1001', () => mobile.phone],
  ['without pushwake, awake', '1003', () => plain],
] as const;

/** Files of recorded calls to an extension, by size in bytes. */
function recordings(number: string): readonly number[] {
  const folder = join(scene.asterisk.folder, 'spool/monitor');
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
  return names
    .filter((name) => name.includes(`internal-${number}-2000-`))
    .map((name) => statSync(join(folder, name)).size);
}

describe('what FreePBX generates', () => {
  it('the hint of an extension with "Hint Override" is that of the phone, and "Dial" alone makes a hint that is idle for ever', () => {
    const of = (extension: string) =>
      new RegExp(`^exten => ${extension},hint,(.*)$`, 'm').exec(generated.additional)?.[1];
    expect(of('1001')).toBe('PJSIP/1001&Stasis:pushwake-1001&Custom:DND1001,CustomPresence:1001');
    expect(of('1003')).toBe('PJSIP/1003&Custom:DND1003,CustomPresence:1003');
    expect(of('1004')).toBe('Local/1004@pushwake/n&Custom:DND1004,CustomPresence:1004');
  });

  it('the hint that `init --extensions` has written goes before that of "Dial" alone, also after a reload', async () => {
    const shown = () => scene.asterisk.cli('core show hint 1004');
    for (const _ of [1, 2]) {
      expect(await shown()).toContain('PJSIP/1004&Stasis:pushwake-1004');
      expect(await shown()).not.toContain('Local/');
      await scene.asterisk.cli('dialplan reload');
    }
  });

  it('dials what "Dial" says, from AstDB', () => {
    const dials = generated.astdb.filter(([family, key]) => family === 'DEVICE' && key.endsWith('/dial'));
    expect(Object.fromEntries(dials.map(([, key, value]) => [key, value]))).toMatchObject({
      '1001/dial': 'Local/1001@pushwake/n',
      '1003/dial': 'PJSIP/1003',
    });
  });
});

describe.each(BOTH)('%s', (_how, number, phoneOf) => {
  const nth = (base: string) => (number === '1001' ? base : base.replace(/.$/, '3'));

  it('by its extension, and its lamp is lit while it rings and talks', async () => {
    const call = await caller.call(number);
    const rung = await rings(phoneOf());
    expect(await hint(number)).toBe('Ringing');
    await rung.answer();
    await call.done;
    await expect.poll(() => hint(number)).toBe('InUse');
    await Promise.all([call.waitForRtp(10), rung.waitForRtp(10)]);
    await call.hangup();
    await rung.waitForState('ended');
    await expect.poll(() => hint(number)).toBe('Idle');
  });

  it('a recorded call: one file more, with both in it', async () => {
    const before = recordings(number).length;
    const call = await caller.call(number);
    const rung = await rings(phoneOf());
    await rung.answer();
    await call.done;
    await Promise.all([call.waitForRtp(60), rung.waitForRtp(60)]);
    await call.hangup();
    await rung.waitForState('ended');
    await scene.asterisk.waitForNoChannels();
    // A second of 8 kHz and 16 bits is 16 kB.
    await expect.poll(() => recordings(number).length).toBe(before + 1);
    await expect.poll(() => Math.max(...recordings(number))).toBeGreaterThan(16_000);
  });

  it('by a ring group, with the desk phone', async () => {
    const call = await caller.call(nth('600'));
    const other = await rings(desk);
    await talks(call, phoneOf());
    await expect.poll(() => other.state).not.toBe('ringing');
  });

  it('by a group that hunts', async () => {
    await talks(await caller.call(nth('610')), phoneOf());
  });

  it('by a queue', async () => {
    await talks(await caller.call(nth('700')), phoneOf());
  });

  it('by follow me of another extension', async () => {
    await talks(await caller.call(number === '1001' ? '1005' : '1006'), phoneOf());
  });

  it('from a menu', async () => {
    const call = await caller.call('8001');
    await call.done;
    await delay(500);
    await call.request(
      'INFO',
      [['Content-Type', 'application/dtmf-relay']],
      `Signal=${number.at(-1)}\r\nDuration=100\r\n`,
    );
    await talks(call, phoneOf());
  });

  it('by a blind transfer of the desk phone', async () => {
    const call = await caller.call('1002');
    const first = await rings(desk);
    await first.answer();
    await call.done;
    await first.refer(`<sip:${number}@127.0.0.1:${scene.asterisk.ports.udp}>`);
    await talks(call, phoneOf());
  });

  it('by an attended transfer of the desk phone', async () => {
    const call = await caller.call('1002');
    const first = await rings(desk);
    await first.answer();
    await call.done;
    const second = await desk.call(number);
    const rung = await rings(phoneOf());
    await rung.answer();
    await second.done;
    // Asterisk answers before it bridges.
    await second.waitForRtp(3);
    const id = second.dialogId as { callId: string; localTag: string; remoteTag: string };
    const replaces = encodeURIComponent(`${id.callId};to-tag=${id.remoteTag};from-tag=${id.localTag}`);
    await first.refer(`<sip:${number}@127.0.0.1:${scene.asterisk.ports.udp}?Replaces=${replaces}>`);
    await Promise.all([call.waitForRtp(10), rung.waitForRtp(10)]);
    await call.hangup();
    await rung.waitForState('ended');
  });

  it('nobody answers: its voicemail', async () => {
    const call = await caller.call(number);
    await rings(phoneOf());
    expect((await call.done).status).toBe(200);
    expect(await scene.asterisk.cli('core show channels concise')).toContain('VoiceMail');
    await call.hangup();
  });

  it('the phone declines: its voicemail', async () => {
    const call = await caller.call(number);
    (await rings(phoneOf())).reject(603);
    expect((await call.done).status).toBe(200);
    expect(await scene.asterisk.cli('core show channels concise')).toContain('VoiceMail');
    await call.hangup();
  });

  it('do not disturb: no phone rings, no push, and the lamp says so', async () => {
    await scene.asterisk.cli(`database put DND ${number} YES`);
    await scene.asterisk.cli(`devstate change Custom:DND${number} BUSY`);
    const [pushes, invites] = [mobile.callPushes.length, phoneOf().invites.length];
    expect(await hint(number)).toBe('Busy');
    const call = await caller.call(number);
    expect((await call.done).status).toBe(200);
    expect(await scene.asterisk.cli('core show channels concise')).toContain('VoiceMail');
    await call.hangup();
    await scene.asterisk.cli(`database del DND ${number}`);
    await scene.asterisk.cli(`devstate change Custom:DND${number} NOT_INUSE`);
    expect([mobile.callPushes.length, phoneOf().invites.length]).toEqual([pushes, invites]);
  });

  it('forwarded to the desk phone: that rings, and no push', async () => {
    await scene.asterisk.cli(`database put CF ${number} 1002`);
    const pushes = mobile.callPushes.length;
    await talks(await caller.call(number), desk);
    await scene.asterisk.cli(`database del CF ${number}`);
    expect(mobile.callPushes).toHaveLength(pushes);
  });
});
