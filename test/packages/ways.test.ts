/**
 * docs/install.md to the letter: each way of installing, from its first command to a sleeping phone that rings. The Asterisk is Debian's, in a
 * system of its own whose /etc/asterisk is the one that is set up. What cannot be there (systemd, dnf, Apple) is replaced in plain sight.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { release } from '../../config/release/release.ts';
import { throwAwayKey } from '../../config/release/repository.ts';
import { type ApnsStandIn, startApnsStandIn } from '../support/apns-stand-in/index.ts';
import { bringAsterisk } from '../support/asterisk/bring.ts';
import { programEnv, run, tryRun } from '../support/asterisk/shell.ts';
import { installApp } from '../support/pbx-scene.ts';
import { SipPhone } from '../support/sip-phone/index.ts';
import { ASTERISK, commandsUnder, SystemCopy } from '../support/system-copy.ts';
import { bringDebian, type Suite } from '../support/systemd/machine.ts';

const PAGE = 'install.md';
/** Where the Asterisk's own system is seen. */
const PBX = '/opt/pbx';
const RESTART = `    chroot ${PBX} sh -ec '${ASTERISK.restart}'`;
/** dnf would look for what the package requires under the names of its own family. */
const DNF = '#!/bin/sh\nset -e\n[ "$1 $2" = "install -y" ]\nexec rpm --install --nodeps --ignorearch "$3"\n';
/** What a container engine asks for beyond what this machine may give; the page's own words otherwise. */
const PODMAN_RUN = 'podman run --runtime=runc --cgroups=no-conmon --ulimit=nofile=8192:8192 --ulimit=nproc=8192:8192';

/** A site that works: two accounts, and 1001 dialled as it is everywhere. */
const PJSIP = `
[tcp]
type = transport
protocol = tcp
bind = 127.0.0.1:5060
${['1001', '2000']
  .map(
    (user) => `[${user}]
type = endpoint
context = internal
disallow = all
allow = ulaw
rewrite_contact = yes
direct_media = no
auth = ${user}
aors = ${user}
[${user}]
type = auth
username = ${user}
password = change-me-${user}
[${user}]
type = aor
max_contacts = 5
`,
  )
  .join('')}`;
const EXTENSIONS = '\n[internal]\nexten => 1001,1,Dial(PJSIP/1001,30,tT)\n same => n,Hangup()\n';

let folder: string;
let packages: readonly string[];
let apns: ApnsStandIn;
let open: (() => Promise<void>)[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-ways-'));
  apns = await startApnsStandIn();
  const there = process.env.PUSHWAKE_RELEASE;
  packages = there
    ? readdirSync(there).flatMap((name) => (/\.(?:deb|rpm|tar)$/.test(name) ? [join(there, name)] : []))
    : release(join(folder, 'release'), throwAwayKey(join(folder, 'gpg'))).files;
}, 1_800_000);
afterEach(async () => {
  for (const close of open.reverse()) await close();
  open = [];
}, 60_000);
afterAll(async () => {
  await tryRun('gpgconf', ['--kill', 'gpg-agent'], { env: { GNUPGHOME: join(folder, 'gpg') } });
  rmSync(folder, { recursive: true, force: true });
  await apns?.close();
});

async function copyOf(lower: string, name: string): Promise<SystemCopy> {
  const at = mkdtempSync(join(folder, name));
  return SystemCopy.of(lower, at);
}

/** A system of that Debian beside an Asterisk that works, with one package of the release and Apple's key in root's folder. */
async function site(suite: Suite, ending: string): Promise<SystemCopy> {
  const pbx = await copyOf((await bringAsterisk()).root, 'pbx');
  open.push(() => pbx.close(ASTERISK.stop));
  pbx.write('/etc/asterisk/pjsip.conf', pbx.read('/etc/asterisk/pjsip.conf') + PJSIP);
  pbx.write('/etc/asterisk/extensions.conf', pbx.read('/etc/asterisk/extensions.conf') + EXTENSIONS);
  const system = await copyOf(await bringDebian(undefined, suite), 'system');
  for (const [from, to] of [
    ['etc/asterisk', 'etc/asterisk'],
    ['', PBX],
  ] as const) {
    await run('mkdir', ['-p', join(system.root, to)]);
    await run('mount', ['--rbind', join(pbx.root, from), join(system.root, to)]);
  }
  // Before the Asterisk's own, which is mounted into it.
  open.push(() => system.close('true'));
  const file = packages.filter((f) => f.endsWith(ending));
  await system.prepare({ apns, pbx: 'asterisk', restart: RESTART, packages: file });
  return system;
}

const phone = async (user: string): Promise<SipPhone> => {
  const server = { host: '127.0.0.1', udp: 5060, tcp: 5060, tls: 5061 };
  const made = new SipPhone({ user, password: `change-me-${user}`, server, transport: 'tcp' });
  open.push(() => made.close());
  return made.open();
};

/** A phone that sleeps is pushed, registers, and answers. */
async function rings(): Promise<void> {
  const [caller, mobile] = [await phone('2000'), await phone('1001')];
  await caller.register();
  const { voip, params } = installApp(apns);
  await mobile.register({ contactParams: params });
  const bound = async () => (await fetch('http://127.0.0.1:8470/v1/bindings/1001%40example.com')).status;
  await expect.poll(bound, { timeout: 20_000 }).toBe(200);
  await mobile.sleep();
  const pushed = new Promise<void>((resolve) => apns.onPush(voip, () => resolve()));
  const call = await caller.call('1001');
  await pushed;
  await mobile.wake();
  await mobile.register({ contactParams: params, newCallId: true });
  (await mobile.waitForCall(10_000)).answer();
  expect((await call.done).status).toBe(200);
  await call.hangup();
}

const linesUnder = (heading: string) => commandsUnder(PAGE, heading).trim().split('\n');

describe('from an Asterisk that works to a sleeping phone that rings', () => {
  const WAYS: readonly (readonly [string, Suite, string, string])[] = [
    ['Debian 12, apt', 'bookworm', 'Debian, Ubuntu, Raspberry Pi OS (64 bit)', 'amd64.deb'],
    ['Debian 13, apt', 'trixie', 'Debian, Ubuntu, Raspberry Pi OS (64 bit)', 'amd64.deb'],
    ['an rpm', 'bookworm', 'RHEL, Rocky, Alma, Fedora', 'x86_64.rpm'],
  ];
  it.each(WAYS)('%s', { timeout: 400_000 }, async (way, suite, heading, ending) => {
    const commands = linesUnder(heading);
    expect(commands.length).toBeLessThanOrEqual(6);
    const system = await site(suite, ending);
    if (ending.endsWith('.rpm')) {
      await system.inside('apt-get update && apt-get install -y --no-install-recommends rpm && rpm --initdb');
      system.write('/usr/local/sbin/dnf', DNF, 0o755);
    }
    await system.inside('systemctl restart asterisk');
    const from = performance.now();
    for (const command of commands) {
      await system.inside(command);
      if (command.includes(' init ')) system.useStandIn(apns);
    }
    await rings();
    const took = Math.round((performance.now() - from) / 1000);
    process.stdout.write(`${way}: ${commands.length} commands, ${took} s to a phone that rang\n`);
  });

  it('podman', { timeout: 400_000 }, async () => {
    const commands = linesUnder('A container');
    expect(commands.length).toBeLessThanOrEqual(6);
    const system = await site('bookworm', 'amd64.oci.tar');
    await system.inside('systemctl restart asterisk');
    const name = `pushwake-ways-${process.pid}`;
    open.push(async () => {
      await tryRun('podman', ['rm', '--force', name]);
      await tryRun('podman', ['volume', 'rm', '--force', name]);
    });
    /** The engine is this machine's, so the folders are named as they are seen from here. */
    const fromHere = (command: string) =>
      command
        .replace('podman run', PODMAN_RUN)
        .replace('-v /etc/asterisk:', `-v ${join(system.root, 'etc/asterisk')}:`)
        .replace('--name pushwake ', `--name ${name} `)
        .replace('-v pushwake:', `-v ${name}:`);
    const from = performance.now();
    for (const command of commands) {
      if (!command.startsWith('podman')) await system.inside(command);
      else {
        await promisify(execFile)('sh', ['-ec', fromHere(command)], {
          cwd: join(system.root, 'root'),
          env: programEnv(),
        });
      }
      if (command.includes(' init ')) system.useStandIn(apns, '/root/etc/pushwake.yaml');
    }
    const ready = () =>
      fetch('http://127.0.0.1:8470/health/ready').then(
        ({ status }) => status,
        () => 0,
      );
    const logs = async () => (await tryRun('podman', ['logs', name])).output;
    await vi.waitFor(async () => expect(await ready(), await logs()).toBe(200), { timeout: 60_000, interval: 500 });
    await rings();
    const took = Math.round((performance.now() - from) / 1000);
    process.stdout.write(`podman: ${commands.length} commands, ${took} s to a phone that rang\n`);
  });
});
