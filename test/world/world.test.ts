/**
 * The simulated world, in short: fixed seeds and one fresh one, whose number is printed. The long form is `npm run world`.
 */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Chance } from './chance.ts';
import { CONTROLS, planted } from './controls.ts';
import { inWords } from './faults.ts';
import type { SiteName } from './sites.ts';
import { type Result, World } from './world.ts';

const play = (seed: number, site: SiteName, weeks: number): Promise<Result> => new World({ seed, site, weeks }).run();

/** What somebody needs to know in order to look at it. */
const inShort = ({ seed, site, violation, plan, story }: Result, weeks: number) =>
  violation && [
    `${violation.oracle}: ${violation.what}`,
    `npm run world -- --seed ${seed} --sites ${site} --weeks ${weeks} --story`,
    ...plan.filter((f) => f.atMs <= violation.atMs).map(inWords),
    ...story.slice(-20),
  ];

describe('the world', { timeout: 180_000 }, () => {
  it.each<[number, SiteName, number]>([
    [1, 'small', 2],
    [2, 'small', 2],
    [3, 'carrier', 1],
  ])('seed %i, %s, %i weeks: no promise is broken', async (seed, site, weeks) => {
    const result = await play(seed, site, weeks);
    expect(inShort(result, weeks)).toBeUndefined();
    expect(result.rings, 'it did go on').toBeGreaterThan(5_000);
  });

  it('the same seed gives the same story, another seed another one', async () => {
    const days = 2 / 7;
    const [a, b, c] = [
      await play(11, 'carrier', days),
      await play(11, 'carrier', days),
      await play(12, 'carrier', days),
    ];
    expect(a.story.length).toBeGreaterThan(20);
    expect(b.story).toEqual(a.story);
    expect(b.digest).toBe(a.digest);
    expect(c.digest).not.toBe(a.digest);
  });

  const fresh = randomInt(1_000, 1_000_000_000);
  it(`a fresh seed: ${fresh}`, async () => {
    const result = await play(fresh, 'small', 1);
    expect(inShort(result, 1)).toBeUndefined();
  });
});

describe('the controls', () => {
  it.each(CONTROLS)('"$bug" can still be planted', ({ bug, edits }) => {
    for (const { file, from, to } of edits) {
      const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
      expect(planted(text, from, to, bug)).not.toBe(text);
    }
  });
});

describe('chance', () => {
  it('draws the same from the same seed and name, whatever others draw', () => {
    const a = new Chance(7, 'x');
    const b = new Chance(7, 'x');
    b.next();
    expect(a.fork('y').next()).toBe(b.fork('y').next());
    expect(new Chance(7, 'x').next()).not.toBe(new Chance(8, 'x').next());
  });

  it('is even enough', () => {
    const draw = new Chance(1);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 40_000; i++) counts[draw.int(0, 3)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });
});
