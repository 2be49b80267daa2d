/**
 * The page for Asterisk, followed to the letter: the Debian package, on a Debian with Debian's Asterisk and nothing else, from
 * the first command to a phone that wakes. What cannot be there (systemd, Apple) is replaced in plain sight below.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPackage } from '../../config/release/debian.ts';
import { type ApnsStandIn, startApnsStandIn } from '../support/apns-stand-in/index.ts';
import { bringAsterisk } from '../support/asterisk/bring.ts';
import { mountProc, unmountAll } from '../support/asterisk/mounts.ts';
import { SipPhone } from '../support/sip-phone/index.ts';

const run = promisify(execFile);
const PAGE = readFileSync(fileURLToPath(new URL('../../docs/getting-started-asterisk.md', import.meta.url)), 'utf8');

/** What the page says to type, by step. */
const STEPS = [...PAGE.matchAll(/^## (\d+)\. (.*)\n([\s\S]*?)(?=^## )/gm)].map(([, n, title, text = '']) => ({
  n: Number(n),
  title,
  commands: [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map((m) => m[1] as string).join(''),
}));

/** In place of what a chroot has not. `systemctl` starts what the unit says, as the user it says. */
const SYSTEMCTL = `#!/bin/sh
set -e
unit=/lib/systemd/system/pushwake.service
value() { sed -n "s/^$1=//p" $unit; }
case "$*" in
  "restart asterisk")
    if asterisk -rx "core waitfullybooted" >/dev/null 2>&1; then asterisk -rx "core stop now"; while [ -e /run/asterisk/asterisk.ctl ]; do sleep 0.1; done; fi
    install -d -o asterisk -g asterisk /run/asterisk
    asterisk -U asterisk -G asterisk
    until asterisk -rx "core waitfullybooted" >/dev/null 2>&1; do sleep 0.1; done ;;
  "enable --now pushwake")
    install -d -m "$(value StateDirectoryMode)" -o pushwake -g pushwake /var/lib/pushwake
    setpriv --reuid "$(value User)" --regid "$(value Group)" --init-groups $(value ExecStart) >/var/log/pushwake.log 2>&1 &
    echo $! >/run/pushwake.pid
    until grep -qs '"ready"' /var/log/pushwake.log; do kill -0 $(cat /run/pushwake.pid) || { cat /var/log/pushwake.log >&2; exit 1; }; sleep 0.1; done ;;
  "reload pushwake")
    before=$(grep -c 'configuration applied' /var/log/pushwake.log || true)
    kill -HUP $(cat /run/pushwake.pid)
    until [ "$(grep -c 'configuration applied' /var/log/pushwake.log)" -gt "$before" ]; do sleep 0.1; done ;;
  *) echo "systemctl $*: not on this page" >&2; exit 1 ;;
esac
`;
const JOURNALCTL = '#!/bin/sh\ncat /var/log/pushwake.log\n';

/** A command takes a second to start. */
const PATIENT = { timeout: 20_000 };

let folder: string;
let root: string;
let apns: ApnsStandIn;
const phones: SipPhone[] = [];

/** A copy in which everything can be written and which leaves nothing behind: the cached Debian stays as it is. */
async function copyOfDebian(): Promise<void> {
  const { root: lower } = await bringAsterisk();
  root = join(folder, 'debian');
  for (const name of ['debian', 'upper', 'work']) mkdirSync(join(folder, name));
  const layers = `lowerdir=${lower},upperdir=${join(folder, 'upper')},workdir=${join(folder, 'work')}`;
  try {
    await run('mount', ['-t', 'overlay', 'overlay', '-o', layers, root]);
  } catch {
    // A machine without overlay file systems takes longer.
    await run('cp', ['-a', `${lower}/.`, root]);
  }
  await mountProc(root);
}

async function inside(commands: string): Promise<string> {
  const { stdout, stderr } = await run('chroot', [root, 'sh', '-ec', `cd /root\n${commands}`], {
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: '/root',
      DEBIAN_FRONTEND: 'noninteractive',
      LANG: 'C.UTF-8',
    },
    maxBuffer: 16 * 1024 * 1024,
  }).catch((error: Error & { stdout?: string }) => {
    // What a command found is on its other channel.
    throw new Error(`${error.message}\n${error.stdout ?? ''}`, { cause: error });
  });
  return stdout + stderr;
}

async function step(n: number): Promise<string> {
  const found = STEPS.find((s) => s.n === n);
  if (!found?.commands) throw new Error(`the page has no step ${n} with commands`);
  return inside(found.commands);
}

const phone = async (user: string): Promise<SipPhone> => {
  const server = { host: '127.0.0.1', udp: 5060, tcp: 5060, tls: 5061 };
  const made = new SipPhone({ user, password: `change-me-${user}`, server, transport: 'tcp' });
  phones.push(made);
  return made.open();
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-start-'));
  apns = await startApnsStandIn();
  const [deb] = await Promise.all([buildPackage(folder), copyOfDebian()]);
  cpSync(deb, join(root, 'root', deb.split('/').at(-1) as string));
  writeFileSync(join(root, 'root/AuthKey_KEY1234567.p8'), apns.apps[0]?.key ?? '', { mode: 0o600 });
  for (const [name, text] of [
    ['systemctl', SYSTEMCTL],
    ['journalctl', JOURNALCTL],
  ] as const) {
    writeFileSync(join(root, 'usr/local/sbin', name), text, { mode: 0o755 });
  }
});

afterAll(async () => {
  for (const p of phones) await p.close();
  await inside(
    'pid=$(cat /run/pushwake.pid); kill $pid && timeout 15 tail --pid=$pid -f /dev/null; asterisk -rx "core stop now" || true',
  ).catch(() => undefined);
  // Nothing may still use what is unmounted next.
  while ((await inside('ls /run/asterisk/asterisk.ctl 2>/dev/null || true')) !== '') await new Promise(setImmediate);
  await unmountAll(folder);
  rmSync(folder, { recursive: true, force: true });
  await apns?.close();
});

describe('getting started with Asterisk', () => {
  it('has at most ten steps, each with something to type', () => {
    expect(STEPS.map((s) => s.n)).toEqual(STEPS.map((_, i) => i + 1));
    expect(STEPS.length).toBeLessThanOrEqual(10);
    for (const { commands, title } of STEPS) expect(commands, title).not.toBe('');
  });

  it('1–5: installs the package, sets both sides up', async () => {
    await step(1);
    await step(2);
    expect(await step(3)).toContain('written: /etc/pushwake/pushwake.yaml');
    // Apple is out of reach: the stand-in, which checks what Apple checks.
    const { teamId, bundleId, keyId } = apns.apps[0] ?? {};
    const config = join(root, 'etc/pushwake/pushwake.yaml');
    const yaml = readFileSync(config, 'utf8')
      .replace('TEAM123456', teamId as string)
      .replace('com.example.phone', bundleId as string)
      .replace('keyId: "KEY1234567"', `keyId: "${keyId}"`)
      .replace(/^ {2}apns:$/m, `  apns:\n    endpoint: ${JSON.stringify(apns.endpoint)}`);
    expect(yaml).toContain(`"port":${apns.endpoint.port}`);
    writeFileSync(config, yaml);
    await step(4);
    await step(5);
  });

  it('6: the check finds nothing that fails', async () => {
    const said = await step(6);
    expect(said).not.toMatch(/^\s*(✗|fail)\b/m);
    expect(said).toMatch(/ok/);
  });

  let caller: SipPhone;
  let mobile: SipPhone;
  let params: string;

  it('7, 8: starts as its own user, and observes a call without touching it', async () => {
    expect(await step(7)).toMatch(/office/);
    expect((await inside('stat -c %U /proc/$(cat /run/pushwake.pid)')).trim()).toBe('pushwake');
    [caller, mobile] = [await phone('2000'), await phone('1001')];
    await caller.register();
    const { teamId, bundleId } = apns.apps[0] ?? {};
    const [voip, other] = ['a'.repeat(64), 'b'.repeat(64)];
    apns.register(voip, { voip: true });
    apns.register(other);
    params = `;pn-provider=apns;pn-param=${teamId}.${bundleId}.voip&remote;pn-prid=${voip}:voip&${other}:remote`;
    await mobile.register({ contactParams: params });
    await expect.poll(() => inside('pushwake bindings list'), PATIENT).toContain('1001@example.com');
    await mobile.sleep();
    const call = await caller.call('1001');
    expect((await call.done).status).toBeGreaterThanOrEqual(400);
    await expect.poll(() => step(8), PATIENT).toMatch(/observe: would wake/);
    expect(apns.pushes).toEqual([]);
  });

  it('9, 10: a sleeping phone rings, and explain says so', async () => {
    await step(9);
    const pushed = new Promise<void>((resolve) => apns.onPush('a'.repeat(64), () => resolve()));
    const call = await caller.call('1001');
    await pushed;
    await mobile.wake();
    await mobile.register({ contactParams: params, newCallId: true });
    const rings = await mobile.waitForCall(10_000);
    rings.answer();
    expect((await call.done).status).toBe(200);
    await call.hangup();
    await expect.poll(() => step(10), PATIENT).toMatch(/answered after/);
  });
});
