/** A link worker in the hands of `supervised-worker.test.ts`: does what it is told, hangs when it is told. */
import { parentPort, workerData } from 'node:worker_threads';
import type { FromWorker, ToWorker } from '../../adapters/pbx/supervised-worker.ts';

const say = (m: FromWorker) => parentPort?.postMessage(m);
const { script, sayDown } = workerData as { script: string; sayDown?: string };

setInterval(() => say({ t: 'beat' }), 100);
if (script === 'refused') {
  say({ t: 'down', reason: sayDown ?? 'no', hint: 'look at ari.conf' });
} else {
  say({ t: 'up', info: { version: 'fake' } });
}

parentPort?.on('message', (m: ToWorker) => {
  if (m.t !== 'call') return;
  switch (m.op) {
    case 'echo':
      return say({ t: 'reply', id: m.id, ok: true, value: m.args });
    case 'fail':
      return say({ t: 'reply', id: m.id, ok: false, error: 'http://user:password@host said no' });
    case 'throw':
      throw new TypeError('GET http://pbx/?api_key=pushwake:secret failed');
    case 'hang':
      // As a library in an endless loop: not one message more.
      for (;;);
    default:
      return;
  }
});
