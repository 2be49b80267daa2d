/** Whatever stands in the file: it is read, or every mistake has a place. Nothing else is ever thrown. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError, ConfigFileError, parseConfig } from '../../config/load.ts';
import { adapters, schemasOf } from '../../plugin/app/adapters.ts';
import { adaptersFor } from '../../plugin/app/outside.ts';
import { StoreError } from '../../plugin/ports/binding-store.ts';
import { LinkError } from '../../plugin/ports/pbx-link.ts';

const schemas = schemasOf(await adapters());
const PBX = 'pbx: { office: { type: asterisk, url: "http://127.0.0.1:8088", password: x, realm: example.com } }\n';

const piece = fc.constantFrom(
  ...[
    '*',
    '*@example.com',
    '&a',
    '*a',
    '<<: *a',
    '!!binary x',
    '!foo',
    '? ',
    ': ',
    '- ',
    '[',
    ']',
    '{',
    '}',
    ',',
    '"',
    "'",
  ],
  ...[
    '|',
    '>',
    '#',
    '---\n',
    '...\n',
    '%YAML 1.2\n',
    '\t',
    '\n',
    '\n  ',
    ' ',
    '${',
    '$'.concat('{HOME}'),
    '$'.concat('{file:/nowhere}'),
    '}',
  ],
  ...[
    'store',
    'policies',
    'policy',
    'http',
    'constructor',
    '__proto__',
    'true',
    '1e99',
    '.nan',
    '~',
    '\u0000',
    '\ufeff',
    'é',
  ],
);

describe('reading a configuration', () => {
  it('of any pieces of YAML never throws but a list of mistakes', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), fc.boolean(), (pieces, withPbx) => {
        const text = `${withPbx ? PBX : ''}policies:\n  - aor: ${pieces.join('')}\n`;
        try {
          parseConfig('f.yaml', text, schemas);
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          for (const line of (error as Error).message.split('\n')) expect(line).toMatch(/^f\.yaml:\d+:\d+ /);
        }
      }),
      { numRuns: 5_000 },
    );
  });
});

it('a mistake in a key that holds a line break is one line', () => {
  expect(() => parseConfig('f.yaml', `${PBX}"a\\nb": 1\n`, schemas)).toThrow(
    /^f\.yaml:2:1 a\\u000ab: unknown key[^\n]*$/,
  );
});

it('a mistake that an adapter with its own copy of pushwake throws is one of ours; another error is none', () => {
  const foreign = Object.assign(new Error('push.ntfy.key: cannot be read'), { name: 'ConfigError' });
  expect(foreign instanceof ConfigError).toBe(true);
  expect(foreign instanceof ConfigFileError).toBe(false);
  expect(new ConfigFileError('f.yaml', []) instanceof ConfigError).toBe(true);
  expect(new ConfigFileError('f.yaml', []) instanceof ConfigFileError).toBe(true);
  expect(new Error('x') instanceof ConfigError).toBe(false);
});

it.each([
  ['LinkError', LinkError],
  ['StoreError', StoreError],
])('a %s of an adapter with its own copy of pushwake is one of ours', (name, ours) => {
  expect(Object.assign(new Error('x'), { name }) instanceof ours).toBe(true);
  expect(new ours('x') instanceof ours).toBe(true);
  expect(new Error('x') instanceof ours).toBe(false);
  expect({ name } instanceof ours).toBe(false);
});

it.each(['{', ''])('a damaged package.json of an adapter is a mistake with its place, no stack: %s', async (text) => {
  const folder = mkdtempSync(join(tmpdir(), 'pushwake-damaged-'));
  const home = join(folder, 'node_modules', 'pushwake-damaged');
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'package.json'), text);
  const file = join(folder, 'pushwake.yaml');
  writeFileSync(file, 'push:\n  x:\n    type: pushwake-damaged\n');
  try {
    await expect(adaptersFor(file)).rejects.toThrow(
      'pushwake.yaml:3:11 push.x.type: pushwake-damaged cannot be loaded: its package.json is not JSON; install it anew',
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
