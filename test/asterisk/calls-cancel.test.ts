/** Calls that nobody gets: given up by the caller, out of time, declined. Each is compared with the same call without pushwake. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Scene } from '../support/scene.ts';
import type { OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';
import { cleanUp, Mobile, nothingLeft, seenByCaller, startCallScene, wakeOver } from './calls-support.ts';

let scene: Scene;
let caller: SipPhone;

beforeAll(async () => {
  scene = await startCallScene({ name: 'call-cancel', mobiles: 40, hep: true });
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => scene?.close());
afterEach(async () => cleanUp(scene));

async function givenUp(call: OutgoingCall): Promise<void> {
  call.cancel();
  expect((await call.done).status).toBe(487);
}

describe('the caller gives up', () => {
  it('before pushwake said what to ring: as many closing words as pushes', async () => {
    const mobile = await Mobile.asleep(scene, '1001');
    const from = scene.pushwake.log.length;
    scene.pushwake.freeze();
    const call = await caller.call('1001');
    while (!(await scene.asterisk.cli('core show channels concise')).includes('pushwake,compose'));
    await givenUp(call);
    await nothingLeft(scene);
    scene.pushwake.thaw();
    const ended = /^call (over|ended before it was looked at, nobody is pushed)$/;
    const over = await scene.pushwake.waitForLog((l) => ended.test(l.msg) && l.aor === '1001@example.com', { from });
    if (over.msg !== 'call over') return expect(mobile.callPushes).toEqual([]);
    const callId = String(over.callId);
    await wakeOver(scene, callId);
    expect(mobile.words(callId)).toEqual(mobile.callPushes.map(() => 'cancelled'));
  });

  it('while the phone still sleeps: it is told once', async () => {
    const mobile = await Mobile.asleep(scene, '1002');
    const call = await caller.call('1002');
    const callId = await mobile.callId();
    await call.waitForState('ringing');
    await givenUp(call);
    expect((await wakeOver(scene, callId)).outcome).toBe('cancelled');
    expect(mobile.words(callId)).toEqual(['cancelled']);
    expect(mobile.phone.incoming).toHaveLength(0);
  });

  it('while the woken phone rings: it hears the CANCEL and no push', async () => {
    const mobile = await Mobile.asleep(scene, '1003');
    mobile.wakesByPush();
    const call = await caller.call('1003');
    const rung = await mobile.phone.waitForCall();
    const callId = await mobile.callId();
    await scene.pushwake.waitForLog((l) => l.step === 'ringing' && l.callId === callId);
    await givenUp(call);
    await rung.waitForState('cancelled');
    expect((await wakeOver(scene, callId)).outcome).toBe('cancelled');
    expect(mobile.words(callId)).toEqual([]);
  });

  it('while its stored contact is dialled and does not answer: told once', async () => {
    const mobile = await Mobile.install(scene, '1004', { transport: 'tcp', answer: { kind: 'silent' } });
    await mobile.bind();
    const call = await caller.call('1004');
    const callId = await mobile.callId();
    await mobile.phone.waitForCall();
    await givenUp(call);
    expect((await wakeOver(scene, callId)).outcome).toBe('cancelled');
    expect(mobile.words(callId)).toEqual(['cancelled']);
  });

  it.each([
    ['the caller gave up', '1005', 'cancelled', 'cause=127'],
    ['a desk phone answered', '1036', 'elsewhere', 'Call completed elsewhere'],
  ] as const)('a phone that wakes just after %s gets INVITE and CANCEL', async (_what, user, word, reason) => {
    const mobile = await Mobile.asleep(scene, user);
    const desk = await scene.phone(`15${user.slice(2)}`, { answer: { kind: 'auto', afterMs: 300 } });
    if (word === 'elsewhere') await desk.register();
    const call = await caller.call(word === 'elsewhere' ? `5${user}` : user);
    const callId = await mobile.callId();
    if (word === 'elsewhere') {
      await call.done;
      await call.hangup();
    } else {
      await call.waitForState('ringing');
      await givenUp(call);
    }
    expect((await wakeOver(scene, callId)).outcome).toBe(word);
    await mobile.phone.wake();
    await mobile.bind();
    const shown = await mobile.phone.waitForCall();
    await shown.waitForState('cancelled');
    expect(shown.headers.get('X-Push-ID')).toBe(callId);
    expect(shown.cancelReasons.join()).toContain(reason);
    await nothingLeft(scene);
    expect(mobile.phone.incoming).toHaveLength(1);
    // Once, not for every REGISTER that follows.
    await mobile.phone.register({ contactParams: mobile.identity.params });
    await nothingLeft(scene);
    expect(mobile.phone.incoming).toHaveLength(1);
  });

  it('two mobiles, one rings and one sleeps: one hears the CANCEL, the other one word', async () => {
    const awake = await Mobile.asleep(scene, '1006');
    const asleep = await Mobile.asleep(scene, '1006');
    awake.wakesByPush();
    const call = await caller.call('1006');
    const rung = await awake.phone.waitForCall();
    const callId = await asleep.callId();
    await scene.pushwake.waitForLog((l) => l.step === 'ringing' && l.callId === callId);
    await givenUp(call);
    await rung.waitForState('cancelled');
    await wakeOver(scene, callId);
    expect([awake.words(callId), asleep.words(callId)]).toEqual([[], ['cancelled']]);
  });
});

describe('the time is up', () => {
  it('nobody wakes: the caller sees what an unanswered phone shows, every phone is told once', async () => {
    const one = await Mobile.asleep(scene, '1007');
    const two = await Mobile.asleep(scene, '1007');
    const silent = await Mobile.install(scene, '1008');
    await silent.phone.register();
    const [through, direct] = [await caller.call('41007'), await caller.call('491008')];
    const callId = await one.callId();
    const seen = await Promise.all([seenByCaller(scene, through, '41007'), seenByCaller(scene, direct, '491008')]);
    expect(seen[0]).toBe(seen[1]);
    expect((await wakeOver(scene, callId)).outcome).toBe('gave-up');
    expect([one.words(callId), two.words(callId)]).toEqual([['gave-up'], ['gave-up']]);
  });

  it('one declined, one rings nowhere: at the end each knows once, by its own way', async () => {
    const declines = await Mobile.install(scene, '1010', { transport: 'tcp', answer: { kind: 'reject', code: 486 } });
    const silent = await Mobile.install(scene, '1010', { transport: 'tcp', answer: { kind: 'silent' } });
    await declines.bind();
    await silent.bind();
    const call = await caller.call('41010');
    const callId = await silent.callId();
    await call.done;
    await wakeOver(scene, callId);
    // The legs of the silent phone end with the cause of the other one's 486.
    expect([declines.words(callId), silent.words(callId)]).toEqual([[], ['gave-up']]);
  });

  it('it rings and nobody answers: no word, the phone heard it by SIP', async () => {
    const mobile = await Mobile.asleep(scene, '1009');
    mobile.wakesByPush();
    const call = await caller.call('41009');
    const rung = await mobile.phone.waitForCall();
    const callId = await mobile.callId();
    await call.done;
    await rung.waitForState('cancelled');
    expect((await wakeOver(scene, callId)).outcome).toBe('gave-up');
    expect(mobile.words(callId)).toEqual([]);
  });
});

describe('the phone declines', () => {
  const saysNo = [486, 600, 603, 480];
  const codes = [...saysNo, 404, 487, 500];

  it.each(codes.map((code, i) => [code, i] as const))(
    '%i: the caller sees what it would without pushwake',
    async (code, i) => {
      const answer = { kind: 'reject', code } as const;
      const number = (n: number) => `10${String(n + i + 1).padStart(2, '0')}`;
      const direct = await scene.phone(number(10), { answer });
      await direct.register();
      const woken = await Mobile.asleep(scene, number(17), { answer });
      woken.wakesByPush();
      const stored = await Mobile.install(scene, number(24), { transport: 'tcp', answer });
      if (saysNo.includes(code)) await stored.bind();
      const dial = async (to: string) => seenByCaller(scene, await caller.call(to), to);
      const plain = await dial(`9${number(10)}`);
      expect(await dial(number(17))).toBe(plain);
      // An app that is just starting may answer 404 or 500 to its old contact: that is no refusal, its REGISTER may follow.
      if (saysNo.includes(code)) expect(await dial(number(24))).toBe(plain);
      for (const mobile of saysNo.includes(code) ? [woken, stored] : [woken]) {
        const callId = await mobile.callId();
        await wakeOver(scene, callId);
        expect(mobile.phone.incoming).toHaveLength(1);
        expect(mobile.words(callId)).toEqual([]);
      }
    },
  );

  it('one of two declines after ringing: the other goes on waiting, wakes, and answers', async () => {
    const one = await Mobile.asleep(scene, '1035');
    const two = await Mobile.asleep(scene, '1035', { answer: { kind: 'auto' } });
    one.wakesByPush();
    const call = await caller.call('1035');
    const rung = await one.phone.waitForCall();
    rung.reject(603);
    const callId = await two.callId();
    await scene.pushwake.waitForLog((l) => l.step === 'declined' && l.callId === callId);
    await two.phone.wake();
    await two.bind();
    expect((await call.done).status).toBe(200);
    await call.waitForRtp(10);
    await call.hangup();
    await wakeOver(scene, callId);
    expect([one.words(callId), two.words(callId)]).toEqual([[], []]);
    expect([one.phone.incoming.length, two.phone.incoming.length]).toEqual([1, 1]);
  });
});
