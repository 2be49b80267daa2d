/**
 * Hands every push to an HTTP server of one's own, signed: the way to a push service pushwake does not know. Configured under
 * the name the app uses in `pn-provider`, as often as there are such services.
 */
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import type { PushProvider } from '../../../plugin/ports/push-provider.ts';
import { HttpsClient } from '../../shared/https-client.ts';
import { sign } from '../../shared/signature.ts';
import { httpProvider } from '../http-provider.ts';
import { optionsSchema } from './options.ts';
import { outcomeOf } from './outcome.ts';
import { buildBody } from './payload.ts';

export { checkWebhook as check } from '../../shared/webhook-check.ts';
export { optionsSchema } from './options.ts';

const IN_FLIGHT_PER_CONNECTION = 50;

export function create(input: unknown, { clock, name, proxy }: AdapterDeps): PushProvider {
  const { url: target, ca, connections, requestTimeoutMs, secret } = optionsSchema.parse(input);
  const url = new URL(target);
  const path = `${url.pathname}${url.search}`;
  const maxInFlight = IN_FLIGHT_PER_CONNECTION * connections;
  const client = new HttpsClient({
    origin: url.origin,
    ca,
    connections,
    sockets: maxInFlight,
    requestTimeoutMs,
    clock,
    proxy,
  });
  return httpProvider({
    name,
    clock,
    maxInFlight,
    proxy: client.proxy?.name,
    outcomeOf,
    acceptedStatus: 200,
    reasonsIn: () => [],
    reasonOf: (noAnswer) => noAnswer,
    clients: () => [client],
    warms: true,
    targetFor(purpose, { call, other }) {
      const ours = [call, other].filter((target) => target?.provider === name);
      // A target that is only good for calls gets nothing else, as with every service.
      return purpose === 'call' ? ours[0] : ours.find((target) => target === other);
    },
    request(push) {
      const body = buildBody(push);
      if (body === undefined) return { kind: 'failed', reason: 'payload too large' };
      const headers = { 'content-type': 'application/json', ...sign(secret, push.pushId, clock.now(), body) };
      return { client, path, headers, body };
    },
  });
}
