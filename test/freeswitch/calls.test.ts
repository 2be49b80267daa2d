/** Calls to phones that sleep, on a real FreeSWITCH. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FreeswitchScene, freeswitchUsers } from '../support/freeswitch-scene.ts';
import { Mobile, steps, wakeOver } from '../support/mobile.ts';
import { REALM } from '../support/pbx-scene.ts';
import type { IncomingCall, SipPhone } from '../support/sip-phone/index.ts';

let scene: FreeswitchScene;
let caller: SipPhone;

beforeAll(async () => {
  scene = await FreeswitchScene.start({ users: freeswitchUsers(40) });
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => scene?.close());
afterEach(async () => scene.cleanUp());

type PhoneOptions = Parameters<typeof Mobile.asleep>[2];

/** Registered, bound, marked, and asleep. */
async function asleep(user: string, options: PhoneOptions = {}): Promise<Mobile> {
  const mobile = await Mobile.asleep(scene, user, { transport: 'tcp', ...options });
  await scene.marked(`${user}@${REALM}`);
  return mobile;
}

async function desk(user: string): Promise<SipPhone> {
  const phone = await scene.phone(user);
  await phone.register();
  return phone;
}

function only(calls: readonly IncomingCall[]): IncomingCall {
  expect(calls).toHaveLength(1);
  return calls[0] as IncomingCall;
}

const ELSEWHERE = 'Call completed elsewhere';

describe('phones that sleep', () => {
  it('one phone asleep: pushed once, woken, rings once, is answered, media both ways', async () => {
    const mobile = await asleep('1001', { answer: { kind: 'auto' } });
    mobile.wakesByPush();
    const call = await caller.call('1001');
    expect((await call.done).status).toBe(200);
    // FreeSWITCH lists a channel a moment after it is there.
    const status = async () => {
      const channel = /^([0-9a-f-]{36}),inbound/m.exec(await scene.freeswitch.cli('show channels'))?.[1];
      return scene.freeswitch.cli(`uuid_getvar ${channel} pushwake_status`);
    };
    await expect.poll(status).toBe('WOKEN');
    await scene.talkAndHangUp(call, only(mobile.rang));
    const callId = await mobile.callId();
    expect((await wakeOver(scene, callId)).outcome).toBe('answered');
    expect(mobile.callPushes).toHaveLength(1);
    expect(mobile.words(callId)).toEqual([]);
    expect(call.progress.map((p) => p.status)).toContain(180);
    expect(call.progress.map((p) => p.status)).not.toContain(183);
  });

  it.each([
    ['1038', 'tcp', 'the PBX finds its connection shut'],
    ['1039', 'udp', 'it has changed its network: nobody hears the INVITE'],
  ] as const)('%s over %s registers, and %s: it rings once it has registered anew', async (user, transport, _) => {
    const mobile = await asleep(user, { transport });
    mobile.wakesAndRegistersAnew(transport === 'udp' ? 'deaf' : 'reset');
    const call = await caller.call(user);
    const rung = await mobile.phone.waitForCall(6_000);
    await rung.answer();
    expect((await call.done).status).toBe(200);
    const callId = await mobile.callId();
    await scene.talkAndHangUp(call, rung);
    await wakeOver(scene, callId);
    expect(mobile.rang).toHaveLength(1);
    expect(mobile.words(callId)).toEqual([]);
  });

  it.each(['udp', 'tcp', 'tls'] as const)(
    'the INVITE over %s names the push twice, says who calls, and holds no push parameter',
    async (transport) => {
      const user = { udp: '1002', tcp: '1003', tls: '1004' }[transport];
      const mobile = await asleep(user, { transport, answer: { kind: 'auto' } });
      mobile.wakesByPush();
      const call = await caller.call(user);
      expect((await call.done).status).toBe(200);
      const rung = only(mobile.rang);
      expect(rung.headers.get('X-Push-ID')).toBe(await mobile.callId());
      expect(rung.callId).toBe(await mobile.callId());
      expect(rung.headers.get('From')).toContain(`"The Caller" <sip:2000@${REALM}>`);
      for (const { text } of mobile.phone.inviteEntries()) {
        for (const secret of ['pn-', mobile.identity.voip, mobile.identity.other]) expect(text).not.toContain(secret);
      }
      await scene.talkAndHangUp(call, rung);
    },
  );

  it('two mobiles asleep: both ring once, one answers, the other hears it by SIP and not once more by push', async () => {
    const [first, second] = [await asleep('1005'), await asleep('1005')];
    first.wakesByPush();
    second.wakesByPush();
    const call = await caller.call('1005');
    const [a, b] = await Promise.all([first.phone.waitForCall(), second.phone.waitForCall()]);
    await b.answer();
    await a.waitForState('cancelled');
    expect(a.cancelReasons.join()).toContain(ELSEWHERE);
    await scene.talkAndHangUp(call, b);
    const callId = await first.callId();
    expect(await second.callId()).toBe(callId);
    await wakeOver(scene, callId);
    expect([first.rang.length, second.rang.length]).toEqual([1, 1]);
    expect([first.words(callId), second.words(callId)]).toEqual([[], []]);
  });

  it('two mobiles asleep, only one wakes and answers: the other is told once that somebody else did', async () => {
    const awake = await asleep('1006', { answer: { kind: 'auto' } });
    const gone = await asleep('1006');
    awake.wakesByPush();
    const call = await caller.call('1006');
    expect((await call.done).status).toBe(200);
    const callId = await gone.callId();
    await scene.talkAndHangUp(call, only(awake.rang));
    await wakeOver(scene, callId);
    expect([awake.words(callId), gone.words(callId)]).toEqual([[], ['elsewhere']]);
  });

  it('two mobiles answer in the same moment: one has the call, the other is let go, nothing is left', async () => {
    const [first, second] = [await asleep('1007'), await asleep('1007')];
    first.wakesByPush();
    second.wakesByPush();
    const call = await caller.call('1007');
    const [a, b] = await Promise.all([first.phone.waitForCall(), second.phone.waitForCall()]);
    await Promise.all([a.answer(), b.answer()]);
    expect((await call.done).status).toBe(200);
    const over = (c: IncomingCall) => c.state === 'ended' || c.state === 'cancelled';
    await first.phone.waitFor(() => over(a) !== over(b), 5_000, 'one of the two is let go').catch(() => undefined);
    const [winner] = [a, b].filter((c) => !over(c));
    if (!winner) throw new Error('nobody has the call');
    expect([a, b].filter(over)).toHaveLength(1);
    await scene.talkAndHangUp(call, winner);
  });

  it('two calls at once for one account: each rings with its own id and both are answered', async () => {
    const mobile = await asleep('1008', { answer: { kind: 'auto', afterMs: 100 } });
    mobile.wakesByPush();
    const other = await scene.phone('2001');
    await other.register();
    const calls = await Promise.all([caller.call('1008'), other.call('1008')]);
    for (const call of calls) expect((await call.done).status).toBe(200);
    expect(new Set(mobile.phone.invites.map((i) => i.callId)).size).toBe(2);
    for (const call of calls) await call.hangup();
  });

  it('a phone without binding rings as by a plain bridge, and is not told about', async () => {
    const phone = await desk('1009');
    const call = await caller.call('1009');
    await (await phone.waitForCall()).answer();
    expect((await call.done).status).toBe(200);
    await call.hangup();
    expect(scene.pushwake.log.some((l) => l.aor === `1009@${REALM}` && l.msg === 'call step')).toBe(false);
  });

  it('nobody registered, nothing bound: the caller sees what a plain bridge shows', async () => {
    const [ours, plain] = [await caller.call('1010'), await caller.call('91010')];
    expect(await scene.seenByCaller(ours, '1010')).toBe('480 USER_NOT_REGISTERED NOBINDING');
    expect((await plain.done).status).toBe((await ours.done).status);
  });
});

describe('with a desk phone', () => {
  it('the desk phone answers first: the mobile is told once', async () => {
    const mobile = await asleep('1011');
    const phone = await desk('1511');
    const call = await caller.call('51011');
    const ringing = await phone.waitForCall();
    const callId = await mobile.callId();
    await ringing.answer();
    await scene.talkAndHangUp(call, ringing);
    expect((await wakeOver(scene, callId)).outcome).toBe('elsewhere');
    expect(mobile.words(callId)).toEqual(['elsewhere']);
  });

  it('the desk phone answers while the mobile rings: the mobile hears that by SIP', async () => {
    const mobile = await asleep('1012');
    mobile.wakesByPush();
    const phone = await desk('1512');
    const call = await caller.call('51012');
    const [atDesk, atMobile] = await Promise.all([phone.waitForCall(), mobile.phone.waitForCall()]);
    await atDesk.answer();
    await atMobile.waitForState('cancelled');
    expect(atMobile.cancelReasons.join()).toContain(ELSEWHERE);
    await scene.talkAndHangUp(call, atDesk);
    expect(mobile.words(await mobile.callId())).toEqual([]);
  });

  it('the mobile answers: the desk phone hears why it stops', async () => {
    const mobile = await asleep('1013');
    mobile.wakesByPush();
    const phone = await desk('1513');
    const call = await caller.call('51013');
    const [atDesk, atMobile] = await Promise.all([phone.waitForCall(), mobile.phone.waitForCall()]);
    await atMobile.answer();
    await atDesk.waitForState('cancelled');
    expect(atDesk.cancelReasons.join()).toContain(ELSEWHERE);
    await scene.talkAndHangUp(call, atMobile);
  });

  it('both answer in the same moment: one talks, nothing is left', async () => {
    const mobile = await asleep('1014');
    mobile.wakesByPush();
    const phone = await desk('1514');
    const call = await caller.call('51014');
    const [atDesk, atMobile] = await Promise.all([phone.waitForCall(), mobile.phone.waitForCall()]);
    await Promise.all([atDesk.answer(), atMobile.answer()]);
    expect((await call.done).status).toBe(200);
    await call.waitForRtp(10);
    await call.hangup();
  });

  it('on the same account it rings at once; it answers, the mobile is told once', async () => {
    const mobile = await asleep('1015');
    const phone = await desk('1015');
    const call = await caller.call('1015');
    const ringing = await phone.waitForCall();
    const callId = await mobile.callId();
    await ringing.answer();
    await scene.talkAndHangUp(call, ringing);
    await wakeOver(scene, callId);
    expect(mobile.words(callId)).toEqual(['elsewhere']);
  });

  it('on the same account it rings, the mobile wakes and answers', async () => {
    const mobile = await asleep('1016');
    mobile.wakesByPush();
    const phone = await desk('1016');
    const call = await caller.call('1016');
    const [atDesk, atMobile] = await Promise.all([phone.waitForCall(), mobile.phone.waitForCall()]);
    await atMobile.answer();
    await atDesk.waitForState('cancelled');
    expect(atDesk.cancelReasons.join()).toContain(ELSEWHERE);
    await scene.talkAndHangUp(call, atMobile);
    expect(phone.incoming).toHaveLength(1);
  });

  it('a mobile with a user of its own beside the desk phone’s: both ring once', async () => {
    const mobile = await asleep('1017m');
    mobile.wakesByPush();
    const phone = await desk('1017');
    const call = await caller.call('81017');
    const [, atMobile] = await Promise.all([phone.waitForCall(), mobile.phone.waitForCall()]);
    await atMobile.answer();
    await scene.talkAndHangUp(call, atMobile);
    expect([phone.incoming.length, mobile.rang.length]).toEqual([1, 1]);
  });
});

describe('nobody takes the call', () => {
  it('the caller gives up while the phone sleeps: it is told once', async () => {
    const mobile = await asleep('1018');
    const call = await caller.call('1018');
    const callId = await mobile.callId();
    call.cancel();
    expect((await call.done).status).toBe(487);
    expect((await wakeOver(scene, callId)).outcome).toBe('cancelled');
    expect(mobile.words(callId)).toEqual(['cancelled']);
  });

  it('the caller gives up while the woken phone rings: it hears the CANCEL and no push', async () => {
    const mobile = await asleep('1019');
    mobile.wakesByPush();
    const call = await caller.call('1019');
    const ringing = await mobile.phone.waitForCall();
    call.cancel();
    await ringing.waitForState('cancelled');
    const callId = await mobile.callId();
    await wakeOver(scene, callId);
    expect(mobile.words(callId)).toEqual([]);
  });

  it('the caller gives up while FreeSWITCH is still dialling the phone that has just woken: nothing is left', async () => {
    const mobile = await asleep('1020');
    mobile.wakesByPush();
    const from = scene.pushwake.log.length;
    const call = await caller.call('1020');
    await scene.pushwake.waitForLog((l) => l.step === 'dialled', { from });
    call.cancel();
    await call.done;
    await scene.freeswitch.waitForNoChannels();
  });

  it('the phone comes just after the caller has given up: it is shown the call, and that it is over', async () => {
    const mobile = await asleep('1033');
    const call = await caller.call('1033');
    const callId = await mobile.callId();
    call.cancel();
    await call.done;
    await wakeOver(scene, callId);
    await mobile.phone.wake();
    await mobile.bind();
    const shown = await mobile.phone.waitForCall();
    expect(shown.headers.get('X-Push-ID')).toBe(callId);
    expect(shown.headers.get('From')).toContain('"The Caller" <sip:2000@');
    await shown.waitForState('cancelled');
    await scene.freeswitch.waitForNoChannels();
  });

  it('nobody wakes: the caller sees what an unanswered phone shows, the phone is told once', async () => {
    const mobile = await asleep('1021');
    const call = await caller.call('41021');
    expect(await scene.seenByCaller(call, '41021')).toBe('480 NO_ANSWER NOBODY');
    const callId = await mobile.callId();
    expect((await wakeOver(scene, callId)).outcome).toBe('gave-up');
    expect(mobile.words(callId)).toEqual(['gave-up']);
  });

  it('voicemail takes it: nobody answered elsewhere', async () => {
    const mobile = await asleep('1022');
    const call = await caller.call('31022');
    expect((await call.done).status).toBe(200);
    const callId = await mobile.callId();
    expect((await wakeOver(scene, callId)).outcome).toBe('gave-up');
    expect(mobile.words(callId)).toEqual(['gave-up']);
    await call.hangup();
  });

  it.each([
    ['busy', 486, '486 USER_BUSY WOKEN', '1023'],
    ['declined', 603, '603 CALL_REJECTED WOKEN', '1024'],
  ] as const)('the woken phone says %s: so does the caller’s', async (_, code, seen, user) => {
    const mobile = await asleep(user, { answer: { kind: 'reject', code } });
    mobile.wakesByPush();
    const call = await caller.call(user);
    expect(await scene.seenByCaller(call, user)).toBe(seen);
    const callId = await mobile.callId();
    // It ends when nothing is left to wait for, not at the end of the ring time.
    expect(Number((await wakeOver(scene, callId)).ms)).toBeLessThan(15_000);
    expect(mobile.words(callId)).toEqual([]);
  });

  it('one of two declines: the other goes on waiting, wakes, and answers', async () => {
    const [no, yes] = [await asleep('1025', { answer: { kind: 'reject', code: 486 } }), await asleep('1025')];
    no.wakesByPush();
    yes.wakesByPush({ afterMs: 1_000 });
    const call = await caller.call('1025');
    const ringing = await yes.phone.waitForCall();
    await ringing.answer();
    await scene.talkAndHangUp(call, ringing);
    expect(no.phone.incoming).toHaveLength(1);
  });

  it('a dead token ends nothing: the ring time is the caller’s, and the app that is opened by hand rings', async () => {
    const mobile = await asleep('1026', { answer: { kind: 'auto' } });
    scene.apns.unregister(mobile.identity.voip, Date.now());
    const from = scene.pushwake.log.length;
    const call = await caller.call('1026');
    await scene.pushwake.waitForLog((l) => l.step === 'push tokenDead', { from });
    await mobile.phone.wake();
    await mobile.bind();
    expect((await call.done).status).toBe(200);
    await scene.talkAndHangUp(call, mobile.rang[0] as IncomingCall);
  });

  it('the push service refuses our key, and at the end of the ring time voicemail takes the call: the word is true', async () => {
    await asleep('1027');
    scene.apns.next({ status: 403, reason: 'InvalidProviderToken' });
    const call = await caller.call('31027');
    const { status, at } = await call.done;
    expect(status).toBe(200);
    expect(at - call.invitedAt).toBeGreaterThan(1_500);
    const over = await scene.pushwake.waitForLog((l) => l.msg === 'call over' && String(l.aor).startsWith('1027'));
    expect(over.outcome).toBe('gave-up');
    expect(steps(scene, String(over.callId)).filter((s) => s.startsWith('closing push: '))).toEqual([
      'closing push: gave-up',
    ]);
    await call.hangup();
  });

  it('the woken phone is busy and voicemail takes the call: nobody answered elsewhere', async () => {
    const mobile = await asleep('1028', { answer: { kind: 'reject', code: 486 } });
    mobile.wakesByPush();
    const call = await caller.call('31028');
    expect((await call.done).status).toBe(200);
    expect((await wakeOver(scene, await mobile.callId())).outcome).toBe('gave-up');
    await call.hangup();
  });
});

describe('a phone that comes without its proof', () => {
  it('a * in the user part of its Contact: the same URI when it is escaped, so it rings', async () => {
    const mobile = await asleep('1038', { contactUser: '15555550100*102', answer: { kind: 'auto' } });
    mobile.wakesByPush();
    const call = await caller.call('1038');
    expect((await call.done).status).toBe(200);
    await scene.talkAndHangUp(call, only(mobile.rang));
  });

  it.each([
    ['1035', 'no pn-* at all', () => ''],
    [
      '1036',
      'its VoIP token only, the other one not there yet',
      (m: Mobile) => m.identity.params.replace(/&[^&]*:remote/, '&'),
    ],
    ['1037', 'an app started anew, with other tokens', () => scene.install().params],
  ] as const)('%s: %s, from a new port: FreeSWITCH holds it, so it rings', async (user, _what, params) => {
    const mobile = await asleep(user, { answer: { kind: 'auto' } });
    const call = await caller.call(user);
    await mobile.callPush();
    await mobile.phone.wake();
    expect((await mobile.phone.register({ contactParams: params(mobile) })).status).toBe(200);
    expect((await call.done).status).toBe(200);
    await scene.talkAndHangUp(call, only(mobile.rang));
  });
});

describe('a stored contact', () => {
  it('awake behind TCP: rings at once, once, and its push does not make it ring again', async () => {
    const mobile = await Mobile.install(scene, '1027', { transport: 'tcp' });
    await mobile.bind();
    await scene.marked(`1027@${REALM}`);
    mobile.wakesByPush({ afterMs: 200 });
    const call = await caller.call('1027');
    const ringing = await mobile.phone.waitForCall();
    const callId = await mobile.callId();
    await scene.pushwake.waitForLog((l) => l.callId === callId && String(l.step).startsWith('REGISTER seen'));
    await ringing.answer();
    await scene.talkAndHangUp(call, ringing);
    expect(mobile.phone.incoming).toHaveLength(1);
    expect(steps(scene, callId)).toContain('stored contact dialled');
  });

  it('asleep over UDP, comes back where it was: one INVITE that rings', async () => {
    const mobile = await asleep('1028', { transport: 'udp' });
    mobile.wakesByPush({ samePort: true });
    const call = await caller.call('1028');
    const ringing = await mobile.phone.waitForCall();
    await ringing.answer();
    await scene.talkAndHangUp(call, ringing);
    expect(new Set(mobile.phone.invites.map((i) => i.callId + i.branch)).size).toBe(1);
  });

  it('over UDP, registered long ago, awake, its push arrives nowhere: FreeSWITCH rings it within two seconds', async () => {
    const mobile = await Mobile.install(scene, '1029', { transport: 'udp', answer: { kind: 'auto' } });
    scene.pushwake.configure(
      scene.yaml().replace('log:', `policies:\n  - { aor: 1029@${REALM}, policy: { freshContact: 0s } }\nlog:`),
    );
    await scene.pushwake.stop();
    await scene.startPushwake();
    await mobile.bind();
    await scene.marked(`1029@${REALM}`);
    // REGISTERs of this very second count as fresh.
    await new Promise((passed) => setTimeout(passed, 1_100));
    const call = await caller.call('1029');
    expect((await call.done).status).toBe(200);
    const rung = only(mobile.rang);
    expect(rung.receivedAt - call.invitedAt).toBeGreaterThan(900);
    expect(rung.receivedAt - call.invitedAt).toBeLessThan(2_500);
    await scene.talkAndHangUp(call, rung);
  });
});

describe('a caller whom an attendant has answered', () => {
  it('is taken over by the woken phone', async () => {
    const mobile = await asleep('1030');
    mobile.wakesByPush();
    const call = await caller.call('71030');
    expect((await call.done).status).toBe(200);
    const ringing = await mobile.phone.waitForCall();
    await ringing.answer();
    await scene.talkAndHangUp(call, ringing);
    expect((await wakeOver(scene, await mobile.callId())).outcome).toBe('answered');
  });

  it('who hangs up while the phone sleeps: it is told once', async () => {
    const mobile = await asleep('1031');
    const call = await caller.call('71031');
    await call.done;
    const callId = await mobile.callId();
    await call.hangup();
    expect((await wakeOver(scene, callId)).outcome).toBe('cancelled');
    expect(mobile.words(callId)).toEqual(['cancelled']);
  });
});

it('without hangup_after_bridge the dialplan goes on after the talk, as it would without pushwake', async () => {
  const mobile = await asleep('1032', { answer: { kind: 'auto' } });
  mobile.wakesByPush();
  const call = await caller.call('61032');
  expect((await call.done).status).toBe(200);
  const rung = only(mobile.rang);
  await Promise.all([call.waitForRtp(5), rung.waitForRtp(5)]);
  await rung.hangup();
  await call.waitForState('ended');
});
