/**
 * How fast it is, printed and not judged (the benchmarks judge): INVITE to push, and the REGISTER's 200 to the INVITE at the
 * phone, by each of the three ways a REGISTER is seen.
 */
import { setTimeout as untilTime } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';
import { Mobile, nothingLeft, startCallScene, steps, summary, wakeOver } from './calls-support.ts';

const ROUNDS = 20;

interface Measured {
  readonly toPush: number[];
  readonly toInvite: number[];
}

/** One call to a phone that sleeps: woken by `wake`, which answers when its REGISTER was answered; given up when it rings. */
async function oneCall(scene: Scene, caller: SipPhone, mobile: Mobile, into: Measured, wake: () => Promise<number>) {
  const calls = mobile.phone.incoming.length;
  const pushes = mobile.callPushes.length;
  const call = await caller.call(mobile.phone.user);
  const push = await mobile.callPush(pushes + 1);
  into.toPush.push(push.atMs - call.invitedAt);
  await call.waitForState('ringing');
  const registeredAt = await wake();
  const callId = await mobile.callId(pushes + 1);
  const rung = await mobile.phone.waitForCall(5_000, calls + 1).catch((error: Error) => {
    throw new Error(`${error.message}\npushwake: ${steps(scene, callId).join(' | ')}`);
  });
  into.toInvite.push(rung.receivedAt - registeredAt);
  call.cancel();
  await call.done;
  await nothingLeft(scene);
  await wakeOver(scene, callId);
}

async function measure(hep: boolean): Promise<{ fresh: Measured; refresh: Measured }> {
  const scene = await startCallScene({
    name: hep ? 'call-speed-hep' : 'call-speed-plain',
    mobiles: ROUNDS + 1,
    hep,
    policy: '  freshContact: 0s',
  });
  try {
    const caller = await scene.phone('2000');
    await caller.register();
    // Registered by UDP and not again: older than `freshContact` when their turn comes, so that nothing is rung before.
    const old: Mobile[] = [];
    for (let i = 1; i <= ROUNDS; i++) {
      const mobile = await Mobile.install(scene, `10${String(i).padStart(2, '0')}`, { transport: 'udp' });
      await mobile.bind();
      old.push(mobile);
    }
    const lastAt = performance.now();
    const fresh: Measured = { toPush: [], toInvite: [] };
    const mobile = await Mobile.asleep(scene, `10${ROUNDS + 1}`, { transport: 'tls' });
    for (let i = 0; i < ROUNDS; i++) {
      await mobile.phone.sleep();
      await oneCall(scene, caller, mobile, fresh, async () => {
        await mobile.phone.wake();
        return (await mobile.phone.register({ contactParams: mobile.identity.params, newCallId: true })).at;
      });
    }
    await untilTime(Math.max(0, lastAt + 2_200 - performance.now()));
    const refresh: Measured = { toPush: [], toInvite: [] };
    for (const mobile of old) {
      await oneCall(scene, caller, mobile, refresh, async () => {
        return (await mobile.phone.register({ contactParams: mobile.identity.params, expires: 3_900 })).at;
      });
    }
    expect([...fresh.toInvite, ...refresh.toInvite]).toHaveLength(2 * ROUNDS);
    return { fresh, refresh };
  } finally {
    await scene.close();
  }
}

describe('measured, n = 20', () => {
  it('with HEP', async () => {
    const { fresh, refresh } = await measure(true);
    console.info(`INVITE → push at the stand-in: ${summary([...fresh.toPush, ...refresh.toPush])}`);
    console.info(`REGISTER 200 → INVITE, new contact (event or HEP, whichever is first): ${summary(fresh.toInvite)}`);
    console.info(`REGISTER 200 → INVITE, refresh, seen by HEP: ${summary(refresh.toInvite)}`);
  });

  it('without HEP', async () => {
    const { fresh, refresh } = await measure(false);
    console.info(`INVITE → push at the stand-in: ${summary([...fresh.toPush, ...refresh.toPush])}`);
    console.info(`REGISTER 200 → INVITE, new contact, seen by event: ${summary(fresh.toInvite)}`);
    console.info(`REGISTER 200 → INVITE, refresh, seen by watching: ${summary(refresh.toInvite)}`);
  });
});
