/** The kept corpus, and a moment of the fuzzer from a fixed seed. The long form is `npm run fuzz -- --minutes 5`. */
import { afterAll, describe, expect, it } from 'vitest';
import { corpusOf } from './corpus.ts';
import { asAsterisk, asFreeSwitch } from './dial-model.ts';
import { Fuzzer } from './fuzzer.ts';
import { closeBodies } from './http-bodies.ts';
import { TARGETS } from './targets.ts';

afterAll(closeBodies);

describe.each(TARGETS)('$name', (target) => {
  it('what was kept, and 200 inputs of a fixed seed, break nothing', async () => {
    const corpus = corpusOf(target.name);
    // How long one takes is looked at by the command: here other suites run beside it.
    for (const input of [...target.seeds.map((s) => Buffer.from(s, 'latin1')), ...corpus]) await target.run(input);
    const fuzzer = new Fuzzer(target, 1, corpus);
    const found = await fuzzer.round(200);
    expect(found?.what.startsWith('takes') ? undefined : found?.what).toBeUndefined();
    expect(fuzzer.outcomes.size, 'more than refusals').toBeGreaterThan(1);
  });
});

describe('a fuzzer', () => {
  it('makes the same inputs from the same seed', async () => {
    const inputs = async (seed: number) => {
      const seen: string[] = [];
      const run = (input: Buffer) => String(seen.push(input.toString('hex')));
      await new Fuzzer({ name: 'x', seeds: ['abc'], words: ['x'], run }, seed, []).round(50);
      return seen;
    };
    expect(await inputs(1)).toEqual(await inputs(1));
    expect(await inputs(1)).not.toEqual(await inputs(2));
  });

  it('finds a crash behind a word', async () => {
    const run = (input: Buffer) => {
      if (input.includes('bad')) throw new Error('oh');
      return input.includes('b') ? 'b' : '';
    };
    const found = await new Fuzzer({ name: 'x', seeds: ['abc'], words: ['ba', 'd'], run }, 1, []).round(5_000);
    expect(found?.what).toMatch(/^crash/);
  });
});

describe('what a dial string is to a PBX', () => {
  it.each([
    ['PJSIP/1001/sip:1001@192.0.2.1:5060', 1, undefined],
    ['PJSIP/1001/sip:1001@[2001:db8::1]:5060;line=x', 1, undefined],
    ['PJSIP/1001/sip:a@b&PJSIP/1002', 2, undefined],
    ['PJSIP/1001/sip:a@b,30,g', 1, 'a further argument of Dial'],
    ['PJSIP/1001/sip:$'.concat('{X}@b'), 0, 'a variable or an expression'],
    ['PJSIP/1001/sip:a"@b', 1, 'quotes or brackets that are not closed'],
  ])('Asterisk: %s', (text, targets, wrong) => {
    expect(asAsterisk(text)).toEqual({ targets, wrong });
  });
  it.each([
    ['sofia/internal/sip:1001@192.0.2.1:5060', 1, undefined],
    ['sofia/internal/sip:a@b,sofia/internal/sip:c@d', 2, undefined],
    ['sofia/internal/sip:a@b|sofia/x', 2, undefined],
    ['sofia/internal/sip:a@b;x=:_:user/1', 2, undefined],
    ["sofia/internal/sip:a'@b", 0, 'a quote, which hides separators'],
    ['[x=1]sofia/internal/sip:a@b', 0, 'variables of its own'],
  ])('FreeSWITCH: %s', (text, targets, wrong) => {
    expect(asFreeSwitch(text)).toEqual({ targets, wrong });
  });
});
