/** Texts and voice messages for the phone in the browser: a real Chromium, a real Asterisk with its voicemail, a page that is closed. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Aor } from '../../../plugin/core/aor.ts';
import { isLive } from '../../../plugin/core/binding.ts';
import {
  hearMessage,
  leaveMessage,
  MAILBOX_CONF,
  MAILBOX_DIALPLAN,
  MAILBOX_MODULES,
  notifies,
} from '../../support/asterisk/mailbox.ts';
import { REALM, shipped } from '../../support/scene.ts';
import type { SipPhone } from '../../support/sip-phone/index.ts';
import { keepsText, WITH_TEXTS } from '../../support/texting.ts';
import { BrowserPhone, PhoneScene, PUSH_TOKEN, waitUntil } from './phone-scene.ts';

let s: PhoneScene;
let sender: SipPhone;
let phone: BrowserPhone;

/** Its page is closed, and Asterisk has seen that: until then a text goes there. */
async function sleeps(): Promise<void> {
  await phone.closePage();
  await waitUntil(async () => (await s.scene.contacts('1001')).length === 0, 'the end of its contact');
}

beforeAll(async () => {
  s = await PhoneScene.start(['1001'], {
    messages: {
      extensions: WITH_TEXTS + MAILBOX_DIALPLAN,
      modules: MAILBOX_MODULES,
      policy: '  voicemail: all',
      extra: { ...MAILBOX_CONF, 'pushwake-messages.conf': readFileSync(shipped('pushwake-messages.conf'), 'utf8') },
      endpointLines: ['message_context=messages', 'mailboxes=1001@default'],
      yaml: 'messages: { wake: true }\n',
    },
  });
  sender = await s.scene.phone('2000');
  await sender.register();
  phone = await BrowserPhone.open(s);
  await phone.logIn('1001');
  await s.scene.stored.waitFor(`1001@${REALM}` as Aor, 'bound', (r) => r.bindings.some(isLive));
  await sleeps();
});
afterAll(async () => {
  await phone?.close();
  await s?.close();
});

it('a text for a closed page: a notification, and the page that opens shows it', async () => {
  await keepsText(s.scene, sender, '1001', 'ananas <b>&amp;</b>');
  expect(await phone.deliver()).toEqual(['message']);
  await phone.tap('New message');
  await phone.page?.getByText('ananas <b>&amp;</b>').waitFor();
});

it('… and one for a page that is open comes at once, and is kept when the page is opened anew', async () => {
  await keepsText(s.scene, sender, '1001', 'papaya');
  await phone.page?.getByText('papaya').waitFor();
  await phone.closePage();
  const page = await phone.openPage();
  await page.getByText('papaya').waitFor();
  expect(await page.getByText('papaya').count()).toBe(1);
  await page.getByText('Ready.').waitFor();
  await sleeps();
});

it('a voice message for a closed page: a notification, which goes when it is heard elsewhere', async () => {
  await notifies(s.scene.asterisk, shipped('pushwake-voicemail'), {
    url: `http://127.0.0.1:${s.adminPort}`,
    token: PUSH_TOKEN,
    realm: REALM,
  });
  await leaveMessage(sender);
  expect(await phone.deliver(2)).toEqual(['refresh', 'voicemail']);
  await phone.waitForNotification('New voice message');
  await hearMessage(s.scene.asterisk);
  expect(await phone.deliver()).toEqual(['voicemail']);
  await expect
    .poll(async () => (await phone.notifications()).map((n) => n.title), { timeout: 10_000 })
    .not.toContain('New voice message');
});
