/** The store's file vanishes or is replaced under a running pushwake: SQLite goes on as if nothing were wrong, so somebody must look. */
import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { create } from '../../adapters/store/sqlite/index.ts';
import { whatIsWrong } from '../../plugin/commands/status.ts';
import { instant } from '../../plugin/core/time.ts';
import { type BindingStore, StoreError } from '../../plugin/ports/binding-store.ts';
import { TimedStore } from '../../plugin/runtime/status/timed-store.ts';
import { aorNo, recordOf } from '../contract/binding-store.records.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { quietHealth } from '../support/quiet-status.ts';
import { RecordedLog } from '../support/recorded-log.ts';

let folder: string;
let file: string;
let log: RecordedLog;
let store: TimedStore;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-gone-'));
  file = join(folder, 'bindings.db');
  log = new RecordedLog();
  const clock = new FakeClock();
  const inner: BindingStore = create({ path: file }, { clock, log, name: 'sqlite' });
  store = new TimedStore(inner, clock);
  await store.open();
  await store.put(recordOf(aorNo(1)), 0);
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const look = () => store.claimDue(instant(0), 10);

describe('the file of the store', () => {
  it.each([
    ['deleted', () => rmSync(file), /is not there any more/],
    ['moved', () => renameSync(file, `${file}.old`), /is not there any more.*move it back/],
    [
      'replaced by a copy of itself',
      () => {
        copyFileSync(file, `${file}.new`);
        renameSync(`${file}.new`, file);
      },
      /was replaced/,
    ],
    [
      'replaced by anything',
      () => {
        rmSync(file);
        writeFileSync(file, 'x');
      },
      /was replaced/,
    ],
  ])('%s: an error once, trouble for status and pages, and calls go on', async (_, meanwhile, expected) => {
    expect(await look()).toEqual([]);
    meanwhile();
    for (let i = 0; i < 3; i++) await expect(look()).rejects.toThrow(StoreError);
    expect(log.at('error').map((l) => l.message)).toEqual(['store file is gone']);
    expect(log.at('error')[0]?.fields.reason).toMatch(expected);
    expect(store.trouble?.reason).toMatch(expected);
    expect((await store.get(aorNo(1)))?.aor).toBe(aorNo(1));
    expect(whatIsWrong(quietHealth({ storeTrouble: store.trouble?.reason ?? '' })).join()).toMatch(expected);
  });

  it('moved back: all is well again, and it says so', async () => {
    renameSync(file, `${file}.old`);
    await expect(look()).rejects.toThrow(StoreError);
    renameSync(`${file}.old`, file);
    expect(await look()).toEqual([]);
    expect(store.trouble).toBeUndefined();
    expect(log.at('info').map((l) => l.message)).toContain('store file is back');
  });

  it('control: nothing happened, nothing is said', async () => {
    expect(await look()).toEqual([]);
    expect(log.at('error')).toEqual([]);
    expect(whatIsWrong(quietHealth())).toEqual([]);
  });
});
