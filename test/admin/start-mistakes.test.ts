/** What stops the start is found by `check-config`, at the same place and in the same words; and no file of the user's makes a stack. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selfSignedCertificate } from '../support/tls.ts';
import { inProcess } from './command.ts';

const CLI = fileURLToPath(new URL('../../plugin/cli.ts', import.meta.url));
const PBX = 'pbx: { office: { type: freeswitch, port: 1, password: x, realm: example.com } }';
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-start-'));
  mkdirSync(join(folder, 'a-folder'));
  writeFileSync(join(folder, 'no-key.pem'), 'nothing of the kind\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function written(name: string, ...lines: readonly string[]): string {
  const file = join(folder, `${name}.yaml`);
  const text = ['store: { path: FOLDER/bindings.db }', PBX, ...lines].join('\n').replaceAll('FOLDER', folder);
  writeFileSync(file, `${text}\n`, { mode: 0o600 });
  return file;
}

const start = (file: string) =>
  promisify(execFile)(process.execPath, [CLI, 'start', '-c', file], { timeout: 15_000 }).then(
    (ran) => ({ code: 0, ...ran }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );

const apple = (key: string) =>
  `push: { apns: { apps: [{ teamId: TEAM123456, bundleId: com.example.phone, keyId: KEY1234567, key: ${key} }] } }`;

const CASES: readonly (readonly [name: string, lines: readonly string[], expected: RegExp])[] = [
  ['an-alias', ['policies:', '  - aor: *@example.com', '    policy: { ttl: 7d }'], /:4:10 a text that begins with \*/],
  [
    'a-proxy-by-name',
    ['http:', '  devices: { listen: "127.0.0.1:0", accountSecret: 0123456789abcdefghijklmnop, trustProxy: [nginx] }'],
    /:4:\d+ http\.devices\.trustProxy\.0: expected an IP address/,
  ],
  [
    'a-certificate-that-is-not-there',
    ['http:', '  admin:', '    tls: { cert: FOLDER/none.pem, key: FOLDER/no-key.pem }'],
    /:5:18 http\.admin\.tls\.cert: cannot read .*none\.pem \(ENOENT\)/,
  ],
  [
    'a-certificate-that-is-none',
    ['http:', '  admin:', '    tls: { cert: FOLDER/no-key.pem, key: FOLDER/no-key.pem }'],
    /:5:18 http\.admin\.tls\.cert: .* holds no certificate/,
  ],
  [
    'a-key-that-is-not-there',
    [apple('FOLDER/none.p8')],
    /:3:\d+ push\.apns\.apps\.0\.key: .* cannot be read \(ENOENT\)/,
  ],
  ['a-key-that-is-none', [apple('FOLDER/no-key.pem')], /:3:\d+ push\.apns\.apps\.0\.key: .* is not a private key/],
  ['a-key-that-is-a-folder', [apple('FOLDER/a-folder')], /:3:\d+ push\.apns\.apps\.0\.key: .* \(EISDIR\)/],
  ['a-locale-without-texts', ['locale: xx'], /:3:9 locale: there are no texts for locale "xx"/],
  [
    'a-locale-of-some-without-texts',
    ['locales: [{ aor: "3*", locale: xx }]'],
    /:3:\d+ locales\.0\.locale: there are no texts/,
  ],
  [
    'two-at-once',
    [apple('FOLDER/none.p8'), 'http:', '  admin: { tls: { cert: FOLDER/none.pem, key: FOLDER/none.pem } }'],
    /:3:\d+ push\.apns[^\n]*\n[^\n]*:5:\d+ http\.admin\.tls\.cert/,
  ],
];

describe('what stops the start', () => {
  // Each takes a process of its own, so two stand for all: what the file says, and what is found out by using it.
  it.each(CASES.filter(([name]) => name === 'a-proxy-by-name' || name === 'two-at-once'))(
    '%s',
    async (name, lines, expected) => {
      const started = await start(written(name, ...lines));
      expect(started.code).toBe(2);
      expect(started.stderr).toMatch(expected);
      expect(started.stderr).not.toMatch(/^\s+at /m);
    },
  );

  it('a store file that is none: no supervisor starts it again, since that would mend nothing', async () => {
    const file = written('a-store-that-is-none').replace('.yaml', '.none.yaml');
    const store = join(folder, 'none.db');
    writeFileSync(store, 'no database, but somebody’s notes\n'.repeat(50), { mode: 0o600 });
    writeFileSync(file, `store: { path: ${store} }\n${PBX}\n`, { mode: 0o600 });
    const started = await start(file);
    expect(started.code).toBe(2);
    expect(started.stderr).toMatch(/:1:16 store\.path: store file .*none\.db is no pushwake store, or is damaged/);
    expect(started.stdout).toContain('"cannot start"');
  });

  it.each(CASES)('%s is found by check-config', async (name, lines, expected) => {
    const ran = await inProcess('check-config', '-c', written(name, ...lines));
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(expected);
    const json = await inProcess('check-config', '--json', '-c', written(name, ...lines));
    expect(JSON.parse(json.stdout)).toMatchObject({
      right: false,
      mistakes: expect.arrayContaining([expect.objectContaining({ line: expect.any(Number) })]),
    });
  });

  it('a certificate with the key of another one', async () => {
    const [one, other] = [selfSignedCertificate(), selfSignedCertificate()];
    writeFileSync(join(folder, 'cert.pem'), one.cert);
    writeFileSync(join(folder, 'other.pem'), other.key);
    const file = written('mixed', 'http:', '  admin: { tls: { cert: FOLDER/cert.pem, key: FOLDER/other.pem } }');
    const ran = await inProcess('check-config', '-c', file);
    expect(ran.stderr).toMatch(/:4:\d+ http\.admin\.tls\.key: .*other\.pem is not the key of .*cert\.pem/);
  });

  it('control: a right one is right, and what was tried leaves nothing open', async () => {
    const file = written(
      'right',
      'http:',
      '  admin: {}',
      '  devices: { listen: "127.0.0.1:0", accountSecret: 0123456789abcdefghijklmnop, trustProxy: [loopback, "10.0.0.0/8", "::1"] }',
    );
    expect(await inProcess('check-config', '-c', file)).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('a file of the user’s that cannot be used is told in a line', () => {
  it.each([
    ['the configuration is a folder', () => ['check-config', '-c', join(folder, 'a-folder')]],
    ['a file stands where a folder is meant', () => ['check-config', '-c', join(folder, 'no-key.pem', 'x.yaml')]],
    ['what is imported is a folder', () => ['bindings', 'import', join(folder, 'a-folder'), '-c', written('store')]],
    ['the export goes nowhere', () => ['bindings', 'export', join(folder, 'no-key.pem', 'x'), '-c', written('store')]],
    [
      'init: the folder of the PBX is a file',
      () => [
        'init',
        '--pbx',
        'asterisk',
        '--realm',
        'example.com',
        '--asterisk-dir',
        join(folder, 'no-key.pem'),
        '--install',
        '-c',
        join(folder, 'new.yaml'),
      ],
    ],
  ])('%s', async (_, args) => {
    const ran = await inProcess(...args());
    expect(ran.code).toBeGreaterThan(0);
    expect(ran.stderr.trim().split('\n').length).toBeLessThanOrEqual(2);
    expect(ran.stderr).not.toMatch(/^\s+at |node:/m);
  });
});

describe('the store’s default', () => {
  it.each([
    ['no store at all', 'mode: observe'],
    ['its type alone', 'store: { type: sqlite }'],
    ['an empty section', 'store: {}'],
  ])('%s means the same file', async (_, line) => {
    const { parseConfig } = await import('../../config/load.ts');
    const { adapters, schemasOf } = await import('../../plugin/app/adapters.ts');
    const { store } = parseConfig('f.yaml', `${PBX}\n${line}\n`, schemasOf(await adapters()));
    expect(store).toEqual({ type: 'sqlite', options: { path: '/var/lib/pushwake/bindings.db' } });
  });
});

it('a reader that closes the pipe early (`| head -1`) ends no command with a stack', async () => {
  const command = `set -o pipefail; "$0" --no-warnings "$1" init --help | head -1`;
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', command, process.execPath, CLI], {
    timeout: 15_000,
  });
  expect(stdout).toMatch(/^Usage: pushwake init/);
  expect(stderr).toBe('');
});

describe('a store file that stops the start', () => {
  const foreign = () => {
    const path = join(folder, 'foreign.db');
    const db = new DatabaseSync(path);
    db.exec('CREATE TABLE IF NOT EXISTS other (x)');
    db.close();
    return path;
  };
  const newer = () => {
    const path = join(folder, 'newer.db');
    const db = new DatabaseSync(path);
    db.exec('CREATE TABLE IF NOT EXISTS pushwake_schema (version INTEGER); INSERT INTO pushwake_schema VALUES (99)');
    db.close();
    return path;
  };
  it.each<[string, () => string, RegExp]>([
    ['text', () => join(folder, 'no-key.pem'), /is no pushwake store, or is damaged/],
    ['a folder', () => join(folder, 'a-folder'), /is a directory; name a file in it/],
    ['a database of another program', foreign, /is the database of another program/],
    ['of a newer version', newer, /has format 99, .* a newer version wrote it/],
  ])('%s: `check-config` names the place, as the start does the reason', async (name, path, expected) => {
    const file = join(folder, `store-${name.replaceAll(' ', '-')}.yaml`);
    writeFileSync(file, `store:\n  type: sqlite\n  path: ${path()}\n${PBX}\n`, { mode: 0o600 });
    const found = await inProcess('check-config', '-c', file);
    expect(found.code).toBe(2);
    expect(`${found.stdout}${found.stderr}`).toMatch(expected);
    expect(`${found.stdout}${found.stderr}`).toContain(`${file}:3:9 store.path: store file`);
    const started = await start(file);
    expect(started.code).not.toBe(0);
    expect(`${started.stdout}${started.stderr}`).toMatch(expected);
  });

  it('one that is not there yet stops nothing, and is not made', async () => {
    const path = join(folder, 'not-yet', 'bindings.db');
    const file = join(folder, 'store-not-yet.yaml');
    writeFileSync(file, `store:\n  type: sqlite\n  path: ${path}\n${PBX}\n`, { mode: 0o600 });
    expect((await inProcess('check-config', '-c', file)).code).toBe(0);
    expect(existsSync(path)).toBe(false);
  });
});
