/**
 * What a PBX does with calls besides ringing, at phones that sleep: all as without us. And what pushwake says of it: to the
 * dialplan, to the app, to the administrator.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { Scene } from '../support/scene.ts';
import type { OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';
import { CALLS_DIALPLAN, callUsers, cleanUp, Mobile, ours, talkAndHangUp, wakeOver } from './calls-support.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The dialplan of the page, with what this Asterisk lacks put in its place: voicemail and a trunk. */
const EXAMPLES = [
  ...readFileSync(join(ROOT, 'docs/dialplan-examples.md'), 'utf8').matchAll(/```asterisk\n([\s\S]*?)```/g),
]
  .map((m) => m[1] as string)
  .join('\n')
  .replaceAll(/VoiceMail\(([^)]*)\)/g, 'Log(NOTICE,VOICEMAIL $1)')
  .replaceAll(/PJSIP\/\$\{DB\(mobile[^@]*@trunk/g, 'PJSIP/2001')
  .replaceAll(/pushwake\/n,(10|25)/g, 'pushwake/n,3');

const DIALPLAN = `${CALLS_DIALPLAN.replace(
  '[internal]\n',
  `[internal]
exten => _310XX,1,Set(PUSHWAKE_STATUS=)
 same => n,Dial(Local/\${EXTEN:1}@pushwake/n,3,g)
 same => n,Log(NOTICE,STATUS \${EXTEN} \${PUSHWAKE_STATUS})
 same => n,Hangup(\${HANGUPCAUSE})
exten => _8110XX,1,Goto(example-voicemail,\${EXTEN:2},1)
exten => _8210XX,1,Goto(example-mobile-number,\${EXTEN:2},1)
exten => _8310XX,1,Goto(example-log,\${EXTEN:2},1)
; forwarded by the PBX
exten => _8410XX,1,Dial(Local/\${EXTEN:2}@internal/n,30)
 same => n,Hangup(\${HANGUPCAUSE})
; recorded
exten => _8510XX,1,MixMonitor(\${EXTEN}.wav)
 same => n,Dial(Local/\${EXTEN:2}@pushwake/n,30,tT)
 same => n,Hangup()
exten => _*810XX,1,PickupChan(Local/\${EXTEN:2}@pushwake,p)
 same => n,Hangup()
`,
)}
${EXAMPLES}
`;

const QUEUES = `[q20]
strategy=ringall
timeout=15
member => Local/1020@pushwake/n
member => Local/1021@pushwake/n
member => PJSIP/1520
`;

let scene: Scene;
let caller: SipPhone;
let admin = 0;
let devices = 0;

beforeAll(async () => {
  [admin, devices] = [await freePort(), await freePort()];
  scene = await Scene.start({
    name: 'call-services',
    users: callUsers(40),
    hep: true,
    extensions: DIALPLAN,
    queues: QUEUES,
    policy: `policies:
  - { aor: "1030@*", policy: { retryVoip: 1s } }
  - { aor: "1031@*", policy: { declineEverywhere: true } }
http:
  admin: { listen: "127.0.0.1:${admin}" }
  devices: { listen: "127.0.0.1:${devices}", accountSecret: a-secret-of-24-characters-for-tests }
`,
  });
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => scene?.close());
afterEach(async () => cleanUp(scene));

const registered = async (user: string, kind: 'auto' | 'ring' = 'auto') => {
  const phone = await scene.phone(user, { answer: { kind } });
  await phone.register();
  return phone;
};

/** What Asterisk logged, once it has. */
async function logged(pattern: RegExp): Promise<string> {
  const found = () => [...scene.asterisk.logText().matchAll(new RegExp(pattern, 'g'))].at(-1)?.[1]?.trim();
  await expect.poll(found, { timeout: 8_000 }).toBeDefined();
  return found() as string;
}

const rung = (mobile: Mobile) => mobile.phone.waitForCall(8_000);

describe('PUSHWAKE_STATUS', () => {
  const rows: [status: string, user: string, happens: (call: OutgoingCall, mobile: Mobile) => Promise<unknown>][] = [
    ['NOBODY', '1001', async (call) => call.done],
    [
      'WOKEN',
      '1002',
      async (call, mobile) => {
        await mobile.phone.wake();
        await mobile.bind();
        await rung(mobile);
        await call.done;
      },
    ],
    [
      'ELSEWHERE',
      '1003',
      async (call) => {
        await call.done;
        const desk = scene.phones.find((p) => p.name === 'desk');
        const [answered] = desk?.incoming ?? [];
        await answered?.hangup();
      },
    ],
  ];
  it.each(rows)('%s', async (status, user, happens) => {
    const mobile = await Mobile.asleep(scene, user);
    if (status === 'ELSEWHERE') {
      const desk = await scene.phone(user, { name: 'desk', answer: { kind: 'auto' } });
      await desk.register();
    }
    const call = await caller.call(`3${user}`);
    await mobile.callPush();
    await happens(call, mobile);
    expect(await logged(new RegExp(`STATUS 3${user} (\\w*)`))).toBe(status);
  });

  it('NOBINDING', async () => {
    await (await caller.call('31004')).done;
    expect(await logged(/STATUS 31004 (\w*)/)).toBe('NOBINDING');
  });

  it('the best word of a ring group: one account sleeps, the other is unknown to us', async () => {
    const mobile = await Mobile.asleep(scene, '1005');
    await registered('1006');
    const call = await caller.call('60506');
    await mobile.callPush();
    await call.done;
    const channels = await scene.asterisk.cli('core show channels concise');
    const callers = channels
      .split('\n')
      .find((l) => l.startsWith('PJSIP/2000-'))
      ?.split('!')[0];
    // The waiting leg ends, and says so, beside the answer: which of the two comes first is not promised.
    const variables = () => scene.asterisk.cli(`core show channel ${callers}`);
    await expect.poll(variables, { timeout: 8_000 }).toContain('PUSHWAKE_STATUS=ELSEWHERE');
    await call.hangup();
  });

  it.each([
    ['voicemail, nobody came', '811007', false, /VOICEMAIL (1007@default,\w)/, '1007@default,u'],
    ['voicemail, it rang and nobody answered', '811008', true, /VOICEMAIL (1008@default,\w)/, '1008@default,b'],
  ] as const)('the page’s example: %s', async (_what, number, wakes, pattern, said) => {
    const mobile = await Mobile.asleep(scene, number.slice(2));
    if (wakes) mobile.wakesByPush();
    const call = await caller.call(number);
    if (wakes) await rung(mobile);
    await call.done;
    expect(await logged(pattern)).toBe(said);
  });

  it('the page’s example: nobody came within the time, the person’s own number rings', async () => {
    const other = await registered('2001');
    await scene.asterisk.cli('database put mobile 1009 +491711234567');
    await Mobile.asleep(scene, '1009');
    const call = await caller.call('821009');
    expect((await call.done).status).toBe(200);
    await talkAndHangUp(scene, call, other.incoming.at(-1) as never);
  });

  it('the page’s example: one line in Asterisk’s log', async () => {
    const mobile = await Mobile.asleep(scene, '1010', { answer: { kind: 'auto' } });
    mobile.wakesByPush();
    const call = await caller.call('831010');
    expect((await call.done).status).toBe(200);
    await talkAndHangUp(scene, call, mobile.rang[0] as never);
    expect(await logged(/call from 2000: (ANSWER, pushwake \w*)/)).toBe('ANSWER, pushwake WOKEN');
  });
});

describe('services of the PBX, at a phone that sleeps', () => {
  it('caller id at the woken phone, connected line at the caller', async () => {
    const mobile = await Mobile.asleep(scene, '1011', { answer: { kind: 'auto' } });
    mobile.wakesByPush();
    const call = await caller.call('1011');
    const ok = await call.done;
    const [came] = mobile.rang;
    expect(came?.headers.get('From')).toMatch(/"?The Caller"? <sip:2000@/);
    expect(ok.message.headers.get('P-Asserted-Identity')).toMatch(/"?Mobile 11"? <sip:1011@/);
    await talkAndHangUp(scene, call, came as never);
  });

  it('forwarded by the PBX', async () => {
    const mobile = await Mobile.asleep(scene, '1012', { answer: { kind: 'auto' } });
    mobile.wakesByPush();
    const call = await caller.call('841012');
    expect((await call.done).status).toBe(200);
    await talkAndHangUp(scene, call, mobile.rang[0] as never);
  });

  it('forwarded by the woken phone (302): the other number rings', async () => {
    const other = await registered('1513');
    const mobile = await Mobile.asleep(scene, '1013');
    mobile.wakesByPush();
    const call = await caller.call('1013');
    const came = await rung(mobile);
    came.reject(302, [['Contact', `<sip:1513@127.0.0.1:${scene.asterisk.ports.udp}>`]]);
    expect((await call.done).status).toBe(200);
    await talkAndHangUp(scene, call, other.incoming.at(-1) as never);
    expect(mobile.words(await mobile.callId())).toEqual([]);
  });

  it('picked up by a colleague while the phone still sleeps: it is told elsewhere', async () => {
    const colleague = await registered('1514');
    const mobile = await Mobile.asleep(scene, '1014');
    const call = await caller.call('1014');
    const callId = await mobile.callId();
    await call.waitForState('ringing');
    const pickup = await colleague.call('*81014');
    expect((await pickup.done).status).toBe(200);
    expect((await call.done).status).toBe(200);
    await Promise.all([call.waitForRtp(10), pickup.waitForRtp(10)]);
    await call.hangup();
    await wakeOver(scene, callId);
    expect(mobile.words(callId)).toEqual(['elsewhere']);
  });

  it('recorded', async () => {
    const mobile = await Mobile.asleep(scene, '1015', { answer: { kind: 'auto' } });
    mobile.wakesByPush();
    const call = await caller.call('851015');
    expect((await call.done).status).toBe(200);
    await call.waitForRtp(60);
    await talkAndHangUp(scene, call, mobile.rang[0] as never);
    const file = join(scene.asterisk.folder, 'spool/monitor/851015.wav');
    await expect.poll(() => existsSync(file) && statSync(file).size, { timeout: 5_000 }).toBeGreaterThan(8_000);
  });

  it('a queue with three members, two of them asleep: one wakes and answers, the desk phone hears it, the other one word', async () => {
    const desk = await registered('1520', 'ring');
    const wakes = await Mobile.asleep(scene, '1020', { answer: { kind: 'auto', afterMs: 50 } });
    const sleeps = await Mobile.asleep(scene, '1021');
    wakes.wakesByPush();
    const call = await caller.call('720');
    const stopped = await desk.waitForCall();
    await stopped.waitForState('cancelled', 8_000);
    expect(stopped.cancelReasons.join()).toContain('Call completed elsewhere');
    await call.waitForRtp(10);
    await call.hangup();
    const callId = await sleeps.callId();
    await wakeOver(scene, callId);
    expect(sleeps.words(callId)).toEqual(['elsewhere']);
    expect(wakes.rang).toHaveLength(1);
  });

  it('one app with two accounts in one ring group: a push for each, a ring for each, one answer ends both', async () => {
    const first = await Mobile.asleep(scene, '1022');
    const second = await scene.phone('1023', { transport: 'tls' });
    await scene.bind(second, first.identity);
    await second.sleep();
    const call = await caller.call('62223');
    await first.callPush(2);
    await Promise.all([first.phone.wake(), second.wake()]);
    const params = { contactParams: first.identity.params, newCallId: true };
    await Promise.all([first.phone.register(params), second.register(params)]);
    const [a, b] = await Promise.all([rung(first), second.waitForCall(8_000)]);
    const pushed = first.callPushes.map((p) => [ours(p).aor, ours(p).callId]);
    expect(new Map(pushed as [string, string][])).toEqual(
      new Map([
        ['1022@example.com', a.headers.get('X-Push-ID')],
        ['1023@example.com', b.headers.get('X-Push-ID')],
      ]),
    );
    await a.answer();
    await b.waitForState('cancelled');
    await talkAndHangUp(scene, call, a);
  });
});

describe('what the policy adds', () => {
  it('retry: the first push woke nobody, the second does', async () => {
    const mobile = await Mobile.asleep(scene, '1030', { answer: { kind: 'auto' } });
    const call = await caller.call('1030');
    const [first, second] = [await mobile.callPush(1), await mobile.callPush(2)];
    expect(ours(second).callId).toBe(ours(first).callId);
    expect(ours(second).pushId).not.toBe(ours(first).pushId);
    await mobile.phone.wake();
    await mobile.bind();
    expect((await call.done).status).toBe(200);
    await talkAndHangUp(scene, call, mobile.rang[0] as never);
    expect(mobile.callPushes).toHaveLength(2);
  });

  it('declineEverywhere: 603 at one device ends the call, the other device hears why', async () => {
    const declines = await Mobile.asleep(scene, '1031', { answer: { kind: 'reject', code: 603 } });
    const sleeps = await Mobile.asleep(scene, '1031');
    declines.wakesByPush();
    const call = await caller.call('1031');
    expect((await call.done).status).toBe(403);
    const callId = await sleeps.callId();
    expect((await wakeOver(scene, callId)).outcome).toBe('declined');
    expect([declines.words(callId), sleeps.words(callId)]).toEqual([[], ['declined']]);
  });
});

describe('push parameters in the wrong place', () => {
  it('behind the ">" of the Contact (HEP): the log says so, and the device that is bound stays bound', async () => {
    const mobile = await Mobile.install(scene, '1035', { transport: 'tcp' });
    await mobile.bind();
    const said = scene.pushwake.waitForLog((l) => l.msg === 'contact asks for push and is not bound');
    const { status } = await mobile.phone.register({ headerParams: ';pn-provider=fcm;pn-param=p;pn-prid=t' });
    expect(status).toBe(200);
    expect((await said).reason).toContain('behind the ">"');
    const call = await caller.call('1035');
    await mobile.callPush();
    call.cancel();
    await call.done;
  });
});

describe('asked from outside', () => {
  it('an app asks with the key of its push whether the call still waits', async () => {
    const mobile = await Mobile.asleep(scene, '1032');
    const call = await caller.call('1032');
    const { callId, callKey } = ours(await mobile.callPush());
    await call.waitForState('ringing');
    const url = `http://127.0.0.1:${devices}/v1/calls/${callId}?key=${callKey}`;
    expect(await (await fetch(url)).json()).toEqual({ callId, alive: true });
    call.cancel();
    await call.done;
    await wakeOver(scene, String(callId));
    expect(await (await fetch(url)).json()).toEqual({ callId, alive: false, ended: 'cancelled' });
    expect((await fetch(`${url.slice(0, -1)}!`)).status).toBe(403);
  });

  it('pushwake explain, from another process: what happened, why, and how well the device wakes', async () => {
    const mobile = await Mobile.asleep(scene, '1033', { answer: { kind: 'auto' } });
    const woken = mobile.wakesByPush();
    const call = await caller.call('1033');
    expect((await call.done).status).toBe(200);
    await talkAndHangUp(scene, call, mobile.rang[0] as never);
    await wakeOver(scene, await mobile.callId());
    await scene.stored.waitFor('1033@example.com', 'its record', (r) => r.bindings[0]?.wakes?.length === 1);
    woken.stop();
    const explain = async (...args: string[]) => {
      const file = join(scene.folder, 'pushwake.yaml');
      const all = [join(ROOT, 'plugin/cli.ts'), 'explain', ...args, '--config', file];
      return (await promisify(execFile)(process.execPath, all)).stdout;
    };
    const said = await explain('1033');
    expect(said).toMatch(/for 1033@example.com, \d+ s ago, on office: answered after \d/);
    expect(said).toMatch(
      /pushed after .* taken by the push service .* registered after .* rang after .* answered after/,
    );
    expect(said).toMatch(/of the last 1 call pushes 1 woke it, median \d+\.\d s/);
    for (const secret of [mobile.identity.voip, mobile.identity.other]) expect(said).not.toContain(secret);

    await mobile.phone.sleep();
    const silent = await caller.call('31033');
    await silent.done;
    const callId = await mobile.callId(2);
    await wakeOver(scene, callId);
    expect(await explain(callId)).toMatch(/nobody answered in time[\s\S]*Likely cause: [\s\S]*What to do: /);
    expect(JSON.parse(await explain(callId, '--json')).calls[0].trace.steps.length).toBeGreaterThan(5);
    expect(await explain('1039')).toContain('Nothing is known');
  });
});

describe('at last, without pushwake', () => {
  it('UNAVAILABLE, and the phone that is awake rings', async () => {
    const phone = await registered('1034', 'ring');
    await scene.pushwake.stop();
    const call = await caller.call('31034');
    await phone.waitForCall();
    await call.done;
    expect(await logged(/STATUS 31034 (\w*)/)).toBe('UNAVAILABLE');
    await scene.startPushwake();
  });
});
