/**
 * How long a call waits for pushwake: INVITE to push, REGISTER to INVITE, side by side with the floor and with today's
 * recipe on the same Asterisk, in turn. `--calls=100` per figure, `--bindings=10,1000000`.
 */
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { IncomingCall } from '../support/sip-phone/index.ts';
import type { Result, Suite } from './bench.ts';
import { type Contender, MANY, Stage } from './wake/stage.ts';

const CHILD = fileURLToPath(new URL('./bindings-child.ts', import.meta.url));

interface Measured {
  readonly toPush: number[];
  readonly toInvite: number[];
}

const percentile = (values: readonly number[], p: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))] as number;

/** One call: pushed, registers 30 ms later, rings, is given up. Answers whether it rang. */
export async function oneCall(stage: Stage, c: Contender, into: Measured, wait = 3_000): Promise<boolean> {
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
    ...(c.name === 'ours' ? { contactParams: c.identity.params } : {}),
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

async function measure(stage: Stage, calls: number, contenders: readonly Contender[]): Promise<Map<string, Measured>> {
  const found = new Map<string, Measured>(contenders.map((c) => [c.name, { toPush: [], toInvite: [] }]));
  for (let i = -3; i < calls; i++) {
    for (const c of contenders) {
      // Three rounds to get warm; the slow one has fewer.
      const into = i < 0 ? { toPush: [], toInvite: [] } : (found.get(c.name) as Measured);
      if (c.name === 'curl' && i >= calls / 5) continue;
      await c.phone.sleep();
      await delay(20);
      const r = await oneCall(stage, c, into);
      if (i < 0) console.error(c.name, r, into);
    }
  }
  return found;
}

export const wake: Suite = async (progress, options) => {
  const calls = Number(options.get('calls') ?? 100);
  const sizes = (options.get('bindings') ?? '10,1000000').split(',').map(Number);
  const results: Result[] = [];
  for (const size of sizes) {
    const label = `${size.toLocaleString('en-US')} bindings`;
    progress(`${label}: filling the store, starting Asterisk, pushwake and the floor script`);
    const stage = await Stage.set({
      hep: process.env.NOHEP === undefined,
      fill: async (file) => void (await promisify(execFile)(process.execPath, [CHILD, 'fill', file, String(size)])),
    });
    try {
      progress(`${label}: calls`);
      const contenders = [await stage.contender('ours', '1001', 'tcp'), await stage.contender('floor', '1101', 'tcp')];
      const c = await measure(stage, calls, contenders);
      for (const [name, m] of c) {
        for (const [what, values] of [
          ['INVITE → push', m.toPush],
          ['REGISTER → INVITE', m.toInvite],
        ] as const) {
          if (values.length > 150)
            console.error(
              name,
              what,
              'first/last 50:',
              percentile(values.slice(0, 50), 0.5),
              percentile(values.slice(-50), 0.5),
            );
          results.push({
            name: `${label}, ${name}: ${what} p50 (n=${values.length})`,
            value: percentile(values, 0.5),
            unit: 'ms',
          });
          results.push({ name: `${label}, ${name}: ${what} p99`, value: percentile(values, 0.99), unit: 'ms' });
        }
      }
      void MANY;
    } finally {
      await stage.close();
    }
  }
  return results;
};
