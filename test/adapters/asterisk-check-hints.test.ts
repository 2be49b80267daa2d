import { describe, expect, it } from 'vitest';
import { checkHints, losesOptions } from '../../adapters/pbx/asterisk/check-hints.ts';
import { addedBlind, memberBlind, queuesOf } from '../../adapters/pbx/asterisk/check-queues.ts';
import type { AriProbe } from '../../adapters/pbx/asterisk/probe.ts';

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

describe('hints and dials of FreePBX', () => {
  const OVERRIDDEN = 'PJSIP/1001&Stasis:pushwake-1001&Custom:DND1001,CustomPresence:1001';
  const GENERATED = 'PJSIP/1001&Custom:DND1001,CustomPresence:1001';
  const ALONE = 'Local/1001@pushwake/n&Custom:DND1001,CustomPresence:1001';
  const found = async (hint: string, dial: string | undefined) => {
    const ari = {
      ask: async () => ({ status: 200, body: [{ resource: '1001' }] }),
      pjsip: async () => new Map([['context', 'from-internal']]),
    } as unknown as AriProbe;
    const values: Readonly<Record<string, string | undefined>> = {
      'HINT(1001@from-internal)': hint,
      'DB(DEVICE/1001/dial)': dial,
    };
    return checkHints(ari, { read: async (expression) => values[expression] });
  };

  it.each([
    ['through us, with its hint', OVERRIDDEN, 'Local/1001@pushwake/n'],
    ['not through us', GENERATED, 'PJSIP/1001'],
    ['no FreePBX: nothing in AstDB', OVERRIDDEN, undefined],
    ['no FreePBX: an empty answer', OVERRIDDEN, ''],
  ])('%s: nothing to say', async (_what, hint, dial) => expect(await found(hint, dial)).toEqual([]));

  it('"Dial" alone: its hint is idle for ever', async () => {
    const [hint, ...more] = await found(ALONE, 'Local/1001@pushwake/n');
    expect(more).toEqual([]);
    expect(hint).toMatchObject({ level: 'warn', what: 'hints', found: expect.stringMatching(/\(1001\)$/) });
    expect(hint?.remedy).toMatch(
      /init --pbx freepbx --extensions 1001`, or "Hint Override" of the extension: PJSIP\/1001&/,
    );
  });

  it('"Dial" was put back', async () => {
    const [dial, ...more] = await found(OVERRIDDEN, 'PJSIP/1001');
    expect(more).toEqual([]);
    expect(dial).toMatchObject({ level: 'warn', what: 'FreePBX dial', found: expect.stringMatching(/: 1001$/) });
    expect(dial?.remedy).toContain('"Dial": Local/1001@pushwake/n');
  });

  it('where there is no FreePBX the hint is written into the dialplan', async () => {
    const [hint] = await found('Local/1001@pushwake/n', undefined);
    expect(hint?.remedy).toBe('write  exten => 1001,hint,PJSIP/1001&Stasis:pushwake-1001  and `dialplan reload`');
  });
});
