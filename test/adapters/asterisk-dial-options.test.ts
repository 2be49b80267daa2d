/** What the caller's Dial or Queue says of the phones that it dials, as Asterisk gave it to the application. */
import { describe, expect, it } from 'vitest';
import { dialOptions } from '../../adapters/pbx/asterisk/dial-options.ts';

const b = (subroutine: string) => ({ PUSHWAKE_DIALLED_B: subroutine });
const i = { PUSHWAKE_DIALLED_I: 'i' };

describe('options b and i', () => {
  it.each([
    ['none', 'Dial', 'Local/1001@pushwake/n,30,tT', {}],
    ['no third argument', 'Dial', 'Local/1001@pushwake/n', {}],
    ['b', 'Dial', 'Local/1001@pushwake/n,30,tTb(hdr^s^1)', b('hdr^s^1')],
    ['b with arguments', 'Dial', 'Local/1001@pushwake/n,30,b(hdr^s^1(a^b))', b('hdr^s^1(a^b)')],
    ['a comma in an argument', 'Dial', 'Local/1001@pushwake/n,30,b(hdr^s^1(a,b))i', { ...b('hdr^s^1(a,b)'), ...i }],
    [
      'a bracket that is written with a backslash',
      'Dial',
      'Local/1@pushwake/n,30,b(h^s^1(\\)))i',
      { ...b('h^s^1(\\))'), ...i },
    ],
    ['a comma in the options of a leg before', 'Dial', 'Local/1@pushwake/n&SIP/x(a,b),30,i', i],
    ['i', 'Dial', 'PJSIP/1002&Local/1001@pushwake/n,30,i', i],
    [
      'both, and arguments of others that hold these letters',
      'Dial',
      'Local/1@pushwake/n,,U(ib(x))ib(s^s^1)L(1:2)',
      { ...b('s^s^1'), ...i },
    ],
    ['the URL behind the options', 'Dial', 'Local/1@pushwake/n,30,tT,http://a/b(i)', {}],
    ['b without a subroutine', 'Dial', 'Local/1@pushwake/n,30,bi', i],
    ['a bracket that is never closed', 'Dial', 'Local/1@pushwake/n,30,ib(x', { ...b('x'), ...i }],
    ['the waiting legs of the caller’s own Dial', 'Dial', 'Local/w1a@pushwake-device/n,30,b(hdr^s^1)', b('hdr^s^1')],
    ['a Dial of other phones', 'Dial', 'Local/1001@from-internal/n,30,b(hdr^s^1)i', {}],
    ['a queue', 'Queue', 'sales,tTib(hdr^s^1),,,15', { ...b('hdr^s^1'), ...i }],
    ['a queue without options', 'Queue', 'sales,,,,15', {}],
    ['another application', 'Page', 'Local/1001@pushwake/n,ib(hdr^s^1)', {}],
    ['no application', undefined, undefined, {}],
    ['an Asterisk that does not say with what', 'Dial', undefined, {}],
  ])('%s', (_what, app, data, expected) => {
    expect(dialOptions(app, data)).toEqual(expected);
  });
});
