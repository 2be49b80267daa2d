/** The calls of the benchmarks: one after the other in turn, from INVITE to push and from REGISTER to INVITE. */
import { setTimeout as delay } from 'node:timers/promises';
import { collectGarbage } from '../../support/heap.ts';
import type { IncomingCall } from '../../support/sip-phone/index.ts';
import { type Contender, paramsOf, type Stage } from './stage.ts';

/** Rounds that are not counted. */
const WARM_UP = 5;
/** Rounds between two collections of all garbage of this process: else V8's threads take both processors for 10 ms in the middle of a call. */
const TIDY_EVERY = 5;

export interface Measured {
  readonly toPush: number[];
  readonly toInvite: number[];
}

export const percentile = (values: readonly number[], p: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))] as number;

/** One call: pushed, registers 30 ms later, rings, is given up. Answers whether it rang. */
export async function oneCall(
  stage: Pick<Stage, 'scene' | 'caller'>,
  c: Contender,
  into: Measured,
  wait = 3_000,
): Promise<boolean> {
  const { apns } = stage.scene;
  const nth = c.phone.incoming.length;
  const pushed = Promise.withResolvers<number>();
  const stop = apns.onPush(c.identity.voip, (push) => pushed.resolve(push.atMs));
  const call = await stage.caller.call(c.number);
  const pushedAt = await Promise.race([pushed.promise, delay(5_000, Number.NaN)]);
  stop();
  into.toPush.push(pushedAt - call.invitedAt);
  await delay(30);
  if (!c.phone.isOpen) await c.phone.wake();
  const { at } = await c.phone.register({
    contactParams: paramsOf(c.name, c.identity),
    newCallId: true,
  });
  let rung: IncomingCall | undefined;
  try {
    rung = await c.phone.waitForCall(wait, nth + 1);
    into.toInvite.push(rung.receivedAt - at);
  } catch {
    // It was never dialled: that is a result, too.
  }
  call.cancel();
  await call.done;
  await rung?.waitForState('cancelled');
  return rung !== undefined;
}

/** One after the other in turn: what the machine does meanwhile happens to all of them. */
export async function measure(
  stage: Stage,
  calls: number,
  contenders: readonly Contender[],
  awake = false,
): Promise<Map<string, Measured>> {
  const found = new Map<string, Measured>(contenders.map((c) => [c.name, { toPush: [], toInvite: [] }]));
  for (let i = -WARM_UP; i < calls; i++) {
    if (i % TIDY_EVERY === 0) collectGarbage();
    for (const c of contenders) {
      // Each call of the recipe takes up to half a second: a fifth of them tells as much.
      if (c.name === 'curl' && i >= calls / 5) continue;
      if (!awake) await c.phone.sleep();
      // PBXs tell expiry in whole seconds: a contact of this very second would count as awake and be rung at once.
      await delay(awake ? 2_100 : 20);
      await oneCall(stage, c, i < 0 ? { toPush: [], toInvite: [] } : (found.get(c.name) as Measured));
    }
  }
  return found;
}

export type Figures = Readonly<Record<'pushP50' | 'pushP99' | 'ringP50' | 'ringP99', number>>;

export function figures({ toPush, toInvite }: Measured): Figures {
  return {
    pushP50: percentile(toPush, 0.5),
    pushP99: percentile(toPush, 0.99),
    ringP50: percentile(toInvite, 0.5),
    ringP99: percentile(toInvite, 0.99),
  };
}

/** Many calls at the same moment: how long until the last of their pushes is there. */
export async function burst(stage: Stage, numbers: readonly string[], tokens: readonly string[]): Promise<number> {
  const { apns } = stage.scene;
  collectGarbage();
  const begun = performance.now();
  let left = numbers.length;
  const all = Promise.withResolvers<number>();
  const heard = tokens.map((token) =>
    apns.onPush(token, (push) => {
      if (--left === 0) all.resolve(push.atMs - begun);
    }),
  );
  const calls = await Promise.all(numbers.map((number) => stage.caller.call(number)));
  const last = await Promise.race([all.promise, delay(10_000, Number.NaN)]);
  for (const stop of heard) stop();
  for (const call of calls) call.cancel();
  await Promise.all(calls.map((call) => call.done));
  await stage.scene.asterisk.waitForNoChannels();
  return last;
}

/** Of pushwake's own calls. */
export const medianToPush = (found: ReadonlyMap<string, Measured>): number =>
  percentile(found.get('ours')?.toPush ?? [], 0.5);
