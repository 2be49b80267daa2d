/**
 * The call through us is the call without us, on FreeSWITCH: each case once by a plain `bridge`, then through pushwake, compared by
 * machine. A difference fails, unless docs/limits.md has a row for it (compare.ts).
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FreeswitchScene } from '../../support/freeswitch-scene.ts';
import { Mobile } from '../../support/mobile.ts';
import { REALM, type WokenPhone } from '../../support/pbx-scene.ts';
import { Ends, type People, PHONES, record, type Seen, startBench } from './bench.ts';
import { CASES, type Case } from './cases.ts';
import { differences, EXPLAINED } from './compare.ts';

const only = process.env.PUSHWAKE_CASE;
const EVERY = CASES.map((c, i) => [c.what, i, c] as const).filter(([what]) => !only || new RegExp(only).test(what));

let scene: FreeswitchScene;
let people: People;
let ends: Ends;
const mobiles = new Map<string, Mobile>();
const wakes: WokenPhone[] = [];
const plain = new Map<number, Seen>();

beforeAll(async () => {
  scene = await startBench();
  const phone = async (user: string) => {
    const one = await scene.phone(user, { transport: 'tcp' });
    await one.register();
    return one;
  };
  for (const user of PHONES) {
    const mobile = await Mobile.install(scene, user, { transport: 'tcp' });
    await mobile.bind();
    mobiles.set(user, mobile);
  }
  people = {
    caller: await phone('2000'),
    phones: new Map([...mobiles].map(([user, { phone: p }]) => [user, p])),
    desk: await phone('1002'),
    third: await phone('3000'),
  };
  ends = await Ends.of(scene);
  for (const [, i] of EVERY) plain.set(i, await record(scene, people, ends, i, 'plain'));
}, 300_000);
afterAll(async () => {
  ends?.esl.close();
  await scene?.close();
});

const compared = async (i: number) =>
  differences(CASES[i] as Case, plain.get(i) ?? {}, await record(scene, people, ends, i, 'through'));
const mobileOf = ({ user }: Case) => mobiles.get(user) as Mobile;

it.each(EVERY)('%s: the people could do it without us', (_what, i) => {
  expect(plain.get(i)).not.toHaveProperty('what went wrong');
  expect(plain.get(i)).not.toHaveProperty('channels are left');
});

describe('the phone is awake', () => {
  it.each(EVERY)('%s', async (_what, i, c) => {
    if (!mobileOf(c).phone.isOpen) await mobileOf(c).phone.wake();
    expect(await compared(i)).toEqual([]);
  });
});

describe('the phone is asleep', () => {
  beforeAll(() => {
    for (const mobile of mobiles.values()) wakes.push(mobile.wakesByPush({ afterMs: 60 }));
  });
  it.each(EVERY)('%s', async (_what, i, c) => {
    await mobileOf(c).phone.sleep();
    await expect.poll(() => scene.contacts(`${c.user}@${REALM}`)).toEqual([]);
    expect(await compared(i)).toEqual([]);
  });
});

describe('pushwake is dead', () => {
  beforeAll(async () => {
    for (const wake of wakes) wake.stop();
    await scene.pushwake.stop('SIGKILL');
    for (const mobile of mobiles.values()) {
      if (!mobile.phone.isOpen) await mobile.phone.wake();
      await mobile.phone.register({ contactParams: mobile.identity.params });
    }
    // Until its lease has run out, a call waits for its answer.
    const until = async () => Number(await scene.freeswitch.cli('hash select/pushwake/until'));
    while ((await until()) > Number(await scene.freeswitch.cli('strepoch'))) await delay(200);
  }, 60_000);
  it.each(EVERY)('%s', async (_what, i) => expect(await compared(i)).toEqual([]));
});

describe('the documentation', () => {
  const limits = readFileSync(new URL('../../../docs/limits.md', import.meta.url), 'utf8');

  it('has a row for each difference, as it is here', () => {
    expect(limits).toContain(EXPLAINED.map(({ what, why }) => `| ${what} | ${why} |`).join('\n'));
    expect(EXPLAINED.length).toBeLessThanOrEqual(5);
  });
  it('names how many calls are compared', () => expect(limits).toContain(`${CASES.length} calls`));
});
