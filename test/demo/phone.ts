/**
 * `npm run demo -- --phone`: the phone in the browser, on a real Asterisk. A Chromium plays the user; with `--keep` nobody does, and the address stands there for a
 * person's own browser on this machine, with the push service that it has.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { BrowserPhone, PhoneScene } from '../phone/real/phone-scene.ts';
import type { OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';
import { ShortStory, sinceCall } from './short-story.ts';

const PASSWORD = Buffer.from('secret-1001').toString('base64url');

export async function playPhone(keep: boolean): Promise<number> {
  const story = new ShortStory();
  const { print } = story;
  const step: ShortStory['step'] = (...of) => story.step(...of);
  let scene: PhoneScene | undefined;
  let browser: BrowserPhone | undefined;

  print.title('pushwake: a phone in the browser, asleep and woken, on a real Asterisk');
  print.line(
    'The browser is 1001, the caller 2000. All on this machine; the first time some minutes more, for Asterisk and Chromium.',
  );

  const play = async () => {
    print.part('Getting ready');
    const s = await step('Asterisk speaks WebRTC, pushwake has the page and a VAPID key', () =>
      PhoneScene.start(['1001'], { realPush: keep }),
    );
    scene = s;
    const caller = await s.scene.phone('2000');
    await caller.register();
    if (keep) return waitForPerson(s, caller);

    const phone = await BrowserPhone.open(s);
    browser = phone;
    await step('a browser opens the link that `pushwake phone 1001` prints, and is ready', () => phone.logIn('1001'));
    await step('its page is closed: Asterisk holds no contact', async () => {
      await phone.closePage();
      while ((await s.scene.contacts('1001')).length > 0) await new Promise((done) => setTimeout(done, 50));
    });

    print.part('2000 calls 1001');
    const call: OutgoingCall = await caller.call('1001');
    const inCall = sinceCall({ invitedAt: performance.now() });
    await step('the push, encrypted, is at the browser’s push service', () => s.pushed(phone, 1), inCall);
    await step(
      'the service worker shows the call: Answer, Decline',
      async () => {
        await phone.deliver();
        await phone.waitForNotification('Incoming call');
      },
      inCall,
    );
    await step(
      'Answer: the page opens, registers, and takes the call',
      async () => {
        await phone.tap('Incoming call', 'answer');
        await call.done;
      },
      inCall,
    );
    await step('both hear each other', async () => {
      await call.waitForRtp(50);
      const [here, there] = [await phone.hears(), call.heardTone()];
      if (here < 950 || here > 1_050 || there < 400 || there > 480)
        throw new Error(`the page hears ${here} Hz, the caller ${Math.round(there)} Hz`);
    });
    await step('the page hangs up, and the caller is told', async () => {
      await phone.page?.getByRole('button', { name: 'Hang up' }).click();
      await call.waitForState('ended');
    });
  };

  const waitForPerson = async (s: PhoneScene, caller: SipPhone) => {
    const { code } = await s.link('1001');
    print.part('Yours');
    print.line(`  Open within ten minutes, in a browser on this machine:  ${s.origin}/phone/#${code}.${PASSWORD}`);
    print.line(
      '  Allow notifications and microphone, and close the page. Its push service must be reachable from here.',
    );
    print.line('  Enter: 2000 calls 1001, for half a minute. Ctrl-C ends.');
    const lines = createInterface({ input: process.stdin });
    lines.on('line', () => void caller.call('1001').then((call) => call.done));
    await Promise.race([once(process, 'SIGINT'), once(lines, 'close')]);
    lines.close();
  };

  return story.play(play, async () => {
    await browser?.close();
    await scene?.close();
  });
}
