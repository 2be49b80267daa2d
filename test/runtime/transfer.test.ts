import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { create } from '../../adapters/store/sqlite/index.ts';
import { exportLines, ImportError, importLines } from '../../plugin/commands/bindings/transfer.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import { type Binding, decodeRecord, encodeRecord, RECORD_FORMAT, RecordError } from '../../plugin/core/binding.ts';
import { forOlder } from '../../plugin/core/old-records.ts';
import { HOUR, plus } from '../../plugin/core/time.ts';
import type { BindingStore } from '../../plugin/ports/binding-store.ts';
import type { KeptText } from '../../plugin/ports/text-store.ts';
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
  for await (const line of exportLines(store, '2026-03-02T09:00:00Z', {
    recordFormat: undefined,
    counted: false,
  }))
    lines.push(line);
  return lines;
}

/** Each command is a process of its own, which takes some seconds to start on a machine that has other work. */
const SLOW_MS = 60_000;

const withText = (changed: Partial<Record<keyof KeptText, unknown>>) => {
  const names = ['id', 'pbx', 'from', 'to', 'contentType', 'body'];
  const good = { ...Object.fromEntries(names.map((n) => [n, 'x'])), aor: '1@example.com', receivedAt: 1, expiresAt: 2 };
  return JSON.stringify({ text: { ...good, waiting: ['0123456789abcdef'], ...changed } });
};

/** One command line over a store of the folder. */
function command(name: 'backup' | 'restore', store: string, file: string) {
  const config = join(folder, `${store}.yaml`);
  writeFileSync(
    config,
    `store: { path: ${JSON.stringify(join(folder, store))} }
pbx: { office: { type: asterisk, url: "http://127.0.0.1:1", password: x, realm: example.com } }
`,
  );
  return promisify(execFile)(process.execPath, [CLI, name, file, '--config', config]).then(
    (r) => ({ code: 0, ...r }),
    (e: { code: number; stdout: string; stderr: string }) => e,
  );
}

describe('export and import of bindings', () => {
  test('a store exported and imported into another is the same store', async () => {
    const from = await storeAt('a.db');
    for (const n of [1, 2, 3]) await from.put(record(n), 0);
    const lines = await linesOf(from);
    const to = await storeAt('b.db');
    expect(await importLines(to, lines.join('\n'), { replace: false })).toEqual({ imported: 3, kept: [], texts: 0 });
    expect(await linesOf(to)).toEqual(lines);
    const read = await to.get('1@example.com' as Aor);
    expect(read?.bindings[0]?.targets.call?.token.reveal()).toBe(VOIP);
  });

  test('what exists already stays, unless told otherwise', async () => {
    const store = await storeAt('a.db');
    await store.put(record(1), 0);
    const file = (await linesOf(store)).join('\n');
    await store.put({ ...record(1), bindings: [] }, 1);
    expect(await importLines(store, file, { replace: false })).toEqual({
      imported: 0,
      kept: ['1@example.com'],
      texts: 0,
    });
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

  describe('a record of a newer pushwake', () => {
    const newer = (format: number, readableFrom: number | undefined) =>
      JSON.stringify({ ...JSON.parse(encodeRecord(record(1))), format, readableFrom, moods: ['new'] });

    test.each([
      ['the next, readable by this one', RECORD_FORMAT + 1, RECORD_FORMAT],
      ['the one after it, readable by this one', RECORD_FORMAT + 2, RECORD_FORMAT],
      ['readable by older ones still', RECORD_FORMAT + 2, RECORD_FORMAT - 1],
    ])('is read: %s', (_what, format, readableFrom) => {
      const read = decodeRecord(newer(format, readableFrom));
      expect(read.bindings).toEqual(record(1).bindings);
      expect(JSON.parse(encodeRecord(read))).toEqual(JSON.parse(encodeRecord(record(1))));
    });

    test.each([
      ['it says of no older reader that it may', RECORD_FORMAT + 1, undefined, '3, '],
      ['only from the next on', RECORD_FORMAT + 2, RECORD_FORMAT + 1, '4 (readable from 3), '],
      ['its number is a text', `${RECORD_FORMAT + 1}`, RECORD_FORMAT, '3 (readable from 2), '],
    ])('is refused: %s', (_what, format, readableFrom, words) => {
      expect(() => decodeRecord(newer(format as number, readableFrom))).toThrow(
        new RecordError(`stored record has format ${words}this program reads format ${RECORD_FORMAT}`),
      );
    });
  });

  test('an export for 0.1.0 holds what its own records held, and comes back as it was but for what 0.1.0 does not know', async () => {
    const [b] = record(1).bindings;
    if (!b) throw new Error('the builder makes one');
    const sent = [
      { notice: 'soon' as const, offsetMs: 12 * HOUR, at: plus(MONDAY, -HOUR), done: true },
      { notice: 'soon' as const, offsetMs: HOUR, at: MONDAY, done: false },
    ];
    const ending = { reason: 'age' as const, since: MONDAY, notice: 'due' as const, contact: 'due' as const };
    const whole = {
      ...record(1),
      bindings: [
        {
          ...b,
          sent,
          lastRefreshAt: plus(MONDAY, -2 * HOUR),
          locale: 'de',
          ending: { ...ending, held: 'misconfigured' as const },
        },
      ],
    };
    const old = JSON.parse(forOlder(encodeRecord(whole), 1));
    expect(old).toMatchObject({ format: 1, bindings: [{ ending }] });
    expect(old.bindings[0]).not.toHaveProperty('locale');
    expect(old.bindings[0].ending).not.toHaveProperty('held');
    expect(old.bindings[0].sent).toEqual([
      { kind: 'refresh', at: plus(MONDAY, -2 * HOUR), done: true },
      { kind: `soon-${12 * HOUR}`, at: plus(MONDAY, -HOUR), done: true },
      { kind: `soon-${HOUR}`, at: MONDAY, done: false },
      { kind: 'misconfigured', at: MONDAY, done: true },
    ]);
    const { locale: _gone, ...known } = whole.bindings[0] as Binding;
    expect(decodeRecord(JSON.stringify(old)).bindings).toEqual([known]);
    expect(() => forOlder(encodeRecord(whole), 0)).toThrow(RangeError);
  });

  test('a backup made while records are written holds each as it once was; restored, it is a store again, with its texts', async () => {
    const store = await storeAt('busy.db');
    const accounts = Array.from({ length: 60 }, (_, n) => n + 1);
    for (const n of accounts) await store.put(record(n), 0);
    const text: KeptText = {
      id: 'text-1',
      aor: '7@example.com' as Aor,
      pbx: 'office',
      from: '<sip:8@example.com>',
      to: '<sip:7@example.com>',
      contentType: 'text/plain',
      body: 'see you at noon',
      receivedAt: MONDAY,
      expiresAt: plus(MONDAY, 24 * HOUR),
      waiting: record(7).bindings.map((b) => b.id),
    };
    expect(await store.texts?.().keep(text, { ofAccount: 10, inAll: 10, bytesInAll: 100_000 })).toBe('kept');
    const file = join(folder, 'all.jsonl');
    let running = true;
    const load = (async () => {
      let written = 0;
      while (running) {
        for (const n of accounts) {
          const known = await store.get(`${n}@example.com` as Aor);
          if (known) await store.put({ ...known, missingSince: MONDAY }, known.version);
          written++;
          if (!running) break;
        }
      }
      return written;
    })();
    const backup = await command('backup', 'busy.db', file);
    running = false;
    expect(backup).toMatchObject({ code: 0, stdout: `60 accounts and 1 texts written to ${file}\n` });
    expect(await load).toBeGreaterThan(60);
    expect(statSync(file).mode & 0o777).toBe(0o600);

    const refused = await command('restore', 'busy.db', file);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/in use|another process/i) });
    const restored = await command('restore', 'new.db', file);
    expect(restored.stdout).toBe('60 accounts restored, 0 left as they are; 1 texts wait\n');
    const back = await storeAt('new.db');
    for (const n of accounts) {
      expect((await back.get(`${n}@example.com` as Aor))?.bindings).toEqual(record(n).bindings);
    }
    expect(await back.texts?.().of(text.aor)).toEqual([text]);
    expect(statSync(join(folder, 'new.db.texts')).mode & 0o777).toBe(0o600);
  });

  test(
    'a backup of a store without texts makes no file of texts',
    async () => {
      const store = await storeAt('quiet.db');
      await store.put(record(1), 0);
      const file = join(folder, 'quiet.jsonl');
      expect((await command('backup', 'quiet.db', file)).stdout).toBe(`1 accounts and 0 texts written to ${file}\n`);
      expect(existsSync(join(folder, 'quiet.db.texts'))).toBe(false);
    },
    SLOW_MS,
  );

  test(
    'a backup that was cut between two lines, or has one too few, is no backup',
    async () => {
      const store = await storeAt('cut.db');
      for (const n of [1, 2]) await store.put(record(n), 0);
      const file = join(folder, 'cut.jsonl');
      await command('backup', 'cut.db', file);
      const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
      const to = await storeAt('to.db');
      const restore = (...kept: readonly (string | undefined)[]) =>
        importLines(to, kept.join('\n'), { replace: false });
      expect(lines).toHaveLength(4);
      await expect(restore(...lines.slice(0, 2))).rejects.toThrow(
        'it is cut: 1 records and 0 texts, and the last line',
      );
      await expect(restore(lines[0], lines[1], lines[3])).rejects.toThrow(
        'its last line counts {"records":2,"texts":0}',
      );
      expect((await linesOf(to)).length).toBe(1);
      expect(await restore(...lines)).toMatchObject({ imported: 2 });
    },
    SLOW_MS,
  );

  test.each([
    ['{"text":5}', 'a text: expected an object'],
    ['{"text":{"id":"a"}}', 'text.aor: expected a text'],
    [withText({ aor: 'no account' }), 'text.aor: expected an account'],
    [withText({ expiresAt: 'soon' }), 'text.expiresAt: expected a time in milliseconds'],
    [withText({ waiting: ['a b'] }), 'text.waiting: expected a list of ids'],
  ])('a text that is none (%s) is named by its line, and nothing is written', async (line, message) => {
    const store = await storeAt('a.db');
    const file = `{"pushwake":"bindings","format":1}\n${encodeRecord(record(5))}\n${line}`;
    await expect(importLines(store, file, { replace: false })).rejects.toThrow(`line 3: ${message}`);
    expect((await linesOf(store)).length).toBe(1);
  });

  test(
    'the commands, beside a process that writes',
    async () => {
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
      expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('it is there, and is not overwritten') });
      const imported = await run('import', out);
      expect(imported.code).toBe(1);
      expect(imported.stderr).toMatch(/in use|another process/i);
    },
    SLOW_MS,
  );
});
