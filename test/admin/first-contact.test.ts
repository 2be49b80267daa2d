/** What a newcomer meets first: a Node.js that is too old, times that cannot be kept, a check right after the start. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeMistake, readManifest } from '../../plugin/manifest.ts';
import { quietHealth } from '../support/quiet-status.ts';
import { inProcess } from './command.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-first-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function written(...lines: string[]): string {
  const file = join(folder, 'pushwake.yaml');
  const pbx = 'pbx: { office: { type: freeswitch, port: 1, password: x, realm: example.com } }';
  writeFileSync(file, `${[`store: { path: ${folder}/b.db }`, pbx, ...lines].join('\n')}\n`, { mode: 0o600 });
  return file;
}

describe('the Node.js it runs on', () => {
  const range = readManifest().platforms.node;
  it.each(['20.20.2', '18.0.0', '22.18.0', '23.9.0', '25.1.0'])(
    '%s: a sentence with the version that is needed',
    (version) => {
      expect(nodeMistake(version, range)).toBe(
        `this is Node.js ${version}, and pushwake needs ${range}; the Debian package brings its own`,
      );
    },
  );
  it.each(['22.19.0', '24.11.0', '26.0.0', process.versions.node])('%s is right', (version) => {
    expect(nodeMistake(version, range)).toBeUndefined();
  });
});

describe('policy times that the ticker cannot keep', () => {
  it('are right, and warned about with their place', async () => {
    const file = written(
      'policy: { ttl: 7d, refreshEvery: 30s, notices: [12h, 59s], ringTime: 20s }',
      'policies:',
      '  - { aor: "2*", policy: { putOff: 10s, refreshFrom: 0s } }',
    );
    const ran = await inProcess('check-config', '-c', file);
    expect(ran.code).toBe(0);
    expect(ran.stderr.trim().split('\n')).toEqual([
      expect.stringMatching(/^warning: .*:3:\d+ policy\.refreshEvery: less than a minute/),
      expect.stringMatching(/^warning: .*:3:\d+ policy\.notices\.1: less than a minute/),
      expect.stringMatching(/^warning: .*:5:\d+ policies\.0\.policy\.putOff: less than a minute/),
    ]);
    const json = JSON.parse((await inProcess('check-config', '--json', '-c', file)).stdout);
    expect(json).toMatchObject({ right: true, mistakes: [], warnings: [{ path: 'policy.refreshEvery' }, {}, {}] });
  });

  it('of a minute and more are not', async () => {
    const ran = await inProcess('check-config', '-c', written('policy: { refreshEvery: 1min, retryWake: 6s }'));
    expect(ran).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('a check right after the start', () => {
  it('waits for a link that is about to be up', async () => {
    let asked = 0;
    const running = createServer((_request, response) => {
      const links = { office: ++asked > 2 };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(quietHealth({ links })));
    });
    await new Promise<void>((done) => running.listen(0, '127.0.0.1', done));
    const { port } = running.address() as AddressInfo;
    const file = written(`http: { admin: { listen: "127.0.0.1:${port}" } }`, 'push: { log: {} }');
    const ran = await inProcess('check', '--offline', '--json', '-c', file);
    await new Promise((done) => running.close(done));
    const { findings } = JSON.parse(ran.stdout) as { findings: { what: string; level: string }[] };
    expect(findings.filter((f) => f.what === 'running pushwake').map((f) => f.level)).not.toContain('fail');
    expect(asked).toBe(3);
  });
});
