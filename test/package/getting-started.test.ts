/**
 * The page for Asterisk, followed to the letter: the Debian package, on a Debian with Debian's Asterisk and nothing else, from
 * the first command to a phone that wakes. What cannot be there (systemd, Apple) is replaced in plain sight below.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApnsStandIn, startApnsStandIn } from '../support/apns-stand-in/index.ts';
import { bringAsterisk } from '../support/asterisk/bring.ts';
import { installApp } from '../support/pbx-scene.ts';
import { SipPhone } from '../support/sip-phone/index.ts';
import { ASTERISK, commandsOfStep, SystemCopy, stepsOf } from '../support/system-copy.ts';

const STEPS = stepsOf('getting-started-asterisk.md');

/** A command takes a second to start. */
const PATIENT = { timeout: 20_000 };

let folder: string;
let debian: SystemCopy;
let apns: ApnsStandIn;
const phones: SipPhone[] = [];

const inside = (commands: string) => debian.inside(commands);

const step = (n: number): Promise<string> => inside(commandsOfStep(STEPS, n));

const phone = async (user: string): Promise<SipPhone> => {
  const server = { host: '127.0.0.1', udp: 5060, tcp: 5060, tls: 5061 };
  const made = new SipPhone({ user, password: `change-me-${user}`, server, transport: 'tcp' });
  phones.push(made);
  return made.open();
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-start-'));
  apns = await startApnsStandIn();
  debian = await SystemCopy.of((await bringAsterisk()).root, folder);
  await debian.prepare({ apns, pbx: 'asterisk', restart: ASTERISK.restart });
});

afterAll(async () => {
  for (const p of phones) await p.close();
  await debian?.close(ASTERISK.stop);
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
    debian.useStandIn(apns);
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
  let voip: string;
  let params: string;

  it('7, 8: starts as its own user, and observes a call without touching it', async () => {
    expect(await step(7)).toMatch(/office/);
    expect((await inside('stat -c %U /proc/$(cat /run/pushwake.pid)')).trim()).toBe('pushwake');
    [caller, mobile] = [await phone('2000'), await phone('1001')];
    await caller.register();
    ({ voip, params } = installApp(apns));
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
    const pushed = new Promise<void>((resolve) => apns.onPush(voip, () => resolve()));
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
