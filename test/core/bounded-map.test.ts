import { describe, expect, it } from 'vitest';
import { BoundedMap, upTo } from '../../plugin/core/bounded-map.ts';

const keys = (map: BoundedMap<string, number>) => [...map].map(([key]) => key);

describe('a bounded map', () => {
  it('forgets what was set longest ago, never the newest', () => {
    const map = new BoundedMap<string, number>(upTo(2));
    map.set('a', 1);
    map.set('b', 2);
    map.set('a', 3);
    map.set('c', 4);
    expect([...map]).toEqual([
      ['a', 3],
      ['c', 4],
    ]);
  });

  it.each([
    ['within the bytes all stay', [3, 3, 4], ['0', '1', '2']],
    ['one byte too many and the oldest goes', [3, 3, 5], ['1', '2']],
    ['a large one drives out as many as it needs', [3, 3, 10], ['2']],
    ['one that is too large alone is not kept and drives nothing out', [3, 3, 11], ['0', '1']],
  ])('%s', (_, sizes, left) => {
    const map = new BoundedMap<string, number>({ most: 10, mostBytes: 10, bytesOf: (_key, size) => size });
    for (const [i, size] of sizes.entries()) map.set(String(i), size);
    expect(keys(map)).toEqual(left);
    expect(map.bytes).toBe([...map].reduce((sum, [, size]) => sum + size, 0));
  });

  it('what is deleted or set again frees its bytes', () => {
    const map = new BoundedMap<string, number>({ most: 10, mostBytes: 10, bytesOf: (_key, size) => size });
    map.set('a', 9);
    map.set('a', 2);
    map.set('b', 8);
    expect([map.bytes, keys(map)]).toEqual([10, ['a', 'b']]);
    expect([map.delete('a'), map.delete('a'), map.bytes, map.size]).toEqual([true, false, 8, 1]);
    map.clear();
    expect([map.bytes, map.size, map.get('b')]).toEqual([0, 0, undefined]);
  });

  it('is gone through while entries go: none that is gone, none twice, none left out', () => {
    const map = new BoundedMap<string, number>(upTo(10));
    for (const [i, key] of [...'abcdef'].entries()) map.set(key, i);
    const seen: string[] = [];
    for (const [key] of map) {
      seen.push(key);
      if (key === 'b') for (const gone of 'abcd') map.delete(gone);
    }
    expect([seen, keys(map)]).toEqual([
      ['a', 'b', 'e', 'f'],
      ['e', 'f'],
    ]);
  });

  it('does as a Map would of which the first go, whatever is set and deleted', () => {
    const map = new BoundedMap<string, number>(upTo(5));
    const plain = new Map<string, number>();
    let random = 7;
    for (let n = 0; n < 2_000; n++) {
      random = (random * 1_103_515_245 + 12_345) % 2_147_483_648;
      const key = String((random >> 8) % 9);
      plain.delete(key);
      if ((random >> 20) % 3 === 0) map.delete(key);
      else {
        map.set(key, n);
        plain.set(key, n);
        if (plain.size > 5) plain.delete(plain.keys().next().value as string);
      }
      expect([...map]).toEqual([...plain]);
    }
  });
});
