/** A thread that hangs, throws or is refused costs one link for a moment. Real threads, real time: this is about both. */
import { afterEach, describe, expect, it } from 'vitest';
import { DEAD_AFTER_MS, SupervisedWorker, safe } from '../../adapters/pbx/supervised-worker.ts';
import { LinkError } from '../../plugin/ports/pbx-link.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const CHILD = new URL('./supervised-worker-child.ts', import.meta.url);

const started: SupervisedWorker[] = [];

function supervise(script: string) {
  const log = new RecordedLog();
  const downs: string[] = [];
  let ups = 0;
  const heard: (() => void)[] = [];
  const worker = new SupervisedWorker({
    name: 'office',
    script: CHILD,
    workerData: { script },
    log,
    onUp: () => {
      ups++;
      for (const wake of heard.splice(0)) wake();
    },
    onDown: (reason) => downs.push(reason),
    onEvent: () => undefined,
  });
  started.push(worker);
  const up = () => new Promise<void>((wake) => heard.push(wake));
  return { worker, log, downs, up, ups: () => ups };
}

afterEach(async () => {
  for (const worker of started.splice(0)) await worker.stop();
});

describe('a link worker', () => {
  it('answers, and passes errors on as LinkError', async () => {
    const { worker } = supervise('serve');
    await worker.start();
    expect(await worker.call('echo', { a: 1 }, 1_000)).toEqual({ a: 1 });
    await expect(worker.call('fail', {}, 1_000)).rejects.toBeInstanceOf(LinkError);
  });

  it('that does not answer in time is a LinkError, and the link stays', async () => {
    const { worker, downs } = supervise('serve');
    await worker.start();
    await expect(worker.call('ignore', {}, 50)).rejects.toThrow('office did not answer ignore within 50 ms');
    expect(worker.up).toBe(true);
    expect(downs).toEqual([]);
  });

  it('that throws is replaced: one line without what the error quoted, waiting questions fail, then it serves again', async () => {
    const { worker, log, downs, up } = supervise('serve');
    await worker.start();
    const again = up();
    const waiting = worker.call('ignore', {}, 10_000);
    await Promise.all([
      expect(waiting).rejects.toBeInstanceOf(LinkError),
      expect(worker.call('throw', {}, 10_000)).rejects.toBeInstanceOf(LinkError),
    ]);
    await again;
    expect(downs).toHaveLength(1);
    expect(log.at('warn')).toHaveLength(1);
    expect(log.text()).not.toContain('secret');
    expect(await worker.call('echo', 2, 1_000)).toBe(2);
  });

  it('that hangs in a loop is replaced within three times the limit', async () => {
    const { worker, downs, up } = supervise('serve');
    await worker.start();
    const again = up();
    const begun = performance.now();
    await expect(worker.call('hang', {}, 10_000)).rejects.toThrow('the link worker hangs');
    expect(performance.now() - begun).toBeLessThan(3 * DEAD_AFTER_MS);
    await again;
    expect(downs).toEqual(['the link worker hangs']);
    expect(await worker.call('echo', 3, 1_000)).toBe(3);
  });

  it('that is refused is tried again for ever, told once, and nobody is kept waiting for it', async () => {
    const { worker, log } = supervise('refused');
    await worker.start();
    expect(worker.up).toBe(false);
    await expect(worker.call('echo', 1, 1_000)).rejects.toThrow('link office is down');
    // The second and third try are made within a quarter of a second.
    const third = Promise.withResolvers<void>();
    setTimeout(third.resolve, 400);
    await third.promise;
    expect(log.at('warn').map((l) => l.fields)).toEqual([{ pbx: 'office', reason: 'no', hint: 'look at ari.conf' }]);
  });

  it('stopped is not started again', async () => {
    const { worker, downs, ups } = supervise('serve');
    await worker.start();
    await worker.stop();
    expect(worker.up).toBe(false);
    expect(ups()).toBe(1);
    expect(downs).toEqual([]);
  });
});

describe('foreign error messages', () => {
  it.each([
    ['GET http://pbx/ari?api_key=pushwake:secret&x=1 failed', 'GET http://pbx/ari?api_key=…&x=1 failed'],
    ['connect ws://pushwake:secret@pbx:8088/', 'connect ws://…@pbx:8088/'],
  ])('lose their credentials', (text, expected) => {
    expect(safe(new Error(text))).toBe(expected);
  });
});
