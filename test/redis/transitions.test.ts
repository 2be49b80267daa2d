/** Several processes change the same records at once: what is stored is what the core makes of the log, change by change. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../adapters/store/redis/index.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import { type AorRecord, emptyRecord, encodeRecord } from '../../plugin/core/binding.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { RedisServer } from '../support/redis/instance.ts';
import { type Change, POLICY, VARIED_AORS } from './transitions.ts';

/** `npm run test:transitions` takes 10,000 for each process. */
const EACH = process.env.PUSHWAKE_TRANSITIONS === 'long' ? 10_000 : 1_500;
const CHILD = fileURLToPath(new URL('./transitions-child.ts', import.meta.url));

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start({ args: ['--appendfsync', 'no'] });
  return () => redis.stop();
});

interface Outcome {
  readonly changes: number;
  /** What is not as it must be, in words. */
  readonly wrong: readonly string[];
  readonly notices: number;
}

async function fight(processes: number, each: number, prefix: string, blind = false): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'pushwake-transitions-'));
  try {
    const startedAt = String(Date.now());
    const files = Array.from({ length: processes }, (_, i) => join(folder, String(i)));
    await Promise.all(
      files.map((file, i) => {
        const args = [redis.url, prefix, String(i + 1), String(each), startedAt, file, blind ? 'blind' : ''];
        const child = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
        return new Promise<void>((resolve, reject) =>
          child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`child ${i} ended with ${code}`)))),
        );
      }),
    );
    const changes = files.flatMap((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Change),
    );
    return { changes: changes.length, ...(await judge(changes, prefix)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function judge(changes: readonly Change[], prefix: string): Promise<Omit<Outcome, 'changes'>> {
  const deps = { clock: systemClock(), log: new RecordedLog(), name: 'redis' };
  const store = create(optionsSchema.parse({ url: redis.url, prefix }), deps);
  await store.open();
  const wrong: string[] = [];
  const byAor = Map.groupBy(changes, (c) => c.aor);
  for (const aor of VARIED_AORS) {
    const log = (byAor.get(aor) ?? []).toSorted((a, b) => a.version - b.version);
    const stored = await store.get(aor);
    const gap = log.findIndex((c, i) => c.version !== i + 1);
    if (gap >= 0) wrong.push(`${aor}: version ${gap + 1} was given to nobody or twice`);
    if (!isDeepStrictEqual(plain(stored ?? emptyRecord(aor)), plain(replay(aor, log))))
      wrong.push(`${aor}: what is stored is not what its log makes of it`);
  }
  await store.close();
  const notices = changes.flatMap((c) => c.notices.map((n) => `${c.aor} ${n}`));
  const once = new Set(notices);
  if (once.size !== notices.length) wrong.push(`${notices.length - once.size} notices were decided twice`);
  return { wrong, notices: notices.length };
}

const plain = (record: AorRecord): unknown => JSON.parse(encodeRecord(record));

const replay = (aor: Aor, log: readonly Change[]) =>
  log.reduce(
    (record, { event, at, version }) => ({ ...transition(record, event, at, () => POLICY).record, version }),
    emptyRecord(aor),
  );

describe('processes that change the same hundred records', () => {
  test(`8 × ${EACH} changes: no update is lost, no notice is decided twice`, { timeout: 300_000 }, async () => {
    const { changes, wrong, notices } = await fight(8, EACH, 'fight');
    expect(wrong).toEqual([]);
    expect(changes).toBeGreaterThanOrEqual(8 * EACH);
    // Nothing would be shown if nobody had been warned.
    expect(notices).toBeGreaterThan(0);
  });

  test('the control: without the comparison of versions it shows', { timeout: 120_000 }, async () => {
    const { wrong } = await fight(4, 1_000, 'blind', true);
    expect(wrong.length).toBeGreaterThan(0);
  });
});
