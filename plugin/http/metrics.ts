/**
 * Metrics for Prometheus, on the admin listener. Labels are names of the configuration and words of ours: never an account, a
 * token or a caller, so that their number is bounded and nothing leaks. Each exists from the start, at zero.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { CallTrace } from '../core/trace.ts';
import type { Observer } from '../ports/observer.ts';
import type { Routes } from './listener.ts';

/** What is asked for at each scrape. */
export interface Measured {
  status(): { readonly links: Readonly<Record<string, boolean>>; readonly waiting: number; readonly brake?: string };
  pushes(): {
    readonly ended: readonly { provider: string; purpose: string; outcome: string; count: number }[];
    readonly providers: readonly { provider: string; queued: number; inFlight: number; breaker: string }[];
    readonly retries: number;
    readonly alarms: readonly unknown[];
  };
}

/** Seconds since the call was seen. A phone wakes within a second or two; a ring time ends most of the rest. */
const STEP_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 45];
/** Steps of a call that are worth a histogram: what the trace calls them, and the label. */
const STEPS: readonly (readonly [step: string, label: string])[] = [
  ['push sent', 'push_sent'],
  ['push accepted', 'push_accepted'],
  ['registered', 'registered'],
  ['dialled', 'dialled'],
  ['ringing', 'ringing'],
  ['answered', 'answered'],
];
const OUTCOMES = ['answered', 'elsewhere', 'cancelled', 'gave-up', 'declined', 'plain'];

export class Metrics implements Observer {
  readonly #registry = new Registry();
  readonly #calls: Counter<'pbx' | 'outcome'>;
  readonly #steps: Histogram<'step'>;
  readonly #changes: Counter<'what' | 'reason'>;

  /** `links`: names of the configured PBXs. */
  constructor(links: readonly string[]) {
    const registers = [this.#registry];
    this.#calls = new Counter({
      name: 'pushwake_calls_total',
      help: 'Calls that came through pushwake, by how they ended; "plain": no binding, rung as without pushwake',
      labelNames: ['pbx', 'outcome'],
      registers,
    });
    for (const pbx of links) for (const outcome of OUTCOMES) this.#calls.inc({ pbx, outcome }, 0);
    this.#steps = new Histogram({
      name: 'pushwake_call_step_seconds',
      help: 'From the arrival of a call to the first time it came to this step',
      labelNames: ['step'],
      buckets: STEP_BUCKETS,
      registers,
    });
    for (const [, step] of STEPS) this.#steps.zero({ step });
    this.#changes = new Counter({
      name: 'pushwake_binding_changes_total',
      help: 'Stage changes of bindings: bound, renewed, warned, ending, ended, …',
      labelNames: ['what', 'reason'],
      registers,
    });
    collectDefaultMetrics({ register: this.#registry });
  }

  callOver(trace: CallTrace): void {
    this.#calls.inc({ pbx: trace.pbx, outcome: trace.outcome ?? 'plain' });
    for (const [name, step] of STEPS) {
      const first = trace.steps.find((s) => s.step === name);
      if (first) this.#steps.observe({ step }, first.ms / 1_000);
    }
  }

  bindingChanged(what: string, reason?: string): void {
    this.#changes.inc({ what, reason: reason ?? '' });
  }

  /** What is known elsewhere is read when it is asked for. Call once. */
  measure(measured: Measured): void {
    const registers = [this.#registry];
    new Gauge({
      name: 'pushwake_pbx_link_up',
      help: '1 while the link to this PBX is up',
      labelNames: ['pbx'],
      registers,
      collect() {
        this.reset();
        for (const [pbx, up] of Object.entries(measured.status().links)) this.set({ pbx }, up ? 1 : 0);
      },
    });
    new Gauge({
      name: 'pushwake_calls_waiting',
      help: 'Calls that wait for a phone now',
      registers,
      collect() {
        this.set(measured.status().waiting);
      },
    });
    new Gauge({
      name: 'pushwake_brake_on',
      help: '1 while notices and endings are held back; the log and /v1/status say why',
      registers,
      collect() {
        this.set(measured.status().brake === undefined ? 0 : 1);
      },
    });
    new Counter({
      name: 'pushwake_pushes_total',
      help: 'Pushes that came to an end, by push service, purpose and verdict',
      labelNames: ['service', 'purpose', 'verdict'],
      registers,
      collect() {
        this.reset();
        for (const { provider, purpose, outcome, count } of measured.pushes().ended)
          this.inc({ service: provider, purpose, verdict: outcome }, count);
      },
    });
    new Counter({
      name: 'pushwake_push_retries_total',
      help: 'Attempts beyond the first of each push',
      registers,
      collect() {
        this.reset();
        this.inc(measured.pushes().retries);
      },
    });
    const perService = (name: string, help: string, value: (p: ServiceStats) => number) =>
      new Gauge({
        name,
        help,
        labelNames: ['service'],
        registers,
        collect() {
          this.reset();
          for (const p of measured.pushes().providers) this.set({ service: p.provider }, value(p));
        },
      });
    perService('pushwake_pushes_queued', 'Pushes that wait for their turn', (p) => p.queued);
    perService('pushwake_pushes_in_flight', 'Pushes the service has not answered yet', (p) => p.inFlight);
    perService('pushwake_push_service_held_back', '1 while the breaker holds this service back', (p) =>
      p.breaker === 'closed' ? 0 : 1,
    );
    new Gauge({
      name: 'pushwake_push_misconfigurations',
      help: 'Push services that refuse us for a mistake of ours (key, topic, project): the log says which and what to do',
      registers,
      collect() {
        this.set(measured.pushes().alarms.length);
      },
    });
  }

  routes(): Routes {
    return (server) => {
      server.get(
        '/metrics',
        { config: { role: 'metrics' }, schema: { summary: 'For Prometheus, in its text format' } },
        async (_request, reply) => reply.type(this.#registry.contentType).send(await this.#registry.metrics()),
      );
    };
  }
}

type ServiceStats = ReturnType<Measured['pushes']>['providers'][number];
