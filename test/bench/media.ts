/**
 * What an answered call with audio costs Asterisk: CPU per second of a call, and channels, by plain dial and through pushwake in turn. The
 * phones are real SIP phones with 50 packets a second each way, all on this machine, so that only the ratio says something.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Scene } from '../support/scene.ts';
import type { OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';
import type { Result } from './bench.ts';

/** Calls at once, and how long they are watched. */
const CALLS = 12;
const WINDOW_MS = 4_000;
const ROUNDS = 3;
/** The clock of /proc: hundredths of a second on every Linux that Node runs on. */
const TICK_MS = 10;

/** Extension and what it is. The first of each group is the plain one. */
const GROUPS: readonly (readonly [
  what: string,
  plain: string,
  through: readonly (readonly [form: string, dial: string])[],
])[] = [
  [
    'Dial',
    'Dial(PJSIP/1001,30,tT)',
    [
      ['Local', 'Dial(Local/1001@pushwake/n,30,tT)'],
      ['Gosub', `Gosub(pushwake-dial,1001,1)\n same => n,Dial(\${PUSHWAKE_DIAL},30,tT)`],
    ],
  ],
  [
    'ring group',
    'Dial(PJSIP/1001&PJSIP/1002,30)',
    [
      ['Local', 'Dial(Local/1001@pushwake/n&PJSIP/1002,30)'],
      ['Gosub', `Gosub(pushwake-dial,1001,1)\n same => n,Dial(\${PUSHWAKE_DIAL}&PJSIP/1002,30)`],
    ],
  ],
  ['queue', 'Queue(plain,,,,30)', [['Local', 'Queue(local,,,,30)']]],
];

interface Measured {
  readonly msPerCallSecond: number;
  readonly channelsPerCall: number;
}

export async function media(progress: (line: string) => void): Promise<Result[]> {
  const forms = GROUPS.flatMap(([, plain, through]) => [plain, ...through.map(([, dial]) => dial)]);
  const scene = await Scene.start({
    name: 'bench-media',
    hep: true,
    debug: false,
    users: ['1001', '1002', '2000'].map((id) => ({ id, callerId: `N <${id}>`, rewriteContact: true })),
    extensions: `[internal]\n${forms.map((dial, i) => `exten => m${i},1,${dial}\n same => n,Hangup()`).join('\n')}\n`,
    queues: ['plain', 'local']
      .map(
        (name) =>
          `[${name}]\nstrategy=ringall\nringinuse=yes\nmember => ${name === 'plain' ? 'PJSIP/1001' : 'Local/1001@pushwake/n'}\n`,
      )
      .join(''),
  });
  try {
    const caller = await scene.phone('2000');
    await caller.register();
    const desk = await scene.phone('1002', { answer: { kind: 'ring' } });
    await desk.register();
    const mobile = await scene.phone('1001', { transport: 'tls', answer: { kind: 'auto', afterMs: 50 } });
    const identity = scene.install();
    await scene.bind(mobile, identity);
    scene.wakeByPush(mobile, identity, { afterMs: 20 });
    const all = new Map<number, Measured[]>(forms.map((_, i) => [i, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, dial] of forms.entries()) {
        const isPlain = !dial.includes('pushwake') && !dial.includes('local');
        // Through pushwake the phone sleeps at first: what is left of the wake in the talk is what counts.
        if (!isPlain) await mobile.sleep();
        else if (!mobile.isOpen) await mobile.wake();
        if (isPlain) await mobile.register({ contactParams: identity.params });
        const measured = await measure(scene, caller, `m${i}`);
        all.get(i)?.push(measured);
        progress(
          `${dial.split('\n').at(-1)}: ${measured.msPerCallSecond.toFixed(2)} ms, ${measured.channelsPerCall} channels`,
        );
      }
    }
    return results(all);
  } finally {
    await scene.close();
  }
}

async function measure(scene: Scene, caller: SipPhone, extension: string): Promise<Measured> {
  const { asterisk } = scene;
  const calls: OutgoingCall[] = [];
  for (let i = 0; i < CALLS; i++) {
    calls.push(await caller.call(extension));
    await delay(60);
  }
  for (const call of calls) {
    await call.waitForState('answered', 20_000);
    await call.waitForRtp(10, 10_000);
  }
  await delay(500);
  const names = (await asterisk.cli('core show channels concise')).trim().split('\n').filter(Boolean);
  const before = ticks(asterisk.pid);
  const begun = performance.now();
  await delay(WINDOW_MS);
  const ms = (ticks(asterisk.pid) - before) * TICK_MS;
  const seconds = (performance.now() - begun) / 1_000;
  for (const call of calls) await call.hangup();
  await asterisk.waitForNoChannels(10_000);
  return { msPerCallSecond: ms / seconds / CALLS, channelsPerCall: names.length / CALLS };
}

/** User and system time of a process: fields 14 and 15 of its stat, counted behind the name, which may hold blanks. */
function ticks(pid: number): number {
  const rest = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return Number(rest[11]) + Number(rest[12]);
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

function results(all: ReadonlyMap<number, readonly Measured[]>): Result[] {
  const of = (i: number) => ({
    cpu: median((all.get(i) ?? []).map((m) => m.msPerCallSecond)),
    channels: median((all.get(i) ?? []).map((m) => m.channelsPerCall)),
  });
  let next = 0;
  return GROUPS.flatMap(([what, , through]) => {
    const plain = of(next++);
    return [
      { name: `${what}, plain: CPU per call-second`, value: plain.cpu, unit: 'ms' },
      { name: `${what}, plain: channels per call`, value: plain.channels, unit: '' },
      ...through.flatMap(([form]): Result[] => {
        const ours = of(next++);
        return [
          { name: `${what}, ${form}: CPU per call-second`, value: ours.cpu, unit: 'ms' },
          {
            name: `${what}, ${form}: CPU of the plain call’s`,
            value: ours.cpu / plain.cpu,
            unit: '×',
            target: '<= 1.15',
          },
          {
            name: `${what}, ${form}: channels more than plain`,
            value: ours.channels - plain.channels,
            unit: '',
            target: '<= 0',
          },
        ];
      }),
    ];
  });
}
