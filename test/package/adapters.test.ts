/**
 * A stranger's push service: `docs/adapters.md` carried out in an empty folder against the packed package. Its files are those
 * of the page, its contract is green, and a call pushes through it. The PBX of that call is an adapter from outside as well,
 * by its absolute path.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = readFileSync(join(ROOT, 'docs/adapters.md'), 'utf8');
const run = promisify(execFile);
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };

/** The files that the page shows, by name. */
const files = [...PAGE.matchAll(/^\*\*`([\w.]+)`\*\*\n\n```\w+\n([\s\S]*?)^```/gm)].map(([, name, text]) => ({
  name: name as string,
  text: text as string,
}));

/** A PBX that tells of one phone and then of one call, and accepts what it is told to do. */
const PBX = `
import { z } from 'pushwake/sdk';
export const optionsSchema = z.strictObject({ realm: z.string() });
export function create(options, { clock, name }) {
  const aor = '1001@example.com';
  const uri = 'sip:1001@192.0.2.7:5061;transport=tls;pn-provider=ntfy;pn-param=phone;pn-prid=topic-of-a-stranger';
  const done = async () => 'done';
  return {
    name, up: true,
    async start(emit) {
      emit({ type: 'linkUp', pbx: name });
      const contact = { pbx: name, aor, uri, expiresAt: clock.now() + 3_600_000 };
      emit({ type: 'contactSeen', contact, how: 'event', at: clock.now(), grantedMs: 3_600_000 });
      clock.after(500, () => emit({
        type: 'wakeLegArrived', pbx: name, startedAt: clock.now(), leg: { legId: 'leg', aor, linkedId: 'call' },
      }));
    },
    async ask() { return { aorExists: true, contacts: [] }; },
    async *list() {},
    compose: done, ring: done, giveUp: done, watch() {}, setReachable: async () => {}, removeContact: async () => 'gone',
    stop: async () => {},
  };
}
`;

let folder: string;
let bin: string;
const made = (name: string, text: string) => {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
};
const npm = (...args: string[]) => run('npm', args, { cwd: folder, env, maxBuffer: 16 * 1024 * 1024 });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-adapters-'));
  await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: ROOT, env });
  const [packed = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  for (const { name, text } of files) made(name, text);
  const { version } = JSON.parse(readFileSync(join(ROOT, 'node_modules/vitest/package.json'), 'utf8'));
  await npm('install', '--no-audit', '--no-fund', '--save-dev', join(folder, packed), `vitest@${version}`);
  bin = join(folder, 'node_modules/.bin');
  // As \`npm install --prefix\` leaves it beside a configuration file.
  for (const { name, text } of files) made(`etc/node_modules/pushwake-ntfy/${name}`, text);
  made('etc/pbx.js', PBX);
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const configOf = (port: number, change: (text: string) => string = (text) => text) =>
  made(
    'etc/pushwake.yaml',
    change(`mode: full
store: { path: ${join(folder, 'bindings.db')} }
pbx:
  office:
    type: ${join(folder, 'etc/pbx.js')}
    realm: example.com
push:
  ntfy:
    type: pushwake-ntfy
    url: http://127.0.0.1:${port}
`),
  );

describe('a push service from outside, by the page', () => {
  it('has the three files of the page', () => {
    expect(files.map((f) => f.name)).toEqual(['package.json', 'index.js', 'contract.test.js']);
  });

  it('keeps the contract', async () => {
    const { stdout } = await run(join(bin, 'vitest'), ['run', '--root', folder, 'contract.test.js'], {
      cwd: folder,
      env,
    });
    expect(stdout).toMatch(/Tests .*\d+ passed/);
    expect(stdout).not.toMatch(/failed|skipped/);
  });

  it('pushes a call, and every part of it came from outside', async () => {
    const bodies: string[] = [];
    const arrived = Promise.withResolvers<void>();
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk;
      });
      request.on('end', () => {
        bodies.push(body);
        response.end('{}');
        arrived.resolve();
      });
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const file = configOf((server.address() as AddressInfo).port);
    const child: ChildProcess = spawn(join(bin, 'pushwake'), ['start', '-c', file], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const log: string[] = [];
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => log.push(line));
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) => log.push(line));
    await Promise.race([arrived.promise, exited]);
    child.kill('SIGTERM');
    expect(await exited, log.join('\n')).toBe(0);
    server.close();
    expect(JSON.parse(bodies[0] ?? '{}')).toMatchObject({
      topic: 'topic-of-a-stranger',
      extras: { pushwake: { type: 'call', aor: '1001@example.com' } },
    });
    expect(log.join('\n')).not.toContain('topic-of-a-stranger');
  });

  it.each<[string, (text: string) => string, RegExp]>([
    [
      'a package that is not there',
      (t) => t.replace('pushwake-ntfy', 'pushwake-nfty'),
      /:9:11 push\.ntfy\.type: .*pushwake-nfty is not installed; npm install --prefix/,
    ],
    ['a path that is not there', (t) => t.replace('pbx.js', 'gone.js'), /:5:11 pbx\.office\.type: there is no file/],
    [
      'a module that is no adapter',
      (t) => t.replace('pbx.js', 'node_modules/pushwake-ntfy/package.json'),
      /pbx\.office\.type/,
    ],
    [
      'a wrong option of it',
      (t) => t.replace('url: http', 'uri: http'),
      /:10:5 push\.ntfy\.uri: unknown key; did you mean url\?/,
    ],
  ])('a mistake is named with its place: %s', async (_, change, says) => {
    const file = configOf(1, change);
    const failed = await run(join(bin, 'pushwake'), ['check-config', '-c', file], { env }).catch(
      (error: unknown) => error,
    );
    expect(failed).toMatchObject({ code: 2, stderr: expect.stringMatching(says) });
  });
});
