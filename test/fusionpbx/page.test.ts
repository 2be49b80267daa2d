/**
 * The page for FusionPBX, followed to the letter: the Debian package beside a FreeSWITCH with the configuration, the scripts and the database that
 * FusionPBX is installed with, in a copy of this machine, from the first command to a phone that wakes, a lamp that is right, a voicemail that is
 * reached, and back again. What is clicked in the web interface is a row of the database here.
 */
import { randomUUID } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ApnsStandIn, startApnsStandIn } from '../support/apns-stand-in/index.ts';
import { passwordOf } from '../support/asterisk/config.ts';
import { locateFreeswitch } from '../support/freeswitch/index.ts';
import { Checkout } from '../support/fusionpbx/checkout.ts';
import { Postgres } from '../support/fusionpbx/postgres.ts';
import { installApp } from '../support/pbx-scene.ts';
import { SipPhone } from '../support/sip-phone/index.ts';
import { commandsOfStep, commandsUnder, FREESWITCH, SystemCopy, stepsOf } from '../support/system-copy.ts';
import { BRIDGE, configOf, insert, OURS, rows, type Site, tables } from './database.ts';

const PAGE = 'getting-started-fusionpbx.md';
const STEPS = stepsOf(PAGE);
const found = { checkout: Checkout.find(), home: locateFreeswitch() };
if (!found.checkout || !found.home) throw new Error('there is no FusionPBX or no FreeSWITCH');
const { checkout, home } = { checkout: found.checkout, home: found.home };

/** Where Debian's packages put them. */
const SCRIPTS = '/usr/share/freeswitch/scripts';
const DATA = '/var/lib/fusionpbx';
const PBX = FREESWITCH(home.program, ['-scripts', SCRIPTS]);

const SITE: Site = {
  extensions: { '1001': { call_timeout: '6' }, '1002': {}, '2000': {} },
  mailboxes: ['1001'],
  followMe: {},
  ringGroups: { '7001': { strategy: 'simultaneous', members: ['1001', '1002'] } },
};

/** A step starts a dozen programs, each for a second or two. */
const SLOW_MS = 180_000;
/** A command takes a second to start. */
const PATIENT = { timeout: 20_000 };

let folder: string;
let machine: SystemCopy;
let apns: ApnsStandIn;
let postgres: Postgres;
/** /etc/freeswitch as it was before the first command. */
let before: Readonly<Record<string, string>>;
const phones: SipPhone[] = [];

const step = (n: number): Promise<string> => machine.inside(commandsOfStep(STEPS, n));

const phone = async (user: string): Promise<SipPhone> => {
  const server = { host: '127.0.0.1', udp: 5060, tcp: 5060, tls: 5061 };
  const password = passwordOf({ id: user });
  const made = new SipPhone({ user, password, server, transport: 'tcp', domain: 'example.com' });
  phones.push(made);
  return made.open();
};

/** The web interface writes rows and empties the cache. */
async function save(sql: string): Promise<void> {
  postgres.sql(sql);
  await machine.inside(`rm -rf ${DATA}/*`);
}

const row = (from: string, to: string) =>
  `UPDATE v_dialplans SET dialplan_xml = replace(dialplan_xml, '${from}', '${to}') WHERE dialplan_xml LIKE '%name="local_extension"%';`;

/** The SIP profile that FusionPBX is installed with, as its installer reads it. */
function profile(): string {
  const conf = join(checkout.configuration, 'sip_profiles/internal.xml.noload');
  const [uuid, text] = [randomUUID(), readFileSync(conf, 'utf8').replace(/<!--[\s\S]*?-->/g, '')];
  const params = [...text.matchAll(/<param name="([^"]*)" value="([^"]*)"(?: enabled="([^"]*)")?\/>/g)];
  return [
    insert('v_sip_profiles', { sip_profile_uuid: uuid, sip_profile_name: 'internal', sip_profile_enabled: 'true' }),
    ...params.map(([, name = '', value = '', enabled = 'true']) => setting(`'${uuid}'`, name, value, enabled)),
  ].join('\n');
}

const setting = (uuid: string, name: string, value: string, enabled = 'true') =>
  `INSERT INTO v_sip_profile_settings (sip_profile_setting_uuid, sip_profile_uuid, sip_profile_setting_name, sip_profile_setting_value,
sip_profile_setting_enabled) VALUES ('${randomUUID()}', ${uuid}, '${name}', '${value}', '${enabled}');`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-page-'));
  apns = await startApnsStandIn();
  postgres = await Postgres.start();
  for (const sql of [tables(checkout), rows(checkout, SITE, true), profile()]) postgres.sql(sql);
  machine = await SystemCopy.of('/', folder);
  rmSync(join(machine.root, 'etc/freeswitch'), { recursive: true, force: true });
  cpSync(checkout.configuration, join(machine.root, 'etc/freeswitch'), { recursive: true });
  cpSync(checkout.scripts, join(machine.root, SCRIPTS), { recursive: true });
  // Its address is 127.0.0.1, and its recordings lie where the scripts look for them.
  const vars = machine.read('/etc/freeswitch/vars.xml');
  const own = ['local_ip_v4=127.0.0.1', `recordings_dir=${DATA}`].map((s) => `<X-PRE-PROCESS cmd="set" data="${s}"/>`);
  machine.write('/etc/freeswitch/vars.xml', vars.replace(/<include>/, `<include>\n${own.join('\n')}`));
  machine.write('/etc/fusionpbx/config.conf', configOf(SCRIPTS, DATA, postgres.port));
  await machine.prepare({ apns, pbx: 'freeswitch', restart: PBX.restart });
  await machine.inside(`mkdir -p ${DATA}\nsystemctl restart freeswitch`);
  before = machine.snapshot('/etc/freeswitch');
}, 300_000);

afterAll(async () => {
  for (const p of phones) await p.close();
  await machine?.close(PBX.stop);
  rmSync(folder, { recursive: true, force: true });
  postgres?.stop();
  await apns?.close();
});

it('has at most ten steps; all but those in the web interface have something to type', () => {
  expect(STEPS.map((s) => s.n)).toEqual(STEPS.map((_, i) => i + 1));
  expect(STEPS.length).toBeLessThanOrEqual(10);
  expect(STEPS.filter(({ commands }) => commands === '').map(({ n }) => n)).toEqual([4, 5, 6]);
});

it(
  '1–8: installs the package, sets both sides up, and the check finds nothing that fails',
  async () => {
    for (const n of [1, 2]) await step(n);
    expect(await step(3)).toContain('written: /etc/pushwake/pushwake.yaml');
    machine.useStandIn(apns);
    await save(row(BRIDGE, OURS));
    const internal = `(SELECT sip_profile_uuid FROM v_sip_profiles WHERE sip_profile_name = 'internal')`;
    const [multiple, closed] = ['multiple-registrations', 'tcp-unreg-on-socket-close'];
    await save(
      `DELETE FROM v_sip_profile_settings WHERE sip_profile_setting_name IN ('${multiple}', '${closed}');
${setting(internal, multiple, 'contact')}\n${setting(internal, closed, 'true')}`,
    );
    expect((await step(7)).match(/^true$/gm)).toHaveLength(2);
    const said = await step(8);
    expect(said).not.toMatch(/^\s*(✗|fail)\b/m);
    expect(said).toMatch(/ok/);
  },
  SLOW_MS,
);

let caller: SipPhone;
let mobile: SipPhone;
let voip: string;
let params: string;

/** Someone calls `number`; 1001 sleeps, is pushed, comes, and rings. */
async function wakes(number: string) {
  const had = mobile.incoming.length;
  const pushed = new Promise<void>((resolve) => apns.onPush(voip, () => resolve()));
  const call = await caller.call(number);
  await pushed;
  return { call, rings: mobile.wake().then(() => comes(had + 1)) };
}

async function comes(nth: number) {
  await mobile.register({ contactParams: params, newCallId: true });
  return mobile.waitForCall(10_000, nth);
}

it(
  '9: a call is observed and not touched',
  async () => {
    [caller, mobile] = [await phone('2000'), await phone('1001')];
    await caller.register();
    ({ voip, params } = installApp(apns));
    await mobile.register({ contactParams: params });
    await expect.poll(() => machine.inside('pushwake bindings list'), PATIENT).toContain('1001@example.com');
    await mobile.sleep();
    const call = await caller.call('1001');
    // Nobody is there: FusionPBX's voicemail answers.
    expect((await call.done).status).toBe(200);
    await call.hangup();
    expect(apns.pushes).toEqual([]);
    await expect.poll(() => machine.inside('journalctl'), PATIENT).toMatch(/observe: would wake/);
    await step(9);
  },
  SLOW_MS,
);

it(
  '10: a sleeping phone rings, by its number and in a ring group, its lamp is right, and explain says so',
  async () => {
    const lamp = await caller.watch('1001');
    expect(lamp.state).toBe('terminated');
    const { call, rings } = await wakes('1001');
    await expect.poll(() => lamp.state, PATIENT).toBe('early');
    await (await rings).answer();
    expect((await call.done).status).toBe(200);
    await expect.poll(() => lamp.state, PATIENT).toBe('confirmed');
    await call.hangup();
    await expect.poll(() => lamp.state, PATIENT).toBe('terminated');
    await expect.poll(() => step(10), PATIENT).toMatch(/answered after/);
    await mobile.sleep();
    const group = await wakes('7001');
    await (await group.rings).answer();
    expect((await group.call.done).status).toBe(200);
    await group.call.hangup();
  },
  SLOW_MS,
);

/** The caller is in FusionPBX's voicemail. */
async function voicemail(): Promise<void> {
  const had = mobile.incoming.length;
  const call = await caller.call('1001');
  (await mobile.waitForCall(10_000, had + 1)).reject(480);
  expect((await call.done).status).toBe(200);
  await expect.poll(() => machine.inside("fs_cli -x 'show channels'"), PATIENT).toMatch(/,lua,app\.lua voicemail,/);
  await call.hangup();
}

it('nobody answers: the voicemail is reached', voicemail, SLOW_MS);

it(
  'back again: every file of FreeSWITCH is as it was, byte for byte, and the phone that is awake rings',
  async () => {
    await save(row(OURS, BRIDGE));
    await machine.inside(commandsUnder(PAGE, 'Back again'));
    expect(machine.snapshot('/etc/freeswitch')).toEqual(before);
    // FreeSWITCH was restarted: their connections are gone.
    for (const one of [mobile, caller]) {
      await one.sleep();
      await one.wake();
      expect((await one.register({ newCallId: true })).status).toBe(200);
    }
    await voicemail();
  },
  SLOW_MS,
);
