/**
 * Metrics for Prometheus, on the admin listener. Labels are names of the configuration and words of ours: never an account, a
 * token or a caller, so that their number is bounded and nothing leaks. Each exists from the start, at zero.
 */
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import type { Report } from '../../core/events.ts';
import type { CallTrace } from '../../core/trace.ts';
import type { CallStep } from '../../core/wake/steps.ts';
import type { CallOutcome } from '../../core/wake.ts';
import type { Observer, StoreOperation } from '../../ports/observer.ts';
import type { Routes } from '../listener.ts';
import { type About, type Measured, measure } from './gauges.ts';

/** Seconds since the call was seen. A phone wakes within a second or two; a ring time ends most of the rest. */
const STEP_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 45];
/** The steps of a call that are worth a histogram, by their label. */
const STEPS: readonly (readonly [label: string, isIt: (of: CallStep) => boolean])[] = [
  ['push_sent', (of) => of.step === 'pushSent'],
  ['push_accepted', (of) => of.step === 'pushSettled' && of.verdict === 'accepted'],
  ['registered', (of) => of.step === 'registered'],
  ['dialled', (of) => of.step === 'dialled'],
  ['ringing', (of) => of.step === 'ringing'],
  ['answered', (of) => of.step === 'answered'],
];
/** A store on the machine's disk answers within a few milliseconds; a call waits for a quarter of a second at most. */
const STORE_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const STORE_OPERATIONS: readonly StoreOperation[] = ['get', 'put', 'claimDue', 'remove'];
/** prom-client calls these gauges "total", which is a counter's name. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];
/** Those without a reason exist from the start; the reasons come with what happens. */
const CHANGES: readonly Report[] = ['bound', 'renewed', 'token-changed', 'revived', 'wakes-seldom'];
const OUTCOMES: readonly (CallOutcome | 'plain')[] = [
  'answered',
  'elsewhere',
  'cancelled',
  'gave-up',
  'declined',
  'plain',
];

export class Metrics implements Observer {
  readonly #registry = new Registry();
  readonly #calls: Counter<'pbx' | 'outcome'>;
  readonly #steps: Histogram<'step'>;
  readonly #changes: Counter<'what' | 'reason'>;
  readonly #store: Histogram<'operation'>;
  readonly #storeErrors: Counter<'operation'>;

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
    for (const [step] of STEPS) this.#steps.zero({ step });
    this.#changes = new Counter({
      name: 'pushwake_binding_changes_total',
      help: 'Stage changes of bindings: bound, renewed, warned, ending, ended, …',
      labelNames: ['what', 'reason'],
      registers,
    });
    for (const what of CHANGES) this.#changes.inc({ what, reason: '' }, 0);
    this.#store = new Histogram({
      name: 'pushwake_store_seconds',
      help: 'How long the store took to answer, by what was asked of it',
      labelNames: ['operation'],
      buckets: STORE_BUCKETS,
      registers,
    });
    this.#storeErrors = new Counter({
      name: 'pushwake_store_errors_total',
      help: 'Answers the store did not give, by what was asked of it',
      labelNames: ['operation'],
      registers,
    });
    for (const operation of STORE_OPERATIONS) {
      this.#store.zero({ operation });
      this.#storeErrors.inc({ operation }, 0);
    }
    collectDefaultMetrics({ register: this.#registry });
    for (const name of MISNAMED) this.#registry.removeSingleMetric(name);
  }

  callOver(trace: CallTrace): void {
    this.#calls.inc({ pbx: trace.pbx, outcome: trace.outcome ?? 'plain' });
    for (const [step, isIt] of STEPS) {
      const first = trace.steps.find(isIt);
      if (first) this.#steps.observe({ step }, first.ms / 1_000);
    }
  }

  bindingChanged(what: Report, reason?: string): void {
    // How seldom it wakes is a sentence with figures: a label for each would never end.
    this.#changes.inc({ what, reason: what === 'wakes-seldom' ? '' : (reason ?? '') });
  }

  storeAnswered(operation: StoreOperation, ms: number, ok: boolean): void {
    this.#store.observe({ operation }, ms / 1_000);
    if (!ok) this.#storeErrors.inc({ operation });
  }

  /** Adds what is known elsewhere. Call once. */
  measure(measured: Measured, about: About): void {
    measure(this.#registry, measured, about);
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
