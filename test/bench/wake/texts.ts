/** How long a text waits once its phone has registered, and what a flood of texts does to calls. */
import { rmSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { SipPhone } from '../../support/sip-phone/index.ts';
import { textsOf } from '../../support/texts-of.ts';
import type { Result } from '../bench.ts';
import type { Stage } from './stage.ts';

/** A sender may send 30 at once: so many texts of each, and none is left to the PBX. */
const OF_SENDER = 20;
const WARM_UP = 3;

const percentile = (values: readonly number[], p: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))] as number;

/** One text after the other for a phone that sleeps: kept, the phone registers 30 ms later and gets it. */
export async function waitingTexts(stage: Stage, count: number): Promise<Result[]> {
  const { scene } = stage;
  const { phone, identity } = await stage.contender('ours', '1001', 'tcp');
  const senders: SipPhone[] = [];
  const kept: number[] = [];
  const delivered: number[] = [];
  for (let i = -WARM_UP; i < count; i++) {
    const nth = Math.floor((i + WARM_UP) / OF_SENDER);
    if (senders.length <= nth) senders.push(await scene.phone(`L${String(nth).padStart(4, '0')}`));
    const sender = senders[nth] as SipPhone;
    await phone.sleep();
    await delay(20);
    const from = scene.pushwake.log.length;
    const sentAt = performance.now();
    await sender.text('1001', `text ${i}`);
    await scene.waitForLog('text kept', from);
    const keptAt = performance.now();
    await delay(30);
    await phone.wake();
    const { at } = await phone.register({ contactParams: identity.params, newCallId: true });
    await phone.waitFor(() => textsOf(phone).includes(`text ${i}`), 5_000, `text ${i}`);
    const got = phone.log.find(`text ${i}`, 'received').at(-1);
    // Its note is on the disk before the next one comes.
    await scene.waitForLog('text delivered', from);
    if (i < 0) continue;
    kept.push(keptAt - sentAt);
    delivered.push((got?.at ?? Number.NaN) - at);
  }
  const n = `n=${delivered.length}`;
  return [
    {
      name: `a text that waits: REGISTER → MESSAGE p50 (${n})`,
      value: percentile(delivered, 0.5),
      unit: 'ms',
      target: '<=50',
    },
    { name: 'a text that waits: REGISTER → MESSAGE p99', value: percentile(delivered, 0.99), unit: 'ms' },
    { name: 'a text for a sleeping phone: sent → kept p50', value: percentile(kept, 0.5), unit: 'ms' },
    {
      name: `texts that came twice, or not at all, of ${count + WARM_UP}`,
      value: Math.abs(textsOf(phone).length - count - WARM_UP),
      unit: '',
      target: '<=0',
    },
  ];
}

/** Bytes of the file of texts with its journal. */
export function bytesOfTexts(stage: Stage): number {
  return ['', '-wal', '-shm'].reduce((sum, ending) => {
    const size = statSync(`${stage.scene.storePath}.texts${ending}`, { throwIfNoEntry: false })?.size ?? 0;
    return sum + size;
  }, 0);
}

/** For the load of SIPp, which counts for itself: the next one begins anew. */
export function forgetLoad(stage: Stage): void {
  rmSync(`${stage.scene.folder}/load-stat.csv`, { force: true });
}
