/** A store that has lost everything answers as if nothing were wrong: what is remembered is written back, once, and said. */
import { beforeEach, describe, expect, it } from 'vitest';
import { EmptiedStore } from '../../plugin/runtime/bindings/emptied-store.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';

let clock: FakeClock;
let log: RecordedLog;
let done: string[];
let emptied: boolean | Error;
let writes: () => Promise<number>;
/** Changes that the store has lost. */
let latest: number;
let looks: number;

beforeEach(() => {
  clock = new FakeClock();
  log = new RecordedLog();
  done = [];
  emptied = false;
  writes = async () => 24;
  latest = 0;
  looks = 0;
});

const watch = () =>
  new EmptiedStore({
    store: {
      name: 'redis',
      wasEmptied: async () => {
        if (emptied instanceof Error) throw emptied;
        return emptied;
      },
      acceptEmptied: async () => {
        done.push('accepted');
        emptied = false;
      },
    },
    clock,
    log,
    writeBack: async () => {
      done.push('written');
      return writes();
    },
    writeLatest: async () => {
      looks++;
      return latest;
    },
    resync: () => void done.push('resync'),
  });

describe('the watch over the store', () => {
  it('writes back, accepts, asks the PBXs, in this order and once', async () => {
    const watching = watch();
    watching.start();
    await clock.advance(60_000);
    expect(done).toEqual([]);
    emptied = true;
    await clock.advance(5_000);
    expect(done).toEqual(['written', 'accepted', 'resync']);
    expect(log.at('error').map((l) => l.message)).toEqual([
      'store has come back empty, what is remembered is written back',
    ]);
    expect(log.at('warn')[0]?.fields).toMatchObject({ records: 24 });
    await clock.advance(60_000);
    expect(done).toHaveLength(3);
    await watching.stop();
    expect(clock.pending()).toBe(0);
  });

  it('tries again while the store takes nothing, and says it once', async () => {
    const watching = watch();
    watching.start();
    emptied = true;
    writes = async () => {
      throw new Error('away');
    };
    await clock.advance(8_000);
    expect(done).toEqual(['written', 'written', 'written', 'written']);
    expect(log.at('error')).toHaveLength(1);
    emptied = new Error('away');
    await clock.advance(20_000);
    emptied = true;
    writes = async () => 1;
    await clock.advance(5_000);
    expect(done.slice(-2)).toEqual(['accepted', 'resync']);
    await watching.stop();
  });

  it('after each look the latest changes are looked after; what was lost of them is said', async () => {
    const watching = watch();
    watching.start();
    await clock.advance(10_000);
    expect(looks).toBe(5);
    expect(log.lines).toEqual([]);
    latest = 3;
    await clock.advance(2_000);
    expect(log.at('warn')).toMatchObject([
      { message: 'store had lost its latest changes, they are written again', fields: { records: 3 } },
    ]);
    await watching.stop();
  });

  it('has no clock of its own where a store cannot lose everything', () => {
    const watching = new EmptiedStore({
      store: { name: 'sqlite' },
      clock,
      log,
      writeBack: async () => 0,
      writeLatest: async () => 0,
      resync: () => undefined,
    });
    watching.start();
    expect(clock.pending()).toBe(0);
  });
});
