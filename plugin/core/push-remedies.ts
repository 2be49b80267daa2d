/**
 * What an administrator can do about a push service that did not take a push, by the reason the provider gave. One table for
 * the log, `explain` and the pages, so that all three say the same.
 */

const REMEDIES: readonly (readonly [reason: RegExp, remedy: string])[] = [
  [
    /^proxy (?:not reachable|gave no answer)$/,
    'The HTTP proxy between this machine and the service does not answer. Is it up, and is its host and port right (push.proxy, or HTTPS_PROXY in the environment of the service)? `pushwake check` tries it.',
  ],
  [
    /^proxy cannot reach the service$/,
    'The HTTP proxy answers, but cannot reach the service: its log says why. It is an outage of the service, or of the proxy’s own way to the Internet.',
  ],
  [
    /^proxy refuses the login$/,
    'The HTTP proxy wants another user and password (407): correct them in the URL, http://user:password@host:port (push.proxy, or HTTPS_PROXY in the environment of the service).',
  ],
  [
    /^proxy refuses the service$/,
    'The HTTP proxy does not allow CONNECT to this push service: allow its host and port in the proxy’s rules, or name it in push.proxy under except.',
  ],
  [
    /^proxy certificate not trusted$/,
    'The certificate of the HTTP proxy itself is not trusted: give its authority as push.proxy.ca, or reach the proxy by http://.',
  ],
  [
    /^cannot connect$/,
    'Can this machine reach the service? DNS, firewall and proxy: port 443, for Apple also 2197. `pushwake check` tries it.',
  ],
  [
    /^certificate not trusted$/,
    'Something between this machine and the service opens the TLS connection (a proxy that inspects it), or the clock of this machine is wrong.',
  ],
  [
    /^(?:no answer|connection lost|refused$|too late$)/,
    'The connection was open and nothing came back: a firewall that drops idle connections, a line that loses packets, or an outage of the service. If it lasts: `pushwake check`, and the status page of the service.',
  ],
  [
    /TooManyRequests|QUOTA_EXCEEDED|RESOURCE_EXHAUSTED|\b429\b/i,
    'The service wants fewer pushes, in all or to this one device. It passes by itself; if it does not, look for a device that is called or refreshed without end.',
  ],
  [
    /Unavailable|Internal|Shutdown|\b5\d\d\b/i,
    'An outage or overload of the service: it passes by itself. The status page of the service says more.',
  ],
];

const OTHERWISE = 'Look at the status page of the service, and run `pushwake check`.';

/** Never the text of a stranger: `reason` chooses a sentence and is not repeated. */
export function remedyOfTrouble(reason: string): string {
  return REMEDIES.find(([pattern]) => pattern.test(reason))?.[1] ?? OTHERWISE;
}

/** Who did not let a push through: the service, or the proxy in front of it. `proxy`: its name. */
export function refuserOf(provider: string, reason: string, proxy: string | undefined): string {
  return reason.startsWith('proxy ') ? `the proxy ${proxy ?? ''} in front of ${provider}` : provider;
}
