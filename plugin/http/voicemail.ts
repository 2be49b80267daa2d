/** A voicemail system says what the mailbox of an account holds: Asterisk's by `externnotify`, any other by its own means. */
import { type Aor, parseAor } from '../core/aor.ts';
import { ACCOUNT, type Routes } from './listener.ts';

export interface MailboxReader {
  /** Never rejects. */
  mailboxHolds(aor: Aor, newMessages: number, urgent: number): Promise<void>;
}

const error = { type: 'object', properties: { error: { type: 'string' } } };
/** More than any mailbox holds. */
const MOST = 100_000;

export function voicemailRoutes(reader: MailboxReader): Routes {
  return (server) => {
    server.post<{ Params: { aor: string }; Body: { new: number; urgent?: number } }>(
      '/v1/accounts/:aor/voicemail',
      {
        config: { role: 'push' },
        bodyLimit: 1_024,
        schema: {
          summary:
            'Says how many new voice messages an account has; its phones are sent word of it where the policy wants that',
          tags: ['Push'],
          params: {
            type: 'object',
            required: ['aor'],
            properties: { aor: ACCOUNT },
          },
          body: {
            type: 'object',
            additionalProperties: false,
            required: ['new'],
            properties: {
              new: {
                type: 'integer',
                minimum: 0,
                maximum: MOST,
                description: 'New messages, the urgent ones included',
              },
              urgent: { type: 'integer', minimum: 0, maximum: MOST, description: 'Urgent ones among them. Default 0' },
            },
          },
          response: { 202: { type: 'object', properties: {} }, 400: error },
        },
      },
      async (request, reply) => {
        const aor = parseAor(request.params.aor);
        if (!aor) {
          return reply.code(400).send({ error: 'params.aor: expected an account such as 1001@example.com' });
        }
        const { new: newMessages, urgent = 0 } = request.body;
        await reader.mailboxHolds(aor, newMessages, Math.min(urgent, newMessages));
        return reply.code(202).send({});
      },
    );
  };
}
