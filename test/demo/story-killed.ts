/** "pushwake is killed": no call fails for it, and nothing it knew is lost. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { answersOf, type Cast, callPush, fallAsleep, NotSeen, noChannelLeft, type Stage, until } from './stage.ts';

/** A phone that is registered rings within this time while pushwake is dead: no call waits for us. In ms. */
const KNOWN_PHONES_WITHIN_MS = 2_000;

export async function pushwakeIsKilled(stage: Stage, cast: Cast): Promise<void> {
  stage.print.part('pushwake is killed (SIGKILL) while a call waits');
  await theCallSurvives(stage, cast);
  await knownPhonesRing(stage, cast);
  await theBindingIsKeptAndTheCallTakenUp(stage, cast);
}

async function theCallSurvives(stage: Stage, { scene, desk, caller, install }: Cast): Promise<void> {
  await stage.step('call-survives', 'The desk phone rings on and answers, with audio', async () => {
    const calls = desk.incoming.length;
    const pushes = scene.apns.pushes.length;
    const call = await caller.call('5001');
    const incoming = await until(() => desk.incoming[calls], {
      what: 'the desk phone to ring',
      seen: () => answersOf(call),
    });
    await until(() => callPush(scene, install, pushes), { what: 'a push for the mobile' });
    await scene.pushwake.stop('SIGKILL');
    if (stage.sabotages('call-survives')) scene.asterisk.signal('SIGKILL');
    const killedAt = performance.now();
    await incoming.answer();
    const answer = await until(() => call.final, { what: '200 OK at the caller', seen: () => answersOf(call) });
    if (answer.status !== 200) throw new NotSeen(`200 OK was expected; ${answersOf(call)}`);
    await until(() => call.rtp.received >= 50 && incoming.rtp.received >= 50, {
      what: '50 RTP packets each way',
      seen: () => `caller heard ${call.rtp.received}, desk phone ${incoming.rtp.received}`,
    });
    await call.hangup();
    await noChannelLeft(scene);
    return { ms: answer.at - killedAt, since: 'from kill to answer' };
  });
}

async function knownPhonesRing(stage: Stage, cast: Cast): Promise<void> {
  const { scene, mobile, caller, install } = cast;
  await stage.step('known-phones-ring', 'The next call, pushwake still dead: a phone that is awake rings', async () => {
    if (!stage.sabotages('known-phones-ring')) {
      await mobile.wake();
      await mobile.register({ contactParams: install.params, newCallId: true });
    }
    const calls = mobile.incoming.length;
    const call = await caller.call('1001');
    const incoming = await until(() => mobile.incoming[calls], {
      what: 'the phone to ring',
      seen: () => answersOf(call),
    });
    const ms = incoming.receivedAt - call.invitedAt;
    if (ms > KNOWN_PHONES_WITHIN_MS) throw new NotSeen(`ringing within 2 s was expected; seen: ${Math.round(ms)} ms`);
    await incoming.answer();
    const answer = await until(() => call.final, { what: '200 OK at the caller', seen: () => answersOf(call) });
    if (answer.status !== 200) throw new NotSeen(`200 OK was expected; ${answersOf(call)}`);
    await call.hangup();
    await noChannelLeft(scene);
    await fallAsleep(cast);
    return { ms, since: 'after the call' };
  });
}

async function theBindingIsKeptAndTheCallTakenUp(stage: Stage, cast: Cast): Promise<void> {
  const { scene, mobile, caller, install } = cast;
  if (stage.sabotages('binding-kept')) {
    for (const file of readdirSync(scene.folder).filter((f) => f.startsWith('bindings.db')))
      rmSync(join(scene.folder, file));
  }
  const call = await stage.step(
    'binding-kept',
    'Started again, it still knows the sleeping phone: the next call sends a push',
    async () => {
      await scene.startPushwake();
      const pushes = scene.apns.pushes.length;
      const begun = await caller.call('1001');
      const push = await until(() => callPush(scene, install, pushes), {
        what: 'a push for the sleeping phone',
        seen: () => `none; ${answersOf(begun)}`,
      });
      return { ms: push.atMs - begun.invitedAt, since: 'after the call', value: begun };
    },
  );

  await stage.step(
    'taken-up',
    'Killed and started again while that call waits: it takes it up, the phone rings',
    async () => {
      await until(
        async () => /!pushwake-device!.*!Stasis!/.test(await scene.asterisk.cli('core show channels concise')),
        {
          what: 'a leg of the call that waits for the phone',
          seen: () => answersOf(call),
        },
      );
      await scene.pushwake.stop('SIGKILL');
      const from = scene.pushwake.log.length;
      if (!stage.sabotages('taken-up')) await scene.startPushwake();
      const calls = mobile.incoming.length;
      await mobile.wake();
      const { at } = await mobile.register({ contactParams: install.params, newCallId: true });
      const incoming = await until(() => mobile.incoming[calls], {
        what: 'the phone to ring',
        seen: () => answersOf(call),
      });
      // The INVITE may be read before the line that was written first.
      const isTakenUp = () => scene.pushwake.log.slice(from).some((l) => l.step === 'waiting call taken up');
      await until(isTakenUp, { what: '"waiting call taken up" in the log' });
      await incoming.answer();
      const answer = await until(() => call.final, { what: '200 OK at the caller', seen: () => answersOf(call) });
      if (answer.status !== 200) throw new NotSeen(`200 OK was expected; ${answersOf(call)}`);
      await call.hangup();
      await noChannelLeft(scene);
      return { ms: incoming.receivedAt - at, since: 'after REGISTER' };
    },
  );
  await fallAsleep(cast);
}
