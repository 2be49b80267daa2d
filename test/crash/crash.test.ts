/**
 * kill -9 at every boundary between saving and sending, on the real store: no binding is lost, no notice is lost, and what
 * is repeated has the same collapse id. `npm run test:crash` plays 200 kills; `npm test` a part of them.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Aor } from '../../plugin/core/aor.ts';
import { DAY, HOUR, MINUTE } from '../../plugin/core/time.ts';
import { BOUNDARIES } from '../../plugin/runtime/bindings/crash-points.ts';
import { MONDAY } from '../support/builders.ts';
import { StoredRecords } from '../support/stored-records.ts';
import { live } from './lives.ts';

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url));
const ROUNDS = Number(process.env.PUSHWAKE_CRASH_ROUNDS ?? 2 * BOUNDARIES.length);
const PHONES = 4;

interface Push {
  aor: string;
  purpose: string;
  notice?: string;
  collapseId: string;
  at: number;
}

function check(folder: string): void {
  const text = existsSync(join(folder, 'pushes.jsonl')) ? readFileSync(join(folder, 'pushes.jsonl'), 'utf8') : '';
  const pushes = text
    .split('\n')
    .filter(Boolean)
    .map((l) => JSON.parse(l) as Push);
  const records = new StoredRecords(join(folder, 'bindings.db'));
  for (let n = 0; n < PHONES; n++) {
    const aor = `100${n}@example.com` as Aor;
    const notices = pushes.filter((p) => p.aor === aor && p.purpose === 'notice');
    const soon = notices.filter((p) => p.notice === 'soon').map((p) => p.at - MONDAY - 7 * DAY);
    const expired = notices.filter((p) => p.notice === 'expired');
    // 0 notices lost; a kill may make one late, never early.
    expect(
      soon.some((at) => at >= -12 * HOUR && at < -10 * HOUR),
      `${aor}: the 12 h notice, ${soon}`,
    ).toBe(true);
    expect(
      soon.some((at) => at >= -1 * HOUR && at < -45 * MINUTE),
      `${aor}: the 1 h notice, ${soon}`,
    ).toBe(true);
    expect(expired.length, `${aor}: expired`).toBeGreaterThanOrEqual(1);
    // Repeats replace each other: one lifetime, one collapse id.
    expect(new Set(notices.map((p) => p.collapseId)).size).toBe(1);
    // 0 bindings lost: it ended, once, for the right reason, and its contact is gone from the PBX.
    const record = records.get(aor);
    expect(record.bindings).toEqual([]);
    expect(record.tombstones.map((t) => t.reason)).toEqual(['age']);
  }
  expect(JSON.parse(readFileSync(join(folder, 'contacts.json'), 'utf8'))).toEqual([]);
}

test(`${ROUNDS} kills, at every boundary`, { timeout: 1_000_000 }, async () => {
  let kills = 0;
  let repeats = 0;
  const killedAt = new Map<string, number>();
  for (let story = 0; kills < ROUNDS; story++) {
    const folder = mkdtempSync(join(tmpdir(), 'pushwake-crash-'));
    // Several kills per story; always where it was killed least so far, at a time that differs.
    for (let left = 4; ; left--) {
      const rarest = BOUNDARIES.reduce((x, y) => ((killedAt.get(y) ?? 0) < (killedAt.get(x) ?? 0) ? y : x));
      const outcome = await live(CHILD, folder, left > 0 ? rarest : 'none', String(1 + ((story + kills) % PHONES)));
      if (outcome === 'finished') break;
      kills++;
      killedAt.set(rarest, (killedAt.get(rarest) ?? 0) + 1);
    }
    expect(story, 'the boundaries are not reached').toBeLessThan(ROUNDS);
    check(folder);
    const text = readFileSync(join(folder, 'pushes.jsonl'), 'utf8');
    repeats += text.split('\n').filter((l) => l.includes('"notice"')).length - 3 * PHONES;
    rmSync(folder, { recursive: true, force: true });
  }
  process.stdout.write(
    `${kills} kills: ${JSON.stringify(Object.fromEntries(killedAt))}; ${repeats} notices repeated under the same collapse id\n`,
  );
  for (const boundary of BOUNDARIES)
    expect(killedAt.get(boundary) ?? 0, `never killed at "${boundary}"`).toBeGreaterThan(0);
});
