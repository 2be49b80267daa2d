/** What is known about the packages that run in service: nothing affected is installed without a written reason. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bundledIn, hitsOf, installedIn, isAffected, readAdvisories } from '../../config/advisories.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const advisories = readAdvisories();
const installed = installedIn(read('package-lock.json'));

describe('packages at run time', () => {
  it('none is affected without a reason to stay', () => {
    const hits = hitsOf(installed, advisories).filter((h) => h.advisory.mayStay === undefined);
    expect(hits.map((h) => `${h.installed.name} ${h.installed.version}: ${h.advisory.advisory}`)).toEqual([]);
  });

  it('a reason to stay is not kept for what is gone', () => {
    const applying = hitsOf(installed, advisories).map((h) => h.advisory.advisory);
    for (const a of advisories.filter((x) => x.mayStay !== undefined)) expect(applying).toContain(a.advisory);
  });

  it('what stays stands in docs/security.md', () => {
    const page = read('docs/security.md');
    for (const { installed: one } of hitsOf(installed, advisories))
      expect(page).toContain(`\`${one.name}\` ${one.version}`);
  });

  it('control: older versions of what `overrides` replaces would be found', () => {
    const older = [
      { name: 'xml2js', version: '0.4.23' },
      { name: 'cookiejar', version: '1.3.1' },
      { name: 'tough-cookie', version: '2.5.0' },
      { name: 'form-data', version: '2.3.3' },
    ];
    expect(hitsOf(older, advisories).map((h) => h.installed.name)).toEqual(older.map((o) => o.name));
  });

  it('packages of the development are none of them', () => {
    expect(installed.map((i) => i.name)).toContain('modesl');
    expect(installed.map((i) => i.name)).not.toContain('vitest');
    expect(installed.map((i) => i.name)).not.toContain('esbuild');
  });

  it('what the page of the phone is bundled with is among them, each once', () => {
    expect(bundledIn(read('package-lock.json')).map(({ name, license }) => `${name} ${license}`)).toEqual([
      'jssip MIT',
      'debug MIT',
      'ms MIT',
      'events MIT',
      'sdp-transform MIT',
      'idb-keyval Apache-2.0',
    ]);
    const named = installed.map(({ name, version }) => `${name} ${version}`);
    for (const { name, version } of bundledIn(read('package-lock.json')))
      expect(named.filter((one) => one === `${name} ${version}`)).toHaveLength(1);
  });

  it('of two versions of a bundled package the one that it uses counts', () => {
    const packages = {
      'node_modules/jssip': { version: '1.0.0', license: 'MIT', dependencies: { ms: '1', debug: '1' } },
      'node_modules/jssip/node_modules/ms': { version: '1.0.0', license: 'MIT' },
      'node_modules/ms': { version: '2.0.0', license: 'MIT' },
      'node_modules/debug': { version: '4.0.0', license: 'MIT' },
      'node_modules/idb-keyval': { version: '6.0.0', license: 'Apache-2.0' },
    };
    expect(bundledIn(JSON.stringify({ packages })).map(({ name, version }) => `${name} ${version}`)).toEqual([
      'jssip 1.0.0',
      'ms 1.0.0',
      'debug 4.0.0',
      'idb-keyval 6.0.0',
    ]);
  });
});

describe('a range', () => {
  it.each([
    ['0.4.23', '<0.5.0', true],
    ['0.5.0', '<0.5.0', false],
    ['0.10.0', '<0.5.0', false],
    ['2.88.2', '<=2.88.2', true],
    ['2.88.3', '<=2.88.2', false],
    ['1.0.0', '<1.0.1', true],
  ])('%s in %s: %s', (version, affected, is) => {
    expect(isAffected(version, affected)).toBe(is);
  });

  it('of another form is refused', () => {
    expect(() => isAffected('1.0.0', '~1.0.0')).toThrow(/expected a range/);
  });
});
