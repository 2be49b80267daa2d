/**
 * An app of Acrobits on a real Asterisk: no push parameters in its REGISTER, its tokens reported as its Account XML says, the
 * call pushed through Acrobits' service, paired with the INVITE by `X-Push-ID`, the closing word on the other token.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acrobitsXml } from '../../plugin/http/acrobits-xml.ts';
import { freePort } from '../support/free-port.ts';
import type { PnmStandIn } from '../support/pnm-stand-in/index.ts';
import { startPnmStandIn } from '../support/pnm-stand-in/index.ts';
import { DIALPLAN, REALM, Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';

const SECRET = 'account-secret-of-the-acrobits-test';
const APP = 'com.example.softphone';
const SELECTOR = '12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14';

let scene: Scene;
let pnm: PnmStandIn;
let caller: SipPhone;
let phone: SipPhone;

beforeAll(async () => {
  const port = await freePort();
  [scene, pnm] = await Promise.all([
    Scene.start({ name: 'acrobits', hep: true, extensions: DIALPLAN, withoutPushwake: true }),
    startPnmStandIn(),
  ]);
  pnm.register(APP, 'token-for-calls', { calls: true });
  pnm.register(APP, 'token-for-the-rest');
  const service = JSON.stringify({ url: pnm.url, endpoint: pnm.endpoint });
  scene.pushwake.configure(
    `${scene.yaml().replace(/^push:$/m, `push:\n  pnm: ${service}`)}http:
  devices: { listen: "127.0.0.1:${port}", accountSecret: ${SECRET} }
`,
  );
  await scene.startPushwake();
  caller = await scene.phone('2000');
  await caller.register();
  phone = await scene.phone('1001', { transport: 'tls' });
  const account = `1001@${REALM}`;
  const xml = acrobitsXml(`http://127.0.0.1:${port}`, SECRET, account as never);
  report = (name) => sendAsTheAppDoes(xml, name);
});
afterAll(async () => {
  await scene?.close();
  await pnm?.close();
});

let report: (name: string) => Promise<number>;

/** What the app does with its Account XML: fills in the variables and posts. */
async function sendAsTheAppDoes(xml: string, reporter: string): Promise<number> {
  const text = (tag: string) =>
    (new RegExp(`<${tag}>(.*)</${tag}>`).exec(xml)?.[1] ?? '')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&amp;', '&');
  const values: Record<string, string> = {
    selector: SELECTOR,
    installid: 'install-0001',
    pushTokenIncomingCall: 'token-for-calls',
    pushappid_incoming_call: APP,
    pushTokenOther: 'token-for-the-rest',
    pushappid_other: APP,
  };
  // A variable it does not know stays as it is.
  const body = text(`${reporter}PostData`).replaceAll(/%(\w+)%/g, (whole, name: string) => values[name] ?? whole);
  const answer = await fetch(text(`${reporter}Url`), {
    method: 'POST',
    headers: { 'content-type': text(`${reporter}ContentType`) },
    body,
  });
  return answer.status;
}

const push = (token: string) =>
  new Promise<(typeof pnm.pushes)[number]>((resolve) => {
    const stop = pnm.onPush(token, (received) => {
      stop();
      resolve(received);
    });
  });

describe('an app of Acrobits', () => {
  it('reports, registers, logs out of SIP to sleep, and stays bound', async () => {
    expect(await report('pushTokenReporter')).toBe(200);
    expect((await phone.register()).status).toBe(200);
    await scene.pushwake.waitForLog((l) => l.aor === `1001@${REALM}` && /^binding (bound|renewed)$/.test(l.msg), {
      what: 'its binding',
    });
    await phone.unregister();
    await phone.sleep();
    expect((await scene.contacts('1001')).length).toBe(0);
    const { record } = await scene.stored.waitFor(`1001@${REALM}`, 'bound', (r) => r.bindings.length === 1);
    expect(record.bindings[0]?.targets.call?.provider).toBe('pnm');
  });

  it('is woken by a push that carries the id of the INVITE', async () => {
    const pushed = push('token-for-calls');
    const call = await caller.call('1001');
    const { verb, id, selector } = await pushed;
    expect([verb, selector]).toEqual(['NotifyIncomingCall', SELECTOR]);
    await phone.wake();
    await phone.register({ newCallId: true });
    const invite = await phone.waitForCall(5_000);
    expect(invite.headers.get('X-Push-ID')).toBe(id);
    invite.answer();
    expect((await call.done).status).toBe(200);
    await call.hangup();
    await scene.asterisk.waitForNoChannels();
    expect(pnm.pushes.filter((p) => p.verb !== 'NotifyIncomingCall')).toEqual([]);
  });

  it('that does not wake hears of the missed call on its other token, and that the service is content', async () => {
    await phone.unregister();
    await phone.sleep();
    const pushed = push('token-for-calls');
    const word = push('token-for-the-rest');
    const call = await caller.call('1001');
    const { id } = await pushed;
    call.cancel();
    expect(await word).toMatchObject({ verb: 'NotifyIncomingCallMissed', id });
    expect((await call.done).status).toBe(487);
    await scene.asterisk.waitForNoChannels();
    expect(pnm.complaints).toEqual([]);
  });

  it('a receipt is taken; when the account is removed from it the binding ends at once', async () => {
    expect(await report('pushNotificationReporter')).toBe(200);
    expect(await report('accountRemovalReporter')).toBe(200);
    await scene.pushwake.waitForLog((l) => l.aor === `1001@${REALM}` && /^binding ended$/.test(l.msg), {
      what: 'the end of its binding',
    });
    expect(scene.pushwake.output).not.toMatch(/token-for-(calls|the-rest)/);
  });
});
