/**
 * Acrobits' push service (PNM2) for Groundwire, Cloud Softphone and other apps of theirs: needs no key and no account. Makes
 * one exchange, gives its outcome. Where the tokens come from: `plugin/http/reports.ts`.
 */
import type { Target, Targets } from '../../../plugin/core/binding.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import type {
  GiveUp,
  PushOutcome,
  PushProvider,
  PushPurpose,
  PushRequest,
} from '../../../plugin/ports/push-provider.ts';
import { HttpsClient } from '../../shared/https-client.ts';
import { readRetryAfter } from '../verdicts.ts';
import { optionsSchema } from './options.ts';
import { codesOf, outcomeOf } from './outcome.ts';
import { buildMessage } from './payload.ts';

export { check } from './check.ts';
export { optionsSchema } from './options.ts';

/** Streams per connection; what servers allow at least (RFC 9113 §6.5.2). */
const IN_FLIGHT_PER_CONNECTION = 100;

const HEADERS = { 'content-type': 'application/json', accept: 'application/json' };

export function create(input: unknown, { clock, name }: AdapterDeps): PushProvider {
  const options = optionsSchema.parse(input);
  const url = new URL(options.url);
  const path = `${url.pathname}${url.search}`;
  const maxInFlight = IN_FLIGHT_PER_CONNECTION * options.connections;
  const client = new HttpsClient({
    origin: url.origin,
    connectTo: options.endpoint,
    connections: options.connections,
    sockets: maxInFlight,
    requestTimeoutMs: options.requestTimeoutMs,
    clock,
  });
  let closed = false;

  function targetFor(purpose: PushPurpose, targets: Targets): Target | undefined {
    const ours = (target: Target | undefined) => (target?.provider === name ? target : undefined);
    switch (purpose) {
      case 'call':
        return ours(targets.call) ?? ours(targets.other);
      // "A PushKit push for anything else flashes CallKit": the closing word and the texts take the other token.
      case 'cancel':
      case 'notice':
        return ours(targets.other);
      // No verb asks the app to register and shows nothing.
      case 'refresh':
        return undefined;
    }
  }

  async function send(request: PushRequest, signal: GiveUp): Promise<PushOutcome> {
    if (closed) return { kind: 'failed', reason: 'closed' };
    const body = buildMessage(request, options);
    if (body === undefined)
      return { kind: 'failed', reason: request.target.selector ? 'payload too large' : 'no selector' };
    const answer = await client.exchange({ method: 'POST', path, headers: HEADERS, body }, signal);
    if ('noAnswer' in answer) return outcomeOf({ reasons: [answer.noAnswer] });
    const retryAfterMs = readRetryAfter(answer.headers['retry-after'], clock.now());
    // 201 and 202 are as good as 200; what counts stands in the body.
    const status = answer.status >= 200 && answer.status < 300 ? 200 : answer.status;
    return outcomeOf({ status, reasons: codesOf(answer.body), retryAfterMs });
  }

  return {
    name,
    maxInFlight,
    targetFor,
    send,
    warm: () => client.warm(),
    async close() {
      closed = true;
      client.close();
    },
  };
}
