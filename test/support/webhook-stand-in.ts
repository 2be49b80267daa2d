/** A receiver of webhooks: strict about the signature, remembers what it has seen, drops repeats by their id. */
import { isSigned } from '../../adapters/shared/signature.ts';
import { instant } from '../../plugin/core/time.ts';
import type { Clock } from '../../plugin/ports/clock.ts';
import { type Answered, type Asked, type HttpStandIn, startHttpStandIn } from './http-stand-in.ts';

export const WEBHOOK_SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

export interface WebhookStandIn extends HttpStandIn {
  readonly url: string;
  /** JSON texts taken, oldest first, repeats left out. */
  readonly bodies: readonly string[];
  readonly repeats: number;
}

export async function startWebhookStandIn(
  clock: Clock,
  options: { http1?: boolean; plain?: boolean; secret?: string } = {},
): Promise<WebhookStandIn> {
  const bodies: string[] = [];
  const seen = new Set<string>();
  let repeats = 0;
  const secret = options.secret ?? WEBHOOK_SECRET;

  function take(request: Asked): Answered {
    const text = request.body.toString('utf8');
    if (request.method !== 'POST' || request.url !== '/push?from=pushwake') return { status: 404 };
    if (!isSigned(secret, request.headers, text, instant(clock.now()))) return { status: 401 };
    if (request.headers['content-type'] !== 'application/json') return { status: 415 };
    const id = request.headers['webhook-id'] ?? '';
    if (seen.has(id)) repeats++;
    else bodies.push(text);
    seen.add(id);
    return { status: 204 };
  }

  const http = await startHttpStandIn(take, options);
  const { port } = http.endpoint;
  return {
    ...http,
    get requests() {
      return http.requests;
    },
    get connections() {
      return http.connections;
    },
    get connectionsEver() {
      return http.connectionsEver;
    },
    url: `${options.plain ? 'http' : 'https'}://127.0.0.1:${port}/push?from=pushwake`,
    bodies,
    get repeats() {
      return repeats;
    },
  };
}
