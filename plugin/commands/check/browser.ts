/** The phone for the browser: the addresses that a browser uses, asked as it asks them. Nothing else is connected to. */
import type { LoadedConfig } from '../../../config/load.ts';
import { phonePage } from '../../app/listeners.ts';
import { isLoopback } from '../../core/loopback.ts';
import type { Instant } from '../../core/time.ts';
import type { Finding } from '../../ports/finding.ts';
import { type Address, pageFindings, webSocketFindings } from './browser-findings.ts';
import { lookAtPage, lookAtWebSocket, type Probing } from './browser-probe.ts';

export interface BrowserDeps {
  readonly running: boolean;
  readonly offline: boolean;
  readonly now: Instant;
  /** Tests: further authorities. */
  readonly probing?: Probing;
}

const NO_PAGE: Finding = {
  level: 'warn',
  what: 'page for browsers',
  found: 'where browsers reach the page is not known',
  remedy: 'write `page: https://phone.example.com` into http.devices.phone',
};

const NO_WSS: Finding = {
  level: 'warn',
  what: 'WebSocket for browsers',
  found:
    'where browsers reach the PBX is not known: the page goes to its own host, port 8089 (Asterisk) or 7443 (FreeSWITCH)',
  remedy: 'write `wss: wss://phone.example.com/ws` into http.devices.phone, or `page`, whose host is then asked',
};

/** Where the PBX of each type takes browsers by itself. */
const DEFAULTS: Readonly<Record<string, string>> = { asterisk: ':8089/ws', freeswitch: ':7443' };

export async function* checkBrowser(config: LoadedConfig, deps: BrowserDeps): AsyncIterable<Finding> {
  const { devices } = config.http;
  if (!devices?.phone) return;
  const page = phonePage(devices);
  const looks: Promise<Finding[]>[] = [];
  if (page === undefined) yield NO_PAGE;
  else looks.push(lookAt({ url: `${page}/phone/`, from: 'http.devices.phone.page' }, 'page for browsers', deps, page));
  const { wss = [] } = devices.phone;
  // The listener's own address is none of the hosts that a browser elsewhere opens the page by.
  const known = devices.phone.page ?? devices.publicUrl;
  const addresses =
    wss.length > 0 || known === undefined
      ? wss.map((url) => ({ url, from: 'http.devices.phone.wss' }))
      : defaultsOf(config, known);
  for (const address of addresses) looks.push(lookAt(address, 'WebSocket for browsers', deps, page));
  for (const findings of looks) yield* await findings;
  if (addresses.length === 0) yield NO_WSS;
}

/** What a page without any goes to: the PBX on its own host. */
function defaultsOf({ pbx }: LoadedConfig, page: string): Address[] {
  const types = new Set(Object.values(pbx).map(({ type }) => type));
  return [...types].flatMap((type) => {
    const rest = DEFAULTS[type];
    const from = 'http.devices.phone.wss, which is not set';
    return rest === undefined ? [] : [{ url: `wss://${new URL(page).hostname}${rest}`, from }];
  });
}

async function lookAt(
  address: Address,
  what: 'page for browsers' | 'WebSocket for browsers',
  { running, offline, now, probing }: BrowserDeps,
  page: string | undefined,
): Promise<Finding[]> {
  const { protocol, hostname } = new URL(address.url);
  const isHere = isLoopback(hostname);
  if (offline && !isHere) return [{ level: 'ok', what, found: `${address.url} was not tried (--offline)` }];
  const origin = page === undefined ? {} : { origin: new URL(page).origin };
  const findings =
    what === 'page for browsers'
      ? [...pageFindings(address, await lookAtPage(address.url, probing), running, now)]
      : [...webSocketFindings(address, await lookAtWebSocket(address.url, { ...origin, ...probing }), now)];
  const forThisMachine = isHere && (protocol === 'http:' || protocol === 'ws:');
  return findings.map((f) =>
    forThisMachine && f.level === 'ok' ? { ...f, found: `${f.found}, for a browser on this machine alone` } : f,
  );
}
