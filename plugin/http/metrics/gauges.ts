/** Metrics of what is known elsewhere: read when it is asked for, so that nothing is counted twice. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { STAGES } from '../../core/stage.ts';
import { PLAIN_REASONS, type PlainReason } from '../../core/text-trace.ts';
import type { Instant } from '../../core/time.ts';
import { TROUBLES, type TroubleCause } from '../../core/trouble.ts';
import type { Count, RunningStatus, ServiceState } from '../../ports/status.ts';

/** What is asked for at each scrape. */
export type Measured = Pick<
  RunningStatus,
  'mode' | 'status' | 'nodes' | 'pushes' | 'receivers' | 'store' | 'count' | 'brake' | 'texts'
>;

export interface About {
  readonly version: string;
  /** Of our own listeners. */
  readonly certificates: () => readonly { readonly name: string; readonly endsAt?: Instant }[];
}

const NODE_STATES = ['alive', 'late', 'draining', 'drained', 'silent'] as const;
const PURPOSES = ['call', 'cancel', 'refresh', 'notice', 'missed', 'message', 'voicemail', 'custom'];
const VERDICTS = ['accepted', 'tokenDead', 'retryLater', 'misconfigured', 'failed'];

/** Call once per registry. */
export function measure(registry: Registry, measured: Measured, about: About): void {
  const registers = [registry];
  /** A gauge whose values are read at each scrape. */
  const gauge = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    read: (set: (labels: Record<L, string>, value: number) => void) => void,
  ) =>
    new Gauge<L>({
      name,
      help,
      labelNames: [...labelNames],
      registers,
      collect() {
        this.reset();
        // Without labels `reset` leaves a zero, and nothing known is not zero.
        if (labelNames.length === 0) this.remove();
        read((labels, value) => this.set(labels as never, value));
      },
    });
  const counter = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    read: (add: (labels: Record<L, string>, value: number) => void) => void,
  ) =>
    new Counter<L>({
      name,
      help,
      labelNames: [...labelNames],
      registers,
      collect() {
        this.reset();
        read((labels, value) => this.inc(labels as never, value));
      },
    });

  gauge('pushwake_build_info', 'Always 1: which pushwake and which Node.js', ['version', 'node'], (set) =>
    set({ version: about.version, node: process.versions.node }, 1),
  );
  gauge('pushwake_mode', '1 for the mode it works in: observe does nothing', ['mode'], (set) => {
    for (const mode of ['observe', 'full']) set({ mode }, Number(mode === measured.mode));
  });
  gauge('pushwake_pbx_link_up', '1 while the link to this PBX is up', ['pbx'], (set) => {
    for (const [pbx, up] of Object.entries(measured.status().links)) set({ pbx }, up ? 1 : 0);
  });
  gauge('pushwake_nodes', 'Nodes of this store by their state, as this one hears of them', ['state'], (set) => {
    const nodes = measured.nodes();
    // The store is ours alone.
    const states = nodes.length === 0 ? ['alive'] : nodes.map((node) => node.state);
    for (const state of NODE_STATES) set({ state }, states.filter((one) => one === state).length);
  });
  gauge('pushwake_calls_waiting', 'Calls that wait for a phone now', [], (set) => set({}, measured.status().waiting));
  gauge(
    'pushwake_brake_on',
    '1 while notices and endings are held back; the log and the first status page say why',
    [],
    (set) => set({}, measured.brake().length > 0 ? 1 : 0),
  );

  counter(
    'pushwake_pushes_total',
    'Pushes that came to an end, by push service, purpose and verdict',
    ['service', 'purpose', 'verdict'],
    (add) => {
      const { providers, ended } = measured.pushes();
      for (const { provider: service } of providers)
        for (const purpose of PURPOSES) for (const verdict of VERDICTS) add({ service, purpose, verdict }, 0);
      for (const { provider, purpose, outcome, count } of ended)
        add({ service: provider, purpose, verdict: outcome }, count);
    },
  );
  counter('pushwake_push_retries_total', 'Attempts beyond the first of each push', [], (add) =>
    add({}, measured.pushes().retries),
  );
  const perService = (name: string, help: string, value: (p: ServiceState) => number) =>
    gauge(name, help, ['service'], (set) => {
      for (const p of measured.pushes().providers) set({ service: p.provider }, value(p));
    });
  perService('pushwake_pushes_queued', 'Pushes that wait for their turn', (p) => p.queued);
  perService('pushwake_pushes_in_flight', 'Pushes the service has not answered yet', (p) => p.inFlight);
  perService('pushwake_push_service_held_back', '1 while the breaker holds this service back', (p) =>
    p.breaker === 'closed' ? 0 : 1,
  );
  perService(
    'pushwake_push_misconfigurations',
    'Apps this service refuses for a mistake of ours (key, topic, project): the log and the first status page say what to do',
    (p) => measured.pushes().alarms.filter((a) => a.provider === p.provider).length,
  );
  gauge(
    'pushwake_credential_end_timestamp_seconds',
    'When a key or certificate ends, for those that do: of a push service, or of a listener of ours',
    ['of', 'credential'],
    (set) => {
      const ofServices = measured
        .pushes()
        .providers.flatMap((p) => p.credentials.map((c) => ({ ...c, of: p.provider })));
      const own = about.certificates().map((c) => ({ ...c, name: 'TLS certificate', of: `${c.name} listener` }));
      for (const { of, name, endsAt } of [...ofServices, ...own])
        if (endsAt !== undefined) set({ of, credential: name }, endsAt / 1_000);
    },
  );

  counter(
    'pushwake_texts_total',
    'SIP MESSAGEs by what became of them: kept, delivered (to each device), expired, plain: as without pushwake',
    ['outcome'],
    (add) => {
      const { kept, delivered, expired, plain } = measured.texts();
      const left = Object.values(plain).reduce((sum, n) => sum + n, 0);
      for (const [outcome, count] of Object.entries({ kept, delivered, expired, plain: left })) add({ outcome }, count);
    },
  );
  counter('pushwake_texts_plain_total', 'SIP MESSAGEs that were left to the PBX, by why', ['reason'], (add) => {
    const { plain } = measured.texts();
    for (const reason of Object.keys(PLAIN_REASONS) as PlainReason[]) {
      add({ reason: reason.replaceAll(' ', '_') }, plain[reason] ?? 0);
    }
  });
  gauge('pushwake_texts_held', 'SIP MESSAGEs that are in memory only, because the store does not answer', [], (set) =>
    set({}, measured.texts().held),
  );

  gauge('pushwake_store_up', '1 while the store answers', [], (set) => set({}, measured.store().trouble ? 0 : 1));
  gauge('pushwake_accounts_unsaved', 'Accounts with something that waits for the store', [], (set) =>
    set({}, measured.store().unsaved),
  );
  gauge('pushwake_bindings', 'Bindings by the stage of their life, when they were last counted', ['stage'], (set) => {
    const count = measured.count();
    if (count) for (const stage of STAGES) set({ stage }, count.byStage[stage]);
  });
  const counted = (name: string, help: string, value: (c: Count) => number) =>
    gauge(name, help, [], (set) => {
      const count = measured.count();
      if (count) set({}, value(count));
    });
  counted('pushwake_accounts', 'Accounts with a device, when they were last counted', (c) => c.accounts);
  counted(
    'pushwake_bindings_unnotifiable',
    'Bindings whose user cannot be notified before they end: the app gave only a token for calls',
    (c) => c.unnotifiable,
  );
  counted(
    'pushwake_bindings_seldom_woken',
    'Bindings that fewer than half of their last call pushes woke; the first status page lists them',
    (c) => c.seldom,
  );
  gauge(
    'pushwake_bindings_troubled',
    'Bindings that do not come for calls as they should, by the cause; the first status page says what to do',
    ['cause'],
    (set) => {
      const count = measured.count();
      if (!count) return;
      for (const cause of Object.keys(TROUBLES) as TroubleCause[]) set({ cause }, count.troubles[cause] ?? 0);
    },
  );
  counted('pushwake_counted_timestamp_seconds', 'When bindings were last counted', (c) => c.at / 1_000);

  gauge('pushwake_events_waiting', 'Events that wait for this receiver', ['receiver'], (set) => {
    for (const r of measured.receivers()) set({ receiver: r.name }, r.waiting);
  });
  counter('pushwake_events_lost_total', 'Events that were never delivered to this receiver', ['receiver'], (add) => {
    for (const r of measured.receivers()) add({ receiver: r.name }, r.lost);
  });
}
