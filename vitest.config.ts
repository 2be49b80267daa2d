/**
 * `fast`: no PBX, all at once. `real`: every file starts an Asterisk or a Redis of its own, so one at a time. `unhurried`: real parts as well,
 * a Chromium among them, where no time counts: `npm test` runs them beside the others, niced. `npm test` brings that Asterisk and that Chromium first (test/run.ts).
 */
import { defineConfig } from 'vitest/config';
import {
  APP_TESTS,
  ELSEWHERE,
  FREEPBX,
  FREESWITCH,
  FUSIONPBX,
  HURRIED,
  NODES,
  PACKAGES,
  PHONE,
  SYSTEMD,
  UNHURRIED,
} from './test/support/suites.ts';

const filesOf = (patterns: readonly string[]) => patterns.map((one) => one.replace(/\*\*$/, '**/*.test.ts'));

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: [...HURRIED, ...UNHURRIED, ...ELSEWHERE],
          testTimeout: 20_000,
          // By itself it leaves one of two cores idle.
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'real',
          include: filesOf(HURRIED),
          testTimeout: 120_000,
          hookTimeout: 300_000,
          // One Asterisk at a time: two of them, two pushwakes and the phones on two cores stall each other past the guard.
          maxWorkers: 1,
          maxConcurrency: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'unhurried',
          include: filesOf(UNHURRIED),
          testTimeout: 60_000,
          hookTimeout: 300_000,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          // Needs a FreeSWITCH, which Debian has no package of: `npm run test:freeswitch` looks for one.
          name: 'freeswitch',
          include: filesOf(FREESWITCH),
          testTimeout: 60_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          // Needs a FreeSWITCH with mod_lua and mod_pgsql, a PostgreSQL, and FusionPBX's sources: `npm run test:fusionpbx`.
          name: 'fusionpbx',
          include: filesOf(FUSIONPBX),
          testTimeout: 60_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
          sequence: { groupOrder: 6 },
        },
      },
      {
        test: {
          name: 'app',
          include: filesOf(APP_TESTS),
          testTimeout: 600_000,
          hookTimeout: 300_000,
          maxWorkers: 1,
          sequence: { groupOrder: 8 },
        },
      },
      {
        test: {
          name: 'nodes',
          include: filesOf(NODES),
          testTimeout: 180_000,
          hookTimeout: 300_000,
          maxWorkers: 1,
          sequence: { groupOrder: 9 },
        },
      },
      {
        test: {
          name: 'phone',
          include: filesOf(PHONE),
          testTimeout: 60_000,
          hookTimeout: 300_000,
          maxWorkers: 1,
          sequence: { groupOrder: 10 },
        },
      },
      {
        test: {
          name: 'systemd',
          include: filesOf(SYSTEMD),
          testTimeout: 120_000,
          hookTimeout: 300_000,
          maxWorkers: 1,
          sequence: { groupOrder: 4 },
        },
      },
      {
        test: {
          name: 'packages',
          include: filesOf(PACKAGES),
          testTimeout: 120_000,
          hookTimeout: 300_000,
          maxWorkers: 1,
          sequence: { groupOrder: 7 },
        },
      },
      {
        test: {
          // Needs checkouts of FreePBX's modules: `npm run test:freepbx` looks for them.
          name: 'freepbx',
          include: filesOf(FREEPBX),
          testTimeout: 60_000,
          hookTimeout: 300_000,
          maxWorkers: 1,
          sequence: { groupOrder: 5 },
        },
      },
    ].map(({ test }) => ({ test: { setupFiles: ['test/support/equal-tokens.ts'], ...test } })),
  },
});
