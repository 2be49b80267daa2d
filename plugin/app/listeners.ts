/** The HTTP listeners that the configuration asks for, each with its routes, its certificates and what it shows of health. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { randomId } from '../../adapters/clock/system/index.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { isServed, realmsOf } from '../../config/realms.ts';
import { type Aor, servesAor } from '../core/aor.ts';
import { isLoopback } from '../core/loopback.ts';
import { acrobitsRoutes } from '../http/acrobits.ts';
import { guarded } from '../http/admin.ts';
import { appTestRoutes } from '../http/app-tests.ts';
import { callRoutes } from '../http/calls.ts';
import { deviceRoutes } from '../http/devices.ts';
import { explainRoutes } from '../http/explain.ts';
import { type Health, healthRoutes } from '../http/health.ts';
import { HttpListener, type ListenerOptions, openapiRoute, type Routes, type Tls } from '../http/listener.ts';
import type { Metrics } from '../http/metrics/metrics.ts';
import { operateRoutes } from '../http/operate.ts';
import { pageRoutes } from '../http/pages/routes.ts';
import { type PhoneOptions, phoneRoutes } from '../http/phone.ts';
import { PhoneCodes } from '../http/phone-codes.ts';
import { type PhoneLinkOptions, phoneLinkRoutes } from '../http/phone-links.ts';
import { pushRoutes } from '../http/push-api.ts';
import { voicemailRoutes } from '../http/voicemail.ts';
import { WrongTokens } from '../http/wrong-tokens.ts';
import { readManifest } from '../manifest.ts';
import type { Logger } from '../ports/adapter.ts';
import type { Clock } from '../ports/clock.ts';
import { ConfigError } from '../ports/config-error.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { connectionShares, descriptorLimit } from './descriptors.ts';
import type { LiveConfig } from './live-config.ts';
import type { PhoneParts } from './phone-assets.ts';

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
  phoneParts?: PhoneParts,
): HttpListener[] {
  const { version } = readManifest();
  const common = { version, log, clock };
  const found: HttpListener[] = [];
  const { admin, devices } = config.http;
  const shares = connectionShares(descriptorLimit());
  const served = { serves: (aor: Aor) => isServed(live.config, aor), services: live.services };
  const exists = (aor: Aor) => runtime.operator.exists(aor);
  const phone = phoneOf(config, { serves: served.serves, exists }, clock, live, phoneParts);
  if (admin) {
    const certificates = () =>
      found.flatMap((l) => (l.certificateEndsAt === undefined ? [] : [{ name: l.name, endsAt: l.certificateEndsAt }]));
    const routes: Routes[] = [
      healthRoutes(() => health(live.config, runtime)),
      explainRoutes(runtime.operator),
      operateRoutes(runtime.operator, runtime.drain, () => runtime.status.status().waiting),
      appTestRoutes(runtime.appTests, version),
      pushRoutes(runtime.customPushes),
      voicemailRoutes(runtime),
      phoneLinkRoutes(phone),
      pageRoutes({ site: runtime.status, version, listeners: certificates }),
      openapiRoute,
    ];
    if (metrics) {
      metrics.measure(runtime.status, { version, certificates });
      routes.push(metrics.routes());
    }
    found.push(
      new HttpListener({
        ...common,
        name: 'admin',
        title: 'pushwake, admin listener',
        ...admin.listen,
        ...tlsOf('admin', config),
        ratePerMinute: 0,
        maxConnections: shares.admin,
        routes: [guarded(() => live.config.http.admin?.tokens ?? [], routes, new WrongTokens(clock, log))],
      }),
    );
  }
  if (devices) {
    const about = { reports: runtime.reports, secret: devices.accountSecret, ...served };
    const calls = callRoutes({ find: (id) => runtime.traces.find(id), secret: devices.accountSecret, clock });
    const routes: Routes[] = [acrobitsRoutes(about), deviceRoutes(about), calls, openapiRoute];
    if (phone) routes.push(phoneRoutes(phone));
    found.push(
      new HttpListener({
        ...common,
        name: 'devices',
        title: 'pushwake, devices listener',
        ...devices.listen,
        ...tlsOf('devices', config),
        trustProxy: devices.trustProxy,
        ratePerMinute: devices.ratePerMinute,
        maxConnections: shares.devices,
        routes,
      }),
    );
  }
  return found;
}

/** What both listeners need for the phone of the browser: the admin listener makes the codes, the devices listener takes them. */
function phoneOf(
  { http: { devices } }: LoadedConfig,
  accounts: Pick<PhoneLinkOptions, 'serves' | 'exists'>,
  clock: Clock,
  live: LiveConfig,
  parts: PhoneParts | undefined,
): (PhoneOptions & PhoneLinkOptions) | undefined {
  if (!devices?.phone || !parts) return undefined;
  const { wss = [] } = devices.phone;
  return {
    assets: parts.assets,
    codes: new PhoneCodes({ clock, randomHex: randomId }),
    secret: devices.accountSecret,
    ...accounts,
    wss,
    wssDefaultOf: (aor) => {
      const [pbx] = [...realmsOf(live.config)].find(([, realms]) => servesAor(realms, aor)) ?? [];
      return pbx !== undefined && live.config.pbx[pbx]?.type === 'freeswitch' ? '7443' : '8089/ws';
    },
    // The key may be another one after a reload.
    vapidPublicKey: () => parts.publicKeyOf(live.config.push.webpush?.options, 'push.webpush.privateKey'),
    page: phonePage(devices),
  };
}

/** Where browsers reach the phone's page, without `/phone/`. Undefined: nobody has said it. */
export function phonePage(devices: NonNullable<LoadedConfig['http']['devices']>): string | undefined {
  return devices.phone?.page ?? devices.publicUrl?.replace(/\/+$/, '') ?? ownAddress(devices);
}

/** Where a browser on this machine reaches a listener that no other machine does. */
function ownAddress({
  listen: { host, port },
  tls,
}: Pick<NonNullable<LoadedConfig['http']['devices']>, 'listen' | 'tls'>) {
  if (!isLoopback(host)) return undefined;
  return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Reads and checks the certificates of both listeners. Throws `ConfigError` with every mistake. */
export function certificatesOf(config: Pick<LoadedConfig, 'http'>): void {
  const mistakes: string[] = [];
  for (const name of ['admin', 'devices'] as const) {
    try {
      tlsOf(name, config);
    } catch (error) {
      mistakes.push((error as Error).message);
    }
  }
  if (mistakes.length > 0) throw new ConfigError(mistakes.join('\n'));
}

function tlsOf(
  name: 'admin' | 'devices',
  { http }: Pick<LoadedConfig, 'http'>,
): Pick<ListenerOptions, 'tls' | 'readTls'> {
  const files = http[name]?.tls;
  const path = `http.${name}.tls`;
  return files ? { tls: readTls(path, files), readTls: () => readTls(path, files) } : {};
}

/** The latest; the log names all. */
const NOT_BOUND_SHOWN = 20;

/** What `pushwake status` and monitoring get. */
function health(config: LoadedConfig, runtime: Runtime): Health {
  const { providers, alarms } = runtime.status.pushes();
  const { trouble: storeTrouble } = runtime.status.store();
  const nodes = runtime.status.nodes();
  const heapTrouble = runtime.status.heap()?.trouble;
  return {
    ...runtime.status.status(),
    ...(runtime.drain.isOn && { draining: true as const }),
    ...(storeTrouble && { storeTrouble: storeTrouble.reason }),
    ...(heapTrouble !== undefined && { heapTrouble }),
    ...(nodes.length > 0 && { nodes }),
    brakes: runtime.status.brake(),
    notBound: runtime.status
      .notBound()
      .slice(-NOT_BOUND_SHOWN)
      .map(({ aor, pbx, reason, remedy }) => ({ aor, pbx, reason, remedy })),
    version: readManifest().version,
    mode: config.mode,
    services: providers.map(({ provider, queued, inFlight, breaker, trouble, proxy }) => ({
      provider,
      queued,
      inFlight,
      breaker,
      ...(trouble === undefined ? {} : { trouble }),
      ...(proxy === undefined ? {} : { proxy }),
    })),
    alarms: alarms.map(({ provider, app, outcome }) => ({
      provider,
      app,
      reason: outcome.reason,
      hint: outcome.hint,
    })),
  };
}

function readTls(path: string, files: Tls): Tls {
  const read = (which: keyof Tls) => {
    try {
      return readFileSync(files[which], 'utf8');
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
      throw new ConfigError(`${path}.${which}: cannot read ${files[which]} (${code})`);
    }
  };
  const tls = { cert: read('cert'), key: read('key') };
  // OpenSSL's own words are left out: they may quote what it read.
  const holds = (which: keyof Tls, expected: string, check: () => unknown) => {
    try {
      check();
    } catch {
      throw new ConfigError(`${path}.${which}: ${files[which]} ${expected}`);
    }
  };
  holds(
    'cert',
    'holds no certificate; expected PEM, the chain with the leaf first',
    () => new X509Certificate(tls.cert),
  );
  holds('key', 'holds no private key; expected PEM without a passphrase', () => createPrivateKey(tls.key));
  holds('key', `is not the key of ${files.cert}`, () => createSecureContext(tls));
  return tls;
}
