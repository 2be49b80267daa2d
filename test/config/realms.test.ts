import { describe, expect, it } from 'vitest';
import { allRealms, isServed, realmsOf } from '../../config/realms.ts';
import type { Aor } from '../../plugin/core/aor.ts';

const pbx = (realms: Record<string, string | string[]>) => ({
  pbx: Object.fromEntries(Object.entries(realms).map(([name, realm]) => [name, { type: 'x', options: { realm } }])),
});
const config = pbx({ a: 'Example.com', b: ['example.org', 'example.com'] });

describe('the realms of a configuration', () => {
  it('one or a list per PBX, each once over all', () => {
    expect([...realmsOf(config)]).toEqual([
      ['a', 'example.com'],
      ['b', 'example.org example.com'],
    ]);
    expect(allRealms(config)).toEqual(['example.com', 'example.org']);
  });

  it.each([
    ['1@example.org', config, true],
    ['1@example.net', config, false],
    ['1@example.net', pbx({ any: '*' }), true],
  ] as const)('%s', (aor, of, served) => {
    expect(isServed(of, aor as Aor)).toBe(served);
  });
});
