/** `pushwake check` of what a phone in the browser meets: the judgement by tables, and the looks at servers that are wrong in one way each. */
import { createHash } from 'node:crypto';
import { createServer as createPlain, type RequestListener, type Server } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import type { LoadedConfig } from '../../config/load.ts';
import { checkBrowser } from '../../plugin/commands/check/browser.ts';
import {
  certificateFinding,
  pageFindings,
  type Seen,
  type SeenCertificate,
  webSocketFindings,
} from '../../plugin/commands/check/browser-findings.ts';
import { lookAtPage, lookAtWebSocket } from '../../plugin/commands/check/browser-probe.ts';
import { DAY, instant, plus } from '../../plugin/core/time.ts';
import type { Finding } from '../../plugin/ports/finding.ts';
import { selfSignedCertificate } from '../support/tls.ts';

const NOW = instant(Date.UTC(2026, 10, 29));
const inLine = (f: Finding) => `${f.level} ${f.what}: ${f.found}${f.remedy === undefined ? '' : ` → ${f.remedy}`}`;

describe('a certificate', () => {
  const address = { url: 'wss://phone.example.com/ws', from: 'http.devices.phone.wss' };
  const GOOD: SeenCertificate = {
    fits: true,
    names: ['phone.example.com'],
    from: plus(NOW, -30 * DAY),
    until: plus(NOW, 60 * DAY),
  };
  it.each<[string, Partial<SeenCertificate>, RegExp]>([
    ['good', {}, /^ok .*is good, and ends in 60 days$/],
    ['ends soon', { from: plus(NOW, -76 * DAY), until: plus(NOW, 13.5 * DAY) }, /^warn .*ends in 13 days → renew it/],
    ['its last day', { until: plus(NOW, 1.5 * DAY) }, /^warn .*ends in 1 day →/],
    ['of six days, which is renewed every two', { from: plus(NOW, -2 * DAY), until: plus(NOW, 4 * DAY) }, /^ok /],
    ['of six days, on its last', { from: plus(NOW, -5 * DAY), until: plus(NOW, DAY) }, /^warn /],
    [
      'has ended',
      { refused: 'CERT_HAS_EXPIRED', until: plus(NOW, -DAY) },
      /^fail .*has ended: a browser refuses it → renew it/,
    ],
    ['begins tomorrow', { refused: 'CERT_NOT_YET_VALID' }, /^fail .*begins later than now.*clock/],
    ['self-signed', { refused: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, /^fail .*is self-signed: a browser refuses it/],
    ['own authority', { refused: 'SELF_SIGNED_CERT_IN_CHAIN' }, /^fail .*authority that this machine does not know/],
    ['no chain', { refused: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }, /^fail .*without its chain.*fullchain/],
    ['no chain, in other words', { refused: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' }, /^fail .*without its chain/],
    ['withdrawn', { refused: 'CERT_REVOKED' }, /^fail .*is refused \(CERT_REVOKED\)/],
    [
      'another name',
      { fits: false, names: ['pbx.example.com'] },
      /^fail .*is not for phone\.example\.com \(it is for pbx\.example\.com\)/,
    ],
    ['no names', { fits: false, names: [] }, /^fail .*it names no host/],
  ])('%s', (_, changes, expected) => {
    expect(inLine(certificateFinding(address, { ...GOOD, ...changes }, NOW))).toMatch(expected);
  });
});

describe('a WebSocket', () => {
  const said = (seen: Seen) =>
    [...webSocketFindings({ url: 'wss://pbx.example.com/ws', from: 'http.devices.phone.wss' }, seen, NOW)].map(inLine);
  it.each<[string, Seen, RegExp]>([
    ['takes SIP', { answer: { status: 101, subprotocol: 'sip', isOurs: true } }, /^ok .*takes SIP$/],
    [
      'takes another thing',
      { answer: { status: 101, isOurs: true } },
      /^fail .*no SIP over them → .*res_pjsip_transport_websocket/,
    ],
    [
      'answers to something else',
      { answer: { status: 101, subprotocol: 'sip', isOurs: false } },
      /^fail .*not to what was asked/,
    ],
    ['is none', { answer: { status: 404 } }, /^fail .*no WebSocket there \(404\) → .*\/ws/],
    ['knows no sip', { answer: { status: 400 } }, /^fail .*refuses SIP over WebSocket \(400\)/],
    ['is behind a proxy without Upgrade', { answer: { status: 426 } }, /^fail .*does not hand on Upgrade/],
    ['wants a login', { answer: { status: 401 } }, /^fail .*lets nobody in \(401\)/],
    ['is behind a proxy that reaches nothing', { answer: { status: 502 } }, /^fail .*does not reach the PBX \(502\)/],
    ['is elsewhere', { answer: { status: 301 } }, /^fail .*sends elsewhere \(301\)/],
    ['is a page', { answer: { status: 200 } }, /^fail .*answers 200 in place of a WebSocket/],
    ['is nowhere', { unreachable: 'ENOTFOUND' }, /^fail .*no name server knows pbx\.example\.com/],
    ['is down', { unreachable: 'ECONNREFUSED' }, /^fail .*nothing listens at/],
    ['has no TLS', { unreachable: 'EPROTO' }, /^fail .*speaks no TLS/],
    ['is another thing', { unreachable: 'HPE_INVALID_CONSTANT' }, /^fail .*speaks no HTTP/],
    ['is silent', { unreachable: 'no answer in time' }, /^warn .*cannot be reached from this machine .*router/],
  ])('that %s', (_, seen, expected) => {
    const lines = said(seen);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(expected);
  });
});

describe('a page', () => {
  const said = (seen: Seen, running = true) =>
    [
      ...pageFindings({ url: 'https://phone.example.com/phone/', from: 'http.devices.phone.page' }, seen, running, NOW),
    ].map(inLine);
  it.each<[string, Seen, boolean, RegExp]>([
    ['is there', { answer: { status: 200 } }, true, /^ok .*is there$/],
    ['is not led to us', { answer: { status: 404 } }, true, /^fail .*answers 404 → the proxy must lead \/phone\//],
    ['is led to nobody', { answer: { status: 502 } }, true, /^fail .*does not reach http\.devices/],
    ['is led to nobody, and pushwake is stopped', { answer: { status: 502 } }, false, /^ok .*pushwake is stopped/],
    [
      'is our own listener, and pushwake is stopped',
      { unreachable: 'ECONNREFUSED' },
      false,
      /^ok .*pushwake is stopped/,
    ],
    ['is down', { unreachable: 'ECONNREFUSED' }, true, /^fail .*nothing listens/],
  ])('that %s', (_, seen, running, expected) => {
    expect(said(seen, running).join('\n')).toMatch(expected);
  });
});

describe('the looks', () => {
  const closed: (() => void)[] = [];
  afterEach(() => {
    for (const close of closed.splice(0)) close();
  });
  const listening = async (server: Server | ReturnType<typeof createTcp>): Promise<number> => {
    closed.push(() => {
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return (server.address() as AddressInfo).port;
  };
  const good = selfSignedCertificate({ hosts: ['localhost', '127.0.0.1'] });
  const page: RequestListener = (request, response) =>
    response.writeHead(request.url === '/phone/' ? 200 : 404).end('x');
  /** As Asterisk's: it knows the path /ws and what subprotocol it is asked for. */
  const upgrading = (server: Server, subprotocol = 'sip') => {
    const asked: Record<string, unknown>[] = [];
    server.on('upgrade', (request, socket: Duplex) => {
      asked.push(request.headers);
      if (request.url !== '/ws') return void socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
      const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
      const accept = createHash('sha1').update(key).digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\nsec-websocket-protocol: ${subprotocol}\r\n\r\n`,
      );
    });
    return asked;
  };
  const secure = (certificate = good, listener = page) => createSecure(certificate, listener);

  it('a WebSocket of SIP with a good certificate, asked as a browser asks', async () => {
    const server = secure();
    const asked = upgrading(server);
    const port = await listening(server);
    const seen = await lookAtWebSocket(`wss://localhost:${port}/ws`, {
      ca: [good.cert],
      origin: 'https://phone.example.com',
    });
    expect(seen.answer).toEqual({ status: 101, subprotocol: 'sip', isOurs: true });
    expect(seen.certificate).toMatchObject({ fits: true });
    expect(seen.certificate).not.toHaveProperty('refused');
    expect(asked).toEqual([
      expect.objectContaining({
        'sec-websocket-protocol': 'sip',
        'sec-websocket-version': '13',
        origin: 'https://phone.example.com',
      }),
    ]);
    expect(await lookAtWebSocket(`wss://localhost:${port}/`, { ca: [good.cert] })).toMatchObject({
      answer: { status: 404 },
    });
  });

  it.each([
    ['nobody vouches for it', good, [], { fits: true, refused: 'DEPTH_ZERO_SELF_SIGNED_CERT' }],
    ...(() => {
      const ended = selfSignedCertificate({
        hosts: ['localhost'],
        notBefore: new Date(Date.now() - 9 * DAY),
        notAfter: new Date(Date.now() - DAY),
      });
      const other = selfSignedCertificate({ hosts: ['pbx.example.com'] });
      return [
        ['it has ended', ended, [ended.cert], { fits: true, refused: 'CERT_HAS_EXPIRED' }],
        ['it is for another name', other, [other.cert], { fits: false, names: ['pbx.example.com'] }],
      ] as const;
    })(),
  ] as const)('a certificate: %s; what is behind it is seen all the same', async (_, certificate, ca, expected) => {
    const server = secure(certificate);
    upgrading(server);
    const seen = await lookAtWebSocket(`wss://localhost:${await listening(server)}/ws`, { ca });
    expect(seen).toMatchObject({ certificate: expected, answer: { status: 101, subprotocol: 'sip' } });
  });

  it('a server without TLS, a silent one, and none', async () => {
    const plain = await listening(createPlain(page));
    expect(await lookAtWebSocket(`wss://localhost:${plain}/ws`)).toEqual({
      unreachable: expect.stringMatching(/SSL|EPROTO/),
    });
    expect(await lookAtPage(`http://localhost:${plain}/phone/`)).toEqual({ answer: { status: 200 } });
    const silent = await listening(createTcp(() => undefined));
    expect(await lookAtPage(`http://127.0.0.1:${silent}/`, { limit: 50 })).toEqual({
      unreachable: 'no answer in time',
    });
    expect(await lookAtPage(`https://127.0.0.1:${silent}/`, { limit: 50 })).toEqual({
      unreachable: 'no answer in time',
    });
    expect(await lookAtPage('http://127.0.0.1:1/')).toEqual({ unreachable: 'ECONNREFUSED' });
  });

  it('a page that sends elsewhere is not followed', async () => {
    const requests: string[] = [];
    const port = await listening(
      createPlain((request, response) => {
        requests.push(request.url ?? '');
        response.writeHead(302, { location: '/other' }).end();
      }),
    );
    expect(await lookAtPage(`http://127.0.0.1:${port}/phone/`)).toEqual({ answer: { status: 302 } });
    expect(requests).toEqual(['/phone/']);
  });

  const config = (phone: object | undefined, more: object = {}) =>
    ({
      pbx: { office: { type: 'asterisk' } },
      http: { devices: { listen: { host: '0.0.0.0', port: 9081 }, ...more, ...(phone && { phone }) } },
    }) as unknown as LoadedConfig;
  const found = async (c: LoadedConfig, offline = false) => {
    const lines: string[] = [];
    const deps = { running: true, offline, now: instant(Date.now()), probing: { ca: [good.cert], limit: 2_000 } };
    for await (const finding of checkBrowser(c, deps)) lines.push(inLine(finding));
    return lines;
  };

  it('all of it: each address of the configuration, and no other', async () => {
    const server = secure();
    upgrading(server);
    const port = await listening(server);
    const at = `localhost:${port}`;
    const lines = await found(config({ page: `https://${at}`, wss: [`wss://${at}/ws`, `wss://${at}/`] }));
    expect(lines).toEqual([
      expect.stringMatching(/^ok certificate for browsers: of https:.* is good/),
      expect.stringMatching(/^ok page for browsers: https:.*\/phone\/ is there$/),
      expect.stringMatching(/^ok certificate/),
      expect.stringMatching(/^ok WebSocket for browsers: wss:.*\/ws takes SIP$/),
      expect.stringMatching(/^ok certificate/),
      expect.stringMatching(/^fail WebSocket for browsers: .*no WebSocket there \(404\)/),
    ]);
  });

  it('nothing where the phone is off; where nobody said the page, that; without wss what the page goes to', async () => {
    expect(await found(config(undefined))).toEqual([]);
    expect(await found(config({}))).toEqual([
      expect.stringMatching(/^warn page for browsers: .*not known/),
      expect.stringMatching(/^warn WebSocket for browsers: .*not known/),
    ]);
    expect(await found(config({}, { publicUrl: 'https://push.example.com/' }), true)).toEqual([
      'ok page for browsers: https://push.example.com/phone/ was not tried (--offline)',
      'ok WebSocket for browsers: wss://push.example.com:8089/ws was not tried (--offline)',
    ]);
  });

  it('without TLS it is for a browser on this machine', async () => {
    const server = createPlain(page);
    upgrading(server);
    const at = `localhost:${await listening(server)}`;
    expect(await found(config({ page: `http://${at}`, wss: [`ws://${at}/ws`] }), true)).toEqual([
      `ok page for browsers: http://${at}/phone/ is there, for a browser on this machine alone`,
      `ok WebSocket for browsers: ws://${at}/ws takes SIP, for a browser on this machine alone`,
    ]);
  });
});
