/** Contacts as FreeSWITCH stores them: read tolerantly, dialled strictly. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dialText, dialVia, readStored } from '../../adapters/pbx/freeswitch/registrations/parse.ts';

const none: ReadonlySet<string> = new Set();
const NAT =
  '"" <sip:1004@10.1.2.3:5060;transport=udp;pn-provider=fcm;pn-param=p;pn-prid=T;fs_nat=yes;fs_path=sip%3A1004%40127.0.0.22%3A5077%3Btransport%3Dudp%3Bpn-provider%3Dfcm%3Bpn-prid%3DT>';

describe('reading', () => {
  it.each([
    ['with an empty name', '"" <sip:1001@10.0.0.1:5060;transport=tcp>', 'sip:1001@10.0.0.1:5060;transport=tcp'],
    ['with a name', '"Bob, Ü \'x\'" <sip:1001@10.0.0.1>', 'sip:1001@10.0.0.1'],
    ['a name that holds a contact', '"x <sip:evil@10.9.9.9>" <sip:1001@10.0.0.1>', 'sip:1001@10.0.0.1'],
    ['a name with an escaped quote', '"a \\" <sip:e@9>" <sip:1001@10.0.0.1>', 'sip:1001@10.0.0.1'],
    ['without the closing bracket', '"" <sip:1001@10.0.0.1;pn-prid=A', 'sip:1001@10.0.0.1;pn-prid=A'],
    ['bare', 'sip:1001@10.0.0.1;pn-prid=A', 'sip:1001@10.0.0.1;pn-prid=A'],
  ])('%s', (_, text, uri) => expect(readStored(text)?.uri).toBe(uri));

  it('what FreeSWITCH appends behind NAT is not the phone’s: the push parameters stand there a second time', () => {
    expect(readStored(NAT)).toEqual({
      uri: 'sip:1004@10.1.2.3:5060;transport=udp;pn-provider=fcm;pn-param=p;pn-prid=T',
      route: 'sip:1004@127.0.0.22:5077;transport=udp',
      nat: true,
    });
  });

  it('a Path without NAT is a route as well', () => {
    expect(readStored('"" <sip:1001@10.0.0.1;fs_path=%3Csip%3Aedge1%4010.0.0.9%3Blr%3E>')).toMatchObject({
      route: 'sip:edge1@10.0.0.9;lr',
      nat: false,
    });
  });

  it('a route cut in the middle of an escape still names its host', () => {
    for (let cut = NAT.indexOf('5077') + 4; cut < NAT.length; cut++) {
      expect(readStored(NAT.slice(0, cut))?.route, NAT.slice(cut - 10, cut)).toMatch(/^sip:1004@127\.0\.0\.22:5077/);
    }
  });

  it('a token cut at 1023 characters is no token', () => {
    const long = `"" <sip:1001@10.0.0.1;pn-provider=webpush;pn-prid=${'x'.repeat(2_000)}`;
    expect(readStored(long.slice(0, 1_023))?.uri).toBe('sip:1001@10.0.0.1;pn-provider=webpush');
  });

  it.each(['', '"" <sip:(null)@(null)>', 'tel:123', '<>', 'x'.repeat(10_000)])('%j is no contact', (text) =>
    expect(readStored(text)).toBeUndefined(),
  );

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        readStored(text);
        readStored(`"" <sip:a@b;${text}>`);
      }),
    );
  });
});

describe('dialling', () => {
  const dial = (contact: string, ours = none) => {
    const stored = readStored(contact);
    return stored ? dialText('internal', stored, ours) : undefined;
  };

  it('names the profile and leaves the push parameters out, also of the route', () => {
    expect(dial(NAT)).toEqual({
      ok: true,
      text: 'sofia/internal/sip:1004@10.1.2.3:5060;transport=udp;fs_nat=yes;fs_path=sip%3A1004%40127.0.0.22%3A5077%3Btransport%3Dudp',
    });
  });

  it.each([
    ['a comma', 'sip:1001@10.0.0.1;x=a,sofia/internal/x@10.9.9.9'],
    ['a pipe', 'sip:1001@10.0.0.1;x=a|sofia/internal/x@10.9.9.9'],
    ['a variable', `sip:1001@10.0.0.1;x=\${uuid}`],
    ['braces', 'sip:1001@10.0.0.1;x={a=b}'],
    ['an application', 'sip:1001@10.0.0.1;x=&park()'],
    ['a quote', "sip:1001@10.0.0.1;x=a'b"],
    ['a blank', 'sip:1001@10.0.0.1;x=a b'],
    ['an enterprise separator', 'sip:1001@10.0.0.1;x=a:_:b'],
    ['a line break in an escape', 'sip:1001@10.0.0.1;x=%0d%0aVia:x'],
    ['a route with a comma', 'sip:1001@10.0.0.1;fs_path=sip%3Aa%40b%2Csofia'],
  ])('%s is refused', (_, uri) => expect(dial(`"" <${uri}>`)).toMatchObject({ ok: false }));

  it('a phone that gives an address of the PBX as its own is refused: its calls would go to the dialplan', () => {
    const ours = new Set(['10.0.0.5:5060']);
    expect(dial('"" <sip:00900123@10.0.0.5>', ours)).toEqual({ ok: false, reason: 'an address of the PBX itself' });
    expect(dial('"" <sip:00900123@10.0.0.5:5080>', ours)).toMatchObject({ ok: true });
    const routed = '"" <sip:1001@10.0.0.1;fs_path=sip%3Ax%4010.0.0.5%3A5060>';
    expect(dial(routed, ours)).toMatchObject({ ok: false });
  });

  it('whatever a phone writes, one harmless destination comes out or none', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), fc.string({ maxLength: 30 }), (param, user) => {
        const text = dial(`"" <sip:${user}@10.0.0.1;x=${param};fs_path=${encodeURIComponent(param)}>`);
        if (text?.ok) expect(text.text).toMatch(/^sofia\/internal\/sips?:[A-Za-z0-9.@:;=~+%_-]+$/i);
      }),
    );
  });

  it('a phone of another PBX is dialled by the trunk the administrator named, or not at all', () => {
    expect(dialVia('sofia/gateway/branch/{user}', '1001')).toEqual({ ok: true, text: 'sofia/gateway/branch/1001' });
    expect(dialVia(undefined, '1001')).toMatchObject({ ok: false });
  });
});
