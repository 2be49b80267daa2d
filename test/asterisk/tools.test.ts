/** The test tools themselves, on a real Asterisk: a green test elsewhere is worth what these are worth. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  difference,
  type MachineFingerprint,
  machineFingerprint,
  passwordOf,
  type RunningAsterisk,
  startAsterisk,
} from '../support/asterisk/index.ts';
import { SipPhone, type SipPhoneOptions, type TransportKind } from '../support/sip-phone/index.ts';

const USERS = [{ id: '1001' }, { id: '1002' }, { id: '1003', maxContacts: 1, removeExisting: true }];

let before: MachineFingerprint;
let asterisk: RunningAsterisk;
const phones: SipPhone[] = [];

beforeAll(async () => {
  before = machineFingerprint();
  asterisk = await startAsterisk({ name: 'tools', users: USERS });
});

afterEach(async () => {
  for (const phone of phones.splice(0)) {
    for (const call of phone.calls) await call.hangup().catch(() => undefined);
    if (phone.isOpen) await phone.unregister({ all: true }).catch(() => undefined);
    await phone.close();
  }
});

afterAll(async () => {
  await asterisk?.stop();
});

function phone(
  user: string,
  options: Partial<SipPhoneOptions> = {},
  on: RunningAsterisk = asterisk,
): Promise<SipPhone> {
  const made = new SipPhone({
    user,
    password: passwordOf({ id: user }),
    server: { host: on.host, ...on.ports },
    transport: 'udp',
    ...options,
  });
  phones.push(made);
  return made.open();
}

describe('registering', () => {
  it.each<TransportKind>(['udp', 'tcp', 'tls'])('works over %s, and Asterisk shows the contact', async (transport) => {
    const mobile = await phone('1001', { transport, instanceId: 'urn:uuid:00000000-0000-1000-8000-000000000001' });
    const result = await mobile.register({ contactParams: ';pn-provider=fcm;pn-prid=token-1', expires: 600 });
    expect(result.status, mobile.log.text()).toBe(200);
    expect(result.contacts).toHaveLength(1);
    expect(result.contacts[0]).toContain(`<${mobile.contactUri};pn-provider=fcm;pn-prid=token-1>`);
    expect(result.contacts[0]).toMatch(/expires=(600|599)/);
    expect(await asterisk.cli('database show registrar')).toContain(`:${mobile.localPort}`);
    expect(mobile.log.find('+sip.instance="<urn:uuid:', 'sent')).not.toHaveLength(0);

    expect((await mobile.unregister()).contacts).toEqual([]);
    expect(await asterisk.cli('database show registrar')).not.toContain(`:${mobile.localPort}`);
  });

  it('is refused with a wrong password', async () => {
    const mobile = await phone('1001', { password: 'wrong' });
    expect((await mobile.register()).status).toBe(401);
  });

  it('leaves a contact behind when the app sleeps, and the woken app comes on another port or the same', async () => {
    const mobile = await phone('1001');
    await mobile.register();
    const firstPort = mobile.localPort;
    await mobile.sleep();
    expect(mobile.isOpen).toBe(false);
    await mobile.wake();
    expect(mobile.localPort).not.toBe(firstPort);
    expect((await mobile.register()).contacts).toHaveLength(2);
    const secondPort = mobile.localPort;
    await mobile.sleep({ how: 'deaf' });
    await mobile.wake({ samePort: true });
    expect(mobile.localPort).toBe(secondPort);
    expect((await mobile.register({ newCallId: true })).contacts).toHaveLength(2);
  });

  it.each<TransportKind>(['tcp', 'tls'])('wakes on the same port over %s after a reset', async (transport) => {
    const mobile = await phone('1001', { transport });
    await mobile.register();
    const port = mobile.localPort;
    await mobile.sleep({ how: 'reset' });
    await mobile.wake({ samePort: true });
    expect(mobile.localPort).toBe(port);
    expect((await mobile.register()).contacts).toHaveLength(1);
  });
});

describe('calling', () => {
  async function pair(transport: TransportKind = 'udp'): Promise<{ caller: SipPhone; callee: SipPhone }> {
    const caller = await phone('1002', { transport });
    const callee = await phone('1001', { transport });
    await callee.register();
    return { caller, callee };
  }

  it.each<TransportKind>(['udp', 'tcp', 'tls'])(
    'two phones talk over %s, and either may hang up',
    async (transport) => {
      const { caller, callee } = await pair(transport);
      callee.answer = { kind: 'auto', afterMs: 50 };
      const call = await caller.call('1001');
      expect((await call.done).status, caller.log.text()).toBe(200);
      expect(call.progress.map(({ status }) => status)).toContain(180);
      const answered = await callee.waitForCall();
      expect(answered.headers.get('From')).toContain('User 1002');
      expect(answered.requestUri).toBe(callee.contactUri);
      await Promise.all([call.waitForRtp(50), answered.waitForRtp(50)]);

      if (transport === 'udp') await call.hangup();
      else await answered.hangup();
      await Promise.all([call.waitForState('ended'), answered.waitForState('ended')]);
      expect(call.endedBy).toBe(transport === 'udp' ? 'us' : 'them');
      await asterisk.waitForNoChannels();
      expect(asterisk.cdrText().trim().split('\n').at(-1)).toContain('ANSWERED');
    },
  );

  it('the caller gives up while it rings: 487, CANCEL with its reason', async () => {
    const { caller, callee } = await pair();
    const call = await caller.call('1001');
    const ringing = await callee.waitForCall();
    await call.waitForState('ringing');
    call.cancel();
    expect((await call.done).status).toBe(487);
    await ringing.waitForState('cancelled');
    expect(call.state).toBe('cancelled');
    expect(ringing.cancelReasons.join()).toContain('Q.850;cause=127');
    await asterisk.waitForNoChannels();
  });

  it('the caller gives up at once: the CANCEL waits for the first answer', async () => {
    const { caller } = await pair();
    const call = await caller.call('1001');
    call.cancel();
    expect((await call.done).status).toBe(487);
    await asterisk.waitForNoChannels();
  });

  it('a busy phone says 486', async () => {
    const { caller, callee } = await pair();
    callee.answer = { kind: 'reject', code: 486 };
    expect((await (await caller.call('1001')).done).status).toBe(486);
    expect(callee.incoming[0]?.state).toBe('rejected');
  });

  it('a silent phone gets the INVITE again and again; retransmissions are told from calls', async () => {
    const { caller, callee } = await pair();
    callee.answer = { kind: 'silent' };
    const call = await caller.call('1001');
    await callee.waitFor(() => callee.invites.length >= 3, 5000, 'the third INVITE');
    expect(callee.incoming).toHaveLength(1);
    expect(callee.invites.map(({ repeated }) => repeated)).toEqual([false, true, true]);
    call.cancel();
    expect((await call.done).status).toBe(487);
    // Asterisk goes on repeating that INVITE; a phone that answers now gets its CANCEL.
    await callee.incoming[0]!.reject(480);
  });

  it('answers a call by hand and moves it with REFER', async () => {
    const { caller, callee } = await pair();
    const third = await phone('1003', { answer: { kind: 'auto' } });
    await third.register();
    const call = await caller.call('1001');
    const answered = await callee.waitForCall();
    await answered.answer();
    await call.done;
    // The transfer needs the bridge, and that is there once they hear each other.
    await call.waitForRtp(5);
    expect((await answered.refer(`<sip:1003@${asterisk.host}>`)).status).toBe(202);
    const moved = await third.waitForCall();
    await moved.waitForRtp(25);
    // The phone that moved the call away is told of success and takes leave.
    await callee.waitFor(() => callee.log.find(/^NOTIFY [\s\S]*SIP\/2\.0 200/)[0], 5000, 'the NOTIFY of success');
    await answered.hangup();
    await moved.waitForRtp(moved.rtp.received + 25);
    await call.hangup();
    await moved.waitForState('ended');
    await asterisk.waitForNoChannels();
  });
});

describe('instances', () => {
  it('run beside each other, keep contacts over a restart and a crash, and forget them when told', async () => {
    const other = await startAsterisk({ name: 'tools-other', users: USERS });
    try {
      expect(other.ports.udp).not.toBe(asterisk.ports.udp);
      const here = await phone('1001');
      const there = await phone('1001', {}, other);
      await here.register();
      expect((await there.register()).contacts).toHaveLength(1);
      const firstPid = other.pid;

      await other.restart();
      expect(other.pid).not.toBe(firstPid);
      expect((await there.register({ contact: '' })).contacts).toHaveLength(1);
      await other.restart({ signal: 'SIGKILL' });
      expect((await there.register({ contact: '' })).contacts).toHaveLength(1);
      await other.restart({ keepDb: false });
      expect((await there.register({ contact: '' })).contacts).toHaveLength(0);
      expect(asterisk.running).toBe(true);
      await there.close();
    } finally {
      await other.stop();
    }
    expect(other.running).toBe(false);
  });

  it('refuse a second one of the same name', async () => {
    await expect(startAsterisk({ name: 'tools' })).rejects.toThrow('another name');
  });

  it('take snippets with replacements, further files and the ARI user', async () => {
    const dialplan = new URL('./fixtures/echo.conf', import.meta.url).pathname;
    const other = await startAsterisk({
      name: 'tools-snippet',
      snippets: [{ file: dialplan, into: 'extensions.conf', replace: [['ECHO_NUMBER', '4321']] }],
      extra: { 'acl.conf': '[nobody]\ndeny=0.0.0.0/0\n' },
    });
    try {
      expect(await other.cli('dialplan show 4321@tools-echo')).toContain('Echo()');
      const { url, user, password } = other.ari;
      const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
      const answer = await fetch(`${url}/ari/asterisk/info`, { headers: { authorization } });
      expect(answer.status).toBe(200);
    } finally {
      await other.stop();
    }
  });

  it('show their last words when the configuration keeps them from starting', async () => {
    const broken = startAsterisk({
      name: 'tools-broken',
      extra: { 'modules.conf': '[modules]\nrequire=res_nonsense.so\n' },
    });
    await expect(broken).rejects.toThrow(/"tools-broken" (ended|did not boot)[\s\S]*res_nonsense/);
  });

  it('die with the process that started them, even when it is killed', async () => {
    const index = new URL('../support/asterisk/index.ts', import.meta.url).href;
    const script = `
      const { startAsterisk } = await import('${index}');
      console.log((await startAsterisk({ name: 'tools-orphan' })).pid);
      setInterval(() => undefined, 1000);`;
    const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(owner.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(isAlive(pid)).toBe(true);
    owner.kill('SIGKILL');
    await expect.poll(() => isAlive(pid), { timeout: 5000 }).toBe(false);
  });

  it('leave no trace outside the cache folder', () => {
    expect(difference(before, machineFingerprint())).toEqual([]);
  });
});

/** A process that has ended but was not collected yet (state Z) does not count. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
