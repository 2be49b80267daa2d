/** What the administrator does by hand to an account, and what is shown before: the command line's side of the admin listener. */
import type { ShownRecord } from '../core/describe.ts';
import type { BrakeState } from '../ports/status.ts';
import { ACCOUNT, type Routes } from './listener.ts';

export interface Operator {
  /** Undefined: nothing is stored for this AOR. */
  shownRecord(aor: string): Promise<ShownRecord | undefined>;
  /** Ends one binding, or all of the account, silently. Answers which; undefined: there is none. */
  drop(aor: string, bindingId?: string): Promise<readonly string[] | undefined>;
  /** Undefined: no device of this AOR can be pushed. */
  pushTest(aor: string, purpose: 'refresh' | 'notice'): Promise<readonly object[] | undefined>;
  /** Answers what the brake held; empty: nothing. */
  releaseBrake(app?: string): readonly BrakeState[];
}

/** A node that is to go. */
export interface Drained {
  readonly isOn: boolean;
  begin(): Promise<void>;
}

const ABSENT = { error: 'nothing is stored for this account' };

export function operateRoutes(operator: Operator, drain: Drained, waiting: () => number): Routes {
  return (server) => {
    server.get<{ Params: { aor: string } }>(
      '/v1/bindings/:aor',
      {
        config: { role: 'read' },
        schema: {
          summary: 'The bindings of an account, tokens as fingerprints',
          params: { type: 'object', required: ['aor'], properties: { aor: ACCOUNT } },
        },
      },
      async (request, reply) => (await operator.shownRecord(request.params.aor)) ?? reply.code(404).send(ABSENT),
    );
    server.delete<{ Params: { aor: string }; Querystring: { bindingId?: string } }>(
      '/v1/bindings/:aor',
      {
        config: { role: 'operate' },
        schema: {
          summary: 'Ends the bindings of an account, or one of them; its contact is removed, its user is not notified',
          params: { type: 'object', required: ['aor'], properties: { aor: ACCOUNT } },
          querystring: {
            type: 'object',
            additionalProperties: false,
            properties: { bindingId: { type: 'string', minLength: 1, maxLength: 64 } },
          },
        },
      },
      async (request, reply) => {
        const dropped = await operator.drop(request.params.aor, request.query.bindingId);
        return dropped ? { dropped } : reply.code(404).send(ABSENT);
      },
    );
    server.post<{ Body: { app?: string } }>(
      '/v1/brake/release',
      {
        config: { role: 'operate' },
        schema: {
          summary: 'Lets the brake go, of one app or of all that it holds; answers what it held',
          body: {
            type: 'object',
            additionalProperties: false,
            properties: {
              app: {
                type: 'string',
                minLength: 1,
                maxLength: 300,
                description: 'As status names it: apns TEAM123456.com.example.phone',
              },
            },
          },
        },
      },
      async (request) => ({ released: operator.releaseBrake(request.body.app) }),
    );
    server.post(
      '/v1/drain',
      {
        config: { role: 'operate' },
        schema: { summary: 'Sends new calls to the other node, finishes those that wait, then ends the process' },
      },
      async (_request, reply) => {
        void drain.begin();
        return reply.code(202).send({ draining: true, waiting: waiting() });
      },
    );
    server.post<{ Body: { aor: string; purpose?: 'refresh' | 'notice' } }>(
      '/v1/push-test',
      {
        config: { role: 'operate' },
        schema: {
          summary: 'Sends one harmless push to each device of an account and answers the verdicts',
          body: {
            type: 'object',
            required: ['aor'],
            additionalProperties: false,
            properties: {
              aor: ACCOUNT,
              purpose: { type: 'string', enum: ['refresh', 'notice'], description: 'Default refresh' },
            },
          },
        },
      },
      async (request, reply) => {
        const tests = await operator.pushTest(request.body.aor, request.body.purpose ?? 'refresh');
        return tests ? { tests } : reply.code(404).send({ error: 'no device of this account can be pushed' });
      },
    );
  };
}
