/** The course of a test: what is done in each step, and how long is waited for what. The rules judge what was seen. */
import type { StepName } from '../../core/app-test/index.ts';
import { type DurationMs, SECOND } from '../../core/time.ts';
import type { AppTestRun, PlacedCall } from './run.ts';
import { Skip } from './skip.ts';

/** From the call until the phone rings. */
const RINGS_WITHIN: DurationMs = 25 * SECOND;
/** The phone rings for this time before anybody may answer, so that an app that answers by itself is seen. */
const RINGS_FOR: DurationMs = 3 * SECOND;
const ANSWERED_WITHIN: DurationMs = 25 * SECOND;
const PUSHED_WITHIN: DurationMs = 10 * SECOND;
/** A phone that was pushed for a call that is over comes within this, or not at all. */
const COMES_AFTER_THE_END: DurationMs = 12 * SECOND;
const SECOND_RINGS_WITHIN: DurationMs = 12 * SECOND;
const SILENT_ANSWERED_WITHIN: DurationMs = 90 * SECOND;
const LOGGED_OUT_WITHIN: DurationMs = 20 * SECOND;
const TOKEN_WITHIN: DurationMs = 20 * SECOND;

export const COURSE: Readonly<Record<StepName, (run: AppTestRun) => Promise<void>>> = {
  async call(run) {
    const call = await run.place();
    const rang = await rings(run, call);
    if (rang && run.person.isThere && run.look(call).answeredMs === undefined) {
      run.mayAnswer(call);
      await run.until(() => run.look(call).answeredMs !== undefined || run.look(call).isOver, ANSWERED_WITHIN);
      await run.pause(2 * SECOND);
    }
    await hangUp(run, call, 'cancelled');
    if (rang) await run.ask('one-screen');
  },

  async 'cancel-before'(run) {
    const call = await run.place();
    await run.until(() => run.look(call).push !== 'none' || run.look(call).isOver, PUSHED_WITHIN);
    await hangUp(run, call, 'cancelled');
    await run.pause(COMES_AFTER_THE_END);
    if (run.look(call).push === 'accepted') await run.ask('silent-before');
  },

  async 'cancel-after'(run) {
    const call = await run.place();
    const rang = await rings(run, call);
    await hangUp(run, call, 'cancelled');
    await run.pause(2 * SECOND);
    if (rang) await run.ask('silent-after');
  },

  async elsewhere(run) {
    const call = await run.place();
    const rang = await rings(run, call);
    await hangUp(run, call, 'elsewhere');
    await run.pause(2 * SECOND);
    if (rang) await run.ask('not-missed');
  },

  async 'two-calls'(run) {
    const first = await run.place();
    if (await rings(run, first)) {
      const second = await run.place();
      const said = () => {
        const { ringingMs, declinedMs, answeredMs, isOver } = run.look(second);
        return isOver || (ringingMs ?? declinedMs ?? answeredMs) !== undefined;
      };
      if (await run.until(said, SECOND_RINGS_WITHIN)) await run.pause(1 * SECOND);
      await hangUp(run, second, 'cancelled');
    }
    await hangUp(run, first, 'cancelled');
  },

  async 'late-wake'(run) {
    run.needsPerson();
    if (!(await run.confirm('offline'))) throw new Skip('the phone was not taken off the network');
    let call: PlacedCall | undefined;
    try {
      call = await pushedWhileAway(run);
    } finally {
      // Whatever became of the call: nobody's phone is left without a network.
      if (!run.isStopped) await run.confirm('online');
    }
    await run.pause(COMES_AFTER_THE_END);
    if (run.look(call).push === 'accepted') await run.ask('silent-late');
  },

  async repeated(run) {
    const call = await run.place();
    await run.until(() => run.look(call).push !== 'none' || run.look(call).isOver, PUSHED_WITHIN);
    if (run.look(call).push === 'accepted') await run.push(call);
    const rang = await rings(run, call);
    await hangUp(run, call, 'cancelled');
    await run.pause(2 * SECOND);
    if (rang) await run.ask('one-screen-again');
  },

  async silent(run) {
    if (!(await run.push('refresh'))) return;
    await run.until(() => run.watched.firstMs !== undefined, SILENT_ANSWERED_WITHIN);
    await run.pause(3 * SECOND);
    await run.ask('saw-nothing');
  },

  async notice(run) {
    if (!(await run.push('notice'))) return;
    await run.pause(5 * SECOND);
    await run.ask('saw-notice');
  },

  async token(run) {
    run.needsPerson();
    if (!(await run.confirm('new-token'))) throw new Skip('the person left this out');
    for (let waited = 0; waited < TOKEN_WITHIN && !(await run.hasNewTokens()); waited += SECOND) {
      await run.pause(SECOND);
    }
  },

  async 'log-out'(run) {
    run.needsPerson();
    if (!(await run.confirm('log-out'))) throw new Skip('the person left this out');
    await run.until(() => run.watched.loggedOut > 0, LOGGED_OUT_WITHIN);
    await run.lookHeld();
    // Whatever the answer: the account is as it was only when it is logged in again.
    await run.confirm('log-in');
    await run.pause(5 * SECOND);
  },
};

/** A call that is over, and its push too old, before its phone can hear of either. */
async function pushedWhileAway(run: AppTestRun): Promise<PlacedCall> {
  const call = await run.place();
  await run.until(() => run.look(call).push !== 'none' || run.look(call).isOver, PUSHED_WITHIN);
  await run.pause(5 * SECOND);
  await hangUp(run, call, 'cancelled');
  // Until then an app may show the call for a moment: the push itself says that it is worth showing.
  await run.pause(run.ringTimeMs);
  return call;
}

/** False: the phone did not ring; the call may be over. */
async function rings(run: AppTestRun, call: PlacedCall): Promise<boolean> {
  const said = () => {
    const { ringingMs, answeredMs, isOver } = run.look(call);
    return isOver || (ringingMs ?? answeredMs) !== undefined;
  };
  await run.until(said, RINGS_WITHIN);
  const { ringingMs, isOver } = run.look(call);
  if (ringingMs === undefined) return false;
  if (!isOver) await run.until(() => run.look(call).isOver, RINGS_FOR);
  return true;
}

/** Ends a call and waits until that has reached everybody. */
async function hangUp(run: AppTestRun, call: PlacedCall, how: 'cancelled' | 'elsewhere'): Promise<void> {
  await run.end(call, how);
  await run.until(() => run.look(call).isOver, 3 * SECOND);
}
