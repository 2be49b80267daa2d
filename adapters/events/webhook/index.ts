/** Sends events to an HTTP server, signed as all our webhooks are. One attempt; queue and retry: `plugin/runtime/webhooks/queue.ts`. */
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import type { EventSink } from '../../../plugin/ports/event-sink.ts';
import { HttpsClient } from '../../shared/https-client.ts';
import { sign } from '../../shared/signature.ts';
import { optionsSchema } from './options.ts';

export { checkWebhook as check } from '../../shared/webhook-check.ts';
export { optionsSchema } from './options.ts';

/** Every start of every app renews, so `renewed` is sent only where the configuration asks for it. */
const UNLESS_NAMED = ['bound', 'warned', 'ended', 'woken', 'missed', 'troubled', 'recovered', 'text-expired'];

export function create(input: unknown, { clock, name }: AdapterDeps): EventSink {
  const options = optionsSchema.parse(input);
  const url = new URL(options.url);
  const path = `${url.pathname}${url.search}`;
  const wanted: ReadonlySet<string> = new Set(options.only ?? UNLESS_NAMED);
  const client = new HttpsClient({
    origin: url.origin,
    ca: options.ca,
    connections: 1,
    sockets: 4,
    requestTimeoutMs: options.requestTimeoutMs,
    clock,
  });
  return {
    name,
    wants: (type) => wanted.has(type),
    async send(event, signal) {
      const body = JSON.stringify(event);
      const headers = { 'content-type': 'application/json', ...sign(options.secret, event.id, clock.now(), body) };
      const answer = await client.exchange({ method: 'POST', path, headers, body, isAwaited: false }, signal);
      if ('noAnswer' in answer) return 'later';
      const { status } = answer;
      if (status >= 200 && status < 300) return 'taken';
      // A wrong secret or URL is mended by somebody; a body that cannot be read never is.
      return status === 400 || status === 413 || status === 422 || status === 410 ? 'refused' : 'later';
    },
    async close() {
      client.close();
    },
  };
}
