/**
 * The phone in the browser beside a SIP phone, on one real Asterisk: from the caller's INVITE until the open page rings, and of a SIP phone that is woken by push from the answer to its
 * REGISTER until its INVITE. `npm run bench -- phone [--calls=40]`: in turn, medians. Needs a Chromium.
 */
import { BrowserPhone, PhoneScene } from '../phone/real/phone-scene.ts';
import type { Result, Suite } from './bench.ts';

/** What the issue allows above one and a half times the SIP phone's figure, in ms: a page draws, and decrypts its connection. */
const ALLOWED_MS = 300;

const sorted = (values: readonly number[]) => values.toSorted((a, b) => a - b);
const at = (values: readonly number[], share: number) =>
  sorted(values)[Math.floor((values.length - 1) * share)] as number;

export const phone: Suite = async (progress, options) => {
  const calls = Number(options.get('calls') ?? 40);
  const s = await PhoneScene.start(['1001', '1002']);
  try {
    const caller = await s.scene.phone('2000');
    await caller.register();
    const browser = await BrowserPhone.open(s);
    const page = await browser.logIn('1001');
    const [mobile, identity] = [await s.scene.phone('1900', { transport: 'tls' }), s.scene.install()];
    await s.scene.bind(mobile, identity);
    const pages: number[] = [];
    const woken: number[] = [];
    for (let i = 0; i < calls; i++) {
      progress(`call ${i + 1} of ${calls}`);
      const rings = page.getByRole('button', { name: 'Answer' });
      const begun = performance.now();
      const toPage = await caller.call('1001');
      await rings.waitFor();
      pages.push(performance.now() - begun);
      await toPage.cancel();
      await rings.waitFor({ state: 'detached' });
      await mobile.sleep();
      const wakes = s.scene.wakeByPush(mobile, identity);
      const before = mobile.incoming.length;
      const toMobile = await caller.call('1900');
      const rung = await mobile.waitForCall(10_000, before + 1);
      woken.push(rung.receivedAt - (wakes.registered.at(-1) ?? rung.receivedAt));
      wakes.stop();
      await toMobile.cancel();
      await s.scene.asterisk.waitForNoChannels();
    }
    const figure = at(woken, 0.5);
    const results: Result[] = [
      { name: `REGISTER → INVITE of a SIP phone that is woken, p50 of ${calls}`, value: figure, unit: 'ms' },
      { name: '… p99', value: at(woken, 0.99), unit: 'ms' },
      {
        name: 'INVITE → the open page rings, p50',
        value: at(pages, 0.5),
        unit: 'ms',
        target: `<=${Math.round(1.5 * figure + ALLOWED_MS)}`,
      },
      {
        name: '… p99',
        value: at(pages, 0.99),
        unit: 'ms',
        target: `<=${Math.round(1.5 * at(woken, 0.99) + ALLOWED_MS)}`,
      },
    ];
    await browser.close();
    return results;
  } finally {
    await s.close();
  }
};
