/** One app install on a phone, and what a call's push and trace say: the same on every PBX. */
import { expect } from 'vitest';
import type { ReceivedPush } from './apns-stand-in/index.ts';
import { ours, type PbxScene, type PushIdentity, type WokenPhone } from './pbx-scene.ts';
import type { LogLine } from './pushwake-process.ts';
import type { IncomingCall, SipPhone, SipPhoneOptions } from './sip-phone/index.ts';

type Fields = Record<string, unknown>;

/** An app install on a phone: its tokens, what it was pushed, what rang. */
export class Mobile {
  readonly phone: SipPhone;
  readonly identity: PushIdentity;
  readonly #scene: PbxScene;

  private constructor(scene: PbxScene, phone: SipPhone, identity: PushIdentity) {
    this.#scene = scene;
    this.phone = phone;
    this.identity = identity;
  }

  static async install(scene: PbxScene, user: string, options: Partial<SipPhoneOptions> = {}): Promise<Mobile> {
    return new Mobile(scene, await scene.phone(user, options), scene.install());
  }

  /** Registered, bound, and asleep: over TLS Asterisk has forgotten it, over UDP it still holds the dead contact. */
  static async asleep(scene: PbxScene, user: string, options: Partial<SipPhoneOptions> = {}): Promise<Mobile> {
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

  /**
   * Woken by a push it registers, and is not there a moment later: its connection was shut, or over UDP it has changed its network. Then it registers
   * anew, at another address.
   */
  wakesAndRegistersAnew(how: 'reset' | 'deaf'): void {
    const registered = async () => {
      await this.phone.wake();
      await this.phone.register({ contactParams: this.identity.params, newCallId: true });
    };
    this.#scene.apns.onPush(this.identity.voip, () => {
      void registered()
        .then(() => this.phone.sleep({ how }))
        .then(registered);
    });
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

/** A push as text, with what differs from run to run replaced by what it must be. */
export function golden(push: ReceivedPush, callId: string): unknown {
  const { sentAt, expiresAt, pushId, callId: said, ...rest } = ours(push);
  const { aps, ...payload } = JSON.parse(push.json) as Fields;
  // The phones of the tests register as Linphone does.
  if (push.pushType === 'voip') expect(aps).toEqual({ 'call-id': callId, uuid: push.apnsId, 'loc-key': 'IC_MSG' });
  expect(said).toBe(callId);
  expect(pushId).toBe(push.apnsId);
  return {
    pushType: push.pushType,
    topic: push.topic,
    priority: push.priority,
    payload: {
      ...(push.pushType !== 'voip' && { aps }),
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
export function steps(scene: PbxScene, callId: string): string[] {
  return scene.pushwake.log.filter((l) => l.msg === 'call step' && l.callId === callId).map((l) => String(l.step));
}

/** Waits until a wake is over and every closing word it gave has been taken by the push service. */
export async function wakeOver(scene: PbxScene, callId: string): Promise<LogLine> {
  const over = await scene.pushwake.waitForLog((l) => l.msg === 'call over' && l.callId === callId, {
    timeoutMs: 10_000,
    what: `the end of call ${callId}`,
  });
  const told = steps(scene, callId).filter((s) => s.startsWith('closing push: ')).length;
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
