/**
 * What calls of other accounts feel of `pushwake app-test`: a call a second, in turn alone, beside one test and beside four (the most that run at
 * once), on one Asterisk. Every other call is for a phone that sleeps. `--rounds=3`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { StepName } from '../../plugin/core/app-test/index.ts';
import { type Admin, startMeasured } from '../app-test/real/admin.ts';
import { SipApp } from '../app-test/real/sip-app.ts';
import { DIALPLAN, REALM, Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';
import type { Result, Suite } from './bench.ts';
import { type Measured, oneCall, percentile } from './wake/calls.ts';
import type { Contender } from './wake/stage.ts';

/** Whose apps are measured. */
const MEASURED = ['1001', '1002', '1003', '1004'] as const;
/** Those that place calls or push without a person at the phone; about a minute. */
const STEPS: readonly StepName[] = ['call', 'cancel-before', 'cancel-after', 'two-calls', 'repeated'];
const CALL_EVERY_MS = 1_000;
/** As fast as before, within what one round differs from the next on two shared processors. */
const UNDISTURBED = '<=1.2';

const CASES = { alone: 0, 'beside one test': 1, 'beside four tests': 4 } as const;
type Case = keyof typeof CASES;
const KINDS = ['INVITE → INVITE, a connected phone', 'INVITE → push', 'REGISTER → INVITE, a woken phone'] as const;
type Kind = (typeof KINDS)[number];
type Times = Record<Kind, number[]>;

interface Site {
  readonly scene: Scene;
  readonly admin: Admin;
  readonly caller: SipPhone;
  readonly apps: readonly SipApp[];
  readonly connected: SipPhone;
  readonly woken: Contender;
  /** Calls that rang nowhere. */
  lost: number;
}

async function open(): Promise<Site> {
  const scene = await Scene.start({
    name: 'bench-app-test',
    hep: true,
    users: [...MEASURED, '1100', '1101', '2000'].map((id) => ({ id, rewriteContact: id === '1101' })),
    extensions: DIALPLAN,
    policy: '  freshContact: 0s',
    debug: false,
    withoutPushwake: true,
  });
  const admin = await startMeasured(scene, (more) => scene.yaml({ more }));
  const caller = await scene.phone('2000');
  await caller.register();
  const connected = await scene.phone('1100', { transport: 'tcp' });
  await connected.register();
  const phone = await scene.phone('1101', { transport: 'tcp' });
  const identity = scene.install();
  await scene.bind(phone, identity);
  const apps = await Promise.all(MEASURED.map((user) => SipApp.install(scene, user)));
  const woken: Contender = { name: 'ours', number: '1101', phone, identity };
  return { scene, admin, caller, apps, connected, woken, lost: 0 };
}

async function toConnected(site: Site, times: Times): Promise<void> {
  const { caller, connected } = site;
  const nth = connected.incoming.length + 1;
  const call = await caller.call('1100');
  const rung = await connected.waitForCall(3_000, nth).catch(() => undefined);
  if (rung) times['INVITE → INVITE, a connected phone'].push(rung.receivedAt - call.invitedAt);
  else site.lost++;
  call.cancel();
  await call.done;
  await rung?.waitForState('cancelled');
}

async function toSleeping(site: Site, times: Times): Promise<void> {
  await site.woken.phone.sleep();
  const measured: Measured = { toPush: [], toInvite: [] };
  if (!(await oneCall(site, site.woken, measured))) site.lost++;
  times['INVITE → push'].push(...measured.toPush);
  times['REGISTER → INVITE, a woken phone'].push(...measured.toInvite);
}

/** A call a second, until `isOver`. */
async function callsUntil(site: Site, isOver: () => boolean): Promise<Times> {
  const times: Times = {
    'INVITE → INVITE, a connected phone': [],
    'INVITE → push': [],
    'REGISTER → INVITE, a woken phone': [],
  };
  for (let i = 0; !isOver(); i++) {
    const begunMs = performance.now();
    await (i % 2 === 0 ? toConnected : toSleeping)(site, times);
    await delay(Math.max(0, CALL_EVERY_MS - (performance.now() - begunMs)));
  }
  return times;
}

/** For as long as the tests take; alone for as long as one of them took before. */
async function phase(site: Site, tests: number, aloneMs: number): Promise<{ times: Times; tookMs: number }> {
  const begunMs = performance.now();
  let running = tests;
  const over = () => void running--;
  const all = site.apps.slice(0, tests).map(async (app) => {
    const aor = `${app.phone.user}@${REALM}`;
    const report = await site.admin.measure({ aor, steps: STEPS, says: (name) => app.says(name) });
    const bad = report.stopped ?? report.steps.find((s) => s.state !== 'done')?.why;
    if (bad !== undefined) throw new Error(`a test was not carried out: ${bad}`);
  });
  for (const test of all) test.then(over, over);
  const done = Promise.all(all);
  const isOver = () => (tests === 0 ? performance.now() - begunMs >= aloneMs : running === 0);
  const times = await callsUntil(site, isOver);
  await done;
  return { times, tookMs: performance.now() - begunMs };
}

export const appTest: Suite = async (progress, options) => {
  const rounds = Number(options.get('rounds') ?? 3);
  progress('starting Asterisk and pushwake');
  const site = await open();
  const found: Record<Case, Times[]> = { alone: [], 'beside one test': [], 'beside four tests': [] };
  try {
    let aloneMs = 0;
    // The first round only warms up, and shows how long a test takes.
    for (let round = 0; round <= rounds; round++) {
      progress(round === 0 ? 'warming up' : `round ${round} of ${rounds}`);
      for (const name of round === 0 ? (['beside one test'] as const) : (Object.keys(CASES) as Case[])) {
        const { times, tookMs } = await phase(site, CASES[name], aloneMs);
        if (round === 0) aloneMs = tookMs;
        else found[name].push(times);
      }
    }
  } finally {
    for (const app of site.apps) app.stop();
    await site.scene.close();
  }
  const all = (name: Case, kind: Kind) => found[name].flatMap((times) => times[kind]);
  const mid = (name: Case, kind: Kind) =>
    percentile(
      found[name].map((times) => percentile(times[kind], 0.5)),
      0.5,
    );
  const results: Result[] = KINDS.flatMap((kind) =>
    (Object.keys(CASES) as Case[]).flatMap((name): Result[] => [
      { name: `${kind}, ${name}: p50 (n=${all(name, kind).length})`, value: mid(name, kind), unit: 'ms' },
      { name: `${kind}, ${name}: the slowest`, value: Math.max(...all(name, kind)), unit: 'ms' },
      ...(name === 'alone'
        ? []
        : [
            {
              name: `${kind}, p50 ${name} / alone`,
              value: mid(name, kind) / mid('alone', kind),
              unit: '×',
              target: UNDISTURBED,
            },
          ]),
    ]),
  );
  return [...results, { name: 'calls that rang nowhere', value: site.lost, unit: '', target: '<=0' }];
};
