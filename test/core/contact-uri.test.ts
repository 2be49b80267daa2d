import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dialableUri, parseContacts, parseSipUri, sameContact, sourceOf } from '../../plugin/core/contact-uri.ts';

const IOS =
  'sip:1001@127.0.0.1:42508;transport=TCP;pn-provider=apns;pn-param=ABCD1234.org.example.phone.voip&remote;pn-prid=3a74ee3f:voip&b7da704a:remote';

/** What the fallback's FILTER line lets through, and nothing that any dial string reads as its own. */
const HARMLESS = /^[-A-Za-z0-9.:@=_+~%;[\]]{1,511}$/;

describe('reading a Contact header', () => {
  const rows: [sentence: string, text: string, expected: readonly Record<string, unknown>[]][] = [
    [
      'Linphone over TCP: the URI keeps its parameters, the instance id loses quotes and brackets',
      '<sip:1001@127.0.0.1:42508;pn-prid=3a:voip&b7:remote;transport=tcp>;+sip.instance="<urn:uuid:777DAA1F-0000-4000-8000-381dcdf0072d>"',
      [
        {
          uri: 'sip:1001@127.0.0.1:42508;pn-prid=3a:voip&b7:remote;transport=tcp',
          instanceId: 'urn:uuid:777daa1f-0000-4000-8000-381dcdf0072d',
        },
      ],
    ],
    [
      'FreeSWITCH shows an empty name',
      '"" <sip:1001@127.0.0.1:35406;transport=tcp>',
      [{ uri: 'sip:1001@127.0.0.1:35406;transport=tcp' }],
    ],
    [
      'escapes stay as they were sent',
      '<sip:a@h;pn-prid=abc%3AAPA91b%3Bx>',
      [{ uri: 'sip:a@h;pn-prid=abc%3AAPA91b%3Bx' }],
    ],
    [
      'a list with a comma inside a quoted name and one inside brackets',
      '"Smith, \\"Bob\\" <x>" <sip:a@h;x=1,2>;expires=60;q=0.5, Alice <sips:b@[2001:db8::1]:5061>;reg-id=1',
      [
        { uri: 'sip:a@h;x=1,2', displayName: 'Smith, "Bob" <x>', expires: 60, q: '0.5' },
        { uri: 'sips:b@[2001:db8::1]:5061', displayName: 'Alice', regId: '1' },
      ],
    ],
    ['a name that is not ASCII', 'Zoë Müller 東京 <sip:a@h>', [{ uri: 'sip:a@h', displayName: 'Zoë Müller 東京' }]],
    [
      'a bare URI gives its well-known header parameters to the header and keeps the rest',
      'sip:a@h:5070;transport=tcp;expires=120;pn-prid=t;+sip.instance="<urn:uuid:1;2>"',
      [{ uri: 'sip:a@h:5070;transport=tcp;pn-prid=t', expires: 120, instanceId: 'urn:uuid:1;2' }],
    ],
    ['a URI as Asterisk stores it', IOS, [{ uri: IOS }]],
    ['a contact cut off before its bracket', '<sip:a@h;transport=tcp', [{ uri: 'sip:a@h;transport=tcp' }]],
    [
      'a bracket lost in the middle of a list',
      '<sip:a@h;x=y, <sip:b@h>;expires=5',
      [{ uri: 'sip:a@h;x=y' }, { uri: 'sip:b@h', expires: 5 }],
    ],
    [
      'a quote that is never closed',
      '"Bob <sip:a@h>, <sip:b@h>',
      [{ uri: 'sip:a@h', displayName: 'Bob' }, { uri: 'sip:b@h' }],
    ],
    ['expires that is no number is not given', '<sip:a@h>;expires=soon', [{ uri: 'sip:a@h' }]],
    ['expires beyond 32 bits is cut', '<sip:a@h>;expires=9999999999', [{ uri: 'sip:a@h', expires: 4294967295 }]],
    ['expires 0', '<sip:a@h>; Expires = 0', [{ uri: 'sip:a@h', expires: 0 }]],
    ['empty elements between commas', ' ,, <sip:a@h> , ', [{ uri: 'sip:a@h' }]],
    ['nothing at all', '', []],
  ];
  it.each(rows)('%s', (_, text, expected) => {
    const list = parseContacts(text);
    expect(list.reason).toBeUndefined();
    expect(list.star).toBe(false);
    expect(list.contacts.map(({ uriParams: _p, headerParams: _h, ...rest }) => rest)).toEqual(expected);
  });

  it('keeps all parameters in order with their own spelling', () => {
    const [contact] = parseContacts('<sip:a@h;Line=X%41;ob;lr=>;+sip.instance="<i>";Foo;q=1').contacts;
    expect(contact?.uriParams).toEqual([{ name: 'Line', value: 'X%41' }, { name: 'ob' }, { name: 'lr', value: '' }]);
    expect(contact?.headerParams).toEqual([
      { name: '+sip.instance', value: '<i>' },
      { name: 'Foo' },
      { name: 'q', value: '1' },
    ]);
  });

  it('knows the star', () => {
    expect(parseContacts('*')).toEqual({ star: true, contacts: [] });
    expect(parseContacts(' * ;expires=0')).toMatchObject({ star: true });
  });

  it.each([
    ['a quote cut off behind a backslash', '<sip:a@h>, "\\', 'a contact is not a SIP URI', 1],
    ['a contact that is no SIP URI', 'tel:+491234, <sip:a@h>', 'a contact is not a SIP URI', 1],
    [
      'a contact of more than 4 kB',
      `<sip:a@h;x=${'y'.repeat(5000)}>, <sip:b@h>`,
      'a contact is longer than 4096 characters',
      1,
    ],
    [
      'more contacts than any phone has',
      Array.from({ length: 100 }, (_, i) => `<sip:${i}@h>`).join(),
      'more than 64 contacts',
      64,
    ],
  ])('%s is left out with a reason', (_, text, reason, count) => {
    const list = parseContacts(text);
    expect(list.reason).toBe(reason);
    expect(list.contacts).toHaveLength(count);
  });

  // Anything quadratic would need 4 · 10^10 steps here and run into the test's time limit.
  const HUGE = 200_000;
  it.each([
    '<',
    '"',
    '\\',
    '"\\',
    ',',
    '<,',
    '<sip:a@h,',
    ';',
    '%',
    '<>',
    '"<',
    'sip:',
    'sip:a@h,',
    '=',
    '[',
    '\0',
    '東',
  ])('reads 200 kB of %j in one pass', (piece) => {
    const text = piece.repeat(Math.ceil(HUGE / piece.length));
    expect(parseContacts(text).contacts.length).toBeLessThanOrEqual(64);
    expect(parseContacts(`<sip:a@h;x=${text}`).contacts.length).toBeLessThanOrEqual(64);
    expect(parseSipUri(`sip:${text}`)).toBeUndefined();
    expect(dialableUri(`sip:a@h;x=${text}`).ok).toBe(false);
  });

  it('never throws', () => {
    const hostile = fc.oneof(fc.string({ unit: 'binary' }), pieces());
    fc.assert(fc.property(hostile, (text) => void parseContacts(text)));
    fc.assert(fc.property(hostile, (text) => void parseSipUri(text)));
    fc.assert(fc.property(hostile, hostile, (a, b) => void sameContact(a, b)));
  });
});

describe('reading a URI', () => {
  it.each([
    [
      'user, host and port',
      'sip:1001@example.com:5070',
      { scheme: 'sip', user: '1001', host: 'example.com', port: 5070, transport: 'udp' },
    ],
    ['no user', 'SIP:example.com', { scheme: 'sip', host: 'example.com', transport: 'udp' }],
    ['IPv6', 'sip:a@[2001:db8::1]:5061;transport=TLS', { host: '2001:db8::1', port: 5061, transport: 'tls' }],
    ['sips means TLS', 'sips:a@h', { scheme: 'sips', transport: 'tls' }],
    ['sips over tcp is TLS too', 'sips:a@h;transport=tcp', { transport: 'tls' }],
    ['sips over a websocket', 'sips:a@h;transport=ws', { transport: 'wss' }],
    [
      'a user with semicolons: the host is behind the @',
      'sip:1;phone-context=x@h',
      { user: '1;phone-context=x', host: 'h', params: [] },
    ],
    ['a password is not part of the user', 'sip:a:secret@h', { user: 'a', host: 'h' }],
    ['a port that is none', 'sip:a@h:99999', { host: 'h' }],
    ['URI headers end the host', 'sip:a@h?Replaces=x', { host: 'h' }],
    ['blanks around it', '  sip:a@h  ', { host: 'h' }],
  ])('%s', (_, text, expected) => {
    expect(parseSipUri(text)).toMatchObject(expected);
  });

  it.each(['', 'tel:1', 'sip:', 'sip:@', 'sip:a@', '<sip:a@h>', 'h:5060', 'sip:a@[', 'sip:a@;x'])(
    '%j is no SIP URI',
    (text) => {
      expect(parseSipUri(text)).toBeUndefined();
    },
  );
});

describe('the form in which a contact may be dialled', () => {
  it.each([
    ['iOS Linphone: tokens go, transport stays', IOS, 'sip:1001@127.0.0.1:42508;transport=TCP'],
    [
      'liblinphone with its own push parameters in front',
      'sip:1001@10.0.0.1:5061;pn-prid=dEf:APA91b_x-1;pn-provider=fcm;pn-param=my-project-1;pn-silent=1;pn-timeout=0;transport=tls',
      'sip:1001@10.0.0.1:5061;transport=tls',
    ],
    [
      'baresip needs its exact user part',
      'sip:1001-0x56214457c700@127.0.0.1:32761;pn-provider=fcm;pn-prid=x',
      'sip:1001-0x56214457c700@127.0.0.1:32761',
    ],
    [
      'legacy',
      'sip:a@h;transport=udp;app-id=org.example.phone.prod;pn-type=apple;pn-tok=c8dd',
      'sip:a@h;transport=udp',
    ],
    [
      'web push as stored, with a raw &',
      'sip:a@h;transport=tls;pn-provider=webpush;pn-prid=https://push.example.org/s/AbC%3fx%3d1&y%3d2;line=x',
      'sip:a@h;transport=tls;line=x',
    ],
    [
      'other parameters keep order and spelling',
      'sip:a@h;Line=sdf==;rinstance=0f;ob;x-ast=1',
      'sip:a@h;Line=sdf==;rinstance=0f;ob;x-ast=1',
    ],
    [
      'FreeSWITCH behind NAT',
      'sip:a@10.0.0.9:5060;fs_nat=yes;fs_path=sip%3Aa%401.2.3.4%3A5060',
      'sip:a@10.0.0.9:5060;fs_nat=yes;fs_path=sip%3Aa%401.2.3.4%3A5060',
    ],
    [
      'a * in the user, as some apps add it: escaped it is the same URI',
      'sip:15555550100*102@192.0.2.1:5060',
      'sip:15555550100%2a102@192.0.2.1:5060',
    ],
    ['a % that escapes nothing', 'sip:50%@192.0.2.1:5060', 'sip:50%25@192.0.2.1:5060'],
    ['a % that escapes', 'sip:50%25@192.0.2.1:5060', 'sip:50%25@192.0.2.1:5060'],
    [
      'the other marks of RFC 3261 §25.1 in the user',
      "sip:a!(b)'c@h;transport=tcp",
      'sip:a%21%28b%29%27c@h;transport=tcp',
    ],
    ['a browser', 'sip:o3k2@lk2j3.invalid;transport=ws;ob', 'sip:o3k2@lk2j3.invalid;transport=ws;ob'],
    ['IPv6', 'sip:a@[2001:db8::1]:5060;transport=tcp', 'sip:a@[2001:db8::1]:5060;transport=tcp'],
    ['no user', 'sips:host.example:5061', 'sips:host.example:5061'],
  ])('%s', (_, uri, expected) => {
    expect(dialableUri(uri)).toEqual({ ok: true, uri: expected });
  });

  it.each([
    ['a & in the user adds a leg', 'sip:a&PJSIP@h', 'the character &'],
    ['a & in a parameter adds a leg', 'sip:a@h;x=1&PJSIP/1002', 'the character &'],
    ['a comma adds options or a leg', 'sip:a@h;x=a,sofia/internal/x@127.0.0.30:5070', 'the character ,'],
    ['a variable', 'sip:a@h;x=$GLOBAL', 'the character $'],
    ['a bar', 'sip:a@h;x=a|b', 'the character |'],
    ['a brace', 'sip:{x=1}a@h', 'the character {'],
    ['a caret', 'sip:a^b@h', 'the character ^'],
    ['a parenthesis', 'sip:a@h;x=b(c)', 'the character ('],
    ['quotes', 'sip:a@h;x="y"', 'the character "'],
    ['an apostrophe in a parameter', "sip:a@h;x='", "the character '"],
    ['a * in a parameter', 'sip:a@h;x=*', 'the character *'],
    ['a mark in the host', 'sip:a@h*', 'the character *'],
    ['a mark beside a character that is none', 'sip:a*&b@h', 'the character &'],
    ['a backslash', 'sip:a\\@h', 'the character \\'],
    ['a blank', 'sip:a@h;x=a b', 'a character outside printable ASCII'],
    ['a line end', 'sip:a@h\r\nX-Evil: 1', 'a character outside printable ASCII'],
    ['an escaped line end', 'sip:a%0d%0aX@h', 'an escaped control character'],
    ['an escaped NUL in a parameter', 'sip:a@h;x=%00', 'an escaped control character'],
    ['letters that are not ASCII', 'sip:zoë@h', 'a character outside printable ASCII'],
    ['a letter that folds to ASCII', 'ſip:a@h', 'not a SIP URI'],
    ['URI headers', 'sip:a@h?Replaces=x', 'the character ?'],
    ['brackets in a parameter', 'sip:a@h;x=[y]', 'malformed'],
    ['an @ in a parameter: parsers differ about the host', 'sip:h;x=a@b', 'malformed'],
    ['a second @', 'sip:a@b@c', 'malformed'],
    ['a password', 'sip:a:secret@h', 'malformed'],
    ['a broken escape', 'sip:a@h;x=%4', 'malformed'],
    ['a port out of range', 'sip:a@h:70000', 'port out of range'],
    ['another scheme', 'tel:+49123', 'not a SIP URI'],
    ['angle brackets', '<sip:a@h>', 'not a SIP URI'],
    ['512 characters, which Asterisk refuses itself', `sip:a@h;x=${'y'.repeat(502)}`, 'longer than 511 characters'],
  ])('refuses %s', (_, uri, reason) => {
    expect(dialableUri(uri)).toEqual({ ok: false, reason });
  });

  it('takes 511 characters', () => {
    expect(dialableUri(`sip:a@h;x=${'y'.repeat(501)}`).ok).toBe(true);
  });

  it('counts the length without the tokens', () => {
    expect(dialableUri(`sip:a@h;pn-provider=fcm;pn-prid=${'y'.repeat(600)}`)).toEqual({ ok: true, uri: 'sip:a@h' });
  });

  it('whatever comes in: what it lets through is harmless, has no pn-* and is let through again unchanged', () => {
    let passed = 0;
    fc.assert(
      fc.property(pieces(), (text) => {
        const result = dialableUri(text);
        if (!result.ok) return;
        passed++;
        expect(result.uri).toMatch(HARMLESS);
        expect(result.uri).not.toMatch(/;\s*pn-/i);
        expect(dialableUri(result.uri)).toEqual(result);
      }),
      { numRuns: 2000 },
    );
    // Control: the generator does make URIs that pass.
    expect(passed).toBeGreaterThan(10);
  });
});

describe('the same contact', () => {
  it.each([
    ['equal', 'sip:a@h:5060', 'sip:a@h:5060', true],
    ['host without case, default port', 'sip:a@EXAMPLE.com', 'sip:a@example.com:5060', true],
    ['default port of TLS', 'sip:a@h;transport=tls', 'sip:a@h:5061;transport=TLS', true],
    ['user with case', 'sip:A@h', 'sip:a@h', false],
    ['user escaped', 'sip:%61@h', 'sip:a@h', true],
    ['a mark, escaped', 'sip:1*2@h', 'sip:1%2A2@h', true],
    ['another port', 'sip:a@h:1', 'sip:a@h:2', false],
    ['another scheme', 'sip:a@h:5061', 'sips:a@h:5061', false],
    ['push parameters in only one of the two are ignored', IOS, 'sip:1001@127.0.0.1:42508;transport=tcp', true],
    ['a changed token is another contact', 'sip:a@h;pn-prid=A', 'sip:a@h;pn-prid=B', false],
    ['values compare without case', 'sip:a@h;pn-prid=A', 'sip:a@h;pn-prid=a', true],
    [
      'as sent and as stored',
      'sip:a@h;pn-prid=abc%3Ax%3By;transport=udp',
      'sip:a@h;transport=udp;pn-prid=abc:x%3by',
      true,
    ],
    ['a parameter twice: the same as itself', 'sip:a@h;x=1;x=2', 'sip:a@h;x=1;x=2', true],
    ['of a parameter twice the first counts', 'sip:a@h;x=1;x=2', 'sip:a@h;x=1', true],
    ['of a parameter twice the second does not count', 'sip:a@h;x=1;x=2', 'sip:a@h;x=2', false],
    ['unreadable is like nothing', 'x', 'x', false],
  ])('%s', (_, a, b, same) => {
    expect(sameContact(a, b)).toBe(same);
    expect(sameContact(b, a)).toBe(same);
  });

  it.each([
    ['sip:1001@Example.COM', 'example.com:5060'],
    ['sip:1001@10.0.0.1:42508;transport=tcp', '10.0.0.1:42508'],
    ['sips:1001@[2001:DB8::1]', '[2001:db8::1]:5061'],
    ['nonsense', undefined],
  ])('source of %s', (uri, expected) => {
    expect(sourceOf(uri)).toBe(expected);
  });
});

/** Texts made of what matters to a SIP parser, so that many are nearly right. */
function pieces(): fc.Arbitrary<string> {
  const bits = [
    'sip:',
    'sips:',
    'SIP:',
    'a',
    '1001',
    '@',
    'h',
    'example.com',
    '[::1]',
    ':',
    '5060',
    ';',
    '=',
    '&',
    ',',
    '<',
    '>',
    '"',
    '\\',
    '%',
    '%3A',
    '%0d',
    '%26',
    ' ',
    '*',
    '?',
    'pn-prid',
    'PN-Param',
    '%70n-prid',
    'pn-provider',
    'app-id',
    'transport',
    'tcp',
    'expires',
    '東',
    '\0',
    '\n',
    '(',
    '$',
    '{',
    '^',
    '|',
  ];
  const loose = fc.array(fc.constantFrom(...bits), { maxLength: 30 }).map((b) => b.join(''));
  const nearly = fc.array(fc.constantFrom(...bits), { maxLength: 8 }).map((b) => `sip:1001@h:5060;x=${b.join('')}`);
  return fc.oneof(loose, nearly);
}
