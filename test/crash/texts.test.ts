/**
 * kill -9 at every boundary of a text's way, on the real store: none is lost and none is repeated, but one: when we die between the phone's
 * 200 and the note of it, nobody can know that the phone has it. `npm run test:crash` plays 200 kills; `npm test` a part of them.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { TEXT_BOUNDARIES } from '../../plugin/runtime/bindings/crash-points.ts';

const CHILD = fileURLToPath(new URL('./texts-child.ts', import.meta.url));
const ROUNDS = Number(process.env.PUSHWAKE_CRASH_ROUNDS ?? 0);
/** `npm test` kills at these two. */
const SHORT = ['text saved', 'text noted'] as const;
const PLAYED: readonly (typeof TEXT_BOUNDARIES)[number][] =
  ROUNDS === 0
    ? SHORT
    : Array.from({ length: ROUNDS }, (_, i) => TEXT_BOUNDARIES[i % TEXT_BOUNDARIES.length] ?? SHORT[0]);

function live(folder: string, boundary: string, nth: number, texts: readonly string[]): Promise<'killed' | 'finished'> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CHILD, folder, boundary, String(nth), ...texts], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let errors = '';
    child.stderr.on('data', (text: Buffer) => (errors += text));
    child.on('exit', (code, signal) => {
      if (signal === 'SIGKILL') resolve('killed');
      else if (code === 0) resolve('finished');
      else reject(new Error(`the child ended with ${code}: ${errors.slice(-2_000)}`));
    });
  });
}

test(`${PLAYED.length} kills amid texts, at every boundary`, { timeout: 1_000_000 }, async () => {
  let doubted = 0;
  for (const [round, boundary] of PLAYED.entries()) {
    const folder = mkdtempSync(join(tmpdir(), 'pushwake-crash-texts-'));
    const nth = 1 + (Math.floor(round / TEXT_BOUNDARIES.length) % 3);
    expect(await live(folder, boundary, nth, ['a', 'b', 'c']), boundary).toBe('killed');
    expect(await live(folder, 'none', 0, ['d'])).toBe('finished');
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
