/**
 * Acrobits' push service (PNM2) for Groundwire, Cloud Softphone and other apps of theirs: needs no key and no account. Makes
 * one exchange, gives its outcome. Where the tokens come from: `plugin/http/acrobits.ts`.
 */
import type { Target } from '../../../plugin/core/binding.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import type { PushProvider } from '../../../plugin/ports/push-provider.ts';
import { HttpsClient } from '../../shared/https-client.ts';
import { httpProvider } from '../http-provider.ts';
import { optionsSchema } from './options.ts';
import { codesOf, outcomeOf } from './outcome.ts';
import { buildMessage } from './payload.ts';

export { check } from './check.ts';
export { optionsSchema } from './options.ts';

/** Streams per connection; what servers allow at least (RFC 9113 §6.5.2). */
const IN_FLIGHT_PER_CONNECTION = 100;

const HEADERS = { 'content-type': 'application/json', accept: 'application/json' };

export function create(input: unknown, { clock, name, proxy }: AdapterDeps): PushProvider {
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
    proxy,
  });
  const ours = (target: Target | undefined) => (target?.provider === name ? target : undefined);
  return httpProvider({
    name,
    clock,
    maxInFlight,
    proxy: client.proxy?.name,
    outcomeOf,
    // 201 and 202 are as good as 200; what counts stands in the body.
    acceptedStatus: 200,
    reasonsIn: codesOf,
    reasonOf: (noAnswer) => noAnswer,
    clients: () => [client],
    warms: true,
    targetFor(purpose, targets) {
      switch (purpose) {
        case 'call':
          return ours(targets.call) ?? ours(targets.other);
        // "A PushKit push for anything else flashes CallKit": the closing word and the texts take the other token.
        case 'cancel':
        case 'notice':
        case 'missed':
        case 'message':
        case 'voicemail':
        case 'custom':
          return ours(targets.other);
        // No verb asks the app to register and shows nothing.
        case 'refresh':
          return undefined;
      }
    },
    request(push) {
      const body = buildMessage(push, options);
      if (body === undefined) {
        return { kind: 'failed', reason: push.target.selector ? 'payload too large' : 'no selector' };
      }
      return { client, path, headers: HEADERS, body };
    },
  });
}
