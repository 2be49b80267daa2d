/** Accounts of any name that the PBX takes, and endpoints whose AORs have other names: rung as by PJSIP/<endpoint>. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mobile } from '../support/mobile.ts';
import { Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';

const NAMES = ['+4930123456', '7', '*97', '+49*1', 'a.b', 'Ada', 'x_y-z', '#5', '50%', 'a%b'];
const FORMS = [
  ['Local', (name: string) => `Dial(Local/${name}@pushwake/n,6)`],
  ['Gosub', (name: string) => `Gosub(pushwake-dial,${name},1)\n same => n,Dial(\${PUSHWAKE_DIAL},6)`],
  ['plain', (name: string) => `Dial(PJSIP/${name},6)`],
] as const;
const DIALLED = [...NAMES, 'nobody', 'vacant', 'sales', 'one', 'two'];
const endpointLines = ['identify_by=auth_username,username'];

const DIALPLAN = `[internal]
${DIALLED.flatMap((name, i) =>
  FORMS.map(
    ([form, dial]) => `exten => ${form}${i},1,${dial(name)}
 same => n,Log(NOTICE,SAID ${form}${i} \${DIALSTATUS} \${HANGUPCAUSE})
 same => n,Hangup(\${HANGUPCAUSE})`,
  ),
).join('\n')}
`;

let scene: Scene;
let caller: SipPhone;

beforeAll(async () => {
  scene = await Scene.start({
    name: 'names',
    hep: true,
    extensions: DIALPLAN,
    users: [
      ...NAMES.map((id) => ({ id, callerId: `Name <${id}>`, rewriteContact: true })),
      { id: 'sales', aors: ['sales-desk', 'sales-mobile'], rewriteContact: true, endpointLines },
      { id: 'one', aors: ['shared'], callerId: 'One <one>', rewriteContact: true, endpointLines },
      { id: 'two', aors: ['shared'], callerId: 'Two <two>', rewriteContact: true },
      { id: 'vacant' },
      { id: '2000' },
    ],
  });
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => scene?.close());

const dial = (form: string, name: string) => caller.call(`${form}${DIALLED.indexOf(name)}`);

async function answered(form: string, name: string, phone: SipPhone): Promise<void> {
  const nth = phone.incoming.length + 1;
  const call = await dial(form, name);
  const rung = await phone.waitForCall(5_000, nth);
  await rung.answer();
  await call.waitForState('answered');
  await call.hangup();
  await scene.asterisk.waitForNoChannels();
}

describe.each(NAMES)('the account %s', (name) => {
  it('rings while it is awake, in every form', async () => {
    const phone = await scene.phone(name, { transport: 'tls' });
    expect((await phone.register()).status).toBe(200);
    for (const [form] of FORMS) await answered(form, name, phone);
    await phone.unregister();
    await phone.sleep();
  });

  it('is pushed and woken', async () => {
    const mobile = await Mobile.asleep(scene, name);
    mobile.wakesByPush();
    for (const form of ['Local', 'Gosub']) {
      await answered(form, name, mobile.phone);
      await mobile.phone.sleep();
    }
    expect(mobile.callPushes).toHaveLength(2);
  });
});

describe('an endpoint with two AORs of other names', () => {
  it('a desk phone on the one and a sleeping mobile on the other: both ring', async () => {
    const authUser = 'sales';
    const password = 'secret-sales';
    const desk = await scene.phone('sales-desk', { authUser, password, transport: 'tls' });
    expect((await desk.register()).status).toBe(200);
    const mobile = await Mobile.asleep(scene, 'sales-mobile', { authUser, password });
    mobile.wakesByPush();
    for (const form of ['Local', 'Gosub']) {
      const deskCalls = desk.incoming.length;
      await answered(form, 'sales', mobile.phone);
      const atDesk = desk.incoming.slice(deskCalls);
      expect(atDesk.map((c) => c.state)).toEqual(['cancelled']);
      expect(atDesk[0]?.cancelReasons.join(' ')).toContain('elsewhere');
      await mobile.phone.sleep();
    }
    expect(mobile.callPushes).toHaveLength(2);
  });
});

describe('two endpoints that share an AOR', () => {
  it.each(['one', 'two'])('dialled as %s, the phone is rung with that endpoint’s settings', async (name) => {
    const mobile = await Mobile.asleep(scene, 'shared', { authUser: 'one', password: 'secret-one' });
    mobile.wakesByPush();
    for (const form of ['Local', 'Gosub']) {
      const nth = mobile.phone.incoming.length + 1;
      const call = await dial(form, name);
      await (await mobile.phone.waitForCall(5_000, nth)).answer();
      await call.waitForState('answered');
      const channels = await scene.asterisk.cli('core show channels concise');
      expect(channels).toContain(`PJSIP/${name}-`);
      await call.hangup();
      await scene.asterisk.waitForNoChannels();
      await mobile.phone.sleep();
    }
  });
});

describe('a name that the PBX does not know, and an account where nobody is registered', () => {
  it.each(['nobody', 'vacant'])('%s: what PJSIP does', async (name) => {
    const said: string[] = [];
    for (const [form] of FORMS) {
      const from = scene.asterisk.logText().length;
      const { status } = await (await dial(form, name)).done;
      const words = () =>
        /SAID \S+ (\S+ \d*)/.exec(
          scene.asterisk
            .logText()
            .slice(from)
            .replace(/.*\$\{.*/g, ''),
        )?.[1];
      await expect.poll(words).toBeDefined();
      said.push(`${status} ${words()}`);
    }
    expect(said).toEqual([said[2], said[2], said[2]]);
  });
});
