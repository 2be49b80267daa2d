/**
 * Composition root: the only file that wires, and the only one that exits the process. Reads the configuration, loads the
 * adapters the manifest names, starts the runtime, and stops it in order on SIGTERM and SIGINT.
 */
import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { random, randomId, systemClock } from '../adapters/clock/system/index.ts';
import { systemd } from '../adapters/supervisor/systemd/index.ts';
import {
  type AdapterKind,
  ConfigError,
  type LoadedConfig,
  loadConfig,
  type SchemaOf,
  serviceManager,
} from '../config/load.ts';
import { isServed } from '../config/realms.ts';
import { LiveConfig, type Prepared } from './app/live-config.ts';
import type { Aor } from './core/aor.ts';
import type { Targets } from './core/binding.ts';
import type { Instant } from './core/time.ts';
import { acrobitsRoutes } from './http/acrobits.ts';
import { guarded } from './http/admin.ts';
import { callKey } from './http/call-key.ts';
import { callRoutes } from './http/calls.ts';
import { deviceRoutes } from './http/devices.ts';
import { explainRoutes } from './http/explain.ts';
import { type Health, healthRoutes } from './http/health.ts';
import { HttpListener, type ListenerOptions, type Routes, type Tls } from './http/listener.ts';
import { Metrics } from './http/metrics/metrics.ts';
import { operateRoutes } from './http/operate.ts';
import { pageRoutes } from './http/pages/routes.ts';
import { WrongTokens } from './http/wrong-tokens.ts';
import { type AdapterModule, loadAdapters, readManifest } from './manifest.ts';
import type { Logger } from './ports/adapter.ts';
import type { BindingStore } from './ports/binding-store.ts';
import type { Clock } from './ports/clock.ts';
import type { EventSink } from './ports/event-sink.ts';
import type { Observer } from './ports/observer.ts';
import type { PbxLink } from './ports/pbx-link.ts';
import type { PushProvider } from './ports/push-provider.ts';
import { createDelivery } from './runtime/push/delivery.ts';
import { Runtime } from './runtime/runtime.ts';

/** Everything a person may have pasted into a log call by mistake; the second net below `Token.toJSON`. */
const REDACT = [
  'password',
  '*.password',
  'key',
  '*.key',
  'authorization',
  '*.authorization',
  'uri',
  'contact',
  '*.uri',
];
/** How long an orderly stop may take before the process ends anyway. */
const STOP_WITHIN_MS = 10_000;

export interface Adapters {
  readonly pbx: Map<string, AdapterModule<PbxLink>>;
  readonly push: Map<string, AdapterModule<PushProvider>>;
  readonly store: Map<string, AdapterModule<BindingStore>>;
  readonly events: Map<string, AdapterModule<EventSink>>;
}

/** The clock the bindings live by, and the one for disks and wires: one and the same but in demonstrations. */
export interface Clocks {
  readonly clock: Clock;
  readonly wire: Clock;
}

function machineClocks(): Clocks {
  const clock = systemClock();
  return { clock, wire: clock };
}

export async function adapters(): Promise<Adapters> {
  const manifest = readManifest();
  return {
    pbx: await loadAdapters(manifest, 'pbx'),
    push: await loadAdapters(manifest, 'push'),
    store: await loadAdapters(manifest, 'store'),
    events: await loadAdapters(manifest, 'events'),
  };
}

export function schemasOf(found: Adapters): SchemaOf {
  const of = (kind: AdapterKind, type: string) => found[kind].get(type)?.optionsSchema;
  return Object.assign(of, { types: (kind: AdapterKind) => [...found[kind].keys()].sort() });
}

/** Builds a runtime from a checked configuration. Throws `ConfigError` for what only an adapter can find (an unreadable key). */
export function compose(
  config: LoadedConfig,
  found: Adapters,
  log: Logger,
  clocks: Clocks = machineClocks(),
  observer?: Observer,
  live: LiveConfig = new LiveConfig(config, found, log, clocks.wire),
): Runtime {
  const { clock, wire } = clocks;
  const { devices } = config.http;
  const delivery = createDelivery({ providers: live.providers, clock: wire, log, random });
  const store = found.store.get(config.store.type) as AdapterModule<BindingStore>;
  return new Runtime({
    mode: config.mode,
    clock,
    wire,
    log,
    store: store.create(config.store.options, live.depsFor(config.store.type)),
    links: live.links,
    sinks: live.sinks,
    delivery,
    policyFor: withoutRefreshes(live.policyFor, (targets) => !delivery.targetFor('refresh', targets)),
    noticeText: live.noticeText,
    realmOf: live.realmOf,
    randomHex: randomId,
    forgetAfterMs: config.forgetAfter,
    ...(devices && { callKey: (callId: string, until: Instant) => callKey(devices.accountSecret, callId, until) }),
    showCaller: config.calls.showCaller,
    ...(observer && { observer, counts: true }),
  });
}

/** Where the service has no push that asks an app silently to register, none is planned. */
function withoutRefreshes(
  policyFor: LiveConfig['policyFor'],
  hasNone: (targets: Targets) => boolean,
): LiveConfig['policyFor'] {
  return (aor) => {
    const of = policyFor(aor);
    return (targets, choice) => {
      const policy = of(targets, choice);
      return targets.other && hasNone(targets) ? { ...policy, refreshFromMs: 0 } : policy;
    };
  };
}

/**
 * The listeners the configuration asks for, each with its routes. Throws `ConfigError` for certificates that cannot be read.
 */
export function listenersOf(
  config: LoadedConfig,
  runtime: Runtime,
  log: Logger,
  clock: Clock,
  metrics: Metrics | undefined,
  live: LiveConfig,
): HttpListener[] {
  const { version } = readManifest();
  const common = { version, log, clock };
  const found: HttpListener[] = [];
  const { admin, devices } = config.http;
  const served = { serves: (aor: Aor) => isServed(live.config, aor), services: live.services };
  if (admin) {
    const certificates = () =>
      found.flatMap((l) => (l.certificateEndsAt === undefined ? [] : [{ name: l.name, endsAt: l.certificateEndsAt }]));
    const routes: Routes[] = [
      healthRoutes(() => health(live.config, runtime)),
      explainRoutes(runtime),
      operateRoutes(runtime),
      pageRoutes({ site: runtime.looks, version, listeners: certificates }),
    ];
    if (metrics) {
      metrics.measure(runtime.looks, { version, certificates });
      routes.push(metrics.routes());
    }
    found.push(
      new HttpListener({
        ...common,
        name: 'admin',
        title: 'pushwake, admin listener',
        ...admin.listen,
        ...tlsOf('http.admin.tls', admin.tls),
        ratePerMinute: 0,
        routes: [guarded(() => live.config.http.admin?.tokens ?? [], routes, new WrongTokens(clock, log))],
      }),
    );
  }
  if (devices) {
    const about = { reports: runtime.reports, secret: devices.accountSecret, ...served };
    const calls = callRoutes({ find: (id) => runtime.traces.find(id), secret: devices.accountSecret, clock });
    const routes: Routes[] = [acrobitsRoutes(about), deviceRoutes(about), calls];
    found.push(
      new HttpListener({
        ...common,
        name: 'devices',
        title: 'pushwake, devices listener',
        ...devices.listen,
        ...tlsOf('http.devices.tls', devices.tls),
        trustProxy: devices.trustProxy,
        ratePerMinute: devices.ratePerMinute,
        routes,
      }),
    );
  }
  return found;
}

function tlsOf(path: string, files: Tls | undefined): Pick<ListenerOptions, 'tls' | 'readTls'> {
  return files ? { tls: readTls(path, files), readTls: () => readTls(path, files) } : {};
}

/** What `pushwake status` and monitoring are told. */
function health(config: LoadedConfig, runtime: Runtime): Health {
  const { providers, alarms } = runtime.looks.pushes();
  return {
    ...runtime.status(),
    version: readManifest().version,
    mode: config.mode,
    services: providers.map(({ provider, queued, inFlight, breaker }) => ({ provider, queued, inFlight, breaker })),
    alarms: alarms.map(({ provider, app, outcome }) => ({
      provider,
      app,
      reason: outcome.reason,
      hint: outcome.hint,
    })),
  };
}

function readTls(path: string, files: Tls): Tls {
  const read = (file: string) => {
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
      throw Object.assign(new Error(`${path}: cannot read ${file} (${code})`), { name: 'ConfigError' });
    }
  };
  return { cert: read(files.cert), key: read(files.key) };
}

/** JSON lines to stdout, or to where a command keeps its own output apart. */
export function createLogger(level: string, to: NodeJS.WritableStream = process.stdout): pino.Logger {
  const options: pino.LoggerOptions = {
    level,
    base: { service: 'pushwake' },
    redact: { paths: REDACT, censor: '…' },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  return to === process.stdout ? pino(options) : pino(options, to);
}

/** `pushwake start`. Exit code 0 after an orderly stop, 2 for a mistake in the configuration, 1 for everything else. */
export async function start(configFile: string, clocks?: Clocks): Promise<void> {
  let config: LoadedConfig;
  let runtime: Runtime;
  let log: pino.Logger;
  let listeners: HttpListener[];
  let live: LiveConfig;
  let found: Adapters;
  // From the first moment: without a listener the signal would end the process.
  const hangup = new Hangup();
  process.on('SIGHUP', () => hangup.ring());
  try {
    found = await adapters();
    config = loadConfig(configFile, schemasOf(found));
    log = createLogger(config.log.level);
    const wire = clocks?.wire ?? systemClock();
    const metrics = config.http.admin && new Metrics(Object.keys(config.pbx));
    live = new LiveConfig(config, found, log, wire);
    runtime = compose(config, found, log, clocks, metrics, live);
    listeners = listenersOf(config, runtime, log, wire, metrics, live);
  } catch (error) {
    if (isConfigError(error)) {
      process.stderr.write(`${error.message}\n`);
      process.exit(2);
    }
    throw error;
  }
  // The machine's own time, whatever clock the bindings live by.
  const service = systemd(serviceManager(), systemClock(), log);
  const isReady = () => service.ready(inOneLine(runtime.status().links));
  let stopping = false;
  const stop = (signal: string) => {
    if (stopping) return;
    stopping = true;
    service.stopping();
    log.info({ signal }, 'stopping');
    const late = setTimeout(() => process.exit(1), STOP_WITHIN_MS);
    const all = [runtime.stop(), ...listeners.map((l) => l.stop())];
    Promise.all(all).then(
      () => {
        clearTimeout(late);
        log.info('stopped');
        process.exit(0);
      },
      (error: unknown) => {
        log.error({ reason: String(error) }, 'did not stop in order');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  process.on('uncaughtException', (error) => {
    // A bug of ours. Ending is right: Asterisk rings by itself meanwhile, and a supervisor starts us again.
    log.fatal({ reason: error.message, stack: error.stack }, 'unexpected error, ending');
    process.exit(1);
  });
  try {
    // Before the runtime: health says "not ready" meanwhile, and a mistake in a route shows before calls depend on us.
    await Promise.all(listeners.map((l) => l.start()));
    await runtime.start();
  } catch (error) {
    log.fatal({ reason: error instanceof Error ? error.message : String(error) }, 'cannot start');
    process.exit(1);
  }
  log.info({ mode: config.mode, links: runtime.status().links }, 'ready');
  isReady();
  hangup.answer(async () => {
    if (stopping) return;
    service.reloading();
    await reload({ configFile, found, live, runtime, log }).finally(isReady);
  });
}

/** What `systemctl status` shows beside the state. */
function inOneLine(links: Readonly<Record<string, boolean>>): string {
  const all = Object.values(links);
  return `${all.filter(Boolean).length} of ${all.length} PBX links up`;
}

const isConfigError = (error: unknown): error is Error =>
  error instanceof ConfigError || (error instanceof Error && error.name === 'ConfigError');

/** SIGHUP, once per ring, one after the other; rings that come before there is an answer are kept as one. */
class Hangup {
  #answer: (() => Promise<void>) | undefined;
  #underWay: Promise<void> | undefined;
  #again = false;

  answer(answer: () => Promise<void>): void {
    this.#answer = answer;
    if (this.#again) this.ring();
  }

  ring(): void {
    this.#again = true;
    if (!this.#answer || this.#underWay) return;
    this.#again = false;
    this.#underWay = this.#answer().finally(() => {
      this.#underWay = undefined;
      if (this.#again) this.ring();
    });
  }
}

interface Running {
  readonly configFile: string;
  readonly found: Adapters;
  readonly live: LiveConfig;
  readonly runtime: Runtime;
  readonly log: pino.Logger;
}

/** Applies the file as it is now. One with a mistake changes nothing: every mistake is a line of the log. */
async function reload({ configFile, found, live, runtime, log }: Running): Promise<void> {
  let next: LoadedConfig;
  let prepared: Prepared;
  try {
    next = loadConfig(configFile, schemasOf(found));
    prepared = live.prepare(next);
  } catch (error) {
    const said = error instanceof Error ? error.message.split('\n') : [String(error)];
    for (const mistake of said) log.error({ mistake }, 'configuration has a mistake, nothing was changed');
    return;
  }
  prepared.commit();
  log.level = next.log.level;
  try {
    await runtime.change(prepared.change);
  } catch (error) {
    log.error({ reason: String(error) }, 'a change of the configuration was not carried out in full, restart pushwake');
  }
  const { applied, waiting } = prepared;
  log.info({ changed: applied }, applied.length > 0 ? 'configuration applied' : 'configuration read, nothing to apply');
  if (waiting.length > 0) log.warn({ keys: waiting }, 'configuration: these keys wait for the next start');
}
