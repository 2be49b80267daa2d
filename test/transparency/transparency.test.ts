/**
 * The call through us is the call without us: each case once by plain dial, then through pushwake in every way, compared by machine. A
 * difference fails, unless docs/limits.md has a row for it (compare.ts). `npm run test:transparency` is the whole table; `npm test` leaves out
 * what differs least.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PushIdentity, WokenPhone } from '../support/pbx-scene.ts';
import type { Scene } from '../support/scene.ts';
import { type People, record, type Seen, setWay, startBench, type Way } from './bench.ts';
import { CASES, type Case } from './cases.ts';
import { differences, EXPLAINED } from './compare.ts';

const WHOLE = process.env.PUSHWAKE_TRANSPARENCY === 'all';
const EVERY: readonly (readonly [Case, number])[] = CASES.map((c, i) => [c, i] as const);
const isMembers = ({ dial }: Case): boolean => dial.some((step) => /^(?:Queue|FollowMe)/.test(step));
/** A queue and FollowMe have their members in a file: nobody can ask for them what to dial. */
const casesOf = (way: Way, share: number) =>
  EVERY.filter(([c, i]) => (way === 'local' || !isMembers(c)) && (WHOLE || i % share === 0)).map(
    ([c, i]) => [c.what, i] as const,
  );

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
  for (const [, i] of EVERY) plain.set(i, await record(scene, people, i));
});
afterAll(async () => scene?.close());

async function compared(way: Way, i: number): Promise<string[]> {
  return differences(plain.get(i) ?? {}, await record(scene, people, i), way);
}

describe.each<[Way, number]>([
  ['local', 4],
  ['visit', 3],
])('%s, the phone is awake', (way, share) => {
  beforeAll(() => setWay(scene, way));
  it.each(casesOf(way, share))('%s', async (_what, i) => expect(await compared(way, i)).toEqual([]));
});

describe.each<[Way, number]>([
  ['local', 1],
  ['visit', 3],
])('%s, the phone is asleep', (way, share) => {
  beforeAll(async () => {
    await setWay(scene, way);
    if (!woken) await scene.bind(people.phone, identity);
    woken ??= scene.wakeByPush(people.phone, identity, { afterMs: 60 });
  });
  it.each(casesOf(way, share))('%s', async (_what, i) => {
    await people.phone.sleep();
    await expect.poll(() => scene.contacts('1001')).toEqual([]);
    expect(await compared(way, i)).toEqual([]);
  });
});

describe.each<[Way, number]>([
  ['local', 5],
  ['visit', 5],
])('%s, pushwake is dead and the phone is awake', (way, share) => {
  beforeAll(async () => {
    woken?.stop();
    if (scene.pushwake.pid !== undefined) await scene.pushwake.stop();
    await setWay(scene, way);
    if (!people.phone.isOpen) await people.phone.wake();
    await people.phone.register();
  });
  it.each(casesOf(way, share))('%s', async (_what, i) => expect(await compared(way, i)).toEqual([]));
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
