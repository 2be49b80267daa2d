import { afterEach, describe, expect, it } from 'vitest';
import type { Aor } from '../../plugin/core/aor.ts';
import { instant } from '../../plugin/core/time.ts';
import type { CallTrace, TraceStep } from '../../plugin/core/trace.ts';
import type { CallOutcome } from '../../plugin/core/wake.ts';
import { guarded } from '../../plugin/http/admin.ts';
import { build } from '../../plugin/http/listener.ts';
import type { Measured } from '../../plugin/http/metrics/gauges.ts';
import { Metrics } from '../../plugin/http/metrics/metrics.ts';
import { BINDING } from '../support/builders.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { quietSummary } from '../support/quiet-status.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const SENT: TraceStep = { ms: 4, step: 'pushSent', device: BINDING, provider: 'apns' };
const trace = (outcome: CallOutcome | undefined, ...steps: TraceStep[]): CallTrace => ({
  callId: 'c1',
  aor: '1001@example.com' as Aor,
  pbx: 'office',
  at: instant(0),
  steps,
  ...(outcome === undefined ? {} : { outcome }),
  over: true,
});

async function served(measured: Partial<Measured> = {}) {
  const metrics = new Metrics(['office']);
  metrics.measure(
    {
      mode: 'full',
      status: () => quietSummary({ links: { office: true, branch: false }, waiting: 3 }),
      nodes: () => [],
      brake: () => [],
      pushes: () => ({ ended: [], providers: [], retries: 0, alarms: [] }),
      receivers: () => [],
      store: () => ({ name: 'sqlite', unsaved: 0 }),
      count: () => undefined,
      texts: () => ({ kept: 0, delivered: 0, expired: 0, plain: {}, held: 0 }),
      ...measured,
    },
    { version: '1.2.3', certificates: () => [{ name: 'admin', endsAt: instant(1_800_000_000_000) }] },
  );
  const options = {
    name: 'admin',
    title: 'admin',
    version: '0',
    ratePerMinute: 0,
    maxConnections: 1_000,
    clock: new FakeClock(),
  };
  const server = await build({ ...options, log: new RecordedLog(), routes: [guarded(() => [], [metrics.routes()])] });
  closing.push(() => server.close());
  /** Lines of our own, without comments. */
  const lines = async () => {
    const answer = await server.inject({ url: '/metrics', headers: { host: '127.0.0.1' } });
    expect(answer.headers['content-type']).toContain('text/plain');
    return answer.body.split('\n').filter((l) => l.startsWith('pushwake_'));
  };
  return { metrics, lines };
}

const CERTIFICATE = { name: 'certificate of com.example.phone', endsAt: instant(1_790_000_000_000) };

describe('/metrics', () => {
  it('has every call counter from the start, at zero', async () => {
    const { lines } = await served();
    expect(await lines()).toContain('pushwake_calls_total{pbx="office",outcome="gave-up"} 0');
    expect(await lines()).toContain('pushwake_call_step_seconds_count{step="ringing"} 0');
  });

  it('counts a call by its outcome, and each step the first time it came', async () => {
    const { metrics, lines } = await served();
    metrics.callOver(
      trace(
        'answered',
        SENT,
        { ms: 30, step: 'pushSettled', device: BINDING, verdict: 'accepted' },
        { ms: 1_800, step: 'ringing', device: BINDING, at: 'fresh' },
        { ms: 9_000, step: 'ringing', device: BINDING, at: 'stored' },
      ),
    );
    metrics.callOver(trace(undefined));
    const said = await lines();
    expect(said).toContain('pushwake_calls_total{pbx="office",outcome="answered"} 1');
    expect(said).toContain('pushwake_calls_total{pbx="office",outcome="plain"} 1');
    expect(said).toContain('pushwake_call_step_seconds_bucket{le="1.5",step="ringing"} 0');
    expect(said).toContain('pushwake_call_step_seconds_bucket{le="2",step="ringing"} 1');
    expect(said).toContain('pushwake_call_step_seconds_count{step="ringing"} 1');
  });

  it('reads links, queues and verdicts when it is asked, and adds nothing up twice', async () => {
    const { lines } = await served({
      pushes: () => ({
        ended: [{ provider: 'apns', purpose: 'call', outcome: 'accepted', count: 7 }],
        providers: [{ provider: 'apns', queued: 2, inFlight: 5, breaker: 'open', credentials: [CERTIFICATE] }],
        retries: 4,
        alarms: ['apns', 'fcm'].map((provider) => ({
          provider,
          app: 'x',
          outcome: { kind: 'misconfigured', reason: 'BadTopic', hint: 'look' } as const,
        })),
      }),
    });
    await lines();
    const said = await lines();
    for (const line of [
      'pushwake_pbx_link_up{pbx="office"} 1',
      'pushwake_pbx_link_up{pbx="branch"} 0',
      'pushwake_calls_waiting 3',
      'pushwake_brake_on 0',
      'pushwake_pushes_total{service="apns",purpose="call",verdict="accepted"} 7',
      'pushwake_push_retries_total 4',
      'pushwake_pushes_queued{service="apns"} 2',
      'pushwake_pushes_in_flight{service="apns"} 5',
      'pushwake_push_service_held_back{service="apns"} 1',
      'pushwake_pushes_total{service="apns",purpose="notice",verdict="tokenDead"} 0',
      'pushwake_push_misconfigurations{service="apns"} 1',
      'pushwake_credential_end_timestamp_seconds{of="apns",credential="certificate of com.example.phone"} 1790000000',
      'pushwake_credential_end_timestamp_seconds{of="admin listener",credential="TLS certificate"} 1800000000',
    ])
      expect(said).toContain(line);
  });

  it('counts stage changes of bindings by reason', async () => {
    const { metrics, lines } = await served();
    metrics.bindingChanged('ended', 'age');
    metrics.bindingChanged('bound');
    metrics.bindingChanged('wakes-seldom', 'of the last 10 call pushes 4 woke it, median 1.8 s');
    expect(await lines()).toContain('pushwake_binding_changes_total{what="ended",reason="age"} 1');
    expect(await lines()).toContain('pushwake_binding_changes_total{what="bound",reason=""} 1');
    expect(await lines(), 'a sentence is no label').toContain(
      'pushwake_binding_changes_total{what="wakes-seldom",reason=""} 1',
    );
  });

  it('says what it is, how the store does, and what was counted', async () => {
    const { metrics, lines } = await served({
      mode: 'observe',
      store: () => ({ name: 'sqlite', unsaved: 4, trouble: { reason: 'disk full', since: instant(0) } }),
      receivers: () => [{ name: 'crm', waiting: 7, lost: 2 }],
      count: () => ({
        at: instant(1_700_000_000_000),
        tookMs: 1,
        accounts: 5,
        devices: 10,
        byApp: new Map(),
        endsByHour: new Map(),
        endsLater: 0,
        seldomWoken: [],
        troubles: {},
        troubled: [],
        list: [],
        byStage: { fresh: 1, refreshing: 2, warned: 3, ending: 4, claimed: 0 },
        unnotifiable: 6,
        seldom: 8,
      }),
    });
    metrics.storeAnswered('get', 3, true);
    metrics.storeAnswered('get', 250, false);
    const said = await lines();
    for (const line of [
      `pushwake_build_info{version="1.2.3",node="${process.versions.node}"} 1`,
      'pushwake_mode{mode="observe"} 1',
      'pushwake_mode{mode="full"} 0',
      'pushwake_store_up 0',
      'pushwake_accounts_unsaved 4',
      'pushwake_store_seconds_bucket{le="0.0025",operation="get"} 0',
      'pushwake_store_seconds_bucket{le="0.005",operation="get"} 1',
      'pushwake_store_errors_total{operation="get"} 1',
      'pushwake_store_errors_total{operation="put"} 0',
      'pushwake_bindings{stage="warned"} 3',
      'pushwake_accounts 5',
      'pushwake_bindings_unnotifiable 6',
      'pushwake_bindings_seldom_woken 8',
      'pushwake_counted_timestamp_seconds 1700000000',
      'pushwake_events_waiting{receiver="crm"} 7',
      'pushwake_events_lost_total{receiver="crm"} 2',
    ])
      expect(said).toContain(line);
  });

  it('says nothing of bindings before they are counted: zero would be an alarm', async () => {
    const { lines } = await served();
    expect((await lines()).filter((l) => /^pushwake_(bindings|accounts|counted)[ {_]/.test(l))).toEqual([
      'pushwake_accounts_unsaved 0',
    ]);
  });

  it('holds no account', async () => {
    const { metrics, lines } = await served();
    metrics.callOver(trace('answered', SENT));
    expect((await lines()).join('\n')).not.toContain('1001');
  });
});
