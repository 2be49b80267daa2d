/**
 * The Debian package on a booted systemd, from `dpkg --install` to purge, beside a real Asterisk: what the unit promises, seen by `systemctl` and
 * `journalctl` as an administrator sees it. `npm run test:systemd`; needs root, takes about three minutes.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { buildPackage } from '../../config/release/debian.ts';
import { run } from '../support/asterisk/shell.ts';
import { freeUdpPort, REALM, Scene } from '../support/scene.ts';
import { bringDebian, Machine } from '../support/systemd/machine.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CONFIG = '/etc/pushwake/pushwake.yaml';
const DROP_IN = '/etc/systemd/system/pushwake.service.d';
const PATIENT = { timeout: 30_000, interval: 250 };

let scene: Scene;
let proxy: TcpProxy;
let machine: Machine;
let folder: string;
let adminPort: number;
/** The package's file. */
let built: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-systemd-'));
  built = buildPackage(folder);
  scene = await Scene.start({ name: 'systemd', withoutPushwake: true });
  proxy = await TcpProxy.start(scene.asterisk.ports.ari);
  adminPort = await freeUdpPort();
  machine = await Machine.boot(await bringDebian());
  await machine.write('/root/pushwake.deb', readFileSync(built));
}, 900_000);
afterAll(async () => {
  await machine?.stop();
  await scene?.close();
  await proxy?.close();
  rmSync(folder, { recursive: true, force: true });
});

const yaml = (change: (text: string) => string = (text) => text): string =>
  change(
    scene
      .yaml({
        url: `http://127.0.0.1:${proxy.port}`,
        storePath: '/var/lib/pushwake/bindings.db',
        more: `http: { admin: { listen: "127.0.0.1:${adminPort}" } }\n`,
      })
      .replace('level: debug', 'level: info'),
  );
const configure = async (text = yaml()): Promise<void> => {
  await machine.write(CONFIG, text, '0640');
  await machine.run('chgrp', 'pushwake', CONFIG);
};
const dropIn = async (text: string): Promise<void> => {
  await machine.run('mkdir', '-p', DROP_IN);
  await machine.write(`${DROP_IN}/test.conf`, `[Service]\n${text}\n`);
  await machine.run('systemctl', 'daemon-reload');
};
const property = async (name: string): Promise<string> =>
  (await machine.run('systemctl', 'show', 'pushwake', '--property', name, '--value')).trim();
/** Lines of the journal since a moment. */
const journal = async (...args: readonly string[]): Promise<string> =>
  (await machine.try('journalctl', '--unit=pushwake', '--output=cat', '--quiet', '--no-pager', ...args)).output;
const cursor = async (): Promise<string> => {
  const text = (await machine.try('journalctl', '--show-cursor', '--lines=0', '--quiet')).output;
  return `--after-cursor=${/^-- cursor: (.*)$/m.exec(text)?.[1] ?? ''}`;
};
/** This version's package as one of before would be: an older number, and a record format less. */
async function olderPackage(): Promise<string> {
  const tree = join(folder, 'older');
  await run('dpkg-deb', ['--raw-extract', built, tree]);
  const change = (path: string, from: RegExp, to: string) => {
    const text = readFileSync(join(tree, path), 'utf8');
    if (!from.test(text)) throw new Error(`${path} has no ${from}`);
    writeFileSync(join(tree, path), text.replace(from, to));
  };
  change('DEBIAN/control', /^Version: .*$/m, 'Version: 0.0.9');
  change('usr/lib/pushwake/dist/plugin/core/binding.js', /RECORD_FORMAT = 2\b/, 'RECORD_FORMAT = 1');
  // It does not know what a newer form is made of.
  change(
    'usr/lib/pushwake/dist/plugin/core/old-records.js',
    /MIGRATIONS = \{/,
    'MIGRATIONS = {}; export const LATER = {',
  );
  const file = join(folder, 'older.deb');
  await run('dpkg-deb', ['--build', '--root-owner-group', tree, file]);
  return file;
}

const statusText = () => property('StatusText');
const isUp = () => vi.waitFor(async () => expect(await statusText()).toContain('PBX links up: 1 of 1'), PATIENT);

describe('a service of systemd', () => {
  it('is installed, switched on, and waits for its configuration', async () => {
    expect(await machine.run('dpkg', '--install', '/root/pushwake.deb')).toContain('next, run: pushwake init');
    expect((await machine.run('systemctl', 'is-enabled', 'pushwake')).trim()).toBe('enabled');
    expect(await property('ActiveState')).toBe('inactive');
    expect(await property('ConditionResult')).toBe('no');
  });

  it('starts, and says what it does', async () => {
    await configure();
    await machine.run('systemctl', 'start', 'pushwake');
    expect(await property('ActiveState')).toBe('active');
    await isUp();
    expect(await statusText()).toMatch(/^mode full; PBX links up: 1 of 1; calls that wait: 0$/);
    expect((await machine.run('pidof', 'pushwake')).trim()).toBe(await property('MainPID'));
    expect(await machine.run('pushwake', 'status', '--config', CONFIG)).toContain('office');
  });

  it('says so when the PBX goes away and comes back, and the journal knows which lines are warnings', async () => {
    const since = await cursor();
    await proxy.close();
    await vi.waitFor(async () => expect(await statusText()).toContain('PBX links up: 0 of 1 (down: office)'), PATIENT);
    const warnings = (await journal(since, '--priority=warning')).trim().split('\n');
    expect(warnings.map((line) => JSON.parse(line).level)).toEqual(expect.arrayContaining([40]));
    expect(warnings.filter((line) => JSON.parse(line).level < 40)).toEqual([]);
    proxy = await TcpProxy.start(scene.asterisk.ports.ari);
    await configure();
    await machine.run('systemctl', 'reload', 'pushwake');
    await machine.run('systemctl', 'restart', 'pushwake');
    await isUp();
  });

  it('applies a right file at a reload, and fails by a wrong one, which changes nothing', async () => {
    await configure(yaml((text) => text.replace('ringTime: 30s', 'ringTime: 25s')));
    const since = await cursor();
    await machine.run('systemctl', 'reload', 'pushwake');
    await vi.waitFor(async () => expect(await journal(since)).toContain('"configuration applied"'), PATIENT);
    const pid = await property('MainPID');
    await configure(yaml((text) => text.replace('ringTime: 30s', 'ringTime: soon')));
    const before = await cursor();
    const { code } = await machine.try('systemctl', 'reload', 'pushwake');
    expect(code).not.toBe(0);
    expect(await journal(before)).toMatch(/pushwake\.yaml:\d+:\d+ policy\.ringTime: /);
    expect(await property('ActiveState')).toBe('active');
    expect(await property('MainPID')).toBe(pid);
    await configure();
  });

  it('is started anew when it is killed, and when its main loop hangs', async () => {
    const pid = await property('MainPID');
    await machine.run('kill', '-KILL', pid);
    await vi.waitFor(async () => expect(['0', pid]).not.toContain(await property('MainPID')), PATIENT);
    await isUp();
    await dropIn('WatchdogSec=3');
    await machine.run('systemctl', 'restart', 'pushwake');
    const hung = await property('MainPID');
    await machine.run('kill', '-STOP', hung);
    await vi.waitFor(async () => expect(['0', hung]).not.toContain(await property('MainPID')), PATIENT);
    await isUp();
  });

  it('is given passwords as credentials, and commands in a shell find them while it runs', async () => {
    const password = /^ {4}password: (.*)$/m.exec(yaml())?.[1] ?? '';
    await machine.write('/root/ari-password', `${password}\n`, '0600');
    await dropIn('LoadCredential=ari-password:/root/ari-password');
    await configure(yaml((text) => text.replace(/^( {4}password: ).*$/m, `$1\${credential:ari-password}`)));
    await machine.run('systemctl', 'restart', 'pushwake');
    await isUp();
    expect(await machine.run('pushwake', 'check-config', '--config', CONFIG)).toContain(CONFIG);
    expect(await machine.run('pushwake', 'status', '--config', CONFIG)).toContain('office');
    await dropIn('');
    await configure();
    await machine.run('systemctl', 'restart', 'pushwake');
    await isUp();
  });

  it('stops without a word of complaint', async () => {
    const since = await cursor();
    await machine.run('systemctl', 'stop', 'pushwake');
    expect(await journal(since, '--priority=warning')).toBe('');
    expect(await journal(since)).toContain('"stopped"');
    expect(await property('Result')).toBe('success');
  });

  it('a store file that is none: one start, and systemd waits for a hand', async () => {
    await machine.run('mv', '/var/lib/pushwake/bindings.db', '/root/');
    await machine.run(
      'sh',
      '-c',
      'rm -f /var/lib/pushwake/bindings.db-*; yes nonsense | head -c 9000 > /var/lib/pushwake/bindings.db',
    );
    await machine.run('chown', 'pushwake:', '/var/lib/pushwake/bindings.db');
    const since = await cursor();
    expect((await machine.try('systemctl', 'start', 'pushwake')).code).not.toBe(0);
    expect(await journal(since)).toMatch(/store\.path: store file .* is no pushwake store, or is damaged/);
    expect(await property('ExecMainStatus')).toBe('2');
    // Longer than RestartSec.
    await delay(2_500);
    expect(await property('NRestarts')).toBe('0');
    expect(await property('ActiveState')).toBe('failed');
    await machine.run('mv', '/root/bindings.db', '/var/lib/pushwake/');
    await machine.run('systemctl', 'reset-failed', 'pushwake');
  });

  it('an upgrade leaves it off where the administrator has switched it off, and running where it runs', async () => {
    await machine.run('systemctl', 'disable', '--now', 'pushwake');
    await machine.run('dpkg', '--install', '/root/pushwake.deb');
    expect((await machine.try('systemctl', 'is-enabled', 'pushwake')).output.trim()).toBe('disabled');
    expect(await property('ActiveState')).toBe('inactive');
    await machine.run('systemctl', 'enable', '--now', 'pushwake');
    await isUp();
    const pid = await property('MainPID');
    await machine.run('dpkg', '--install', '/root/pushwake.deb');
    await isUp();
    expect(await property('MainPID')).not.toBe(pid);
    expect((await machine.run('systemctl', 'is-enabled', 'pushwake')).trim()).toBe('enabled');
  });

  it('an upgrade under calls: phones that sleep ring through it, but for those of its moment', async () => {
    const caller = await scene.phone('2000');
    await caller.register();
    const phone = await scene.phone('1001', { transport: 'tls' });
    const identity = scene.install();
    await phone.register({ contactParams: identity.params });
    await vi.waitFor(
      async () =>
        expect(await machine.run('pushwake', 'bindings', 'list', '--config', CONFIG)).toContain(`1001@${REALM}`),
      PATIENT,
    );
    phone.answer = { kind: 'auto' };
    const results: number[] = [];
    const callOnce = async (): Promise<number> => {
      await phone.sleep();
      const woken = scene.wakeByPush(phone, identity);
      const call = await caller.call('1001');
      const { status } = await call.done;
      if (status === 200) await call.hangup();
      woken.stop();
      return status;
    };
    let isDone = false;
    const upgrade = machine.run('dpkg', '--install', '/root/pushwake.deb').finally(() => {
      isDone = true;
    });
    while (!isDone) results.push(await callOnce());
    await upgrade;
    await isUp();
    console.log(`calls through an upgrade: ${results.join(' ')}`);
    expect(results).toContain(200);
    for (let i = 0; i < 3; i++) expect(await callOnce()).toBe(200);
  });

  it('goes back to a version that knows an older record format, as docs/operations.md says', async () => {
    await machine.write('/root/older.deb', readFileSync(await olderPackage()));
    const page = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');
    const commands = /^Going back[^\n]*\n\n```sh\n([\s\S]*?)^```/m.exec(page)?.[1] ?? '';
    expect(commands).toContain('--record-format 1');
    await machine.run('sh', '-exc', `cd /root\n${commands.replace('pushwake_<old>.deb', 'older.deb')}`);
    expect(await machine.run('dpkg-query', '--show', 'pushwake')).toContain('0.0.9');
    await isUp();
    expect(await machine.run('pushwake', 'bindings', 'list', '--config', CONFIG)).toContain(`1001@${REALM}`);
    // The newer store is no food for it: a clear word, and the file stays as it was.
    await machine.run('systemctl', 'stop', 'pushwake');
    await machine.run('sh', '-c', 'cp -p /root/bindings.db.newer /var/lib/pushwake/newer.db');
    const listed = await machine.try(
      'sh',
      '-c',
      `sed s#/bindings.db#/newer.db# ${CONFIG} >/root/n.yaml; pushwake bindings list -c /root/n.yaml`,
    );
    expect(listed.output).toContain('format 2, this program reads format 1');
  });

  it('purge leaves nothing: no binding, no key, no password', async () => {
    await machine.run('dpkg', '--purge', 'pushwake');
    const left = await machine.try('sh', '-c', 'ls -d /etc/pushwake /var/lib/pushwake /usr/lib/pushwake 2>/dev/null');
    expect(left.output).toBe('');
    expect((await machine.try('systemctl', 'is-enabled', 'pushwake')).output).not.toContain('enabled');
  });
});
