/**
 * The page for FreeSWITCH, followed to the letter: the Debian package beside a FreeSWITCH with its vanilla configuration, in a copy of this
 * machine, from the first command to a phone that wakes, a lamp that is right and a voicemail that is reached.
 */
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApnsStandIn, startApnsStandIn } from '../support/apns-stand-in/index.ts';
import { locateFreeswitch } from '../support/freeswitch/index.ts';
import { installApp } from '../support/pbx-scene.ts';
import { SipPhone } from '../support/sip-phone/index.ts';
import { commandsOfStep, FREESWITCH, SystemCopy, stepsOf } from '../support/system-copy.ts';

const STEPS = stepsOf('getting-started-freeswitch.md');
const home = locateFreeswitch();
if (!home) throw new Error('there is no FreeSWITCH');

const PBX = FREESWITCH(home.program);

/** A step starts a dozen programs, each for a second or two. */
const SLOW_MS = 180_000;
/** A command takes a second to start. */
const PATIENT = { timeout: 20_000 };

let folder: string;
let machine: SystemCopy;
let apns: ApnsStandIn;
const phones: SipPhone[] = [];

const step = (n: number): Promise<string> => machine.inside(commandsOfStep(STEPS, n));

const phone = async (user: string): Promise<SipPhone> => {
  const server = { host: '127.0.0.1', udp: 5060, tcp: 5060, tls: 5061 };
  const made = new SipPhone({ user, password: 'change-me', server, transport: 'tcp', domain: 'example.com' });
  phones.push(made);
  return made.open();
};

/** Vanilla, but for what would leave this machine: its address is 127.0.0.1, and no server on the internet is asked for another. */
function stayAtHome(): void {
  const vars = machine
    .read('/etc/freeswitch/vars.xml')
    .replace('<include>', '<include>\n<X-PRE-PROCESS cmd="set" data="local_ip_v4=127.0.0.1"/>')
    .replace(/cmd="stun-set" data="(external_\w+_ip)=[^"]*"/g, 'cmd="set" data="$1=127.0.0.1"');
  machine.write('/etc/freeswitch/vars.xml', vars);
  for (const profile of ['internal-ipv6.xml', 'external-ipv6.xml', 'external.xml'])
    rmSync(join(machine.root, 'etc/freeswitch/sip_profiles', profile), { force: true });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-page-'));
  apns = await startApnsStandIn();
  machine = await SystemCopy.of('/', folder);
  const vanilla = ['etc/freeswitch', 'conf'].map((name) => join(home.prefix, name)).find(existsSync);
  if (!vanilla) throw new Error(`${home.prefix} has no configuration: "make samples" of FreeSWITCH installs it`);
  rmSync(join(machine.root, 'etc/freeswitch'), { recursive: true, force: true });
  cpSync(vanilla, join(machine.root, 'etc/freeswitch'), { recursive: true });
  stayAtHome();
  await machine.prepare({ apns, pbx: 'freeswitch', restart: PBX.restart });
}, 300_000);

afterAll(async () => {
  for (const p of phones) await p.close();
  await machine?.close(PBX.stop);
  rmSync(folder, { recursive: true, force: true });
  await apns?.close();
});

describe('getting started with FreeSWITCH', () => {
  it('has at most ten steps, each with something to type', () => {
    expect(STEPS.map((s) => s.n)).toEqual(STEPS.map((_, i) => i + 1));
    expect(STEPS.length).toBeLessThanOrEqual(10);
    for (const { commands, title } of STEPS) expect(commands, title).not.toBe('');
  });

  it(
    '1–6: installs the package, sets both sides up, and the check finds nothing that fails',
    async () => {
      for (const n of [1, 2, 3, 4]) await step(n);
      expect(await step(5)).toContain('written: /etc/pushwake/pushwake.yaml');
      machine.useStandIn(apns);
      const said = await step(6);
      expect(said).not.toMatch(/^\s*(✗|fail)\b/m);
      expect(said).toMatch(/ok/);
      expect((await machine.inside('stat -c %U /proc/$(cat /run/pushwake.pid)')).trim()).toBe('pushwake');
    },
    SLOW_MS,
  );

  let caller: SipPhone;
  let mobile: SipPhone;
  let voip: string;
  let params: string;

  it('7, 8: a call is observed and not touched', async () => {
    await step(7);
    [caller, mobile] = [await phone('1000'), await phone('1001')];
    await caller.register();
    ({ voip, params } = installApp(apns));
    await mobile.register({ contactParams: params });
    await expect.poll(() => machine.inside('pushwake bindings list'), PATIENT).toContain('1001@example.com');
    await mobile.sleep();
    const call = await caller.call('1001');
    // Nobody is there: vanilla's voicemail answers.
    expect((await call.done).status).toBe(200);
    await call.hangup();
    await expect.poll(() => step(8), PATIENT).toMatch(/observe: would wake/);
    expect(apns.pushes).toEqual([]);
  });

  it('9, 10: a sleeping phone rings, its lamp is right, and explain says so', async () => {
    await step(9);
    const lamp = await caller.watch('1001');
    expect(lamp.state).toBe('terminated');
    const pushed = new Promise<void>((resolve) => apns.onPush(voip, () => resolve()));
    const call = await caller.call('1001');
    await pushed;
    // The phone still sleeps.
    await expect.poll(() => lamp.state, PATIENT).toBe('early');
    await mobile.wake();
    await mobile.register({ contactParams: params, newCallId: true });
    const rings = await mobile.waitForCall(10_000);
    await rings.answer();
    expect((await call.done).status).toBe(200);
    await expect.poll(() => lamp.state, PATIENT).toBe('confirmed');
    await call.hangup();
    await expect.poll(() => lamp.state, PATIENT).toBe('terminated');
    await expect.poll(() => step(10), PATIENT).toMatch(/answered after/);
  });

  it('nobody answers: the voicemail is reached', async () => {
    const before = mobile.incoming.length;
    const call = await caller.call('1001');
    (await mobile.waitForCall(10_000, before + 1)).reject(480);
    expect((await call.done).status).toBe(200);
    await expect.poll(() => machine.inside("fs_cli -x 'show channels'"), PATIENT).toMatch(/,voicemail,/);
    await call.hangup();
  });
});
