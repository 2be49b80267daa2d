/**
 * Where a web push may go. The endpoint is a URL a stranger's phone wrote into its REGISTER: without this, anybody with an
 * account could make this machine send requests into the network it stands in (server-side request forgery).
 */
import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net';

/** IANA's special-purpose registries (RFC 6890 and after): nothing of this is a push service on the open net. */
const PRIVATE_V4: readonly [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];
/** Of IPv6 only 2000::/3 is given out, and of that these lead elsewhere or inside: Teredo, ORCHID, documentation, 6to4. */
const PRIVATE_V6: readonly [string, number][] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const blocked = new BlockList();
for (const [net, bits] of PRIVATE_V4) blocked.addSubnet(net, bits, 'ipv4');
for (const [net, bits] of PRIVATE_V6) blocked.addSubnet(net, bits, 'ipv6');
const given = new BlockList();
given.addSubnet('2000::', 3, 'ipv6');

export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !blocked.check(address, 'ipv4');
  return isIP(address) === 6 && given.check(address, 'ipv6') && !blocked.check(address, 'ipv6');
}

export type Allowed =
  | {
      readonly ok: true;
      readonly url: URL /** Named by the administrator: its address is not looked at. */;
      readonly named: boolean;
    }
  | { readonly ok: false };

/** Whether an endpoint may be asked at all. `hosts`: `allowHosts` of the configuration. */
export function checkEndpoint(endpoint: string, hosts: readonly string[] | undefined): Allowed {
  const url = URL.parse(endpoint);
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '') return { ok: false };
  const port = url.port === '' ? '443' : url.port;
  if (hosts)
    return hosts.some((pattern) => fits(pattern, url.hostname, port)) ? { ok: true, url, named: true } : { ok: false };
  // Push services have names and use the port of HTTPS; an address in the URL would not be looked up, so not be checked.
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (port !== '443' || isIP(host) !== 0 || !host.includes('.')) return { ok: false };
  return { ok: true, url, named: false };
}

function fits(pattern: string, hostname: string, port: string): boolean {
  const [host = '', onPort = '443'] = pattern.split(':');
  if (onPort !== port) return false;
  return host.startsWith('*.') ? hostname.endsWith(host.slice(1)) : hostname === host;
}

/** The code of the error `publicLookup` gives for a name that leads inside. */
export const NOT_PUBLIC = 'ENOTPUBLIC';

/**
 * Resolves as the system does, and refuses a name any of whose addresses is not public. The connection goes to an address
 * that was checked: a name that changes between two look-ups (DNS rebinding) gains nothing.
 */
export function publicLookup(resolve: typeof systemLookup = systemLookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 0);
      const first = addresses[0];
      if (!first || !addresses.every(({ address }) => isPublicAddress(address))) {
        return callback(Object.assign(new Error('not a public address'), { code: NOT_PUBLIC }), '', 0);
      }
      if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}
