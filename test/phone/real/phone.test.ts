/** The phone in the browser: a real Chromium, a real Asterisk, a closed page that a call wakes. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Aor } from '../../../plugin/core/aor.ts';
import { isLive } from '../../../plugin/core/binding.ts';
import { AXE, serious } from '../../support/chromium/axe.ts';
import type { OutgoingCall, SipPhone } from '../../support/sip-phone/index.ts';
import { selfSignedCertificate } from '../../support/tls.ts';
import { headers, sdp } from '../../transparency/normal.ts';
import { BrowserPhone, PhoneScene, waitUntil } from './phone-scene.ts';

let s: PhoneScene;
let caller: SipPhone;
let second: SipPhone;
const open: BrowserPhone[] = [];

/** Of a certificate that nobody vouches for. */
let selfSigned: Server;
let selfSignedWss: string;

beforeAll(async () => {
  selfSigned = createServer(selfSignedCertificate()).listen(0, '127.0.0.1');
  await once(selfSigned, 'listening');
  selfSignedWss = `wss://localhost:${(selfSigned.address() as AddressInfo).port}/ws`;
  s = await PhoneScene.start(
    Array.from({ length: 40 }, (_, i) => String(1000 + i)),
    { moreWss: [selfSignedWss] },
  );
  [caller, second] = await Promise.all([s.scene.phone('2000'), s.scene.phone('2001')]);
  await Promise.all([caller.register(), second.register()]);
});
afterAll(async () => {
  await s?.close();
  selfSigned?.close();
});
afterEach(async () => {
  for (const phone of open.splice(0)) await phone.close();
  await s.scene.asterisk.waitForNoChannels();
});

async function browser(o?: Parameters<typeof BrowserPhone.open>[1]): Promise<BrowserPhone> {
  const phone = await BrowserPhone.open(s, o);
  open.push(phone);
  return phone;
}

/** Logged in, and its page closed. */
async function asleep(account: string): Promise<BrowserPhone> {
  const phone = await browser();
  await phone.logIn(account);
  await s.scene.stored.waitFor(`${account}@example.com` as Aor, 'bound', (r) => r.bindings.some(isLive));
  await phone.closePage();
  return phone;
}

async function bothHear(phone: BrowserPhone, call: OutgoingCall): Promise<void> {
  await call.waitForRtp(50);
  expect(await phone.hears(), 'the tone of the phone, in the page').toBeCloseTo(1000, -2);
  expect(call.heardTone(), 'the tone of the page, at the phone').toBeCloseTo(440, -2);
}

const answer = (phone: BrowserPhone) => phone.page?.getByRole('button', { name: 'Answer' });

describe('a call', () => {
  it('to a page that is open: it rings, both hear each other, the caller hangs up', async () => {
    const phone = await browser();
    const page = await phone.logIn('1011');
    const call = await caller.call('1011');
    await answer(phone)?.click();
    expect((await call.done).status).toBe(200);
    await page.getByText('In a call').waitFor();
    await bothHear(phone, call);
    await call.hangup();
    await page.getByText('In a call').waitFor({ state: 'detached' });
    expect(phone.complaints).toEqual([]);
  });

  it('to a page that is closed: push, notification, answer, talk, hang up; one binding', async () => {
    const phone = await asleep('1012');
    const call = await caller.call('1012');
    expect(await phone.deliver()).toEqual(['call']);
    await phone.waitForNotification('Incoming call');
    await phone.tap('Incoming call', 'answer');
    expect((await call.done).status).toBe(200);
    await bothHear(phone, call);
    await phone.page?.getByRole('button', { name: 'Hang up' }).click();
    await call.waitForState('ended');
    await waitUntil(async () => (await phone.notifications()).length === 0, 'no notification');
    expect(phone.complaints).toEqual([]);
    expect(s.scene.stored.get('1012@example.com' as never)?.bindings).toHaveLength(1);
  });

  it('is declined by the notification: the page opens, declines, and the caller hears that it is busy', async () => {
    const phone = await asleep('1013');
    const call = await caller.call('1013');
    await phone.deliver();
    await phone.tap('Incoming call', 'decline');
    expect((await call.done).status).toBe(486);
  });

  it('cancelled before the phone woke: the notification becomes a missed call', async () => {
    const phone = await asleep('1014');
    const call = await caller.call('1014');
    await phone.deliver();
    await phone.waitForNotification('Incoming call');
    await call.cancel();
    expect(await phone.deliver()).toContain('cancel');
    await phone.waitForNotification('Missed call');
    expect((await phone.notifications()).map((n) => n.title)).not.toContain('Incoming call');
    const page = await phone.openPage();
    await page.getByTitle('Missed call').waitFor();
  });

  it('cancelled after it woke: the page stops ringing and lists it', async () => {
    const phone = await asleep('1015');
    const call = await caller.call('1015');
    await phone.deliver();
    await phone.tap('Incoming call');
    await answer(phone)?.waitFor();
    await call.cancel();
    await answer(phone)?.waitFor({ state: 'detached' });
    await phone.page?.getByTitle('Missed call').waitFor();
  });

  it('late: the push is brought when the call is over, and nothing rings', async () => {
    const phone = await asleep('1016');
    const call = await caller.call('1016');
    await s.pushed(phone, 1);
    await call.cancel();
    await s.pushed(phone, 2);
    expect((await phone.deliver(2)).slice(0, 2)).toEqual(['call', 'cancel']);
    await phone.waitForNotification('Missed call');
    expect((await phone.notifications()).map((n) => n.title)).not.toContain('Incoming call');
    await phone.openPage('#answer=00000000');
    await phone.page?.getByText('Fetching the call').waitFor();
  });

  it('to two browsers of one account: both are woken, one answers, the other reads where', async () => {
    const [a, b] = [await asleep('1017'), await asleep('1017')];
    const call = await caller.call('1017');
    await Promise.all([a.deliver(), b.deliver()]);
    await Promise.all([a.waitForNotification('Incoming call'), b.waitForNotification('Incoming call')]);
    await a.tap('Incoming call', 'answer');
    expect((await call.done).status).toBe(200);
    await b.deliver();
    await b.waitForNotification('Answered on another device');
    expect((await b.notifications()).map((n) => n.title)).not.toContain('Incoming call');
    await call.hangup();
  });

  it('while another one is going on: it rings beside, answering it holds the first', async () => {
    const phone = await browser();
    const page = await phone.logIn('1018');
    const first = await caller.call('1018');
    await answer(phone)?.click();
    expect((await first.done).status).toBe(200);
    const other = await second.call('1018');
    await answer(phone)?.click();
    expect((await other.done).status).toBe(200);
    await page.getByText('On hold').waitFor();
    await other.hangup();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByText('On hold').waitFor({ state: 'detached' });
    await first.hangup();
  });

  it('of the page, which is reloaded: the other side is not left alone, and the phone is there again', async () => {
    const phone = await browser();
    const page = await phone.logIn('1019');
    const call = await caller.call('1019');
    await answer(phone)?.click();
    expect((await call.done).status).toBe(200);
    await page.reload();
    // By its BYE; where the browser drops that with the page, by the time without sound (60 s in our snippet, 5 here).
    await call.waitForState('ended', 20_000);
    await page.getByText('Ready.').waitFor();
  });

  it('to the page is the call without pushwake, but for its X-Push-ID and the token in its To', async () => {
    const phone = await browser();
    await phone.logIn('1027');
    for (const number of ['91027', '1027']) {
      const call = await caller.call(number);
      await answer(phone)?.waitFor();
      await call.cancel();
      await answer(phone)?.waitFor({ state: 'detached' });
    }
    const [plain, through] = phone.invites.map((invite) => {
      const [head = '', body = ''] = invite.split('\r\n\r\n');
      const lines = head.split('\r\n').slice(1);
      const named = lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const);
      const all = headers('INVITE', named);
      // docs/limits.md: Request-URI and To are without push parameters.
      return { ...all, 'INVITE: To': all['INVITE: To']?.replace(/;pn-[^>]*/, ''), sdp: sdp(body) };
    });
    expect(phone.invites).toHaveLength(2);
    expect(through).toEqual({ ...plain, 'INVITE: X-Push-ID': expect.stringMatching(/^<call>$/) });
    expect(plain?.sdp).toMatch(/UDP\/TLS\/RTP\/SAVPF/);
  });

  it('from the page to a phone', async () => {
    const phone = await browser();
    const page = await phone.logIn('1020');
    await page.getByLabel('Number').fill('2000');
    await page.getByRole('button', { name: 'Call', exact: true }).click();
    const rung = await caller.waitForCall();
    await rung.answer();
    await page.getByText('In a call').waitFor();
    await rung.waitForRtp(50);
    await page.getByRole('button', { name: 'Hang up' }).click();
    await rung.waitForState('ended');
  });
});

describe('a closed page', () => {
  it('registers when it is asked to, and says so quietly', async () => {
    const phone = await asleep('1021');
    const from = s.scene.pushwake.log.length;
    await phone.inject({
      type: 'refresh',
      aor: '1021@example.com',
      sentAt: Date.now(),
      expiresAt: Date.now() + 60_000,
    });
    await s.scene.pushwake.waitForLog((l) => l.aor === '1021@example.com' && l.msg === 'binding renewed', {
      from,
      what: 'a renewal',
    });
    await phone.waitForNotification('Still reachable for calls');
    expect((await phone.shown()).map((n) => n.body)).toEqual(['Still reachable for calls']);
  });
});

describe('what is wrong is said in words', () => {
  it('the telephone system is away, and is there again', async () => {
    const phone = await browser();
    const page = await phone.logIn('1022');
    await s.scene.asterisk.kill();
    await page.getByText('No connection to the telephone system').waitFor();
    await s.scene.asterisk.restart();
    await page.getByText('Ready.').waitFor({ timeout: 30_000 });
    await Promise.all([caller.register(), second.register()]);
  });

  it('the microphone is refused', async () => {
    const phone = await browser();
    const page = await phone.logIn('1023');
    await page.evaluate(
      "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'))",
    );
    await page.getByLabel('Number').fill('2000');
    await page.getByRole('button', { name: 'Call', exact: true }).click();
    await page.getByText('The microphone is not allowed').waitFor();
  });

  it('the certificate of the telephone system is wrong', async () => {
    const { code } = await s.link('1034', selfSignedWss);
    const phone = await browser();
    const page = await phone.openPage(`#${code}.${Buffer.from('secret-1034').toString('base64url')}`);
    await page.getByText('its certificate is not valid for this address').waitFor();
  });

  it('the push service of the browser does not answer: it rings while the page is open, and the page is there at once', async () => {
    const { code } = await s.link('1028');
    const phone = await browser();
    await phone.context.addInitScript('PushManager.prototype.subscribe = () => new Promise(() => undefined)');
    const page = await phone.openPage(`#${code}.${Buffer.from('secret-1028').toString('base64url')}`);
    await page.getByText('Registering').waitFor({ timeout: 5_000 });
    await page.getByText('Ready while this page is open').waitFor({ timeout: 20_000 });
    const call = await caller.call('1028');
    await answer(phone)?.waitFor();
    await call.cancel();
  });

  it('the link was used', async () => {
    const { code } = await s.link('1024');
    for (const [n, text] of [
      ['1', 'Ready.'],
      ['2', 'This link was used'],
    ] as const) {
      const phone = await browser();
      const page = await phone.openPage(`#${code}.${Buffer.from('secret-1024').toString('base64url')}`);
      await page.getByText(text).waitFor({ timeout: 10_000 });
      expect(n).toBeDefined();
    }
  });

  it('the password is wrong', async () => {
    const { code } = await s.link('1025');
    const phone = await browser();
    const page = await phone.openPage(`#${code}`);
    await page.getByLabel('SIP password').fill('wrong');
    await page.getByRole('button', { name: 'Turn this phone on' }).click();
    await page.getByText('refused the login').waitFor();
    await page.getByLabel('SIP password').fill('secret-1025');
    await page.getByRole('button', { name: 'Turn this phone on' }).click();
    await page.getByText('Ready.').waitFor();
    expect(await page.getByLabel('SIP password').isVisible()).toBe(false);
  });
});

describe.each([
  ['light', '1031'],
  ['dark', '1032'],
] as const)('accessible, %s, 360 px', (colorScheme, account) => {
  it('welcome, ready, ringing, talking', async () => {
    const phone = await browser();
    const { page } = { page: await phone.openPage() };
    await page.emulateMedia({ colorScheme });
    const check = async (what: string) => {
      await page.evaluate(AXE);
      expect(await serious(page), what).toEqual([]);
      expect(await page.evaluate<number>('document.documentElement.scrollWidth'), what).toBeLessThanOrEqual(360);
    };
    await check('welcome');
    await page.close();
    const ready = await phone.logIn(account);
    await ready.emulateMedia({ colorScheme });
    await ready.evaluate(AXE);
    expect(await serious(ready), 'ready').toEqual([]);
    const call = await caller.call(account);
    await answer(phone)?.waitFor();
    expect(await serious(ready), 'ringing').toEqual([]);
    await answer(phone)?.click();
    expect((await call.done).status).toBe(200);
    await ready.getByRole('button', { name: 'Keypad' }).click();
    expect(await serious(ready), 'talking').toEqual([]);
    await call.hangup();
  });
});
