/** A new pushwake beside the `pushwake-extensions.conf` of 0.1.0: upgraded, and the file not yet copied anew. No call is lost. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';
import { Mobile, seenByCaller, startCallScene, wakeOver } from './calls-support.ts';

const OLD = fileURLToPath(new URL('./fixtures/pushwake-extensions-0.1.0.conf', import.meta.url));

let scene: Scene;
let caller: SipPhone;

beforeAll(async () => {
  scene = await startCallScene({ name: 'old-dialplan', mobiles: 12, dialplan: OLD, hep: true });
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => scene?.close());

/** The phone's own call, talked in both directions and ended by the caller. */
async function talks(mobile: Mobile, number = mobile.phone.user): Promise<string | undefined> {
  mobile.phone.answer = { kind: 'auto' };
  const call = await caller.call(number);
  expect((await call.done).status).toBe(200);
  const [rung] = mobile.rang;
  if (!rung) throw new Error('it did not ring');
  await Promise.all([call.waitForRtp(5), rung.waitForRtp(5)]);
  await call.hangup();
  await rung.waitForState('ended');
  expect(mobile.rang).toHaveLength(1);
  const pushed = mobile.callPushes.length > 0 ? await mobile.callId() : undefined;
  return pushed && String((await wakeOver(scene, pushed)).outcome);
}

describe.concurrent('with the dialplan of 0.1.0', () => {
  it.each([
    ['tls', '1001'],
    ['udp', '1002'],
  ] as const)('a phone that sleeps is woken and talks (%s)', async (transport, user) => {
    const mobile = await Mobile.asleep(scene, user, { transport });
    mobile.wakesByPush();
    expect(await talks(mobile)).toBe('answered');
  });

  it('a phone that is bound and awake rings at its stored contact and talks', async () => {
    const mobile = await Mobile.install(scene, '1003', { transport: 'tls' });
    await mobile.bind();
    expect(await talks(mobile)).toBe('answered');
  });

  it('a phone without a binding talks', async () => {
    const mobile = await Mobile.install(scene, '1004');
    await mobile.phone.register();
    expect(await talks(mobile)).toBeUndefined();
  });

  it.each([
    [486, '1005', '486 BUSY cause 17'],
    [603, '1006', '403 CHANUNAVAIL cause 21'],
  ] as const)('a phone that answers %s ends the call as before', async (code, user, seen) => {
    const mobile = await Mobile.asleep(scene, user, { answer: { kind: 'reject', code } });
    mobile.wakesByPush();
    expect(await seenByCaller(scene, await caller.call(user), user)).toBe(seen);
    expect((await wakeOver(scene, await mobile.callId())).outcome).toBe('gave-up');
  });

  it('the desk phone answers, and the woken phone is told so by SIP', async () => {
    const desk = await scene.phone('1507');
    await desk.register();
    const mobile = await Mobile.asleep(scene, '1007');
    mobile.wakesByPush();
    const call = await caller.call('51007');
    const [at, rung] = await Promise.all([desk.waitForCall(), mobile.phone.waitForCall()]);
    await at.answer();
    await rung.waitForState('cancelled');
    expect(rung.cancelReasons.join()).toContain('Call completed elsewhere');
    // A BYE before the caller has its 200 would be lost.
    await call.waitForState('answered');
    await call.hangup();
    expect((await wakeOver(scene, await mobile.callId())).outcome).toBe('elsewhere');
  });

  it('the caller hangs up while the phone sleeps: it gets the closing word', async () => {
    const mobile = await Mobile.asleep(scene, '1008');
    const call = await caller.call('1008');
    const callId = await mobile.callId();
    call.cancel();
    await call.done;
    await wakeOver(scene, callId);
    expect(mobile.words(callId)).toEqual(['cancelled']);
  });
});

it('the log said so, once', () => {
  expect(scene.pushwake.output.match(/pushwake-extensions\.conf is an old copy/g)).toHaveLength(1);
});

it('pushwake is dead: the phone that Asterisk knows talks', async () => {
  await scene.asterisk.waitForNoChannels();
  await scene.pushwake.stop('SIGKILL');
  const mobile = await Mobile.install(scene, '1009', { transport: 'tls' });
  await mobile.phone.register({ contactParams: mobile.identity.params });
  expect(await talks(mobile)).toBeUndefined();
});
