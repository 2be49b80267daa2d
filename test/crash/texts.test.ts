/**
 * kill -9 at every boundary of a text's way, on the real store: none is lost and none is repeated, but one: when we die between the phone's
 * 200 and the note of it, nobody can know that the phone has it. `npm run test:crash` plays 200 kills; `npm test` a part of them.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { TEXT_BOUNDARIES } from '../../plugin/runtime/bindings/crash-points.ts';
import { live } from './lives.ts';

const CHILD = fileURLToPath(new URL('./texts-child.ts', import.meta.url));
const ROUNDS = Number(process.env.PUSHWAKE_CRASH_ROUNDS ?? 0);
/** `npm test` kills at these two. */
const SHORT = ['text saved', 'text noted'] as const;
const PLAYED: readonly (typeof TEXT_BOUNDARIES)[number][] =
  ROUNDS === 0
    ? SHORT
    : Array.from({ length: ROUNDS }, (_, i) => TEXT_BOUNDARIES[i % TEXT_BOUNDARIES.length] ?? SHORT[0]);

test(`${PLAYED.length} kills amid texts, at every boundary`, { timeout: 1_000_000 }, async () => {
  let doubted = 0;
  for (const [round, boundary] of PLAYED.entries()) {
    const folder = mkdtempSync(join(tmpdir(), 'pushwake-crash-texts-'));
    const nth = 1 + (Math.floor(round / TEXT_BOUNDARIES.length) % 3);
    expect(await live(CHILD, folder, boundary, String(nth), 'a', 'b', 'c'), boundary).toBe('killed');
    expect(await live(CHILD, folder, 'none', '0', 'd')).toBe('finished');
    const got = readFileSync(join(folder, 'phone.txt'), 'utf8').trim().split('\n');
    const once = [...new Set(got)];
    expect(once, `${boundary}: lost, or out of order`).toEqual(['text a', 'text b', 'text c', 'text d']);
    const repeated = got.length - once.length;
    expect(repeated, `${boundary}: repeated`).toBe(boundary === 'text taken' ? 1 : 0);
    doubted += repeated;
    rmSync(folder, { recursive: true, force: true });
  }
  process.stdout.write(
    `${PLAYED.length} kills: 0 texts lost, ${doubted} repeated, each killed between the phone's 200 and its note\n`,
  );
});
