/**
 * The package as npm installs it: `npm pack`, `npm install --global`, and the command works. Compiled: Node refuses TypeScript
 * below node_modules, so a file that was left uncompiled would not load.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PHONE_FILES } from '../../plugin/app/phone-files.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

let folder: string;
let pushwake: string;
/** The Node this runs on first: the shebang takes the one of the PATH. */
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-npm-'));
  await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: ROOT, env });
  const [file = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  const args = [
    'install',
    '--global',
    '--prefix',
    join(folder, 'global'),
    '--no-audit',
    '--no-fund',
    join(folder, file),
  ];
  await run('npm', args, { cwd: folder, env, maxBuffer: 16 * 1024 * 1024 });
  pushwake = join(folder, 'global/bin/pushwake');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const config = (name: string, text: string): string => {
  const file = join(folder, name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
};
const good = (): string =>
  config(
    'pushwake.yaml',
    `mode: full
store: { type: sqlite, path: ${join(folder, 'bindings.db')} }
pbx:
  office: { type: asterisk, url: "http://127.0.0.1:9", password: nobody-listens-there, realm: example.com }
push: { log: {} }
`,
  );

describe('installed by npm', () => {
  it('knows its version and its commands', async () => {
    expect((await run(pushwake, ['--version'], { env })).stdout.trim()).toMatch(/^\d+\.\d+\.\d+/);
    expect((await run(pushwake, ['--help'], { env })).stdout).toMatch(/^\s+explain\b/m);
  });

  it('has the phone for the browser, built, without what it is built with', async () => {
    const at = join(folder, 'global/lib/node_modules/pushwake');
    expect(readdirSync(join(at, 'dist/plugin/phone')).sort()).toEqual(Object.keys(PHONE_FILES).sort());
    for (const name of ['jssip', 'esbuild']) expect(existsSync(join(at, 'node_modules', name)), name).toBe(false);
    const key = JSON.parse((await run(pushwake, ['vapid-keys', '--json'], { env })).stdout).private;
    const file = config(
      'phone.yaml',
      `store: { type: sqlite, path: ${join(folder, 'phone.db')} }
pbx: { office: { type: asterisk, url: "http://127.0.0.1:9", password: nobody-listens-there, realm: example.com } }
push: { webpush: { subject: "mailto:a@example.com", privateKey: ${key} } }
http: { devices: { listen: "127.0.0.1:0", accountSecret: 0123456789abcdefghijklmnop, phone: true } }
`,
    );
    const child: ChildProcess = spawn(pushwake, ['start', '-c', file], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let page = '';
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
      const { msg, port } = JSON.parse(line) as { msg: string; port?: number };
      if (msg !== 'listening') continue;
      page = await (await fetch(`http://127.0.0.1:${port}/phone/`)).text();
      child.kill('SIGTERM');
    }
    expect(page).toBe(readFileSync(join(ROOT, 'plugin/phone/index.html'), 'utf8'));
  });

  it('names the mistake of a configuration by file, line and column', async () => {
    const file = config('bad.yaml', 'mode: fulll\n');
    const failed = await run(pushwake, ['check-config', '-c', file], { env }).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 2, stderr: expect.stringContaining(`${file}:1:7 mode: `) });
  });

  it('starts, says what is missing, and stops in order', async () => {
    const child: ChildProcess = spawn(pushwake, ['start', '-c', good()], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const said: string[] = [];
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
      said.push((JSON.parse(line) as { msg: string }).msg);
      if (said.at(-1) === 'ready') child.kill('SIGTERM');
    }
    expect(said).toEqual(expect.arrayContaining(['pbx link down, calls take the plain path', 'ready', 'stopped']));
    expect(await exited).toBe(0);
  });
});
