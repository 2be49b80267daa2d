/** Many calls at once to phones that sleep: what must hold of all of them. Used by a small test and by the benchmark. */
import { expect } from 'vitest';
import type { Mobile } from './mobile.ts';
import type { Scene } from './scene.ts';
import type { OutgoingCall, SipPhone } from './sip-phone/index.ts';

export interface Counted {
  readonly calls: number;
  readonly pushed: number;
  readonly rang: number;
  readonly told: number;
  readonly over: number;
}

const until = async (check: () => boolean, timeoutMs: number, what: () => string): Promise<void> => {
  const deadline = performance.now() + timeoutMs;
  while (!check()) {
    if (performance.now() > deadline) throw new Error(what());
    await new Promise((next) => setTimeout(next, 20));
  }
};

const AT_A_TIME = 10;
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const overs = (scene: Scene, from: number) =>
  scene.pushwake.log.slice(from).filter((l) => l.msg === 'call over').length;

/** `each` calls for every phone wait at the same time; then the phones wake, all calls ring, all callers give up. */
export async function waitTogether(
  scene: Scene,
  caller: SipPhone,
  mobiles: readonly Mobile[],
  each: number,
  timeoutMs = 30_000,
): Promise<Counted> {
  const from = scene.pushwake.log.length;
  const numbers = Array.from({ length: each }, () => mobiles.map((m) => m.phone.user)).flat();
  const calls: OutgoingCall[] = [];
  // Fifty a second, as a busy site has them; then all of them wait.
  for (let i = 0; i < numbers.length; i += 5) {
    calls.push(...(await Promise.all(numbers.slice(i, i + 5).map((n) => caller.call(n)))));
    await new Promise((next) => setTimeout(next, 100));
  }
  const pushed = () => sum(mobiles.map((m) => m.callPushes.length));
  const ringing = () => calls.filter((c) => c.state === 'ringing').length;
  await until(
    () => pushed() >= calls.length && ringing() >= calls.length,
    timeoutMs,
    () => `${pushed()} pushed, ${ringing()} ringing, refused: ${calls.map((c) => c.final?.status).filter(Boolean)}`,
  );
  const rang = () => sum(mobiles.map((m) => new Set(m.rang.map((r) => r.headers.get('X-Push-ID'))).size));
  // A few phones at a time: each ringing call takes two of the test Asterisk's 400 audio sessions.
  for (let i = 0; i < mobiles.length; i += AT_A_TIME) {
    const some = mobiles.slice(i, i + AT_A_TIME);
    const expected = rang() + some.length * each;
    for (const { phone, identity } of some) {
      await phone.wake();
      await phone.register({ contactParams: identity.params, newCallId: true });
    }
    await until(
      () => rang() >= expected,
      timeoutMs,
      () => `${rang()} of ${expected} rang`,
    );
    const theirs = calls.filter((_, n) => some.some((m) => m.phone.user === numbers[n]));
    for (const call of theirs) call.cancel();
    await Promise.all(theirs.map((call) => call.done));
  }
  await until(
    () => overs(scene, from) >= calls.length,
    timeoutMs,
    () => `${overs(scene, from)} over`,
  );
  await scene.asterisk.waitForNoChannels(timeoutMs);
  return { calls: calls.length, pushed: pushed(), rang: rang(), told: 0, over: overs(scene, from) };
}

/** Call pushes and closing words that these phones have had. */
export function soFar(scene: Scene, mobiles: readonly Mobile[]): { readonly pushed: number; readonly told: number } {
  const told = new Set(mobiles.map((m) => m.identity.other));
  return {
    pushed: sum(mobiles.map((m) => m.callPushes.length)),
    told: scene.apns.pushes.filter((p) => told.has(p.token)).length,
  };
}

/** Calls that were placed and given up while everybody slept: each pushed once, told once, over, and nothing left. */
export async function allSettled(
  scene: Scene,
  mobiles: readonly Mobile[],
  calls: number,
  from: number,
  before = { pushed: 0, told: 0 },
  timeoutMs = 30_000,
): Promise<Counted> {
  await until(
    () => overs(scene, from) >= calls,
    timeoutMs,
    () => `${overs(scene, from)} of ${calls} over`,
  );
  const pushed = soFar(scene, mobiles).pushed - before.pushed;
  const told = () => soFar(scene, mobiles).told - before.told;
  await until(
    () => told() >= pushed,
    timeoutMs,
    () => `${told()} of ${pushed} told`,
  );
  await scene.asterisk.waitForNoChannels(timeoutMs);
  return { calls, pushed, rang: 0, told: told(), over: overs(scene, from) };
}

/** Not one lost, not one left behind. */
export function expectNoneLost(counted: Counted, what: 'rang' | 'told'): void {
  const { calls } = counted;
  expect(counted).toMatchObject({ pushed: calls, [what]: calls, over: calls });
}
