/**
 * The page for FreePBX, followed to the letter: the Debian package on a Debian with Debian's Asterisk and the files that FreePBX's own modules write,
 * from the first command to a phone that wakes, a lamp that is right, a voicemail that is reached, and back again. What is clicked in the web
 * interface is a field of the site here; `fwconsole reload` takes over what the modules make of it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ApnsStandIn, startApnsStandIn } from '../support/apns-stand-in/index.ts';
import { bringAsterisk } from '../support/asterisk/bring.ts';
import { configFiles, passwordOf, type SipUser } from '../support/asterisk/config.ts';
import { installApp } from '../support/pbx-scene.ts';
import { SipPhone } from '../support/sip-phone/index.ts';
import { ASTERISK, commandsOfStep, commandsUnder, SystemCopy, stepsOf } from '../support/system-copy.ts';
import { selfSignedCertificate } from '../support/tls.ts';
import { generate, type Site } from './site.ts';

const PAGE = 'getting-started-freepbx.md';
const STEPS = stepsOf(PAGE);
const PORTS = { udp: 5060, tcp: 5060, tls: 5061, ari: 8088, rtpFirst: 10_000, rtpLast: 10_200 };

/** It writes what the modules have generated and AstDB, and reloads all of Asterisk. */
const FWCONSOLE = `#!/bin/sh
set -e
[ "$*" = reload ] || { echo "fwconsole $*: not on this page" >&2; exit 1; }
cp /root/generated/*.conf /etc/asterisk/
sh -e /root/generated/astdb.sh >/dev/null
asterisk -rx "core reload" >/dev/null
`;

/** A step starts a dozen programs, each for a second or two. */
const SLOW_MS = 180_000;
/** A command takes a second to start. */
const PATIENT = { timeout: 20_000 };

const extension = (number: string, fields: Partial<Site['extensions'][number]> = {}) => ({
  number,
  name: `User ${number}`,
  ...fields,
});
const site = (fields: Partial<Site['extensions'][number]> = {}): Site => ({
  extensions: [extension('1001', { voicemail: 'default', user: { ringtimer: '6' }, ...fields }), extension('2000')],
});
const USERS: readonly SipUser[] = ['1001', '2000'].map((id) => ({
  id,
  callerId: `User ${id} <${id}>`,
  rewriteContact: true,
  endpointLines: ['context=from-internal'],
}));

let folder: string;
let debian: SystemCopy;
let apns: ApnsStandIn;
/** /etc/asterisk as it was before the first command. */
let before: Readonly<Record<string, string>>;
const phones: SipPhone[] = [];

const step = (n: number): Promise<string> => debian.inside(commandsOfStep(STEPS, n));

const phone = async (user: string): Promise<SipPhone> => {
  const server = { host: '127.0.0.1', udp: PORTS.udp, tcp: PORTS.tcp, tls: PORTS.tls };
  const made = new SipPhone({ user, password: passwordOf({ id: user }), server, transport: 'tcp' });
  phones.push(made);
  return made.open();
};

/** What FreePBX's modules make of the fields; `fwconsole reload` takes it over. */
async function submit(fields: Partial<Site['extensions'][number]> = {}): Promise<void> {
  const { extensions, additional, queues, astdb } = await generate(process.env.PUSHWAKE_FREEPBX ?? '', site(fields));
  debian.write('/root/generated/extensions.conf', extensions);
  debian.write('/root/generated/extensions_additional.conf', additional);
  debian.write('/root/generated/queues_additional.conf', queues);
  const puts = astdb.map(([family, key, value]) => `asterisk -rx 'database put ${family} "${key}" "${value}"'\n`);
  debian.write('/root/generated/astdb.sh', puts.join(''));
}

/** Asterisk's side of a FreePBX that has its web interface switched ARI on. */
function writeConfiguration(): void {
  const files = configFiles({
    folder: '',
    moduleDir: '',
    ports: PORTS,
    users: USERS,
    ariUsers: [],
    without: [],
    modules: ['app_voicemail'],
    extensions: '',
    queues: '',
    hep: undefined,
    includes: new Map(),
  });
  for (const [name, text] of files)
    if (!['asterisk.conf', 'extensions.conf', 'ari.conf'].includes(name)) debian.write(`/etc/asterisk/${name}`, text);
  debian.write('/etc/asterisk/ari.conf', '[general]\nenabled=yes\n#include ari_additional_custom.conf\n');
  for (const name of ['ari_additional_custom', 'extensions_override_freepbx', 'extensions_custom'])
    debian.write(`/etc/asterisk/${name}.conf`, '');
  debian.write('/etc/asterisk/voicemail.conf', '[general]\nformat=wav\n[default]\n1001 => 1234,Mobile\n');
  const { cert, key } = selfSignedCertificate();
  debian.write('/etc/keys/cert.pem', cert);
  debian.write('/etc/keys/key.pem', key);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-page-'));
  apns = await startApnsStandIn();
  debian = await SystemCopy.of((await bringAsterisk()).root, folder);
  await debian.prepare({ apns, pbx: 'asterisk', restart: ASTERISK.restart });
  debian.write('/usr/local/sbin/fwconsole', FWCONSOLE, 0o755);
  writeConfiguration();
  await submit();
  await debian.inside('cp /root/generated/*.conf /etc/asterisk/\nsystemctl restart asterisk\nfwconsole reload');
  before = debian.snapshot('/etc/asterisk');
});

afterAll(async () => {
  for (const p of phones) await p.close();
  await debian?.close(ASTERISK.stop);
  rmSync(folder, { recursive: true, force: true });
  await apns?.close();
});

it('has at most ten steps; all but the one in the web interface have something to type', () => {
  expect(STEPS.map((s) => s.n)).toEqual(STEPS.map((_, i) => i + 1));
  expect(STEPS.length).toBeLessThanOrEqual(10);
  expect(STEPS.filter(({ commands }) => commands === '').map(({ title }) => title)).toEqual(['Switch ARI on']);
});

it(
  '1–5: installs the package, sets both sides up, and the check finds nothing that fails',
  async () => {
    for (const n of [1, 2]) await step(n);
    expect(await step(4)).toContain('written: /etc/pushwake/pushwake.yaml');
    debian.useStandIn(apns);
    const said = await step(5);
    expect(said).not.toMatch(/^\s*(✗|fail)\b/m);
    expect(said).toMatch(/ok/);
  },
  SLOW_MS,
);

let caller: SipPhone;
let mobile: SipPhone;
let voip: string;
let params: string;

it(
  '6–8: the fields of the extension, the lamps, and the mode',
  async () => {
    const dial = 'Local/1001@pushwake/n';
    await submit({ dial, hint_override: 'PJSIP/1001&Stasis:pushwake-1001' });
    await step(6);
    expect(debian.read('/etc/asterisk/extensions_additional.conf')).toContain(
      'exten => 1001,hint,PJSIP/1001&Stasis:pushwake-1001&Custom:DND1001,CustomPresence:1001',
    );
    // A page of an extension that has no such field.
    await submit({ dial });
    await debian.inside('fwconsole reload');
    await step(7);
    expect(debian.read('/etc/asterisk/extensions_override_freepbx.conf')).toContain('PJSIP/1001&Stasis:pushwake-1001');
    await step(8);
    const failed = (await debian.inside('pushwake check')).match(/^\s*(?:✗|fail)\b.*$/gm);
    expect(failed).toBeNull();
  },
  SLOW_MS,
);

it(
  '8, 9: a sleeping phone rings, its lamp is right, and explain says so',
  async () => {
    [caller, mobile] = [await phone('2000'), await phone('1001')];
    await caller.register();
    ({ voip, params } = installApp(apns));
    await mobile.register({ contactParams: params });
    await expect.poll(() => debian.inside('pushwake bindings list'), PATIENT).toContain('1001@example.com');
    await mobile.sleep();
    const lamp = await caller.watch('1001');
    await expect.poll(() => lamp.state, PATIENT).toBe('terminated');
    const pushed = new Promise<void>((resolve) => apns.onPush(voip, () => resolve()));
    const call = await caller.call('1001');
    await pushed;
    await mobile.wake();
    await mobile.register({ contactParams: params, newCallId: true });
    const rings = await mobile.waitForCall(10_000);
    await expect.poll(() => lamp.state, PATIENT).toBe('early');
    await rings.answer();
    expect((await call.done).status).toBe(200);
    await expect.poll(() => lamp.state, PATIENT).toBe('confirmed');
    await call.hangup();
    await expect.poll(() => lamp.state, PATIENT).toBe('terminated');
    await expect.poll(() => step(9), PATIENT).toMatch(/answered after/);
  },
  SLOW_MS,
);

it('nobody answers: the voicemail is reached', async () => {
  const had = mobile.incoming.length;
  const call = await caller.call('1001');
  (await mobile.waitForCall(10_000, had + 1)).reject(480);
  expect((await call.done).status).toBe(200);
  await expect.poll(() => debian.inside('asterisk -rx "core show channels concise"'), PATIENT).toContain('VoiceMail');
  await call.hangup();
});

it(
  'back again: every file of Asterisk is as it was, byte for byte, and the phone that is awake rings',
  async () => {
    await submit();
    await debian.inside(commandsUnder(PAGE, 'Back again'));
    expect(debian.snapshot('/etc/asterisk')).toEqual(before);
    // FreePBX dials what PJSIP_DIAL_CONTACTS says, and the & between two tokens of a Contact ends a leg there, with or without pushwake.
    await mobile.unregister({ all: true });
    await mobile.register({ newCallId: true });
    const had = mobile.incoming.length;
    const call = await caller.call('1001');
    const rings = await mobile.waitForCall(10_000, had + 1);
    await rings.answer();
    expect((await call.done).status).toBe(200);
    await call.hangup();
  },
  SLOW_MS,
);
