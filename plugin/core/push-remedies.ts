/**
 * What an administrator can do about a push service that did not take a push, by the reason the provider gave. One table for
 * the log, `explain` and the pages, so that all three say the same.
 */

const REMEDIES: readonly (readonly [reason: RegExp, remedy: string])[] = [
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
