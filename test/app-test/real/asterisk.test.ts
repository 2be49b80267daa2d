/**
 * `pushwake app-test` on a real Asterisk: the SIP phone of the tests as an app that does everything right, and with each misbehaviour. With
 * `APP_REPORTS=1` the first writes its report to docs/apps; `APP_TEST_ONLY=A4,A9` runs only those misbehaviours.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DIALPLAN, REALM, Scene } from '../../support/scene.ts';
import type { SipPhone } from '../../support/sip-phone/index.ts';
import { MISBEHAVIOURS, type Misbehaviour } from '../misbehaviours.ts';
import { type Admin, measureRightApp, startMeasured } from './measure.ts';
import { SipApp } from './sip-app.ts';

const only = process.env.APP_TEST_ONLY?.split(',');
const ROWS = Object.entries(MISBEHAVIOURS).filter(([, rule]) => only === undefined || only.includes(rule));
const userOf = (rule: string) => `11${rule.slice(1).padStart(2, '0')}`;
/** Tests that run at once: pushwake's own bound. */
const AT_ONCE = 4;

let scene: Scene;
let admin: Admin;
let caller: SipPhone;

beforeAll(async () => {
  const users = ['1001', '1002', '1003', '1004', '1100', ...Object.values(MISBEHAVIOURS).map(userOf), '2000'];
  scene = await Scene.start({
    name: 'app-test',
    hep: true,
    users: users.map((id) => ({ id })),
    extensions: DIALPLAN,
    withoutPushwake: true,
    policy: '',
  });
  admin = await startMeasured(scene, (more) => scene.yaml({ more }));
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => scene?.close());

const bindingsOf = (aor: string) =>
  scene.stored.bindings(aor).map(({ id, targets, ending }) => ({ id, targets, ending }));

/** Channels that Asterisk has, by name. */
const channels = async () => (await scene.asterisk.cli('core show channels concise')).trim();

it('calls nothing broken of an app that does everything right', async () => {
  await measureRightApp(await SipApp.install(scene, '1001'), admin, 'sip-phone-of-the-tests-asterisk');
  expect(await channels()).toBe('');
});

describe('stopped while the phone rings', () => {
  it.each(['by hand', 'pushwake is killed'] as const)('%s: no channel is left, no binding changed', async (how) => {
    const user = how === 'by hand' ? '1002' : '1003';
    const app = await SipApp.install(scene, user);
    const aor = `${user}@${REALM}`;
    const before = bindingsOf(aor);
    const id = await admin.start({ aor, steps: ['call'] });
    const call = await app.phone.waitForCall(30_000);
    await call.waitForState('ringing');
    if (how === 'by hand') {
      await admin.stop(id);
      await call.waitForState('cancelled', 5_000);
      await expect.poll(async () => (await admin.show(id)).state, { timeout: 5_000 }).toBe('over');
      expect((await admin.show(id)).report).toMatchObject({
        stopped: 'it was stopped by hand',
        steps: [{ step: 'call', state: 'cut' }],
      });
    } else {
      await scene.pushwake.stop('SIGKILL');
      await scene.startPushwake();
      await call.waitForState('cancelled', 10_000);
    }
    await expect.poll(channels, { timeout: 10_000 }).toBe('');
    expect(bindingsOf(aor)).toEqual(before);
    app.stop();
  });
});

describe('calls of another account beside it', () => {
  it('are as quick as before: one a second', async () => {
    const other = await scene.phone('1100', { transport: 'tcp' });
    await other.register();
    const one = async (): Promise<number> => {
      const nth = other.incoming.length + 1;
      const startedMs = performance.now();
      const call = await caller.call('1100');
      const rung = await other.waitForCall(5_000, nth);
      const tookMs = rung.receivedAt - startedMs;
      call.cancel();
      await rung.waitForState('cancelled');
      return tookMs;
    };
    const measured = async (n: number) => {
      const took: number[] = [];
      for (let i = 0; i < n; i++) {
        const sinceMs = performance.now();
        took.push(await one());
        await new Promise((r) => setTimeout(r, Math.max(0, 1_000 - (performance.now() - sinceMs))));
      }
      return took.sort((a, b) => a - b);
    };
    const p50 = (ms: readonly number[]) => ms[Math.floor(ms.length / 2)] ?? 0;
    const before = await measured(30);
    const app = await SipApp.install(scene, '1001', {});
    const steps = ['call', 'cancel-after', 'two-calls'] as const;
    const test = admin.measure({ aor: `1001@${REALM}`, steps, says: (q) => app.says(q) }).catch((e: unknown) => e);
    const beside = await measured(30);
    await test;
    app.stop();
    process.stdout.write(
      `INVITE to INVITE of another account, ms at p50 and the worst of 30: before ${p50(before).toFixed(1)} and ${before.at(-1)?.toFixed(1)}, beside a test ${p50(beside).toFixed(1)} and ${beside.at(-1)?.toFixed(1)}\n`,
    );
    // Thirty of thirty came; a tenth of a second is more than a busy machine adds.
    expect(p50(beside)).toBeLessThan(p50(before) + 100);
  });
});

describe('misbehaviours', () => {
  const batches = Array.from({ length: Math.ceil(ROWS.length / AT_ONCE) }, (_, i) =>
    ROWS.slice(i * AT_ONCE, (i + 1) * AT_ONCE),
  );
  it.each(batches.map((batch) => ({ rules: batch.map(([, rule]) => rule).join(' '), batch })))(
    'names $rules and nothing else',
    async ({ batch }) => {
      const found = await Promise.all(
        batch.map(async ([wrong, rule]) => {
          const user = userOf(rule);
          const app = await SipApp.install(scene, user, { wrong: wrong as Misbehaviour });
          const report = await admin.measure({ aor: `${user}@${REALM}`, says: (q) => app.says(q) });
          app.stop();
          const broken = report.verdicts.filter((v) => v.verdict === 'broken');
          // What was invented or passed over shows what was seen for it.
          const others = broken.filter((v) => v.rule !== rule).map((v) => `${v.rule} ${v.seen}`);
          const own = report.verdicts.find((v) => v.rule === rule);
          return [rule, [own?.verdict === 'broken' ? rule : own?.seen, ...others], report.stopped];
        }),
      );
      expect(found).toEqual(batch.map(([, rule]) => [rule, [rule], undefined]));
    },
  );
});

// The last: after it no phone of this file is registered.
it('is stopped while the phone rings because the PBX is killed: a report that says so, no channel, no binding changed', async () => {
  const app = await SipApp.install(scene, '1004');
  const aor = `1004@${REALM}`;
  const before = bindingsOf(aor);
  const id = await admin.start({ aor, steps: ['call'] });
  const call = await app.phone.waitForCall(30_000);
  await call.waitForState('ringing');
  const from = scene.pushwake.log.length;
  await scene.asterisk.restart({ signal: 'SIGKILL' });
  await expect.poll(async () => (await admin.show(id)).state, { timeout: 20_000 }).toBe('over');
  expect((await admin.show(id)).report).toMatchObject({
    stopped: 'the PBX went away',
    steps: [{ step: 'call', state: 'cut' }],
  });
  await scene.waitForLog('pbx link up', from);
  await expect.poll(channels, { timeout: 10_000 }).toBe('');
  expect(bindingsOf(aor)).toEqual(before);
  app.stop();
});
