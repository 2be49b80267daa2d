/** One pushwake node in a process of its own: the real runtime on a real Redis, a PBX and a push service in memory. */
import { openSync, writeSync } from 'node:fs';
import { affineClock, randomId, systemClock, wireClock } from '../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../adapters/store/redis/index.ts';
import type { BindingId } from '../../plugin/core/binding.ts';
import { DAY, HOUR, instant, plus } from '../../plugin/core/time.ts';
import type { PushProvider } from '../../plugin/ports/push-provider.ts';
import { Bindings } from '../../plugin/runtime/bindings/records.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { Runtime } from '../../plugin/runtime/runtime.ts';
import { FakePbx } from '../support/fake-pbx.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { type NodeJob, POLICY, siteAor, siteUri } from './site.ts';

const job = JSON.parse(process.argv[2] ?? '{}') as NodeJob;
const clock = job.speed === 1 ? systemClock() : affineClock({ k: job.speed, startAt: instant(Date.now()) });
const wire = wireClock(clock);
const kept = new RecordedLog();
const log = {
  debug: () => undefined,
  info: () => undefined,
  warn: kept.warn.bind(kept),
  error: kept.error.bind(kept),
};
const store = create(
  optionsSchema.parse({ url: job.url, prefix: job.prefix }),
  { clock: wire, log, name: 'redis' },
  job.leaseMs === undefined ? {} : { leaseMs: job.leaseMs },
);

switch (job.job) {
  case 'due': {
    const out = openSync(job.file, 'a');
    const service: PushProvider = {
      name: 'apns',
      maxInFlight: 500,
      targetFor: (purpose, t) => (purpose === 'call' ? t.call : t.other),
      send: async (request) => {
        writeSync(out, `${request.collapseId}\n`);
        return { kind: 'accepted' };
      },
      close: async () => undefined,
    };
    const runtime = new Runtime({
      mode: 'full',
      clock,
      wire,
      log,
      store,
      links: [new FakePbx({ clock, latencyMs: job.latencyMs })],
      delivery: createDelivery({ providers: [service], clock: wire, log, random: Math.random }),
      policyFor: () => () => POLICY,
      noticeText: () => ({ body: 'x' }),
      realmOf: () => 'example.com',
      randomHex: randomId,
      forgetAfterMs: DAY,
      brake: false,
    });
    await runtime.start();
    process.stdout.write('ready\n');
    process.on('SIGTERM', () => void runtime.stop().then(() => process.exit(0)));
    break;
  }
  case 'renew': {
    await store.open();
    const bindings = new Bindings({
      store,
      clock,
      log,
      policyFor: () => () => POLICY,
      onEffects: () => undefined,
    });
    process.stdout.write('ready\n');
    // All nodes begin together.
    await new Promise<void>((go) => process.stdin.once('data', () => go()));
    const begun = performance.now();
    const cpu = process.cpuUsage();
    let next = job.first;
    const lane = async () => {
      for (let n = next++; n < job.first + job.count; n = next++) {
        const at = clock.now();
        await bindings.apply(siteAor(n), {
          type: 'ContactSeen',
          live: true,
          binds: true,
          at,
          newId: randomId(8) as BindingId,
          // A new port: a real change, which must be written.
          contact: { pbx: 'office', uri: siteUri(n, 41_000), grantedMs: HOUR, expiresAt: plus(at, HOUR) },
        });
      }
    };
    await Promise.all(Array.from({ length: 100 }, lane));
    const { user, system } = process.cpuUsage(cpu);
    const result = { seconds: (performance.now() - begun) / 1_000, cpuSeconds: (user + system) / 1e6 };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    await bindings.stop();
    await store.close();
    process.exit(0);
    break;
  }
  default:
    job.job satisfies never;
}
