/** Sends a push of the site's own to the devices of an account: for the door bell, the CRM, the voicemail system. */
import type { FastifyReply } from 'fastify';
import { type Aor, parseAor } from '../core/aor.ts';
import { HOUR, SECOND } from '../core/time.ts';
import { ACCOUNT, type Routes } from './listener.ts';

export interface PushSender {
  send(
    aor: Aor,
    message: {
      readonly text?: string;
      readonly title?: string;
      readonly data?: Readonly<Record<string, unknown>>;
      readonly urgent: boolean;
      readonly collapseKey?: string;
      readonly keepMs: number;
    },
    key: string | undefined,
  ): Promise<
    | { readonly kind: 'sent'; readonly pushes: readonly object[] }
    | { readonly kind: 'nobody' | 'otherMessage' | 'observed' }
    | { readonly kind: 'tooMany'; readonly afterMs: number }
  >;
}

interface GivenMessage {
  readonly text?: string;
  readonly title?: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly urgent?: boolean;
  readonly collapseKey?: string;
  readonly keepSeconds?: number;
}

/** In bytes of its JSON: what fits every service beside a text. */
const MOST_DATA = 2_048;
const KEEP_SECONDS = (24 * HOUR) / SECOND;

const KEY = /^[\x21-\x7e]{1,200}$/;

const error = { type: 'object', properties: { error: { type: 'string' } } };

export function pushRoutes(sender: PushSender): Routes {
  return (server) => {
    server.post<{ Params: { aor: string }; Body: GivenMessage }>(
      '/v1/accounts/:aor/push',
      {
        config: { role: 'push' },
        bodyLimit: 16_384,
        schema: {
          summary: 'Sends a push of your own to every device of an account, and answers the verdict of each',
          tags: ['Push'],
          headers: {
            type: 'object',
            properties: {
              'idempotency-key': {
                type: 'string',
                maxLength: 200,
                description: 'The same key and message within a day are sent once and answered alike',
              },
            },
          },
          params: {
            type: 'object',
            required: ['aor'],
            properties: { aor: ACCOUNT },
          },
          body: {
            type: 'object',
            additionalProperties: false,
            minProperties: 1,
            properties: {
              text: {
                type: 'string',
                minLength: 1,
                maxLength: 1_000,
                description: 'What the user reads. Without it the push is silent',
              },
              title: { type: 'string', minLength: 1, maxLength: 100 },
              data: { type: 'object', description: 'For the app: at most 2048 bytes of JSON' },
              urgent: {
                type: 'boolean',
                description: 'Worth waking a phone that lies still. On Android urgent pushes must show something',
              },
              collapseKey: {
                type: 'string',
                minLength: 1,
                maxLength: 64,
                description: 'A later push with the same key replaces this one',
              },
              keepSeconds: {
                type: 'integer',
                minimum: 0,
                maximum: 2_419_200,
                description: 'How long it is kept for a phone that is off. Default 86400',
              },
            },
          },
          response: { 400: error, 404: error, 409: error, 422: error, 429: error },
        },
      },
      async (request, reply) => {
        const aor = parseAor(request.params.aor);
        const key = request.headers['idempotency-key'];
        const { text, title, data, urgent = false, collapseKey, keepSeconds = KEEP_SECONDS } = request.body;
        if (!aor) return refuse(reply, 400, 'params.aor: expected an account such as 1001@example.com');
        if (key !== undefined && (typeof key !== 'string' || !KEY.test(key))) {
          return refuse(reply, 400, 'headers.idempotency-key: expected 1 to 200 printable characters without blanks');
        }
        if (text === undefined && data === undefined) return refuse(reply, 400, 'body: expected text, data or both');
        if (data !== undefined && Buffer.byteLength(JSON.stringify(data)) > MOST_DATA) {
          return refuse(reply, 400, `body.data: expected at most ${MOST_DATA} bytes of JSON`);
        }
        const message = {
          ...(text === undefined ? {} : { text }),
          ...(title === undefined ? {} : { title }),
          ...(data === undefined ? {} : { data }),
          urgent,
          ...(collapseKey === undefined ? {} : { collapseKey }),
          keepMs: keepSeconds * SECOND,
        };
        const answer = await sender.send(aor, message, key);
        switch (answer.kind) {
          case 'sent':
            return { pushes: answer.pushes };
          case 'nobody':
            return refuse(reply, 404, 'no device of this account can be pushed');
          case 'observed':
            return refuse(reply, 409, 'mode: observe: nothing is sent');
          case 'otherMessage':
            return refuse(reply, 422, 'this Idempotency-Key was used for another message');
          case 'tooMany':
            reply.header('retry-after', String(Math.ceil(answer.afterMs / SECOND)));
            return refuse(reply, 429, 'too many pushes within a minute: 30 of one account, 1000 in all');
          default:
            return answer satisfies never;
        }
      },
    );
  };
}

function refuse(reply: FastifyReply, status: number, error: string): FastifyReply {
  return reply.code(status).send({ error });
}
