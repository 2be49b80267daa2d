/**
 * What a call push feels of 10,000 bad reports a second on the devices listener, beside the same calls when nobody reports. The
 * listener runs as `pushwake start` runs it; the reports come from a process of their own.
 */
import { fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { random, systemClock } from '../../../adapters/clock/system/index.ts';
import { create } from '../../../adapters/push/apns/index.ts';
import { MINUTE, plus } from '../../../plugin/core/time.ts';
import { Token } from '../../../plugin/core/token.ts';
import type { DeviceReports } from '../../../plugin/http/account.ts';
import { acrobitsRoutes } from '../../../plugin/http/acrobits.ts';
import { deviceRoutes } from '../../../plugin/http/devices.ts';
import { HttpListener } from '../../../plugin/http/listener.ts';
import { createDelivery } from '../../../plugin/runtime/push/delivery.ts';
import { makeP8Key } from '../../support/apns-stand-in/index.ts';
import type { Result } from '../bench.ts';
import { median, quantile, silent } from './measure.ts';
import { startService } from './service-process.ts';

const CALLS = 300;
const ROUNDS = 3;
const REPORTS_A_SECOND = 10_000;
const AWAY_MS = 40;

export async function flood(progress: (line: string) => void): Promise<Result[]> {
  const clock = systemClock();
  const service = await startService();
  await service.set({ delayMs: AWAY_MS });
  const app = { teamId: 'TEAM123456', bundleId: 'com.example.phone', keyId: 'KEY1234567', key: makeP8Key() };
  const provider = create({ apps: [app], endpoint: service.endpoint }, { clock, log: silent, name: 'apns' });
  const delivery = createDelivery({ providers: [provider], clock, log: silent, random });
  let believed = 0;
  const believe = async () => {
    believed++;
    return 'taken' as const;
  };
  const reports: DeviceReports = { report: believe, withdraw: believe, receipt: believe };
  const secret = 'the-secret-of-the-benchmark-0123';
  const about = { reports, secret, serves: () => true, services: new Set(['pnm']) };
  const listener = new HttpListener({
    name: 'devices',
    title: 'devices',
    version: '0',
    host: '127.0.0.1',
    port: 0,
    // The default of the configuration.
    ratePerMinute: 600,
    maxConnections: 1_000,
    routes: [acrobitsRoutes(about), deviceRoutes(about)],
    log: silent,
    clock,
  });
  await listener.start();
  const target = { provider: 'apns', app: 'com.example.phone', token: new Token('a'.repeat(64)) };
  const call = async (): Promise<number> => {
    const begun = performance.now();
    const draft = {
      purpose: 'call' as const,
      callId: 'c',
      aor: '1001@example.com',
      expiresAt: plus(clock.now(), MINUTE),
    };
    await delivery.send(draft, { call: target });
    return performance.now() - begun;
  };
  const calls = async (): Promise<number[]> => {
    const under: Promise<number>[] = [];
    for (let n = 0; n < CALLS; n++) {
      under.push(call());
      await sleep(10);
    }
    return Promise.all(under);
  };
  const idle: number[][] = [];
  const busy: number[][] = [];
  const rates: number[] = [];
  try {
    await calls();
    for (let round = 0; round < ROUNDS; round++) {
      progress(
        `calls beside ${REPORTS_A_SECOND.toLocaleString('en-US')} bad reports a second: round ${round + 1} of ${ROUNDS}`,
      );
      idle.push(await calls());
      const args = [String(listener.address?.port), String(REPORTS_A_SECOND)];
      const flooder = fork(fileURLToPath(new URL('./flooder.ts', import.meta.url)), args);
      const ended = new Promise<number>((done) =>
        flooder.once('message', (m) => done((m as { perSecond: number }).perSecond)),
      );
      await sleep(500);
      busy.push(await calls());
      flooder.send('stop');
      rates.push(await ended);
    }
  } finally {
    await listener.stop();
    await delivery.close();
    await service.close();
  }
  const of = (list: readonly number[][], q: number) => median(list.map((l) => quantile(l, q)));
  return [
    { name: `call push, no reports: p50 (n=${CALLS * ROUNDS})`, value: of(idle, 0.5), unit: 'ms' },
    { name: '… p99', value: of(idle, 0.99), unit: 'ms' },
    {
      name: `of ${REPORTS_A_SECOND.toLocaleString('en-US')} bad reports offered a second, answered`,
      value: median(rates),
      unit: '/s',
    },
    { name: 'call push beside them: p50', value: of(busy, 0.5), unit: 'ms' },
    { name: '… p99', value: of(busy, 0.99), unit: 'ms' },
    {
      name: 'call push p99, beside bad reports / none',
      value: of(busy, 0.99) / of(idle, 0.99),
      unit: '×',
      target: '<=2',
    },
    { name: 'bad reports believed', value: believed, unit: '', target: '<=0' },
  ];
}
