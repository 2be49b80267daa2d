/** The memory of the process: said at the start where it cannot do, and before it is full. */
import { expect, it } from 'vitest';
import { SECOND } from '../../plugin/core/time.ts';
import { HeapWatch } from '../../plugin/runtime/status/heap-watch.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const MIB = 2 ** 20;

function watching(limitMiB: number) {
  const clock = new FakeClock();
  const log = new RecordedLog();
  const now = { usedBytes: 60 * MIB, limitBytes: limitMiB * MIB };
  const watch = new HeapWatch({ clock, log, use: () => now });
  watch.start();
  const said = () => log.lines.map((l) => l.message);
  return { clock, log, now, watch, said };
}

it('a limit that is too small is said at the start, and as long as it lasts', async () => {
  const { watch, said, clock } = watching(96);
  expect(said()).toEqual(['heap limit is too small']);
  expect(watch.state?.trouble).toBe('the heap limit is 96 MiB, 128 are needed');
  await clock.advance(60 * SECOND);
  expect(said()).toHaveLength(1);
  watch.stop();
  expect(clock.pending()).toBe(0);
});

it('nine tenths in use are said once, and taken back once there is room again', async () => {
  const { watch, said, clock, now } = watching(1_000);
  expect(watch.state).toEqual(now);
  now.usedBytes = 899 * MIB;
  await clock.advance(10 * SECOND);
  expect(said()).toEqual([]);
  now.usedBytes = 900 * MIB;
  await clock.advance(30 * SECOND);
  expect(said()).toEqual(['heap is nearly full']);
  expect(watch.state?.trouble).toBe('90 % of the heap limit of 1000 MiB are in use');
  now.usedBytes = 750 * MIB;
  await clock.advance(10 * SECOND);
  expect(watch.state?.trouble).toBeDefined();
  now.usedBytes = 749 * MIB;
  await clock.advance(10 * SECOND);
  expect(said()).toEqual(['heap is nearly full', 'heap has room again']);
  expect(watch.state?.trouble).toBeUndefined();
  watch.stop();
});

it('nobody can say how much there is: nothing is looked at', () => {
  const clock = new FakeClock();
  const watch = new HeapWatch({ clock, log: new RecordedLog(), use: undefined });
  watch.start();
  expect(clock.pending()).toBe(0);
  expect(watch.state).toBeUndefined();
});
