/** What is done in the moment in which no call waits. */
import { beforeEach, expect, it } from 'vitest';
import { BetweenCalls } from '../../plugin/runtime/calls/between-calls.ts';
import { FakeClock } from '../support/fake-clock.ts';

let clock: FakeClock;
let waiting: number;
let done: number;
let calls: BetweenCalls;

beforeEach(() => {
  clock = new FakeClock();
  waiting = 0;
  done = 0;
  calls = new BetweenCalls({ clock, waiting: () => waiting, work: () => void done++ });
});

it('is done a moment after a call is over', async () => {
  calls.over();
  expect(done).toBe(0);
  await clock.advance(10);
  expect(done).toBe(1);
});

it('is not done while another call waits, but when that is over', async () => {
  waiting = 1;
  calls.over();
  await clock.advance(10);
  expect(done).toBe(0);
  waiting = 0;
  calls.over();
  await clock.advance(10);
  expect(done).toBe(1);
});

it('is done once for calls that end together', async () => {
  for (let i = 0; i < 50; i++) calls.over();
  await clock.advance(1_000);
  expect(done).toBe(1);
});

it('leaves no timer behind', () => {
  calls.over();
  calls.stop();
  expect(clock.pending()).toBe(0);
});

it('nothing to do: no timer', () => {
  new BetweenCalls({ clock, waiting: () => 0, work: undefined }).over();
  expect(clock.pending()).toBe(0);
});
