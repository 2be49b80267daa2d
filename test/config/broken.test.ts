/**
 * Broken configurations and what is said of each, as golden text: `test/config/broken/*.yaml` and `broken.txt`. Write the text
 * anew with UPDATE_DOCS=1, then read it as somebody would who made that mistake.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../config/load.ts';
import { adapters, schemasOf } from '../../plugin/app/adapters.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const names = readdirSync(join(HERE, 'broken'))
  .filter((f) => f.endsWith('.yaml'))
  .sort();
const schemas = schemasOf(await adapters());

function saidOf(name: string): string {
  const text = readFileSync(join(HERE, 'broken', name), 'utf8');
  try {
    parseConfig(name, text, schemas);
    return `${name}: nothing wrong`;
  } catch (error) {
    return (error as Error).message;
  }
}

describe('broken configurations', () => {
  it('there are forty of them at least', () => expect(names.length).toBeGreaterThanOrEqual(40));

  it('each is told as the golden text says', () => {
    const said = `${names.map(saidOf).join('\n')}\n`;
    const golden = join(HERE, 'broken.txt');
    if (process.env.UPDATE_DOCS) writeFileSync(golden, said);
    expect(said).toBe(readFileSync(golden, 'utf8'));
  });

  it.each(names)('%s: a place and an expectation, and no value of the file', (name) => {
    const said = saidOf(name);
    expect(said).toMatch(/^[a-z-]+\.yaml:\d+:\d+ /);
    expect(said).not.toMatch(/nothing wrong|undefined|Invalid|\[object/);
    expect(said).not.toMatch(/hunter2|1234/);
  });
});
