/** The command line as a whole: exit codes, what is said where, the page that shows it. No PBX. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { clockFinding, endFinding } from '../../adapters/shared/findings.ts';
import { adapters } from '../../plugin/app/adapters.ts';
import { nodeFinding } from '../../plugin/commands/check/program.ts';
import { progressLine } from '../../plugin/commands/terminal.ts';
import { encodeRecord } from '../../plugin/core/binding.ts';
import { DAY, HOUR, instant, MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import { bindingEndingIn, MONDAY, OTHER, recordOf, VOIP } from '../support/builders.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { CLI_PAGE, cliPage } from './cli-page.ts';
import { inProcess } from './command.ts';

let folder: string;
let config: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-cli-'));
  config = join(folder, 'pushwake.yaml');
  writeConfig('');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function writeConfig(more: string, mode = 0o600): void {
  writeFileSync(
    config,
    `store: { type: sqlite, path: ${join(folder, 'bindings.db')} }
pbx: { office: { type: freeswitch, port: 1, password: x, realm: example.com } }
push: { log: {} }
${more}`,
  );
  chmodSync(config, mode);
}

const run = (...args: string[]) => inProcess(...args, '-c', config);

/** One account with one device, in the store of the configuration. */
async function storeOne(): Promise<void> {
  const module = (await adapters()).store.get('sqlite');
  const deps = { clock: systemClock(), log: new RecordedLog(), name: 'sqlite' };
  const store = module?.create({ path: join(folder, 'bindings.db') }, deps);
  await store?.open();
  await store?.put(recordOf(bindingEndingIn(6 * DAY, systemClock().now())), 0);
  await store?.close();
}

describe('docs/cli.md', () => {
  it('says what the commands say of themselves (`node test/admin/cli-page.ts` writes it)', () => {
    expect(readFileSync(CLI_PAGE, 'utf8')).toBe(cliPage());
  });

  it('every command teaches by example', () => {
    for (const part of cliPage().split(/^## /m).slice(1))
      expect(part, part.split('\n')[0]).toMatch(/\$ pushwake |^simulate|^vapid-keys/m);
  });
});

describe('exit codes', () => {
  it.each([
    [0, ['--version']],
    [0, ['check', '--help']],
    [2, ['nonsense']],
    [2, ['check', '--nonsense']],
    [2, ['bindings']],
    [2, ['bindings', 'show']],
    [2, ['check', '-c', '/nowhere.yaml']],
    [2, ['simulate', 'no story at all']],
    [3, ['status']],
    [1, ['bindings', 'list']],
    [2, ['bindings', 'show', 'a@b@c']],
    [1, ['push-test', '1001']],
    [0, ['check-config']],
  ] as const)('%i: pushwake %j', async (code, args) => {
    const ran =
      args.some((a) => a === '-c' || a.startsWith('--') || a === 'nonsense' || a === 'simulate') ||
      (args[1] === undefined && args[0] === 'bindings')
        ? await inProcess(...args)
        : await run(...args);
    expect(ran.code, `${ran.stdout}${ran.stderr}`).toBe(code);
    // What went wrong is not mixed with what was asked for.
    if (code !== 0) expect(ran.stdout).toBe('');
    expect(`${ran.stdout}${ran.stderr}`).not.toContain('\u001b[');
  });

  it('check-config --json lists the mistakes with their places', async () => {
    writeConfig('mode: ful\n');
    const ran = await run('check-config', '--json');
    expect(ran.code).toBe(2);
    expect(JSON.parse(ran.stdout)).toMatchObject({ right: false, mistakes: [{ line: 4, column: 7, path: 'mode' }] });
  });
});

describe('health', () => {
  let server: HttpServer | undefined;
  afterEach(() => server?.close());

  /** Answers as a running pushwake does: by the path that was asked for. */
  async function answering(statuses: Readonly<Record<string, number>>): Promise<void> {
    server = createHttpServer((request, response) => {
      response.writeHead(statuses[request.url ?? ''] ?? 404, { 'content-type': 'application/json' }).end('{}');
    });
    await new Promise<void>((done) => server?.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    writeConfig(`http: { admin: { listen: "127.0.0.1:${port}" } }\n`);
  }

  it.each([
    ['it works', { '/health/live': 200 }, [], 0, 'live\n'],
    [
      'it works, but no PBX is there: no reason for a restart',
      { '/health/live': 200, '/health/ready': 503 },
      [],
      0,
      'live\n',
    ],
    ['the same, asked for more', { '/health/live': 200, '/health/ready': 503 }, ['--ready'], 1, ''],
    ['it has a PBX', { '/health/ready': 200 }, ['--ready'], 0, 'ready\n'],
    ['somebody else listens there', {}, [], 1, ''],
  ])('%s', async (_what, statuses, options, code, stdout) => {
    await answering(statuses);
    expect(await run('health', ...options)).toMatchObject({ code, stdout });
  });

  it('nobody is there, and nobody can be asked: two codes', async () => {
    await answering({});
    server?.close();
    expect(await run('health')).toMatchObject({ code: 1, stdout: '' });
    writeConfig('');
    expect(await run('health')).toMatchObject({ code: 3, stderr: expect.stringContaining('no `http.admin`') });
  });
});

describe('bindings', () => {
  it('show tells everything but the tokens', async () => {
    await storeOne();
    const ran = await run('bindings', 'show', '1001');
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/^Device \w+ \(apns, TEAM123456\.com\.example\.phone\) can be woken until /);
    expect(ran.stdout).toMatch(/^ {2}Calls go to apns, app .*, token [0-9a-f]{12}\.$/m);
    const json = await run('bindings', 'show', '1001', '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ aor: '1001@example.com', bindings: [{ stage: 'fresh' }] });
    for (const secret of [VOIP, OTHER]) expect(ran.stdout + json.stdout).not.toContain(secret);
    // Control: the secret is in the record.
    expect(encodeRecord(recordOf(bindingEndingIn(DAY, MONDAY)))).toContain(VOIP);
  });

  it('drop of a stopped pushwake is stored, so that the next start removes the contact', async () => {
    await storeOne();
    expect(await run('bindings', 'drop', '1001')).toMatchObject({ code: 2 });
    expect(await run('bindings', 'drop', '1001', 'another')).toMatchObject({ code: 1 });
    const ran = await run('bindings', 'drop', '1001', '--yes');
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stdout).toContain('removes their contacts when it starts');
    const shown = JSON.parse((await run('bindings', 'show', '1001', '--json')).stdout) as {
      bindings: object[];
      tombstones: object[];
    };
    expect([...shown.bindings, ...shown.tombstones]).toMatchObject([{ ending: 'dropped' }]);
  });

  it('push-test goes out directly where no pushwake runs, and says that a device has no such service', async () => {
    await storeOne();
    const ran = await run('push-test', '1001', '--json');
    expect(ran.code).toBe(1);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      by: 'directly',
      tests: [{ level: 'warn', remedy: expect.any(String) }],
    });
  });
});

describe('check without a PBX', () => {
  const findings = async (...args: string[]) => {
    const ran = await run('check', '--offline', '--json', ...args);
    const told = JSON.parse(ran.stdout) as {
      findings: { group: string; level: string; what: string; found: string; remedy?: string }[];
    };
    for (const f of told.findings) if (f.level !== 'ok') expect(f.remedy, f.found).toMatch(/\S/);
    return { code: ran.code, lines: told.findings.map((f) => `${f.level} ${f.group} ${f.what}: ${f.found}`) };
  };

  it('names what is wrong with files, ports and keys', async () => {
    const taken: Server = createServer().listen(0, '127.0.0.1');
    await new Promise((r) => taken.once('listening', r));
    const { port } = taken.address() as { port: number };
    taken.on('connection', (socket) => socket.destroy());
    try {
      await storeOne();
      chmodSync(join(folder, 'bindings.db'), 0o644);
      writeConfig(`http: { admin: { listen: "127.0.0.1:${port}" } }\n`, 0o644);
      const { code, lines } = await findings();
      expect(code).toBe(1);
      expect(lines).toEqual(
        expect.arrayContaining([
          expect.stringMatching(
            /^warn pushwake configuration: .* can be read by everybody on this machine \(mode 644\)$/,
          ),
          expect.stringMatching(/^warn store store: .*bindings\.db has mode 644, and it holds push tokens$/),
          expect.stringMatching(
            /^fail pbx\.office event socket login: cannot reach FreeSWITCH at 127\.0\.0\.1:1: ECONNREFUSED$/,
          ),
          expect.stringMatching(/^fail http port: 127\.0\.0\.1:\d+ \(http\.admin\) cannot be had \(EADDRINUSE\)$/),
        ]),
      );
    } finally {
      await new Promise((r) => taken.close(r));
    }
  });

  it('a store that is no store, and one that cannot be made', async () => {
    writeFileSync(join(folder, 'bindings.db'), 'this is no database, but long enough to look like one. '.repeat(100), {
      mode: 0o600,
    });
    expect((await findings()).lines).toContainEqual(expect.stringMatching(/^fail store store: .*bindings\.db/));
    expect(readFileSync(join(folder, 'bindings.db'), 'utf8')).toContain('this is no database');
  });

  it('makes nothing', async () => {
    await findings();
    expect(existsSync(join(folder, 'bindings.db'))).toBe(false);
  });
});

describe('findings', () => {
  const at = MONDAY;
  it.each([
    ['ok', 0],
    ['ok', 5 * SECOND],
    ['warn', 5 * SECOND + 1],
    ['warn', 10 * MINUTE],
    ['fail', 10 * MINUTE + 1],
    ['fail', -10 * MINUTE - 1],
    ['ok', -5 * SECOND],
  ])('clocks: %s at %i ms', (level, ms) => {
    expect(clockFinding('Asterisk', plus(at, ms), at, at).level).toBe(level);
  });

  it.each([
    ['ok', 30 * DAY],
    ['warn', 30 * DAY - 1],
    ['warn', 1],
    ['fail', 0],
    ['fail', -HOUR],
  ])('a certificate: %s with %i ms left', (level, ms) => {
    expect(endFinding('key', 'it', instant(at + ms), at).level).toBe(level);
  });

  it.each([
    ['22.19.0', 'ok'],
    ['22.18.9', 'fail'],
    ['23.11.0', 'fail'],
    ['24.11.0', 'ok'],
    ['25.0.0', 'fail'],
    ['27.1.0', 'ok'],
    ['18.20.4', 'fail'],
  ])('Node.js %s: %s', (version, level) => {
    expect(nodeFinding(version, '^22.19.0 || ^24.11.0 || >=26.0.0').level).toBe(level);
  });

  it('a progress bar', () => {
    expect(progressLine('records', 5, 10)).toBe(`records [${'#'.repeat(15)}${'.'.repeat(15)}] 5/10`);
    expect(progressLine('records', 5, undefined)).toBe('records 5');
  });
});
