/** "A sleeping phone rings": the whole way of one call, each station with its time. */
import { SECRETS } from '../support/scene.ts';
import {
  answersOf,
  type Cast,
  callPush,
  fallAsleep,
  lastWords,
  NotSeen,
  noChannelLeft,
  pushBody,
  type Stage,
  until,
  WAKES_AFTER_MS,
} from './stage.ts';

/** As many packets each way prove audio: one second. */
const AUDIO_PACKETS = 50;

/** Plays the part; gives the id of its call, for the trace. */
export async function aSleepingPhoneRings(stage: Stage, cast: Cast): Promise<string> {
  stage.print.part('A sleeping phone rings');
  await withoutPushwake(stage, cast);

  const { scene, mobile, caller, install } = cast;
  const pushesBefore = scene.apns.pushes.length;
  const woken = stage.sabotages('wakes')
    ? undefined
    : scene.wakeByPush(mobile, wakeIdentity(stage, cast), { afterMs: WAKES_AFTER_MS });
  const stopListening = scene.apns.onPush(install.voip, () => {
    if (stage.sabotages('rings')) scene.pushwake.freeze();
  });
  if (stage.sabotages('push')) scene.apns.next({ status: 403, reason: 'InvalidProviderToken' }, 20);
  mobile.answer = { kind: 'ring' };

  const call = await caller.call(stage.sabotages('call') ? '7777' : '1001');
  const after = (at: number) => ({ ms: at - call.invitedAt, since: 'after the call' });
  await stage.step('call', 'Dialled as Local/1001@pushwake/n: the caller hears ringing', async () => {
    const ringing = await until(() => call.progress.find((p) => p.status === 180), {
      what: '180 Ringing at the caller',
      seen: () => answersOf(call),
    });
    return after(ringing.at);
  });

  let callId = '';
  await stage.step('push', 'The push service got one push for this phone', async () => {
    const push = await until(() => callPush(scene, install, pushesBefore), {
      what: 'a push at the push service',
      seen: () => `${scene.apns.requests} requests, none accepted; pushwake said: ${lastWords(scene, 3).join(' | ')}`,
    });
    callId = pushBody(push).callId ?? '';
    if (!callId) throw new NotSeen('a call id in the push was expected');
    return {
      text: `The push service got a ${push.pushType} push (the first: connecting included)`,
      ...after(push.atMs),
    };
  });

  let registeredAt = 0;
  await stage.step('wakes', 'The phone woke up and registered', async () => {
    registeredAt = await until(() => woken?.registered[0], {
      what: 'a REGISTER of the woken phone',
      seen: () => `the phone ${mobile.isOpen ? 'is connected' : 'sleeps'}`,
    });
    return { text: `The phone woke up (${WAKES_AFTER_MS} ms, on purpose) and registered`, ...after(registeredAt) };
  });

  await stage.step('rings', 'It rings: an INVITE with the call id of the push', async () => {
    const incoming = await until(() => mobile.incoming.at(-1), {
      what: 'an INVITE at the phone',
      seen: () => `none; ${answersOf(call)}`,
    });
    const id = incoming.headers.get('X-Push-ID');
    if (id !== callId) throw new NotSeen(`X-Push-ID ${callId} was expected; seen: ${id ?? 'none'}`);
    if (mobile.incoming.length !== 1) throw new NotSeen(`one call was expected; seen: ${mobile.incoming.length}`);
    return { ms: incoming.receivedAt - registeredAt, since: 'after REGISTER' };
  });

  const incoming = mobile.incoming.at(-1);
  await stage.step('answered', 'The phone answered, the caller is through', async () => {
    if (!stage.sabotages('answered')) await incoming?.answer();
    const answer = await until(() => call.final, { what: '200 OK at the caller', seen: () => answersOf(call) });
    if (answer.status !== 200 || !incoming) throw new NotSeen(`200 OK was expected; seen: ${answer.status}`);
    return { ms: answer.at - (incoming.answeredAt ?? incoming.receivedAt), since: 'after the phone’s 200' };
  });

  await stage.step('audio', 'They hear each other', async () => {
    if (stage.sabotages('audio')) await mobile.sleep({ how: 'deaf' });
    const begun = performance.now();
    const seen = () =>
      `caller sent ${call.rtp.sent}, heard ${call.rtp.received}; phone sent ${incoming?.rtp.sent}, heard ${incoming?.rtp.received}`;
    await until(
      () => [call.rtp, incoming?.rtp].every((r) => r && r.sent >= AUDIO_PACKETS && r.received >= AUDIO_PACKETS),
      {
        what: `${AUDIO_PACKETS} RTP packets each way`,
        seen,
      },
    );
    return {
      text: `They hear each other: RTP packets at the phone ${incoming?.rtp.received}, at the caller ${call.rtp.received}`,
      ms: performance.now() - begun,
    };
  });

  await stage.step('secrets', 'No push token in any INVITE, no token or password in pushwake’s log', async () => {
    const begun = performance.now();
    const invites = mobile.inviteEntries().map((e) => e.text.toLowerCase());
    const leaks = [
      ...(invites.some((t) => /;pn-|app-id=/.test(t)) ? ['pn- parameters in an INVITE'] : []),
      ...(invites.some((t) => scene.tokens.some((token) => t.includes(token))) ? ['a push token in an INVITE'] : []),
      ...(scene.tokens.some((token) => scene.pushwake.output.includes(token)) ? ['a push token in the log'] : []),
      ...(SECRETS.some((secret) => scene.pushwake.output.includes(secret)) ? ['a password in the log'] : []),
    ];
    if (invites.length === 0) throw new NotSeen('an INVITE to look at was expected; seen: none');
    if (leaks.length > 0) throw new NotSeen(`no secret was expected; seen: ${leaks.join(', ')}`);
    return { ms: performance.now() - begun };
  });

  await stage.step('hung-up', 'The caller hung up: the phone heard it, no channel is left', async () => {
    const begun = performance.now();
    if (stage.sabotages('hung-up')) await caller.sleep({ how: 'deaf' });
    else await call.hangup();
    await until(() => incoming?.endedBy === 'them', {
      what: 'BYE at the phone',
      seen: () => `the call is ${incoming?.state}`,
    });
    await noChannelLeft(scene);
    return { ms: performance.now() - begun };
  });
  woken?.stop();
  stopListening();
  await fallAsleep(cast);
  return callId;
}

/** A control: the phone really cannot be reached, or the rest would show nothing. */
async function withoutPushwake(stage: Stage, { scene, caller }: Cast): Promise<void> {
  await stage.step(
    'without-pushwake',
    'Dialled as PJSIP/1001, as without pushwake: the caller is refused',
    async () => {
      if (stage.sabotages('without-pushwake')) await (await scene.phone('1001', { name: 'second' })).register();
      const call = await caller.call('91001');
      const answer = await until(() => call.final, { what: 'a refusal', seen: () => answersOf(call) });
      if (answer.status < 400) throw new NotSeen(`a refusal was expected; seen: ${answer.status} ${answer.reason}`);
      return {
        text: `Dialled as PJSIP/1001, as without pushwake: the caller is refused, ${answer.status} ${answer.reason}`,
        ms: answer.at - call.invitedAt,
        since: 'after the call',
      };
    },
  );
}

function wakeIdentity(stage: Stage, { install }: Cast): Cast['install'] {
  return stage.sabotages('secrets') ? { ...install, params: `${install.params};x-token=${install.voip}` } : install;
}
