/**
 * A service that says goodbye (GOAWAY) on every connection twice a second while 200 pushes are in flight: how many verdicts are lost, how many
 * pushes come twice because of it, how many never. Ours beside @parse/node-apn as it comes.
 */
import { randomUUID } from 'node:crypto';
import { MultiProvider, Notification } from '@parse/node-apn';
import { random, systemClock } from '../../../adapters/clock/system/index.ts';
import { create } from '../../../adapters/push/apns/index.ts';
import { MINUTE, plus } from '../../../plugin/core/time.ts';
import { Token } from '../../../plugin/core/token.ts';
import { createDelivery } from '../../../plugin/runtime/push/delivery.ts';
import { makeP8Key } from '../../support/apns-stand-in/index.ts';
import type { Result } from '../bench.ts';
import { run, silent } from './measure.ts';
import { startService } from './service-process.ts';

const PUSHES = 20_000;
const IN_FLIGHT = 200;
const TOKEN = 'a'.repeat(64);

export async function goodbye(progress: (line: string) => void): Promise<Result[]> {
  const clock = systemClock();
  const service = await startService();
  const { endpoint } = service;
  const key = makeP8Key();
  const results: Result[] = [];
  try {
    progress(`GOAWAY twice a second: ${PUSHES.toLocaleString('en-US')} pushes by @parse/node-apn as it comes`);
    await service.set({ delayMs: 20, goAwayEveryMs: 500 });
    const plain = new MultiProvider({
      token: { key, keyId: 'KEY1234567', teamId: 'TEAM123456' },
      production: true,
      clientCount: 2,
      connectionRetryLimit: 0,
      address: endpoint.address,
      port: endpoint.port,
      ca: [endpoint.ca],
    });
    let lost = 0;
    await run(PUSHES, IN_FLIGHT, async () => {
      const note = new Notification({
        id: randomUUID(),
        topic: 'com.example.phone.voip',
        pushType: 'voip',
        rawPayload: {},
      });
      const { failed } = await plain.send(note, TOKEN);
      lost += failed.length;
    });
    void plain.shutdown();
    const before = await service.counts();
    results.push(
      { name: 'GOAWAYs met, @parse/node-apn as it comes', value: before.goAways, unit: '' },
      { name: '… verdicts lost per 1,000 pushes', value: (lost / PUSHES) * 1_000, unit: '‰' },
      { name: '… of those the service had taken', value: ((before.ids - (PUSHES - lost)) / PUSHES) * 1_000, unit: '‰' },
    );

    progress('GOAWAY twice a second: the same by ours');
    await service.set({ delayMs: 20, goAwayEveryMs: 500 });
    const app = { teamId: 'TEAM123456', bundleId: 'com.example.phone', keyId: 'KEY1234567', key };
    const provider = create({ apps: [app], endpoint }, { clock, log: silent, name: 'apns' });
    const delivery = createDelivery({ providers: [provider], clock, log: silent, random });
    const target = { provider: 'apns', app: 'com.example.phone', token: new Token(TOKEN) };
    let given = 0;
    const { latencies } = await run(PUSHES, IN_FLIGHT, async () => {
      const draft = {
        purpose: 'call' as const,
        callId: 'c',
        aor: '1001@example.com',
        expiresAt: plus(clock.now(), MINUTE),
      };
      if ((await delivery.send(draft, { call: target })).kind === 'accepted') given++;
    });
    const { retries } = delivery.stats();
    await delivery.close();
    const after = await service.counts();
    const slowest = Math.max(...latencies);
    results.push(
      { name: 'GOAWAYs met, ours', value: after.goAways, unit: '' },
      { name: '… first attempts without a verdict, per 1,000 pushes', value: (retries / PUSHES) * 1_000, unit: '‰' },
      {
        name: '… pushes that came twice, per 1,000',
        value: ((after.requests - after.ids) / PUSHES) * 1_000,
        unit: '‰',
        target: '<=1',
      },
      { name: '… pushes without a verdict in the end', value: PUSHES - given, unit: '', target: '<=0' },
      { name: '… pushes that never came', value: PUSHES - after.ids, unit: '', target: '<=0' },
      { name: '… slowest push', value: slowest, unit: 'ms' },
    );
  } finally {
    await service.close();
  }
  return results;
}
