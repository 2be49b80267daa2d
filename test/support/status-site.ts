/**
 * A whole site for the status pages: a real runtime and admin listener, over PBXs and push services that are scripted. Its clock
 * stands still, so that every look shows the same.
 */
import { systemClock } from '../../adapters/clock/system/index.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import type { AorRecord, Binding, BindingId, SentNotice, Targets } from '../../plugin/core/binding.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { hashFraction } from '../../plugin/core/schedule.ts';
import { DAY, HOUR, type Instant, instant, MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type { AdminToken } from '../../plugin/http/access.ts';
import { guarded } from '../../plugin/http/admin.ts';
import { HttpListener } from '../../plugin/http/listener.ts';
import { Metrics } from '../../plugin/http/metrics/metrics.ts';
import { pageRoutes } from '../../plugin/http/pages/routes.ts';
import type { Credential, PushProvider } from '../../plugin/ports/push-provider.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { Runtime } from '../../plugin/runtime/runtime.ts';
import { FakeClock, settle } from './fake-clock.ts';
import { FakePbx } from './fake-pbx.ts';
import { MemoryStore } from './memory-store.ts';
import { RecordedLog } from './recorded-log.ts';
import { ScriptedPushProvider } from './scripted-push-provider.ts';

/** Tuesday, 2026-11-24 14:05:20 UTC, an afternoon in Berlin. */
export const AFTERNOON: Instant = instant(Date.UTC(2026, 10, 24, 14, 5, 20));
export const ZONE = 'Europe/Berlin';
/** What no page may hold. */
export const SECRET = 'SECRETtokenOfAPhone';

/** Written by a stranger into everything a phone can write. */
export const HOSTILE = {
  aor: '1666@example.com' as Aor,
  app: '<script>document.title="owned"</script>',
  instanceId: '"><img src=x onerror="document.title=\'owned\'">',
  userAgent: `</code><b>Groundwire\u202e\u0007</b>&amp;${'x'.repeat(300)}`,
  contact: `sip:<b onmouseover=alert(1)>@192.0.2.66:5060;transport=tls;pn-provider=apns;pn-prid=${SECRET}`,
};

const ANSWERS_AFTER = 34;
const APP = 'TEAM123456.com.example.phone';

export interface StatusSiteOptions {
  /** With what somebody must act on. */
  readonly trouble?: boolean;
  readonly tokens?: readonly AdminToken[];
}

export class StatusSite {
  readonly clock = new FakeClock(plus(AFTERNOON, -10 * MINUTE));
  readonly store = new MemoryStore();
  readonly log = new RecordedLog();
  readonly office = new FakePbx({ clock: this.clock });
  readonly branch = new FakePbx({ clock: this.clock, name: 'branch', realm: 'branch.example.com' });
  readonly apns = new ScriptedPushProvider('apns');
  readonly fcm = new ScriptedPushProvider('fcm');
  readonly runtime: Runtime;
  readonly listener: HttpListener;
  #ids = 0;

  private constructor(options: StatusSiteOptions) {
    const { clock, log } = this;
    this.store.countDue = async () => 1_000;
    this.#provides(this.apns, [
      { name: 'certificate of com.example.phone', endsAt: plus(AFTERNOON, options.trouble ? 6 * DAY : 200 * DAY) },
      { name: 'key KEY1234567 of team TEAM123456' },
    ]);
    this.#provides(this.fcm, [{ name: 'service account of example-phone' }]);
    const links = [this.office, this.branch];
    const metrics = new Metrics(links.map((l) => l.name));
    this.runtime = new Runtime({
      mode: 'full',
      clock,
      log,
      store: this.store,
      links,
      sinks: [{ name: 'crm', wants: () => true, send: async () => 'taken', close: async () => undefined }],
      delivery: createDelivery({ providers: [this.apns, this.fcm], clock, log, random: () => 0.5 }),
      policyFor: () => () => DEFAULT_POLICY,
      noticeText: (_aor, notice) => ({ title: 'Phone', body: notice }),
      realmOf: (link) => (link === 'office' ? 'example.com' : 'branch.example.com'),
      randomHex: (bytes) =>
        Array.from({ length: bytes }, () =>
          Math.floor(hashFraction('id', this.#ids++) * 256)
            .toString(16)
            .padStart(2, '0'),
        ).join(''),
      forgetAfterMs: DAY,
      observer: metrics,
      counts: true,
    });
    const about = { version: '1.0.0', certificates: () => [] };
    metrics.measure(this.runtime.status, about);
    const pages = pageRoutes({ site: this.runtime.status, version: about.version, listeners: () => [], zone: ZONE });
    this.listener = new HttpListener({
      name: 'admin',
      title: 'pushwake, admin listener',
      version: about.version,
      host: '127.0.0.1',
      port: 0,
      ratePerMinute: 0,
      maxConnections: 1_000,
      routes: [guarded(() => options.tokens ?? [], [pages, metrics.routes()])],
      log,
      clock: systemClock(),
    });
  }

  static async start(options: StatusSiteOptions = {}): Promise<StatusSite> {
    const site = new StatusSite(options);
    for (const record of records(options.trouble ?? false)) site.store.write(record);
    site.#restoreContacts();
    await site.runtime.start();
    await site.listener.start();
    await site.clock.advance(1 * SECOND);
    await site.#calls();
    if (options.trouble) await site.#trouble();
    await site.clock.advanceTo(plus(AFTERNOON, -12 * SECOND));
    await site.clock.advance(12 * SECOND);
    await site.runtime.idle();
    return site;
  }

  get url(): string {
    return `http://127.0.0.1:${this.listener.address?.port}`;
  }

  async stop(): Promise<void> {
    await this.listener.stop();
    await this.runtime.stop();
  }

  /** Answers a little later, as a service on the other side of the country does. */
  #provides(provider: PushProvider, credentials: readonly Credential[]): void {
    provider.credentials = () => credentials;
    const send = provider.send.bind(provider);
    provider.send = async (request, signal) => {
      await new Promise<void>((done) => this.clock.after(ANSWERS_AFTER, done));
      return send(request, signal);
    };
  }

  /** Phones that are awake, and one of a stranger. */
  #restoreContacts(): void {
    const at = (seconds: number) => plus(AFTERNOON, seconds * SECOND);
    this.office.restore([
      {
        pbx: 'office',
        aor: '1001@example.com' as Aor,
        uri: 'sip:1001@198.51.100.23:49152;transport=tls;pn-provider=apns;pn-prid=x:voip',
        expiresAt: at(1_900),
        userAgent: 'Example Phone/4.2 (iOS 26.1)',
      },
      { pbx: 'office', aor: HOSTILE.aor, uri: HOSTILE.contact, expiresAt: at(3_000), userAgent: HOSTILE.userAgent },
    ]);
  }

  async #calls(): Promise<void> {
    const call = (n: number, user: string, o: CallOptions) =>
      this.#call(`linked-${n}`, `${user}@example.com` as Aor, o);
    await call(1, '1001', { comesAfterMs: 1_420, answersAfterMs: 4_100 });
    await call(2, '1014', { comesAfterMs: 2_210, answersAfterMs: 6_000 });
    await call(3, '1022', { callerWaitsMs: 22_000 });
    await call(4, '1009', { comesAfterMs: 1_180, answersAfterMs: 2_600 });
    await call(5, '2999', { callerWaitsMs: 12_000 });
    await call(6, '1001', { comesAfterMs: 1_650, answersAfterMs: 9_300 });
    await call(7, '1030', { comesAfterMs: 940, callerWaitsMs: 18_000 });
    await call(8, '1001', { comesAfterMs: 1_310, answersAfterMs: 3_000 });
  }

  /** A call from its arrival to its end, as a PBX tells it. */
  async #call(linkedId: string, aor: Aor, o: CallOptions): Promise<void> {
    const { office, clock } = this;
    const legId = `wake ${linkedId}`;
    office.emit({ type: 'wakeLegArrived', pbx: 'office', leg: { legId, aor, linkedId }, startedAt: clock.now() });
    await settle(5);
    await clock.advance(6);
    const composed = office.orders.findLast((order) => order.order === 'compose' && order.legId === legId);
    const targets = (composed?.ring ?? []) as { kind: string; ref: string }[];
    const device = targets.find((t) => t.kind === 'device');
    const callId = String(composed?.callId ?? '');
    const ring = { legId: `${legId} device`, kind: 'device' as const, ref: device?.ref ?? '', aor, callId };
    if (device) {
      office.emit({ type: 'deviceLegArrived', pbx: 'office', leg: ring, startedAt: clock.now(), takenUp: false });
    }
    if (device && o.comesAfterMs !== undefined) {
      await clock.advance(o.comesAfterMs);
      const binding = (await this.store.get(aor))?.bindings[0];
      const { call, other } = binding?.targets ?? {};
      office.register(
        aor.split('@')[0] ?? '',
        `sip:${aor.split('@')[0]}@198.51.100.7:${40_000 + this.#ids};transport=tls;pn-provider=apns;pn-param=${APP}.voip&remote;pn-prid=${call?.token.reveal()}:voip&${other?.token.reveal()}:remote`,
      );
      await clock.advance(4);
      office.emit({ type: 'legDials', pbx: 'office', legId: ring.legId });
      await clock.advance(120);
      office.emit({ type: 'legRinging', pbx: 'office', ref: ring.ref });
    }
    await clock.advance(o.answersAfterMs ?? o.callerWaitsMs ?? 10_000);
    const answered = o.answersAfterMs !== undefined;
    if (answered) office.emit({ type: 'legAnswered', pbx: 'office', legId: ring.legId });
    await settle(3);
    for (const id of [...(device ? [ring.legId] : []), legId]) {
      office.emit({ type: 'legEnded', pbx: 'office', legId: id, cause: answered ? 16 : 127, hungUp: true });
      await settle(3);
    }
    await clock.advance(20 * SECOND);
    await this.runtime.idle();
  }

  async #trouble(): Promise<void> {
    this.branch.disconnect('connect ECONNREFUSED 192.0.2.10:8088');
    this.apns.next({
      kind: 'misconfigured',
      reason: 'InvalidProviderToken',
      hint: 'Apple does not know this key: compare keyId and teamId with the developer account',
    });
    await this.#call('linked-9', '1003@example.com' as Aor, { callerWaitsMs: 14_000 });
  }
}

interface CallOptions {
  /** From the push to the REGISTER. Absent: the phone never comes. */
  readonly comesAfterMs?: number;
  /** From ringing to the answer. Absent: nobody answers. */
  readonly answersAfterMs?: number;
  /** How long the caller waits where nobody answers. */
  readonly callerWaitsMs?: number;
}

// ── Records ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const idOf = (name: string) =>
  Math.floor(hashFraction('device', name) * 2 ** 52)
    .toString(16)
    .padStart(16, '0') as BindingId;

const targetsOf = (name: string, kind: 'ios' | 'android' | 'voip'): Targets => {
  if (kind === 'android')
    return { call: target('fcm', 'example-phone', `${name}f`), other: target('fcm', 'example-phone', `${name}f`) };
  const call = target('apns', APP, `${name}v`);
  return kind === 'voip' ? { call } : { call, other: target('apns', APP, `${name}o`) };
};
const target = (provider: string, app: string, token: string) => ({
  provider,
  app,
  token: new Token(`${SECRET}${token}`),
});

function device(name: string, agoMs: number, change: Partial<Binding> = {}): Binding {
  const kind = hashFraction('kind', name) < 0.4 ? 'android' : hashFraction('voip', name) < 0.04 ? 'voip' : 'ios';
  const targets = change.targets ?? targetsOf(name, kind);
  const renewedAt = plus(AFTERNOON, -agoMs);
  const ttl = targets.other ? DEFAULT_POLICY.ttlMs : DEFAULT_POLICY.unnotifiableTtlMs;
  return {
    id: idOf(name),
    createdAt: plus(renewedAt, -40 * DAY),
    evidence: {},
    targets,
    contacts: [
      {
        pbx: 'office',
        uri: `sip:${name.split('.')[0]}@198.51.100.${Math.floor(hashFraction('ip', name) * 250)}:49321;transport=tls;pn-prid=${SECRET}`,
        seenAt: renewedAt,
        grantedMs: HOUR,
      },
    ],
    renewedAt,
    endsAt: plus(renewedAt, ttl),
    ...sentOf(renewedAt, ttl),
    choice: undefined,
    unansweredWakes: 0,
    wakes: Array.from({ length: Math.floor(hashFraction('wakes', name) * 11) }, (_, i) =>
      hashFraction('came', name, i) < 0.93 ? Math.round(900 + hashFraction('ms', name, i) * 2_200) : null,
    ),
    ...change,
  };
}

/** What a week has led to by now: hourly silent pushes from a day before the end, the notice 12 h before it. */
function sentOf(renewedAt: Instant, ttl: number): Pick<Binding, 'sent' | 'lastRefreshAt'> {
  const endsAt = plus(renewedAt, ttl);
  const notice = plus(endsAt, -12 * HOUR);
  const sent: SentNotice[] =
    notice < AFTERNOON ? [{ notice: 'soon', offsetMs: 12 * HOUR, at: notice, done: true }] : [];
  let lastRefreshAt: Instant | undefined;
  for (let at = plus(endsAt, -23.4 * HOUR); at < AFTERNOON && at < endsAt; at = plus(at, HOUR)) {
    if (Math.abs(at - notice) > HOUR / 2) lastRefreshAt = at;
  }
  return { sent, ...(lastRefreshAt === undefined ? {} : { lastRefreshAt }) };
}

function records(trouble: boolean): AorRecord[] {
  const found: AorRecord[] = [];
  for (let n = 1001; n <= 1180; n++) {
    const name = String(n);
    // Most phones were used today, some slept over the weekend, a few are about to end.
    const silent = hashFraction('silent', n) ** 2 * 6.9 * DAY;
    const bindings = [device(name, silent)];
    if (hashFraction('second', n) < 0.15) bindings.push(device(`${name}.tablet`, hashFraction('t', n) * 5 * DAY));
    found.push(record(`${n}@example.com`, bindings));
  }
  const of = (user: string) => found.findIndex((r) => r.aor === `${user}@example.com`);
  found[of('1001')] = record('1001@example.com', [
    device('1001', 3 * DAY, {
      targets: targetsOf('1001', 'ios'),
      wakes: [1_420, 1_800, null, 1_390, 1_510, 2_020, 1_700],
    }),
    device('1001.tablet', 6 * DAY + 14 * HOUR, {
      targets: targetsOf('1001.tablet', 'android'),
      evidence: { instanceId: '<urn:uuid:0f3d9a52-7d0b-4b52-9f5e-2f6f2c1f9a31>' },
    }),
  ]);
  for (const user of ['1003', '1009', '1014', '1022', '1030']) {
    const seldom = trouble && user === '1022';
    found[of(user)] = record(`${user}@example.com`, [
      device(user, 1.5 * DAY, {
        targets: targetsOf(user, 'ios'),
        wakes: seldom ? [null, 2_800, null, null, null, null, null] : [1_200, 1_500, 1_300],
      }),
    ]);
  }
  const hostile = device('1666', 2 * HOUR, {
    targets: { call: target('apns', HOSTILE.app, 'h'), other: target('apns', HOSTILE.app, 'i') },
    evidence: { instanceId: HOSTILE.instanceId, installId: HOSTILE.app },
    contacts: [{ pbx: 'office', uri: HOSTILE.contact, seenAt: AFTERNOON }],
  });
  const gone: AorRecord = {
    ...record('1200@example.com', []),
    tombstones: [
      {
        id: idOf('1200'),
        reason: 'age',
        endedAt: plus(AFTERNOON, -2 * DAY),
        renewedAt: plus(AFTERNOON, -9 * DAY),
        tokens: [new Token('gone').fingerprint],
      },
    ],
  };
  return [...found, record(HOSTILE.aor, [hostile]), gone];
}

const record = (aor: string, bindings: Binding[]): AorRecord => ({
  aor: aor as Aor,
  version: 1,
  bindings,
  tombstones: [],
});
