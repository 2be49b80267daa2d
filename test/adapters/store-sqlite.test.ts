import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { check } from '../../adapters/store/sqlite/check.ts';
import { create, type Internals, optionsSchema } from '../../adapters/store/sqlite/index.ts';
import { WORKER_URL } from '../../adapters/store/sqlite/writer.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import { RECORD_FORMAT } from '../../plugin/core/binding.ts';
import { instant } from '../../plugin/core/time.ts';
import { type BindingStore, StoreError } from '../../plugin/ports/binding-store.ts';
import type { CheckDeps, Finding } from '../../plugin/ports/finding.ts';
import { bindingStoreContract } from '../contract/binding-store.contract.ts';
import { aorNo, recordOf } from '../contract/binding-store.records.ts';
import { textStoreContract } from '../contract/text-store.contract.ts';
import { FakeClock } from '../support/fake-clock.ts';

const CHILD = fileURLToPath(new URL('./store-sqlite-child.ts', import.meta.url));

const isRoot = process.getuid?.() === 0;
/** A user of no machine. */
const SERVICE = 54_321;

let directory: string;
let file: string;
let clock: FakeClock;
let logged: string[];
const opened: BindingStore[] = [];
const children: ChildProcess[] = [];

function storeAt(path = file, internals: Partial<Internals> = {}): BindingStore {
  const log = (_: Record<string, unknown>, message: string) => void logged.push(message);
  const deps = { clock, name: 'sqlite', log: { debug: log, info: log, warn: log, error: log } };
  const store = create({ path }, deps, internals);
  opened.push(store);
  return store;
}

function child(...args: string[]) {
  const process_ = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(process_);
  return { process: process_, lines: createInterface(process_.stdout)[Symbol.asyncIterator]() };
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pushwake-store-'));
  file = join(directory, 'data', 'pushwake.db');
  clock = new FakeClock();
  logged = [];
});

afterEach(async () => {
  for (const c of children.splice(0)) {
    if (c.exitCode !== null || c.signalCode !== null) continue;
    const gone = once(c, 'exit');
    c.kill('SIGKILL');
    await gone;
  }
  await Promise.all(opened.splice(0).map((s) => s.close()));
  expect(clock.pending()).toBe(0);
  rmSync(directory, { recursive: true });
});

/** As 0.1.0 made it: rows lie in the tree of their keys. */
function makeOldFile(): void {
  mkdirSync(join(directory, 'data'), { mode: 0o700 });
  const db = new DatabaseSync(file);
  db.exec(`PRAGMA journal_mode = WAL;
    CREATE TABLE record (key TEXT PRIMARY KEY, version INTEGER NOT NULL, due_at INTEGER, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX record_due ON record (due_at, key) WHERE due_at IS NOT NULL;
    CREATE TABLE pushwake_schema (version INTEGER NOT NULL);
    INSERT INTO pushwake_schema VALUES (1);`);
  db.close();
}

bindingStoreContract('sqlite', async () => ({ instance: () => storeAt(), cleanup: async () => {} }));
bindingStoreContract('sqlite, in a file of 0.1.0', async () => {
  makeOldFile();
  return { instance: () => storeAt(), cleanup: async () => {} };
});
textStoreContract('sqlite', async () => ({ instance: () => storeAt(), cleanup: async () => {} }));

describe('the sqlite store', () => {
  it('has a path by default and knows no other option', () => {
    expect(optionsSchema.parse({}).path).toMatch(/\.db$/);
    expect(optionsSchema.safeParse({ pth: 'x' }).success).toBe(false);
  });

  it('keeps its files from everybody else, also when they were open before', async () => {
    const store = storeAt();
    await store.open();
    await store.put(recordOf(aorNo(1)), 0);
    const modes = () =>
      readdirSync(join(directory, 'data')).map((f) => [f, statSync(join(directory, 'data', f)).mode & 0o777]);
    expect(modes()).toEqual([
      ['pushwake.db', 0o600],
      ['pushwake.db-shm', 0o600],
      ['pushwake.db-wal', 0o600],
      ['pushwake.db.lock', 0o600],
    ]);
    expect(statSync(join(directory, 'data')).mode & 0o777).toBe(0o700);
    await store.close();
    chmodSync(file, 0o644);
    await storeAt().open();
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('stores what Keyv hands over as one readable row, and leaves no log file behind when closed', async () => {
    const store = storeAt();
    await store.open();
    await store.put(recordOf(aorNo(1), instant(5)), 0);
    await store.close();
    expect(readdirSync(join(directory, 'data')).sort()).toEqual(['pushwake.db', 'pushwake.db.lock']);
    const db = new DatabaseSync(file, { readOnly: true });
    const row = db.prepare('SELECT key, version, due_at, value FROM record').get();
    expect(row).toMatchObject({ key: aorNo(1), version: 1, due_at: 5 });
    expect(JSON.parse(String(row?.value))).toMatchObject({ format: RECORD_FORMAT, aor: aorNo(1), version: 1 });
    expect(db.prepare("SELECT name FROM sqlite_master WHERE sql LIKE '%WHERE due_at IS NOT NULL'").all()).toHaveLength(
      1,
    );
    db.close();
  });

  it('a second store on the same file is refused, by another name of it too, and may have it later', async () => {
    const first = storeAt();
    await first.open();
    symlinkSync(file, join(directory, 'alias.db'));
    for (const path of [file, join(directory, 'alias.db')]) {
      await expect(storeAt(path).open()).rejects.toThrow(
        `store file ${file} is in use by another pushwake; stop that one, or give this one a path of its own`,
      );
    }
    // Control: the refusals did not break the first one's lock.
    await expect(storeAt().open()).rejects.toThrow(StoreError);
    await first.put(recordOf(aorNo(1)), 0);
    await first.close();
    const second = storeAt();
    await second.open();
    expect(await second.get(aorNo(1))).toBeDefined();
  });

  it('a second process is refused, and the lock does not outlive a killed one', async () => {
    const holder = child('write', file, '1');
    expect((await holder.lines.next()).value).toBe('open');
    await expect(storeAt().open()).rejects.toThrow(/in use by another pushwake/);
    const other = child('hold', file);
    expect((await other.lines.next()).value).toContain(`StoreError: store file ${file} is in use by another pushwake`);
    holder.process.kill('SIGKILL');
    await once(holder.process, 'exit');
    await storeAt().open();
  });

  it('kill -9 while it writes loses nothing it has acknowledged', async () => {
    const acknowledged = new Set<number>();
    for (let round = 0; round < 5; round++) {
      const writer = child('write', file, String(round * 10_000));
      expect((await writer.lines.next()).value).toBe('open');
      const enough = acknowledged.size + 200;
      while (acknowledged.size < enough) acknowledged.add(Number((await writer.lines.next()).value));
      const gone = once(writer.process, 'exit');
      writer.process.kill('SIGKILL');
      await gone;
      for await (const line of { [Symbol.asyncIterator]: () => writer.lines }) {
        // The last line may be cut.
        if (/^\d+$/.test(line)) acknowledged.add(Number(line));
      }
      const store = storeAt();
      await store.open();
      for (const n of acknowledged) expect(await store.get(aorNo(n)), `record ${n}`).toBeDefined();
      await store.close();
    }
    expect(acknowledged.size).toBeGreaterThanOrEqual(1000);
  }, 60_000);

  it('a disk that takes no more: puts reject, reads go on, and writing works again by itself', async () => {
    const writer = child('full', file);
    const said: string[] = [];
    for await (const line of { [Symbol.asyncIterator]: () => writer.lines }) said.push(line);
    expect(said[0]).toBe('open');
    const { refused, reason } = JSON.parse(said[1] ?? '{}');
    expect(refused).toBeGreaterThan(0);
    expect(reason).toContain(`StoreError: store file ${file} `);
    expect(said.slice(2)).toEqual(['{"old":1}', '{"ok":true,"version":1}']);
  });

  it('a foreign tool that holds the file: puts reject and say so, later they work', async () => {
    const store = storeAt(file, { busyTimeoutMs: 0 });
    await store.open();
    const tool = new DatabaseSync(file);
    tool.exec('BEGIN IMMEDIATE');
    await expect(store.put(recordOf(aorNo(1)), 0)).rejects.toThrow(`store file ${file} is held by another program`);
    expect(await store.get(aorNo(1))).toBeUndefined();
    tool.exec('ROLLBACK');
    tool.close();
    expect(await store.put(recordOf(aorNo(1)), 0)).toEqual({ ok: true, version: 1 });
  });

  describe('refuses, says why, and overwrites nothing:', () => {
    const refusal = async (message: RegExp): Promise<void> => {
      const before = readFileSync(file);
      const error: unknown = await storeAt()
        .open()
        .catch((e: unknown) => e);
      expect(error).toBeInstanceOf(StoreError);
      expect(String(error)).toMatch(message);
      expect(String(error)).toContain(file);
      expect(readFileSync(file).equals(before)).toBe(true);
      // The lock is free again: the same answer, not "in use".
      await expect(storeAt().open()).rejects.toThrow(message);
    };
    beforeEach(() => mkdirSync(join(directory, 'data')));

    it('a file that is no database', async () => {
      writeFileSync(file, 'these are not the bytes of a database\n'.repeat(100));
      await refusal(/is no pushwake store, or is damaged; give another path, restore a backup or move the file away/);
    });

    it('a damaged database', async () => {
      const store = storeAt();
      await store.open();
      await Promise.all(Array.from({ length: 500 }, (_, i) => store.put(recordOf(aorNo(i)), 0)));
      await store.close();
      const bytes = readFileSync(file);
      writeFileSync(file, bytes.fill(0xaa, 100, 4096));
      await refusal(/is damaged; stop pushwake, keep a copy, restore a backup or move the file away/);
    });

    it('the database of another program', async () => {
      const db = new DatabaseSync(file);
      db.exec('CREATE TABLE cdr (x)');
      db.close();
      await refusal(/is the database of another program; give pushwake a path of its own/);
    });

    it('a newer format', async () => {
      const db = new DatabaseSync(file);
      db.exec('CREATE TABLE pushwake_schema (version INTEGER); INSERT INTO pushwake_schema VALUES (99)');
      db.close();
      await refusal(
        /has format 99, this pushwake knows 1: a newer version wrote it; run that one, or give another path/,
      );
    });
  });

  it('a path below a file, and a path that is a directory', async () => {
    writeFileSync(join(directory, 'data'), '');
    await expect(storeAt().open()).rejects.toThrow(/cannot be created; check its directory/);
    await expect(storeAt(directory).open()).rejects.toThrow(/is a directory; name a file in it/);
  });

  it('made by root in the folder of the service is the service’s, with all its files', async () => {
    const folder = join(directory, 'data');
    mkdirSync(folder, { mode: 0o700 });
    if (isRoot) chownSync(folder, SERVICE, SERVICE);
    const store = storeAt();
    await store.open();
    await store.put(recordOf(aorNo(1)), 0);
    const names = readdirSync(folder);
    expect(names).toEqual(expect.arrayContaining(['pushwake.db', 'pushwake.db-wal', 'pushwake.db.lock']));
    for (const name of names)
      expect(statSync(join(folder, name)).uid, name).toBe(isRoot ? SERVICE : process.getuid?.());
  });

  // Only root can make files of two owners.
  it.skipIf(!isRoot)('that is root’s in the folder of the service does not pass the check of root', async () => {
    const store = storeAt();
    await store.open();
    await store.close();
    chownSync(join(directory, 'data'), SERVICE, SERVICE);
    const found: Finding[] = [];
    for await (const one of check({ path: file }, { running: false, timeoutMs: 1_000 } as unknown as CheckDeps))
      found.push(one);
    expect(found.at(-1)).toEqual({
      level: 'fail',
      what: 'store',
      found: `${file} belongs to user 0, its folder to user ${SERVICE}: a service that runs as that one cannot open it`,
      remedy: `chown ${SERVICE}:${SERVICE} ${file}*`,
    });
  });

  it('a record that cannot be read is unknown, not absent, and does not hide the others', async () => {
    const store = storeAt();
    await store.open();
    for (const n of [1, 2, 3]) await store.put(recordOf(aorNo(n)), 0);
    const tool = new DatabaseSync(file);
    tool.prepare('UPDATE record SET value = ? WHERE key = ?').run('{"format":99,"secret":"tok"}', aorNo(2));
    tool.close();
    await expect(store.get(aorNo(2))).rejects.toThrow(StoreError);
    await expect(store.get(aorNo(2))).rejects.toThrow(
      `the record of ${aorNo(2)} in store file ${file} cannot be read: stored record has format 99, this program reads format ${RECORD_FORMAT}`,
    );
    const seen: string[] = [];
    const scan = async () => {
      for await (const record of store.scan()) seen.push(record.aor);
    };
    await expect(scan()).rejects.toThrow(/^1 records could not be read/);
    expect(seen).toEqual([aorNo(1), aorNo(3)]);
  });

  it('a writer thread that dies: what was on its way is unknown, and another one takes over', async () => {
    // The real writer, with a trapdoor.
    const source = `
      import { parentPort } from 'node:worker_threads';
      parentPort.on('message', (m) => {
        if (m.type === 'work' && m.requests.some((r) => r.key === 'trapdoor@example.com')) process.exit(1);
      });
      await import(${JSON.stringify(WORKER_URL.href)});`;
    const workerUrl = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
    const store = storeAt(file, { workerUrl });
    await store.open();
    await store.put(recordOf(aorNo(1)), 0);
    const trapdoor = recordOf('trapdoor@example.com' as Aor);
    const lost = await Promise.allSettled([store.put(trapdoor, 0), store.put(recordOf(aorNo(2)), 0)]);
    for (const outcome of lost) {
      expect(outcome.status).toBe('rejected');
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(StoreError);
    }
    // Down: writes say so at once, reads go on, nobody else gets the file.
    await expect(store.put(recordOf(aorNo(3)), 0)).rejects.toThrow(/starts again by itself/);
    expect(await store.get(aorNo(1))).toBeDefined();
    await expect(storeAt().open()).rejects.toThrow(/in use/);
    expect(logged).toEqual(['store writer ended']);
    await clock.advance(100);
    while (!logged.includes('store writer runs again')) await new Promise((next) => setImmediate(next));
    expect(await store.put(recordOf(aorNo(3)), 0)).toEqual({ ok: true, version: 1 });
  });
});
