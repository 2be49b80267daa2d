/** Many calls at once, small enough for every run; `npm run bench -- calls` plays the same with 200 and with 50 a second. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { allSettled, expectNoneLost, waitTogether } from '../support/many-calls.ts';
import type { Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';
import { Mobile, startCallScene } from './calls-support.ts';

let scene: Scene;
let caller: SipPhone;

beforeAll(async () => {
  scene = await startCallScene({ name: 'call-load', mobiles: 20, hep: true, debug: false });
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => scene?.close());

async function sleepers(first: number, count: number): Promise<Mobile[]> {
  const mobiles: Mobile[] = [];
  for (let i = first; i < first + count; i++)
    mobiles.push(await Mobile.asleep(scene, `10${String(i).padStart(2, '0')}`));
  return mobiles;
}

it('40 calls wait for 10 phones: all are pushed, all ring when the phones wake, none is left', async () => {
  expectNoneLost(await waitTogether(scene, caller, await sleepers(1, 10), 4), 'rang');
});

it('60 calls, 20 a second, each given up while its phone sleeps: each pushed once, told once, none left', async () => {
  const mobiles = await sleepers(11, 10);
  const from = scene.pushwake.log.length;
  const calls = [];
  for (let i = 0; i < 60; i++) {
    const mobile = mobiles[i % mobiles.length] as Mobile;
    const call = await caller.call(mobile.phone.user);
    calls.push(call.waitForState('ringing').then(() => call.cancel()));
    await Promise.race([calls.at(-1), new Promise((next) => setTimeout(next, 50))]);
  }
  await Promise.all(calls);
  const settled = await allSettled(scene, mobiles, 60, from);
  expectNoneLost(settled, 'told');
  expect(caller.outgoing.filter((c) => !c.isOver)).toEqual([]);
});
