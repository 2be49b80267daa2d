/**
 * What push services that are reached by one HTTPS exchange have in common: closed, aborted, no answer, Retry-After, the
 * verdict table. A service brings its request and its table; retries, deadlines, limits and logging lie outside, once for all.
 */
import type { Target, Targets } from '../../plugin/core/binding.ts';
import type { Clock } from '../../plugin/ports/clock.ts';
import type { GiveUp, PushOutcome, PushProvider, PushPurpose, PushRequest } from '../../plugin/ports/push-provider.ts';
import type { HttpsAnswer, HttpsClient, NoAnswer } from '../shared/https-client.ts';
import { isProxyTrouble } from '../shared/proxy.ts';
import { outcomeOfProxy } from './proxy-verdicts.ts';
import { type Answer, readRetryAfter } from './verdicts.ts';

/** One exchange with a service. */
export interface Exchange {
  readonly client: HttpsClient;
  /** With query. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

export interface HttpProviderSpec {
  /** The name in the configuration: the provider answers for targets of this name. */
  readonly name: string;
  readonly clock: Clock;
  /** How many pushes the service bears in flight at once. */
  readonly maxInFlight: number;
  targetFor(purpose: PushPurpose, targets: Targets): Target | undefined;
  /** What is sent for this push, or the outcome of a push that cannot be sent. */
  request(push: PushRequest): Exchange | PushOutcome;
  /** What an answer means: `readVerdict` over the service's table. A row of `acceptedStatus` stands for every 2xx. */
  outcomeOf(answer: Answer): PushOutcome;
  /** The status of the row that stands for success: 200, or what the service's documents say. */
  readonly acceptedStatus: number;
  /** The service's own words in the body of an answer, most telling first. None where the status says it all. */
  reasonsIn(body: string): readonly string[];
  /** The row's reason for an exchange without an answer. Usually the reason itself. */
  reasonOf(noAnswer: NoAnswer, code: string | undefined): string;
  /** Connections to open before they are needed, and to close at the end. */
  clients(): Iterable<HttpsClient>;
  /** Whether connections are opened before they are needed. */
  readonly warms: boolean;
  /** `HttpProxy.name` of the proxy that leads to the service, for the log and the status. Default: none. */
  readonly proxy?: string | undefined;
}

export function httpProvider(spec: HttpProviderSpec): PushProvider {
  const { name, clock, maxInFlight, outcomeOf, acceptedStatus } = spec;
  let closed = false;

  // No async function, and one closure for all pushes: what a push allocates is a good part of what it costs.
  function send(push: PushRequest, signal: GiveUp): Promise<PushOutcome> {
    if (closed) return Promise.resolve({ kind: 'failed', reason: 'closed' });
    if (signal.aborted) return Promise.resolve(outcomeOf({ reasons: ['aborted'] }));
    const asked = spec.request(push);
    if ('kind' in asked) return Promise.resolve(asked);
    const { client, path, headers, body } = asked;
    const isAwaited = push.purpose === 'call';
    return client.exchange({ method: 'POST', path, headers, body, isAwaited }, signal).then(judge);
  }

  function judge(answer: HttpsAnswer): PushOutcome {
    if ('noAnswer' in answer) {
      if (isProxyTrouble(answer.noAnswer)) return outcomeOfProxy(answer.noAnswer);
      return outcomeOf({ reasons: [spec.reasonOf(answer.noAnswer, answer.code)] });
    }
    const status = answer.status >= 200 && answer.status < 300 ? acceptedStatus : answer.status;
    const asked = answer.headers['retry-after'];
    const retryAfterMs = asked === undefined ? undefined : readRetryAfter(asked, clock.now());
    return outcomeOf({ status, reasons: spec.reasonsIn(answer.body), retryAfterMs });
  }

  return {
    name,
    maxInFlight,
    ...(spec.proxy !== undefined && { proxy: spec.proxy }),
    targetFor: (purpose, targets) => spec.targetFor(purpose, targets),
    send,
    ...(spec.warms && {
      warm: () => {
        for (const client of spec.clients()) client.warm();
      },
    }),
    async close() {
      closed = true;
      for (const client of spec.clients()) client.close();
    },
  };
}
