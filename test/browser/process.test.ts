/** The pages of pushwake as its users run it: a process, from a YAML file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bringChromium, FLAGS } from '../support/chromium/bring.ts';
import { PushwakeProcess } from '../support/pushwake-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'pushwake-browser-'));
const pushwake = new PushwakeProcess(join(folder, 'pushwake.yaml'));
let browser: Browser;
let url: string;

beforeAll(async () => {
  // Nobody answers on port 9 of this machine: the PBX is away, and the first page is to say so.
  pushwake.configure(`mode: observe
store: { type: sqlite, path: ${join(folder, 'bindings.db')} }
pbx: { office: { type: asterisk, url: "http://127.0.0.1:9", password: secret-of-the-pbx, realm: example.com } }
push: { log: {} }
http: { admin: { listen: "127.0.0.1:0" } }
`);
  [browser] = await Promise.all([
    bringChromium().then((executablePath) => chromium.launch({ executablePath, args: [...FLAGS] })),
    pushwake.start(),
  ]);
  const listening = await pushwake.waitForLog((l) => l.msg === 'listening' && l.listener === 'admin');
  url = `http://127.0.0.1:${listening.port}`;
});
afterAll(async () => {
  await browser?.close();
  await pushwake.stop();
  rmSync(folder, { recursive: true, force: true });
});

it('the first page says what is wrong, and every page it names is there', async () => {
  const page = await browser.newPage();
  expect((await page.goto(url))?.status()).toBe(200);
  const text = await page.locator('main').innerText();
  expect(text).toContain('The link to the PBX "office" is down');
  expect(text).toContain('Mode observe');
  const links = await page
    .locator('nav a')
    .evaluateAll((all) => all.map((a) => (a as unknown as { href: string }).href));
  expect(links.length).toBe(5);
  for (const link of links) {
    const answer = await page.goto(link);
    expect(answer?.status(), link).toBe(200);
    expect(answer?.headers()['cache-control'], link).toBe('no-store');
    expect(await page.content(), link).not.toContain('secret-of-the-pbx');
    expect(await page.locator('h1').count(), link).toBe(1);
  }
});
