/**
 * What it means for a push that an HTTP proxy did not lead to its service: one table for every service. None of these says
 * anything about a device. Pure.
 */
import type { PushOutcome, Verdict } from '../../plugin/ports/push-provider.ts';
import type { ProxyTrouble } from '../shared/proxy.ts';
import { readVerdict } from './verdicts.ts';

export const PROXY_VERDICTS: readonly (Verdict & { readonly reason: ProxyTrouble })[] = [
  {
    reason: 'proxy not reachable',
    outcome: 'retryLater',
    why: 'Nobody listens there, or its name is not known: passes, or is seen by the breaker.',
  },
  {
    reason: 'proxy gave no answer',
    outcome: 'retryLater',
    why: 'It took the connection and was silent, closed it, or gave what is no answer of a proxy. The service was not asked.',
  },
  {
    reason: 'proxy cannot reach the service',
    outcome: 'retryLater',
    why: '5xx, 408 or 429 of the proxy: the service, or the proxy itself, is away or overloaded.',
  },
  {
    reason: 'proxy refuses the login',
    outcome: 'misconfigured',
    hint: 'the proxy wants another user and password (407): correct them in the URL of push.proxy, http://user:password@host:port, or in HTTPS_PROXY',
    why: 'It says so to every push, until somebody mends it.',
  },
  {
    reason: 'proxy refuses the service',
    outcome: 'misconfigured',
    hint: 'the proxy does not allow CONNECT to this push service: allow its host and port there, or name it in push.proxy under except',
    why: '403 and other refusals: a rule of the proxy.',
  },
  {
    reason: 'proxy certificate not trusted',
    outcome: 'misconfigured',
    hint: 'the certificate of the proxy itself is not trusted: give its authority as push.proxy.ca, or reach it by http://',
    why: 'For a proxy of https:// alone.',
  },
];

export function outcomeOfProxy(trouble: ProxyTrouble): PushOutcome {
  return readVerdict(PROXY_VERDICTS, { reasons: [trouble] });
}
