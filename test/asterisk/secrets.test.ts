/**
 * Nothing that does not belong there shows: no push token, no `pn-*`, no password in any INVITE, CDR, log or error, over a
 * scenario with calls that end in every way, pushes that fail, and pushwake dead. The search is itself searched.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { passwordOf, type SipUser } from '../support/asterisk/index.ts';
import type { LogLine } from '../support/pushwake-process.ts';
import { type PushIdentity, Scene, SECRETS } from '../support/scene.ts';
import type { OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';

const USERS: readonly SipUser[] = [...'12345678'].map((n) => ({ id: `100${n}` })).concat([{ id: '2000' }]);

let scene: Scene;
let caller: SipPhone;
const installs: PushIdentity[] = [];

beforeAll(async () => {
  scene = await Scene.start({ name: 'reg-secrets', users: USERS, hep: true });
  caller = await scene.phone('2000');
  await caller.register();
  await play();
});

afterAll(async () => {
  await scene?.close();
});

async function mobile(user: string, transport: 'udp' | 'tcp' | 'tls' = 'tcp'): Promise<[SipPhone, PushIdentity]> {
  const phone = await scene.phone(user, { transport, answer: { kind: 'auto' }, instanceId: `urn:uuid:${user}` });
  const install = scene.install();
  installs.push(install);
  await scene.bind(phone, install);
  return [phone, install];
}

async function ends(call: OutgoingCall): Promise<void> {
  await call.hangup();
  await scene.asterisk.waitForNoChannels(8_000);
}

/** Calls that are answered, refused and given up; pushes that fail; the link cut; pushwake killed. */
async function play(): Promise<void> {
  // Woken and answered: by each transport, two of them at once.
  for (const [user, transport] of [
    ['1001', 'udp'],
    ['1002', 'tcp'],
    ['1003', 'tls'],
  ] as const) {
    const [phone, install] = await mobile(user, transport);
    await phone.sleep();
    const woken = scene.wakeByPush(phone, install);
    const call = await caller.call(user);
    expect((await call.done).status).toBe(200);
    woken.stop();
    await ends(call);
  }
  // Awake, declines.
  const [declining] = await mobile('1004', 'tcp');
  declining.answer = { kind: 'reject', code: 603 };
  const declined = await caller.call('1004');
  expect((await declined.done).status).toBeGreaterThanOrEqual(400);
  // Asleep, the caller gives up.
  const [sleeping, sleeper] = await mobile('1005', 'tcp');
  await sleeping.sleep();
  const pushed = new Promise<void>((done) => void scene.apns.onPush(sleeper.voip, () => done()));
  const givenUp = await caller.call('1005');
  await pushed;
  givenUp.cancel();
  await givenUp.done;
  // Its token is dead; then the service cuts the line, answers nonsense, and refuses our key.
  const [dead, buried] = await mobile('1006', 'tcp');
  await dead.sleep();
  scene.apns.unregister(buried.voip, Date.now() + 60_000);
  await failingCall('1006', 'push tokenDead');
  const [unlucky] = await mobile('1008', 'tcp');
  await unlucky.sleep();
  for (const behaviour of [
    'reset',
    { status: 500, body: '<html>pn-prid</html>' },
    { status: 403, reason: 'InvalidProviderToken' },
  ] as const) {
    scene.apns.next(behaviour);
    await failingCall('1008', 'push ');
  }
  // Push parameters nobody can read, a contact that may not be dialled, a wrong SIP password.
  const odd = await scene.phone('1007');
  const params = scene.install();
  installs.push(params);
  await odd.register({ contactParams: `;pn-provider=apns;pn-prid=${params.voip}:voip&${params.other}:elsewhere` });
  await odd.register({ contactParams: `${params.params};x=1&PJSIP/1001` });
  const refused = await caller.call('1007');
  refused.cancel();
  await refused.done;
  await odd.unregister({ all: true });
  // Asterisk goes away and comes back; then pushwake is killed, and Asterisk rings by itself.
  const log = scene.pushwake.log.length;
  await scene.asterisk.restart();
  await scene.waitForLog('pbx link up', log);
  caller = await scene.phone('2000');
  await caller.register();
  const [awake] = await mobile('1007', 'udp');
  await scene.pushwake.stop('SIGKILL');
  const plain = await caller.call('1007');
  expect((await plain.done).status).toBe(200);
  await ends(plain);
  expect(awake.invites.length).toBeGreaterThan(0);
}

/** The push of this call does not go well. */
async function failingCall(user: string, step: string): Promise<void> {
  const from = scene.pushwake.log.length;
  const call = await caller.call(user);
  const isIt = (l: LogLine) => String(l.step).startsWith(step) && l.step !== 'push sent';
  await scene.pushwake.waitForLog(isIt, { from, what: step });
  call.cancel();
  await call.done;
  await scene.asterisk.waitForNoChannels(8_000);
}

/** Everything that was recorded where secrets have no business. */
function recorded(): Readonly<Record<string, string>> {
  return {
    INVITEs: scene.phones.flatMap((p) => p.invites.map((i) => textOf(i.message))).join('\n'),
    'every request of a call': scene.phones
      .flatMap((p) => p.log.find(/^(?:INVITE|ACK|BYE|CANCEL|UPDATE|OPTIONS) /, 'received').map((e) => e.text))
      .join('\n'),
    CDRs: scene.asterisk.cdrText(),
    'the output of pushwake': scene.pushwake.output,
  };
}

const textOf = (m: { uri: string; headers: { all(name: string): readonly string[] }; body: string }): string =>
  [m.uri, ...['To', 'From', 'Contact', 'Via', 'X-Push-ID'].flatMap((n) => m.headers.all(n)), m.body].join('\n');

/** What must be nowhere. A log line may name a push parameter and what is wrong with it; it never holds its value. */
function forbidden(): string[] {
  const tokens = installs.flatMap((i) => [i.voip, i.other]);
  const passwords = [...SECRETS, scene.asterisk.ari.password, ...USERS.map((u) => passwordOf(u))];
  return [...tokens, ...passwords, 'pn-prid=', 'pn-param=', 'pn-provider=', ';pn-'];
}

/** Where and what, shortened, so that a failing test does not print what it found. */
function found(texts: Readonly<Record<string, string>>): string[] {
  return Object.entries(texts).flatMap(([where, text]) =>
    forbidden()
      .filter((secret) => text.toLowerCase().includes(secret.toLowerCase()))
      .map((secret) => `${where}: ${secret.slice(0, 12)}`),
  );
}

describe('over a whole scenario', () => {
  it('no token, no pn-*, no password is in an INVITE, a CDR, or anything pushwake printed', () => {
    expect(found(recorded())).toEqual([]);
  });

  it('there was something to search: every place has much in it, the tokens were used', () => {
    const texts = recorded();
    expect(texts.INVITEs?.match(/^sip:/gm)?.length).toBeGreaterThanOrEqual(5);
    expect(texts.CDRs?.split('\n').length).toBeGreaterThanOrEqual(6);
    expect(scene.pushwake.log.some((l) => l.level === 20)).toBe(true);
    expect(scene.pushwake.log.filter((l) => l.level >= 40).length).toBeGreaterThanOrEqual(2);
    expect(texts['the output of pushwake']?.length).toBeGreaterThan(20_000);
    for (const { voip } of installs.slice(0, 6)) {
      expect(scene.phones.some((p) => p.log.find(voip, 'sent').length > 0)).toBe(true);
    }
  });

  it('what was sent with a token says so by its fingerprint, so that an administrator can tell devices apart', () => {
    expect(scene.pushwake.output).toMatch(/"tokens":\["apns:[0-9a-f]{12}","apns:[0-9a-f]{12}"\]/);
  });

  it('the search finds a planted one in each place: the control', () => {
    const texts = recorded();
    for (const where of Object.keys(texts)) {
      for (const secret of [
        installs[0]?.voip ?? '',
        installs[1]?.other.toUpperCase() ?? '',
        SECRETS[0] ?? '',
        'secret-1001',
      ]) {
        expect(found({ ...texts, [where]: `${texts[where]}\n{"reason":"x${secret}y"}` })).toHaveLength(1);
      }
      expect(found({ [where]: '<sip:a@b;pn-prid=1>' })).toHaveLength(2);
    }
  });
});
