/** What the call tests share: a dialplan with every way to dial a phone, and one mobile with its push identity. */
import { setTimeout as untilTime } from 'node:timers/promises';
import { expect } from 'vitest';
import type { ReceivedPush } from '../support/apns-stand-in/index.ts';
import type { SipUser } from '../support/asterisk/config.ts';
import type { LogLine } from '../support/pushwake-process.ts';
import { type PushIdentity, Scene, type SceneOptions, type WokenPhone } from '../support/scene.ts';
import type { IncomingCall, OutgoingCall, SipPhone, SipPhoneOptions } from '../support/sip-phone/index.ts';

/** `10NN` are mobiles, `15NN` the desk phone beside each, `20NN` callers. */
export const CALLS_DIALPLAN = `[internal]
; through pushwake, and the same as it would be without
exten => _10XX,1,Set(CASE=\${EXTEN})
 same => n,Dial(Local/\${EXTEN}@pushwake/n,30,tT)
 same => n,Goto(after,s,1)
exten => _910XX,1,Set(CASE=\${EXTEN})
 same => n,Dial(PJSIP/\${EXTEN:1},30,tT)
 same => n,Goto(after,s,1)
; the same with a ring time of 4 seconds
exten => _410XX,1,Set(CASE=\${EXTEN})
 same => n,Dial(Local/\${EXTEN:1}@pushwake/n,4)
 same => n,Goto(after,s,1)
exten => _4910XX,1,Set(CASE=\${EXTEN})
 same => n,Dial(PJSIP/\${EXTEN:2},4)
 same => n,Goto(after,s,1)
; desk phone 15NN and mobile 10NN
exten => _510XX,1,Set(CASE=\${EXTEN})
 same => n,Dial(PJSIP/15\${EXTEN:3}&Local/\${EXTEN:1}@pushwake/n,30,tT)
 same => n,Goto(after,s,1)
; ring group of 10AA and 10BB
exten => _6XXXX,1,Set(CASE=\${EXTEN})
 same => n,Dial(Local/10\${EXTEN:1:2}@pushwake/n&Local/10\${EXTEN:3:2}@pushwake/n,30,tT)
 same => n,Goto(after,s,1)
exten => _7XX,1,Queue(q\${EXTEN:1},,,,30)
 same => n,Hangup()
exten => _15XX,1,Dial(PJSIP/\${EXTEN},30,tT)
 same => n,Goto(after,s,1)
exten => _20XX,1,Dial(PJSIP/\${EXTEN},30,tT)
 same => n,Goto(after,s,1)

[after]
exten => s,1,Log(NOTICE,OUTER \${CASE} \${DIALSTATUS} cause \${HANGUPCAUSE})
 same => n,Hangup(\${HANGUPCAUSE})

`;

export function callUsers(mobiles: number): SipUser[] {
  const two = (n: number) => String(n).padStart(2, '0');
  const numbers = Array.from({ length: mobiles }, (_, i) => two(i + 1));
  return [
    ...numbers.map((n) => ({ id: `10${n}`, callerId: `Mobile ${n} <10${n}>` })),
    ...numbers.map((n) => ({ id: `15${n}`, callerId: `Desk ${n} <15${n}>` })),
    { id: '2000', callerId: 'The Caller <2000>' },
    { id: '2001', callerId: 'Another Caller <2001>' },
  ];
}

export function startCallScene(options: Omit<SceneOptions, 'users' | 'extensions'> & { mobiles: number }) {
  const { mobiles, ...rest } = options;
  return Scene.start({ ...rest, users: callUsers(mobiles), extensions: CALLS_DIALPLAN });
}

type Fields = Record<string, unknown>;

/** An app install on a phone: its tokens, what it was pushed, what rang. */
export class Mobile {
  readonly phone: SipPhone;
  readonly identity: PushIdentity;
  readonly #scene: Scene;

  private constructor(scene: Scene, phone: SipPhone, identity: PushIdentity) {
    this.#scene = scene;
    this.phone = phone;
    this.identity = identity;
  }

  static async install(scene: Scene, user: string, options: Partial<SipPhoneOptions> = {}): Promise<Mobile> {
    return new Mobile(scene, await scene.phone(user, options), scene.install());
  }

  /** Registered, bound, and asleep: over TLS Asterisk has forgotten it, over UDP it still holds the dead contact. */
  static async asleep(scene: Scene, user: string, options: Partial<SipPhoneOptions> = {}): Promise<Mobile> {
    const mobile = await Mobile.install(scene, user, { transport: 'tls', ...options });
    await mobile.bind();
    await mobile.phone.sleep();
    return mobile;
  }

  bind(): Promise<void> {
    return this.#scene.bind(this.phone, this.identity);
  }

  wakesByPush(o: { afterMs?: number; samePort?: boolean } = {}): WokenPhone {
    return this.#scene.wakeByPush(this.phone, this.identity, o);
  }

  get callPushes(): ReceivedPush[] {
    return this.#scene.apns.pushes.filter((p) => p.token === this.identity.voip);
  }

  /** Resolves with the n-th call push, counted from 1, at once if it is there. */
  async callPush(nth = 1): Promise<ReceivedPush> {
    const there = () => this.callPushes[nth - 1];
    const push = there();
    if (push) return push;
    return new Promise((resolve, reject) => {
      const stop = this.#scene.apns.onPush(this.identity.voip, () => {
        const now = there();
        if (now) end(() => resolve(now));
      });
      const timer = setTimeout(() => end(() => reject(new Error(`call push no. ${nth} did not come`))), 5_000);
      const end = (then: () => void) => {
        clearTimeout(timer);
        stop();
        then();
      };
    });
  }

  async callId(nth = 1): Promise<string> {
    return String(ours(await this.callPush(nth)).callId);
  }

  /** Closing words of one call, as the app reads them. */
  words(callId: string): string[] {
    return this.#scene.apns.pushes
      .filter((p) => p.token === this.identity.other)
      .map(ours)
      .filter((p) => p.type === 'cancel' && p.callId === callId)
      .map((p) => String(p.ended));
  }

  /** Calls this phone rang for. One per INVITE, ghosts included, retransmissions not. */
  get rang(): IncomingCall[] {
    return this.phone.incoming.filter((call) => call.ringingAt !== undefined);
  }
}

/** Our part of a payload. */
export function ours(push: ReceivedPush): Fields {
  return (JSON.parse(push.json) as { pushwake?: Fields }).pushwake ?? {};
}

/** A push as text, with what differs from run to run replaced by what it must be. */
export function golden(push: ReceivedPush, callId: string): unknown {
  const { sentAt, expiresAt, pushId, callId: said, ...rest } = ours(push);
  const payload = JSON.parse(push.json) as Fields;
  expect(said).toBe(callId);
  expect(pushId).toBe(push.apnsId);
  return {
    pushType: push.pushType,
    topic: push.topic,
    priority: push.priority,
    payload: {
      ...payload,
      pushwake: {
        ...rest,
        pushId: '<apns-id>',
        callId: '<callId>',
        sentAt: Math.abs(Number(sentAt) - Date.now()) < 60_000 ? '<now>' : sentAt,
        expiresAt: `<sentAt + ${Math.round((Number(expiresAt) - Number(sentAt)) / 1_000)} s>`,
      },
    },
  };
}

/** Steps of one call as pushwake traced them. */
export function steps(scene: Scene, callId: string): string[] {
  return scene.pushwake.log.filter((l) => l.msg === 'call step' && l.callId === callId).map((l) => String(l.step));
}

/** Waits until a wake is over and every closing word it gave has been taken by the push service. */
export async function wakeOver(scene: Scene, callId: string): Promise<LogLine> {
  const over = await scene.pushwake.waitForLog((l) => l.msg === 'call over' && l.callId === callId, {
    timeoutMs: 10_000,
    what: `the end of call ${callId}`,
  });
  const told = steps(scene, callId).filter((s) => s.startsWith('told: ')).length;
  const from = scene.pushwake.log.findIndex((l) => l.msg === 'call step' && l.callId === callId);
  let seen = 0;
  if (told > 0) {
    await scene.pushwake.waitForLog(
      (l) => l.msg === 'push ended' && l.purpose === 'cancel' && l.aor === over.aor && ++seen === told,
      { from, what: `${told} closing words` },
    );
  }
  return over;
}

/** What every call must leave behind: nothing. */
export async function nothingLeft(scene: Scene): Promise<void> {
  await scene.asterisk.waitForNoChannels();
}

/** After each test: nothing may be left; what a failed test left behind is ended, so that the next one starts clean. */
export async function cleanUp(scene: Scene): Promise<void> {
  try {
    await nothingLeft(scene);
  } finally {
    await scene.asterisk.cli('channel request hangup all');
    for (const phone of scene.phones) {
      for (const call of phone.outgoing) if (!call.isOver) call.drop();
    }
  }
}

/** Status the caller saw, and what the outer Dial was told. */
export async function seenByCaller(scene: Scene, call: OutgoingCall, number: string): Promise<string> {
  const { status } = await call.done;
  const outer = () =>
    [...scene.asterisk.logText().matchAll(/OUTER (\d+) (.*)/g)].filter((m) => m[1] === number).at(-1)?.[2];
  // Asterisk's logger is a thread of its own.
  const deadline = performance.now() + 2_000;
  while (outer() === undefined && performance.now() < deadline) await untilTime(10);
  return `${status} ${outer()?.trim()}`;
}

/** Both hear each other, then the caller hangs up and nothing is left. */
export async function talkAndHangUp(scene: Scene, call: OutgoingCall, callee: IncomingCall): Promise<void> {
  await Promise.all([call.waitForRtp(10), callee.waitForRtp(10)]);
  await call.hangup();
  await callee.waitForState('ended');
  await nothingLeft(scene);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

export function summary(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const ms = (v: number | undefined) => (v ?? Number.NaN).toFixed(1);
  return `n=${values.length} min ${ms(sorted[0])} median ${ms(median(values))} max ${ms(sorted.at(-1))} ms`;
}
