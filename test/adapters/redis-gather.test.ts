import { describe, expect, it } from 'vitest';
import { Gather } from '../../adapters/store/redis/gather.ts';
import { FakeClock } from '../support/fake-clock.ts';

function gathered(send?: (items: readonly string[]) => Promise<readonly (string | Error)[]>) {
  const clock = new FakeClock();
  const sent: (readonly string[])[] = [];
  const gather = new Gather<string, string>({
    clock,
    waitMs: 10,
    atMost: 3,
    send: async (items) => {
      sent.push(items);
      return (await send?.(items)) ?? items.map((item) => `${item}!`);
    },
  });
  return { clock, sent, gather };
}

describe('what is asked of Redis within a moment', () => {
  it('goes together when the first has waited, and each gets its own answer', async () => {
    const { clock, sent, gather } = gathered();
    const answers = [gather.add('a')];
    await clock.advance(9);
    answers.push(gather.add('b'));
    expect(sent).toEqual([]);
    await clock.advance(1);
    expect(sent).toEqual([['a', 'b']]);
    expect(await Promise.all(answers)).toEqual(['a!', 'b!']);
    expect(clock.pending()).toBe(0);
  });

  it('does not wait for more than fit, and the next ones wait anew', async () => {
    const { clock, sent, gather } = gathered();
    const first = Promise.all(['a', 'b', 'c'].map((item) => gather.add(item)));
    expect(sent).toEqual([['a', 'b', 'c']]);
    await first;
    await clock.advance(5);
    const next = gather.add('d');
    await clock.advance(9);
    expect(sent).toHaveLength(1);
    await clock.advance(1);
    expect(await next).toBe('d!');
  });

  it('goes at once when it is flushed', async () => {
    const { clock, gather } = gathered();
    const answer = gather.add('a');
    gather.flush();
    expect(await answer).toBe('a!');
    gather.flush();
    expect(clock.pending()).toBe(0);
  });

  it('fails alone where one fails, and all where the way fails', async () => {
    const one = gathered(async () => ['fine', new Error('broken key')]);
    const [good, bad] = [one.gather.add('a'), one.gather.add('b')];
    one.gather.flush();
    expect(await good).toBe('fine');
    await expect(bad).rejects.toThrow('broken key');
    const all = gathered(async () => Promise.reject(new Error('away')));
    const both = Promise.allSettled([all.gather.add('a'), all.gather.add('b')]);
    all.gather.flush();
    expect((await both).map((r) => r.status)).toEqual(['rejected', 'rejected']);
  });
});
