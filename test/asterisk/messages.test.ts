/**
 * A SIP MESSAGE gets what it would get without pushwake: in every mode, while pushwake runs, after it was stopped or killed, and on an
 * Asterisk that an earlier version had subscribed to. Each time registrations are still heard at once.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import {
  hearMessage,
  leaveMessage,
  MAILBOX_CONF,
  MAILBOX_DIALPLAN,
  MAILBOX_MODULES,
  notifies,
} from '../support/asterisk/mailbox.ts';
import { Mobile } from '../support/mobile.ts';
import { freeUdpPort, REALM, Scene, shipped } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';
import { besideCalls, comesBack, gets, keepsText, messagePushes, textsOf, WITH_TEXTS } from '../support/texting.ts';

/** Whom the text is for, and what Asterisk says to it by itself. */
const TEXTS = [
  ['nobody', 404],
  ['1001', 202],
] as const;

let scene: Scene;
let sender: SipPhone;
let mobiles = 0;

beforeAll(async () => {
  scene = await Scene.start({ name: 'messages', withoutPushwake: true });
  sender = await scene.phone('2000');
  await sender.register();
});
afterAll(async () => {
  // A test that failed may have left it frozen, and a frozen process hears no SIGTERM.
  scene?.pushwake.thaw();
  await scene?.close();
});

async function answers(): Promise<Record<string, number>> {
  const all: Record<string, number> = {};
  for (const [to] of TEXTS) all[to] = await sender.text(to, 'hello');
  return all;
}

const WITHOUT = Object.fromEntries(TEXTS);

/** Without HEP: only Asterisk's own event says so before the next sweep. */
async function aNewPhoneIsBound(): Promise<void> {
  mobiles++;
  const phone = await scene.phone(mobiles % 2 ? '1001' : '1003');
  await scene.bind(phone, scene.install());
}

/** Applications as Asterisk knows them, by name: what they are subscribed to. */
async function subscriptions(): Promise<Record<string, { endpoint_ids: string[]; bridge_ids: string[] }>> {
  const { url, user, password } = scene.asterisk.ari;
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const all = (await (await fetch(`${url}/ari/applications`, { headers: { authorization } })).json()) as {
    name: string;
    endpoint_ids: string[];
    bridge_ids: string[];
  }[];
  return Object.fromEntries(all.map((app) => [app.name, app]));
}

/** What pushwake did until 0.1.0, `times` over: each connection made the subscription once more, and none was ever taken back. */
async function asEarlierVersions(times: number): Promise<void> {
  const { url, user, password } = scene.asterisk.ari;
  const ws = new WebSocket(`${url.replace('http', 'ws')}/ari/events?app=pushwake&api_key=${user}:${password}`);
  await new Promise((open) => ws.once('open', open));
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  for (let i = 0; i < times; i++) {
    const path = `${url}/ari/applications/pushwake/subscription?eventSource=endpoint:PJSIP`;
    expect((await fetch(path, { method: 'POST', headers: { authorization } })).status).toBe(200);
  }
  const gone = new Promise((closed) => ws.once('close', closed));
  ws.terminate();
  await gone;
}

describe('a text gets the same answer', () => {
  it('without pushwake: the control', async () => {
    expect(await answers()).toEqual(WITHOUT);
  });

  it('an endpoint subscription takes it: the test can fail', async () => {
    await asEarlierVersions(3);
    expect(await answers()).toEqual({ ...WITHOUT, nobody: 202 });
  });

  it.each(['full', 'observe'])('mode %s: running, stopped, running again, killed', async (mode) => {
    scene.pushwake.configure(scene.yaml({ mode }));
    await scene.startPushwake();
    expect(await answers(), 'running').toEqual(WITHOUT);
    if (mode === 'full') await aNewPhoneIsBound();
    await scene.pushwake.stop();
    expect(await answers(), 'stopped').toEqual(WITHOUT);
    await scene.startPushwake();
    expect(await answers(), 'running again').toEqual(WITHOUT);
    await aNewPhoneIsBound();
    await scene.pushwake.stop('SIGKILL');
    expect(await answers(), 'killed').toEqual(WITHOUT);
  });

  it('frozen, and when Asterisk was started anew', async () => {
    scene.pushwake.configure(scene.yaml());
    await scene.startPushwake();
    scene.pushwake.freeze();
    expect(await answers(), 'frozen').toEqual(WITHOUT);
    scene.pushwake.thaw();
    const from = scene.pushwake.log.length;
    await scene.asterisk.restart();
    await scene.waitForLog('pbx link up', from, 20_000);
    await sender.register();
    expect(await answers(), 'after the restart').toEqual(WITHOUT);
    await aNewPhoneIsBound();
    expect((await subscriptions())['pushwake-contacts']).toMatchObject({
      endpoint_ids: [],
      bridge_ids: ['pushwake-contacts'],
    });
  });

  it('a websocket that drops again and again: contacts are heard once each', async () => {
    for (let i = 0; i < 3; i++) {
      await scene.pushwake.stop('SIGKILL');
      await scene.startPushwake();
    }
    const from = scene.pushwake.log.length;
    await aNewPhoneIsBound();
    expect(
      scene.pushwake.log
        .slice(from)
        .filter((l) => /^binding (bound|renewed)/.test(l.msg))
        .map((l) => l.msg),
    ).toEqual(['binding bound']);
    expect(await answers()).toEqual(WITHOUT);
    const log = scene.pushwake.log.map((l) => l.msg);
    expect(log).not.toContain('texts that nobody takes are not refused');
  });
});

/** As an administrator writes it: one line of ours before what he had. */
const PUSH_TOKEN = 'voicemail-token-of-24-characters';
const wake = (adminPort: number) => `messages: { wake: true }
http:
  admin: { listen: "127.0.0.1:${adminPort}", tokens: [{ name: voicemail, role: push, token: ${PUSH_TOKEN} }] }
`;

describe('texts that wake, with HEP', () => {
  let site: Scene;
  let from: SipPhone;
  let mobile: Mobile;
  let adminPort: number;
  beforeAll(async () => {
    adminPort = await freeUdpPort();
    site = await Scene.start({
      name: 'texts',
      hep: true,
      withoutPushwake: true,
      extensions: WITH_TEXTS + MAILBOX_DIALPLAN,
      modules: MAILBOX_MODULES,
      policy: '  voicemail: all',
      extra: {
        ...MAILBOX_CONF,
        'pushwake-messages.conf': readFileSync(shipped('pushwake-messages.conf'), 'utf8'),
      },
      users: ['1001', '1002', '2000'].map((id) => ({
        id,
        endpointLines: ['message_context=messages', ...(id === '1001' ? ['mailboxes=1001@default'] : [])],
      })),
    });
    site.pushwake.configure(site.yaml({ more: wake(adminPort) }));
    await site.startPushwake();
    from = await site.phone('2000');
    await from.register();
    mobile = await Mobile.asleep(site, '1001');
  });
  afterAll(() => site?.close());

  const kept = (body: string) => keepsText(site, from, '1001', body);
  const pushes = () => messagePushes(site, mobile);

  it('a sleeping phone is pushed, and gets them once, in order, as they were sent', async () => {
    const first = 'Hello, "you"; ${EXTEN} 100 % | žluť 🙂\r\nsecond line';
    await kept(first);
    await kept('ananas');
    await expect.poll(pushes, { timeout: 10_000 }).toHaveLength(1);
    await comesBack(mobile);
    expect(await gets(mobile.phone, 2)).toEqual([first, 'ananas']);
    const [message] = mobile.phone.log.find(/^MESSAGE /);
    expect(message?.text).toMatch(/\r\nFrom: <sip:2000@127\.0\.0\.1>/);
    expect(message?.text).toMatch(/\r\nContent-Type: text\/plain\r\n/);
    expect(message?.text).toMatch(/\r\nX-Pushwake-Text-ID: [0-9a-f]{32}\r\n/);
    // It is awake: at once, and without a push.
    await kept('papaya');
    expect(await gets(mobile.phone, 3)).toEqual([first, 'ananas', 'papaya']);
    expect(pushes()).toHaveLength(1);
  });

  it('what they say is in no log of Asterisk, nor of pushwake', async () => {
    const logs = site.asterisk.logText() + site.pushwake.log.map((l) => JSON.stringify(l)).join('\n');
    expect(logs).toContain('pushwake-text');
    expect(logs).not.toMatch(/ananas|papaya|Hello/);
  });

  it('killed and started again, Asterisk too: none is lost, none comes twice', async () => {
    await mobile.phone.sleep();
    await kept('fourth');
    await site.pushwake.stop('SIGKILL');
    await site.asterisk.restart();
    await site.startPushwake();
    await comesBack(mobile);
    await from.register();
    expect((await gets(mobile.phone, 4)).slice(3)).toEqual(['fourth']);
    await kept('fifth');
    expect((await gets(mobile.phone, 5)).slice(4)).toEqual(['fifth']);
  });

  it('a text that Asterisk cannot carry, and one for an account without a phone of ours, go the plain way', async () => {
    const desk = await site.phone('1002');
    await desk.register();
    expect(await from.text('1002', 'for the desk')).toBe(202);
    expect(await gets(desk, 1)).toEqual(['for the desk']);
    expect(await from.text('1001', 'x'.repeat(5_000))).toBe(202);
    expect((await gets(mobile.phone, 6)).slice(5)).toEqual(['']);
    expect(await from.text('5555', 'nobody')).toBe(404);
  });

  /** What strangers send, and how Asterisk answers it by itself; `none`: it answers nothing. */
  const HOSTILE: readonly (readonly [what: string, body: string, contentType: string])[] = [
    ['1 MB', 'x'.repeat(1024 * 1024), 'text/plain'],
    ['NULs', '\u0000'.repeat(500), 'text/plain'],
    ['a Content-Type of 8 kB', 'x', `text/plain;x="${'y'.repeat(8_000)}"`],
    ['a Content-Type that is dialplan', 'x', 'text/plain;x="${EXTEN}|,)(&"'],
    ['a Content-Type that is none', 'x', 'nonsense'],
    ['a folded Content-Type', 'x', 'text/plain\r\n X-Evil: 1'],
    ['no text', 'x', 'application/x-evil'],
  ];
  const answersToHostile = async () => {
    const all: Record<string, number | 'none'> = {};
    for (const [what, body, contentType] of HOSTILE) {
      const stranger = await site.phone('2000', { name: what, transport: 'tcp' });
      await stranger.register();
      all[what] = await stranger.text('1001', body, { contentType, withinMs: 700 }).catch(() => 'none' as const);
      await stranger.close();
    }
    return all;
  };
  let toHostile: Record<string, number | 'none'>;

  it('hostile texts get an answer, and disturb neither texts nor calls', async () => {
    toHostile = await answersToHostile();
    process.stdout.write(`hostile texts: ${JSON.stringify(toHostile)}\n`);
    await mobile.phone.sleep();
    const { length } = textsOf(mobile.phone);
    await kept('after the hostile ones');
    const call = await from.call('1001');
    await mobile.callPush(mobile.callPushes.length + 1);
    call.cancel();
    await call.done;
    await comesBack(mobile);
    await mobile.phone.waitFor(() => textsOf(mobile.phone).includes('after the hostile ones'), 10_000, 'the text');
    expect(
      textsOf(mobile.phone)
        .slice(length)
        .filter((x) => x === 'after the hostile ones'),
    ).toHaveLength(1);
    expect(site.pushwake.log.filter((l) => l.level >= 50)).toEqual([]);
  });

  it('a message in a real voicemail: a refresh and a notice, the app fetches its MWI, and heard elsewhere the badge goes', async () => {
    await notifies(site.asterisk, shipped('pushwake-voicemail'), {
      url: `http://127.0.0.1:${adminPort}`,
      token: PUSH_TOKEN,
      realm: REALM,
    });
    await mobile.phone.sleep();
    const from0 = site.apns.pushes.length;
    const pushed = () => besideCalls(site, mobile, from0);
    await leaveMessage(from);
    await expect.poll(pushed, { timeout: 15_000 }).toEqual(['refresh', 'voicemail 1, alert']);
    await comesBack(mobile);
    const mwi = () => mobile.phone.log.find(/Voice-Message: 1\/0/).length > 0;
    await mobile.phone.waitFor(mwi, 10_000, 'a NOTIFY of the mailbox');
    await hearMessage(site.asterisk);
    await expect.poll(() => pushed().slice(2), { timeout: 15_000 }).toEqual(['voicemail 0, background']);
  });

  it('in mode observe, running and killed: the plain way', async () => {
    await site.pushwake.stop();
    site.pushwake.configure(site.yaml({ mode: 'observe', more: wake(adminPort) }));
    await site.startPushwake();
    const { length } = textsOf(mobile.phone);
    const at = site.pushwake.log.length;
    for (const [n, state] of ['running', 'killed'].entries()) {
      expect(await from.text('1001', `observed, ${state}`)).toBe(202);
      expect((await gets(mobile.phone, length + n + 1)).at(-1)).toBe(`observed, ${state}`);
      expect(await from.text('5555', 'nobody'), state).toBe(404);
      await site.pushwake.stop('SIGKILL');
    }
    expect(site.pushwake.log.slice(at).filter((l) => l.msg === 'text kept')).toEqual([]);
    site.pushwake.configure(site.yaml({ more: wake(adminPort) }));
    await site.startPushwake();
  });

  it('stopped, frozen: the plain way', async () => {
    const { length } = textsOf(mobile.phone);
    site.pushwake.freeze();
    expect(await from.text('1001', 'while it is frozen')).toBe(202);
    // The guard of 1.5 s; the next texts do not wait.
    expect((await gets(mobile.phone, length + 1)).at(-1)).toBe('while it is frozen');
    expect(await from.text('1001', 'not asked again')).toBe(202);
    expect((await gets(mobile.phone, length + 2)).at(-1)).toBe('not asked again');
    site.pushwake.thaw();
    await site.pushwake.stop();
    expect(await from.text('1001', 'stopped')).toBe(202);
    expect((await gets(mobile.phone, length + 3)).at(-1)).toBe('stopped');
    expect(await answersToHostile(), 'hostile texts: as with pushwake').toEqual(toHostile);
  });
});
