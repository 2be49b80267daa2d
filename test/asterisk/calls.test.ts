/** Calls to phones that sleep, on a real Asterisk without HEP: REGISTERs are seen by event and by watching. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';
import {
  cleanUp,
  golden,
  Mobile,
  seenByCaller,
  startCallScene,
  summary,
  talkAndHangUp,
  wakeOver,
} from './calls-support.ts';

let scene: Scene;
let caller: SipPhone;

const QUEUES = `[q17]
strategy=ringall
timeout=3
retry=1
member => Local/1017@pushwake/n
`;

beforeAll(async () => {
  scene = await startCallScene({ name: 'call-wake', mobiles: 30, queues: QUEUES });
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => scene?.close());
afterEach(async () => cleanUp(scene));

const desk = async (user: string) => {
  const phone = await scene.phone(user);
  await phone.register();
  return phone;
};

describe('phones that sleep', () => {
  it('one phone asleep: pushed once, woken, rings once, is answered, media both ways', async () => {
    const mobile = await Mobile.asleep(scene, '1001', { answer: { kind: 'auto' } });
    mobile.wakesByPush();
    const call = await caller.call('1001');
    expect((await call.done).status).toBe(200);
    const [rung] = mobile.rang;
    if (!rung) throw new Error('it did not ring');
    const callId = await mobile.callId();
    await talkAndHangUp(scene, call, rung);
    expect((await wakeOver(scene, callId)).outcome).toBe('answered');
    expect(mobile.rang).toHaveLength(1);
    expect(mobile.words(callId)).toEqual([]);
    expect(mobile.callPushes.map((p) => golden(p, callId))).toMatchInlineSnapshot(`
      [
        {
          "payload": {
            "pushwake": {
              "aor": "1001@example.com",
              "callId": "<callId>",
              "expiresAt": "<sentAt + 30 s>",
              "pushId": "<apns-id>",
              "sentAt": "<now>",
              "type": "call",
              "v": 1,
            },
          },
          "priority": 10,
          "pushType": "voip",
          "topic": "com.example.phone.voip",
        },
      ]
    `);
  });

  it.each(['udp', 'tcp', 'tls'] as const)(
    'the INVITE over %s names the push and holds no push parameter',
    async (transport) => {
      const user = { udp: '1002', tcp: '1003', tls: '1004' }[transport];
      const mobile = await Mobile.asleep(scene, user, { transport, answer: { kind: 'auto' } });
      mobile.wakesByPush();
      const call = await caller.call(user);
      expect((await call.done).status).toBe(200);
      const rung = mobile.rang.at(-1);
      if (!rung) throw new Error('it did not ring');
      const id = await mobile.callId();
      expect(rung.headers.get('X-Push-ID')).toBe(id);
      for (const { text } of mobile.phone.inviteEntries()) {
        expect(text.split(id), 'the id stands in its header and nowhere else').toHaveLength(2);
        for (const secret of ['pn-', mobile.identity.voip, mobile.identity.other]) expect(text).not.toContain(secret);
      }
      await talkAndHangUp(scene, call, rung);
    },
  );

  it.each([
    ['1024', 'tls', 'the PBX finds its connection shut'],
    ['1025', 'udp', 'it has changed its network: nobody hears the INVITE'],
  ] as const)('%s over %s registers, and %s: it rings once it has registered anew', async (user, transport, _) => {
    const mobile = await Mobile.asleep(scene, user, { transport });
    mobile.wakesAndRegistersAnew(transport === 'udp' ? 'deaf' : 'reset');
    const call = await caller.call(user);
    const rung = await mobile.phone.waitForCall(6_000);
    await rung.answer();
    expect((await call.done).status).toBe(200);
    const callId = await mobile.callId();
    await talkAndHangUp(scene, call, rung);
    await wakeOver(scene, callId);
    expect(mobile.rang).toHaveLength(1);
    expect(mobile.words(callId)).toEqual([]);
  });

  it('two mobiles asleep: both ring once, one answers, the other hears it by SIP and not once more by push', async () => {
    const first = await Mobile.asleep(scene, '1005');
    const second = await Mobile.asleep(scene, '1005');
    first.wakesByPush();
    second.wakesByPush();
    const call = await caller.call('1005');
    const [a, b] = await Promise.all([first.phone.waitForCall(), second.phone.waitForCall()]);
    await b.answer();
    await a.waitForState('cancelled');
    expect(a.cancelReasons.join()).toContain('Call completed elsewhere');
    await talkAndHangUp(scene, call, b);
    const callId = await first.callId();
    expect(await second.callId()).toBe(callId);
    await wakeOver(scene, callId);
    expect([first.rang.length, second.rang.length]).toEqual([1, 1]);
    expect([first.words(callId), second.words(callId)]).toEqual([[], []]);
  });

  it('two mobiles asleep, only one wakes and answers: the other is told once that somebody else did', async () => {
    const awake = await Mobile.asleep(scene, '1006', { answer: { kind: 'auto' } });
    const gone = await Mobile.asleep(scene, '1006');
    awake.wakesByPush();
    const call = await caller.call('1006');
    expect((await call.done).status).toBe(200);
    const callId = await gone.callId();
    await talkAndHangUp(scene, call, awake.rang[0] as never);
    await wakeOver(scene, callId);
    expect([awake.words(callId), gone.words(callId)]).toEqual([[], ['elsewhere']]);
    const word = scene.apns.pushes.find((p) => p.token === gone.identity.other);
    expect(word && golden(word, callId)).toMatchInlineSnapshot(`
      {
        "payload": {
          "aps": {
            "content-available": 1,
          },
          "pushwake": {
            "aor": "1006@example.com",
            "callId": "<callId>",
            "ended": "elsewhere",
            "expiresAt": "<sentAt + 30 s>",
            "pushId": "<apns-id>",
            "sentAt": "<now>",
            "type": "cancel",
            "v": 1,
          },
        },
        "priority": 5,
        "pushType": "background",
        "topic": "com.example.phone",
      }
    `);
  });

  it('desk phone and mobile: the desk phone answers first, the mobile is told once', async () => {
    const phone = await desk('1507');
    const mobile = await Mobile.asleep(scene, '1007');
    const call = await caller.call('51007');
    const rung = await phone.waitForCall();
    const callId = await mobile.callId();
    await rung.answer();
    await talkAndHangUp(scene, call, rung);
    await wakeOver(scene, callId);
    expect(mobile.words(callId)).toEqual(['elsewhere']);
    expect(mobile.rang).toHaveLength(0);
  });

  it('desk phone and mobile: the mobile answers, the desk phone hears why it stops', async () => {
    const phone = await desk('1508');
    const mobile = await Mobile.asleep(scene, '1008', { answer: { kind: 'auto', afterMs: 20 } });
    mobile.wakesByPush();
    const call = await caller.call('51008');
    const rung = await phone.waitForCall();
    expect((await call.done).status).toBe(200);
    await rung.waitForState('cancelled');
    expect(rung.cancelReasons.join()).toContain('Call completed elsewhere');
    await talkAndHangUp(scene, call, mobile.rang[0] as never);
    const callId = await mobile.callId();
    await wakeOver(scene, callId);
    expect(mobile.words(callId)).toEqual([]);
  });

  it('a desk phone on the same account rings at once and answers; the mobile is told once', async () => {
    const phone = await desk('1009');
    const mobile = await Mobile.asleep(scene, '1009');
    const call = await caller.call('1009');
    const rung = await phone.waitForCall();
    const callId = await mobile.callId();
    await rung.answer();
    await talkAndHangUp(scene, call, rung);
    await wakeOver(scene, callId);
    expect(mobile.words(callId)).toEqual(['elsewhere']);
    expect(rung.headers.get('X-Push-ID')).toBe(callId);
  });

  it('a desk phone on the same account rings, the mobile wakes and answers', async () => {
    const phone = await desk('1010');
    const mobile = await Mobile.asleep(scene, '1010', { answer: { kind: 'auto', afterMs: 20 } });
    mobile.wakesByPush();
    const call = await caller.call('1010');
    expect((await call.done).status).toBe(200);
    const rung = await phone.waitForCall();
    await rung.waitForState('cancelled');
    expect(rung.cancelReasons.join()).toContain('Call completed elsewhere');
    await talkAndHangUp(scene, call, mobile.rang[0] as never);
    expect(phone.incoming).toHaveLength(1);
    expect(mobile.rang).toHaveLength(1);
  });

  it('the device registers where it was, at the host and port Asterisk still knows: a plain refresh is seen by watching', async () => {
    const mobile = await Mobile.install(scene, '1011', { transport: 'tcp', answer: { kind: 'auto' } });
    // Registered for long enough that the refresh moves the expiry, which Asterisk tells in seconds.
    await scene.bind(mobile.phone, mobile.identity, { expires: 600 });
    mobile.phone.answer = { kind: 'silent' };
    const push = mobile.callPush();
    const call = await caller.call('1011');
    await push;
    mobile.phone.answer = { kind: 'auto' };
    await mobile.phone.register({ contactParams: mobile.identity.params, expires: 3600 });
    expect((await call.done).status).toBe(200);
    await talkAndHangUp(scene, call, mobile.rang.at(-1) as never);
    expect(mobile.rang).toHaveLength(1);
  });
});

describe('a push that fails', () => {
  it.each([
    ['1012', 'a service out of order', { status: 503, reason: 'ServiceUnavailable' }],
    ['1013', 'a dead token', { status: 410, reason: 'Unregistered', timestamp: Date.now() }],
    ['1014', 'a wrong topic', { status: 400, reason: 'TopicDisallowed' }],
  ] as const)('%s: %s does not keep a live phone from ringing at once', async (user, _what, answer) => {
    const mobile = await Mobile.install(scene, user, { transport: 'tls', answer: { kind: 'auto' } });
    await mobile.bind();
    scene.apns.next(answer);
    const call = await caller.call(user);
    expect((await call.done).status).toBe(200);
    const [rung] = mobile.rang;
    if (!rung) throw new Error('it did not ring');
    expect(rung.receivedAt - call.invitedAt).toBeLessThan(1_500); // well before the 1.8 s the dialplan would wait; a busy machine is slow
    await talkAndHangUp(scene, call, rung);
    expect(mobile.rang).toHaveLength(1);
  });

  it.each([
    ['1015', 'a dead token', 'push tokenDead', { status: 410, reason: 'Unregistered', timestamp: Date.now() + 60_000 }],
    ['1023', 'a key that is refused', 'push misconfigured', { status: 403, reason: 'InvalidProviderToken' }],
  ] as const)(
    '%s: %s ends nothing: the ring time is the caller’s, and the app opened by hand rings',
    async (user, _what, step, answer) => {
      const mobile = await Mobile.asleep(scene, user, { answer: { kind: 'auto' } });
      scene.apns.next(answer);
      const from = scene.pushwake.log.length;
      const call = await caller.call(user);
      await scene.pushwake.waitForLog((l) => l.step === step, { from });
      await mobile.phone.wake();
      await mobile.bind();
      expect((await call.done).status).toBe(200);
      await talkAndHangUp(scene, call, mobile.rang[0] as never);
      expect(mobile.rang).toHaveLength(1);
    },
  );
});

describe('a phone that comes without its proof', () => {
  it('a * in the user part of its Contact: the same URI when it is escaped, so it rings', async () => {
    const mobile = await Mobile.asleep(scene, '1027', { contactUser: '15555550100*102', answer: { kind: 'auto' } });
    mobile.wakesByPush();
    const call = await caller.call('1027');
    expect((await call.done).status).toBe(200);
    await talkAndHangUp(scene, call, mobile.rang[0] as never);
    expect(mobile.rang).toHaveLength(1);
  });

  it.each([
    ['1024', 'no pn-* at all', () => ''],
    [
      '1025',
      'its VoIP token only, the other one not there yet',
      (m: Mobile) => m.identity.params.replace(/&[^&]*:remote/, '&'),
    ],
    ['1026', 'an app started anew, with other tokens', () => scene.install().params],
  ] as const)('%s: %s, from a new port: Asterisk holds it, so it rings', async (user, _what, params) => {
    const mobile = await Mobile.asleep(scene, user, { answer: { kind: 'auto' } });
    const call = await caller.call(user);
    await mobile.callPush();
    await mobile.phone.wake();
    expect((await mobile.phone.register({ contactParams: params(mobile) })).status).toBe(200);
    expect((await call.done).status).toBe(200);
    await talkAndHangUp(scene, call, mobile.rang[0] as never);
    expect(mobile.rang).toHaveLength(1);
  });
});

describe('several calls, groups, queues, transfers', () => {
  it('two calls at once for one account: each rings with its own id and both are answered', async () => {
    const other = await scene.phone('2001');
    await other.register();
    const mobile = await Mobile.asleep(scene, '1016', { answer: { kind: 'auto' } });
    mobile.wakesByPush();
    const [one, two] = await Promise.all([caller.call('1016'), other.call('1016')]);
    expect([(await one.done).status, (await two.done).status]).toEqual([200, 200]);
    const ids = mobile.callPushes.map((p) => (p.payload.pushwake as { callId: string }).callId);
    expect(new Set(ids).size).toBe(2);
    expect(mobile.rang.map((r) => r.headers.get('X-Push-ID')).sort()).toEqual([...ids].sort());
    await Promise.all([one.waitForRtp(10), two.waitForRtp(10)]);
    await Promise.all([one.hangup(), two.hangup()]);
  });

  it('a queue member that sleeps is woken in the first round, rings again in the second, and answers', async () => {
    const mobile = await Mobile.asleep(scene, '1017');
    mobile.wakesByPush();
    const call = await caller.call('717');
    const first = await mobile.phone.waitForCall();
    await first.waitForState('cancelled', 8_000);
    const second = await mobile.phone.waitForCall(8_000, 2);
    expect(second.headers.get('X-Push-ID')).toBe(first.headers.get('X-Push-ID'));
    await second.answer();
    expect((await call.done).status).toBe(200);
    await talkAndHangUp(scene, call, second);
    expect(mobile.rang).toHaveLength(2);
  });

  it('a ring group of two accounts: both wake, one answers, the other hears it', async () => {
    const a = await Mobile.asleep(scene, '1018');
    const b = await Mobile.asleep(scene, '1019');
    a.wakesByPush();
    b.wakesByPush();
    const call = await caller.call('61819');
    const [rungA, rungB] = await Promise.all([a.phone.waitForCall(), b.phone.waitForCall()]);
    await rungA.answer();
    await rungB.waitForState('cancelled');
    expect(rungB.cancelReasons.join()).toContain('Call completed elsewhere');
    await talkAndHangUp(scene, call, rungA);
    expect([a.rang.length, b.rang.length]).toEqual([1, 1]);
    const [idA, idB] = [await a.callId(), await b.callId()];
    expect(idA).not.toBe(idB);
    await Promise.all([wakeOver(scene, idA), wakeOver(scene, idB)]);
    expect([a.words(idA), b.words(idB)]).toEqual([[], []]);
  });

  it('a blind transfer by the woken phone keeps the media', async () => {
    const mobile = await Mobile.asleep(scene, '1020', { answer: { kind: 'auto' } });
    const target = await scene.phone('1520', { answer: { kind: 'auto' } });
    await target.register();
    mobile.wakesByPush();
    const call = await caller.call('1020');
    expect((await call.done).status).toBe(200);
    const [rung] = mobile.rang;
    if (!rung) throw new Error('it did not ring');
    await rung.waitForRtp(10);
    const answer = await rung.refer(`<sip:1520@127.0.0.1:${scene.asterisk.ports.udp}>`);
    expect(answer.status).toBe(202);
    const third = await target.waitForCall();
    await third.waitForState('answered');
    const before = call.rtp;
    await third.waitForRtp(20);
    await call.waitForRtp(before.received + 20);
    await call.hangup();
    await third.waitForState('ended');
  });

  it('a phone without binding rings as by a plain dial; both medians are printed', async () => {
    const phone = await scene.phone('1021');
    await phone.register();
    const ringsAfter = async (number: string) => {
      const nth = phone.incoming.length + 1;
      const call = await caller.call(number);
      const rung = await phone.waitForCall(5_000, nth);
      const ms = rung.receivedAt - call.invitedAt;
      call.cancel();
      await call.done;
      return ms;
    };
    const plain: number[] = [];
    const through: number[] = [];
    for (let i = 0; i < 20; i++) {
      plain.push(await ringsAfter('91021'));
      through.push(await ringsAfter('1021'));
    }
    console.info(`INVITE to INVITE, plain dial: ${summary(plain)}; by pushwake without binding: ${summary(through)}`);
    expect(through.length).toBe(20);
  });

  it('nobody registered, nothing bound: the caller sees what a plain dial shows', async () => {
    const through = await caller.call('1022');
    const plain = await caller.call('91022');
    console.info(
      `nobody there: ${await seenByCaller(scene, through, '1022')} / ${await seenByCaller(scene, plain, '91022')}`,
    );
    expect((await through.done).status).toBe((await plain.done).status);
  });
});
