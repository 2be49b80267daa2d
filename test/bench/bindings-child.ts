/** One measurement of `bindings.ts` in a process of its own. Prints one JSON object. */
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { randomId, systemClock } from '../../adapters/clock/system/index.ts';
import { create } from '../../adapters/store/sqlite/index.ts';
import { compileEarly, growHeapSlowly } from '../../plugin/commands/v8.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import { type AorRecord, type BindingId, encodeRecord } from '../../plugin/core/binding.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { bindingDueAt } from '../../plugin/core/schedule.ts';
import { DAY, HOUR, type Instant, plus, SECOND } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import { type BindingStore, StoreError } from '../../plugin/ports/binding-store.ts';
import type { PbxLink } from '../../plugin/ports/pbx-link.ts';
import type { PushProvider } from '../../plugin/ports/push-provider.ts';
import { Bindings } from '../../plugin/runtime/bindings/records.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { Runtime } from '../../plugin/runtime/runtime.ts';
import { FakePbx } from '../support/fake-pbx.ts';
import { RecordedLog } from '../support/recorded-log.ts';

growHeapSlowly();
compileEarly();
const [job = '', file = '', count = '0'] = process.argv.slice(2);
const size = Number(count);
const clock = systemClock();
const quiet = new RecordedLog();
const log = {
  debug: () => undefined,
  info: () => undefined,
  warn: quiet.warn.bind(quiet),
  error: quiet.error.bind(quiet),
};
const store = create({ path: file }, { clock, log, name: 'sqlite' });
const policy = { ...DEFAULT_POLICY, refreshSpreadMs: 0 };
const IN_FLIGHT = 100;

const aorNo = (n: number): Aor => `${100_000 + n}@example.com` as Aor;
const hex = (n: number, first: string) => (first + n.toString(16)).padEnd(64, '7');
const uriNo = (n: number) =>
  `sip:${100_000 + n}@192.0.2.7:40001;transport=tls;pn-provider=apns;pn-param=TEAM123456.com.example.phone.voip&remote;pn-prid=${hex(n, 'a')}:voip&${hex(n, 'b')}:remote`;

/** A record as a real one is: an iOS app with two tokens, one contact. `renewedAt` decides when it is due. */
function recordNo(n: number, renewedAt: Instant): AorRecord {
  const target = (first: string) => ({
    provider: 'apns',
    app: 'TEAM123456.com.example.phone',
    token: new Token(hex(n, first)),
  });
  const binding = {
    id: n.toString(16).padStart(16, '0') as BindingId,
    createdAt: renewedAt,
    evidence: { instanceId: `<urn:uuid:${hex(n, 'c').slice(0, 32)}>` },
    targets: { call: target('a'), other: target('b') },
    contacts: [{ pbx: 'office', uri: uriNo(n), seenAt: renewedAt, grantedMs: HOUR }],
    renewedAt,
    endsAt: plus(renewedAt, policy.ttlMs),
    sent: [],
    choice: undefined,
    unansweredWakes: 0,
  };
  return { aor: aorNo(n), version: 0, dueAt: bindingDueAt(binding, policy), bindings: [binding], tombstones: [] };
}

async function inFlight(total: number, work: (i: number) => Promise<unknown>): Promise<number> {
  let next = 0;
  const begun = performance.now();
  const lane = async () => {
    while (next < total) await work(next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return (total / (performance.now() - begun)) * 1_000;
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] as number;
const percentile = (values: number[], p: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))] as number;
const rssMb = () => process.memoryUsage().rss / 1e6;
/** The most that this process ever had. */
const peakMb = () => (Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1_024) / 1e6;
/** Renewed then, a binding is due now: 24 h before its end. */
const dueSince = () => plus(clock.now(), DAY - policy.ttlMs - SECOND);
const done = (result: Record<string, number>) => process.stdout.write(`${JSON.stringify(result)}\n`);

/** A PBX that knows everybody's contact and takes half a millisecond to say so. Its timers are this machine's: 1 ms at least. */
function pbx(expiresAt: (aor: Aor) => Instant): PbxLink {
  return {
    name: 'office',
    up: true,
    start: async () => undefined,
    ask: async (aor) => {
      await new Promise((r) => setTimeout(r, 0.5));
      const n = Number.parseInt(aor, 10) - 100_000;
      return { aorExists: true, contacts: [{ pbx: 'office', aor, uri: uriNo(n), expiresAt: expiresAt(aor) }] };
    },
    async *list() {},
    compose: async () => 'done',
    ring: async () => 'done',
    giveUp: async () => 'done',
    removeContact: async () => 'gone',
    watch: () => undefined,
    setReachable: async () => undefined,
    stop: async () => undefined,
  };
}

const service: PushProvider = {
  name: 'apns',
  maxInFlight: 500,
  targetFor: (purpose, t) => (purpose === 'call' ? t.call : t.other),
  send: async () => ({ kind: 'accepted' }),
  close: async () => undefined,
};

function runtimeWith(link: PbxLink, provider: PushProvider = service): Runtime {
  return new Runtime({
    mode: 'full',
    clock,
    log,
    store,
    links: [link],
    delivery: createDelivery({ providers: [provider], clock, log, random: Math.random }),
    policyFor: () => () => policy,
    noticeText: () => ({ body: 'x' }),
    realmOf: () => 'example.com',
    randomHex: randomId,
    forgetAfterMs: DAY,
    // As the service does: what the pages show of all bindings is counted meanwhile.
    counts: true,
    brake: false,
  });
}

/** Told of each push of a call. */
let pushed: () => void = () => undefined;
const provider: PushProvider = {
  ...service,
  send: async (request) => {
    if (request.purpose === 'call') pushed();
    return { kind: 'accepted' };
  },
};

switch (job) {
  case 'fill': {
    await store.open();
    const now = clock.now();
    // Renewed within the last day: nothing is due for five days.
    await inFlight(size, (n) => store.put(recordNo(n, plus(now, -Math.floor((n / size) * DAY))), 0));
    await store.close();
    done({ recordBytes: encodeRecord(recordNo(size, now)).length });
    break;
  }
  case 'start': {
    const runtime = runtimeWith(pbx(() => plus(clock.now(), HOUR)));
    const begun = performance.now();
    await runtime.start();
    // Ready: a call that came now would find its phone.
    await store.get(aorNo(size >> 1));
    const readyMs = performance.now() - begun;
    const ticks = 1_000;
    const tickBegun = performance.now();
    for (let i = 0; i < ticks; i++) await store.claimDue(clock.now(), 500);
    const idleTickUs = ((performance.now() - tickBegun) / ticks) * 1_000;
    const bindings = new Bindings({ store, clock, log, policyFor: () => () => policy, onEffects: () => undefined });
    const registers = 20_000;
    const cpu = process.cpuUsage();
    for (let i = 0; i < registers; i++) {
      const n = (i * 7_919) % size;
      const record = await store.get(aorNo(n));
      const at = record?.bindings[0]?.renewedAt ?? clock.now();
      await bindings.apply(aorNo(n), {
        type: 'ContactSeen',
        live: true,
        binds: true,
        at: plus(at, SECOND),
        newId: '0' as BindingId,
        contact: { pbx: 'office', uri: uriNo(n), grantedMs: HOUR },
      });
    }
    const used = process.cpuUsage(cpu);
    const registerUs = (used.user + used.system) / registers;
    done({ readyMs, idleTickUs, registerUs, rssMb: rssMb(), peakMb: peakMb() });
    await runtime.stop();
    break;
  }
  case 'renewals': {
    await store.open();
    const bindings = new Bindings({ store, clock, log, policyFor: () => () => policy, onEffects: () => undefined });
    const plain = new DatabaseSync(`${file}.plain`);
    plain.exec(
      'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE record (key TEXT PRIMARY KEY, version INTEGER, due_at INTEGER, value TEXT); CREATE INDEX due ON record(due_at)',
    );
    const insert = plain.prepare(
      'INSERT INTO record VALUES (?, 1, ?, ?) ON CONFLICT(key) DO UPDATE SET version = version + 1, due_at = excluded.due_at, value = excluded.value',
    );
    const each = 4_000;
    const ours: number[] = [];
    const bare: number[] = [];
    const raw: number[] = [];
    let at = 0;
    for (let round = 0; round < 6; round++) {
      const from = at + each;
      const o = await inFlight(each, (i) => {
        const n = (from + i) % size;
        return bindings.apply(aorNo(n), {
          type: 'ContactSeen',
          live: true,
          binds: true,
          at: plus(clock.now(), 2 * HOUR),
          newId: '0' as BindingId,
          contact: { pbx: 'office', uri: uriNo(n), grantedMs: HOUR },
        });
      });
      const second = from + each;
      at = second;
      const b = await inFlight(each, async (i) => {
        const record = await store.get(aorNo((second + i) % size));
        if (record) await store.put(record, record.version);
      });
      const begun = performance.now();
      for (let i = 0; i < each; i += IN_FLIGHT) {
        plain.exec('BEGIN IMMEDIATE');
        for (let j = 0; j < IN_FLIGHT; j++) {
          const record = recordNo(from + i + j, clock.now());
          insert.run(record.aor, record.dueAt ?? null, encodeRecord(record));
        }
        plain.exec('COMMIT');
      }
      const p = (each / (performance.now() - begun)) * 1_000;
      if (round === 0) continue; // warm-up
      ours.push(o);
      bare.push(b);
      raw.push(p);
    }
    plain.close();
    await store.close();
    done({
      ours: median(ours),
      bare: median(bare),
      plain: median(raw),
      ratioBare: median(ours.map((v, i) => v / (bare[i] as number))),
      ratioPlain: median(ours.map((v, i) => v / (raw[i] as number))),
    });
    break;
  }
  case 'make-due': {
    await store.open();
    const renewedAt = dueSince();
    await inFlight(size, async (n) => {
      const known = await store.get(aorNo(n));
      await store.put(recordNo(n, renewedAt), known?.version ?? 0);
    });
    await store.close();
    done({});
    break;
  }
  case 'due': {
    // What the PBX holds proves nothing newer than we know.
    const runtime = runtimeWith(pbx(() => plus(dueSince(), HOUR)));
    const reads: number[] = [];
    const begun = performance.now();
    await runtime.start();
    let left = size;
    let n = 0;
    while (left > 0 && performance.now() - begun < 300_000) {
      for (let i = 0; i < 20; i++) {
        const t = performance.now();
        n += 7_919;
        await store.get(aorNo(n % size));
        reads.push(performance.now() - t);
        await new Promise((r) => setTimeout(r, 5));
      }
      left = await store.countDue(0 as Instant, clock.now());
    }
    const seconds = (performance.now() - begun) / 1_000;
    done({
      seconds,
      reads: reads.length,
      readP50: percentile(reads, 0.5),
      readP99: percentile(reads, 0.99),
      rssMb: rssMb(),
      peakMb: peakMb(),
    });
    await runtime.stop();
    break;
  }
  case 'invite': {
    // Calls to accounts of the whole file, each another one: as many as there are pages of it that nobody has read yet.
    const link = new FakePbx({ clock });
    const runtime = runtimeWith(link, provider);
    await runtime.start();
    const times: number[] = [];
    for (let i = 0; i < 1_300; i++) {
      const legId = `leg${i}`;
      const begun = performance.now();
      const push = new Promise<void>((r) => {
        pushed = r;
      });
      link.emit({
        type: 'wakeLegArrived',
        pbx: 'office',
        leg: { legId, aor: aorNo((i * 7_919) % size), linkedId: legId },
        startedAt: clock.now(),
      });
      await push;
      // The first ones run code that is not compiled yet.
      if (i >= 300) times.push(performance.now() - begun);
      link.emit({ type: 'legEnded', pbx: 'office', legId, cause: 127, hungUp: true });
      await new Promise((r) => setTimeout(r, 2));
    }
    done({ p50: percentile(times, 0.5), p99: percentile(times, 0.99) });
    await runtime.stop();
    break;
  }
  case 'count': {
    // What the status pages show of all bindings is counted in the background.
    const runtime = runtimeWith(pbx(() => plus(clock.now(), HOUR)));
    await runtime.start();
    const begun = performance.now();
    const cpu = process.cpuUsage();
    while (runtime.status.count() === undefined) await new Promise((r) => setTimeout(r, 100));
    const used = process.cpuUsage(cpu);
    done({ seconds: (performance.now() - begun) / 1_000, cpuS: (used.user + used.system) / 1e6, peakMb: peakMb() });
    await runtime.stop();
    break;
  }
  case 'trouble': {
    // INVITE → push with the store at rest, on a disk whose fsync takes 50 ms under constant writing, and refusing all.
    const slow = create(
      { path: `${file}.slow` },
      { clock, log, name: 'sqlite' },
      { workerUrl: new URL('./slow-worker.ts', import.meta.url) },
    );
    const link = new FakePbx({ clock });
    let refuse = false;
    const store2: BindingStore = new Proxy(slow, {
      get: (target, name) =>
        refuse && (name === 'get' || name === 'put')
          ? () => Promise.reject(new StoreError('planted'))
          : (Reflect.get(target, name)?.bind?.(target) ?? Reflect.get(target, name)),
    });
    const runtime = new Runtime({
      mode: 'full',
      clock,
      log,
      store: store2,
      links: [link],
      delivery: createDelivery({ providers: [provider], clock, log, random: Math.random }),
      policyFor: () => () => policy,
      noticeText: () => ({ body: 'x' }),
      realmOf: () => 'example.com',
      randomHex: randomId,
      forgetAfterMs: DAY,
      brake: false,
    });
    await runtime.start();
    for (let n = 0; n < 50; n++) link.register(String(100_000 + n), uriNo(n), { told: true });
    await runtime.idle();
    let leg = 0;
    const calls = async (count: number) => {
      const times: number[] = [];
      for (let i = 0; i < count; i++) {
        const legId = `leg${leg++}`;
        const begun = performance.now();
        const push = new Promise<void>((r) => {
          pushed = r;
        });
        link.emit({
          type: 'wakeLegArrived',
          pbx: 'office',
          leg: { legId, aor: aorNo(i % 50), linkedId: legId },
          startedAt: clock.now(),
        });
        await push;
        times.push(performance.now() - begun);
        link.emit({ type: 'legEnded', pbx: 'office', legId, cause: 127, hungUp: true });
        await new Promise((r) => setTimeout(r, 2));
      }
      return percentile(times, 0.99);
    };
    await calls(300);
    const quietP99: number[] = [];
    const slowP99: number[] = [];
    const refusedP99: number[] = [];
    for (let round = 0; round < 5; round++) {
      quietP99.push(await calls(300));
      let writing = true;
      const writer = (async () => {
        for (let n = 0; writing; n++) {
          // Each REGISTER from another port: a write each.
          link.register(
            String(100_000 + 50 + (n % 500)),
            uriNo(50 + (n % 500)).replace('40001', String(40_000 + (n % 20_000))),
            { told: true },
          );
          await new Promise((r) => setTimeout(r, 2));
        }
      })();
      slowP99.push(await calls(300));
      writing = false;
      await writer;
      await runtime.idle();
      refuse = true;
      refusedP99.push(await calls(300));
      refuse = false;
    }
    done({ quiet: median(quietP99), slow: median(slowP99), refused: median(refusedP99) });
    break;
  }
  default:
    throw new Error(`unknown measurement ${job}`);
}
process.exit(0);
