/** From one machine's file to Redis and back, by the commands an administrator has. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { create } from '../../adapters/store/sqlite/index.ts';
import { instant } from '../../plugin/core/time.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { RedisServer } from '../support/redis/instance.ts';
import { siteRecord } from './site.ts';

const CLI = fileURLToPath(new URL('../../plugin/cli.ts', import.meta.url));

let redis: RedisServer;
let folder: string;
beforeAll(async () => {
  redis = await RedisServer.start();
  folder = mkdtempSync(join(tmpdir(), 'pushwake-transfer-'));
  return async () => {
    await redis.stop();
    rmSync(folder, { recursive: true, force: true });
  };
});

function configWith(name: string, store: object): string {
  const pbx = { office: { type: 'asterisk', url: 'http://127.0.0.1:1', password: 'x', realm: 'example.com' } };
  const file = join(folder, `${name}.yaml`);
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ store, pbx }));
  return file;
}

async function pushwake(...args: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [CLI, ...args]);
  return stdout + stderr;
}

/** The records of an export, in order; its first line says when it was made. */
const records = (file: string) => readFileSync(file, 'utf8').trim().split('\n').slice(1).sort();

test('export and import: SQLite to Redis and back, every byte of every record', { timeout: 60_000 }, async () => {
  const path = join(folder, 'a.db');
  const store = create({ path }, { clock: systemClock(), log: new RecordedLog(), name: 'sqlite' });
  await store.open();
  for (let n = 0; n < 300; n++) await store.put(siteRecord(n, instant(1_800_000_000_000 + n)), 0);
  await store.close();
  const [here, there, back] = [
    configWith('here', { type: 'sqlite', path }),
    configWith('there', { type: 'redis', url: redis.url }),
    configWith('back', { type: 'sqlite', path: join(folder, 'b.db') }),
  ];
  const files = ['one', 'two', 'three'].map((name) => join(folder, name)) as [string, string, string];
  await pushwake('bindings', 'export', files[0], '-c', here);
  expect(await pushwake('bindings', 'import', files[0], '-c', there)).toContain('300 records imported');
  await pushwake('bindings', 'export', files[1], '-c', there);
  expect(await pushwake('bindings', 'import', files[1], '-c', back)).toContain('300 records imported');
  await pushwake('bindings', 'export', files[2], '-c', back);
  expect(records(files[0])).toHaveLength(300);
  expect(records(files[1])).toEqual(records(files[0]));
  expect(records(files[2])).toEqual(records(files[0]));
});
