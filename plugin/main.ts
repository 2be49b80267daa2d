/**
 * Composition root: the only file that wires, and the only one that exits the process. Reads the configuration, loads the
 * adapters the manifest names, starts the runtime, and stops it in order on SIGTERM and SIGINT.
 */
import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { random, randomId, systemClock } from '../adapters/clock/system/index.ts';
import { type AdapterKind, ConfigError, type LoadedConfig, loadConfig, type SchemaOf } from '../config/load.ts';
import { loadMessages, localeChooser } from '../config/messages.ts';
import { policyChooser } from '../config/policies.ts';
import { isServed, realmsOf } from '../config/realms.ts';
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
import { Metrics } from './http/metrics.ts';
import { operateRoutes } from './http/operate.ts';
import { pageRoutes } from './http/pages/routes.ts';
import { WrongTokens } from './http/wrong-tokens.ts';
import { type AdapterModule, loadAdapters, readManifest } from './manifest.ts';
import type { AdapterDeps, Logger } from './ports/adapter.ts';
import type { BindingStore } from './ports/binding-store.ts';
import type { Clock } from './ports/clock.ts';
import type { EventSink } from './ports/event-sink.ts';
import type { Observer } from './ports/observer.ts';
import type { PbxLink } from './ports/pbx-link.ts';
import type { PushProvider } from './ports/push-provider.ts';
import { createDelivery } from './runtime/delivery.ts';
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

type PolicyChooser = ReturnType<typeof policyChooser>;

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
): Runtime {
  const { clock, wire } = clocks;
  const make = <T>(
    modules: Map<string, AdapterModule<T>>,
    name: string,
    entry: { type: string; options: unknown },
  ): T => {
    const module = modules.get(entry.type) as AdapterModule<T>;
    return module.create(entry.options, {
      clock: wire,
      log,
      name,
      observing: config.mode === 'observe',
    } satisfies AdapterDeps);
  };
  const providers = Object.entries(config.push).map(([name, entry]) => make(found.push, name, entry));
  const sinks = Object.entries(config.events).map(([name, entry]) => make(found.events, name, entry));
  const links = Object.entries(config.pbx).map(([name, entry]) => make(found.pbx, name, entry));
  const realms = realmsOf(config);
  const { devices } = config.http;
  const messages = loadMessages();
  const localeOf = localeChooser(config, messages);
  const delivery = createDelivery({ providers, clock: wire, log, random });
  return new Runtime({
    mode: config.mode,
    clock,
    wire,
    log,
    store: make(found.store, config.store.type, config.store),
    links,
    sinks,
    delivery,
    policyFor: withoutRefreshes(policyChooser(config), (targets) => !delivery.targetFor('refresh', targets)),
    noticeText: (aor, notice) => messages.text(localeOf(aor), notice),
    realmOf: (link) => realms.get(link) ?? '',
    randomHex: randomId,
    forgetAfterMs: config.forgetAfter,
    ...(devices && { callKey: (callId: string, until: Instant) => callKey(devices.accountSecret, callId, until) }),
    showCaller: config.calls.showCaller,
    ...(observer && { observer, counts: true }),
  });
}

/** Where the service has no push that asks an app silently to register, none is planned. */
function withoutRefreshes(policyFor: PolicyChooser, hasNone: (targets: Targets) => boolean): PolicyChooser {
  return (aor) => {
    const of = policyFor(aor);
    return (targets) => (targets.other && hasNone(targets) ? { ...of(targets), refreshFromMs: 0 } : of(targets));
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
  metrics?: Metrics,
): HttpListener[] {
  const { version } = readManifest();
  const common = { version, log, clock };
  const found: HttpListener[] = [];
  const { admin, devices } = config.http;
  const served = { serves: (aor: Aor) => isServed(config, aor), services: new Set(Object.keys(config.push)) };
  if (admin) {
    const certificates = () =>
      found.flatMap((l) => (l.certificateEndsAt === undefined ? [] : [{ name: l.name, endsAt: l.certificateEndsAt }]));
    const routes: Routes[] = [
      healthRoutes(() => health(config, runtime)),
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
        routes: [guarded(admin.tokens, routes, new WrongTokens(clock, log))],
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
  try {
    const found = await adapters();
    config = loadConfig(configFile, schemasOf(found));
    log = createLogger(config.log.level);
    const metrics = config.http.admin && new Metrics(Object.keys(config.pbx));
    runtime = compose(config, found, log, clocks, metrics);
    listeners = listenersOf(config, runtime, log, clocks?.wire ?? systemClock(), metrics);
  } catch (error) {
    if (error instanceof ConfigError || (error instanceof Error && error.name === 'ConfigError')) {
      process.stderr.write(`${error.message}\n`);
      process.exit(2);
    }
    throw error;
  }
  let stopping = false;
  const stop = (signal: string) => {
    if (stopping) return;
    stopping = true;
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
}
