import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { create } from '../../adapters/store/sqlite/index.ts';
import { exportLines, ImportError, importLines } from '../../plugin/commands/bindings/transfer.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import { decodeRecord, encodeRecord, RECORD_FORMAT, RecordError } from '../../plugin/core/binding.ts';
import { HOUR } from '../../plugin/core/time.ts';
import type { BindingStore } from '../../plugin/ports/binding-store.ts';
import { bindingEndingIn, MONDAY, recordOf, VOIP } from '../support/builders.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const CLI = fileURLToPath(new URL('../../plugin/cli.ts', import.meta.url));
let folder: string;
let stores: BindingStore[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-transfer-'));
  stores = [];
});
afterEach(async () => {
  for (const store of stores) await store.close();
  rmSync(folder, { recursive: true, force: true });
});

async function storeAt(name: string): Promise<BindingStore> {
  const store = create({ path: join(folder, name) }, { clock: systemClock(), log: new RecordedLog(), name: 'sqlite' });
  await store.open();
  stores.push(store);
  return store;
}

const record = (n: number) => ({
  ...recordOf(bindingEndingIn(n * HOUR, MONDAY)),
  aor: `${n}@example.com` as Aor,
  version: 0,
});

async function linesOf(store: BindingStore): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of exportLines(store, '2026-03-02T09:00:00Z')) lines.push(line);
  return lines;
}

describe('export and import of bindings', () => {
  test('a store exported and imported into another is the same store', async () => {
    const from = await storeAt('a.db');
    for (const n of [1, 2, 3]) await from.put(record(n), 0);
    const lines = await linesOf(from);
    const to = await storeAt('b.db');
    expect(await importLines(to, lines.join('\n'), { replace: false })).toEqual({ imported: 3, kept: [] });
    expect(await linesOf(to)).toEqual(lines);
    const read = await to.get('1@example.com' as Aor);
    expect(read?.bindings[0]?.targets.call?.token.reveal()).toBe(VOIP);
  });

  test('what exists already stays, unless told otherwise', async () => {
    const store = await storeAt('a.db');
    await store.put(record(1), 0);
    const file = (await linesOf(store)).join('\n');
    await store.put({ ...record(1), bindings: [] }, 1);
    expect(await importLines(store, file, { replace: false })).toEqual({ imported: 0, kept: ['1@example.com'] });
    expect((await store.get('1@example.com' as Aor))?.bindings).toEqual([]);
    expect((await importLines(store, file, { replace: true })).imported).toBe(1);
    expect((await store.get('1@example.com' as Aor))?.bindings.length).toBe(1);
  });

  test.each([
    ['', /line 1: not JSON/],
    ['{"a":1}', /line 1: expected the first line of a pushwake export/],
    ['{"pushwake":"bindings","format":7}', /line 1: the file has format 7, this program reads format 1/],
    ['{"pushwake":"bindings","format":1}\n{"format":99,"bindings":[]}', /line 2: stored record has format 99/],
    [
      '{"pushwake":"bindings","format":1}\n{"format":1,"aor":5,"version":0,"bindings":[],"tombstones":[]}',
      /line 2: stored record is none: aor: expected an account/,
    ],
  ])('a file with a mistake (%s) says where, and changes nothing', async (text, message) => {
    const store = await storeAt('a.db');
    const good = encodeRecord(record(5));
    const file = text.startsWith('{"pushwake":"bindings","format":1}')
      ? text.replace('\n', `\n${good}\n`).replace(good, '')
      : text;
    await expect(importLines(store, file, { replace: false })).rejects.toThrow(ImportError);
    await expect(importLines(store, file, { replace: false })).rejects.toThrow(
      new RegExp(message.source.replace('line 2', 'line [23]')),
    );
    expect((await linesOf(store)).length).toBe(1);
  });

  test('an older record is brought up step by step; a newer one is refused', () => {
    const old = encodeRecord(record(1))
      .replace(`"format":${RECORD_FORMAT}`, `"format":${RECORD_FORMAT - 2}`)
      .replace('"bindings"', '"devices"');
    const migrations = {
      [RECORD_FORMAT - 2]: (raw: Record<string, unknown>) => ({ ...raw, things: raw.devices, devices: undefined }),
      [RECORD_FORMAT - 1]: (raw: Record<string, unknown>) => ({ ...raw, bindings: raw.things, things: undefined }),
    };
    expect(decodeRecord(old, migrations).bindings).toEqual(record(1).bindings);
    expect(() => decodeRecord(old)).toThrow(RecordError);
  });

  test('the commands, beside a process that writes', async () => {
    const store = await storeAt('live.db');
    await store.put(record(1), 0);
    const config = join(folder, 'pushwake.yaml');
    const out = join(folder, 'backup.jsonl');
    writeFileSync(
      config,
      `store: { path: ${JSON.stringify(join(folder, 'live.db'))} }
pbx: { office: { type: asterisk, url: "http://127.0.0.1:1", password: x, realm: example.com } }
`,
    );
    const run = (...args: string[]) =>
      promisify(execFile)(process.execPath, [CLI, 'bindings', ...args, '--config', config]).then(
        (r) => ({ code: 0, ...r }),
        (e: { code: number; stdout: string; stderr: string }) => e,
      );
    const listed = await run('list');
    expect(listed.stdout).toMatch(/^1@example\.com {2}\S+ {2}live {2}ends 2026-03-02T10:00:00\.000Z/);
    expect(listed.stdout).not.toContain(VOIP);
    expect((await run('export', out)).stdout).toBe(`1 records written to ${out}\n`);
    expect(statSync(out).mode & 0o777).toBe(0o600);
    expect(readFileSync(out, 'utf8')).toContain(VOIP);
    const again = await run('export', out);
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('an existing file is not overwritten') });
    const imported = await run('import', out);
    expect(imported.code).toBe(1);
    expect(imported.stderr).toMatch(/in use|another process/i);
  });
});
