/**
 * How many requests a second a public listener looks at, before anything else is done with them. A flood shall cost calls
 * nothing: they share this thread. What is beyond the limit is not answered; its connection is not read any more, and cut a
 * second later. Who floods waits, who came by chance tries again.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type DurationMs, SECOND } from '../core/time.ts';
import type { Clock } from '../ports/clock.ts';

type Request = FastifyRequest['raw'];
type Response = FastifyReply['raw'];
type Socket = Request['socket'];

/** Short, so that what is let in comes evenly. */
const WINDOW: DurationMs = 100;
const CUT_AFTER: DurationMs = 1 * SECOND;

/** Puts the limit before the server's own handlers. `perSecond`: far above what a site's apps report. */
export function admit(server: FastifyInstance['server'], perSecond: number, clock: Clock): void {
  const handlers = server.listeners('request') as ((request: Request, response: Response) => void)[];
  server.removeAllListeners('request');
  const most = Math.ceil((perSecond * WINDOW) / SECOND);
  const shed = new Set<Socket>();
  let sinceMs = Number.NEGATIVE_INFINITY;
  let count = 0;

  const cut = () => {
    for (const socket of shed) socket.destroy();
    shed.clear();
  };

  server.on('request', (request: Request, response: Response) => {
    const nowMs = clock.monotonicMs();
    if (nowMs - sinceMs >= WINDOW) {
      sinceMs = nowMs;
      count = 0;
    }
    const { socket } = request;
    // A connection that went too far is through, whatever else it had sent already.
    if (++count <= most && !shed.has(socket)) {
      for (const handler of handlers) handler(request, response);
      return;
    }
    if (shed.has(socket)) return;
    socket.pause();
    drop(socket);
    if (shed.size === 0) clock.after(CUT_AFTER, cut);
    shed.add(socket);
  });
}

/**
 * What one packet brought is read to its end whatever we do: some hundred requests. Node's parser hands each to `onIncoming`, which
 * would make a response and call us again; this one takes no notice. Without such a parser nothing is lost but time.
 */
function drop(socket: Socket): void {
  const { parser } = socket as Socket & { parser?: { onIncoming?: () => number } | null };
  if (parser?.onIncoming) parser.onIncoming = () => 0;
}
