/** Who calls goes through a push service only where the administrator says so and the caller does not withhold it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DIALPLAN, Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';

const WITHHELD = `${DIALPLAN}
[internal](+)
exten => 7001,1,Set(CALLERID(pres)=prohib)
 same => n,Dial(Local/1001@pushwake/n,30)
 same => n,Hangup(\${HANGUPCAUSE})
`;

describe('the caller in a call push', () => {
  let scene: Scene;
  let caller: SipPhone;
  beforeAll(async () => {
    scene = await Scene.start({
      name: 'caller',
      extensions: WITHHELD,
      policy: 'calls: { showCaller: true }',
    });
    caller = await scene.phone('2000');
    await caller.register();
  });
  afterAll(() => scene.close());

  it.each([
    ['1001', { name: 'The Caller', number: '2000' }],
    ['7001', undefined],
  ])('dialling %s shows %j', async (number, expected) => {
    const phone = await scene.phone('1001', { transport: 'tcp', answer: { kind: 'auto' } });
    const install = scene.install();
    await scene.bind(phone, install);
    await phone.sleep();
    const woken = scene.wakeByPush(phone, install);
    const call = await caller.call(number);
    expect((await call.done).status).toBe(200);
    woken.stop();
    const [push] = woken.pushes;
    expect((JSON.parse(push?.json ?? '{}') as { pushwake?: { caller?: unknown } }).pushwake?.caller).toEqual(expected);
    if (!expected) expect(push?.json).not.toMatch(/The Caller|"2000"/);
    await call.hangup();
    await scene.asterisk.waitForNoChannels(8_000);
    await phone.close();
  });
});
