/** "Why did it not ring?" for the administrator and the command line: sentences, and the trace they were made from. */

import type { Explanation } from '../core/explain.ts';
import type { CallTrace } from '../core/trace.ts';
import { shownTrace } from '../core/wake/step-words.ts';
import type { Routes } from './listener.ts';

export interface Explained {
  /** What was asked for: an AOR or a call id. */
  readonly of: string;
  /** The latest calls first. */
  readonly calls: readonly (Explanation & { readonly trace: CallTrace })[];
  /** What became of the last texts of the account, one sentence each, the latest first. */
  readonly texts: readonly string[];
  /** One sentence per device of the account, and per device that is gone. */
  readonly devices: readonly string[];
}

export interface Explainer {
  /** `of`: an AOR or a call id. Undefined: nothing is known of either. */
  explain(of: string): Promise<Explained | undefined>;
  /** Devices that do not come for calls as they should, one sentence each; at most 1,000. */
  seldomWoken(): Promise<readonly string[]>;
}

export function explainRoutes(explainer: Explainer): Routes {
  return (server) => {
    server.get<{ Querystring: { of: string } }>(
      '/v1/explain',
      {
        config: { role: 'read' },
        schema: {
          summary: 'Why a phone rang or did not: of an account its latest calls, of a call id that call',
          querystring: {
            type: 'object',
            required: ['of'],
            additionalProperties: false,
            properties: {
              of: { type: 'string', minLength: 1, maxLength: 290, description: '1001@example.com, or a callId' },
            },
          },
        },
      },
      async (request, reply) => {
        const explained = await explainer.explain(request.query.of);
        if (!explained) {
          return reply.code(404).send({ error: 'no binding and no call of this account or call id is known' });
        }
        return { ...explained, calls: explained.calls.map((c) => ({ ...c, trace: shownTrace(c.trace) })) };
      },
    );
    server.get(
      '/v1/seldom-woken',
      { config: { role: 'read' }, schema: { summary: 'Devices that do not come for calls as they should' } },
      async () => ({ devices: await explainer.seldomWoken() }),
    );
  };
}
