/** `config/schema.json` is what editors complete from: made of the schemas the loader checks with. UPDATE_DOCS=1 writes it anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fileSchema, keysAt } from '../../config/json-schema.ts';
import { nearest } from '../../config/wording.ts';
import { adapters, schemasOf } from '../../plugin/app/adapters.ts';

const FILE = fileURLToPath(new URL('../../config/schema.json', import.meta.url));
const SHIPPED = fileURLToPath(new URL('../../config/pushwake.yaml', import.meta.url));
const schema = fileSchema(schemasOf(await adapters()));

describe('config/schema.json', () => {
  it('is what the loader checks with', () => {
    const text = `${JSON.stringify(schema, undefined, 2)}\n`;
    if (process.env.UPDATE_DOCS) writeFileSync(FILE, text);
    expect(readFileSync(FILE, 'utf8')).toBe(text);
  });

  it('is named in the first line of the shipped file, where editors look', () => {
    expect(readFileSync(SHIPPED, 'utf8').split('\n')[0]).toBe('# yaml-language-server: $schema=schema.json');
  });

  it('knows the keys at a place, in the file and in the options of an adapter', () => {
    expect(keysAt(schema, ['http', 'devices'])).toContain('accountSecret');
    expect(keysAt(schema, ['policies', '0', 'policy'])).toContain('ttl');
    expect(keysAt(schema, ['push', 'apns'])).toContain('apps');
    expect(keysAt(schema, ['nowhere', 'at', 'all'])).toEqual([]);
  });

  it.each([
    ['polcy', 'policy'],
    ['mdoe', 'mode'],
    ['puhs', 'push'],
    ['Mode', 'mode'],
    ['mood', undefined],
    ['x', undefined],
    ['', undefined],
  ])('%s: %s was meant', (word, meant) => {
    expect(nearest(word, ['mode', 'policy', 'policies', 'push', 'pbx', 'http'])).toBe(meant);
  });
});
