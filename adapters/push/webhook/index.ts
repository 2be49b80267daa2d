/**
 * Hands every push to an HTTP server of one's own, signed: the way to a push service pushwake does not know. Configured under
 * the name the app uses in `pn-provider`, as often as there are such services.
 */
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import type { GiveUp, PushOutcome, PushProvider, PushRequest } from '../../../plugin/ports/push-provider.ts';
import { HttpsClient } from '../../shared/https-client.ts';
import { sign } from '../../shared/signature.ts';
import { readRetryAfter } from '../verdicts.ts';
import { optionsSchema } from './options.ts';
import { outcomeOf } from './outcome.ts';
import { buildBody } from './payload.ts';

export { checkWebhook as check } from '../../shared/webhook-check.ts';
export { optionsSchema } from './options.ts';

const IN_FLIGHT_PER_CONNECTION = 50;

export function create(input: unknown, { clock, name }: AdapterDeps): PushProvider {
  const options = optionsSchema.parse(input);
  const url = new URL(options.url);
  const path = `${url.pathname}${url.search}`;
  const maxInFlight = IN_FLIGHT_PER_CONNECTION * options.connections;
  const client = new HttpsClient({
    origin: url.origin,
    ca: options.ca,
    connections: options.connections,
    sockets: maxInFlight,
    requestTimeoutMs: options.requestTimeoutMs,
    clock,
  });
  let closed = false;

  async function send(request: PushRequest, signal: GiveUp): Promise<PushOutcome> {
    if (closed) return { kind: 'failed', reason: 'closed' };
    const body = buildBody(request);
    if (body === undefined) return { kind: 'failed', reason: 'payload too large' };
    const headers = {
      'content-type': 'application/json',
      ...sign(options.secret, request.pushId, clock.now(), body),
    };
    const answer = await client.exchange({ method: 'POST', path, headers, body }, signal);
    if ('noAnswer' in answer) return outcomeOf({ reasons: [answer.noAnswer] });
    const retryAfterMs = readRetryAfter(answer.headers['retry-after'], clock.now());
    const status = answer.status >= 200 && answer.status < 300 ? 200 : answer.status;
    return outcomeOf({ status, retryAfterMs });
  }

  return {
    name,
    maxInFlight,
    targetFor(purpose, { call, other }) {
      const ours = [call, other].filter((target) => target?.provider === name);
      // What is only good for calls gets nothing else, as everywhere.
      return purpose === 'call' ? ours[0] : ours.find((target) => target === other);
    },
    send,
    warm: () => client.warm(),
    async close() {
      closed = true;
      client.close();
    },
  };
}
