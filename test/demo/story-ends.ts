/** How calls end for a phone that did not get them: the caller gives up, another phone is faster. */
import {
  answersOf,
  type Cast,
  callPush,
  fallAsleep,
  NotSeen,
  noChannelLeft,
  type Stage,
  until,
  WAKES_AFTER_MS,
} from './stage.ts';

const REFUSAL = { status: 403, reason: 'Forbidden' } as const;

export async function theCallerGivesUp(stage: Stage, cast: Cast): Promise<void> {
  stage.print.part('The caller gives up');
  const { scene, mobile, caller, install } = cast;

  await stage.step('told-cancelled', 'The phone had not woken yet: a silent push tells it "cancelled"', async () => {
    const { call, words } = await waitingCall(cast, '1001');
    if (stage.sabotages('told-cancelled')) scene.apns.next(REFUSAL, 20);
    const givenUpAt = performance.now();
    call.cancel();
    await refused(call, 487);
    return { ms: (await closingWord(cast, words, 'cancelled')) - givenUpAt, since: 'after CANCEL' };
  });

  await stage.step('stops-ringing', 'The phone had woken and rang: it stops at once, by CANCEL', async () => {
    const calls = mobile.incoming.length;
    const woken = scene.wakeByPush(mobile, install, { afterMs: WAKES_AFTER_MS });
    const call = await caller.call('1001');
    const incoming = await until(() => mobile.incoming[calls], {
      what: 'the phone to ring',
      seen: () => answersOf(call),
    });
    await until(() => incoming.state === 'ringing', { what: 'the phone to ring' });
    const givenUpAt = performance.now();
    if (!stage.sabotages('stops-ringing')) call.cancel();
    await until(() => incoming.state === 'cancelled', {
      what: 'CANCEL at the phone',
      seen: () => `it is ${incoming.state}`,
    });
    await refused(call, 487);
    woken.stop();
    return { ms: (incoming.cancelledAt ?? Number.NaN) - givenUpAt, since: 'after CANCEL' };
  });

  await stage.step('no-channel-left', 'No channel is left in Asterisk', async () => {
    if (stage.sabotages('no-channel-left')) {
      caller.answer = { kind: 'auto' };
      await (await cast.desk.call('2000')).waitForState('answered');
    }
    const begun = performance.now();
    await noChannelLeft(scene);
    return { ms: performance.now() - begun };
  });
  await fallAsleep(cast);
}

export async function theDeskPhoneIsFaster(stage: Stage, cast: Cast): Promise<void> {
  stage.print.part('Desk phone and mobile ring together, the desk phone is faster');
  const { scene, desk } = cast;
  const calls = desk.incoming.length;
  const { call, words } = await waitingCall(cast, '5001');
  let answeredAt = 0;

  await stage.step('desk-answers', 'The desk phone rang at once and answered, the mobile still asleep', async () => {
    const incoming = await until(() => desk.incoming[calls], {
      what: 'the desk phone to ring',
      seen: () => answersOf(call),
    });
    if (stage.sabotages('told-elsewhere')) scene.apns.next(REFUSAL, 20);
    if (!stage.sabotages('desk-answers')) await incoming.answer();
    const answer = await until(() => call.final, { what: '200 OK at the caller', seen: () => answersOf(call) });
    if (answer.status !== 200) throw new NotSeen(`200 OK was expected; seen: ${answersOf(call)}`);
    answeredAt = incoming.answeredAt ?? answer.at;
    return {
      text: 'The desk phone rang at once, pushed or not, and answered',
      ms: incoming.receivedAt - call.invitedAt,
      since: 'after the call',
    };
  });

  await stage.step('told-elsewhere', 'A silent push tells the mobile "elsewhere"', async () => ({
    ms: (await closingWord(cast, words, 'elsewhere')) - answeredAt,
    since: 'after the answer',
  }));
  await call.hangup();
  await noChannelLeft(scene);
}

type Word = { readonly at: number; readonly word: string };

/** Closing words this phone was told so far. */
function wordsOf({ scene, install }: Cast): Word[] {
  return scene.apns.pushes
    .filter((push) => push.token === install.other)
    .flatMap((push) => {
      const { type, ended } = (JSON.parse(push.json) as { pushwake: { type: string; ended?: string } }).pushwake;
      return type === 'cancel' && ended ? [{ at: push.atMs, word: ended }] : [];
    });
}

/** A call whose push is out while the phone sleeps on. */
async function waitingCall(cast: Cast, number: string) {
  const { scene, install, caller } = cast;
  const words = wordsOf(cast).length;
  const pushes = scene.apns.pushes.length;
  const call = await caller.call(number);
  await until(() => callPush(scene, install, pushes), {
    what: 'a push at the push service',
    seen: () => answersOf(call),
  });
  return { call, words };
}

/** When the one closing word of this call came. */
async function closingWord(cast: Cast, from: number, expected: string): Promise<number> {
  const { word, at } = await until(() => wordsOf(cast)[from], {
    what: `the closing word "${expected}"`,
    seen: () => `none; ${cast.scene.apns.requests - cast.scene.apns.pushes.length} pushes were refused`,
  });
  if (word !== expected) throw new NotSeen(`the closing word "${expected}" was expected; seen: "${word}"`);
  const all = wordsOf(cast).slice(from);
  if (all.length !== 1) throw new NotSeen(`one closing word was expected; seen: ${all.map((w) => w.word).join(', ')}`);
  return at;
}

async function refused(call: Parameters<typeof answersOf>[0], status: number): Promise<void> {
  const answer = await until(() => call.final, { what: `${status} at the caller`, seen: () => answersOf(call) });
  if (answer.status !== status) throw new NotSeen(`${status} at the caller was expected; ${answersOf(call)}`);
}
