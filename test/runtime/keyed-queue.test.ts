import { afterEach, describe, expect, it } from 'vitest';
import { KeyedQueue } from '../../plugin/runtime/bindings/keyed-queue.ts';
import { settle } from '../support/fake-clock.ts';

describe('a queue per key', () => {
  const queue = new KeyedQueue<string>();

  afterEach(async () => {
    await queue.idle();
    expect(queue.size, 'keys that are idle are forgotten').toBe(0);
  });

  it('runs the work of one key in order, one at a time', async () => {
    const steps: string[] = [];
    const gate = Promise.withResolvers<void>();
    const first = queue.run('a', async () => {
      steps.push('1 begins');
      await gate.promise;
      steps.push('1 ends');
    });
    const second = queue.run('a', async () => void steps.push('2'));
    await settle();
    expect(steps).toEqual(['1 begins']);
    gate.resolve();
    await Promise.all([first, second]);
    expect(steps).toEqual(['1 begins', '1 ends', '2']);
  });

  it('does not let one key wait for another', async () => {
    const gate = Promise.withResolvers<void>();
    const slow = queue.run('a', () => gate.promise);
    expect(await queue.run('b', async () => 'done')).toBe('done');
    gate.resolve();
    await slow;
  });

  it('tells a failure to whoever asked, and goes on with the next', async () => {
    const failing = queue.run('a', () => Promise.reject(new Error('no')));
    const next = queue.run('a', async () => 'done');
    await expect(failing).rejects.toThrow('no');
    expect(await next).toBe('done');
  });

  it('is idle only when what was queued meanwhile is done, too', async () => {
    const steps: number[] = [];
    void queue.run('a', async () => {
      void queue.run('a', async () => void steps.push(2));
      steps.push(1);
    });
    await queue.idle();
    expect(steps).toEqual([1, 2]);
  });
});
