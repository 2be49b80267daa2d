/** The admin listener of a pushwake that measures apps: tests are started, followed and answered there, as the command line does. */
import { setTimeout as delay } from 'node:timers/promises';
import type { AppReport, QuestionName, StepName } from '../../../plugin/core/app-test/index.ts';
import type { AppTestProgress } from '../../../plugin/http/app-tests.ts';
import type { PbxScene } from '../../support/pbx-scene.ts';
import { freeUdpPort } from '../../support/scene.ts';

export const ADMIN_TOKEN = 'app-test-operate-token-0123456789';

/** YAML lines of an admin listener, and of one for the reports of apps where `devices` is given. */
export const adminYaml = (port: number, devices?: { readonly port: number; readonly secret: string }): string =>
  `http:\n  admin: { listen: "127.0.0.1:${port}", tokens: [{ name: app-test, token: ${ADMIN_TOKEN}, role: operate }] }\n${
    devices ? `  devices: { listen: "127.0.0.1:${devices.port}", accountSecret: ${devices.secret} }\n` : ''
  }`;

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

/** Starts the pushwake of a scene with an admin listener. `yaml`: the scene's, with this at its end. */
export async function startMeasured(
  scene: Pick<PbxScene, 'pushwake' | 'startPushwake'>,
  yaml: (more: string) => string,
): Promise<Admin> {
  const port = await freeUdpPort();
  scene.pushwake.configure(yaml(adminYaml(port)));
  await scene.startPushwake();
  return new Admin(port);
}
