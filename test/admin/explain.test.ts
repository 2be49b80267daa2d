/** `pushwake explain` asks a running pushwake, of which an HTTP server stands here with the answers of its admin listener. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { inProcess } from './command.ts';

let folder: string;
let server: Server;
let status: Readonly<Record<string, unknown>>;

const WELL = { ready: true, waiting: 0, mode: 'full', links: { office: true }, sensors: {}, services: [] };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-explain-'));
  server = createServer((request, response) => {
    const known = request.url === '/v1/status';
    response
      .writeHead(known ? 200 : 404, { 'content-type': 'application/json' })
      .end(known ? JSON.stringify(status) : '{}');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  writeFileSync(
    join(folder, 'pushwake.yaml'),
    `store: { path: ${join(folder, 'bindings.db')} }
pbx: { office: { type: freeswitch, port: 1, password: x, realm: example.com } }
push: { log: {} }
http: { admin: { listen: "127.0.0.1:${(server.address() as AddressInfo).port}" } }
`,
    { mode: 0o600 },
  );
});
afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const explain = () => inProcess('explain', '1001', '-c', join(folder, 'pushwake.yaml'));

it.each([
  ['a link is down', { links: { office: false } }, /For every account, now:\n {2}the link to office is down/],
  ['it only observes', { mode: 'observe' }, /For every account, now:\n {2}the mode is observe: no phone is pushed/],
])('no call is known, and %s: that is said too', async (_what, changed, said) => {
  status = { ...WELL, ...changed };
  const { code, stdout } = await explain();
  expect(stdout).toMatch(/^Nothing is known/);
  expect(stdout).toMatch(said);
  expect(code).toBe(0);
});

it('nothing is wrong: not a word more', async () => {
  status = WELL;
  expect((await explain()).stdout).not.toContain('For every account');
});
