/**
 * What HEP adds on a real Asterisk: each REGISTER as it was on the wire. Push switched on and off at an address that stays,
 * `+sip.instance`, log-out as opposed to expiry, refreshes.
 */
import { createSocket } from 'node:dgram';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SipUser } from '../support/asterisk/index.ts';
import { REALM, Scene } from '../support/scene.ts';

const USERS: readonly SipUser[] = [
  ...Array.from({ length: 15 }, (_, i) => ({ id: String(1001 + i) })),
  { id: '1031', rewriteContact: true },
  { id: '1099', maxContacts: 100 },
  { id: '2000' },
];
const aor = (user: string) => `${user}@${REALM}`;

let scene: Scene;

beforeAll(async () => {
  scene = await Scene.start({ name: 'reg-hep', users: USERS, hep: true });
});

afterEach(async () => {
  for (const phone of scene.phones) for (const call of phone.calls) await call.hangup();
});

afterAll(async () => {
  await scene?.close();
});

/** Another account registers and is bound: what came before has been dealt with. HEP and events both keep their order. */
async function barrier(): Promise<void> {
  const phone = await scene.phone('1099');
  await scene.bind(phone, scene.install());
  await phone.sleep();
}

const bound = (user: string, count = 1) =>
  scene.stored.waitFor(aor(user), `${count} binding(s)`, (r) => r.bindings.length === count);

const ended = (user: string, reason: string) =>
  scene.stored.waitFor(
    aor(user),
    `ended: ${reason}`,
    (r) => r.bindings.length === 0 && r.tombstones.at(-1)?.reason === reason,
  );

/** What fits behind the `>` of a Contact: with the `&` and `:` of an iOS Linphone Asterisk cannot read the REGISTER at all. */
const behind = (token: string) => `;pn-provider=apns;pn-param=TEAM123456.com.example.phone;pn-prid=${token}`;

const notBound = (user: string) =>
  scene.pushwake.log.filter((l) => l.msg === 'contact asks for push and is not bound' && l.aor === aor(user));

/** Somebody on the network who knows the capture password says that a phone has logged out. */
async function forgeLogOut(user: string, contact: string): Promise<void> {
  const common = `To: <sip:${user}@127.0.0.1>\r\nCall-ID: forged-${Math.random()}\r\nCSeq: 7 REGISTER\r\n`;
  const socket = createSocket('udp4');
  for (const payload of [
    `REGISTER sip:127.0.0.1 SIP/2.0\r\n${common}Contact: ${contact}\r\nExpires: 0\r\n\r\n`,
    `SIP/2.0 200 OK\r\n${common}\r\n`,
  ]) {
    const datagram = hepDatagram(payload, scene.hepTarget.password);
    await new Promise<void>((sent) => socket.send(datagram, scene.hepTarget.port, '127.0.0.1', () => sent()));
  }
  socket.close();
}

/** HEPv3: source address and port, password, payload. */
function hepDatagram(payload: string, password: string): Buffer {
  const chunk = (type: number, value: Buffer): Buffer => {
    const head = Buffer.alloc(6);
    head.writeUInt16BE(type, 2);
    head.writeUInt16BE(6 + value.length, 4);
    return Buffer.concat([head, value]);
  };
  const chunks = Buffer.concat([
    chunk(3, Buffer.from([127, 0, 0, 1])),
    chunk(7, Buffer.from([0x13, 0xc4])),
    chunk(14, Buffer.from(password)),
    chunk(15, Buffer.from(payload)),
  ]);
  const head = Buffer.from('HEP3\0\0');
  head.writeUInt16BE(6 + chunks.length, 4);
  return Buffer.concat([head, chunks]);
}

describe('push switched on and off', () => {
  it('pn-* added later on the same host and port binds, although the stored contact never shows them', async () => {
    const phone = await scene.phone('1001');
    const install = scene.install();
    expect((await phone.register()).status).toBe(200);
    await barrier();
    expect(scene.stored.bindings(aor('1001'))).toEqual([]);
    expect((await phone.register({ contactParams: install.params })).status).toBe(200);
    const { record } = await bound('1001');
    expect(record.bindings[0]?.targets.call?.token.reveal()).toBe(install.voip);
    expect(await scene.contacts('1001')).toEqual([expect.not.stringContaining('pn-')]);
  });

  it('and such a device is woken: UDP, asleep, registering at the same address', async () => {
    const phone = await scene.phone('1001', { answer: { kind: 'auto' } });
    const install = scene.install();
    await phone.register();
    await phone.register({ contactParams: install.params });
    await scene.stored.waitFor(aor('1001'), 'its token', (r) =>
      r.bindings.some((b) => b.targets.call?.token.reveal() === install.voip),
    );
    await phone.sleep();
    const woken = scene.wakeByPush(phone, install, { samePort: true });
    const caller = await scene.phone('2000');
    await caller.register();
    const call = await caller.call('1001');
    expect(
      (await call.done).status,
      `${woken.failures.join()}\n${phone.log.timeline()}\n${scene.pushwake.output.slice(-5_000)}`,
    ).toBe(200);
    woken.stop();
    expect(phone.incoming).toHaveLength(1);
    await call.hangup();
  });

  it('pn-* behind the ">" are not bound, and that is said', async () => {
    const phone = await scene.phone('1014');
    expect((await phone.register({ headerParams: behind(scene.install().voip) })).status).toBe(200);
    await barrier();
    expect(scene.stored.bindings(aor('1014'))).toEqual([]);
    await expect.poll(() => notBound('1014')).toMatchObject([{ reason: expect.stringContaining('behind the ">"') }]);
  });

  it('pn-* that slip behind the ">" at the address of a bound device: said, once, and it stays bound', async () => {
    const phone = await scene.phone('1015');
    const install = scene.install();
    await scene.bind(phone, install);
    for (let i = 0; i < 2; i++) expect((await phone.register({ headerParams: behind(install.voip) })).status).toBe(200);
    await barrier();
    await expect.poll(() => notBound('1015')).toMatchObject([{ reason: expect.stringContaining('behind the ">"') }]);
    expect(scene.stored.bindings(aor('1015'))).toMatchObject([{ targets: { call: expect.anything() } }]);
    const push = scene.apns.pushes.length;
    const caller = await scene.phone('2000');
    await caller.register();
    const call = await caller.call('1015');
    await expect.poll(() => scene.apns.pushes.length, { timeout: 5_000 }).toBeGreaterThan(push);
    expect(scene.apns.pushes.at(push)?.token).toBe(install.voip);
    call.cancel();
    await call.done;
  });

  it('REGISTER without pn-* at the same address ends the binding', async () => {
    const phone = await scene.phone('1002');
    await scene.bind(phone, scene.install());
    expect((await phone.register()).status).toBe(200);
    await ended('1002', 'unregistered');
  });

  it('pn-provider alone is a query and changes nothing', async () => {
    const phone = await scene.phone('1003');
    await scene.bind(phone, scene.install());
    const other = await scene.phone('1003');
    expect((await other.register({ contactParams: ';pn-provider=apns' })).status).toBe(200);
    await barrier();
    expect(scene.stored.bindings(aor('1003'))).toHaveLength(1);
  });
});

describe('+sip.instance', () => {
  it('makes two contacts of one instance one binding, whatever the token, and the older contact is removed', async () => {
    const instanceId = 'urn:uuid:00000000-0000-4000-8000-000000001004';
    const first = await scene.phone('1004', { instanceId });
    await scene.bind(first, scene.install());
    await scene.stored.waitFor(aor('1004'), 'its instance', (r) => r.bindings[0]?.evidence.instanceId === instanceId);
    const [before] = scene.stored.bindings(aor('1004'));
    await first.sleep();

    const second = await scene.phone('1004', { instanceId });
    const install = scene.install();
    expect((await second.register({ contactParams: install.params })).status).toBe(200);
    const { record } = await scene.stored.waitFor(
      aor('1004'),
      'one binding with the new token',
      (r) => r.bindings.length === 1 && r.bindings[0]?.targets.call?.token.reveal() === install.voip,
    );
    expect(record.bindings[0]?.id).toBe(before?.id);
    await expect.poll(() => scene.contacts('1004')).toEqual([expect.stringContaining(install.voip)]);
  });

  it('keeps two installs apart on one address', async () => {
    const one = await scene.phone('1005', { instanceId: 'urn:uuid:00000000-0000-4000-8000-00000000a005' });
    await scene.bind(one, scene.install());
    await scene.stored.waitFor(aor('1005'), 'its instance', (r) => r.bindings[0]?.evidence.instanceId !== undefined);
    const two = await scene.phone('1005', { instanceId: 'urn:uuid:00000000-0000-4000-8000-00000000b005' });
    await scene.bind(two, scene.install());
    await scene.stored.waitFor(
      aor('1005'),
      'two instances',
      (r) => r.bindings.length === 2 && r.bindings.every((b) => b.evidence.instanceId !== undefined),
    );
    expect(await scene.contacts('1005')).toHaveLength(2);
  });
});

describe('log-out', () => {
  it('with pn-prid in it, as Linphone sends it, ends the binding', async () => {
    const phone = await scene.phone('1006');
    const install = scene.install();
    await scene.bind(phone, install);
    expect((await phone.unregister()).contacts).toEqual([]);
    expect(phone.log.find(/^REGISTER [\s\S]*pn-prid=[\s\S]*Expires: 0/, 'sent')).not.toHaveLength(0);
    await ended('1006', 'unregistered');
  });

  it('without pn-prid, as RFC 8599 has it, ends the binding', async () => {
    const phone = await scene.phone('1007');
    await scene.bind(phone, scene.install());
    expect((await phone.register({ expires: 0 })).contacts).toEqual([]);
    await ended('1007', 'unregistered');
  });

  it('of a device whose push was switched on later ends the binding', async () => {
    const phone = await scene.phone('1008');
    await phone.register();
    await phone.register({ contactParams: scene.install().params });
    await bound('1008');
    expect((await phone.unregister()).contacts).toEqual([]);
    await ended('1008', 'unregistered');
  });

  it('behind NAT (rewrite_contact, TLS) ends the binding', async () => {
    const phone = await scene.phone('1031', { transport: 'tls' });
    const install = scene.install();
    const contact = `<sip:1031@10.0.0.7:4711;transport=tls${install.params}>`;
    expect((await phone.register({ contact })).status).toBe(200);
    await bound('1031');
    expect((await phone.register({ contact, expires: 0 })).contacts).toEqual([]);
    await ended('1031', 'unregistered');
  });

  it('by `Contact: *` ends every binding of the account', async () => {
    const one = await scene.phone('1009');
    await scene.bind(one, scene.install());
    const two = await scene.phone('1009');
    await scene.bind(two, scene.install());
    await bound('1009', 2);
    expect((await two.unregister({ all: true })).contacts).toEqual([]);
    await ended('1009', 'unregistered');
  });

  it('of one of two devices ends that one only', async () => {
    const one = await scene.phone('1010');
    const stays = scene.install();
    await scene.bind(one, stays);
    const two = await scene.phone('1010');
    await scene.bind(two, scene.install());
    await bound('1010', 2);
    expect((await two.unregister()).status).toBe(200);
    const { record } = await bound('1010');
    expect(record.bindings[0]?.targets.call?.token.reveal()).toBe(stays.voip);
    expect(record.tombstones.at(-1)?.reason).toBe('unregistered');
  });

  it('is not taken from a forged datagram: Asterisk still holds the contact', async () => {
    const phone = await scene.phone('1011');
    const install = scene.install();
    await scene.bind(phone, install);
    await forgeLogOut('1011', `<${phone.contactUri}${install.params}>`);
    await forgeLogOut('1011', `<${phone.contactUri}>`);
    await forgeLogOut('1011', '*');
    await barrier();
    expect(scene.stored.bindings(aor('1011'))).toHaveLength(1);
  });

  it('followed by a new REGISTER at once leaves the device bound', async () => {
    const phone = await scene.phone('1012');
    const install = scene.install();
    await scene.bind(phone, install);
    await phone.unregister();
    expect((await phone.register({ contactParams: install.params })).status).toBe(200);
    await barrier();
    const { record } = await bound('1012');
    expect(record.bindings[0]?.contacts.map((c) => c.uri)).toEqual(await scene.contacts('1012'));
  });
});

describe('expiry', () => {
  it('keeps the binding', async () => {
    const phone = await scene.phone('1013');
    await scene.bind(phone, scene.install(), { expires: 5 });
    await phone.sleep();
    await expect.poll(() => scene.contacts('1013'), { timeout: 8_000, interval: 250 }).toEqual([]);
    await scene.stored.waitFor(aor('1013'), 'a binding without a contact', (r) => r.bindings[0]?.contacts.length === 0);
    expect(scene.stored.bindings(aor('1013'))[0]?.ending).toBeUndefined();
  });
});

describe('two REGISTERs of one device within a second', () => {
  it('one before and one after the push: the phone rings once and answers', async () => {
    const phone = await scene.phone('1003', { answer: { kind: 'auto', afterMs: 20 } });
    const install = scene.install();
    const caller = await scene.phone('2000');
    await caller.register();
    const woken = scene.wakeByPush(phone, install, { samePort: true, afterMs: 30 });
    await scene.bind(phone, install);
    const before = performance.now();
    await phone.sleep();
    const call = await caller.call('1003');
    expect((await call.done).status).toBe(200);
    woken.stop();
    const [again] = woken.registered;
    expect((again ?? Number.NaN) - before).toBeLessThan(1_000);
    expect(phone.incoming).toHaveLength(1);
    await call.hangup();
    await scene.asterisk.waitForNoChannels();
  });
});
