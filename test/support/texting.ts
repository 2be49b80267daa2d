/** SIP MESSAGEs to a phone that sleeps, on a whole scene of either PBX: what it got, and what it was pushed for them. */
import { expect } from 'vitest';
import type { ReceivedPush } from './apns-stand-in/index.ts';
import type { Mobile } from './mobile.ts';
import { ours, type PbxScene } from './pbx-scene.ts';
import type { SipPhone } from './sip-phone/index.ts';
import { textsOf } from './texts-of.ts';

export { textsOf };

/** extensions.conf of an Asterisk whose texts go through pushwake; `pushwake-messages.conf` lies beside it. */
export const WITH_TEXTS = `[internal]
exten => _1XXX,1,Dial(Local/\${EXTEN}@pushwake/n,30)

[messages]
exten => _1XXX,1,Gosub(pushwake-text,s,1(\${EXTEN}))
 same => n,MessageSend(pjsip:\${EXTEN},\${MESSAGE(from)})

#include "pushwake-messages.conf"
`;

/** Resolves with all of them when the phone has got so many. */
export const gets = (phone: SipPhone, count: number): Promise<string[]> =>
  phone.waitFor(() => textsOf(phone).length >= count && textsOf(phone), 10_000, `${count} texts`);

/** The phone of an app wakes where it slept, and registers. */
export async function comesBack(mobile: Mobile): Promise<void> {
  if (!mobile.phone.isOpen) await mobile.phone.wake();
  await mobile.bind();
}

export const messagePushes = (scene: PbxScene, { identity }: Mobile): ReceivedPush[] =>
  scene.apns.pushes.filter((p) => p.token === identity.other && ours(p).type === 'message');

/** Sends a text that pushwake has to keep. */
export async function keepsText(scene: PbxScene, from: SipPhone, target: string, body: string): Promise<void> {
  const at = scene.pushwake.log.length;
  expect(await from.text(target, body)).toBe(202);
  await scene.waitForLog('text kept', at);
}

/** What a phone was pushed beside calls from the n-th push of the service on, as `type count, push type`. */
export function besideCalls(scene: PbxScene, { identity }: Mobile, from: number): string[] {
  return scene.apns.pushes.slice(from).flatMap((p) => {
    const { type, count } = ours(p);
    if (p.token !== identity.other) return [];
    return [count === undefined ? String(type) : `${type} ${count}, ${p.pushType}`];
  });
}
