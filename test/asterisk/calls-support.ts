/** What the call tests share: a dialplan with every way to dial a phone, and one mobile with its push identity. */
import { setTimeout as untilTime } from 'node:timers/promises';
import type { SipUser } from '../support/asterisk/config.ts';
import { Scene, type SceneOptions } from '../support/scene.ts';
import type { IncomingCall, OutgoingCall } from '../support/sip-phone/index.ts';

export { golden, Mobile, steps, wakeOver } from '../support/mobile.ts';
export { ours } from '../support/pbx-scene.ts';

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
    [...scene.asterisk.logText().matchAll(/OUTER (\d+) (\w* cause \d+)/g)].filter((m) => m[1] === number).at(-1)?.[2];
  // Asterisk's logger is a thread of its own, and may show the dialplan's line before what it prints.
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
