/** The build of the browser's phone, of a fixture in the place of its sources. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { phoneAssets } from '../../plugin/app/phone-assets.ts';
import { bundlePhone } from '../../plugin/app/phone-bundle.ts';
import { PHONE_FILES } from '../../plugin/app/phone-files.ts';

const FIXTURE = fileURLToPath(new URL('fixture', import.meta.url));
const PAGE = fileURLToPath(new URL('../../plugin/phone', import.meta.url));
const text = (of: Uint8Array | undefined) => Buffer.from(of ?? []).toString('utf8');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-phone-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the bundle', () => {
  it('has every file, the modules of ours and the package in one script that a browser takes', async () => {
    const files = await bundlePhone(FIXTURE);
    expect([...files.keys()].sort()).toEqual(Object.keys(PHONE_FILES).sort());
    for (const name of ['app.js', 'sw.js']) {
      const script = text(files.get(name));
      expect(() => new Script(script), name).not.toThrow();
      expect(script).not.toMatch(/\brequire\(["']|sourceMappingURL|node_modules|\beval\(|new Function\b/);
    }
    expect(text(files.get('app.js'))).toContain('Grüß Gott');
    expect(text(files.get('app.js'))).toContain('JsSIP');
    expect(text(files.get('sw.js'))).not.toContain('JsSIP');
  });

  it('passes on the licence of each package that is in it', async () => {
    const licences = text((await bundlePhone(FIXTURE)).get('licences.txt'));
    expect([...licences.matchAll(/^(\S+) \d+\.\d+\.\d+ \((\S+)\)$/gm)].map(([, name, of]) => `${name} ${of}`)).toEqual([
      'debug MIT',
      'events MIT',
      'jssip MIT',
      'ms MIT',
      'sdp-transform MIT',
    ]);
    expect(licences.match(/Permission is hereby granted/g)).toHaveLength(5);
  });

  it('is the same each time', async () => {
    const [a, b] = [await bundlePhone(FIXTURE), await bundlePhone(FIXTURE)];
    for (const name of Object.keys(PHONE_FILES)) expect(text(a.get(name)), name).toBe(text(b.get(name)));
  });
});

describe('the page of plugin/phone', () => {
  it('is built, and holds nothing that its own policy forbids', async () => {
    const files = await bundlePhone(PAGE);
    const page = text(files.get('index.html'));
    expect(page).not.toMatch(/<style|\sstyle=|\son\w+=|https?:\/\/|javascript:/i);
    for (const [tag] of page.matchAll(/<script\b[^>]*>/g)) expect(tag).toMatch(/\ssrc="[\w.]+"/);
    // What it names is there.
    const named = [...page.matchAll(/\s(?:src|href)="([\w.-]+)"/g)].map(([, name]) => name as string);
    expect(named).toEqual(expect.arrayContaining(['app.js', 'style.css', 'manifest.webmanifest']));
    for (const name of named) expect(Object.keys(PHONE_FILES)).toContain(name);
    const { icons } = JSON.parse(text(files.get('manifest.webmanifest'))) as { icons: readonly { src: string }[] };
    for (const { src } of icons) expect(Object.keys(PHONE_FILES)).toContain(src);
    for (const name of ['app.js', 'sw.js']) expect(text(files.get(name))).not.toMatch(/\beval\(|new Function\b/);
  });
});

describe('what a start does with it', () => {
  it('reads the files that were built, and builds them where nothing was', async () => {
    for (const [name, body] of await bundlePhone(FIXTURE)) writeFileSync(join(folder, name), body);
    const read = await phoneAssets(folder, true);
    const built = await phoneAssets(FIXTURE, false);
    expect(read.get('index.html')?.type).toBe('text/html; charset=utf-8');
    for (const name of Object.keys(PHONE_FILES))
      expect(text(read.get(name)?.body), name).toBe(text(built.get(name)?.body));
  });

  it.each([
    ['a file that was not installed', true, (): void => undefined, /sw\.js|index\.html.*install pushwake anew/],
    ['sources that are not there', false, (): void => undefined, /index\.html.*npm ci/],
    [
      'a mistake in a source',
      false,
      (): void => {
        cpSync(FIXTURE, folder, { recursive: true });
        writeFileSync(join(folder, 'sw.ts'), 'const = 1;');
      },
      /cannot be made ready \(Build failed/,
    ],
  ] as const)('%s is a mistake with a remedy', async (_case, isBuilt, prepare, said) => {
    prepare();
    await expect(phoneAssets(folder, isBuilt)).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringMatching(said),
    });
  });
});
