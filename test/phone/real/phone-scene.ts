/**
 * The phone in a real Chromium, a real Asterisk that speaks WebRTC, pushwake as a process, and a stand-in for the browser's push service: it decrypts as
 * the browser does and hands the text to the service worker by the debugger.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, type CDPSession, chromium, type Page } from 'playwright-core';
import type { SipUser } from '../../support/asterisk/index.ts';
import { bringChromium, FLAGS } from '../../support/chromium/bring.ts';
import { freePort } from '../../support/free-port.ts';
import type { Entry } from '../../support/pushwake-process.ts';
import { DIALPLAN, REALM, Scene, type SceneOptions, shipped } from '../../support/scene.ts';
import {
  type ReceivedPush,
  type Subscription,
  startWebPushStandIn,
  type WebPushStandIn,
} from '../../support/webpush-stand-in/index.ts';

/** An endpoint of a phone in the browser: the lines of the template in our snippet. */
const webrtc = (id: string, more: readonly string[]): SipUser => ({
  id,
  callerId: `Browser ${id} <${id}>`,
  endpointLines: ['webrtc=yes', 'allow=!all,opus,ulaw,alaw', 'rtp_timeout=5', ...more],
  maxContacts: 5,
});

/** Nothing leaves this machine: of its addresses only the loopback is offered. */
const RTP = 'icesupport=yes\nice_deny=0.0.0.0/0\nice_permit=127.0.0.0/8\n';
const MODULES = ['res_http_websocket', 'res_pjsip_transport_websocket', 'res_srtp', 'res_format_attr_opus'];
const SECRET = 'account-secret-of-the-phone-tests';
const TOKEN = 'admin-token-of-the-phone-tests';
/** Of the script that a voicemail runs. */
export const PUSH_TOKEN = 'push-token-of-the-phone-tests';
const VAPID = 'kG3rRz9U5h0yAaJr0mXqPj3t0XwM9J9v1l7iB3o5Y1E';

/** Where browsers are phones: what one of them needs to know. */
export interface PhonePlace {
  readonly push: WebPushStandIn;
  readonly browser: Browser;
  /** Where the page is. */
  readonly origin: string;
  /** What `pushwake phone` asks the running pushwake for. */
  link(account: string): Promise<{ code: string }>;
}

/** What pushwake.yaml says of them. */
export function phoneYaml(
  push: WebPushStandIn | undefined,
  port: number,
  adminPort: number,
  wss: readonly string[],
): { push: string; more: string } {
  return {
    push: `  webpush:
    subject: mailto:admin@example.com
    privateKey: ${VAPID}
${push ? `    endpoint: ${JSON.stringify(push.endpoint)}\n` : ''}`,
    more: `http:
  admin: { listen: "127.0.0.1:${adminPort}", tokens: [{ name: phone, role: operate, token: ${TOKEN} }, { name: voicemail, role: push, token: ${PUSH_TOKEN} }] }
  devices: { listen: "127.0.0.1:${port}", accountSecret: ${SECRET}, phone: { wss: ${JSON.stringify(wss)} } }
`,
  };
}

/** A Chromium whose microphone hears a tone. `more`: further options of its command. */
export async function launchBrowser(more: readonly string[] = []): Promise<Browser> {
  const tone = join(mkdtempSync(join(tmpdir(), 'pushwake-phone-')), 'tone.wav');
  writeFileSync(tone, wav(440));
  return chromium.launch({
    executablePath: await bringChromium(),
    // On a screen, where somebody wants to see it (`DISPLAY`, with PUSHWAKE_PHONE_SHOWN=1).
    headless: process.env.PUSHWAKE_PHONE_SHOWN !== '1',
    args: [
      ...FLAGS,
      '--use-fake-device-for-media-stream',
      `--use-file-for-fake-audio-capture=${tone}`,
      '--use-fake-ui-for-media-stream',
      '--allow-loopback-in-peer-connection',
      '--autoplay-policy=no-user-gesture-required',
      ...more,
    ],
  });
}

export async function linkOf(adminPort: number, account: string, wss?: string): Promise<{ code: string }> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/v1/phone-links`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify({ account: `${account}@${REALM}`, ...(wss && { wss }) }),
  });
  if (!answer.ok) throw new Error(`phone-links: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as { code: string };
}

export interface PhoneSceneOptions {
  /** Another way to start pushwake. */
  readonly entry?: Entry;
  /** Further addresses that a link may name. */
  readonly moreWss?: readonly string[];
  /** The push services of real browsers, in place of the stand-in. */
  readonly realPush?: boolean;
  /** Texts and voice messages: parts of Asterisk's configuration, and of pushwake.yaml. */
  readonly messages?: Required<Pick<SceneOptions, 'extensions' | 'modules' | 'extra' | 'policy'>> & {
    readonly endpointLines: readonly string[];
    readonly yaml: string;
  };
}

export class PhoneScene implements PhonePlace {
  readonly scene: Scene;
  readonly push: WebPushStandIn;
  readonly browser: Browser;
  /** Where the page is. */
  readonly origin: string;
  readonly adminPort: number;

  private constructor(parts: Pick<PhoneScene, 'scene' | 'push' | 'browser' | 'origin' | 'adminPort'>) {
    this.adminPort = parts.adminPort;
    this.scene = parts.scene;
    this.push = parts.push;
    this.browser = parts.browser;
    this.origin = parts.origin;
  }

  static async start(users: readonly string[], o: PhoneSceneOptions = {}): Promise<PhoneScene> {
    const { entry, messages } = o;
    const lines = messages?.endpointLines ?? [];
    const folder = mkdtempSync(join(tmpdir(), 'pushwake-phone-'));
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const [port, adminPort] = [await freePort(), await freePort()];
    const [push, browser] = await Promise.all([startWebPushStandIn(), launchBrowser()]);
    const scene = await Scene.start({
      name: 'phone',
      users: [
        ...users.map((id) => webrtc(id, lines)),
        // No browser: a SIP phone beside them.
        { id: '1900', callerId: 'Mobile <1900>' },
        { id: '2000', callerId: 'The Caller <2000>', endpointLines: lines.filter((l) => !l.startsWith('mailboxes')) },
        { id: '2001', callerId: 'Second Caller <2001>' },
      ],
      extensions: messages?.extensions ?? DIALPLAN,
      modules: [...MODULES, ...(messages?.modules ?? [])],
      ...(messages && { extra: messages.extra, policy: messages.policy }),
      withoutPushwake: true,
      // On a fast clock a push is under way for minutes.
      ...(entry && { entry, policy: '  resendAfter: 1h\n  refreshSpread: 0s' }),
      snippets: [
        { file: shipped('pushwake-webrtc.conf'), into: 'pjsip.conf' },
        { file: file('rtp-loopback.conf', RTP), into: 'rtp.conf' },
      ],
    });
    const origin = `http://localhost:${port}`;
    const wss = `ws://localhost:${scene.asterisk.ports.ari}/ws`;
    const yaml = phoneYaml(o.realPush ? undefined : push, port, adminPort, [wss, ...(o.moreWss ?? [])]);
    scene.pushwake.configure(scene.yaml({ ...yaml, more: yaml.more + (messages?.yaml ?? '') }));
    try {
      await scene.startPushwake();
      return new PhoneScene({ scene, push, browser, origin, adminPort });
    } catch (error) {
      // Left behind, pushwake would take the Stasis application of the next Asterisk on this port.
      await Promise.all([browser.close(), scene.close(), push.close()]);
      throw error;
    }
  }

  /** Resolves when so many pushes have come to the service for this browser. */
  async pushed(phone: BrowserPhone, count: number): Promise<void> {
    await waitUntil(() => phone.pushes.length >= count, `${count} pushes at the service`);
  }

  link(account: string, wss?: string): Promise<{ code: string }> {
    return linkOf(this.adminPort, account, wss);
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.scene.close();
    await this.push.close();
  }
}

/** Two seconds of a tone: what the page's microphone hears. */
function wav(hertz: number): Buffer {
  const rate = 48_000;
  const samples = Buffer.alloc(rate * 2 * 2);
  for (let i = 0; i < rate * 2; i++)
    samples.writeInt16LE(Math.round(8_000 * Math.sin((2 * Math.PI * hertz * i) / rate)), i * 2);
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + samples.length, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(rate * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(samples.length, 40);
  return Buffer.concat([header, samples]);
}

/** One browser of one person. */
export class BrowserPhone {
  readonly #s: PhonePlace;
  readonly context: BrowserContext;
  page: Page | undefined;
  readonly #cdp: CDPSession;
  #registrationId = '';
  #subscription: Subscription | undefined;
  #delivered = 0;
  /** What the page wrote to its console, and its errors. */
  readonly complaints: string[] = [];

  /** Each INVITE that the page got, as text. */
  readonly invites: string[] = [];

  private constructor(s: PhonePlace, context: BrowserContext, cdp: CDPSession) {
    this.#s = s;
    this.context = context;
    this.#cdp = cdp;
  }

  static async open(s: PhonePlace, permissions = ['notifications', 'microphone']): Promise<BrowserPhone> {
    const context = await s.browser.newContext({ viewport: { width: 360, height: 780 }, locale: 'en-GB' });
    await context.grantPermissions(permissions, { origin: s.origin });
    // Holds the debugger while the page is closed; out of the phone's scope.
    const beside = await context.newPage();
    await beside.goto(`${s.origin}/openapi.json`);
    const cdp = await context.newCDPSession(beside);
    const phone = new BrowserPhone(s, context, cdp);
    cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      const [ours] = registrations.filter((r) => !r.isDeleted && r.scopeURL.endsWith('/phone/'));
      if (ours) phone.#registrationId = ours.registrationId;
    });
    await cdp.send('ServiceWorker.enable');
    let keyOf = '';
    await context.exposeFunction('pushServiceSubscribes', (key: string) => {
      // A browser has one subscription of a page, however often it is opened, until that gives it up.
      if (!phone.#subscription || keyOf !== key) phone.#subscription = s.push.subscribe(key);
      keyOf = key;
      return phone.#subscription;
    });
    await context.exposeFunction('pushServiceHas', () => phone.#subscription && { ...phone.#subscription, key: keyOf });
    await context.exposeFunction('pushServiceForgets', () => {
      phone.#subscription = undefined;
    });
    await context.addInitScript(PUSH_SERVICE);
    await context.addInitScript(HEAR);
    return phone;
  }

  /** As by the link that `pushwake phone` prints. */
  async logIn(account: string): Promise<Page> {
    const { code } = await this.#s.link(account);
    const password = Buffer.from(`secret-${account}`).toString('base64url');
    const page = await this.openPage(`#${code}.${password}`);
    await page.getByText('Ready.').waitFor({ timeout: 10_000 });
    return page;
  }

  async openPage(hash = ''): Promise<Page> {
    this.page = await this.context.newPage();
    this.page.on('pageerror', (error) => this.complaints.push(error.message));
    this.page.on('console', (m) => {
      if (m.type() === 'error' || m.type() === 'warning') this.complaints.push(m.text());
    });
    this.page.on('websocket', (socket) =>
      socket.on('framereceived', ({ payload }) => {
        if (String(payload).startsWith('INVITE ')) this.invites.push(String(payload));
      }),
    );
    await this.page.goto(`${this.#s.origin}/phone/${hash}`);
    return this.page;
  }

  async closePage(): Promise<void> {
    await this.page?.close({ runBeforeUnload: false });
    this.page = undefined;
  }

  /** All pushes for this browser that its service took. */
  get pushes(): readonly ReceivedPush[] {
    const at = this.#subscription && new URL(this.#subscription.endpoint);
    return this.#s.push.pushes.filter((p) => at && p.path === at.pathname + at.search);
  }

  /** What the push service has for this browser and has not brought yet. Resolves with the types of the pushes. */
  async deliver(count = 1): Promise<string[]> {
    await waitUntil(() => this.pushes.length >= this.#delivered + count, `${count} pushes for this browser`);
    const fresh = this.pushes.slice(this.#delivered);
    this.#delivered += fresh.length;
    for (const { text = '' } of fresh) await this.#give(text);
    return fresh.map((p) => JSON.parse(p.text ?? '{}').pushwake?.type);
  }

  /** A push in our form, given to the worker as it is. */
  async inject(pushwake: object): Promise<void> {
    await this.#give(JSON.stringify({ pushwake: { v: 1, pushId: randomUUID(), ...pushwake } }));
  }

  async #give(data: string): Promise<void> {
    const { origin } = this.#s;
    await waitUntil(() => this.#registrationId !== '', 'the registration of the service worker');
    await this.#worker.evaluate(RECORD);
    await this.#cdp.send('ServiceWorker.deliverPushMessage', { origin, registrationId: this.#registrationId, data });
  }

  get #worker() {
    const worker = this.context.serviceWorkers().find((w) => w.url().endsWith('/phone/sw.js'));
    if (!worker) throw new Error('no service worker runs');
    return worker;
  }

  /** What is on the screen of the device. Chromium forgets what it is about to display when it is asked meanwhile: no way to wait for one. */
  async notifications(): Promise<{ tag: string; title: string; body: string }[]> {
    return this.#worker.evaluate<{ tag: string; title: string; body: string }[]>(
      'registration.getNotifications().then((all) => all.map(({ tag, title, body }) => ({ tag, title, body })))',
    );
  }

  /** What the worker has shown, in its order. */
  async shown(): Promise<{ tag: string; title: string; body: string }[]> {
    return this.#worker.evaluate(`(${RECORD}).map(({ tag, title, body }) => ({ tag, title, body }))`);
  }

  /** Resolves when the worker has shown one with this title or this text. */
  async waitForNotification(text: string): Promise<void> {
    const has = async () => (await this.shown()).some((n) => n.title === text || n.body === text);
    await waitUntil(has, `a notification "${text}"`).catch(async (error: Error) => {
      throw new Error(`${error.message}; there were ${JSON.stringify(await this.shown())}`);
    });
  }

  /** The user taps a notification. A browser opens a window only for a real tap: what the worker wants opened is opened here. */
  async tap(title: string, action = ''): Promise<void> {
    await this.waitForNotification(title);
    const wanted = await this.#worker.evaluate<string | undefined>(`(async () => {
      const { tag, data } = (${RECORD}).findLast((n) => n.title === ${JSON.stringify(title)});
      const close = () => registration.getNotifications({ tag }).then((all) => all.forEach((n) => n.close()));
      let wanted;
      self.Clients.prototype.openWindow = async (url) => { wanted = url; };
      const waiting = [];
      const waitUntil = (work) => waiting.push(work);
      const event = { notification: { tag, data, close }, action: ${JSON.stringify(action)}, waitUntil };
      dispatchEvent(Object.assign(new Event('notificationclick'), event));
      await Promise.all(waiting);
      return wanted;
    })()`);
    if (wanted !== undefined) await this.openPage(wanted.slice(wanted.indexOf('#')));
  }

  /** The loudest tone that the page plays, in Hz; 0: silence. */
  async hears(): Promise<number> {
    return (await this.page?.evaluate<number>('heardTone()')) ?? 0;
  }

  async close(): Promise<void> {
    await this.context.close();
  }
}

export async function waitUntil(is: () => boolean | Promise<boolean>, what: string, timeoutMs = 10_000): Promise<void> {
  const until = performance.now() + timeoutMs;
  while (!(await is())) {
    if (performance.now() > until) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await new Promise((r) => setTimeout(r, 20));
  }
}

/** Remembers in the worker what it shows; what it remembers. */
const RECORD = `(self.shownByTests ??= (() => {
  const all = [];
  const show = registration.showNotification.bind(registration);
  registration.showNotification = async (title, options) => {
    await show(title, options);
    const { tag, body, data } = options;
    all.push({ title, tag, body, data });
  };
  return all;
})())`;

/** Listens to what the page receives. */
const HEAR = `(() => {
  const streams = [];
  const Peer = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Peer {
    constructor(...args) {
      super(...args);
      this.addEventListener('track', ({ streams: [stream] }) => streams.push(stream));
    }
  };
  globalThis.heardTone = async () => {
    const stream = streams.at(-1);
    if (!stream) return 0;
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 4096;
    context.createMediaStreamSource(stream).connect(analyser);
    const bins = new Float32Array(analyser.frequencyBinCount);
    await new Promise((done) => setTimeout(done, 500));
    analyser.getFloatFrequencyData(bins);
    const loudest = bins.indexOf(Math.max(...bins));
    const level = bins[loudest];
    const hertz = (loudest * context.sampleRate) / analyser.fftSize;
    await context.close();
    return level > -60 ? Math.round(hertz) : 0;
  };
})()`;

/** The push service of a browser is out of reach here: what it would answer to `subscribe` comes from the stand-in. */
const PUSH_SERVICE = `(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0)).buffer;
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  const subscription = ({ endpoint, keys }, key) => {
    const [p256dh, auth] = keys.split('.').map(bytes);
    const unsubscribe = async () => { await pushServiceForgets(); return true; };
    return { endpoint, options: { applicationServerKey: bytes(key) }, getKey: (name) => (name === 'auth' ? auth : p256dh), unsubscribe };
  };
  PushManager.prototype.subscribe = async ({ applicationServerKey }) => {
    const key = text(applicationServerKey);
    return subscription(await pushServiceSubscribes(key), key);
  };
  PushManager.prototype.getSubscription = async () => {
    const has = await pushServiceHas();
    return has ? subscription(has, has.key) : null;
  };
})()`;
