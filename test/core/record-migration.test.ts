/**
 * Records as version 0.1.0 wrote them (its own SQLite file lies beside): read, renewed, warned and ended right after the
 * upgrade. `test/redis/record-migration.test.ts` does the same with what it wrote into Redis.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { create } from '../../adapters/store/sqlite/index.ts';
import { decodeRecord, encodeRecord, RECORD_FORMAT } from '../../plugin/core/binding.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { afterUpgrade } from './record-migration.ts';

const OLD = fileURLToPath(new URL('../support/records-0.1.0/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pushwake-upgrade-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a SQLite file of 0.1.0', () => {
  const path = join(folder, 'bindings.db');
  copyFileSync(join(OLD, 'bindings.db'), path);
  afterUpgrade(() => create({ path }, { clock: systemClock(), log: new RecordedLog(), name: 'sqlite' }));
});

describe('the stored form', () => {
  const texts = (JSON.parse(readFileSync(join(OLD, 'redis.json'), 'utf8')) as string[][])
    .filter(([command, , value]) => command === 'SET' && value?.includes('"format":1'))
    .map(([, , value]) => (value as string).slice((value as string).indexOf('{')));

  it('of 0.1.0 becomes the present one, and is the same when written and read again', () => {
    expect(texts).toHaveLength(6);
    for (const text of texts) {
      const record = decodeRecord(text);
      const again = encodeRecord(record);
      expect(again).toContain(`"format":${RECORD_FORMAT}`);
      expect(again).not.toMatch(/"kind"/);
      expect(decodeRecord(again)).toEqual(record);
    }
  });
});
