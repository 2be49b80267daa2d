/**
 * Contacts that Asterisk still holds for a device: dead ones, that come back with the same URI or another, and live ones
 * whose push fails or wakes nobody. However it goes, each device rings once.
 */
import { setTimeout as untilTime } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Scene } from '../support/scene.ts';
import type { SipPhone, SipPhoneOptions } from '../support/sip-phone/index.ts';
import { cleanUp, Mobile, startCallScene, steps, talkAndHangUp, wakeOver } from './calls-support.ts';

let scene: Scene;
let caller: SipPhone;
const mobiles = new Map<string, Mobile>();

/** Registered by UDP before the tests begin: older than `freshContact` when its test comes. */
const UDP_USERS = ['1001', '1002', '1003', '1004', '1005', '1006', '1007', '1008', '1009', '1010'];

beforeAll(async () => {
  // A contact counts as fresh for a second only (the PBX tells whole seconds), in place of half a minute.
  scene = await startCallScene({ name: 'call-stored', mobiles: 30, hep: true, policy: '  freshContact: 0s' });
  caller = await scene.phone('2000');
  await caller.register();
  for (const user of UDP_USERS) {
    const mobile = await Mobile.install(scene, user, { transport: 'udp', answer: { kind: 'auto', afterMs: 50 } });
    await mobile.bind();
    mobiles.set(user, mobile);
  }
  await untilTime(2_200);
});
afterAll(async () => scene?.close());
afterEach(async () => cleanUp(scene));

const registeredLongAgo = (user: string): Mobile => {
  const mobile = mobiles.get(user);
  if (!mobile) throw new Error(`${user} is not one of the phones that registered before the tests`);
  return mobile;
};

/** Answered, with exactly one INVITE that this phone ever saw, and nothing said by push. */
async function answeredOnce(mobile: Mobile, user: string, call: Awaited<ReturnType<SipPhone['call']>>) {
  expect((await call.done).status).toBe(200);
  const callId = await mobile.callId();
  const rung = mobile.rang.at(-1);
  if (!rung) throw new Error(`${user} did not ring`);
  await talkAndHangUp(scene, call, rung);
  await wakeOver(scene, callId);
  expect(mobile.phone.incoming, mobile.phone.log.timeline()).toHaveLength(1);
  expect(mobile.words(callId)).toEqual([]);
  return { rung, callId, ms: rung.receivedAt - call.invitedAt };
}

describe('a stored contact that is dead', () => {
  it('UDP, comes back with the same URI: one INVITE', async () => {
    const mobile = registeredLongAgo('1001');
    await mobile.phone.sleep();
    mobile.wakesByPush({ samePort: true, afterMs: 200 });
    const call = await caller.call('1001');
    const { ms } = await answeredOnce(mobile, '1001', call);
    expect(ms).toBeLessThan(1_000);
  });

  it('UDP, comes back with another port: one INVITE', async () => {
    const mobile = registeredLongAgo('1002');
    await mobile.phone.sleep();
    mobile.wakesByPush({ afterMs: 200 });
    const call = await caller.call('1002');
    const { ms } = await answeredOnce(mobile, '1002', call);
    expect(ms).toBeLessThan(1_000);
  });

  it('UDP, so late that it is dialled already, just before its INVITE is sent again: one INVITE', async () => {
    const mobile = registeredLongAgo('1003');
    await mobile.phone.sleep();
    const call = await caller.call('1003');
    const callId = await mobile.callId();
    await scene.pushwake.waitForLog((l) => l.msg === 'call step' && l.callId === callId && l.step === 'push accepted');
    // Asterisk rings it after 2 s and once more 0.5 s later, which is what the phone will hear.
    await untilTime(call.invitedAt + 2_250 - performance.now());
    await mobile.phone.wake({ samePort: true });
    await mobile.phone.register({ contactParams: mobile.identity.params, newCallId: true });
    await answeredOnce(mobile, '1003', call);
    expect(steps(scene, callId)).toContain('registered where its stored contact is being rung, waiting for that');
  });

  it('UDP, dialled already, comes back with another port: one INVITE at the new one', async () => {
    const mobile = registeredLongAgo('1004');
    await mobile.phone.sleep();
    const call = await caller.call('1004');
    await mobile.callId();
    await untilTime(call.invitedAt + 2_250 - performance.now());
    await mobile.phone.wake();
    await mobile.phone.register({ contactParams: mobile.identity.params, newCallId: true });
    await answeredOnce(mobile, '1004', call);
  });

  it.each([
    ['1011', 'tls'],
    ['1012', 'tcp'],
  ] as const)('%s: %s with a connection that hangs, comes back on a new one: one INVITE', async (user, transport) => {
    const mobile = await Mobile.install(scene, user, { transport, answer: { kind: 'auto', afterMs: 50 } });
    await mobile.bind();
    await mobile.phone.sleep({ how: 'deaf' });
    expect(await scene.contacts(user)).toHaveLength(1);
    mobile.wakesByPush();
    const call = await caller.call(user);
    await answeredOnce(mobile, user, call);
  });

  it.each([
    ['1013', 'tls'],
    ['1014', 'tcp'],
  ] as const)(
    '%s: %s with a connection that was closed, comes back on a new one: one INVITE',
    async (user, transport) => {
      const mobile = await Mobile.asleep(scene, user, { transport, answer: { kind: 'auto', afterMs: 50 } });
      console.info(`${transport} closed: Asterisk holds ${(await scene.contacts(user)).length} contact(s)`);
      mobile.wakesByPush();
      const call = await caller.call(user);
      await answeredOnce(mobile, user, call);
    },
  );

  it('two devices, one dead by UDP and one behind a hanging connection: each rings once, one wins', async () => {
    const one = registeredLongAgo('1005');
    const options: Partial<SipPhoneOptions> = { transport: 'tls', answer: { kind: 'ring' } };
    const two = await Mobile.install(scene, '1005', options);
    await two.bind();
    await one.phone.sleep();
    await two.phone.sleep({ how: 'deaf' });
    one.phone.answer = { kind: 'ring' };
    one.wakesByPush({ samePort: true });
    two.wakesByPush();
    const call = await caller.call('1005');
    const [a, b] = await Promise.all([one.phone.waitForCall(), two.phone.waitForCall()]);
    await a.answer();
    await b.waitForState('cancelled');
    await talkAndHangUp(scene, call, a);
    const callId = await one.callId();
    await wakeOver(scene, callId);
    expect([one.phone.incoming.length, two.phone.incoming.length]).toEqual([1, 1]);
    expect([one.words(callId), two.words(callId)]).toEqual([[], []]);
  });
});

describe('a stored contact that lives', () => {
  it('UDP, registered long ago, its push arrives nowhere: rings after just under two seconds', async () => {
    const mobile = registeredLongAgo('1006');
    const call = await caller.call('1006');
    const { ms } = await answeredOnce(mobile, '1006', call);
    expect(ms).toBeGreaterThan(1_700);
    expect(ms).toBeLessThan(2_400);
  });

  it.each([
    ['1007', 'a dead token', { status: 410, reason: 'Unregistered', timestamp: Date.now() + 60_000 }],
    ['1008', 'a wrong topic', { status: 400, reason: 'TopicDisallowed' }],
    ['1009', 'a service out of order', { status: 503, reason: 'ServiceUnavailable' }],
  ] as const)('%s: UDP, registered long ago, its push fails by %s: rings at once', async (user, _what, answer) => {
    const mobile = registeredLongAgo(user);
    scene.apns.next(answer);
    const call = await caller.call(user);
    expect((await call.done).status).toBe(200);
    const rung = mobile.rang[0];
    if (!rung) throw new Error('it did not ring');
    expect(rung.receivedAt - call.invitedAt).toBeLessThan(1_500); // well before the 1.8 s the dialplan would wait; a busy machine is slow
    await talkAndHangUp(scene, call, rung);
    expect(mobile.phone.incoming).toHaveLength(1);
  });

  it.each([
    ['1015', 'udp'],
    ['1016', 'tcp'],
    ['1017', 'tls'],
  ] as const)(
    '%s: awake by %s, registered a moment ago, answers the push with a REGISTER as well: one INVITE',
    async (user, transport) => {
      const mobile = await Mobile.install(scene, user, { transport, answer: { kind: 'ring' } });
      mobile.wakesByPush({ afterMs: 10 });
      await mobile.bind();
      const call = await caller.call(user);
      const rung = await mobile.phone.waitForCall();
      const callId = await mobile.callId();
      await scene.pushwake.waitForLog((l) => l.callId === callId && l.step === 'registered');
      await rung.answer();
      const { ms } = await answeredOnce(mobile, user, call);
      expect(ms).toBeLessThan(1_500); // well before the 1.8 s the dialplan would wait; a busy machine is slow
    },
  );

  it('UDP, registered long ago, awake, answers the push with a REGISTER: one INVITE, at once', async () => {
    const mobile = registeredLongAgo('1010');
    mobile.wakesByPush({ afterMs: 10 });
    const call = await caller.call('1010');
    const { ms } = await answeredOnce(mobile, '1010', call);
    expect(ms).toBeLessThan(1_500); // well before the 1.8 s the dialplan would wait; a busy machine is slow
  });
});

/** ADR 0051. What lies in a suspended phone's buffer cannot be taken back. */
describe('a phone that is suspended, its socket open', () => {
  const USERS = [
    ['1021', 'tls'],
    ['1022', 'tcp'],
    ['1023', 'udp'],
  ] as const;

  /** Its push lets it run again after 700 ms, and it registers by the connection that it has. */
  async function resumesByPush(mobile: Mobile, nth: number): Promise<void> {
    await mobile.callPush(nth);
    await untilTime(700);
    mobile.phone.resume();
    await mobile.phone.register({ contactParams: mobile.identity.params, newCallId: true });
  }

  /** One call that wakes it and is answered. */
  async function isWoken(mobile: Mobile, nth: number): Promise<void> {
    mobile.phone.suspend();
    const call = await caller.call(mobile.phone.user);
    await resumesByPush(mobile, nth);
    expect((await call.done).status).toBe(200);
    await call.hangup();
    await wakeOver(scene, await mobile.callId(nth));
    expect(mobile.phone.incoming, mobile.phone.log.timeline()).toHaveLength(nth);
  }

  it('slept at its last calls: one that is over when it runs again leaves it nothing to read, one that waits rings once', async () => {
    const mobiles = await Promise.all(
      USERS.map(async ([user, transport]) => {
        const mobile = await Mobile.install(scene, user, { transport, answer: { kind: 'auto' } });
        await mobile.bind();
        return mobile;
      }),
    );
    await Promise.all(
      mobiles.map(async (mobile) => {
        await isWoken(mobile, 1);
        await isWoken(mobile, 2);
        // No longer fresh.
        await untilTime(2_200);
        mobile.phone.suspend();
        const call = await caller.call(mobile.phone.user);
        await mobile.callPush(3);
        await untilTime(700);
        call.cancel();
        await call.done;
        await wakeOver(scene, await mobile.callId(3));
        mobile.phone.resume();
        await untilTime(300);
        expect(mobile.phone.incoming, mobile.phone.log.timeline()).toHaveLength(2);
        mobile.phone.suspend();
        const next = await caller.call(mobile.phone.user);
        await resumesByPush(mobile, 4);
        expect((await next.done).status).toBe(200);
        await next.hangup();
        expect(mobile.phone.incoming, mobile.phone.log.timeline()).toHaveLength(3);
      }),
    );
  });
});
