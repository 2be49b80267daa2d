/** What the people do in one call of the table, and what is seen of the channels meanwhile. */
import { setTimeout as delay } from 'node:timers/promises';
import type { FreeswitchScene } from '../../support/freeswitch-scene.ts';
import type { IncomingCall, OutgoingCall, SipPhone } from '../../support/sip-phone/index.ts';
import type { People } from './bench.ts';
import type { Act } from './cases.ts';
import { normal } from './normal.ts';

type Talk = OutgoingCall | IncomingCall;

export interface Play {
  readonly call: OutgoingCall;
  /** `p` or `t`: the end of the numbers that are of this way of calling. */
  readonly letter: string;
  readonly rung: (p: SipPhone) => Promise<IncomingCall>;
  readonly newAt: (p: SipPhone) => readonly IncomingCall[];
  readonly seen: Record<string, string>;
}

export async function play(
  scene: FreeswitchScene,
  people: People,
  phone: SipPhone,
  act: Act,
  { call, letter, rung, newAt, seen }: Play,
): Promise<void> {
  const { desk, third } = people;
  const { freeswitch } = scene;
  switch (act) {
    case 'nobody':
      await call.done;
      await delay(300);
      seen['calls at the phone'] = String(newAt(phone).length);
      return;
    case 'caller-cancels':
      await rung(phone);
      await delay(60);
      call.cancel();
      return;
    case 'declines':
    case 'busy':
    case 'rings-out':
    case 'unavailable':
    case 'not-found':
    case 'error':
      await rung(phone);
      await Promise.race([call.done, delay(3_500)]);
      return;
    case 'declines-ringing': {
      // Both ring: otherwise the caller hears the desk phone's 180 or not, as it happens.
      const [one] = await Promise.all([rung(phone), rung(desk)]);
      await call.waitForState('ringing');
      one.reject(603);
      await Promise.race([call.done, delay(3_500)]);
      return;
    }
    case 'desk-answers':
      await Promise.all([rung(phone), rung(desk)]);
      await delay(60);
      await (newAt(desk)[0] as IncomingCall).answer();
      await talk(scene, call, newAt(desk)[0] as IncomingCall, seen);
      return;
    case 'third-answers':
      await rung(third);
      await call.waitForState('answered');
      await talk(scene, call, newAt(third)[0] as IncomingCall, seen);
      return;
    case 'caller-leaves':
      // Answered by the queue.
      await rung(phone);
      await delay(60);
      await call.hangup();
      await delay(300);
      return;
    case 'picked-up':
    case 'picked-up-group': {
      await rung(phone);
      await delay(60);
      const other = await third.call(`${act === 'picked-up' ? 'take' : 'pick'}${letter}`);
      await Promise.all([call.waitForState('answered'), other.waitForState('answered')]);
      await talk(scene, call, other, seen);
      return;
    }
    case 'early-media': {
      const one = await rung(phone);
      await one.progress();
      await delay(400);
      seen['hears early media'] = String(call.rtp.received > 5);
      await one.answer();
      await call.waitForState('answered', 8_000);
      await talk(scene, call, one, seen);
      return;
    }
    default:
  }
  const one = await rung(phone);
  await delay(60);
  if (act === 'hears-ringback') {
    await delay(500);
    seen['hears ringback'] = String(call.rtp.received > 5);
  }
  await one.answer();
  if (act === 'keys') {
    await delay(500);
    seen['before the key'] = call.state;
    await one.request('INFO', [['Content-Type', 'application/dtmf-relay']], 'Signal=5\r\nDuration=160\r\n');
  }
  await call.waitForState('answered', 8_000);
  await talk(scene, call, one, seen);
  const place = `<sip:3000@127.0.0.1:${freeswitch.ports.udp}>`;
  switch (act) {
    case 'callee-hangs-up':
      await one.hangup();
      await Promise.race([call.waitForState('ended'), delay(2_000)]);
      return;
    case 'phone-refers':
    case 'caller-refers': {
      await (act === 'phone-refers' ? one : call).refer(place);
      const target = await rung(third);
      await target.waitForState('answered');
      await delay(300);
      seen['channels after the transfer'] = await channels(scene);
      await target.hangup();
      return;
    }
    case 'holds':
    case 'caller-holds': {
      const side = act === 'holds' ? one : call;
      seen['answer to the hold'] = String((await side.hold(true)).status);
      await delay(300);
      seen['channels on hold'] = await channels(scene);
      seen['answer to the end of the hold'] = String((await side.hold(false)).status);
      await delay(300);
      const had = [call, one].map(({ rtp }) => rtp.received);
      await delay(300);
      seen['audio after the hold'] = [call, one].map(({ rtp }, i) => rtp.received > (had[i] ?? 0) + 2).join(' ');
      return;
    }
    case 'parks':
    case 'caller-parks': {
      const [parker, parked] = act === 'parks' ? [one, call] : [call, one];
      await parker.refer(`<sip:park${letter}@127.0.0.1:${freeswitch.ports.udp}>`);
      await delay(500);
      seen['channels while parked'] = await channels(scene);
      const other = await third.call(`park${letter}`);
      await other.waitForState('answered');
      const had = parked.rtp.received;
      await delay(300);
      seen['audio after the park'] = `${parked.rtp.received > had + 2} ${other.rtp.received > 2}`;
      seen['channels after the park'] = await channels(scene);
      return;
    }
    case 'attended': {
      const second = await phone.call('3000');
      await second.waitForState('answered');
      await delay(200);
      const id = second.dialogId as { callId: string; localTag: string; remoteTag: string };
      const replaces = encodeURIComponent(`${id.callId};to-tag=${id.remoteTag};from-tag=${id.localTag}`);
      await one.refer(`<sip:3000@127.0.0.1:${freeswitch.ports.udp}?Replaces=${replaces}>`);
      await delay(400);
      seen['channels after the transfer'] = await channels(scene);
      return;
    }
    default:
  }
}

/**
 * A call that FreeSWITCH places itself, on a command: `click-first` rings the phone and then somebody else, `clicked` the caller's own
 * phone and then the phone.
 */
export async function playClicked(
  scene: FreeswitchScene,
  people: People,
  phone: SipPhone,
  act: Act,
  { rung, seen }: Pick<Play, 'rung' | 'seen'>,
): Promise<void> {
  const first = await rung(act === 'clicked' ? people.caller : phone);
  await delay(60);
  await first.answer();
  const second = await rung(act === 'clicked' ? phone : people.third);
  await delay(60);
  if (second.state === 'ringing') await second.answer();
  await talk(scene, first, second, seen);
}

async function talk(scene: FreeswitchScene, call: Talk, one: Talk, seen: Record<string, string>) {
  await Promise.all([call.waitForRtp(3, 2_000), one.waitForRtp(3, 2_000)]).catch(() => undefined);
  seen.audio = `${call.rtp.received > 2} ${one.rtp.received > 2}`;
  await delay(100);
  seen['channels in the talk'] = await channels(scene);
}

export async function channels(scene: FreeswitchScene): Promise<string> {
  const now = () => rows(scene);
  let last = await now();
  // FreeSWITCH lists what a channel does a moment after it does it: `show channels` reads a database that a queue writes. A caller who was
  // answered before stands there as RING_WAIT until then.
  for (let i = 0; i < 50 && /DOWN|RINGING|RING_WAIT|EARLY/.test(last); i++) {
    await delay(40);
    last = await now();
  }
  return last;
}

async function rows(scene: FreeswitchScene): Promise<string> {
  const text = await scene.freeswitch.cli('show channels as json');
  const { rows: all = [] } = JSON.parse(text) as { rows?: readonly { name: string; callstate: string }[] };
  return all
    .map(({ name, callstate }) => `${normal(name)} ${callstate}`)
    .sort()
    .join('; ');
}
