/**
 * An app that the system has suspended keeps its connection, and what is sent to it is read when it runs again: an INVITE of a call that is
 * over then rings, as it does without pushwake. A phone that slept at its last call is pushed before its contact is dialled (ADR 0051).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FreeswitchScene, freeswitchUsers } from '../support/freeswitch-scene.ts';
import { Mobile } from '../support/mobile.ts';
import { REALM } from '../support/pbx-scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';

let scene: FreeswitchScene;
let caller: SipPhone;
beforeAll(async () => {
  scene = await FreeswitchScene.start({ users: freeswitchUsers(8), policy: '  freshContact: 0s' });
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => scene?.close());

/** A call without an answer of the phone says something of it from here on. */
const KNOWN_AFTER_MS = 10_500;

/** A call that its caller gives up soon, and how many INVITEs the phone reads of it when it runs again. */
async function invitesOf(number: string, mobile: Mobile, ms = 400): Promise<number> {
  const { phone } = mobile;
  phone.suspend();
  const had = phone.invites.length;
  const call = await caller.call(number);
  await delay(ms);
  call.cancel();
  await call.done;
  // The end of the call is known everywhere: a 180 in the same moment would count as a phone that came.
  await delay(300);
  phone.resume();
  // What came meanwhile is read at once; more may follow its answer.
  await delay(700);
  return phone.invites.length - had;
}

it('over tcp, tls and udp: a short call after one that it slept through leaves no INVITE behind', async () => {
  const one = async (transport: 'tcp' | 'tls' | 'udp', user: string) => {
    const mobile = await Mobile.install(scene, user, { transport });
    await mobile.bind();
    await scene.marked(`${user}@${REALM}`);
    // A REGISTER of this very second counts as fresh.
    await delay(1_100);
    const plain = await invitesOf(`9${user}`, mobile);
    const first = await invitesOf(user, mobile, KNOWN_AFTER_MS);
    await scene.stored.waitFor(`${user}@${REALM}`, 'that it did not come', (r) =>
      r.bindings.some((b) => b.wakes?.at(-1) === null),
    );
    const second = await invitesOf(user, mobile);
    console.log(`${transport}: INVITEs of a dead call: plain ${plain}, first call ${first}, second ${second}`);
    return { plain, second };
  };
  const all = await Promise.all([one('tcp', '1001'), one('tls', '1002'), one('udp', '1003')]);
  expect(all.map(({ second }) => second)).toEqual([0, 0, 0]);
  // Without pushwake each of them rings for a call that is over.
  expect(all.every(({ plain }) => plain > 0)).toBe(true);
});

it('over tcp: suspended, woken by its push, it rings once and talks', async () => {
  const mobile = await Mobile.install(scene, '1004', { transport: 'tcp', answer: { kind: 'auto' } });
  await mobile.bind();
  await scene.marked(`1004@${REALM}`);
  await delay(1_100);
  mobile.phone.suspend();
  scene.apns.onPush(mobile.identity.voip, () => {
    setTimeout(() => {
      mobile.phone.resume();
      void mobile.phone.register({ contactParams: mobile.identity.params });
    }, 500);
  });
  const call = await caller.call('1004');
  expect((await call.done).status).toBe(200);
  expect(mobile.phone.incoming).toHaveLength(1);
  await scene.talkAndHangUp(call, await mobile.phone.waitForCall());
});
