/**
 * How each ending of `test/runtime/endings.cases.ts` is brought about on a real Asterisk: what its phones, its caller, and the push
 * service do. What is said of it is compared in `endings.test.ts`.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, vi } from 'vitest';
import type { AorRecord, Binding, BindingId } from '../../plugin/core/binding.ts';
import { DAY, HOUR, instant } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type { Behaviour } from '../support/apns-stand-in/index.ts';
import { REALM, type Scene } from '../support/scene.ts';
import type { OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';
import { Mobile } from './calls-support.ts';

/** What all endings of one run share. */
export interface Bench {
  readonly scene: Scene;
  readonly caller: SipPhone;
  /** Asks pushwake as its operator. */
  readonly admin: (path: string, method?: string) => Promise<string>;
}

/** One ending: an account of its own, its phone and its caller. */
export class Site {
  readonly bench: Bench;
  readonly user: string;
  phone!: Mobile;
  call!: OutgoingCall;

  constructor(bench: Bench, user: string) {
    this.bench = bench;
    this.user = user;
  }

  async asleep(): Promise<Mobile> {
    this.phone = await Mobile.asleep(this.bench.scene, this.user);
    return this.phone;
  }

  /** `as`: `5` with the desk phone, `4` for a moment. */
  async calls(as: '' | '4' | '5' = ''): Promise<void> {
    this.call = await this.bench.caller.call(`${as}${this.user}`);
  }

  async comes(params = this.phone.identity.params): Promise<void> {
    if (!this.phone.phone.isOpen) await this.phone.phone.wake();
    const { status } = await this.phone.phone.register({ contactParams: params, newCallId: true });
    if (status !== 200) throw new Error(`REGISTER of ${this.user}: ${status}`);
  }

  /** Asleep, called, and awake by its push. */
  async wakes(policy: SipPhone['answer'] = { kind: 'ring' }): Promise<void> {
    await this.asleep();
    this.phone.phone.answer = policy;
    this.phone.wakesByPush();
    await this.calls();
  }

  /** It wants to register, and the PBX has no place for it, or does not know it. */
  async isRefused(params: string, expected = 403): Promise<void> {
    await this.phone.phone.wake();
    const { status } = await this.phone.phone.register({ contactParams: params, newCallId: true });
    if (status !== expected) throw new Error(`REGISTER of ${this.user}: ${status}`);
  }

  /** Its app has another password than the account. */
  async comesWithAWrongPassword(params: string): Promise<void> {
    const app = await this.bench.scene.phone(this.user, { transport: 'tls', password: 'not the password' });
    const { status } = await app.register({ contactParams: params });
    if (status !== 401) throw new Error(`REGISTER of ${this.user}: ${status}`);
  }

  /** The PBX loses the account while its phone sleeps. */
  async accountIsGone(): Promise<void> {
    const { asterisk } = this.bench.scene;
    const file = join(asterisk.folder, 'etc/pjsip.conf');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(`aors=${this.user}\n`, 'aors=2000\n'));
    await asterisk.cli('module reload res_pjsip.so');
  }

  async rung() {
    return this.phone.phone.waitForCall(8_000);
  }

  async desk(): Promise<SipPhone> {
    const desk = await this.bench.scene.phone(this.user.replace('10', '15'));
    await desk.register();
    return desk;
  }

  async over(): Promise<void> {
    await this.call.done;
    if (!this.call.isOver) await this.call.hangup();
  }
}

function treat(s: Site, behaviour: Behaviour, how: 'once' | 'always' = 'always'): void {
  s.bench.scene.apns.treat(s.phone.identity.voip, behaviour, how);
}

/** A call with no phone that comes, until its time is up. */
export const inVain = async (s: Site) => {
  await s.calls();
  await s.over();
};
const dead = { status: 410, reason: 'Unregistered', timestamp: Date.now() + 3_600_000 };
const refused = { status: 403, reason: 'InvalidProviderToken' };
const deskAnswers = async (s: Site, afterMs: number) => {
  const desk = await s.desk();
  await s.calls('5');
  const rung = await desk.waitForCall();
  await delay(afterMs);
  await rung.answer();
  await delay(100);
  await s.over();
};

export const PRODUCED: Readonly<Record<string, (s: Site) => Promise<void>>> = {
  // The first of those whose token dies: of a site this small the brake lets no more than three go.
  'the last binding had ended: the service had called the token dead': async (s) => {
    await s.asleep();
    // While Asterisk holds its contact, the binding is ending and has not ended.
    await vi.waitFor(async () => expect(await s.bench.scene.contacts(s.user)).toEqual([]), 8_000);
    treat(s, dead);
    await inVain(s);
    await s.bench.scene.stored.waitFor(`${s.user}@${REALM}`, 'ended', (r) => r.bindings.length === 0);
    await inVain(s);
  },
  'woken, rang, answered': async (s) => {
    await s.wakes({ kind: 'auto', afterMs: 300 });
    await s.over();
  },
  'woken, rang, the ring time went by': async (s) => {
    await s.wakes();
    await s.over();
  },
  'woken, rang, the caller hung up': async (s) => {
    await s.wakes();
    await s.rung();
    await delay(300);
    s.call.cancel();
    await s.over();
  },
  'woken, rang, a desk phone answered': async (s) => {
    const desk = await s.desk();
    await s.asleep();
    s.phone.wakesByPush();
    await s.calls('5');
    await s.rung();
    await delay(500);
    await (await desk.waitForCall()).answer();
    await delay(200);
    await s.over();
  },
  'woken, and the phone is busy (486)': async (s) => {
    await s.wakes({ kind: 'reject', code: 486 });
    await s.over();
  },
  'woken, rang, declined (603)': async (s) => {
    await s.wakes();
    const rung = await s.rung();
    await delay(300);
    rung.reject(603);
    await s.over();
  },
  'woken, rang, declined (603), and the policy says that holds for all devices': async (s) => {
    await s.wakes();
    const rung = await s.rung();
    await delay(300);
    rung.reject(603);
    await s.over();
  },
  'woken, rang, dismissed (480)': async (s) => {
    await s.wakes();
    const rung = await s.rung();
    await delay(300);
    rung.reject(480);
    await s.over();
  },
  'still registered: rang at its stored contact, answered': async (s) => {
    s.phone = await Mobile.install(s.bench.scene, s.user, { transport: 'tls', answer: { kind: 'auto', afterMs: 300 } });
    await s.phone.bind();
    await inVain(s);
  },
  'came by a new contact that says nothing of its device, answered': async (s) => {
    await s.asleep();
    s.phone.phone.answer = { kind: 'auto' };
    await s.calls();
    await s.phone.callPush();
    await s.comes('');
    await s.over();
  },
  'a desk phone answered after 0.6 s, the phone still slept': async (s) => {
    await s.asleep();
    await deskAnswers(s, 600);
  },
  'a desk phone answered after 0.6 s, the phone came after 2 s': async (s) => {
    await s.asleep();
    await deskAnswers(s, 600);
    await delay(1_300);
    await s.comes();
  },
  'a desk phone answered after 12 s, the phone had not come': async (s) => {
    await s.asleep();
    await deskAnswers(s, 5_000);
  },
  'the caller hung up after 0.9 s': async (s) => {
    await s.asleep();
    await s.calls();
    await delay(900);
    s.call.cancel();
    await s.over();
  },
  'the caller hung up after 8 s, the phone came after 9 s': async (s) => {
    await s.asleep();
    await s.calls();
    await delay(3_500);
    s.call.cancel();
    await s.over();
    await delay(700);
    await s.comes();
  },
  'the ring time of 20 s was over, the phone came after 22 s': async (s) => {
    await s.asleep();
    await inVain(s);
    await delay(1_500);
    await s.comes();
  },
  'the dialplan ended the call after 0.9 s': async (s) => {
    await s.asleep();
    await s.calls('4');
    await s.over();
  },
  'the push was taken, the ring time went by: a phone of which nothing is known did not come': async (s) => {
    await s.asleep();
    await inVain(s);
  },
  'the service says that the token is dead': async (s) => {
    await s.asleep();
    treat(s, dead);
    await inVain(s);
  },
  'the token is dead, and the phone comes after the end': async (s) => {
    await s.asleep();
    treat(s, dead);
    await inVain(s);
    await delay(1_500);
    await s.comes();
  },
  'the token is dead, the app is opened by hand while the call waits': async (s) => {
    await s.asleep();
    treat(s, dead);
    s.phone.phone.answer = { kind: 'auto' };
    await s.calls();
    await delay(1_500);
    await s.comes();
    await s.over();
  },
  'the service refuses our key (403)': async (s) => {
    await s.asleep();
    treat(s, refused);
    await inVain(s);
  },
  'the service refuses our key, and the phone comes after the end': async (s) => {
    await s.asleep();
    treat(s, refused);
    await inVain(s);
    await delay(1_500);
    await s.comes();
  },
  'the service refuses our key, a desk phone answers': async (s) => {
    await s.asleep();
    treat(s, refused);
    await deskAnswers(s, 2_500);
  },
  'the service takes the connection and never answers': async (s) => {
    await s.asleep();
    treat(s, 'hang');
    await inVain(s);
  },
  'the service wants fewer pushes (429), twice in a call of 6 s': async (s) => {
    await s.asleep();
    treat(s, { status: 429, reason: 'TooManyRequests' });
    await inVain(s);
  },
  'the service is out at the first try (503) and takes the second: answered': async (s) => {
    await s.asleep();
    treat(s, { status: 503, reason: 'ServiceUnavailable' }, 'once');
    s.phone.phone.answer = { kind: 'auto' };
    s.phone.wakesByPush();
    await inVain(s);
  },
  'the service cannot do with this push (400)': async (s) => {
    await s.asleep();
    treat(s, { status: 400, reason: 'BadPriority' });
    await inVain(s);
  },
  'the caller hung up before the service had answered': async (s) => {
    await s.asleep();
    treat(s, 'hang');
    await s.calls();
    await delay(300);
    s.call.cancel();
    await s.over();
  },
  'woken and dialled, and no 180 came back': async (s) => {
    await s.wakes({ kind: 'silent' });
    await s.over();
  },
  'woken, with a Contact that could add a leg to the dial string': async (s) => {
    await s.asleep();
    await s.calls();
    await s.phone.callPush();
    await s.phone.phone.wake();
    const uri = s.phone.phone.contactUri.replace(`${s.user}@`, `${s.user},x@`);
    const { status } = await s.phone.phone.register({ contact: `<${uri}${s.phone.identity.params}>`, newCallId: true });
    expect(status).toBe(200);
    await s.over();
  },
  'woken just when the ring time was over': async (s) => {
    await s.asleep();
    s.phone.phone.answer = { kind: 'silent' };
    await s.calls();
    await delay(3_600);
    await s.comes();
    await s.over();
  },
  'woken, and the PBX refuses its REGISTER (403)': async (s) => {
    await takesTheLastPlace(s);
    await s.calls();
    await s.phone.callPush();
    await s.isRefused(s.phone.identity.params);
    await s.over();
  },
  'woken, and the PBX refuses its REGISTER (403, without a word of its device)': async (s) => {
    await takesTheLastPlace(s);
    await s.calls();
    await s.phone.callPush();
    await s.isRefused('');
    await s.over();
  },
  'woken, and the PBX refuses its REGISTER (401, wrong password)': async (s) => {
    await s.asleep();
    await s.calls();
    await s.phone.callPush();
    await s.comesWithAWrongPassword(s.phone.identity.params);
    await s.over();
  },
  'woken, and the PBX refuses its REGISTER (401, without a word of its device)': async (s) => {
    await s.asleep();
    await s.calls();
    await s.phone.callPush();
    await s.comesWithAWrongPassword('');
    await s.over();
  },
  'woken, and the PBX refuses its REGISTER (404)': async (s) => {
    await s.asleep();
    await s.calls();
    await s.phone.callPush();
    await s.accountIsGone();
    await s.isRefused(s.phone.identity.params, 404);
    await s.over();
  },
  'the PBX refuses the first REGISTER and takes the second: answered': async (s) => {
    const desk = await takesTheLastPlace(s);
    s.phone.phone.answer = { kind: 'auto' };
    await s.calls();
    await s.phone.callPush();
    await s.isRefused(s.phone.identity.params);
    await desk.unregister();
    await s.comes();
    await s.over();
  },
  'no REGISTER with push parameters was ever seen': inVain,
  'the last binding had ended: push was switched off in the app, or it logged out': async (s) => {
    s.phone = await Mobile.install(s.bench.scene, s.user, { transport: 'tls' });
    await s.phone.bind();
    await s.phone.phone.unregister();
    await s.bench.scene.stored.waitFor(`${s.user}@${REALM}`, 'ended', (r) => r.bindings.length === 0);
    await inVain(s);
  },
  'the last binding had ended: dropped by hand': async (s) => {
    await s.asleep();
    await s.bench.admin(`/v1/bindings/${s.user}@${REALM}`, 'DELETE');
    await s.bench.scene.stored.waitFor(`${s.user}@${REALM}`, 'ended', (r) => r.bindings.length === 0);
    await inVain(s);
  },
};

/** Another phone of the account registers, and it may have no more contacts. */
async function takesTheLastPlace(s: Site): Promise<SipPhone> {
  await s.asleep();
  await vi.waitFor(async () => expect(await s.bench.scene.contacts(s.user)).toEqual([]), { timeout: 5_000 });
  const desk = await s.bench.scene.phone(s.user, { answer: { kind: 'ring' } });
  const { status } = await desk.register();
  if (status !== 200) throw new Error(`REGISTER of the other phone: ${status}`);
  return desk;
}

const HUNG_UP = 'the service hangs, and the caller hangs up after 4 s';
/** What is done for those of `KNOWN` whose caller does not wait to the end. */
export const ACTED: Readonly<Record<string, (s: Site) => Promise<void>>> = {
  [HUNG_UP]: async (s) => {
    await s.calls();
    await delay(2_500);
    s.call.cancel();
    await s.over();
  },
};

const years = 'the push was taken, the ring time went by: a phone that';
/** What the store knows of an account when pushwake starts, where that takes longer than a test may. The call is in vain, or as in `ACTED`. */
export const KNOWN: Readonly<Record<string, (now: number) => Partial<AorRecord> | Partial<Binding>>> = {
  // First: it goes on ending an hour from now.
  'the only binding is ending': (now) => ({
    ending: { reason: 'age', since: instant(now - HOUR), notice: 'done', contact: 'due' },
    notBefore: instant(now + HOUR),
  }),
  [`${years} usually comes did not`]: () => ({ wakes: [1_700, 1_800, null, 1_900] }),
  [`${years} never came for a push did not`]: () => ({ wakes: [null, null, null] }),
  [`${years} comes seldom did not`]: () => ({ wakes: [null, null, 1_000, null, null] }),
  'the certificate of the service is not trusted': () => ({ targets: at('stranger') }),
  'the service cannot be reached for the whole call': () => ({ targets: at('nowhere') }),
  [HUNG_UP]: () => ({ targets: at('mute') }),
  'the push service of the device is not configured': () => ({ targets: at('another') }),
  'the last binding had ended: silent for its whole lifetime': (now) => ({
    bindings: [],
    tombstones: [
      {
        id: '00000000000000b1' as BindingId,
        reason: 'age',
        endedAt: instant(now - 2 * HOUR),
        renewedAt: instant(now - 7 * DAY),
        tokens: [],
      },
    ],
  }),
};

const at = (provider: string): Binding['targets'] => {
  const target = { provider, app: 'app', token: new Token(`token-at-${provider}-0123456789`) };
  return { call: target, other: target };
};

/** Endings that this PBX cannot be brought to. */
export const NOT_HERE: Readonly<Record<string, string>> = {
  'woken, and the link to the PBX was away':
    'it goes between the REGISTER and the order to ring: gone before, the row of a link that goes away while the call waits',
  'the phone comes while the link is away, and the link comes back just when the call ends':
    'its link comes back after the call: the row of a link that goes away while the call waits',
  'woken, and the PBX refuses its REGISTER (503)': 'its contacts are in its own memory',
};
