/** What a provider would bill: the seconds of all rows together, and who is billed, are those of the plain call. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mobile } from '../support/mobile.ts';
import { Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';
import { fields } from './normal.ts';

const FORMS: Readonly<Record<string, string>> = {
  plain: 'Dial(PJSIP/1001,20)',
  local: 'Dial(Local/1001@pushwake/n,20)',
  visit: `Gosub(pushwake-dial,1001,1)\n same => n,Dial(\${PUSHWAKE_DIAL},20)`,
};
const DIALPLAN = `[internal]
${Object.entries(FORMS)
  .map(([form, dial]) => `exten => ${form},1,${dial}\n same => n,Hangup()`)
  .join('\n')}
exten => 3000,1,Dial(PJSIP/3000,20)
 same => n,Hangup()
`;

let scene: Scene;
let caller: SipPhone;
let third: SipPhone;
let mobile: Mobile;

beforeAll(async () => {
  const users = ['1001', '2000', '3000'].map((id) => ({ id, callerId: `N <${id}>`, rewriteContact: true }));
  scene = await Scene.start({ name: 'money', users, hep: true, extensions: DIALPLAN });
  caller = await scene.phone('2000');
  third = await scene.phone('3000', { answer: { kind: 'auto' } });
  await Promise.all([caller.register(), third.register()]);
  mobile = await Mobile.install(scene, '1001', { transport: 'tls' });
  await mobile.bind();
});
afterAll(async () => scene?.close());

interface Billed {
  readonly rows: number;
  readonly seconds: number;
  /** Who was talked to, by the rows with time. */
  readonly peers: readonly string[];
}

async function billed(form: string, transfer: boolean): Promise<Billed> {
  const from = scene.asterisk.cdrText().length;
  const had = { mobile: mobile.phone.incoming.length, third: third.incoming.length };
  const call = await caller.call(form);
  const phone = await mobile.phone.waitForCall(6_000, had.mobile + 1);
  await phone.answer();
  await call.waitForState('answered');
  // Real time: what is billed is measured in whole seconds by Asterisk's own clock.
  await delay(1_600);
  if (transfer) {
    await phone.refer(`<sip:3000@127.0.0.1:${scene.asterisk.ports.udp}>`);
    await (await third.waitForCall(5_000, had.third + 1)).waitForState('answered');
    await delay(1_600);
  }
  await call.hangup();
  await scene.asterisk.waitForNoChannels();
  const rows = () => scene.asterisk.cdrText().slice(from).split('\n').filter(Boolean).map(fields);
  await expect.poll(() => rows().length).toBeGreaterThan(0);
  const timed = rows().filter((row) => Number(row[13]) > 0 && row[14] === 'ANSWERED');
  return {
    rows: timed.length,
    seconds: timed.reduce((sum, row) => sum + Number(row[13]), 0),
    peers: timed.map((row) => String(row[6]).replace(/-[0-9a-f]{8}.*/, '')).sort(),
  };
}

describe.each([
  ['answered', false],
  ['transferred by the phone (REFER)', true],
] as const)('%s', (_what, transfer) => {
  it('is billed as the plain call, asleep and in every form', async () => {
    if (!mobile.phone.isOpen) await mobile.phone.wake();
    await mobile.phone.register({ contactParams: mobile.identity.params });
    const plain = await billed('plain', transfer);
    expect(plain.peers).toEqual(transfer ? ['PJSIP/1001', 'PJSIP/3000'] : ['PJSIP/1001']);
    const woken = mobile.wakesByPush({ afterMs: 20 });
    for (const form of ['local', 'visit']) {
      await mobile.phone.sleep();
      const { rows, seconds, peers } = await billed(form, transfer);
      expect({ form, rows, peers }).toEqual({ form, rows: plain.rows, peers: plain.peers });
      expect(Math.abs(seconds - plain.seconds), `${form}: ${seconds} s`).toBeLessThanOrEqual(1);
    }
    woken.stop();
  });
});
