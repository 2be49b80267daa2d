/** What the `check`s of several adapters have in common: clocks, and whether a service can be reached at all. */
import { connect as connectPlain } from 'node:net';
import { remedyOfTrouble } from '../../plugin/core/push-remedies.ts';
import { between, DAY, type DurationMs, type Instant, MINUTE, SECOND } from '../../plugin/core/time.ts';
import type { CheckDeps, Finding } from '../../plugin/ports/finding.ts';
import { isCertificateError, openSecure, proxyFor, proxyTroubleIn } from './proxy.ts';

/** Beyond this the brake stops notices and endings. */
const CLOCKS_DIFFER: DurationMs = 10 * MINUTE;
const CLOCKS_UNEVEN: DurationMs = 5 * SECOND;
/** A certificate that ends sooner is worth a word. */
const ENDS_SOON: DurationMs = 30 * DAY;

/** The other clock was read at some moment between `before` and `after`. */
export function clockFinding(whose: string, theirs: Instant, before: Instant, after: Instant): Finding {
  const what = 'clocks';
  const ms = theirs < before ? between(theirs, before) : Math.max(0, between(after, theirs));
  const found = `${whose}’s differs from ours by ${ms < SECOND ? 'less than 1 s' : `${Math.round(ms / SECOND)} s`}`;
  const remedy = 'let both machines keep time by NTP (chrony, systemd-timesyncd)';
  if (ms > CLOCKS_DIFFER) return { level: 'fail', what, found: `${found}: notices and endings are held back`, remedy };
  return ms > CLOCKS_UNEVEN ? { level: 'warn', what, found, remedy } : { level: 'ok', what, found };
}

/** The finding for a key or certificate that ends one day. `name` is what the administrator calls it. */
export function endFinding(what: string, name: string, endsAt: Instant, now: Instant): Finding {
  const days = Math.floor(between(now, endsAt) / DAY);
  const remedy = 'renew it and put the new one in its place; it is read again by itself';
  if (endsAt <= now) return { level: 'fail', what, found: `${name} has ended`, remedy };
  const found = `${name} ends in ${days} days`;
  return between(now, endsAt) < ENDS_SOON ? { level: 'warn', what, found, remedy } : { level: 'ok', what, found };
}

/** Why a request got no answer, in a word. */
export function reasonOf(error: unknown): string {
  const trouble = proxyTroubleIn(error);
  if (trouble !== undefined) return trouble;
  const { code, message } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
  if ((error as Error).name === 'TimeoutError') return 'no answer in time';
  if (code === 'ETIMEDOUT') return 'no answer in time';
  return typeof code === 'string' ? code : message;
}

export interface Door {
  readonly host: string;
  readonly port: number;
  /** Default true. */
  readonly tls?: boolean;
  /** PEM of an authority of its own. */
  readonly ca?: string | undefined;
  readonly alpn?: readonly string[];
}

/** Opens a connection and closes it again: nothing is sent. */
export async function reach(door: Door, { offline, timeoutMs, clock, proxy }: CheckDeps): Promise<Finding> {
  const what = 'network';
  const name = `${door.host}:${door.port}`;
  if (offline) return { level: 'ok', what, found: `${name} was not tried (--offline)` };
  const via = door.tls === false ? undefined : proxyFor(proxy, door.host, door.port);
  const through = via === undefined ? '' : ` through the proxy ${via.name} (${via.from})`;
  try {
    if (door.tls === false) await opened(door, timeoutMs);
    else {
      const tls = { ...(door.ca ? { ca: door.ca } : {}), ...(door.alpn ? { ALPNProtocols: [...door.alpn] } : {}) };
      const socket = await openSecure({ ...door, tls }, { proxy, clock, withinMs: timeoutMs });
      socket.destroy();
    }
    return { level: 'ok', what, found: `${name} can be reached${through}${door.tls === false ? '' : ' by TLS'}` };
  } catch (error) {
    const trouble = proxyTroubleIn(error);
    const remedy =
      trouble !== undefined
        ? remedyOfTrouble(trouble)
        : isCertificateError(error) || /SELF_SIGNED|ISSUER/.test(reasonOf(error))
          ? 'something between decrypts TLS, or the certificates of this machine are old (ca-certificates)'
          : `let this machine reach ${name}: firewall, proxy (push.proxy), DNS`;
    return { level: 'fail', what, found: `${name} cannot be reached${through} (${reasonOf(error)})`, remedy };
  }
}

/** Without TLS: a receiver of one's own. */
function opened({ host, port }: Door, timeoutMs: DurationMs): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = AbortSignal.timeout(timeoutMs);
    const socket = connectPlain({ host, port });
    const onLate = () => socket.destroy(Object.assign(new Error('no answer in time'), { name: 'TimeoutError' }));
    late.addEventListener('abort', onLate);
    socket.once('connect', () => {
      late.removeEventListener('abort', onLate);
      socket.end();
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });
}
