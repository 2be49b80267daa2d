/** Measures an app on a real PBX by the admin listener, as the command line does, with a person who answers. */
import { setTimeout as delay } from 'node:timers/promises';
import type { AppReport, QuestionName, StepName } from '../../../plugin/core/app-test/index.ts';
import type { AppTestProgress } from '../../../plugin/http/app-tests.ts';

export const ADMIN_TOKEN = 'app-test-operate-token-0123456789';

/** YAML lines of an admin listener. */
export const adminYaml = (port: number): string =>
  `http:\n  admin: { listen: "127.0.0.1:${port}", tokens: [{ name: app-test, token: ${ADMIN_TOKEN}, role: operate }] }\n`;

export interface Asked {
  readonly aor: string;
  readonly appName?: string;
  readonly steps?: readonly StepName[];
  /** Absent: nobody is at the phone. */
  readonly says?: (name: QuestionName) => Promise<'yes' | 'no' | undefined>;
}

export class Admin {
  readonly #url: string;

  constructor(port: number) {
    this.#url = `http://127.0.0.1:${port}/v1/app-tests`;
  }

  async #ask(path: string, method: 'GET' | 'POST' | 'DELETE', body?: unknown): Promise<unknown> {
    const answer = await fetch(`${this.#url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${ADMIN_TOKEN}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const said = await answer.json();
    if (!answer.ok && answer.status !== 409) throw new Error(`${answer.status} ${JSON.stringify(said)}`);
    return said;
  }

  async start({ aor, appName, steps, says }: Asked): Promise<string> {
    const body = { aor, person: says !== undefined, ...(appName && { appName }), ...(steps && { steps }) };
    const started = (await this.#ask('', 'POST', body)) as { id?: string; error?: string };
    if (started.id === undefined) throw new Error(started.error ?? 'not started');
    return started.id;
  }

  show(id: string): Promise<AppTestProgress> {
    return this.#ask(`/${id}`, 'GET') as Promise<AppTestProgress>;
  }

  async stop(id: string): Promise<void> {
    await this.#ask(`/${id}`, 'DELETE');
  }

  async measure(asked: Asked): Promise<AppReport> {
    const id = await this.start(asked);
    let answered = 0;
    for (;;) {
      const { state, prompt, report } = await this.show(id);
      if (state === 'over') return report;
      if (prompt && prompt.number !== answered) {
        answered = prompt.number;
        const answer = await asked.says?.(prompt.name as QuestionName);
        if (answer) await this.#ask(`/${id}/answer`, 'POST', { prompt: prompt.number, answer });
      }
      await delay(300);
    }
  }
}

/** A real run becomes a file of docs/apps only when that is asked for: `APP_REPORTS=1 npm run test:app`. */
export const brokenOf = (report: AppReport): readonly string[] =>
  report.verdicts.filter((v) => v.verdict === 'broken').map((v) => `${v.rule} ${v.seen}`);
