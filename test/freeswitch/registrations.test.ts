/** What a REGISTER on a real FreeSWITCH does to a binding: first, renewed, moved, with a new token, gone. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FreeswitchScene, freeswitchUsers } from '../support/freeswitch-scene.ts';
import { Mobile } from '../support/mobile.ts';
import { REALM } from '../support/pbx-scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';

let scene: FreeswitchScene;
let caller: SipPhone;
const aor = (user: string) => `${user}@${REALM}`;
const live = (user: string) => scene.stored.bindings(aor(user)).filter((b) => b.ending === undefined);

beforeAll(async () => {
  scene = await FreeswitchScene.start({
    users: freeswitchUsers(30),
    ipv6: true,
    directory: {
      '1014': { pushwake_policy: 'travellers', pushwake_app: 'TEAM123456.com.example.phone.voip&remote' },
      '1015': { pushwake_policy: 'travelers' },
      '1016': { pushwake_policy: 'travelers' },
    },
    policy: 'policies:\n  - name: travellers\n    policy: { ttl: 14d }',
  });
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => scene?.close());

describe('a REGISTER', () => {
  it('with pn-* is bound and stored soon after its 200', async () => {
    const phone = await scene.phone('1001', { transport: 'tcp' });
    const { at, status } = await phone.register({ contactParams: scene.install().params });
    expect(status).toBe(200);
    const stored = await scene.stored.waitFor(aor('1001'), 'bound', (r) => r.bindings.length === 1);
    expect(stored.at - at).toBeLessThan(500);
    const [binding] = stored.record.bindings;
    expect(binding?.contacts.map((c) => c.grantedMs)).toEqual([3_600_000]);
  });

  it('that is a plain refresh proves that the phone lives', async () => {
    const mobile = await Mobile.install(scene, '1002', { transport: 'tcp' });
    await mobile.bind();
    const from = scene.pushwake.log.length;
    await mobile.phone.register({ contactParams: mobile.identity.params });
    await mobile.phone.register({ contactParams: mobile.identity.params });
    // Renewals of a moment are not written; that they were heard shows by a later one that says something new.
    await mobile.phone.register({
      contactParams: mobile.identity.params.replace(mobile.identity.other, mobile.identity.voip),
    });
    await scene.pushwake.waitForLog((l) => l.aor === aor('1002') && l.msg === 'binding token-changed', { from });
    expect(scene.pushwake.log.slice(from).filter((l) => l.msg === 'binding renewed' && l.aor === aor('1002'))).toEqual(
      [],
    );
    expect(live('1002')).toHaveLength(1);
  });

  it('without pn-*, with a wrong password or of an unknown user binds nobody', async () => {
    const plain = await scene.phone('1003');
    await plain.register();
    const wrong = await scene.phone('1003', { password: 'wrong' });
    expect((await wrong.register({ contactParams: scene.install().params })).status).toBe(403);
    const mobile = await Mobile.install(scene, '1004');
    await mobile.bind();
    expect(live('1003')).toEqual([]);
  });

  it('from behind NAT is bound once, and rung through the way back', async () => {
    const mobile = await Mobile.install(scene, '1005', { transport: 'udp' });
    const nat = `<sip:1005@10.9.9.9:5060${mobile.identity.params}>`;
    expect((await mobile.phone.register({ contact: nat })).status).toBe(200);
    await scene.stored.waitFor(aor('1005'), 'bound', (r) => r.bindings.length === 1);
    await scene.marked(aor('1005'));
    expect((await scene.contacts(aor('1005'))).join()).toContain('fs_path');
    const call = await caller.call('1005');
    const ringing = await mobile.phone.waitForCall();
    expect(ringing.requestUri).toMatch(/^sip:1005@10\.9\.9\.9:5060/);
    expect(ringing.invites[0]?.message.headers.get('X-Push-ID')).toBeDefined();
    await ringing.answer();
    await call.done;
    await call.hangup();
  });
});

describe('a phone registers over', () => {
  it.each([
    ['ws', '1020'],
    ['wss', '1021'],
  ] as const)('%s: its connection closes, the binding stays, and a call wakes it', async (transport, user) => {
    const mobile = await Mobile.install(scene, user, {
      transport,
      server: { host: '127.0.0.1', ...scene.freeswitch.ports },
    });
    await mobile.bind();
    await scene.marked(aor(user));
    await mobile.phone.sleep();
    await expect.poll(() => scene.contacts(aor(user)), { timeout: 5_000 }).toEqual([]);
    expect(live(user)).toHaveLength(1);
    mobile.wakesByPush();
    const call = await caller.call(user);
    const ringing = await mobile.phone.waitForCall();
    expect(ringing.headers.get('X-Push-ID')).toBe(await mobile.callId());
    expect(JSON.stringify(ringing.invites[0]?.message)).not.toContain('pn-');
    // What a browser would answer (DTLS) is beyond this phone.
    ringing.reject(486);
    expect((await call.done).status).toBe(486);
  });

  it('IPv6: it is bound, woken, and rung at its address', async () => {
    const mobile = await Mobile.install(scene, '1022', {
      transport: 'udp',
      host: '::1',
      server: { host: '::1', ...scene.freeswitch.ports, udp: scene.freeswitch.ports.v6 },
    });
    await mobile.bind();
    await scene.marked(aor('1022'));
    await mobile.phone.sleep();
    mobile.wakesByPush();
    const call = await caller.call('1022');
    const ringing = await mobile.phone.waitForCall();
    expect(ringing.requestUri).toContain(`@[::1]:${mobile.phone.localPort}`);
    expect(ringing.headers.get('X-Push-ID')).toBe(await mobile.callId());
    ringing.reject(486);
    expect((await call.done).status).toBe(486);
  });
});

describe('a contact goes', () => {
  it('by log-out: the binding ends, the mark goes, and calls take the plain path', async () => {
    const mobile = await Mobile.install(scene, '1006', { transport: 'tcp' });
    await mobile.bind();
    await scene.marked(aor('1006'));
    await mobile.phone.unregister();
    await scene.stored.waitFor(aor('1006'), 'ended', (r) => r.bindings.every((b) => b.ending !== undefined));
    await scene.marked(aor('1006'), false);
  });

  it('by `Contact: *`: the binding ends, and the row FreeSWITCH would keep is flushed', async () => {
    const mobile = await Mobile.install(scene, '1007', { transport: 'tcp' });
    await mobile.bind();
    await mobile.phone.unregister({ all: true });
    await scene.stored.waitFor(aor('1007'), 'ended', (r) => r.bindings.every((b) => b.ending !== undefined));
    await expect.poll(() => scene.contacts(aor('1007')), { timeout: 5_000 }).toEqual([]);
  });

  it('by a connection the system closed: the binding stays, and a call wakes the phone', async () => {
    const mobile = await Mobile.asleep(scene, '1008', { transport: 'tls' });
    await expect.poll(() => scene.contacts(aor('1008')), { timeout: 5_000 }).toEqual([]);
    await scene.marked(aor('1008'));
    expect(live('1008')).toHaveLength(1);
    mobile.wakesByPush();
    const call = await caller.call('1008');
    await (await mobile.phone.waitForCall()).answer();
    expect((await call.done).status).toBe(200);
    await call.hangup();
  });

  it('by its SIP expiry: the binding stays', async () => {
    const mobile = await Mobile.install(scene, '1009', { transport: 'udp' });
    await scene.bind(mobile.phone, mobile.identity, { expires: 5 });
    await mobile.phone.sleep();
    const deadline = performance.now() + 50_000;
    while ((await scene.contacts(aor('1009'))).length > 0 && performance.now() < deadline);
    expect(await scene.contacts(aor('1009'))).toEqual([]);
    expect(live('1009')).toHaveLength(1);
  });
});

describe('a device', () => {
  it('with a new token is one binding; the row it left behind goes, unless the new one has its Call-ID', async () => {
    const mobile = await Mobile.install(scene, '1010', { transport: 'tcp' });
    await mobile.bind();
    const rotated = scene.install();
    await scene.bind(mobile.phone, rotated);
    const { record } = await scene.stored.waitFor(aor('1010'), 'one binding', (r) => r.bindings.length === 1);
    expect(record.bindings[0]?.targets.call?.token.reveal()).toBe(rotated.voip);
    // One Call-ID for both rows: flushing the old one would throw out the phone.
    expect((await scene.contacts(aor('1010'))).some((c) => c.includes(rotated.voip))).toBe(true);
  });

  it('that starts again and again is one binding, and what it left behind is flushed', async () => {
    const mobile = await Mobile.install(scene, '1011', { transport: 'udp' });
    for (let start = 0; start < 5; start++) {
      if (start > 0) {
        await mobile.phone.sleep();
        await mobile.phone.wake();
      }
      const { status } = await mobile.phone.register({ contactParams: mobile.identity.params, newCallId: true });
      expect(status).toBe(200);
      await scene.stored.waitFor(aor('1011'), `start ${start} known`, (r) =>
        r.bindings.some((b) => b.contacts.some((c) => c.uri.includes(`:${mobile.phone.localPort}`))),
      );
    }
    await expect.poll(() => scene.contacts(aor('1011')), { timeout: 10_000 }).toHaveLength(1);
    expect((await scene.contacts(aor('1011')))[0]).toContain(`:${mobile.phone.localPort}`);
    expect(live('1011')).toHaveLength(1);
  });

  it('with a new token at a new place, as after a new start of the app, is two bindings until the service calls the old token dead; its contact expires by itself', async () => {
    const mobile = await Mobile.install(scene, '1017', { transport: 'udp' });
    await mobile.bind();
    await mobile.phone.sleep();
    await mobile.phone.wake();
    const rotated = scene.install();
    const { status } = await mobile.phone.register({ contactParams: rotated.params, newCallId: true });
    expect(status).toBe(200);
    await scene.stored.waitFor(aor('1017'), 'both', (r) => r.bindings.length === 2);
    expect(await scene.contacts(aor('1017'))).toHaveLength(2);
    scene.apns.unregister(mobile.identity.voip, Date.now());
    await scene.marked(aor('1017'));
    const call = await caller.call('1017');
    const ringing = await mobile.phone.waitForCall();
    await ringing.answer();
    await call.done;
    await call.hangup();
    await expect.poll(() => live('1017').map((b) => b.targets.call?.token.reveal())).toEqual([rotated.voip]);
    // ADR 0111: it ends within a day, and a service that is wrong must not silence a phone that is awake.
    expect(await scene.contacts(aor('1017'))).toHaveLength(2);
  });

  it('on another profile of the same PBX is rung through that profile', async () => {
    const phone = await scene.phone('1012', {
      transport: 'udp',
      server: { host: '127.0.0.1', ...scene.freeswitch.ports, udp: scene.freeswitch.ports.second },
    });
    await scene.bind(phone, scene.install());
    await scene.marked(aor('1012'));
    const call = await caller.call('1012');
    const ringing = await phone.waitForCall();
    expect(ringing.headers.get('X-Push-ID')).toBeDefined();
    await ringing.answer();
    await call.done;
    await call.hangup();
  });
});

describe('the directory', () => {
  const days = (user: string) => live(user).map((b) => (b.endsAt - b.renewedAt) / 86_400_000);

  it('chooses the app of a Contact that names none, and the policy; both outlast a restart', async () => {
    const mobile = await Mobile.install(scene, '1014', { transport: 'tcp' });
    const { voip, other } = mobile.identity;
    const params = `;pn-provider=apns;pn-prid=${voip}:voip&${other}:remote`;
    await scene.bind(mobile.phone, { voip, other, params });
    expect(days('1014')).toEqual([14]);
    await scene.pushwake.stop();
    await scene.startPushwake();
    await scene.marked(aor('1014'));
    await mobile.phone.sleep();
    scene.wakeByPush(mobile.phone, { voip, other, params });
    const call = await caller.call('1014');
    await (await mobile.phone.waitForCall()).answer();
    expect((await call.done).status).toBe(200);
    await call.hangup();
    expect(mobile.callPushes).toHaveLength(1);
    expect(live('1014').map((b) => b.choice?.policy)).toEqual(['travellers']);
  });

  it('names a policy that is not there: said once, and the accounts live by the default', async () => {
    for (const user of ['1015', '1016']) await (await Mobile.install(scene, user, { transport: 'tcp' })).bind();
    expect([...days('1015'), ...days('1016')]).toEqual([7, 7]);
    const said = scene.pushwake.log.filter((l) => l.msg.startsWith('the directory names a policy'));
    expect(said.map((l) => [l.policy, l.known])).toEqual([['travelers', 'travellers']]);
  });
});

describe('a Contact with a comma in it', () => {
  const comma = (victim: SipPhone) => `,sofia/internal/1502@127.0.0.1:${victim.localPort}`;

  it.each([
    ['in its token', '1018', (p: string, c: string) => p.replace(/;pn-prid=\w+/, (prid) => `${prid}${c}`)],
    ['in a parameter of its own', '1019', (p: string, c: string) => `;x=a${c}${p}`],
  ] as const)('%s: nobody else rings, and a line in the log says why it is not', async (_what, user, spoil) => {
    const [victim, evil] = [
      await scene.phone('1502', { transport: 'tcp' }),
      await scene.phone(user, { transport: 'tcp' }),
    ];
    await victim.register();
    const from = scene.pushwake.log.length;
    expect((await evil.register({ contactParams: spoil(scene.install().params, comma(victim)) })).status).toBe(200);
    await scene.pushwake.waitForLog(
      (l) =>
        l.aor === aor(user) &&
        /^(?:contact asks for push and is not bound|a contact is not dialled: it could change the dial string)$/.test(
          l.msg,
        ),
      { from, what: 'why it does not ring' },
    );
    const call = await caller.call(`4${user}`);
    await call.done;
    expect(victim.incoming).toHaveLength(0);
  });
});

it('what registered while pushwake was away is found, and a hostile Contact rings nobody else', async () => {
  const [victim, evil] = [
    await scene.phone('1501', { transport: 'tcp' }),
    await scene.phone('1013', { transport: 'tcp' }),
  ];
  await victim.register();
  await scene.pushwake.stop();
  const params = `;x=a,sofia/internal/1501@127.0.0.1:${victim.localPort}${scene.install().params}`;
  expect((await evil.register({ contactParams: params })).status).toBe(200);
  await scene.startPushwake();
  await scene.stored.waitFor(aor('1013'), 'bound by the resync', (r) => r.bindings.length === 1);
  await scene.marked(aor('1013'));
  const call = await caller.call('41013');
  await call.done;
  expect([victim.incoming.length, evil.incoming.length]).toEqual([0, 0]);
});
