/**
 * The call through us is the call without us: each case once by plain dial, then through pushwake in every way, compared by machine. A
 * difference fails, unless docs/limits.md has a row for it (compare.ts). `npm run test:transparency` is the whole table; `npm test` takes a
 * part of it on Asterisk 22, and a short one on 16.28 (test/run.ts). `PUSHWAKE_CASES='^1\d '`: only calls whose number and name
 * fit that expression.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PushIdentity, WokenPhone } from '../support/pbx-scene.ts';
import type { Scene } from '../support/scene.ts';
import { type People, record, type Seen, setWay, startBench, type Way } from './bench.ts';
import { CASES, type Case } from './cases.ts';
import { differences, EXPLAINED } from './compare.ts';

/** One case of so many is placed, in each way; `all`: every one in every way. */
const PART = process.env.PUSHWAKE_TRANSPARENCY === 'all' ? 0 : process.env.PUSHWAKE_TRANSPARENCY === 'short' ? 10 : 1;
const ONLY = new RegExp(process.env.PUSHWAKE_CASES ?? '');
const EVERY: readonly (readonly [Case, number])[] = CASES.map((c, i) => [c, i] as const).filter(
  ([{ what, long }, i]) => (PART === 0 || !long) && ONLY.test(`${i} ${what}`),
);
const isMembers = ({ dial, act }: Case): boolean =>
  act.startsWith('originated') || dial.some((step) => /^(?:Queue|FollowMe|Originate)/.test(step));
/**
 * A queue and FollowMe have their members in a file: nobody can ask for them what to dial. What a caller's channel was answered is for its own
 * Dial: an Originate makes a call of its own.
 */
const casesOf = (way: Way, share: number) =>
  EVERY.filter(([c, i]) => (way === 'local' || !isMembers(c)) && i % Math.max(1, share * PART) === 0).map(
    ([c, i]) => [c.what, i] as const,
  );
/** Nobody reads option `i` then (docs/limits.md), and the forward is followed. */
const awayCasesOf = (way: Way, share: number) =>
  casesOf(way, share).filter(([what]) => way === 'visit' || what !== 'forwarded with option i');
/** How a case is dialled, and of how many cases `npm test` takes one: awake, asleep, pushwake hangs, pushwake dead. */
const WAYS: readonly (readonly [Way, number])[] = [
  ['local', 6],
  ['visit', 6],
  ['local', 3],
  ['visit', 5],
  ['local', 20],
  ['visit', 20],
  ['local', 9],
  ['visit', 9],
];

let scene: Scene;
let people: People;
let identity: PushIdentity;
let woken: WokenPhone | undefined;
const plain = new Map<number, Seen>();

beforeAll(async () => {
  scene = await startBench('transparency');
  const phone = async (user: string) => {
    const one = await scene.phone(user, { transport: 'tls' });
    await one.register();
    return one;
  };
  people = {
    caller: await phone('2000'),
    phone: await phone('1001'),
    desk: await phone('1002'),
    third: await phone('3000'),
  };
  identity = scene.install();
  await setWay(scene, 'plain');
  for (const i of new Set(WAYS.flatMap(([way, share]) => casesOf(way, share).map(([, i]) => i)))) {
    plain.set(i, await record(scene, people, i));
  }
});
afterAll(async () => scene?.close());

const hasB = (i: number): boolean => CASES[i]?.dial.some((step) => /b\(/.test(step)) ?? false;

async function compared(i: number, lacksB = false): Promise<string[]> {
  return differences(plain.get(i) ?? {}, await record(scene, people, i), lacksB);
}

describe.each(WAYS.slice(0, 2))('%s, the phone is awake', (way, share) => {
  beforeAll(() => setWay(scene, way));
  it.each(casesOf(way, share))('%s', async (_what, i) => expect(await compared(i)).toEqual([]));
});

describe.each(WAYS.slice(2, 4))('%s, the phone is asleep', (way, share) => {
  beforeAll(async () => {
    await setWay(scene, way);
    if (!woken) await scene.bind(people.phone, identity);
    woken ??= scene.wakeByPush(people.phone, identity, { afterMs: 60 });
  });
  it.each(casesOf(way, share))('%s', async (_what, i) => {
    await people.phone.sleep();
    await expect.poll(() => scene.contacts('1001')).toEqual([]);
    expect(await compared(i)).toEqual([]);
  });
});

/** The guard of the dialplan takes over after 1.5 s. */
describe.each(WAYS.slice(4, 6))('%s, pushwake hangs and the phone is awake', (way, share) => {
  beforeAll(async () => {
    woken?.stop();
    await setWay(scene, way);
    if (!people.phone.isOpen) await people.phone.wake();
    await people.phone.register();
    scene.pushwake.freeze();
  });
  afterAll(() => scene.pushwake.thaw());
  it.each(awayCasesOf(way, share))('%s', async (_what, i) =>
    expect(await compared(i, way === 'local' && hasB(i))).toEqual([]),
  );
});

describe.each(WAYS.slice(6))('%s, pushwake is dead and the phone is awake', (way, share) => {
  beforeAll(async () => {
    woken?.stop();
    if (scene.pushwake.pid !== undefined) await scene.pushwake.stop();
    await setWay(scene, way);
    if (!people.phone.isOpen) await people.phone.wake();
    await people.phone.register();
  });
  it.each(awayCasesOf(way, share))('%s', async (_what, i) =>
    expect(await compared(i, way === 'local' && hasB(i))).toEqual([]),
  );
});

describe('the comparison', () => {
  const row = '|2000|c3|internal|"Name 2000" <2000>|PJSIP/2000|PJSIP/1001|Dial|PJSIP/1001,20,b(auto^s^1)|ANSWERED';
  const chance = '|1001||internal|"Name 1001" <1001>|PJSIP/1001||Return||ANSWERED';
  const another = chance.replace('Return|', 'AppDial|(Outgoing Line)');
  const billed = (...rows: string[]) => ({ 'CDR rows': rows.join(' ## ') });

  it('takes the row of the phone’s own channel for chance, and no other for it', () => {
    expect(differences(billed(chance, row), billed(row))).toEqual([]);
    expect(differences(billed(another, row), billed(row))).toEqual([]);
    // With the second row that a call by a Local leg keeps.
    expect(differences(billed(another, row), billed(row, row))).toEqual(differences(billed(row), billed(row, row)));
    expect(differences(billed(row), billed(row, row))).toHaveLength(1);
    expect(differences(billed(row), billed(chance.replace('Return', 'Dial'), row))).toHaveLength(1);
  });
});

describe('the documentation', () => {
  const limits = readFileSync(fileURLToPath(new URL('../../docs/limits.md', import.meta.url)), 'utf8');
  const table = EXPLAINED.map(({ what, why }) => `| ${what} | ${why} |`).join('\n');

  it('has a row for each difference, as it is here', () => expect(limits).toContain(table));
  it('names how many calls are compared', () => {
    expect(limits).toContain(`${CASES.length} calls`);
    expect(EXPLAINED.length).toBeLessThanOrEqual(5);
  });
});
