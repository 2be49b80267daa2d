/** The parent's side of `service.ts`. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Counts, ServiceOptions, ToService } from './service.ts';

export interface ServiceProcess {
  readonly endpoint: { readonly address: string; readonly port: number; readonly ca: string };
  /** Sets and begins to count anew. */
  set(options: Partial<ServiceOptions>): Promise<void>;
  counts(): Promise<Counts>;
  close(): Promise<void>;
}

export async function startService(): Promise<ServiceProcess> {
  const child = fork(fileURLToPath(new URL('./service.ts', import.meta.url)), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const { port, ca } = await next<{ port: number; ca: string }>(child);
  const ask = async (message: ToService): Promise<Counts> => {
    const answer = next<Counts>(child);
    child.send(message);
    return answer;
  };
  return {
    endpoint: { address: '127.0.0.1', port, ca },
    set: async (options) => void (await ask({ ask: 'set', options })),
    counts: () => ask({ ask: 'counts' }),
    close: () =>
      new Promise((done) => {
        child.once('exit', () => done());
        child.kill();
      }),
  };
}

function next<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = () => reject(new Error('the service ended'));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message as T);
    });
  });
}
