/** "Is my call still alive?", asked by a phone that was woken late: a push may come when nobody rings any more. */
import type { CallTrace } from '../core/trace.ts';
import type { Clock } from '../ports/clock.ts';
import { isCallKey } from './call-key.ts';
import type { Routes } from './listener.ts';

export interface CallOptions {
  readonly find: (callId: string) => readonly Pick<CallTrace, 'over' | 'outcome'>[];
  readonly secret: string;
  readonly clock: Pick<Clock, 'now'>;
}

export function callRoutes(o: CallOptions): Routes {
  return (server) => {
    server.get<{ Params: { callId: string }; Querystring: { key?: string } }>(
      '/v1/calls/:callId',
      {
        schema: {
          summary: 'Whether a call still waits. The key came with its push',
          params: {
            type: 'object',
            required: ['callId'],
            properties: { callId: { type: 'string', pattern: '^[0-9a-f-]{36}$', description: 'As in the push' } },
          },
          querystring: {
            type: 'object',
            required: ['key'],
            additionalProperties: false,
            properties: { key: { type: 'string', maxLength: 60, description: '`callKey` of the push' } },
          },
        },
      },
      async (request, reply) => {
        const { callId } = request.params;
        if (!isCallKey(o.secret, callId, request.query.key ?? '', o.clock.now())) {
          return reply.code(403).send({ error: 'expected the key that came with the push of this very call' });
        }
        // A queue rings in rounds of one call: while any of them waits, it is alive.
        const rounds = o.find(callId);
        const waits = rounds.some((r) => !r.over);
        const ended = rounds[0]?.outcome;
        // After a restart nobody knows: the phone registers and learns it from the PBX.
        return waits || rounds.length === 0
          ? { callId, alive: waits ? true : null }
          : {
              callId,
              alive: false,
              ...(ended === undefined ? {} : { ended: ended === 'answered' ? 'elsewhere' : ended }),
            };
      },
    );
  };
}
