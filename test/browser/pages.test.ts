/**
 * The status pages in a real Chromium: every page with axe-core, narrow and wide, light and dark, with JavaScript and without;
 * by keyboard; and what strangers wrote into it is text. `npm run test:browser -- --screenshots` renews those of the docs.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AXE, serious } from '../support/chromium/axe.ts';
import { bringChromium, FLAGS } from '../support/chromium/bring.ts';
import { HOSTILE, SECRET, StatusSite } from '../support/status-site.ts';

const SCREENSHOTS = process.env.PUSHWAKE_SCREENSHOTS
  ? fileURLToPath(new URL('../../docs/screenshots', import.meta.url))
  : undefined;
const WIDTHS = [360, 1440];
const TOKEN = 'read-token-of-the-browser-tests';

let browser: Browser;
/** A site where all is well, one with what somebody must act on, one that asks for a token. */
let well: StatusSite;
let trouble: StatusSite;
let guarded: StatusSite;
let callId: string;

beforeAll(async () => {
  const executablePath = await bringChromium();
  [browser, well, trouble, guarded] = await Promise.all([
    chromium.launch({ executablePath, args: [...FLAGS] }),
    StatusSite.start(),
    StatusSite.start({ trouble: true }),
    StatusSite.start({ tokens: [{ name: 'browser', role: 'read', token: TOKEN }] }),
  ]);
  callId = well.runtime.status.calls('1022@example.com')[0]?.callId ?? '';
});
afterAll(async () => {
  await browser?.close();
  await Promise.all([well, trouble, guarded].map((site) => site?.stop()));
});

const pages = (): [name: string, url: string][] => [
  ['now, all well', `${well.url}/`],
  ['now, in trouble', `${trouble.url}/`],
  ['accounts', `${well.url}/accounts`],
  ['accounts, nothing found', `${well.url}/accounts?q=nobody`],
  ['an account', `${well.url}/accounts/1001%40example.com`],
  ['an account of a stranger', `${well.url}/accounts/${encodeURIComponent(HOSTILE.aor)}`],
  ['an account that is gone', `${well.url}/accounts/1200%40example.com`],
  ['calls', `${well.url}/calls`],
  ['a call', `${well.url}/calls/${callId}`],
  ['no such call', `${well.url}/calls/nothing`],
  ['links', `${trouble.url}/links`],
  ['services', `${trouble.url}/services`],
];

async function inContext<T>(
  options: Parameters<Browser['newContext']>[0],
  work: (context: BrowserContext) => Promise<T>,
): Promise<T> {
  const context = await browser.newContext(options);
  try {
    return await work(context);
  } finally {
    await context.close();
  }
}

describe.each(['light', 'dark'] as const)('every page, %s', (colorScheme) => {
  it('has no serious finding and needs no horizontal scrolling', async () => {
    await inContext({ colorScheme }, async (context) => {
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on('console', (message) => complaints.push(message.text()));
      page.on('pageerror', (error) => complaints.push(error.message));
      for (const [name, url] of pages()) {
        await page.setViewportSize({ width: 1440, height: 900 });
        await page.goto(url);
        // By the debugger: the page's own policy would let no script in.
        await page.evaluate(AXE);
        for (const width of WIDTHS) {
          await page.setViewportSize({ width, height: 900 });
          expect(await serious(page), `${name}, ${width} px`).toEqual([]);
          const widest = await page.evaluate<number>('document.documentElement.scrollWidth');
          expect(widest, `${name}: its width at ${width} px`).toBeLessThanOrEqual(width);
        }
      }
      // 404 is told by the browser itself.
      expect(complaints.filter((c) => !c.includes('404'))).toEqual([]);
    });
  });
});

describe('without JavaScript', () => {
  it('shows the same, narrow and wide, light and dark', async () => {
    await inContext({ javaScriptEnabled: true }, (withIt) =>
      inContext({ javaScriptEnabled: false }, async (without) => {
        const both = await Promise.all([withIt.newPage(), without.newPage()]);
        for (const [n, [name, url]] of pages().entries()) {
          const shown = async (page: Page) => {
            await page.setViewportSize({ width: WIDTHS[n % 2] ?? 0, height: 600 });
            await page.emulateMedia({ colorScheme: n % 4 < 2 ? 'light' : 'dark' });
            await page.goto(url);
            // The boxes say that it is laid out the same; pixels differ by a hair of a letter from one picture to the next.
            return [await page.locator('body').innerText(), JSON.stringify(await page.locator('main').boundingBox())];
          };
          const [on, off] = await Promise.all(both.map(shown));
          expect(off, name).toEqual(on);
          expect(off?.[0]?.length).toBeGreaterThan(200);
        }
      }),
    );
  });
});

describe('axe-core as it is used here', () => {
  it('finds what is serious (control)', async () => {
    await inContext({}, async (context) => {
      const page = await context.newPage();
      await page.goto(`${well.url}/`);
      await page.evaluate(
        `${AXE}; document.querySelector('main').insertAdjacentHTML('beforeend', '<img src="/x.png"><p class="faint">faint</p><input>')`,
      );
      await page.addStyleTag({ content: '.faint { color: #ccc; background: #fff }' }).catch(() => undefined);
      const found = (await serious(page)).map((f) => f.split(':')[0]);
      expect(found).toEqual(expect.arrayContaining(['image-alt', 'label']));
    });
  });
});

describe('by keyboard', () => {
  it('the first stop is the way to the content, every stop is seen, and all that can be done is reached', async () => {
    await inContext({ viewport: { width: 1440, height: 900 } }, async (context) => {
      const page = await context.newPage();
      await page.goto(`${well.url}/accounts`);
      await page.keyboard.press('Tab');
      const skip = page.locator(':focus');
      expect(await skip.innerText()).toBe('To the content');
      expect((await skip.boundingBox())?.x, 'is shown').toBeGreaterThanOrEqual(0);
      const stops: string[] = [];
      for (let i = 0; i < 9; i++) {
        await page.keyboard.press('Tab');
        const focus = page.locator(':focus');
        const [outline, width] = await focus.evaluate((e: unknown) => {
          const style = getComputedStyleOf(e);
          return [style.outlineStyle, style.outlineWidth];
          // In the browser; the types of this project know no DOM.
          function getComputedStyleOf(element: unknown) {
            return (
              globalThis as unknown as { getComputedStyle(e: unknown): { outlineStyle: string; outlineWidth: string } }
            ).getComputedStyle(element);
          }
        });
        stops.push((await focus.innerText()) || (await focus.getAttribute('name')) || '');
        expect([outline, Number.parseFloat(width ?? '0') >= 2], stops.at(-1)).toEqual(['solid', true]);
      }
      expect(stops).toEqual([
        'pushwake',
        'Now',
        'Accounts',
        'Calls',
        'PBX links',
        'Push services',
        'q',
        'Search',
        '1001@example.com',
      ]);
    });
  });

  it('searches, opens an account and goes back', async () => {
    await inContext({ javaScriptEnabled: false }, async (context) => {
      const page = await context.newPage();
      await page.goto(`${well.url}/accounts`);
      await page.getByLabel('Account, or a part of its name').fill('100');
      await page.keyboard.press('Enter');
      await page.waitForURL(/q=100/);
      expect(await page.locator('tbody tr').count(), '1001 to 1009 and 1100').toBe(10);
      await page.getByRole('link', { name: '1001@example.com' }).focus();
      await page.keyboard.press('Enter');
      await page.waitForURL(/\/accounts\/1001/);
      expect(await page.locator('h1').innerText()).toBe('1001@example.com');
      await page.goto(`${well.url}/accounts`);
      await page.getByLabel('Account, or a part of its name').fill('1001@EXAMPLE.com');
      await page.keyboard.press('Enter');
      await page.waitForURL(/\/accounts\/1001%40example\.com$/);
    });
  });
});

describe('what strangers write', () => {
  it('is text: no element of theirs, no script of theirs, no unseen character', async () => {
    await inContext({}, async (context) => {
      const page = await context.newPage();
      await page.goto(`${well.url}/accounts/${encodeURIComponent(HOSTILE.aor)}`);
      const text = await page.locator('main').innerText();
      expect(text).toContain(HOSTILE.app);
      expect(text).toContain(HOSTILE.instanceId);
      expect(text).toContain('</code><b>Groundwire\\u202e\\u0007</b>&amp;');
      expect(text).toContain('sip:<b onmouseover=alert(1)>@192.0.2.66:5060');
      expect(await page.title()).toBe('1666@example.com · pushwake');
      for (const element of ['script', 'img', 'b', 'style', '[onmouseover]', '[onerror]', '[style]'])
        expect(await page.locator(element).count(), element).toBe(0);
      expect(await page.content(), 'no token').not.toContain(SECRET);
    });
  });

  it('could not run even if it came through: the policy refuses script and style', async () => {
    await inContext({}, async (context) => {
      const page = await context.newPage();
      const refused: string[] = [];
      page.on('console', (message) => refused.push(message.text()));
      await page.goto(`${well.url}/`);
      await page.evaluate(
        `const s = document.createElement('script'); s.textContent = 'document.title = "owned"'; document.body.append(s)`,
      );
      expect(await page.title()).not.toBe('owned');
      await page.addScriptTag({ url: `${well.url}/accounts` }).catch(() => undefined);
      expect(refused.join('\n')).toMatch(/Content Security Policy/);
    });
  });
});

describe('a listener with tokens', () => {
  it('makes the browser ask for a password, which is a token', async () => {
    // The name is any name.
    await inContext({ httpCredentials: { username: 'anna', password: TOKEN } }, async (context) => {
      const page = await context.newPage();
      expect((await page.goto(`${guarded.url}/`))?.status()).toBe(200);
      expect(await page.locator('h1').innerText()).toBe('Nothing is wrong.');
    });
    await inContext({ httpCredentials: { username: 'anna', password: 'wrong' } }, async (context) => {
      const page = await context.newPage();
      expect((await page.goto(`${guarded.url}/`))?.status()).toBe(401);
    });
  });
});

if (SCREENSHOTS !== undefined)
  describe('screenshots for the docs', () => {
    const shots = (): [file: string, url: string, width: number, height: number, scheme: 'light' | 'dark'][] => [
      ['now.png', `${well.url}/`, 1200, 760, 'light'],
      ['trouble.png', `${trouble.url}/`, 1200, 760, 'light'],
      ['account.png', `${well.url}/accounts/1001%40example.com`, 1200, 1000, 'light'],
      ['call-dark.png', `${well.url}/calls/${callId}`, 1200, 620, 'dark'],
      ['phone-dark.png', `${trouble.url}/`, 360, 760, 'dark'],
    ];

    it('are taken', async () => {
      for (const [file, url, width, height, colorScheme] of shots()) {
        await inContext({ colorScheme, viewport: { width, height } }, async (context) => {
          const page = await context.newPage();
          await page.goto(url);
          const image = await page.screenshot({ path: join(SCREENSHOTS ?? '', file) });
          expect(image.length, file).toBeLessThan(150_000);
        });
      }
    });
  });
