import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HepSensor } from '../../adapters/pbx/asterisk/hep.ts';
import { mayConcernUs, parseHep, passwordMatches } from '../../adapters/pbx/asterisk/hep-datagram.ts';
import {
  isRefusal,
  RegisterPairs,
  type WireRefusal,
  type WireRegister,
} from '../../adapters/pbx/asterisk/hep-register.ts';
import { SECOND } from '../../plugin/core/time.ts';
import { FakeClock, NOON, settle } from '../support/fake-clock.ts';
import { hepChunk as chunk, hepDatagram as hep, hepOfSip as sip } from '../support/hep.ts';

/** Sent by res_hep_pjsip of Asterisk 22; credentials scrubbed. */
interface Recorded {
  readonly what: string;
  readonly src: string;
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
  readonly ipproto: number;
  readonly proto: number;
  readonly sec: number;
  readonly usec: number;
  readonly captureId: number;
  readonly auth: string;
  readonly corr: string;
  readonly bytes: number;
  readonly scrubbed: number;
  readonly payload: string;
}

const RECORDED: readonly Recorded[] = readFileSync(
  new URL('../transcripts/asterisk/hep.jsonl', import.meta.url),
  'utf8',
)
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

function recorded(what: string): Recorded {
  const found = RECORDED.find((r) => r.what === what);
  if (!found) throw new Error(`no datagram "${what}"`);
  return found;
}

function uint(value: number, bytes: number): Buffer {
  const b = Buffer.alloc(bytes);
  b.writeUIntBE(value, 0, bytes);
  return b;
}

/** The datagram as it was on the wire: the same chunks in res_hep's order. */
function datagramOf(r: Recorded): Buffer {
  const ip = (text: string) => Buffer.from(text.split('.').map(Number));
  return hep(
    chunk(1, uint(2, 1)),
    chunk(2, uint(r.ipproto, 1)),
    chunk(3, ip(r.src)),
    chunk(4, ip(r.dst)),
    chunk(7, uint(r.sport, 2)),
    chunk(8, uint(r.dport, 2)),
    chunk(9, uint(r.sec, 4)),
    chunk(10, uint(r.usec, 4)),
    chunk(11, uint(r.proto, 1)),
    chunk(12, uint(r.captureId, 4)),
    chunk(14, Buffer.from(r.auth)),
    chunk(17, Buffer.from(r.corr)),
    chunk(15, Buffer.from(r.payload)),
  );
}

/** What a collector reports of these datagrams, one second apart. */
function outcomes(...datagrams: Buffer[]): (WireRegister | WireRefusal)[] {
  const clock = new FakeClock();
  const pairs = new RegisterPairs(clock);
  const found: (WireRegister | WireRefusal)[] = [];
  for (const bytes of datagrams) {
    const datagram = parseHep(bytes);
    const one = datagram && pairs.take(datagram);
    if (one) found.push(one);
    clock.jump(SECOND);
  }
  return found;
}

/** Those that the registrar took. */
const reports = (...datagrams: Buffer[]): WireRegister[] =>
  outcomes(...datagrams).filter((r): r is WireRegister => !isRefusal(r));

const REQUEST = [
  'REGISTER sip:example.com SIP/2.0',
  'Via: SIP/2.0/UDP 10.0.0.9;branch=z',
  'To: <sip:1001@example.com>',
  'Call-ID: c',
  'CSeq: 1 REGISTER',
];
const OK = ['SIP/2.0 200 OK', 'To: <sip:1001@example.com>', 'Call-ID: c', 'CSeq: 1 REGISTER'];

describe('recorded datagrams', () => {
  it.each(RECORDED.map((r) => [r.what, r] as const))('%s: the envelope is read', (_, r) => {
    const bytes = datagramOf(r);
    // Control: rebuilt to the byte as long as it was (but for what was scrubbed).
    expect(bytes.length).toBe(r.bytes - r.scrubbed);
    const read = parseHep(bytes);
    expect(read?.source).toBe(`${r.src}:${r.sport}`);
    expect(read?.password?.toString()).toBe('hepsecret');
    expect(read?.payload.toString()).toBe(r.payload);
  });

  const TOKEN = `APA91b%3B${'x'.repeat(140)}`;
  const tokenOf = (r: Recorded) => /pn-prid=abc%3A([^>;]+)>/.exec(r.payload)?.[1] ?? TOKEN;

  it('a REGISTER over UDP: exact escapes from the request, the stored form and what was granted from the 200', () => {
    const request = recorded('q1f udp REGISTER');
    const token = tokenOf(request);
    const [register, ...more] = reports(
      ...['q1f udp REGISTER without credentials', 'q1f its 401', 'q1f udp REGISTER', 'q1f its 200'].map((w) =>
        datagramOf(recorded(w)),
      ),
    );
    const stored = `sip:1001@127.0.0.1:48840;transport=udp;pn-provider=fcm;pn-param=my/proj;pn-prid=abc:${token.replace('%3B', '%3b')}`;
    expect(more).toEqual([]);
    expect(register).toEqual({
      at: NOON + 3 * SECOND,
      aorUser: '1001',
      realm: '127.0.0.1',
      callId: '32315c8b08440aff',
      source: '127.0.0.1:48840',
      transport: 'udp',
      userAgent: 'labphone/1.0',
      granted: [{ uri: stored, grantedMs: 3599 * SECOND }],
      contacts: [
        {
          wireUri: `sip:1001@127.0.0.1:48840;transport=udp;pn-provider=fcm;pn-param=my%2Fproj;pn-prid=abc%3A${token}`,
          storedUri: stored,
          headerParams: [],
          expires: 3600,
          grantedMs: 3599 * SECOND,
          unregister: false,
          star: false,
        },
      ],
    });
  });

  it.each([
    ['tcp', 'TCP'],
    ['tls', 'TLS'],
  ])('%s behind rewrite_contact: the stored form has the transport in capitals', (transport, capitals) => {
    const at = RECORDED.findIndex((r) => r.what === `q1f ${transport} REGISTER, rewrite_contact`);
    const [register] = reports(...RECORDED.slice(at, at + 2).map(datagramOf));
    expect(register).toMatchObject({ aorUser: '1005', transport });
    expect(register?.contacts[0]?.wireUri).toContain(';transport=udp;');
    expect(register?.contacts[0]?.storedUri).toContain(`;transport=${capitals};`);
  });

  it('a & in pn-prid', () => {
    const [register] = reports(
      datagramOf(recorded('r9 tls REGISTER with a & in pn-prid')),
      datagramOf(recorded('r9 its 200')),
    );
    expect(register?.contacts[0]?.wireUri).toMatch(/pn-prid=a%3Avoip%26b$/);
    expect(register?.contacts[0]?.storedUri).toMatch(/pn-prid=a:voip&b$/);
  });

  it('Expires 0 is an unregister, and names the contact as it was stored although the 200 shows none', () => {
    const away = ['q1f udp REGISTER with Expires 0', 'q1f its 200, no contact left'].map((w) =>
      datagramOf(recorded(w)),
    );
    const before = ['q1f udp REGISTER', 'q1f its 200'].map((w) => datagramOf(recorded(w)));
    const stored = reports(...before)[0]?.contacts[0]?.storedUri;
    for (const known of [before, []]) {
      const register = reports(...known, ...away).at(-1);
      expect(register?.contacts).toMatchObject([{ unregister: true, star: false, expires: 0, storedUri: stored }]);
      expect(register?.granted).toEqual([]);
    }
  });

  it('a wrong password at the registrar tells nothing', () => {
    expect(
      reports(...['q1f udp REGISTER with a wrong password', 'q1f its 401'].map((w) => datagramOf(recorded(w)))),
    ).toEqual([]);
  });

  it('calls and RTCP are not looked at', () => {
    for (const what of ['r9 INVITE', 'r9 RTCP as JSON'])
      expect(mayConcernUs(Buffer.from(recorded(what).payload))).toBe(false);
    expect(
      reports(...RECORDED.filter((r) => r.what.startsWith('r9') && !/REGISTER|its 200/.test(r.what)).map(datagramOf)),
    ).toEqual([]);
  });
});

describe('a REGISTER and its 200', () => {
  it('compact names, any case, folded lines, blanks before the colon', () => {
    const [register] = reports(
      sip(
        'REGISTER sip:example.com SIP/2.0',
        'v: SIP/2.0/WSS x;branch=z',
        't : "A, B" <sip:10%301@Example.COM>',
        'I: c',
        'cseq:7',
        ' REGISTER',
        'm: <sip:a@10.0.0.9>',
        '\t;+sip.instance="<urn:uuid:A>";expires=60',
        'EXPIRES: 9',
      ),
      sip('SIP/2.0 200 OK', 'i: c', 'CSEQ: 7   REGISTER', 'M: <sip:a@10.0.0.9:5060>;expires=50'),
    );
    expect(register).toMatchObject({
      aorUser: '1001',
      realm: 'example.com',
      transport: 'wss',
      contacts: [{ instanceId: 'urn:uuid:a', expires: 60, grantedMs: 50 * SECOND, storedUri: 'sip:a@10.0.0.9:5060' }],
    });
  });

  it('several contacts, each with its own end', () => {
    const [register] = reports(
      sip(...REQUEST, 'Contact: <sip:a@h1>;expires=0, <sip:a@h2>', 'Contact: <sip:a@h3>;expires=5', 'Expires: 60'),
      sip(...OK, 'Contact: <sip:a@h2>;expires=59', 'Contact: <sip:a@h3>;expires=4, <sip:other@h4>;expires=10'),
    );
    expect(register?.contacts.map((c) => [c.wireUri, c.unregister, c.expires, c.grantedMs])).toEqual([
      ['sip:a@h1', true, 0, undefined],
      ['sip:a@h2', false, 60, 59_000],
      ['sip:a@h3', false, 5, 4_000],
    ]);
    expect(register?.granted).toHaveLength(3);
  });

  it('a star with Expires 0', () => {
    const [register] = reports(sip(...REQUEST, 'Contact: *', 'Expires: 0'), sip(...OK));
    expect(register?.contacts).toEqual([{ wireUri: '*', headerParams: [], expires: 0, unregister: true, star: true }]);
  });

  it('a star without Expires 0 is nothing (RFC 3261 §10.3)', () => {
    expect(reports(sip(...REQUEST, 'Contact: *'), sip(...OK))[0]?.contacts).toEqual([]);
  });

  it('a query has no contacts', () => {
    expect(reports(sip(...REQUEST), sip(...OK, 'Contact: <sip:a@h>;expires=9'))[0]).toMatchObject({
      contacts: [],
      granted: [{ uri: 'sip:a@h' }],
    });
  });

  it('of two stored contacts on one port the one with this token is meant', () => {
    const [register] = reports(
      sip(...REQUEST, 'Contact: <sip:a@h:1;pn-provider=fcm;pn-prid=B%3Ax>'),
      sip(
        ...OK,
        'Contact: <sip:a@h:1>;expires=1, <sip:a@h:1;pn-provider=fcm;pn-prid=B:x>;expires=2, <sip:a@h:1;pn-provider=fcm;pn-prid=A>;expires=3',
      ),
    );
    expect(register?.contacts[0]).toMatchObject({
      storedUri: 'sip:a@h:1;pn-provider=fcm;pn-prid=B:x',
      grantedMs: 2000,
    });
  });

  it('behind NAT with rewrite_contact the stored contact is at the source address', () => {
    const [register] = reports(
      sip(...REQUEST, 'Contact: <sip:a@192.168.1.5:40000;transport=tcp;line=x>'),
      sip(...OK, 'Contact: <sip:a@10.0.0.9:5060;transport=TCP;x-ast-orig-host=192.168.1.5:40000;line=x>;expires=2'),
    );
    expect(register?.contacts[0]).toMatchObject({
      grantedMs: 2000,
      wireUri: 'sip:a@192.168.1.5:40000;transport=tcp;line=x',
    });
    expect(register?.contacts[0]?.storedUri).toContain('sip:a@10.0.0.9:5060;transport=TCP');
  });

  it('a contact the 200 does not show has no stored form', () => {
    const [register] = reports(sip(...REQUEST, 'Contact: <sip:a@h:1>'), sip(...OK, 'Contact: <sip:b@h:2>'));
    expect(register?.contacts[0]).not.toHaveProperty('storedUri');
  });

  it.each([
    ['another CSeq', ['SIP/2.0 200 OK', 'Call-ID: c', 'CSeq: 2 REGISTER']],
    ['another Call-ID', ['SIP/2.0 200 OK', 'Call-ID: d', 'CSeq: 1 REGISTER']],
    ['of another method', ['SIP/2.0 200 OK', 'Call-ID: c', 'CSeq: 1 INVITE']],
    ['a 202', ['SIP/2.0 202 OK', 'Call-ID: c', 'CSeq: 1 REGISTER']],
    ['without Call-ID', ['SIP/2.0 200 OK', 'CSeq: 1 REGISTER']],
  ])('an answer that is not its own tells nothing: %s', (_, answer) => {
    expect(reports(sip(...REQUEST, 'Contact: <sip:a@h>'), sip(...answer))).toEqual([]);
  });

  const answered = (status: string) => [`SIP/2.0 ${status}`, 'Call-ID: c', 'CSeq: 1 REGISTER'];
  const contact = 'Contact: <sip:a@h;pn-prid=x>;+sip.instance="<urn:uuid:1>"';

  it.each([
    ['403 Forbidden', 403],
    ['404 Not Found', 404],
    ['503 Service Unavailable', 503],
    ['600 Busy', 600],
  ])('a refusal is seen, with its status: %s', (status, refused) => {
    expect(outcomes(sip(...REQUEST, contact), sip(...answered(status)))).toEqual([
      { at: NOON + SECOND, aorUser: '1001', refused, wireUri: 'sip:a@h;pn-prid=x', instanceId: 'urn:uuid:1' },
    ]);
  });

  it.each([
    ['a challenge', [contact], '401 Unauthorized'],
    ['a challenge of a proxy', [contact], '407 Proxy Authentication Required'],
    ['an Expires that is too brief', [contact], '423 Interval Too Brief'],
    ['of a log-out', [contact, 'Expires: 0'], '403 Forbidden'],
    ['of a query', [], '403 Forbidden'],
    ['with a status that is none', [contact], '4o3 Forbidden'],
  ])('an answer that refuses no phone tells nothing: %s', (_, lines, status) => {
    expect(outcomes(sip(...REQUEST, ...lines), sip(...answered(status)))).toEqual([]);
  });

  it('a refusal of the second try, after a challenge', () => {
    const again = REQUEST.map((line) => line.replace('CSeq: 1', 'CSeq: 2'));
    const refused = answered('403 Forbidden').map((line) => line.replace('CSeq: 1', 'CSeq: 2'));
    const found = outcomes(
      sip(...REQUEST, contact),
      sip(...answered('401 Unauthorized')),
      sip(...again, contact),
      sip(...refused),
      // A copy of the answer says nothing new.
      sip(...refused),
    );
    expect(found).toMatchObject([{ refused: 403 }]);
  });

  const signed = 'Authorization: Digest username="1001", realm="asterisk", response="0f"';
  const challenge = 'WWW-Authenticate: Digest realm="asterisk",nonce="1/2",opaque="3",algorithm=MD5,qop="auth"';
  it.each([
    ['401 Unauthorized', signed, challenge, 401],
    ['407 Proxy Authentication Required', `Proxy-${signed}`, challenge.replace('WWW', 'Proxy'), 407],
    ['401 Unauthorized', signed, challenge.replace('3"', '3 stale=true"'), 401],
    ['401 Unauthorized', signed, `${challenge},stale=false`, 401],
  ])('credentials that the PBX does not take: %s to %s', (status, credentials, asked, refused) => {
    const found = outcomes(sip(...REQUEST, contact, credentials), sip(...answered(status), asked));
    expect(found).toMatchObject([{ refused, aorUser: '1001' }]);
    expect(JSON.stringify(found)).not.toContain('response');
  });

  it.each([
    ['stale=true', signed, `${challenge},stale=true`],
    ['stale = "TRUE", in the second of two', signed, `${challenge}\r\n${challenge}, stale = "TRUE"`],
    ['stale=true, of a proxy', `Proxy-${signed}`, `${challenge.replace('WWW', 'Proxy')}, stale=true`],
  ])('credentials that are only too old are no refusal: %s', (_, credentials, asked) => {
    const status = credentials.startsWith('Proxy') ? '407 Proxy Authentication Required' : '401 Unauthorized';
    expect(outcomes(sip(...REQUEST, contact, credentials), sip(...answered(status), asked))).toEqual([]);
  });

  it.each([
    ['10 s later it counts', 10 * SECOND, 0, 1],
    ['a moment more and it does not', 10 * SECOND + 1, 0, 0],
    ['a wall clock that went back by an hour meanwhile changes nothing', 0, -3600 * SECOND, 1],
    ['a wall clock that went on by two days meanwhile changes nothing', 1, 48 * 3600 * SECOND, 1],
    ['a wall clock that went back does not make an old REGISTER young', 11 * SECOND, -10 * SECOND, 0],
  ])('%s', async (_, later, jump, count) => {
    const clock = new FakeClock();
    const pairs = new RegisterPairs(clock);
    const take = (bytes: Buffer) => pairs.take(parseHep(bytes)!);
    take(sip(...REQUEST));
    await clock.advance(later);
    clock.jump(jump);
    expect(take(sip(...OK)) ? 1 : 0).toBe(count);
  });

  it('what waits is bounded in number and in time', async () => {
    const clock = new FakeClock();
    const pairs = new RegisterPairs(clock);
    const ask = (callId: string) =>
      pairs.take(parseHep(sip('REGISTER sip:h SIP/2.0', `Call-ID: ${callId}`, 'CSeq: 1 REGISTER'))!);
    for (let i = 0; i < 10_050; i++) ask(`c${i}`);
    expect(pairs.waiting).toBe(10_000);
    await clock.advance(11 * SECOND);
    ask('late');
    expect(pairs.waiting).toBe(1);
  });
});

describe('when a REGISTER was answered', () => {
  const dated = (epochMs: number) =>
    hep(
      chunk(9, uint(Math.floor(epochMs / 1_000), 4)),
      chunk(10, uint((epochMs % 1_000) * 1_000, 4)),
      chunk(15, Buffer.from(`${OK.join('\r\n')}\r\n\r\n`)),
    );

  it.each([
    ['a busy PBX sends its copy late: when it was sent', NOON - 800, NOON - 800],
    ['4.999 s late', NOON - 4_999, NOON - 4_999],
    ['later than that: the clock of a stranger, so when it came', NOON - 5_001, NOON],
    ['from the future', NOON + 1, NOON],
    ['as it comes', NOON, NOON],
  ])('%s', (_what, sentAt, at) => {
    const pairs = new RegisterPairs(new FakeClock());
    pairs.take(parseHep(sip(...REQUEST))!);
    expect(pairs.take(parseHep(dated(sentAt))!)?.at).toBe(at);
  });

  it('is when it came where the sender does not say', () => {
    expect(reports(sip(...REQUEST), sip(...OK))[0]?.at).toBe(NOON + SECOND);
  });
});

describe('hostile datagrams', () => {
  const good = datagramOf(recorded('q1f udp REGISTER'));

  it.each([
    ['empty', Buffer.alloc(0)],
    ['HEP version 2', Buffer.from('HEP2\0\x06')],
    ['a length beyond the end', Buffer.from('HEP3\xff\xff', 'latin1')],
    ['no payload', hep(chunk(7, uint(1, 2)))],
    ['a chunk of length 0', hep(Buffer.alloc(6), chunk(15, Buffer.from('REGISTER ')))],
    ['a chunk that runs over the end', good.subarray(0, good.length - 1)],
  ])('%s', (_, bytes) => {
    expect(parseHep(bytes)).toBeUndefined();
  });

  it('chunks of other vendors and of the wrong size are passed over', () => {
    const read = parseHep(
      hep(chunk(15, Buffer.from('x'), 1), chunk(3, Buffer.alloc(3)), chunk(7, uint(1, 4)), chunk(15, Buffer.from('y'))),
    );
    expect(read).toMatchObject({ source: ':0' });
    expect(read?.payload.toString()).toBe('y');
  });

  it('IPv6', () => {
    const address = Buffer.from('20010db8000000000000000000000001', 'hex');
    expect(parseHep(hep(chunk(5, address), chunk(7, uint(5061, 2)), chunk(15, Buffer.from('x'))))?.source).toBe(
      '[2001:db8::1]:5061',
    );
  });

  it('never throws, whatever bytes come', () => {
    const pairs = new RegisterPairs(new FakeClock());
    const take = (bytes: Buffer) => {
      const datagram = parseHep(bytes);
      if (datagram) pairs.take(datagram);
    };
    const bytes = fc.uint8Array({ maxLength: 300 }).map((b) => Buffer.from(b));
    const line = fc.oneof(
      fc.constantFrom(
        ...REQUEST,
        ...OK,
        'Contact: <',
        'm: *',
        'Contact:',
        'Expires: x',
        ' folded',
        ':',
        'To: <sip:@>',
        'CSeq: 1 REGISTER',
        'Call-ID: c',
        '',
      ),
      fc.string({ unit: 'binary', maxLength: 40 }),
    );
    const message = fc.array(line, { maxLength: 12 }).map((lines) => sip(...lines));
    const damaged = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, value]) => {
      const copy = Buffer.from(good);
      copy[at] = value;
      return copy;
    });
    fc.assert(
      fc.property(
        fc.oneof(
          bytes,
          message,
          damaged,
          bytes.map((b) => hep(chunk(15, b))),
        ),
        take,
      ),
      { numRuns: 2000 },
    );
  });

  it('64 kB of anything is read in one pass', () => {
    for (const piece of [' ', '\r\n ', 'Contact:<', 'm:"\\', ':', 'Contact: <sip:a@h,', '\n']) {
      const filler = piece.repeat(Math.floor(64_000 / piece.length));
      reports(sip(...REQUEST, `Contact: ${filler}`), sip(...OK, `Contact: ${filler}`));
    }
  });

  it('the password is compared whole', () => {
    expect(passwordMatches('hepsecret', Buffer.from('hepsecret'))).toBe(true);
    for (const wrong of ['hepsecre', 'hepsecret2', 'Hepsecret', ''])
      expect(passwordMatches('hepsecret', Buffer.from(wrong))).toBe(false);
    expect(passwordMatches('hepsecret', undefined)).toBe(false);
  });
});

describe('the collector', () => {
  let clock: FakeClock;
  let logged: string[];
  let seen: (WireRegister | WireRefusal)[];
  let sensor: HepSensor;
  let phone: Socket;
  const others: Socket[] = [];

  beforeEach(() => {
    clock = new FakeClock();
    logged = [];
    seen = [];
    phone = createSocket('udp4');
  });
  afterEach(async () => {
    await sensor.stop();
    for (const s of [phone, ...others.splice(0)]) await new Promise<void>((done) => s.close(done));
    expect(clock.pending()).toBe(0);
  });

  async function collector(options: { listen?: string; password?: string; forward?: string } = {}): Promise<void> {
    const log = (_: Record<string, unknown>, message: string) => void logged.push(message);
    const deps = { clock, name: 'pbx', log: { debug: log, info: log, warn: log, error: log } };
    sensor = new HepSensor({ listen: '127.0.0.1:0', ...options }, deps, (r) => seen.push(r));
    await sensor.start();
  }
  async function socket(): Promise<Socket> {
    const s = createSocket('udp4');
    others.push(s);
    s.bind(0, '127.0.0.1');
    await once(s, 'listening');
    return s;
  }
  async function send(...datagrams: Buffer[]): Promise<void> {
    const expected = sensor.counters.received + datagrams.length;
    for (const d of datagrams) phone.send(d, sensor.address?.port ?? 0, '127.0.0.1');
    while (sensor.counters.received < expected) await settle();
    await clock.advance(1);
  }
  const REGISTERED = ['q1f udp REGISTER', 'q1f its 200'].map((w) => datagramOf(recorded(w)));

  it('reports a registration with the time of its clock', async () => {
    await collector({ password: 'hepsecret' });
    await send(...REGISTERED);
    expect(seen).toMatchObject([{ aorUser: '1001', at: NOON }]);
    expect(logged).toEqual([]);
  });

  it('drops what has a wrong password, counts it, and says so once', async () => {
    await collector({ password: 'other' });
    await send(...REGISTERED, ...REGISTERED);
    expect(seen).toEqual([]);
    expect(sensor.counters.wrongPassword).toBe(4);
    expect(logged).toEqual(['hep datagram with a wrong capture_password dropped']);
  });

  it('needs no password when none is configured', async () => {
    await collector();
    await send(...REGISTERED);
    expect(seen).toHaveLength(1);
  });

  it('passes every datagram on as it came, in order, readable or not', async () => {
    const homer = await socket();
    const arrived: Buffer[] = [];
    homer.on('message', (bytes) => arrived.push(bytes));
    await collector({ password: 'other', forward: `127.0.0.1:${homer.address().port}` });
    const sent = [Buffer.from('no hep at all'), ...RECORDED.map(datagramOf), Buffer.from([0])];
    await send(...sent);
    while (arrived.length < sent.length) await settle();
    expect(Buffer.concat(arrived).equals(Buffer.concat(sent))).toBe(true);
    expect(arrived.map((b) => b.length)).toEqual(sent.map((b) => b.length));
    expect(sensor.counters).toMatchObject({ forwarded: sent.length, forwardErrors: 0, unreadable: 2 });
  });

  it('a Homer that is away costs nothing but a count', async () => {
    const gone = await socket();
    const { port } = gone.address();
    others.pop();
    await new Promise<void>((done) => gone.close(done));
    await collector({ forward: `127.0.0.1:${port}` });
    await send(...REGISTERED, ...REGISTERED);
    while (sensor.counters.forwarded + sensor.counters.forwardErrors < 4) await settle();
    expect(seen).toHaveLength(2);
  });

  it('an address in use: says so, goes on without, and listens as soon as it is free', async () => {
    const squatter = await socket();
    const { port } = squatter.address();
    await collector({ listen: `127.0.0.1:${port}` });
    expect(logged).toEqual(['hep cannot listen, refreshes are seen by asking only']);
    expect(sensor.address).toBeUndefined();
    others.pop();
    await new Promise<void>((done) => squatter.close(done));
    await clock.advance(5 * SECOND);
    while (!sensor.address) await settle();
    await send(...REGISTERED);
    expect(seen).toHaveLength(1);
  });

  it('reports nothing once stopped', async () => {
    await collector();
    const port = sensor.address?.port ?? 0;
    phone.send(REGISTERED[0]!, port, '127.0.0.1');
    phone.send(REGISTERED[1]!, port, '127.0.0.1');
    await sensor.stop();
    await settle(5);
    expect(seen).toEqual([]);
    await sensor.stop();
  });
});
