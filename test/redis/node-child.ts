/** One pushwake node in a process of its own: the real runtime on a real Redis, a PBX and a push service in memory. */
import { createHash } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { createClient } from '@redis/client';
import { affineClock, randomId, systemClock, wireClock } from '../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../adapters/store/redis/index.ts';
import { rowOf } from '../../adapters/store/row-text.ts';
import type { BindingId } from '../../plugin/core/binding.ts';
import { DAY, HOUR, instant, plus } from '../../plugin/core/time.ts';
import type { PushProvider } from '../../plugin/ports/push-provider.ts';
import { Bindings } from '../../plugin/runtime/bindings/records.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { Runtime } from '../../plugin/runtime/runtime.ts';
import { FakePbx } from '../support/fake-pbx.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { type NodeJob, POLICY, siteAor, siteRecord, siteUri } from './site.ts';

/** As many schedules as ours has. */
const SHARDS = 64;

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
  case 'bare': {
    const client = createClient({ url: job.url });
    await client.connect();
    const { group = 100, perSecond = 0 } = job;
    // The same keys as ours.
    const tag = (n: number) => {
      const shard = createHash('sha1').update(siteAor(n)).digest().readUInt8(0) % SHARDS;
      return `${job.prefix}:{s${String(shard).padStart(2, '0')}}:`;
    };
    process.stdout.write('ready\n');
    await new Promise<void>((go) => process.stdin.once('data', () => go()));
    const begun = performance.now();
    const cpu = process.cpuUsage();
    for (let n = job.first; n < job.first + job.count; n += group) {
      const some = Array.from({ length: Math.min(group, job.first + job.count - n) }, (_, i) => n + i);
      await Promise.all(some.map((i) => client.get(`${tag(i)}r:${siteAor(i)}`)));
      await Promise.all(
        some.flatMap((i) => {
          const record = siteRecord(i, clock.now());
          const score = Number(record.dueAt);
          return [
            client.set(`${tag(i)}r:${siteAor(i)}`, rowOf({ ...record, version: 2 })),
            client.zAdd(`${tag(i)}due`, { score, value: record.aor }),
          ];
        }),
      );
      if (perSecond === 0) continue;
      const aheadMs = ((n + group - job.first) / perSecond) * 1_000 - (performance.now() - begun);
      if (aheadMs > 0) await new Promise((next) => setTimeout(next, aheadMs));
    }
    const { user, system } = process.cpuUsage(cpu);
    const result = { seconds: (performance.now() - begun) / 1_000, cpuSeconds: (user + system) / 1e6 };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    await client.close();
    process.exit(0);
    break;
  }
  default:
    job.job satisfies never;
}
