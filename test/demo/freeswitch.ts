/**
 * `npm run demo -- --pbx freeswitch`: the short story on a real FreeSWITCH.
 */
import { FREESWITCH_SECRETS, FreeswitchScene, freeswitchUsers } from '../support/freeswitch-scene.ts';
import { Mobile, wakeOver } from '../support/mobile.ts';
import { REALM } from '../support/pbx-scene.ts';
import { ShortStory, sinceCall } from './short-story.ts';

export async function playFreeswitch(): Promise<number> {
  const story = new ShortStory();
  const { print } = story;
  const step: ShortStory['step'] = (...of) => story.step(...of);
  let scene: FreeswitchScene | undefined;
  print.title('pushwake: a sleeping phone rings, on a real FreeSWITCH');
  print.line('Mobile 1001, desk phone 1501, caller 2000; number 51001 rings both together. All on 127.0.0.1.');
  const play = async () => {
    print.part('Getting ready');
    const s = await step('FreeSWITCH runs with pushwake’s dialplan, pushwake is connected', () =>
      FreeswitchScene.start({ users: freeswitchUsers(2) }),
    );
    scene = s;
    print.note(s.freeswitch.version);
    const caller = await s.phone('2000');
    await caller.register();
    const desk = await s.phone('1501');
    await desk.register();
    const mobile = await Mobile.install(s, '1001', { transport: 'tls' });
    await step('Mobile 1001 registered over TLS with push parameters, and is bound for 7 days', () => mobile.bind());
    await step('FreeSWITCH knows that its phone can be woken', () => s.marked(`1001@${REALM}`));
    await mobile.phone.sleep();
    await step('It fell asleep: connection closed, no contact left', async () => {
      while ((await s.contacts(`1001@${REALM}`)).length > 0);
    });

    print.part('A sleeping phone rings');
    let woken = mobile.wakesByPush({ afterMs: 300 });
    const call = await caller.call('1001');
    const callId = await step('The push service got a voip push', () => mobile.callId(), sinceCall(call));
    const ringing = await step(
      'The phone woke up (300 ms, on purpose), registered and rings',
      () => mobile.phone.waitForCall(),
      sinceCall(call),
    );
    if (ringing.headers.get('X-Push-ID') !== callId) throw new Error('its INVITE does not carry the id of the push');
    await step('It answers, the caller is through', async () => {
      await ringing.answer();
      if ((await call.done).status !== 200) throw new Error('the caller was refused');
    });
    await step('They hear each other, hang up, and no channel is left', () => s.talkAndHangUp(call, ringing));
    woken.stop();

    print.part('The caller gives up');
    await mobile.phone.sleep();
    const given = await caller.call('1001');
    const givenId = await mobile.callId(2);
    given.cancel();
    await given.done;
    await wakeOver(s, givenId);
    await step('The phone had not woken yet: a silent push tells it "cancelled"', async () => {
      if (mobile.words(givenId).join() !== 'cancelled')
        throw new Error(`it was told ${mobile.words(givenId).join() || 'nothing'}`);
    });

    print.part('Desk phone and mobile ring together, the desk phone is faster');
    woken = mobile.wakesByPush();
    const both = await caller.call('51001');
    const atDesk = await step('The desk phone rings at once', () => desk.waitForCall(), sinceCall(both));
    const atMobile = await step('The mobile rings, too', () => mobile.phone.waitForCall(5_000, 2), sinceCall(both));
    await atDesk.answer();
    await step('The desk phone answers; the mobile hears "Call completed elsewhere"', async () => {
      await atMobile.waitForState('cancelled');
      if (!atMobile.cancelReasons.join().includes('Call completed elsewhere'))
        throw new Error(atMobile.cancelReasons.join());
    });
    await s.talkAndHangUp(both, atDesk);
    woken.stop();

    print.part('pushwake is killed (SIGKILL)');
    await s.pushwake.stop('SIGKILL');
    const dead = await caller.call('51001');
    const rang = await step(
      'The next call: FreeSWITCH waits 1.5 s at most, then rings by itself',
      () => desk.waitForCall(5_000, 2),
      sinceCall(dead),
    );
    await rang.answer();
    await dead.done;
    await s.talkAndHangUp(dead, rang);

    print.part('And the log');
    await step('No push token and no password in it', async () => {
      for (const secret of [...s.tokens, ...FREESWITCH_SECRETS])
        if (s.pushwake.output.includes(secret)) throw new Error('a secret is in the log');
    });
  };
  return story.play(play, async () => scene?.close());
}
