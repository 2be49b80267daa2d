/**
 * Makes a thread of a running pushwake hang, as an endless loop in a library would: by Node's own debugger, so that the
 * product needs no door for it. The process must run with `INSPECTABLE` in its environment.
 */
import type { PushwakeProcess } from './pushwake-process.ts';

export const INSPECTABLE: NodeJS.ProcessEnv = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly sessionId?: string; readonly workerInfo?: { readonly url: string } };
}

/** Resolves when the order is out; the thread then does nothing else for `ms`. */
export async function hang(pushwake: PushwakeProcess, thread: 'main' | 'standby', ms: number): Promise<void> {
  const url = [...pushwake.output.matchAll(/Debugger listening on (ws:\S+)/g)].at(-1)?.[1];
  if (!url) throw new Error('this pushwake was not started with INSPECTABLE');
  const socket = new WebSocket(url);
  await new Promise((open, failed) => {
    socket.addEventListener('open', open, { once: true });
    socket.addEventListener('error', failed, { once: true });
  });
  const expression = `{ const begun = performance.now(); while (performance.now() - begun < ${ms}); }`;
  const evaluate = { id: 9, method: 'Runtime.evaluate', params: { expression } };
  if (thread === 'main') {
    socket.send(JSON.stringify(evaluate));
    return;
  }
  const sessionId = await new Promise<string>((attached) => {
    socket.addEventListener('message', ({ data }) => {
      const { method, params } = JSON.parse(String(data)) as Message;
      const isStandby = params?.workerInfo?.url.endsWith('/dial-out/standby.ts');
      if (method === 'NodeWorker.attachedToWorker' && isStandby && params?.sessionId) attached(params.sessionId);
    });
    socket.send(JSON.stringify({ id: 1, method: 'NodeWorker.enable', params: { waitForDebuggerOnStart: false } }));
  });
  const params = { sessionId, message: JSON.stringify(evaluate) };
  await new Promise<void>((taken) => {
    socket.addEventListener('message', ({ data }) => {
      if ((JSON.parse(String(data)) as Message).id === 2) taken();
    });
    socket.send(JSON.stringify({ id: 2, method: 'NodeWorker.sendMessageToWorker', params }));
  });
}
