/**
 * A push service that is out while a call a second comes: the running product beside a real Asterisk, phones that sleep, and Apple's
 * stand-in, which hangs, resets, answers 503 or 429, is down or silent, and comes back. Short here; `npm run test:outage` keeps each
 * outage up for 70 s, with a ring time of 20 s.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Behaviour } from '../support/apns-stand-in/index.ts';
import { freeUdpPort, type Scene } from '../support/scene.ts';
import type { OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { selfSignedCertificate } from '../support/tls.ts';
import { callUsers, Mobile, startScene } from './outage-support.ts';

const LONG = process.env.PUSHWAKE_OUTAGE === 'long';
/** In ms: how long the service is out, and how long the dialplan lets a phone ring. */
const OUT = LONG ? 70_000 : 6_300;
const RING = LONG ? 20_000 : 4_000;
const PHONES = LONG ? 28 : 10;
/** Once the service is back: a call that waits is pushed within the cap of its pause; a new one as if nothing had been. */
const WAITING_WITHIN = 2_000;
const NEW_WITHIN = 500;
/** Pushes whose calls end before the breaker has seen enough. */
const BEFORE_IT_OPENS = 5;
/** What the caller is told by the `Hangup(${HANGUPCAUSE})` of this dialplan when a Dial has run out. */
const TIME_IS_UP = 603;

let scene: Scene;
let proxy: TcpProxy;
let caller: SipPhone;
let adminPort: number;
const mobiles: Mobile[] = [];

beforeAll(async () => {
  adminPort = await freeUdpPort();
  scene = await startScene({ name: 'outage', users: callUsers(PHONES), ringSeconds: RING / 1_000 });
  proxy = await TcpProxy.start(scene.apns.endpoint.port);
  scene.pushwake.configure(yaml());
  await scene.startPushwake();
  caller = await scene.phone('2000');
  await caller.register();
  for (const { id } of callUsers(PHONES).slice(1)) {
    const mobile = await Mobile.asleep(scene, id, { answer: { kind: 'auto' } });
    mobile.wakesByPush();
    mobiles.push(mobile);
  }
});
afterAll(async () => {
  await scene?.close();
  await proxy?.close();
});

function yaml(change: { readonly ca?: string } = {}): string {
  const { address, ca } = scene.apns.endpoint;
  return scene.yaml({
    endpoint: { address, port: proxy.port, ca: change.ca ?? ca },
    more: `http: { admin: { listen: "127.0.0.1:${adminPort}" } }\n`,
  });
}

interface Placed {
  readonly call: OutgoingCall;
  readonly mobile: Mobile;
  readonly atMs: number;
  readonly pushesBefore: number;
}

async function place(mobile: Mobile): Promise<Placed> {
  const pushesBefore = mobile.callPushes.length;
  return { call: await caller.call(mobile.phone.user), mobile, atMs: performance.now(), pushesBefore };
}

/** What came of one call: how the caller heard of it, when, and when its phone was pushed. */
async function ended({ call, mobile, atMs, pushesBefore }: Placed) {
  const { status } = await call.done;
  const afterMs = performance.now() - atMs;
  if (status === 200) await call.hangup();
  return { status, afterMs, atMs, pushedMs: mobile.callPushes[pushesBefore]?.atMs };
}

interface Health {
  readonly services: readonly { readonly breaker: string; readonly trouble?: string }[];
  readonly alarms: readonly { readonly reason: string }[];
}

async function health(): Promise<Health> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/v1/status`);
  return (await answer.json()) as Health;
}

const KINDS: readonly {
  readonly what: string;
  readonly begin: () => void;
  readonly end: () => void;
  /** What the log, `status` and the breaker say it is; undefined: it is the device that is told to wait, not everybody. */
  readonly reason: RegExp | undefined;
}[] = [
  { what: 'answers 503', ...by({ status: 503, reason: 'ServiceUnavailable' }), reason: /^ServiceUnavailable$/ },
  { what: 'resets each connection', ...by('reset'), reason: /^connection lost$/ },
  // A connection that is given up because nothing comes takes its other pushes with it.
  { what: 'hangs', ...by('hang'), reason: /^(no answer|connection lost$)/ },
  { what: 'is down', begin: () => proxy.cut(), end: () => proxy.mend(), reason: /^(cannot connect|connection lost)$/ },
  {
    what: 'is silent',
    begin: () => proxy.stall(),
    end: () => restored(),
    reason: /^(no answer|cannot connect|connection lost)/,
  },
  { what: 'answers 429 to each device', ...by({ status: 429, reason: 'TooManyRequests' }), reason: undefined },
];

function by(behaviour: Behaviour) {
  return { begin: () => scene.apns.always(behaviour), end: () => scene.apns.always() };
}

/** The line is back; what was sent into the silence is lost. */
function restored(): void {
  proxy.cut();
  proxy.mend();
}

describe('a push service that', () => {
  it.each(KINDS)(
    '$what: no call ends before its time, and all that wait are pushed when it is back',
    async (kind) => {
      for (const { phone } of mobiles) if (phone.isOpen) await phone.sleep();
      const from = scene.pushwake.log.length;
      kind.begin();
      const begunMs = performance.now();
      const calls: Promise<Awaited<ReturnType<typeof ended>>>[] = [];
      const places = Math.ceil(OUT / 1_000);
      for (let i = 0; i < places; i++) {
        await delay(Math.max(0, begunMs + i * 1_000 - performance.now()));
        const mobile = mobiles[i % (PHONES - 1)] as Mobile;
        calls.push(place(mobile).then(ended));
      }
      await delay(Math.max(0, begunMs + OUT - 600 - performance.now()));
      const during = await health();
      await delay(Math.max(0, begunMs + OUT - performance.now()));
      kind.end();
      const backMs = performance.now();
      await delay(200);
      const fresh = await ended(await place(mobiles[PHONES - 1] as Mobile));
      const all = await Promise.all(calls);

      // (1) Nobody is refused before the ring time is over; (2) the first success wakes all that wait.
      const inVain = all.filter((c) => c.atMs + RING < backMs - 500);
      const waiting = all.filter((c) => c.atMs + RING > backMs + WAITING_WITHIN);
      expect(inVain.length).toBeGreaterThan(0);
      expect(waiting.length).toBeGreaterThan(0);
      const figures = JSON.stringify({
        all: all.map((c) => [c.status, Math.round(c.afterMs), Math.round((c.pushedMs ?? Number.NaN) - backMs)]),
      });
      for (const c of inVain) {
        expect(Math.abs(c.afterMs - RING), figures).toBeLessThan(600);
        expect(c.status, figures).toBe(TIME_IS_UP);
      }
      for (const c of waiting) {
        expect(c.status, figures).toBe(200);
        expect((c.pushedMs ?? Number.POSITIVE_INFINITY) - backMs, figures).toBeLessThan(WAITING_WITHIN);
      }
      expect(fresh.status).toBe(200);
      expect((fresh.pushedMs ?? Number.POSITIVE_INFINITY) - fresh.atMs).toBeLessThan(NEW_WITHIN);

      // (3) One error when it is held back, one line when it answers again, no line for each push.
      const log = scene.pushwake.log.slice(from);
      const out = log.filter((l) => l.msg === 'push service does not answer');
      const back = log.filter((l) => l.msg === 'push service answers again');
      const givenUp = log.filter((l) => l.msg === 'push given up');
      // One that hangs or is silent is found out by calls that end: in the short form by about as many as it takes to hold it back.
      const isHeldBack = kind.reason !== undefined;
      const isFoundLate = !LONG && ['hangs', 'is silent'].includes(kind.what);
      const mayBe = isFoundLate && out.length === 0;
      expect([out.length, back.length]).toEqual(isHeldBack && !mayBe ? [1, 1] : [0, 0]);
      expect(givenUp.length + out.length, 'somebody reads of it').toBeGreaterThan(0);
      // Found late, each of its few calls may have ended before.
      const atMost = isFoundLate ? BEFORE_IT_OPENS + 2 : BEFORE_IT_OPENS;
      if (kind.reason) expect(givenUp.length, 'not one line for each push').toBeLessThanOrEqual(atMost);
      for (const line of out) {
        expect(line).toMatchObject({
          provider: 'apns',
          reason: expect.stringMatching(kind.reason ?? /^$/),
          hint: expect.stringMatching(/\w{4}/),
        });
      }
      // (4) What `status` says while it lasts, and when it is over.
      expect(during.services[0]?.trouble ?? '').toMatch(kind.reason ?? /^TooManyRequests$/);
      const after = (await health()).services[0];
      expect(after).toMatchObject({ breaker: 'closed' });
      expect(after?.trouble).toBeUndefined();
      console.log(`${kind.what}: ${figures}`);
    },
    OUT + RING + 40_000,
  );

  it('shows a certificate that is not trusted: calls ring to their time, and nothing is said once it is mended', async () => {
    const reload = async (ca: string) => {
      const from = scene.pushwake.log.length;
      scene.pushwake.configure(yaml({ ca }));
      process.kill(scene.pushwake.pid as number, 'SIGHUP');
      await scene.waitForLog('configuration applied', from);
    };
    for (const { phone } of mobiles) if (phone.isOpen) await phone.sleep();
    await reload(selfSignedCertificate().cert);
    const all = await Promise.all(mobiles.slice(0, 2).map((m) => place(m).then(ended)));
    for (const c of all) {
      expect(c.status).toBe(TIME_IS_UP);
      expect(Math.abs(c.afterMs - RING)).toBeLessThan(600);
    }
    expect((await health()).alarms).toMatchObject([{ reason: 'certificate not trusted' }]);
    await reload(scene.apns.endpoint.ca);
    expect((await ended(await place(mobiles[0] as Mobile))).status).toBe(200);
    const after = await health();
    expect(after.alarms).toEqual([]);
    expect(after.services[0]?.trouble).toBeUndefined();
  });
});
