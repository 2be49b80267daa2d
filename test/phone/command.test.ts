/** `pushwake phone`: from the configuration by the two listeners of a running pushwake to a browser that is logged in. No PBX. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import qrcode from 'qrcode-generator';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { generateKeys, publicKeyOf } from '../../adapters/push/webpush/index.ts';
import { loadConfig } from '../../config/load.ts';
import { adapters, schemasOf } from '../../plugin/app/adapters.ts';
import { compose } from '../../plugin/app/compose.ts';
import { listenersOf } from '../../plugin/app/listeners.ts';
import { LiveConfig } from '../../plugin/app/live-config.ts';
import { phoneAssets, phoneParts } from '../../plugin/app/phone-assets.ts';
import { qrLines } from '../../plugin/commands/qr-code.ts';
import type { HttpListener } from '../../plugin/http/listener.ts';
import { inProcess } from '../admin/command.ts';
import { freePort } from '../support/free-port.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const FIXTURE = fileURLToPath(new URL('fixture', import.meta.url));
const KEYS = generateKeys();
const PASSWORD = 'pässword of 1001';

let folder: string;
let config: string;
let ports: { readonly admin: number; readonly devices: number };
let listeners: HttpListener[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-phone-'));
  config = join(folder, 'pushwake.yaml');
  ports = { admin: await freePort(), devices: await freePort() };
  write('true');
});
afterEach(async () => {
  await Promise.all(listeners.splice(0).map((l) => l.stop()));
  rmSync(folder, { recursive: true, force: true });
});

const TOKENS = 'tokens: [{ name: ops, role: operate, token: operate-token-of-24-characters }]';
const WEBPUSH = `webpush: { subject: "mailto:a@example.com", privateKey: ${KEYS.privateKey} }`;

function write(phone: string, o: { tokens?: string; push?: string; devices?: string; admin?: string } = {}): void {
  const { tokens = TOKENS, push = WEBPUSH } = o;
  const {
    admin = `admin: { listen: "127.0.0.1:${ports.admin}", ${tokens} }`,
    devices = `devices: { listen: "127.0.0.1:${ports.devices}", accountSecret: 0123456789abcdefghijklmnop, phone: ${phone} }`,
  } = o;
  writeFileSync(
    config,
    `store: { type: sqlite, path: ${join(folder, 'bindings.db')} }
pbx:
  office: { type: asterisk, url: "http://127.0.0.1:9", password: x, realm: example.com }
  branch: { type: freeswitch, port: 1, password: x, realm: branch.example.com }
push: { ${push} }
http: { ${[admin, devices].filter(Boolean).join(', ')} }
`,
    { mode: 0o600 },
  );
}

/** What a start makes of the file, without links to a PBX. */
async function start(): Promise<void> {
  const found = await adapters();
  const read = loadConfig(config, schemasOf(found));
  const [log, wire] = [new RecordedLog(), systemClock()];
  const live = new LiveConfig(read, found, log, wire);
  const runtime = compose(read, found, log, { clock: wire, wire }, undefined, live);
  const parts = { assets: await phoneAssets(FIXTURE, false), publicKeyOf };
  listeners = listenersOf(read, runtime, log, wire, undefined, live, parts);
  await Promise.all(listeners.map((l) => l.start()));
}

const phone = (...args: string[]) => inProcess('phone', ...args, '-c', config);
const login = async (code: string, host = '127.0.0.1') => {
  const answer = await fetch(`http://${host}:${ports.devices}/phone/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code }),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, string> };
};

describe('pushwake phone', () => {
  it('prints a link that logs one browser in, once', async () => {
    await start();
    const ran = await phone('1001@example.com');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    const [link = ''] = ran.stdout.split('\n');
    const [, page, code = ''] = /^(http:\/\/127\.0\.0\.1:\d+\/phone\/)#([\w-]{22})$/.exec(link) ?? [];
    expect((await fetch(String(page))).headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(await login(code)).toMatchObject({
      status: 200,
      body: { user: '1001', wss: 'wss://127.0.0.1:8089/ws', vapidPublicKey: KEYS.publicKey },
    });
    expect(await login(code)).toMatchObject({ status: 403, body: { reason: 'used' } });
    for (const line of qrLines(link)) expect(ran.stdout).toContain(`${line}\n`);
    expect(ran.stdout).toMatch(/once, within ten minutes[\s\S]*asks for the SIP password/);
  });

  it('knows by the configuration which PBX has the account', async () => {
    await start();
    const { link } = JSON.parse((await phone('2001@branch.example.com', '--json')).stdout);
    expect((await login(link.split('#')[1])).body.wss).toBe('wss://127.0.0.1:7443');
  });

  it('puts the password behind the dot, from the first line of a file', async () => {
    await start();
    const file = join(folder, 'password');
    writeFileSync(file, `${PASSWORD}\r\nnot this\n`);
    const ran = await phone('1001@example.com', '--password-file', file, '--page', 'https://phone.example.com/pbx/');
    const [, given = ''] = /^https:\/\/phone\.example\.com\/pbx\/phone\/#[\w-]{22}\.([\w-]+)\n/.exec(ran.stdout) ?? [];
    expect(Buffer.from(given, 'base64url').toString('utf8')).toBe(PASSWORD);
    expect(ran.stdout).toMatch(/Behind the dot stands the SIP password\. A browser sends no server what stands behind/);
  });

  it.each([
    ['page', '{ page: "https://phone.example.com/" }', 'https://phone.example.com'],
    ['none: this machine', '{}', undefined],
  ])('names the page: %s', async (_case, given, page) => {
    write(given);
    await start();
    const ran = JSON.parse((await phone('1001@example.com', '--json')).stdout);
    expect(ran).toEqual({
      aor: '1001@example.com',
      page: page ?? `http://127.0.0.1:${ports.devices}`,
      link: expect.stringMatching(new RegExp(`^${page ?? 'http://127.0.0.1:\\d+'}/phone/#[\\w-]{22}$`)),
      expiresAt: expect.stringMatching(/^\d{4}-.*Z$/),
    });
  });

  it('gives another address of the PBX where the configuration lists its host', async () => {
    write('{ wss: ["wss://a.example.com/ws", "wss://b.example.com/ws"] }');
    await start();
    const { link } = JSON.parse(
      (await phone('1001@example.com', '--json', '--wss', 'wss://b.example.com/other')).stdout,
    );
    expect((await login(link.split('#')[1])).body.wss).toBe('wss://b.example.com/other');
    const other = await phone('1001@example.com', '--wss', 'wss://c.example.com/ws');
    expect(other).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/hosts of http\.devices\.phone\.wss/),
    });
  });

  const ON = '1001@example.com';
  const wrong: readonly (readonly [string, () => void, readonly string[], number, RegExp])[] = [
    [
      'the phone is off',
      () => write('false'),
      [ON],
      2,
      /is off; write `phone: true` under `http: devices:` in \S+; then start/,
    ],
    [
      'there is no listener for it',
      () => write('', { devices: '' }),
      [ON],
      2,
      /write `devices: \{ listen: .*phone: true/,
    ],
    ['there is no web push either', () => write('false', { push: 'log: {}' }), [ON], 2, /and `webpush: .*vapid-keys/],
    ['nobody can be asked', () => write('true', { admin: '' }), [ON], 2, /http\.admin is missing/],
    ['nothing runs', () => undefined, [ON], 3, /no pushwake answers/],
    ['an account of no PBX', () => undefined, ['1001@elsewhere.example'], 2, /no PBX of \S+ has the realm/],
    ['no account at all', () => undefined, ['a@b@c'], 2, /is no account/],
    [
      'a page without TLS',
      () => undefined,
      [ON, '--page', 'http://phone.example.com'],
      2,
      /--page: expected an https URL/,
    ],
    [
      'a password file that is not there',
      () => undefined,
      [ON, '--password-file', '/nowhere/pw'],
      2,
      /cannot open \/nowhere\/pw/,
    ],
    ['an empty password file', () => undefined, [ON, '--password-file', '/dev/null'], 2, /expected the SIP password/],
  ];
  it.each(wrong)('says what to do: %s', async (_case, prepare, args, code, said) => {
    prepare();
    const ran = await phone(...args);
    expect({ code: ran.code, stdout: ran.stdout }).toEqual({ code, stdout: '' });
    expect(ran.stderr).toMatch(said);
  });

  it('says that one which runs has to be started anew, and that a token may not', async () => {
    write('false');
    await start();
    write('true');
    expect(await phone(ON)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/409: the phone for the browser is off/),
    });
    write('true', { tokens: TOKENS.replace('operate-token', 'another-token') });
    expect(await phone(ON)).toMatchObject({ code: 3, stderr: expect.stringMatching(/answers 401/) });
  });

  it('leaves the QR code out where the terminal is too narrow for it', async () => {
    await start();
    const before = process.stdout.columns;
    process.stdout.columns = 30;
    const ran = await phone(ON);
    process.stdout.columns = before;
    expect(ran.stdout).toMatch(/needs a terminal of \d\d columns/);
    expect(ran.stdout).not.toContain('█');
  });
});

describe('while it is off', () => {
  it('nothing is built or read, and the listener has nothing of it', async () => {
    write('false');
    expect(await phoneParts(loadConfig(config, schemasOf(await adapters())))).toBeUndefined();
    await start();
    const asked = async (path: string) => (await fetch(`http://127.0.0.1:${ports.devices}${path}`)).status;
    for (const path of ['/phone', '/phone/', '/phone/app.js', '/phone/v1/login'])
      expect(await asked(path), path).toBe(404);
    expect((await login('x')).status).toBe(404);
  });
});

describe('a QR code of the terminal', () => {
  it.each(['https://phone.example.com/phone/#AAAAAAAAAAAAAAAAAAAAAA', 'x'.repeat(500)])('says %s', (text) => {
    const code = qrcode(0, 'M');
    code.addData(text);
    code.make();
    const size = code.getModuleCount();
    const lines = qrLines(text);
    expect(lines).toHaveLength(Math.ceil((size + 8) / 2));
    for (let row = -4; row < size + 4; row++) {
      for (let column = -4; column < size + 4; column++) {
        const glyph = [...(lines[(row + 4) >> 1] ?? '')][column + 4];
        const isLight = glyph === '█' || glyph === (row % 2 === 0 ? '▀' : '▄');
        const inside = row >= 0 && column >= 0 && row < size && column < size;
        expect(isLight).toBe(!inside || !code.isDark(row, column));
      }
    }
  });
});
