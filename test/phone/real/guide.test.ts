/**
 * docs/browser-phone.md, followed to the letter: Debian's Asterisk, the Debian package, Debian's Caddy, and a Chromium that reaches all of it by https and wss
 * under the names of the page. What cannot be there (systemd, a certificate of an authority, the push service of a browser) is replaced in plain sight below.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ApnsStandIn, startApnsStandIn } from '../../support/apns-stand-in/index.ts';
import { bringAsterisk } from '../../support/asterisk/bring.ts';
import { tryRun } from '../../support/asterisk/shell.ts';
import { SipPhone } from '../../support/sip-phone/index.ts';
import { ASTERISK, commandsOfStep, type Step, SystemCopy, stepsOf } from '../../support/system-copy.ts';
import { selfSignedCertificate, spkiOf } from '../../support/tls.ts';
import { startWebPushStandIn, type WebPushStandIn } from '../../support/webpush-stand-in/index.ts';
import { BrowserPhone, launchBrowser } from './phone-scene.ts';

const STEPS = stepsOf('browser-phone.md');
const HOST = 'phone.example.com';
const YAML = '/etc/pushwake/pushwake.yaml';

/** Who calls, and the loopback alone for their sound: the page has neither. */
const CALLER = `
[udp]
type = transport
protocol = udp
bind = 127.0.0.1:5060

[2000]
type = endpoint
context = internal
allow = !all,ulaw
rewrite_contact = yes
auth = 2000
aors = 2000

[2000]
type = auth
username = 2000
password = secret-2000

[2000]
type = aor
max_contacts = 5
`;
const LOOPBACK = '[general]\nrtpstart=10000\nrtpend=20000\nice_deny=0.0.0.0/0\nice_permit=127.0.0.0/8\n';

let folder: string;
let debian: SystemCopy;
let push: WebPushStandIn;
let apns: ApnsStandIn;
let caddy: ChildProcess | undefined;
let browser: Browser | undefined;
let caller: SipPhone | undefined;
let phone: BrowserPhone;
const certificate = selfSignedCertificate({ hosts: [HOST] });

/** A block of a step that is no command: what stands in a file. */
function blockOf({ n, text }: Step, language: string): string {
  const found = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].find(([, of]) => of === language)?.[2];
  if (found === undefined) throw new Error(`step ${n} has no block "${language}"`);
  return found;
}

function step(n: number): Step {
  const found = STEPS.find((s) => s.n === n);
  if (!found) throw new Error(`the page has no step ${n}`);
  return found;
}

async function bringCaddy(): Promise<void> {
  if ((await tryRun('sh', ['-c', 'command -v caddy'])).code === 0) return;
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  // Its own service would take the ports: the package is unpacked, not installed.
  const download = () =>
    tryRun('sh', ['-c', `cd ${folder} && apt-get download caddy && dpkg -x caddy_*.deb caddy`], { env });
  let { code, output } = await download();
  if (code !== 0) {
    await tryRun('apt-get', ['update'], { env });
    ({ code, output } = await download());
  }
  if (code !== 0) throw new Error(`no Caddy: ${output}`);
}

/** With a certificate of ours in place of the one that it would fetch, and on the loopback alone. */
async function startCaddy(lines: string): Promise<void> {
  const [key, cert] = ['key', 'cert'].map((name) => join(folder, `${name}.pem`)) as [string, string];
  writeFileSync(key, certificate.key, { mode: 0o600 });
  writeFileSync(cert, certificate.cert);
  const own = lines.replace(`${HOST} {\n`, `${HOST} {\n  bind 127.0.0.1\n  tls ${cert} ${key}\n`);
  writeFileSync(join(folder, 'Caddyfile'), `{\n  admin off\n  auto_https disable_redirects\n}\n${own}`);
  const ours = join(folder, 'caddy/usr/bin/caddy');
  const found = (await tryRun('test', ['-x', ours])).code === 0 ? ours : 'caddy';
  caddy = spawn(found, ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'], {
    env: { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  await new Promise<void>((resolve, reject) => {
    caddy?.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('serving initial configuration')) resolve();
    });
    caddy?.once('exit', () => reject(new Error(`Caddy ended:\n${said}`)));
  });
  browser = await launchBrowser([
    `--host-resolver-rules=MAP ${HOST} 127.0.0.1`,
    `--ignore-certificate-errors-spki-list=${spkiOf(certificate)}`,
  ]);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-guide-'));
  [push, apns] = await Promise.all([startWebPushStandIn(), startApnsStandIn()]);
  await bringCaddy();
  debian = await SystemCopy.of((await bringAsterisk()).root, folder);
  await debian.prepare({ apns, pbx: 'asterisk', restart: ASTERISK.restart });
  debian.write('/etc/asterisk/rtp.conf', LOOPBACK);
});

afterAll(async () => {
  await caller?.close();
  await browser?.close();
  if (caddy && caddy.exitCode === null) {
    caddy.kill();
    await once(caddy, 'exit');
  }
  await debian?.close(ASTERISK.stop);
  rmSync(folder, { recursive: true, force: true });
  await Promise.all([push?.close(), apns?.close()]);
});

it('the page has at most six steps', () => {
  expect(STEPS.map((s) => s.n)).toEqual([1, 2, 3, 4, 5, 6]);
});

it('1, 2: Asterisk speaks WebRTC, pushwake has a key and the phone', async () => {
  const [first = '', restart = ''] = commandsOfStep(STEPS, 1).split(/^(?=systemctl)/m);
  await debian.inside(first);
  debian.write('/etc/asterisk/pjsip.conf', debian.read('/etc/asterisk/pjsip.conf') + CALLER);
  await debian.inside(restart);

  const [keys = '', start = ''] = commandsOfStep(STEPS, 2).split(/^(?=systemctl)/m);
  await debian.inside(keys);
  const wanted = blockOf(step(2), '').replace('webpush: {', `webpush: { endpoint: ${JSON.stringify(push.endpoint)},`);
  const [pushPart = '', httpPart = ''] = wanted.split(/^(?=http:)/m);
  const before = debian.read(YAML);
  const after = before.replace(/^push: \{\}\n(#.*\n)*/m, () => pushPart).replace(/^http:\n( .*\n)*/m, () => httpPart);
  expect(after).toContain('webpush');
  expect(after).toContain('devices');
  debian.write(YAML, after, 0o640);
  await debian.inside(`chgrp pushwake ${YAML}`);
  await debian.inside(start);
});

it('3: Caddy has the certificate, and the check finds nothing that fails', async () => {
  await startCaddy(blockOf(step(3), ''));
  // The name of the page leads here for the check as well, and this machine is the authority.
  debian.write('/etc/hosts', `127.0.0.1 localhost ${HOST}\n`);
  debian.write('/root/authority.pem', certificate.cert);
  const [, check = ''] = commandsOfStep(STEPS, 3).split(/^(?=pushwake)/m);
  const said = await debian.inside(`export NODE_EXTRA_CA_CERTS=/root/authority.pem\n${check}`);
  expect(said).not.toMatch(/^\s*(✗|fail)\b/m);
  expect(said).toMatch(/wss:\/\/phone\.example\.com\/ws/);
});

it('4, 5: the link makes a Chromium the phone of 1001', async () => {
  expect(await debian.inside('pushwake phone 1009')).toMatch(/No PBX knows 1009@example\.com/);
  const said = await debian.inside(commandsOfStep(STEPS, 4));
  const link = /https:\/\/phone\.example\.com\/phone\/#\S+/.exec(said)?.[0];
  expect(link, said).toBeDefined();
  if (!browser) throw new Error('no browser');
  phone = await BrowserPhone.open({
    push,
    browser,
    origin: `https://${HOST}`,
    link: () => Promise.reject(new Error('by the command')),
  });
  const page = await phone.openPage(link?.slice(link.indexOf('#')));
  await page.getByLabel('SIP password').fill('change-me-1001');
  await page.getByRole('button', { name: 'Turn this phone on' }).click();
  await page.getByText('Ready.').waitFor({ timeout: 10_000 });
  await phone.closePage();
  expect(phone.complaints).toEqual([]);
});

it('6: closed and called, it is pushed, answers, and both hear each other', async () => {
  const server = { host: '127.0.0.1', udp: 5060, tcp: 5060, tls: 5061 };
  caller = await new SipPhone({ user: '2000', password: 'secret-2000', server, transport: 'udp' }).open();
  await caller.register();
  const call = await caller.call('1001');
  expect(await phone.deliver()).toEqual(['call']);
  await phone.tap('Incoming call', 'answer');
  expect((await call.done).status).toBe(200);
  await call.waitForRtp(50);
  expect(await phone.hears(), 'the tone of the caller, in the page').toBeCloseTo(1000, -2);
  expect(call.heardTone(), 'the tone of the page, at the caller').toBeCloseTo(440, -2);
  await call.hangup();
  await phone.page?.getByText('In a call').waitFor({ state: 'detached' });
});
