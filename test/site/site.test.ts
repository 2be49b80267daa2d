/**
 * The documentation as a site: built by `npm run site`, served by a plain web server, read in a real Chromium. Every link and anchor leads
 * somewhere, nothing comes from another host, the search answers without a server, axe-core has no serious finding.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AXE, serious } from '../support/chromium/axe.ts';
import { bringChromium, FLAGS } from '../support/chromium/bring.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
const BASE = '/docs/pushwake/';
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

let folder: string;
let server: Server;
let browser: Browser;
let origin: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-site-'));
  // An older version lies there already.
  mkdirSync(join(folder, '0.0.9'));
  writeFileSync(join(folder, '0.0.9/index.html'), 'of old');
  execFileSync(process.execPath, [join(ROOT, 'config/site/build.ts'), '--out', folder, '--base', BASE], { cwd: ROOT });
  server = createServer((req, res) => {
    const path = normalize(decodeURIComponent((req.url ?? '').split(/[?#]/)[0] ?? ''));
    const file = path.startsWith(BASE) ? join(folder, path.slice(BASE.length)) : '';
    if (!/\.\w+$/.test(file) || !existsSync(file)) return void res.writeHead(404).end();
    res.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(readFileSync(file));
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  browser = await chromium.launch({ executablePath: await bringChromium(), args: [...FLAGS] });
});
afterAll(async () => {
  await browser?.close();
  server?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What sticks out. */
const WIDEST = `[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth).slice(0, 3).map((e) => e.outerHTML.slice(0, 200)).join('\\n')`;

const files = () => globSync('**/*.html', { cwd: join(folder, version) }).sort();
const urlOf = (file: string) => `${origin}${BASE}${version}/${file}`;

describe('the site', () => {
  it('has every page of docs, and the project’s own', () => {
    const pages = globSync('docs/**/*.md', { cwd: ROOT }).map((p) => p.slice('docs/'.length).replace(/\.md$/, '.html'));
    expect(pages.length).toBeGreaterThan(50);
    const own = ['README', 'CHANGELOG', 'CONTRIBUTING', 'SECURITY', 'RELEASING'].map((p) => `project/${p}.html`);
    expect(files()).toEqual([...pages, ...own, '404.html', 'adr/index.html'].sort());
  });

  it('keeps the older versions, and lists them all, the newest first', () => {
    expect(readFileSync(join(folder, '0.0.9/index.html'), 'utf8')).toBe('of old');
    const listed = [...readFileSync(join(folder, 'versions.html'), 'utf8').matchAll(/href="([^"]+)"/g)].map(
      (m) => m[1],
    );
    expect(listed).toEqual([`${version}/index.html`, '0.0.9/index.html']);
    expect(readFileSync(join(folder, 'index.html'), 'utf8')).toContain(`url=${version}/index.html`);
  });

  it('has no link, picture or anchor that leads nowhere', () => {
    const idsOf = new Map<string, Set<string>>();
    const ids = (file: string) => {
      const known =
        idsOf.get(file) ?? new Set([...readFileSync(file, 'utf8').matchAll(/\sid="([^"]+)"/g)].map((m) => m[1] ?? ''));
      idsOf.set(file, known);
      return known;
    };
    const dead: string[] = [];
    let looked = 0;
    for (const page of files()) {
      const html = readFileSync(join(folder, version, page), 'utf8');
      for (const [, raw = ''] of html.matchAll(/\s(?:href|src)="([^"]*)"/g)) {
        const url = new URL(raw.replaceAll('&amp;', '&'), urlOf(page));
        if (url.origin !== origin) continue;
        looked++;
        const path = decodeURIComponent(url.pathname);
        const file = join(folder, path.slice(BASE.length));
        const anchor = decodeURIComponent(url.hash.slice(1));
        const isThere = path.startsWith(BASE) && existsSync(file);
        if (!isThere || (anchor !== '' && !ids(file).has(anchor))) dead.push(`${page}: ${raw}`);
      }
    }
    expect(looked).toBeGreaterThan(1_000);
    expect(dead).toEqual([]);
  });
});

describe.each(['light', 'dark'] as const)('in a browser, %s', (colorScheme) => {
  it('no page has a serious finding, scrolls sideways, or asks another host', { timeout: 300_000 }, async () => {
    const context = await browser.newContext({ colorScheme });
    try {
      const page = await context.newPage();
      const strangers: string[] = [];
      const complaints: string[] = [];
      page.on('request', (r) => r.url().startsWith(origin) || r.url().startsWith('data:') || strangers.push(r.url()));
      page.on('pageerror', (error) => complaints.push(error.message));
      const findings: string[] = [];
      for (const [n, file] of files().entries()) {
        // Narrow and wide in turn.
        await page.setViewportSize({ width: n % 2 ? 360 : 1440, height: 900 });
        await page.goto(urlOf(file));
        await page.evaluate(AXE);
        for (const finding of await serious(page)) findings.push(`${file}: ${finding}`);
        const width = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
        if (width > 0) findings.push(`${file}: ${width} px too wide: ${await page.evaluate(WIDEST)}`);
      }
      expect(findings).toEqual([]);
      expect([strangers, complaints]).toEqual([[], []]);
    } finally {
      await context.close();
    }
  });
});

it('finds a word without a server', async () => {
  const page = await browser.newPage();
  await page.goto(urlOf('index.html'));
  await page.getByRole('button', { name: 'Search' }).first().click();
  await page.getByRole('searchbox').fill('externnotify');
  await page.getByRole('option').first().waitFor();
  await page.keyboard.press('Enter');
  await page.waitForURL(/messages\.html/);
  await page.close();
});

it('is read without JavaScript', async () => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(urlOf('limits.html'));
  expect(await page.locator('main').innerText()).toContain('FreeSWITCH');
  await context.close();
});
