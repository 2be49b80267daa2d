/** What reaches Asterisk's Dial(): strict contacts, one leg each, nothing a stranger wrote in between. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compose, contactObjectId, dialText } from '../../adapters/pbx/asterisk/dial.ts';
import type { HeldContact } from '../../plugin/ports/pbx-link.ts';
import { AOR, contactUri } from '../support/builders.ts';

const contact = (uri: string, path?: string): HeldContact => ({
  pbx: 'office',
  aor: AOR,
  uri,
  ...(path ? { path } : {}),
});
const DEVICE = 'w0a1b2c3dd00000000000000a1';
/** What a dial string could take for its own, and what makes a URI. */
const HARMFUL = fc.constantFrom(...' &|,(){}[]^$"\'`;=:%@/.<>\\0aZ~\r\n\0ë東');
const STORED = 'w0a1b2c3ds00000000000000a1';

describe('one contact', () => {
  it('is dialled without its push parameters, the rest as it was', () => {
    expect(dialText('1001', contact(contactUri()))).toEqual({
      ok: true,
      text: 'PJSIP/1001/sip:1001@192.0.2.7:40001;transport=tls',
      isUri: true,
    });
  });

  it('behind a Path is dialled by the endpoint’s name, which keeps the route', () => {
    expect(dialText('1001', contact('sip:1001@10.0.0.1', '<sip:edge.example.com;lr>'))).toEqual({
      ok: true,
      text: 'PJSIP/1001',
      isUri: false,
    });
  });

  it.each([
    ['another leg', 'sip:1001@192.0.2.7;x=1&PJSIP/1002'],
    ['options of Dial', 'sip:1001@192.0.2.7;x=1,60,r'],
    ['a function', `sip:1001@192.0.2.7;x=\${SHELL(id)}`],
    ['a line end', 'sip:1001@192.0.2.7;x=%0d%0aX-Evil: 1'],
    ['letters outside ASCII', 'sip:zoë@192.0.2.7'],
    ['600 characters', `sip:1001@192.0.2.7;x=${'0'.repeat(600)}`],
    ['no URI', 'hello world'],
  ])('with %s is refused, with a reason that does not repeat it', (_what, uri) => {
    const dial = dialText('1001', contact(uri));
    expect(dial.ok).toBe(false);
    if (!dial.ok) expect(dial.reason).not.toContain(uri.slice(4));
  });

  it('never yields more than one leg, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: HARMFUL, maxLength: 40 }), (tail) => {
        const dial = dialText('1001', contact(`sip:1001@192.0.2.7;x=${tail}`));
        return !dial.ok || /^PJSIP\/1001\/[^&,|(){}[\]^$"'`\s]*$/.test(dial.text);
      }),
    );
  });
});

describe('a composition', () => {
  it('has live contacts, and per sleeping device a leg that waits and one for its stored contact', () => {
    expect(
      compose('1001', 'call-1', [
        { kind: 'contact', contact: contact('sip:1001@192.0.2.9:5060') },
        { kind: 'stored', ref: STORED, contact: contact(contactUri()) },
        { kind: 'device', ref: DEVICE },
      ]),
    ).toEqual({
      refused: [],
      variables: {
        _PUSHWAKE_ID: 'call-1',
        [`_PUSHWAKE_STORED_${STORED}`]: 'PJSIP/1001/sip:1001@192.0.2.7:40001;transport=tls?X-Push-ID=call-1',
        PUSHWAKE_DIAL: `PJSIP/1001/sip:1001@192.0.2.9:5060?X-Push-ID=call-1&Local/${STORED}@pushwake-stored/n&Local/${DEVICE}@pushwake-device/n`,
      },
    });
  });

  it('leaves out what may not be dialled and says so; the others ring', () => {
    const { variables, refused } = compose('1001', 'c', [
      { kind: 'contact', contact: contact('sip:1001@192.0.2.9;x=1&PJSIP/1002') },
      { kind: 'contact', contact: contact('sip:1001@192.0.2.9:5060') },
    ]);
    expect(variables.PUSHWAKE_DIAL).toBe('PJSIP/1001/sip:1001@192.0.2.9:5060?X-Push-ID=c');
    expect(refused).toEqual(['the character &']);
  });

  const behind = (n: number) =>
    ({ kind: 'contact', contact: contact(`sip:1001@10.0.0.${n}`, '<sip:edge;lr>') }) as const;

  it('dials two contacts behind one Path once, and has Dial add the header: there is no URI to write it into', () => {
    expect(compose('1001', 'c', [behind(1), behind(2)]).variables.PUSHWAKE_DIAL).toBe(
      'PJSIP/1001,,b(pushwake-header^s^1(c))',
    );
  });

  it('gives no INVITE the header twice where only some contacts have a URI', () => {
    const { variables } = compose('1001', 'c', [
      { kind: 'contact', contact: contact('sip:1001@192.0.2.9:5060') },
      behind(1),
      { kind: 'stored', ref: STORED, contact: contact(contactUri()) },
    ]);
    expect(variables.PUSHWAKE_DIAL).toBe(
      `PJSIP/1001/sip:1001@192.0.2.9:5060&PJSIP/1001&Local/${STORED}@pushwake-stored/n,,b(pushwake-header^s^1(c))`,
    );
    expect(variables[`_PUSHWAKE_STORED_${STORED}`]).toMatch(/;transport=tls\?X-Push-ID=c$/);
  });
});

it('the id of a contact is the one Asterisk gave it (recorded)', () => {
  const uri = 'sip:1001@127.0.0.1:57677;transport=udp;pn-provider=fcm;pn-param=proj;pn-prid=abc';
  expect(contactObjectId('1001', uri)).toBe('1001;@aa53efc82dba2c807bf7aad24f24d8be');
});
