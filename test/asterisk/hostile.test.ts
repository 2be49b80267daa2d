/**
 * What strangers and mistakes do: Contacts written to break a dial string, events nobody knows, a wrong password, a key that
 * cannot be read, a store that is locked. One clear line in the log with what to do, nothing else disturbed.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SipUser } from '../support/asterisk/index.ts';
import { type LogLine, PushwakeProcess } from '../support/pushwake-process.ts';
import { REALM, Scene } from '../support/scene.ts';
import type { OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const numbers = Array.from({ length: 40 }, (_, i) => String(1001 + i));
const USERS: readonly SipUser[] = [...numbers.map((id) => ({ id })), { id: '1099', maxContacts: 100 }, { id: '2000' }];
const aor = (user: string) => `${user}@${REALM}`;

let scene: Scene;
let proxy: TcpProxy;
let caller: SipPhone;

beforeAll(async () => {
  scene = await Scene.start({ name: 'fail-hostile', users: USERS, withoutPushwake: true });
  proxy = await TcpProxy.start(scene.asterisk.ports.ari);
  scene.pushwake.configure(throughProxy());
  caller = await scene.phone('2000');
  await caller.register();
});

afterEach(async () => {
  for (const phone of scene.phones) for (const call of phone.calls) await call.hangup().catch(() => undefined);
});

afterAll(async () => {
  await scene?.close();
  await proxy?.close();
});

const throughProxy = (changes: Parameters<Scene['yaml']>[0] = {}): string =>
  scene.yaml({ ...changes, url: `http://127.0.0.1:${proxy.port}` });

async function pushwakeRuns(): Promise<void> {
  if (scene.pushwake.pid === undefined) await scene.startPushwake();
}

/** Another account registers and is bound: what came before has been dealt with, and pushwake is well. */
async function barrier(): Promise<void> {
  const phone = await scene.phone('1099');
  await scene.bind(phone, scene.install());
  await phone.sleep();
}

/** The whole way works: a sleeping phone is pushed, registers, rings and answers. */
async function wakesAPhone(user: string): Promise<void> {
  const phone = await scene.phone(user, { transport: 'tcp', answer: { kind: 'auto' } });
  const install = scene.install();
  await scene.bind(phone, install);
  await phone.sleep();
  await linkIsUp();
  const woken = scene.wakeByPush(phone, install);
  const call = await caller.call(user);
  expect((await call.done).status, scene.pushwake.output.slice(-4_000)).toBe(200);
  woken.stop();
  await ends(call);
  await phone.unregister();
  await phone.sleep();
}

async function ends(call: OutgoingCall): Promise<void> {
  await call.hangup();
  await scene.asterisk.waitForNoChannels(15_000);
}

const warningsSince = (log: number): LogLine[] => scene.pushwake.log.slice(log).filter((l) => l.level >= 40);

describe('a Linphone on iOS: `&` in its pn-prid', () => {
  beforeEach(pushwakeRuns);

  it.each([
    ['with pushwake', true],
    ['without pushwake', false],
  ])('rings %s', async (_how, running) => {
    const phone = await scene.phone('1001', { answer: { kind: 'auto' } });
    const install = scene.install();
    expect(install.params).toContain('&');
    await scene.bind(phone, install);
    expect((await scene.contacts('1001')).join()).toContain(':voip&');
    if (!running) await scene.pushwake.stop('SIGKILL');
    const call = await caller.call('1001');
    expect((await call.done).status).toBe(200);
    expect(phone.invites[0]?.requestUri).not.toContain('pn-');
    await ends(call);
    await phone.unregister();
  });

  it('does not ring when Asterisk dials it plainly: the control', async () => {
    const phone = await scene.phone('1002', { answer: { kind: 'auto' } });
    const install = scene.install();
    await scene.bind(phone, install);
    const text = await scene.asterisk.cli(
      `dialplan add extension 3002,1,Dial,"\${PJSIP_DIAL_CONTACTS(1002)}" into internal`,
    );
    expect(text).toContain('added');
    const call = await caller.call('3002');
    expect((await call.done).status).not.toBe(200);
    expect(phone.invites).toEqual([]);
  });
});

describe('a Contact written to harm', () => {
  const port = 5999;
  const long = `x${'0123456789'.repeat(60)}`;
  const token = 'e'.repeat(64);
  const push = `;pn-provider=apns;pn-param=TEAM123456.com.example.phone;pn-prid=${token}`;
  const CONTACTS: readonly (readonly [what: string, user: string, contact: string])[] = [
    ['another leg in its user', '1003', `<sip:1003&PJSIP%2f1010@127.0.0.1:${port}>`],
    ['another leg in a parameter', '1004', `<sip:1004@127.0.0.1:${port};x=1&PJSIP/1010>`],
    [
      'another leg in a push parameter',
      '1005',
      `<sip:1005@127.0.0.1:${port};pn-provider=apns;pn-param=a&PJSIP/1010;pn-prid=b&PJSIP/1010>`,
    ],
    ['another leg behind push parameters', '1006', `<sip:1006@127.0.0.1:${port}${push};x=1&PJSIP/1010>`],
    ['commas', '1007', `<sip:1007,60,r@127.0.0.1:${port};a=1,2,3${push}>`],
    ['escaped commas', '1019', `<sip:1019%2c60@127.0.0.1:${port};a=1%2c2${push}>`],
    ['dialplan functions', '1008', `<sip:1008@127.0.0.1:${port};x=$%7bSHELL(id)%7d${push}>`],
    ['600 characters', '1009', `<sip:1009@127.0.0.1:${port};x=${long}${push}>`],
    ['UTF-8', '1011', `<sip:zoë@127.0.0.1:${port};name=東京${push}>`],
    ['bytes that are no UTF-8', '1012', `<sip:1012@127.0.0.1:${port};x=%ff%fe${push}>`],
    ['an escaped line end', '1013', `<sip:1013@127.0.0.1:${port};x=%0d%0aX-Evil:%201${push}>`],
    ['no closing bracket', '1014', `<sip:1014@127.0.0.1:${port}${push}`],
    ['a quote that never ends', '1015', `"1015 <sip:1015@127.0.0.1:${port}${push}>`],
    ['no URI at all', '1016', `<${token}>`],
    [
      'a token of nothing but separators',
      '1017',
      `<sip:1017@127.0.0.1:${port};pn-provider=apns;pn-param=&&;pn-prid=&:&>`,
    ],
    [
      'a token of 3,000 characters',
      '1018',
      `<sip:1018@127.0.0.1:${port};pn-provider=fcm;pn-param=p;pn-prid=${'t'.repeat(3_000)}>`,
    ],
  ];
  let bystander: SipPhone;
  /** What Asterisk made of each, for the log of the run. */
  const taken: string[] = [];

  beforeAll(async () => {
    scene.apns.register(token);
    bystander = await scene.phone('1010', { answer: { kind: 'auto' } });
    await bystander.register();
  });

  afterAll(async () => {
    await bystander.unregister();
    console.log(taken.join('\n'));
  });

  describe.each(['with pushwake', 'without pushwake'])('%s', (how) => {
    beforeAll(async () => {
      if (how === 'with pushwake') await pushwakeRuns();
      else await scene.pushwake.stop();
    });

    it.each(CONTACTS)('%s: nobody else rings, nothing else is disturbed', async (what, user, contact) => {
      const { pid } = scene.pushwake;
      const log = scene.pushwake.log.length;
      const attacker = await scene.phone(user);
      // Some of these are no SIP to Asterisk, and get no answer.
      const answer = await attacker.register({ contact, timeoutMs: 700 }).catch(() => undefined);
      if (pid !== undefined) {
        await barrier();
        taken.push(`${what}: ${answer?.status ?? 'no answer'}, ${scene.stored.bindings(aor(user)).length} bindings`);
      }
      const heard = bystander.invites.length;
      const call = await caller.call(user);
      await isDialled(call);
      // The barrier: the bystander is reached by a call of its own, which comes after.
      const control = await caller.call('91010');
      expect((await control.done).status).toBe(200);
      await control.hangup();
      call.cancel();
      await call.done;
      await scene.asterisk.waitForNoChannels(15_000);
      expect(new Set(bystander.invites.slice(heard).map((i) => i.callId)).size, 'calls it heard').toBe(1);
      expect(scene.pushwake.pid).toBe(pid);
      // Either is a line for the administrator, once; neither is trouble.
      const said = [
        'a contact is not dialled: it could change the dial string',
        'contact asks for push and is not bound',
      ];
      expect(warningsSince(log).filter((l) => !said.includes(String(l.msg)))).toEqual([]);
      expect(warningsSince(log).length).toBeLessThanOrEqual(said.length);
      expect(scene.pushwake.output).not.toContain(token);
      expect(scene.asterisk.logText()).not.toContain('uid=0');
      for (const uri of await scene.contacts(user)) expect(uri).not.toMatch(/[\r\n]/);
      if (answer?.status === 200) await attacker.unregister({ all: true });
      await attacker.sleep();
    });
  });
});

/** Asterisk dials for this call, or has given it up. */
async function isDialled(call: OutgoingCall): Promise<void> {
  await expect
    .poll(
      async () =>
        call.final !== undefined ||
        /!pushwake-legs!\S*!Dial!/.test(await scene.asterisk.cli('core show channels concise')),
      { interval: 20, timeout: 5_000 },
    )
    .toBe(true);
}

describe('an event nobody knows, a message that is no JSON', () => {
  beforeEach(pushwakeRuns);

  it.each([
    ['an unknown event', '{"type":"SomethingNew","application":"pushwake","timestamp":"2026-11-22T04:13:20.123+0000"}'],
    ['broken JSON', '{"type":"StasisStart","chan'],
    ['JSON that is no event', '[1,2,3]'],
    ['an event that lacks everything', '{"type":"StasisStart"}'],
    ['null', 'null'],
  ])('%s costs at most one line and a new link', async (_what, text) => {
    await barrier();
    const { pid } = scene.pushwake;
    const log = scene.pushwake.log.length;
    expect(proxy.sayOnWebSocket(text), 'websockets that heard it').toBe(1);
    await wakesAPhone('1020');
    expect(scene.pushwake.pid).toBe(pid);
    expect(warningsSince(log).length).toBeLessThanOrEqual(1);
    for (const line of warningsSince(log)) expect(line.msg).toBe('pbx link down, calls take the plain path');
  });
});

describe('a mistake of the administrator', () => {
  beforeEach(pushwakeRuns);

  it('a wrong ARI password: one line that says which file to look at; known contacts ring', async () => {
    await scene.pushwake.stop();
    const other = another(throughProxy({ password: 'not-the-password', storePath: join(scene.folder, 'wrong.db') }));
    await other.start();
    const line = await other.waitForLog((l) => l.level >= 40);
    expect(line).toMatchObject({
      msg: 'pbx link down, calls take the plain path',
      reason: 'ARI refuses the login of user "pushwake"',
    });
    expect(String(line.hint)).toContain('ari.conf');
    const phone = await scene.phone('1021', { answer: { kind: 'auto' } });
    await phone.register();
    const call = await caller.call('1021');
    expect((await call.done).status).toBe(200);
    await ends(call);
    // It tries again, and does not say it again.
    const before = proxy.connectionsEver;
    await expect.poll(() => proxy.connectionsEver, { timeout: 15_000 }).toBeGreaterThan(before + 1);
    expect(other.log.filter((l) => l.level >= 40).map((l) => l.reason)).toEqual([line.reason]);
    expect(other.output).not.toContain('not-the-password');
    expect(await other.stop()).toBe(0);
  });

  it.each([
    [
      'a key file that is not there',
      () => '/nowhere/AuthKey.p8',
      /AuthKey\.p8 cannot be read \(ENOENT\); expected the \.p8 file/,
    ],
    ['a key file that is no key', () => file('no.p8', 'hello'), /no\.p8 is not a private key; expected the \.p8 file/],
    ['a key that is cut', () => '-----BEGIN PRIVATE KEY-----\nMIGTAgEAMBMGByqGSM49\n', /is not a private key/],
  ])('%s: exit code 2, one line, nothing of the key in it', async (_what, key, expected) => {
    const other = another(scene.yaml({ key: key(), storePath: join(scene.folder, 'key.db') }));
    expect(await exitOf(other)).toBe(2);
    expect(other.output.trim().split('\n')).toHaveLength(1);
    expect(other.output).toMatch(expected);
    expect(other.output).not.toContain('MIGTAgEAMBMGByqGSM49');
  });

  it('a second pushwake on the same file: exit code 1, it says what to do, the first goes on', async () => {
    const log = scene.pushwake.log.length;
    const second = another(scene.yaml());
    expect(await exitOf(second)).toBe(1);
    expect(second.log.filter((l) => l.level >= 40)).toEqual([
      expect.objectContaining({
        msg: 'cannot start',
        reason: expect.stringMatching(
          /is in use by another pushwake; stop that one, or give this one a path of its own$/,
        ),
      }),
    ]);
    await wakesAPhone('1022');
    expect(warningsSince(log)).toEqual([]);
  });

  it('a store held by another program at the start: exit code 1, it says by whom and what to do', async () => {
    const path = join(scene.folder, 'held.db');
    const holder = hold(path);
    const other = another(scene.yaml({ storePath: path }));
    expect(await exitOf(other)).toBe(1);
    expect(other.log.filter((l) => l.level >= 40)).toEqual([
      expect.objectContaining({
        msg: 'cannot start',
        reason: expect.stringContaining('is held by another program; let it finish'),
      }),
    ]);
    holder.release();
  });

  it('a store locked while it runs: calls go on, one line says so, and what happened meanwhile is stored afterwards', async () => {
    const phone = await scene.phone('1023', { transport: 'tcp', answer: { kind: 'auto' } });
    const install = scene.install();
    await scene.bind(phone, install);
    await phone.sleep();
    const log = scene.pushwake.log.length;
    const holder = hold(scene.storePath);
    const fresh = await scene.phone('1024');
    const freshInstall = scene.install();
    expect((await fresh.register({ contactParams: freshInstall.params })).status).toBe(200);
    const line = await scene.waitForLog('store does not answer, calls go on from memory', log);
    expect(line.reason).toContain('is held by another program; let it finish');

    const woken = scene.wakeByPush(phone, install);
    const call = await caller.call('1023');
    expect((await call.done).status).toBe(200);
    woken.stop();
    await ends(call);
    expect(scene.stored.bindings(aor('1024'))).toEqual([]);
    holder.release();
    await scene.stored.waitFor(
      aor('1024'),
      'bound when the store answers again',
      (r) => r.bindings.length === 1,
      15_000,
    );
    await scene.waitForLog('store answers again', log);
    expect(warningsSince(log)).toHaveLength(1);
  });
});

let nextFile = 0;

/** Another pushwake, with a configuration of its own. */
function another(yaml: string): PushwakeProcess {
  const other = new PushwakeProcess(join(scene.folder, `other-${++nextFile}.yaml`));
  other.configure(yaml);
  return other;
}

function exitOf(other: PushwakeProcess): Promise<number | null> {
  const child = other.launch();
  // `close`, not `exit`: what it printed has been read by then.
  return new Promise((ended) => child.once('close', (code) => ended(code)));
}

function file(name: string, text: string): string {
  const path = join(scene.folder, name);
  writeFileSync(path, text);
  return path;
}

/** Another program that writes to the file and does not finish. */
function hold(path: string): { release(): void } {
  const db = new DatabaseSync(path);
  db.exec('BEGIN EXCLUSIVE');
  return {
    release() {
      db.exec('ROLLBACK');
      db.close();
    },
  };
}

/** What was said last of the link is that it is up. */
async function linkIsUp(): Promise<void> {
  const last = () => scene.pushwake.log.findLast((l) => l.msg.startsWith('pbx link '))?.msg;
  await expect.poll(last, { timeout: 15_000, interval: 20 }).toBe('pbx link up');
}
