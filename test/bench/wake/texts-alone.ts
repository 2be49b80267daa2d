/** A flood of texts beside calls, in pushwake alone: the real runtime over the real store, a PBX and a push service that take no time. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { randomId, systemClock } from '../../../adapters/clock/system/index.ts';
import { create } from '../../../adapters/store/sqlite/index.ts';
import type { Aor } from '../../../plugin/core/aor.ts';
import type { PushProvider } from '../../../plugin/ports/push-provider.ts';
import { FakePbx } from '../../support/fake-pbx.ts';
import { smallRuntime } from '../../support/small-runtime.ts';
import { ACCOUNT, FROM, uriOf } from '../../support/text-site.ts';
import type { Result } from '../bench.ts';
import { median, quantile, silent } from '../push/measure.ts';

const CALLS = 200;
const ROUNDS = 3;
const TEXTS_FOR = '1002@example.com' as Aor;
/** As long as Asterisk carries one. */
const BODY = 'x'.repeat(1_000);

export async function floodAlone(perSecond: number): Promise<Result[]> {
  const folder = mkdtempSync(join(tmpdir(), 'pushwake-bench-texts-'));
  const clock = systemClock();
  const pbx = new FakePbx({ clock });
  let pushed: (callId: string) => void = () => undefined;
  const service: PushProvider = {
    name: 'apns',
    targetFor: (purpose, targets) => (purpose === 'call' ? targets.call : targets.other),
    send: async (request) => {
      if (request.purpose === 'call') pushed(request.callId);
      return { kind: 'accepted' };
    },
    close: async () => undefined,
  };
  const store = create({ path: join(folder, 'bindings.db') }, { clock, log: silent, name: 'sqlite' });
  const messages = { wake: true, showText: false };
  const runtime = smallRuntime({ clock, log: silent, store, links: [pbx], service, randomHex: randomId, messages });
  let answered = 0;
  let kept = 0;
  pbx.onTextAnswered = (_, answer) => {
    answered++;
    if (answer === 'kept') kept++;
  };
  await runtime.start();
  for (const [n, user] of ['1001', '1002'].entries()) pbx.register(user, uriOf(n + 1), { told: true });
  await runtime.idle();
  pbx.remove(ACCOUNT, uriOf(1));
  pbx.remove(TEXTS_FOR, uriOf(2));
  await runtime.idle();
  let legs = 0;
  const call = async (): Promise<number> => {
    const legId = `leg-${++legs}`;
    const out = new Promise<void>((resolve) => {
      pushed = () => resolve();
    });
    const begun = performance.now();
    pbx.emit({
      type: 'wakeLegArrived',
      pbx: 'office',
      leg: { legId, aor: ACCOUNT, linkedId: legId },
      startedAt: clock.now(),
    });
    await out;
    const took = performance.now() - begun;
    pbx.emit({ type: 'legEnded', pbx: 'office', legId, cause: 127, hungUp: true });
    await delay(10);
    return took;
  };
  const calls = async (): Promise<number[]> => {
    const took: number[] = [];
    for (let n = 0; n < CALLS; n++) took.push(await call());
    return took;
  };
  const bytes = () =>
    readdirSync(folder)
      .filter((name) => name.includes('.texts'))
      .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  let texts = 0;
  const text = () => {
    const more = { from: FROM, to: '<sip:1002@example.com>', contentType: 'text/plain', body: BODY };
    pbx.emit({ type: 'textArrived', pbx: 'office', id: `t${++texts}`, aor: TEXTS_FOR, ...more });
  };
  const idle: number[][] = [];
  const busy: number[][] = [];
  let seconds = 0;
  try {
    await calls();
    const before = bytes();
    for (let round = 0; round < ROUNDS; round++) {
      idle.push(await calls());
      const begun = performance.now();
      const sentBefore = texts;
      const flood = setInterval(() => {
        const due = sentBefore + ((performance.now() - begun) / 1_000) * perSecond;
        while (texts < due) text();
      }, 1);
      busy.push(await calls());
      clearInterval(flood);
      seconds += (performance.now() - begun) / 1_000;
    }
    const of = (rounds: readonly number[][], p: number) => median(rounds.map((r) => quantile(r, p)));
    const ratio = (p: number) => of(busy, p) / of(idle, p);
    return [
      { name: 'pushwake alone: texts a second of one account', value: texts / seconds, unit: '/s' },
      { name: `pushwake alone: call → push p50, no texts (n=${ROUNDS} × ${CALLS})`, value: of(idle, 0.5), unit: 'ms' },
      { name: 'pushwake alone: call → push p50, beside the texts', value: of(busy, 0.5), unit: 'ms' },
      {
        name: 'pushwake alone: call push beside the texts / without, p50',
        value: ratio(0.5),
        unit: '×',
        target: '<=2',
      },
      { name: 'pushwake alone: call push beside the texts / without, p99', value: ratio(0.99), unit: '×' },
      {
        name: `pushwake alone: texts kept, of ${texts} (30, and one a second)`,
        value: kept,
        unit: '',
        target: `<=${Math.ceil(40 + 2 * seconds)}`,
      },
      { name: 'pushwake alone: texts that got no answer', value: texts - answered, unit: '', target: '<=0' },
      {
        name: 'pushwake alone: growth of the file of texts',
        value: (bytes() - before) / 1_024,
        unit: 'kB',
        target: '<=4096',
      },
    ];
  } finally {
    await runtime.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
