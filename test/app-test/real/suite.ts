/**
 * What `pushwake app-test` holds on each real PBX, with the SIP phone of the tests as the app: one that does everything right, each misbehaviour,
 * and a test that is stopped while the phone rings. `APP_TEST_ONLY=A4,A9` runs only those misbehaviours.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { isWhole, readReport } from '../../../plugin/core/app-test/index.ts';
import { type PbxScene, REALM } from '../../support/pbx-scene.ts';
import type { IncomingCall } from '../../support/sip-phone/index.ts';
import { MISBEHAVIOURS, type Misbehaviour } from '../misbehaviours.ts';
import type { Admin } from './admin.ts';
import { measureRightApp } from './measure.ts';
import { SipApp } from './sip-app.ts';

const CLI = fileURLToPath(new URL('../../../plugin/cli.ts', import.meta.url));
/** Tests that run at once: pushwake's own bound. */
const AT_ONCE = 4;
/** A service that nobody asks ends the test by itself, and the command waits for a service that is gone. */
const NOTICED_WITHIN_MS = 45_000;

const only = process.env.APP_TEST_ONLY?.split(',');
const ROWS = Object.entries(MISBEHAVIOURS).filter(([, rule]) => only === undefined || only.includes(rule));
const userOf = (rule: string) => `11${rule.slice(1).padStart(2, '0')}`;
const [RIGHT, ASKED, COMMAND, SERVICE, KILLED_PBX] = ['1001', '1002', '1003', '1004', '1005'] as const;

/** Accounts that the suite uses. */
export const USERS = [RIGHT, ASKED, COMMAND, SERVICE, KILLED_PBX, ...Object.values(MISBEHAVIOURS).map(userOf)];

export interface MeasuredSite {
  readonly scene: PbxScene;
  readonly admin: Admin;
  /** The PBX knows that this account can be woken. */
  isReady(aor: string): Promise<void>;
  /** What `show channels` of this PBX says, where it is more than nothing. */
  channels(): Promise<string>;
  killPbx(): Promise<void>;
}

interface Stopping {
  readonly app: SipApp;
  readonly call: IncomingCall;
  readonly command: ChildProcess;
  /** Its id, as the command says it. */
  readonly id: string;
  /** What the command wrote to its file. */
  kept(): unknown;
}

export function holdsOn(name: 'asterisk' | 'freeswitch', site: () => MeasuredSite): void {
  const install = async (user: string, wrong?: Misbehaviour): Promise<SipApp> => {
    const app = await SipApp.install(site().scene, user, { ...(wrong && { wrong }) });
    await site().isReady(`${user}@${REALM}`);
    return app;
  };

  it('calls nothing broken of an app that does everything right', async () => {
    await measureRightApp(await install(RIGHT), site().admin, `sip-phone-of-the-tests-${name}`);
    await expect.poll(() => site().channels(), { timeout: 5_000 }).toBe('');
  });

  describe('stopped while the phone rings', () => {
    const bindingsOf = (user: string) =>
      site()
        .scene.stored.bindings(`${user}@${REALM}`)
        .map(({ id, targets, ending }) => ({ id, targets, ending }));

    /** Runs the command until the phone rings, stops it, and sees that nothing is left of it. */
    const stopped = async (user: string, steps: string, how: (at: Stopping) => Promise<void>): Promise<void> => {
      const { scene } = site();
      const app = await install(user);
      const before = bindingsOf(user);
      const file = join(scene.folder, `report-${user}.json`);
      const args = [`${user}@${REALM}`, '--no-person', '--steps', steps, '--output', file];
      const command = spawn(process.execPath, [CLI, 'app-test', ...args, '-c', join(scene.folder, 'pushwake.yaml')], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let said = '';
      command.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      try {
        const call = await app.phone.waitForCall(40_000);
        await call.waitForState('ringing');
        const id = /\b[0-9a-f]{16}\b/.exec(said)?.[0] ?? said;
        await how({ app, call, command, id, kept: () => readReport(JSON.parse(readFileSync(file, 'utf8'))) });
        await expect.poll(() => site().channels(), { timeout: 10_000 }).toBe('');
        expect(bindingsOf(user)).toEqual(before);
      } finally {
        command.kill('SIGKILL');
        app.stop();
      }
    };
    const cut = (why: string) => ({ stopped: why, steps: [{ step: 'call', state: 'cut' }] });

    it('by Ctrl-C: a report that says so, no channel is left, no binding changed', async () => {
      await stopped(ASKED, 'call', async ({ call, command, kept }) => {
        const gone = once(command, 'exit');
        command.kill('SIGINT');
        await call.waitForState('cancelled', 5_000);
        expect(await gone).toEqual([1, null]);
        expect(kept()).toMatchObject(cut('it was stopped by hand'));
      });
    });

    it('because the command is killed: a report in the service that says so, no channel is left, no binding changed', async () => {
      // The service notices it half a minute later: by then another call is on its way.
      await stopped(COMMAND, 'call,cancel-after,elsewhere,two-calls', async ({ command, id }) => {
        command.kill('SIGKILL');
        const { admin } = site();
        // Whoever asks for it keeps it alive: so the log says when it is over.
        await site().scene.pushwake.waitForLog((l) => l.msg === 'the test of an app is over', {
          from: site().scene.pushwake.log.length,
          timeoutMs: NOTICED_WITHIN_MS,
        });
        expect((await admin.show(id)).report).toMatchObject({ stopped: 'the command that ran it went away' });
      });
    });

    it('because pushwake is killed: a report that says so, no channel is left, no binding changed', async () => {
      await stopped(SERVICE, 'call', async ({ call, command, kept }) => {
        const gone = once(command, 'exit');
        await site().scene.pushwake.stop('SIGKILL');
        expect(await gone).toEqual([1, null]);
        const report = kept();
        expect(report).toMatchObject(cut('pushwake did not answer any more'));
        expect(isWhole(report as never)).toBe(true);
        await site().scene.startPushwake();
        await call.waitForState('cancelled', 10_000);
      });
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
            const app = await install(user, wrong as Misbehaviour);
            const report = await site().admin.measure({ aor: `${user}@${REALM}`, says: (q) => app.says(q) });
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
    const { scene, admin } = site();
    const app = await install(KILLED_PBX);
    const aor = `${KILLED_PBX}@${REALM}`;
    const bindings = () => scene.stored.bindings(aor).map(({ id, targets, ending }) => ({ id, targets, ending }));
    const before = bindings();
    const id = await admin.start({ aor, steps: ['call'] });
    const call = await app.phone.waitForCall(30_000);
    await call.waitForState('ringing');
    const from = scene.pushwake.log.length;
    await site().killPbx();
    await expect.poll(async () => (await admin.show(id)).state, { timeout: 20_000 }).toBe('over');
    expect((await admin.show(id)).report).toMatchObject({
      stopped: 'the PBX went away',
      steps: [{ step: 'call', state: 'cut' }],
    });
    await scene.waitForLog('pbx link up', from, 30_000);
    await expect.poll(() => site().channels(), { timeout: 10_000 }).toBe('');
    expect(bindings()).toEqual(before);
    app.stop();
  });
}
