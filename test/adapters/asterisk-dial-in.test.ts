/** Asterisks that dial in, and others who find the port. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { loginOf, WrongLogins } from '../../adapters/pbx/asterisk/dial-in/logins.ts';
import { check, create, optionsSchema } from '../../adapters/pbx/asterisk/index.ts';
import { sameSecret } from '../../adapters/shared/same-secret.ts';
import type { PbxLink } from '../../plugin/ports/pbx-link.ts';
import { DiallingAsterisk, type DiallingOptions } from '../support/dialling-asterisk.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { freePort } from '../support/free-port.ts';
import { ToldEvents } from '../support/pbx-harness.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { selfSignedCertificate } from '../support/tls.ts';

const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

const password = (name: string) => `secret-of-${name}`;

interface Made {
  readonly name: string;
  readonly link: PbxLink;
  readonly log: RecordedLog;
  readonly told: ToldEvents;
  readonly started: Promise<void>;
}

/** A PBX that is expected at this port. */
function expects(name: string, port: number, tls?: { cert: string; key: string }, username = name): Made {
  const log = new RecordedLog();
  const told = new ToldEvents();
  const dialsIn = { listen: `127.0.0.1:${port}`, ...(tls && { tls }) };
  const options = optionsSchema.parse({ dialsIn, username, password: password(name), realm: `${name}.example` });
  const link = create(options, { clock: systemClock(), log, name });
  const started = link.start(told.add);
  ending.push(() => link.stop());
  return { name, link, log, told, started };
}

function dials(name: string, port: number, more: Partial<DiallingOptions> = {}): DiallingAsterisk {
  const asterisk = new DiallingAsterisk({
    url: `ws://127.0.0.1:${port}/`,
    username: name,
    password: password(name),
    ...more,
  });
  ending.push(() => asterisk.stop());
  return asterisk;
}

/** Its start waits for its Asterisk a while longer. */
const listens = ({ log }: Made) => expect.poll(() => log.text()).toContain('waits for Asterisks that dial in');

const refused = (asterisk: DiallingAsterisk) =>
  expect.poll(() => asterisk.refusals, { timeout: 10_000 }).toContain('401');

describe('an Asterisk that dials in', () => {
  it('has a link like any other: calls are told, what to ring goes back', async () => {
    const port = await freePort();
    const berlin = expects('berlin', port);
    const asterisk = dials('berlin', port);
    await berlin.told.told('linkUp');
    await berlin.started;
    expect([berlin.link.up, berlin.link.product]).toEqual([true, 'Asterisk 22.10.1']);
    asterisk.call('chan-1', '1001');
    const { leg } = await berlin.told.told('wakeLegArrived');
    expect(leg).toMatchObject({ legId: 'chan-1', aor: '1001@berlin.example' });
    expect(await berlin.link.compose('chan-1', 'c', [])).toBe('done');
    expect(asterisk.requests.some((r) => r === 'POST channels/chan-1/continue')).toBe(true);
    expect(asterisk.requests.slice(0, 2)).toEqual(['GET asterisk/info', 'PUT applications/pushwake/eventFilter']);
  });

  it('over TLS', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pushwake-dial-in-'));
    ending.push(() => rmSync(folder, { recursive: true }));
    const { cert, key } = selfSignedCertificate();
    const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
    writeFileSync(files.cert, cert);
    writeFileSync(files.key, key);
    const port = await freePort();
    const berlin = expects('berlin', port, files);
    dials('berlin', port, { url: `wss://127.0.0.1:${port}/`, ca: cert });
    await berlin.told.told('linkUp');
    // Who speaks without TLS has no word with it.
    const plain = dials('berlin', port, { url: `ws://127.0.0.1:${port}/` });
    await expect.poll(() => plain.refusals.length).toBeGreaterThan(0);
    expect(plain.connections).toBe(0);
  });

  it('says at its return what it has kept: calls that are over wake nobody, one that waits is found', async () => {
    const port = await freePort();
    const berlin = expects('berlin', port);
    const asterisk = dials('berlin', port, { reconnectMs: 100 });
    await berlin.told.told('linkUp');
    asterisk.drop();
    await berlin.told.told('linkDown');
    asterisk.call('over', '1001');
    asterisk.channels = [];
    asterisk.call('waits', '1002');
    await berlin.told.told('wakeLegArrived', (e) => e.leg.legId === 'waits');
    expect(berlin.told.events.filter((e) => e.type === 'linkUp')).toHaveLength(2);
    expect(berlin.told.events.filter((e) => e.type === 'wakeLegArrived')).toHaveLength(1);
    expect(asterisk.connections).toBe(2);
  });

  it('that dials anew while its old websocket is half open has one link', async () => {
    const port = await freePort();
    const berlin = expects('berlin', port);
    const frozen = dials('berlin', port);
    await berlin.told.told('linkUp');
    frozen.freeze();
    dials('berlin', port);
    await expect.poll(() => berlin.told.events.filter((e) => e.type === 'linkUp').length).toBe(2);
    expect(berlin.link.up).toBe(true);
    expect(berlin.log.at('warn').map((l) => l.fields.reason)).toContain('the Asterisk has dialled anew');
  });

  it('that answers nothing is down after its time, and what was asked of it rejects', async () => {
    const port = await freePort();
    const berlin = expects('berlin', port);
    const asterisk = dials('berlin', port);
    await berlin.told.told('linkUp');
    asterisk.isMute = true;
    await expect(berlin.link.compose('chan-1', 'c', [])).rejects.toMatchObject({ name: 'LinkError' });
    const asked = berlin.link.ask('1001@berlin.example' as never);
    asterisk.drop();
    await expect(asked).rejects.toMatchObject({ name: 'LinkError' });
  });

  it('shares the port with others, each with a login of its own; two with one login are named', async () => {
    const port = await freePort();
    const berlin = expects('berlin', port);
    const hamburg = expects('hamburg', port);
    const twin = expects('twin', port, undefined, 'berlin');
    await twin.started;
    expect(twin.log.at('error').map((l) => l.message)).toEqual(['another PBX dials in with this username']);
    dials('hamburg', port);
    dials('berlin', port);
    await Promise.all([berlin, hamburg].map(({ told }) => told.told('linkUp')));
    expect(twin.link.up).toBe(false);
    // One that is taken out of the configuration leaves the others alone.
    await hamburg.link.stop();
    expect(berlin.link.up).toBe(true);
  });

  it('200 of them, on one port', async () => {
    const port = await freePort();
    const names = Array.from({ length: 200 }, (_, i) => `site${i}`);
    const sites = names.map((name) => expects(name, port));
    const asterisks = names.map((name) => dials(name, port));
    await Promise.all(sites.map(({ told }) => told.told('linkUp')));
    for (const [i, asterisk] of asterisks.entries()) asterisk.call(`chan-${i}`, '1001');
    const legs = await Promise.all(sites.map(({ told }) => told.told('wakeLegArrived')));
    expect(legs.map((e) => [e.pbx, e.leg.legId])).toEqual(names.map((name, i) => [name, `chan-${i}`]));
    // All of them away, and back.
    for (const asterisk of asterisks) asterisk.drop();
    await Promise.all(sites.map(({ told }) => told.told('linkDown')));
    await expect.poll(() => sites.every(({ link }) => link.up), { timeout: 10_000 }).toBe(true);
  });
});

describe('others who find the port', () => {
  it('a wrong password, a stranger’s name, no login: 401, late, and one line an hour', async () => {
    const port = await freePort();
    const berlin = expects('berlin', port);
    await listens(berlin);
    const begunMs = performance.now();
    const wrong = dials('berlin', port, { password: 'guessed' });
    const stranger = dials('nobody', port);
    await refused(wrong);
    // Just after the start it may be of a PBX that is not expected yet.
    expect(stranger.refusals).not.toEqual([]);
    expect(stranger.refusals).not.toContain('401');
    expect(performance.now() - begunMs).toBeGreaterThan(250);
    expect(berlin.log.at('warn').filter((l) => l.message === 'an Asterisk that dials in is refused')).toHaveLength(1);
    expect(berlin.log.text()).not.toContain('guessed');
    expect(berlin.link.up).toBe(false);
  });

  it('one that speaks no ARI is told so', async () => {
    const port = await freePort();
    const berlin = expects('berlin', port);
    const other = dials('berlin', port, { protocols: ['chat'] });
    await refused(other);
    expect(berlin.log.text()).toContain('protocols = ari');
  });

  it('too many bytes, bytes that are no HTTP, and a browser: closed', async () => {
    const port = await freePort();
    await listens(expects('berlin', port));
    const ended = (bytes: string) =>
      new Promise<string>((resolve) => {
        let said = '';
        const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
        socket.on('data', (text) => (said += text));
        socket.on('error', () => undefined);
        socket.on('close', () => resolve(said));
      });
    expect(await ended(`GET / HTTP/1.1\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`)).toBe('');
    expect(await ended('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03')).toBe('');
    expect(await ended('GET / HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(/^HTTP\/1\.1 426 /);
  });

  it('those who say nothing lose their place, and do not keep an Asterisk out', async () => {
    const port = await freePort();
    const berlin = expects('berlin', port);
    await listens(berlin);
    const silent = Array.from({ length: 300 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
    ending.push(() => silent.forEach((socket) => void socket.destroy()));
    let closed = 0;
    for (const socket of silent) socket.on('close', () => closed++);
    await expect.poll(() => closed).toBeGreaterThanOrEqual(300 - 256);
    dials('berlin', port);
    await expect.poll(() => closed, { timeout: 10_000 }).toBe(300);
    await berlin.told.told('linkUp');
  });
});

describe('what is written in the configuration', () => {
  const said = (more: object) =>
    optionsSchema
      .safeParse({ password: 'x', realm: 'example.com', ...more })
      .error?.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
      .join('\n') ?? '';

  it.each([
    [
      'neither way',
      {},
      /^url: expected the base address of ARI, .*\(or dialsIn, where this Asterisk connects to us\)$/,
    ],
    [
      'both ways',
      { url: 'http://127.0.0.1:8088', dialsIn: { listen: '127.0.0.1:1' } },
      /^dialsIn: expected either url or/,
    ],
    ['no port', { dialsIn: { listen: '127.0.0.1' } }, /^dialsIn\.listen: expected host:port/],
    ['no TLS where others reach it', { dialsIn: { listen: '0.0.0.0:8089' } }, /^dialsIn\.tls: expected cert and key/],
    ['half of TLS', { dialsIn: { listen: '0.0.0.0:8089', tls: { cert: '/c' } } }, /^dialsIn\.tls\.key: /],
    [
      'a username that no login can hold',
      { dialsIn: { listen: '[::1]:1' }, username: 'a:b' },
      /^username: expected no ":"/,
    ],
    ['all is well', { dialsIn: { listen: '[::1]:8089' } }, /^$/],
  ])('%s', (_, options, message) => {
    expect(said(options)).toMatch(message);
  });

  it('a certificate that cannot be read stops the start, with its path', () => {
    const tls = { cert: '/nowhere/cert.pem', key: '/nowhere/key.pem' };
    const options = optionsSchema.parse({
      dialsIn: { listen: '0.0.0.0:8089', tls },
      password: 'x',
      realm: 'example.com',
    });
    const deps = { clock: systemClock(), log: new RecordedLog(), name: 'berlin' };
    expect(() => create(options, deps)).toThrow(
      'pbx.berlin.dialsIn.tls: expected a certificate with its key; /nowhere/cert.pem: ENOENT',
    );
  });

  it('check says what it cannot see, what Asterisk needs, and when the certificate ends', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pushwake-dial-in-'));
    ending.push(() => rmSync(folder, { recursive: true }));
    const found = async (notAfter: Date) => {
      const { cert, key } = selfSignedCertificate({ notAfter });
      const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
      writeFileSync(tls.cert, cert);
      writeFileSync(tls.key, key);
      const options = {
        dialsIn: { listen: '0.0.0.0:8089', tls },
        username: 'berlin',
        password: 'hush',
        realm: 'example.com',
      };
      const deps = { clock: systemClock(), name: 'berlin', offline: false, timeoutMs: 1_000, running: false };
      const findings = [];
      for await (const finding of check(optionsSchema.parse(options), deps as never)) findings.push(finding);
      expect(JSON.stringify(findings)).not.toContain('hush');
      return findings;
    };
    const day = (n: number) => new Date(Date.now() + n * 86_400_000);
    const [certificate, dialsIn] = await found(day(90));
    expect(certificate).toMatchObject({ level: 'ok', found: 'good for 89 days' });
    expect(dialsIn).toMatchObject({
      level: 'warn',
      remedy: expect.stringContaining('apps = pushwake,pushwake-contacts'),
    });
    expect((await found(day(3)))[0]).toMatchObject({ level: 'warn', found: 'it ends in 2 days' });
    expect((await found(day(-3)))[0]).toMatchObject({ level: 'fail' });
  });
});

describe('a login', () => {
  it.each([
    ['Basic YmVybGluOnNlY3JldA==', { username: 'berlin', password: 'secret' }],
    ['basic YmVybGluOmE6Yg==', { username: 'berlin', password: 'a:b' }],
    ['Basic OnNlY3JldA==', { username: '', password: 'secret' }],
    ['Basic YmVybGlu', undefined],
    ['Basic', undefined],
    ['Bearer YmVybGluOnNlY3JldA==', undefined],
    [`Basic ${'a'.repeat(1_000)}`, undefined],
    [undefined, undefined],
  ])('%s', (header, login) => {
    expect(loginOf(header)).toEqual(login);
  });

  it('is right or wrong as a whole', () => {
    expect([sameSecret('a', 'a'), sameSecret('a', 'b'), sameSecret('', 'a'), sameSecret('aa', 'a')]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  it('that is wrong is said once an hour for each address, and for no more addresses than fit', () => {
    const clock = new FakeClock();
    const log = new RecordedLog();
    const wrong = new WrongLogins(clock, log);
    const lines = () => log.at('warn').length;
    for (let i = 0; i < 10; i++) wrong.add('192.0.2.1', 'x');
    expect(lines()).toBe(1);
    wrong.add('192.0.2.2', 'x');
    expect(lines()).toBe(2);
    wrong.right('192.0.2.1');
    wrong.add('192.0.2.1', 'x');
    expect(lines()).toBe(3);
    for (let i = 0; i < 1_000; i++) wrong.add(`198.51.100.${i}`, 'x');
    wrong.add('192.0.2.2', 'x');
    expect(lines(), 'it had to make room').toBe(3 + 1_000 + 1);
  });
});
