/**
 * What calls feel of 1,000 texts a second from one account: INVITE → push beside them and without them, in turn on one Asterisk. Beside it the same
 * texts where the dialplan does not ask us: what Asterisk itself is slowed by. Needs SIPp. Before that the same in pushwake alone, without any PBX:
 * `--only=alone`. `--calls=40 --rate=1000`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Result, Suite } from './bench.ts';
import { measure, medianToPush } from './wake/calls.ts';
import { Stage } from './wake/stage.ts';
import { bytesOfTexts, forgetLoad } from './wake/texts.ts';
import { floodAlone } from './wake/texts-alone.ts';

const ROUNDS = 3;

export const texts: Suite = async (progress, options) => {
  const calls = Number(options.get('calls') ?? 40);
  const rate = Number(options.get('rate') ?? 1_000);
  progress('pushwake alone');
  const alone = await floodAlone(rate);
  if (options.get('only') === 'alone') return alone;
  progress('starting Asterisk, pushwake and the floor script');
  const stage = await Stage.set({ hep: true, texts: true });
  const found: Record<'idle' | 'kept' | 'plain', number[]> = { idle: [], kept: [], plain: [] };
  const rates: Record<'kept' | 'plain', number[]> = { kept: [], plain: [] };
  try {
    const ours = await stage.contender('ours', '1001', 'tcp');
    const receiver = await stage.contender('ours', '1002', 'tcp');
    await receiver.phone.sleep();
    const before = bytesOfTexts(stage);
    for (let round = 0; round < ROUNDS; round++) {
      progress(`round ${round + 1} of ${ROUNDS}`);
      found.idle.push(medianToPush(await measure(stage, calls, [ours])));
      for (const [what, to] of [
        ['kept', '1002'],
        ['plain', '61002'],
      ] as const) {
        forgetLoad(stage);
        const stop = await stage.textLoad(to, rate);
        found[what].push(medianToPush(await measure(stage, calls, [ours])));
        rates[what].push(await stop());
        // What still waits in Asterisk is handled.
        await delay(3_000);
      }
    }
    const bytes = bytesOfTexts(stage) - before;
    const kept = stage.scene.pushwake.log.filter((l) => l.msg === 'text kept').length;
    const mid = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] as number;
    const results: Result[] = [
      ...alone,
      { name: 'INVITE → push p50, no texts', value: mid(found.idle), unit: 'ms' },
      { name: `INVITE → push p50, texts of one account through pushwake`, value: mid(found.kept), unit: 'ms' },
      { name: 'INVITE → push p50, the same texts without pushwake', value: mid(found.plain), unit: 'ms' },
      { name: 'texts a second through pushwake', value: mid(rates.kept), unit: '/s' },
      { name: 'texts a second without pushwake', value: mid(rates.plain), unit: '/s' },
      {
        name: 'call push beside the texts / without texts',
        value: mid(found.kept) / mid(found.idle),
        unit: '×',
        target: '<=2',
      },
      { name: 'the same, texts without pushwake', value: mid(found.plain) / mid(found.idle), unit: '×' },
      { name: 'texts kept, of all that came', value: kept, unit: '' },
      { name: 'growth of the file of texts', value: bytes / 1_024, unit: 'kB', target: '<=4096' },
    ];
    return results;
  } finally {
    await stage.close();
  }
};
