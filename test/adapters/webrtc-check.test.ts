/** What `pushwake check` makes of a PBX that browsers shall register with. */
import { describe, expect, it } from 'vitest';
import { type Account, checkAccounts, readAccounts } from '../../adapters/pbx/asterisk/check-accounts.ts';
import { webrtcFindings as ofAsterisk, type SeenOfWebrtc } from '../../adapters/pbx/asterisk/check-webrtc.ts';
import type { AriProbe } from '../../adapters/pbx/asterisk/probe.ts';
import { webrtcFindings as ofFreeswitch } from '../../adapters/pbx/freeswitch/webrtc-check.ts';
import type { Finding } from '../../plugin/ports/finding.ts';

const lines = (findings: Iterable<Finding>) =>
  [...findings].map((f) => `${f.level} ${f.found}${f.remedy === undefined ? '' : ` → ${f.remedy}`}`);

describe('Asterisk', () => {
  const endpoint = (id: string, settings: Readonly<Record<string, string>>) => ({
    id,
    endpoint: new Map(Object.entries(settings)),
  });
  const BROWSER = endpoint('1001', { webrtc: 'true', allow: '(opus|ulaw|alaw)' });
  const FREEPBX = endpoint('1002', {
    webrtc: 'false',
    media_encryption: 'dtls',
    use_avpf: 'true',
    ice_support: 'true',
    allow: '(ulaw)',
  });
  const DESK = endpoint('1003', { webrtc: 'false', allow: '(g722)' });
  const ALL = ['res_http_websocket.so', 'res_pjsip_transport_websocket.so', 'res_srtp.so'];
  const seen = (changes: Partial<SeenOfWebrtc>): SeenOfWebrtc => ({
    modules: new Set(ALL),
    transports: ['udp', 'ws'],
    endpoints: [BROWSER, DESK],
    ...changes,
  });

  it.each<[string, Partial<SeenOfWebrtc>, readonly RegExp[]]>([
    ['as it should be', {}, [/^ok 1 of 2 endpoints speak it$/, /^ok there is a transport/]],
    ['by FreePBX’s lines', { endpoints: [FREEPBX] }, [/^ok 1 of 1/, /^ok/]],
    ['no endpoint', { endpoints: [DESK] }, [/^fail no endpoint has webrtc = yes.* → `pushwake init --webrtc`/]],
    [
      'one module away',
      { modules: new Set(ALL.slice(0, 2)) },
      [/^ok/, /^fail res_srtp\.so is not running.*encrypted/, /^ok/],
    ],
    ['modules that cannot be seen', { modules: undefined }, [/^ok/, /^ok/]],
    [
      'no transport that is seen',
      { transports: ['udp'] },
      [/^ok/, /^warn a transport .* cannot be seen from here → run .*pjsip show transports/],
    ],
    [
      'a codec that no browser has',
      { endpoints: [BROWSER, endpoint('1004', { webrtc: 'yes', allow: '(g722|g729)' })] },
      [/^ok/, /^ok/, /^fail no codec that a browser has: .*488 \(1004\)/],
    ],
  ])('%s', (_, changes, expected) => {
    const said = lines(ofAsterisk(seen(changes), 'here'));
    expect(said).toHaveLength(expected.length);
    for (const [i, pattern] of expected.entries()) expect(said[i]).toMatch(pattern);
  });

  it('a browser’s contact needs no rewrite_contact: the WebSocket transport does that', () => {
    const account = (of: Pick<Account, 'id' | 'endpoint'>): Account => ({
      ...of,
      aor: new Map([['max_contacts', '5']]),
    });
    const said = lines(checkAccounts([BROWSER, FREEPBX, DESK].map(account)));
    expect(said).toEqual([
      expect.stringMatching(/^warn is off: behind NAT .*\(1003\)/),
      expect.stringMatching(/^ok 2 of 3/),
    ]);
  });

  it('an Asterisk that has refused pjsip.conf knows no endpoint, and says so by 404', async () => {
    const none = await readAccounts({ ask: async () => ({ status: 404, body: {} }) } as unknown as AriProbe);
    expect(lines(checkAccounts(none))).toEqual([expect.stringMatching(/^fail no endpoint .*Could not find template/)]);
  });

  it('one of several PBXs may be without', () => {
    expect(lines(ofAsterisk(seen({ endpoints: [DESK] }), 'here or elsewhere'))).toEqual([
      expect.stringMatching(/^warn no endpoint .*another PBX alone$/),
    ]);
  });
});

describe('FreeSWITCH', () => {
  const status = (more: string, codecs = 'OPUS,G722,PCMU') =>
    `<profile><profile-info><name>internal</name><bind-url>sip:mod_sofia@127.0.0.1:5060</bind-url>${more}<inbound-codecs>${codecs}</inbound-codecs></profile-info></profile>`;
  const WSS = '<wss-bind-url>sips:mod_sofia@127.0.0.1:7443;transport=wss</wss-bind-url>';
  const WS = '<ws-bind-url>sip:mod_sofia@127.0.0.1:5066;transport=ws</ws-bind-url>';
  it.each<[string, Readonly<Record<string, string>>, boolean, readonly RegExp[]]>([
    ['both bindings', { internal: status(WS + WSS) }, false, [/^ok internal takes browsers \(wss 7443, ws 5066\)$/]],
    [
      'one of two profiles',
      { internal: status(''), mobile: status(WS) },
      false,
      [/^ok mobile takes browsers \(ws 5066\)$/],
    ],
    [
      'none',
      { internal: status(''), mobile: status('') },
      true,
      [/^fail no profile takes WebSockets \(internal, mobile\).*wss-binding/],
    ],
    ['a profile that does not run', { internal: '-ERR' }, true, [/^fail no profile takes WebSockets/]],
    [
      'OPUS without its module',
      { internal: status(WS, 'OPUS,G722') },
      false,
      [/^ok/, /^fail internal has no codec that a browser has/],
    ],
    ['OPUS with its module', { internal: status(WS, 'OPUS@48000h@20i,G722') }, true, [/^ok/]],
    ['codecs that are not said', { internal: status(WS, '') }, false, [/^ok/]],
  ])('%s', (_, profiles, hasOpus, expected) => {
    const seen = Object.entries(profiles).map(([name, xmlstatus]) => [name, { xmlstatus }] as const);
    const said = lines(ofFreeswitch(new Map(seen), hasOpus, 'here'));
    expect(said).toHaveLength(expected.length);
    for (const [i, pattern] of expected.entries()) expect(said[i]).toMatch(pattern);
  });
  it('a profile that takes public addresses alone', () => {
    const said = (settings: ReadonlyMap<string, string>) =>
      lines(ofFreeswitch(new Map([['internal', { xmlstatus: status(WS), settings }]]), false, 'here'));
    expect(said(new Map())).toEqual([
      expect.stringMatching(/^ok/),
      expect.stringMatching(/^fail .*private network with 488 → .*any_v4\.auto/),
    ]);
    expect(said(new Map([['apply-candidate-acl', 'localnet.auto']]))).toHaveLength(1);
  });
  it('one of several PBXs may be without', () => {
    expect(
      lines(ofFreeswitch(new Map([['internal', { xmlstatus: status('') }]]), true, 'here or elsewhere'))[0],
    ).toMatch(/^warn .*another PBX alone$/);
  });
});
