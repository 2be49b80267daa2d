import { describe, expect, it } from 'vitest';
import { losesOptions } from '../../adapters/pbx/asterisk/check-hints.ts';
import { addedBlind, memberBlind, queuesOf } from '../../adapters/pbx/asterisk/check-queues.ts';

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

describe('a queue member whose state the queue cannot know', () => {
  it.each([
    ['Local/1001@pushwake/n', '1001'],
    ['Local/+4930@pushwake/n,0,Anna', '+4930'],
    ['Local/1001@pushwake/n,0,Anna,Local/1001@pushwake', '1001'],
    // The device alone is unavailable while its phone sleeps: it would never be rung.
    ['Local/1001@pushwake/n,0,Anna,PJSIP/1001', '1001'],
    ['Local/1001@pushwake/n, 0, Anna, hint:1001@internal', undefined],
    ['Local/1001@pushwake/n,0,Anna,Custom:agent1', undefined],
    ['Local/1001@pushwakeish/n', undefined],
    ['PJSIP/1001,0,Anna', undefined],
    ['', undefined],
  ])('%s: %s', (line, account) => expect(memberBlind(line)).toBe(account));

  it.each([
    ['n,AddQueueMember(sales,Local/1001@pushwake/n)', '1001'],
    ['n,AddQueueMember(sales,Local/1001@pushwake/n,0,,Anna,hint:1001@internal)', undefined],
    ['n,AddQueueMember(sales,PJSIP/1001)', undefined],
    ['n,NoOp(Local/1001@pushwake/n)', undefined],
  ])('%s: %s', (line, account) => expect(addedBlind(line)).toBe(account));

  it('is looked for in the queues that the dialplan calls', () => {
    const lines = [
      '700,1,Queue(sales,tT,,,60)',
      'n,Queue(sales)',
      `n,Queue(\${NAME},t)`,
      'n,Queue(help desk)',
      'n,NoOp(Queue)',
    ];
    expect(queuesOf(lines)).toEqual(['sales', 'help desk']);
  });
});
