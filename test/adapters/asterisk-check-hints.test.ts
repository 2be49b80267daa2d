import { describe, expect, it } from 'vitest';
import { losesOptions } from '../../adapters/pbx/asterisk/check-hints.ts';

describe('a dial string that loses something', () => {
  it.each([
    ['1001,1,Dial(Local/1001@pushwake/n,30,tI)', true],
    ['n,Dial(Local/1001@pushwake/n&PJSIP/1002,30,o)', true],
    ['n,Dial(Local/1001@pushwake/n,30,tT)', false],
    // Letters of a subroutine's name are no options.
    ['n,Dial(Local/1001@pushwake/n,30,b(Intercom^s^1(one^two))t)', false],
    ['n,Dial(PJSIP/1001,30,I)', false],
    [`n,Dial(\${PUSHWAKE_DIAL},30,I)`, false],
    ['n,Dial(Local/1001@pushwake/n)', false],
    ['n,NoOp(Io)', false],
    ['', false],
  ])('%s: %s', (line, loses) => expect(losesOptions(line)).toBe(loses));
});
