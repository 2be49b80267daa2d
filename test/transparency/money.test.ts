/**
 * What a provider would bill: the seconds of all rows together, and who is billed, are those of the plain call. Rings and talks take real
 * time here, since Asterisk measures whole seconds by its own clock.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mobile } from '../support/mobile.ts';
import { Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';
import { fields } from './normal.ts';

type Form = 'plain' | 'local' | 'visit';
const FORMS: readonly Form[] = ['plain', 'local', 'visit'];

interface Situation {
  readonly what: string;
  /** The administrator's steps; `${M}` is the phone, `${Q}` the queue of its form. */
  readonly dial: readonly string[];
  /** Who takes the call; the one who is left rings too. Default: the mobile. */
  readonly by?: 'desk';
  /** The phone sends the caller on to 3000 by REFER. */
  readonly transfer?: true;
  /** A queue has its members in a file, so that there is no form where the caller asks. */
  readonly queue?: true;
  /** In a queue: rounds that nobody answers, before. */
  readonly rounds?: number;
}

const SITUATIONS: readonly Situation[] = [
  { what: 'answered', dial: [`Dial(\${M},20)`] },
  { what: 'transferred by the phone (REFER)', dial: [`Dial(\${M},20)`], transfer: true },
  { what: 'a ring group, the mobile is the second', dial: [`Dial(PJSIP/1002&\${M},20)`] },
  { what: 'a ring group, transferred', dial: [`Dial(PJSIP/1002&\${M},20)`], transfer: true },
  { what: 'a ring group, the desk phone answers', dial: [`Dial(\${M}&PJSIP/1002,20)`], by: 'desk' },
  { what: 'after another Dial that failed', dial: ['Dial(PJSIP/1002,1)', `Dial(\${M},20)`] },
  { what: 'the caller was answered before', dial: ['Answer()', 'Wait(1)', `Dial(\${M},20)`] },
  { what: 'a queue', dial: [`Queue(\${Q},,,,20)`], queue: true },
  { what: 'a queue, answered in the second round', dial: [`Queue(\${Q},,,,20)`], queue: true, rounds: 1 },
];

/** There the time until the phone answers is billed in the plain call's row, and here in the row of our leg. */
const ANSWERED_BEFORE = new Set([SITUATIONS.findIndex(({ what }) => what === 'the caller was answered before')]);

const DIALPLAN = `[globals]
FORM=plain
[internal]
exten => 1001,hint,PJSIP/1001&Stasis:pushwake-1001
${SITUATIONS.map(({ dial }, i) =>
  [
    `exten => s${i},1,ExecIf($["\${FORM}" = "visit"]?Gosub(pushwake-dial,1001,1))`,
    `Set(M=\${IF($["\${FORM}" = "plain"]?PJSIP/1001:Local/1001@pushwake/n)})`,
    `ExecIf($["\${FORM}" = "visit"]?Set(M=\${PUSHWAKE_DIAL}))`,
    `Set(Q=\${IF($["\${FORM}" = "plain"]?plain:local)})`,
    ...dial,
    'Hangup()',
  ].join('\n same => n,'),
).join('\n')}
exten => 3000,1,Dial(PJSIP/3000,20)
 same => n,Hangup()
`;
const QUEUES = [
  ['plain', 'PJSIP/1001,0,Anna,PJSIP/1001'],
  ['local', 'Local/1001@pushwake/n,0,Anna,hint:1001@internal'],
]
  .map(([name, member]) => `[${name}]\nstrategy=ringall\ntimeout=3\nretry=1\nmember => ${member}\n`)
  .join('');

let scene: Scene;
let caller: SipPhone;
let desk: SipPhone;
let third: SipPhone;
let mobile: Mobile;
const plain = new Map<number, Billed>();

beforeAll(async () => {
  const users = ['1001', '1002', '2000', '3000'].map((id) => ({ id, callerId: `N <${id}>`, rewriteContact: true }));
  scene = await Scene.start({ name: 'money', users, hep: true, extensions: DIALPLAN, queues: QUEUES });
  caller = await scene.phone('2000');
  desk = await scene.phone('1002');
  third = await scene.phone('3000');
  third.answer = { kind: 'auto' };
  await Promise.all([caller, desk, third].map((phone) => phone.register()));
  mobile = await Mobile.install(scene, '1001', { transport: 'tls' });
  await mobile.bind();
  await awake();
  await dialplanForm('plain');
  for (const i of new Set(CASES.map(([, , , i]) => i))) plain.set(i, await billed(i));
});
afterAll(async () => scene?.close());

interface Billed {
  /** Who was talked to, by the answered rows with time; legs of ours that a phone took the place of are left out. */
  readonly talks: readonly string[];
  /** Billed seconds of all rows. Asterisk cuts each row to whole seconds. */
  readonly seconds: number;
  /** Billed seconds of legs of ours: none, but where the caller was answered before the phone was. */
  readonly ours: number;
  /** Events of the queue log with their numbers. */
  readonly queue: readonly (readonly [event: string, ...numbers: number[]])[];
}

const dialplanForm = (form: Form) => scene.asterisk.cli(`dialplan set global FORM ${form}`);

async function awake(): Promise<void> {
  if (!mobile.phone.isOpen) await mobile.phone.wake();
  await mobile.phone.register({ contactParams: mobile.identity.params });
}

async function billed(i: number): Promise<Billed> {
  const { by, transfer, queue, rounds = 0 } = SITUATIONS[i] as Situation;
  const log = () => (queue ? readFileSync(join(scene.asterisk.folder, 'log/queue_log'), 'utf8') : '');
  const from = { cdr: scene.asterisk.cdrText().length, queue: log().length };
  const had = { mobile: mobile.phone.incoming.length, desk: desk.incoming.length, third: third.incoming.length };
  const call = await caller.call(`s${i}`);
  const atMobile = await mobile.phone.waitForCall(15_000, had.mobile + 1 + rounds);
  const taken = by === 'desk' ? await desk.waitForCall(2_000, had.desk + 1) : atMobile;
  await delay(1_100);
  await taken.answer();
  await call.waitForState('answered');
  await delay(1_600);
  if (transfer) {
    await taken.refer(`<sip:3000@127.0.0.1:${scene.asterisk.ports.udp}>`);
    await (await third.waitForCall(5_000, had.third + 1)).waitForState('answered');
    await delay(1_600);
  }
  await call.hangup();
  await scene.asterisk.waitForNoChannels();
  const deadline = performance.now() + 2_000;
  while (scene.asterisk.cdrText().length === from.cdr && performance.now() < deadline) await delay(10);
  await delay(30);
  const all = scene.asterisk.cdrText().slice(from.cdr).split('\n').filter(Boolean).map(fields);
  const isOurs = (row: readonly string[]) => row[6]?.startsWith('Local/') === true;
  const sum = (rows: readonly (readonly string[])[]) => rows.reduce((total, row) => total + Number(row[13]), 0);
  return {
    talks: all
      .filter((row) => row[14] === 'ANSWERED' && Number(row[13]) > 0 && !isOurs(row))
      .map((row) => String(row[6]).replace(/-[0-9a-f]{8}.*/, ''))
      .sort(),
    seconds: sum(all),
    ours: sum(all.filter(isOurs)),
    queue: log()
      .slice(from.queue)
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split('|'))
      // The moment of the call, and the queue's name, differ.
      .map(([, , , member, event, ...rest]) => [
        `${member} ${event}`,
        ...rest.filter((field) => /^\d+$/.test(field)).map(Number),
      ]),
  };
}

/**
 * What `npm test` takes of it; `npm run test:transparency` takes all. `short`, on Asterisk 16: the phone registers while its legs are made, since a
 * request of ARI takes 100 ms there.
 */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  short: ['0 local awake'],
  part: ['0 local asleep', '0 visit asleep', '1 local asleep', '2 local asleep', '4 local awake', '7 local asleep'],
};
const PART = process.env.PUSHWAKE_TRANSPARENCY ?? 'part';
const CASES = SITUATIONS.flatMap(({ what, queue }, i) =>
  FORMS.filter((form) => form !== 'plain' && !(queue && form === 'visit')).flatMap((form) =>
    (['awake', 'asleep'] as const).map((state) => [what, form, state, i] as const),
  ),
).filter(([, form, state, i]) => PARTS[PART]?.includes(`${i} ${form} ${state}`) ?? true);

describe('billed as the plain call', () => {
  it.each(CASES)('%s, %s, %s', async (_what, form, state, i) => {
    const bare = plain.get(i) as Billed;
    await dialplanForm(form);
    await awake();
    const woken = mobile.wakesByPush({ afterMs: 20 });
    if (state === 'asleep') await mobile.phone.sleep();
    const through = await billed(i);
    woken.stop();
    expect(through.talks).toEqual(bare.talks);
    const near = (a: number, b: number) => Math.abs(a - b) <= 1;
    expect(near(through.seconds, bare.seconds), `${through.seconds} s for ${bare.seconds} s`).toBe(true);
    if (!ANSWERED_BEFORE.has(i)) expect(through.ours).toBe(0);
    expect(through.queue.map(([event]) => event)).toEqual(bare.queue.map(([event]) => event));
    const pairs = through.queue.flatMap(([, ...numbers], row) =>
      numbers.map((n, k) => [n, Number(bare.queue[row]?.[k + 1])] as const),
    );
    // RINGNOANSWER counts milliseconds.
    expect(pairs.filter(([a, b]) => !near(a > 999 ? a / 1_000 : a, b > 999 ? b / 1_000 : b))).toEqual([]);
  });
});
