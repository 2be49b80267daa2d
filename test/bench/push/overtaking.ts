/** What a call push feels of 20,000 refreshes that wait, beside the same calls when nothing waits. In turn, same run. */
import { setTimeout as sleep } from 'node:timers/promises';
import { random, systemClock } from '../../../adapters/clock/system/index.ts';
import { create } from '../../../adapters/push/apns/index.ts';
import { HOUR, MINUTE, plus } from '../../../plugin/core/time.ts';
import { Token } from '../../../plugin/core/token.ts';
import { createDelivery } from '../../../plugin/runtime/push/delivery.ts';
import { makeP8Key } from '../../support/apns-stand-in/index.ts';
import type { Result } from '../bench.ts';
import { median, quantile, silent } from './measure.ts';
import { startService } from './service-process.ts';

const REFRESHES = 20_000;
const CALLS = 200;
const ROUNDS = 3;
/** Apple is about as far away. */
const AWAY_MS = 40;

export async function overtaking(progress: (line: string) => void): Promise<Result[]> {
  const clock = systemClock();
  const service = await startService();
  const app = { teamId: 'TEAM123456', bundleId: 'com.example.phone', keyId: 'KEY1234567', key: makeP8Key() };
  const provider = create({ apps: [app], endpoint: service.endpoint }, { clock, log: silent, name: 'apns' });
  const delivery = createDelivery({ providers: [provider], clock, log: silent, random });
  const target = (n: number) => ({
    provider: 'apns',
    app: 'com.example.phone',
    token: new Token(n.toString(16).padStart(64, '0')),
  });
  const call = async (n: number): Promise<number> => {
    const begun = performance.now();
    const draft = {
      purpose: 'call' as const,
      callId: 'c',
      aor: '1001@example.com',
      expiresAt: plus(clock.now(), MINUTE),
    };
    const outcome = await delivery.send(draft, { call: target(n) });
    if (outcome.kind !== 'accepted') throw new Error(`not accepted: ${JSON.stringify(outcome)}`);
    return performance.now() - begun;
  };
  const calls = async (): Promise<number[]> => {
    const under: Promise<number>[] = [];
    for (let n = 0; n < CALLS; n++) {
      under.push(call(n));
      await sleep(5);
    }
    return Promise.all(under);
  };
  const idle: number[][] = [];
  const busy: number[][] = [];
  let left = 0;
  try {
    await service.set({ delayMs: AWAY_MS });
    delivery.warm();
    await calls();
    for (let round = 0; round < ROUNDS; round++) {
      progress(`calls beside ${REFRESHES.toLocaleString('en-US')} waiting refreshes: round ${round + 1} of ${ROUNDS}`);
      idle.push(await calls());
      let done = 0;
      const refreshes: Promise<void>[] = [];
      const refresh = async (n: number) => {
        const draft = { purpose: 'refresh' as const, aor: '1001@example.com', expiresAt: plus(clock.now(), HOUR) };
        await delivery.send(draft, { other: target(round * REFRESHES + n) });
        done++;
      };
      for (let n = 0; n < REFRESHES; n++) {
        refreshes.push(refresh(n));
        // They come by and by, as the ticker makes them: what is measured is the queue, not its making.
        if (n % 200 === 0) await new Promise((next) => setImmediate(next));
      }
      busy.push(await calls());
      left = Math.max(left, REFRESHES - done);
      await Promise.all(refreshes);
    }
  } finally {
    await delivery.close();
    await service.close();
  }
  const of = (list: readonly number[][], q: number) => median(list.map((l) => quantile(l, q)));
  return [
    {
      name: `call push, nothing waits: p50 (n=${CALLS * ROUNDS}, service ${AWAY_MS} ms away)`,
      value: of(idle, 0.5),
      unit: 'ms',
    },
    { name: '… p99', value: of(idle, 0.99), unit: 'ms' },
    { name: `call push beside ${REFRESHES.toLocaleString('en-US')} refreshes: p50`, value: of(busy, 0.5), unit: 'ms' },
    { name: '… p99', value: of(busy, 0.99), unit: 'ms' },
    { name: '… refreshes still waiting when the last call was through', value: left, unit: '' },
    {
      name: 'call push p99, beside refreshes / nothing waits',
      value: of(busy, 0.99) / of(idle, 0.99),
      unit: '×',
      target: '<=2',
    },
  ];
}
