/**
 * What the administrator's dialplan exports reaches the phone that was woken, as it reaches one that is awake: SRTP, headers,
 * variables. The same call by a plain bridge stands beside it.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FREESWITCH_DIALPLAN, FreeswitchScene, freeswitchUsers } from '../support/freeswitch-scene.ts';
import { Mobile } from '../support/mobile.ts';
import { REALM } from '../support/pbx-scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';

/** `87` through pushwake, `86` by a plain bridge, with the same exports. */
const EXPORTS = [
  ['87', 'execute_extension', `$1@${REALM} XML pushwake`],
  ['86', 'bridge', `user/$1@${REALM}`],
]
  .map(
    ([prefix, application, data]) => `<extension name="exports${prefix}">
<condition field="destination_number" expression="^${prefix}(1\\d{3})$">
<action application="export" data="nolocal:rtp_secure_media=mandatory"/>
<action application="export" data="nolocal:sip_h_Alert-Info=&lt;http://ring.example&gt;;info=ring2"/>
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
    extensions: [FREESWITCH_DIALPLAN, EXPORTS].join('\n'),
  });
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => scene?.close());
afterEach(async () => scene.cleanUp());

describe('what the dialplan exports', () => {
  it('reaches a phone that is woken as it reaches one that is awake', async () => {
    const mobile = await Mobile.asleep(scene, '1001', { transport: 'tcp' });
    await scene.marked(`1001@${REALM}`);
    mobile.wakesByPush();
    const call = await caller.call('871001');
    await mobile.phone.waitForCall();
    await call.cancel();
    const again = await caller.call('861001');
    await mobile.phone.waitForCall(5_000, 2);
    const [woken = '', plain = ''] = mobile.phone.inviteEntries().map(({ text }) => text);
    for (const [which, invite] of Object.entries({ woken, plain })) {
      expect(invite, which).toMatch(/^m=audio \d+ RTP\/SAVP /m);
      expect(invite, which).toMatch(/^a=crypto:/m);
      expect(invite, which).toMatch(/^Alert-Info: <http:\/\/ring\.example>;info=ring2\r?$/m);
    }
    await again.cancel();
  });
});
