/** What Redis says when it cannot, in words that say what to do. */

const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [
    /WRONGPASS|NOAUTH|invalid username-password/i,
    'it refuses our user or password: see store.url, and `ACL LIST` there',
  ],
  [
    /NOPERM/i,
    'its user may not do this: it needs +@read +@write +@scripting +@transaction +@connection +time +info on our keys',
  ],
  [/READONLY/i, 'this is a read-only replica: name the primary in store.url, or the cluster in store.cluster'],
  [/OOM command not allowed/i, 'its memory is full: raise maxmemory there; bindings must not be evicted'],
  [/MISCONF/i, 'it cannot write its disk: look at its log and its free space'],
  [/CLUSTERDOWN|no available slots|slot.*not served/i, 'a part of the cluster is down: see `redis-cli cluster info`'],
  [/CROSSSLOT/i, 'this is a cluster: list its nodes under store.cluster instead of store.url'],
  [/LOADING/i, 'it is still reading its data; this passes by itself'],
  [/ECONNREFUSED/i, 'nothing listens there: is it running, and is the address right?'],
  [/ENOTFOUND|EAI_AGAIN/i, 'its name cannot be resolved'],
  [
    /certificate|self.signed|TLS|SSL/i,
    'its certificate is not trusted: see NODE_EXTRA_CA_CERTS, and rediss:// in store.url',
  ],
  [/timed? ?out|no answer within|socket timeout/i, 'it does not answer: is it frozen, or the way to it cut?'],
  [/closed|offline|ECONNRESET|Disconnect|Socket/i, 'the connection is down; we keep trying'],
];

/** Never holds a password: the URL is not repeated, only host and port. */
export function inWords(where: string, cause: unknown): string {
  const said = cause instanceof Error ? cause.message || cause.name : String(cause);
  const remedy = REMEDIES.find(([pattern]) => pattern.test(said))?.[1];
  return `redis at ${where}: ${remedy ?? 'unexpected answer'} (${said.split('\n')[0]})`;
}
