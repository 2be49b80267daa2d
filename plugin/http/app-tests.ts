/** The measuring of an app, for the command line: start, progress with what the person at the phone is asked, answers, the end. */
import { type AppReport, type Said, STEPS, type StepName } from '../core/app-test/index.ts';
import { ACCOUNT, type Routes } from './listener.ts';

interface Asked {
  readonly of: string;
  readonly device: string | undefined;
  readonly person: boolean;
  readonly steps: readonly StepName[] | undefined;
  readonly appName: string | undefined;
}

/** What `GET` answers. */
export interface AppTestProgress {
  readonly id: string;
  readonly state: 'running' | 'over';
  readonly step?: StepName;
  readonly prompt?: {
    readonly name: string;
    /** `now`: shown, and answered by what the phone does. */
    readonly kind: 'do' | 'now' | 'ask';
    readonly text: string;
    readonly number: number;
  };
  readonly report: AppReport;
}

export interface AppTests {
  start(asked: Asked): Promise<{ readonly id: string } | { readonly refused: string }>;
  /** Undefined: there is none of this id. */
  show(id: string, version: string): AppTestProgress | undefined;
  /** False: that prompt waits for no answer any more. */
  answer(id: string, number: number, answer: Said): boolean;
  /** False: there is none of this id. */
  stop(id: string, why: string): boolean;
}

const ID = {
  type: 'object',
  required: ['id'],
  properties: { id: { type: 'string', pattern: '^[0-9a-f]{16}$' } },
} as const;
const ABSENT = { error: 'there is no such test' };

export function appTestRoutes(tests: AppTests, version: string): Routes {
  return (server) => {
    server.post<{ Body: { aor: string; device?: string; person: boolean; steps?: StepName[]; appName?: string } }>(
      '/v1/app-tests',
      {
        config: { role: 'operate' },
        schema: {
          summary: 'Begins to measure the app of an account: calls it and pushes it, nobody else',
          body: {
            type: 'object',
            required: ['aor', 'person'],
            additionalProperties: false,
            properties: {
              aor: ACCOUNT,
              device: {
                type: 'string',
                pattern: '^[0-9a-f]{4,64}$',
                description: 'The beginning of the id of a binding',
              },
              person: { type: 'boolean', description: 'Somebody looks at the phone and answers' },
              steps: {
                type: 'array',
                minItems: 1,
                maxItems: STEPS.length,
                items: { type: 'string', enum: [...STEPS] },
              },
              appName: { type: 'string', minLength: 1, maxLength: 60, description: 'What the report calls the app' },
            },
          },
        },
      },
      async ({ body: { aor, device, person, steps, appName } }, reply) => {
        const started = await tests.start({ of: aor, device, person, steps, appName });
        return 'refused' in started ? reply.code(409).send({ error: started.refused }) : reply.code(201).send(started);
      },
    );
    server.get<{ Params: { id: string } }>(
      '/v1/app-tests/:id',
      {
        config: { role: 'operate' },
        schema: {
          summary:
            'How far a test is, what the person is asked, and the report so far. A test that nobody asks for ends after 30 s',
          params: ID,
        },
      },
      async ({ params }, reply) => tests.show(params.id, version) ?? reply.code(404).send(ABSENT),
    );
    server.post<{ Params: { id: string }; Body: { prompt: number; answer: Said } }>(
      '/v1/app-tests/:id/answer',
      {
        config: { role: 'operate' },
        schema: {
          summary: 'What the person at the phone answers; `unseen`: nobody looked',
          params: ID,
          body: {
            type: 'object',
            required: ['prompt', 'answer'],
            additionalProperties: false,
            properties: {
              prompt: { type: 'integer', minimum: 1 },
              answer: { type: 'string', enum: ['yes', 'no', 'unseen'] },
            },
          },
        },
      },
      async ({ params, body }, reply) =>
        tests.answer(params.id, body.prompt, body.answer)
          ? { taken: true }
          : reply.code(409).send({ error: 'this is not asked any more' }),
    );
    server.delete<{ Params: { id: string } }>(
      '/v1/app-tests/:id',
      { config: { role: 'operate' }, schema: { summary: 'Stops a test; what was seen stays', params: ID } },
      async ({ params }, reply) =>
        tests.stop(params.id, 'it was stopped by hand') ? { stopped: true } : reply.code(404).send(ABSENT),
    );
  };
}
