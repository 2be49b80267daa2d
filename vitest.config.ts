/**
 * `fast`: no PBX, all at once. `real`: every file starts an Asterisk or a Redis of its own, so one at a time. `browser`: the
 * status pages in a Chromium. `npm test` brings that Asterisk and that Chromium first (test/run.ts).
 */
import { defineConfig } from 'vitest/config';
import { SUITES_OF_REAL_PARTS } from './test/support/suites.ts';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: [...SUITES_OF_REAL_PARTS, 'freeswitch'].map((folder) => `test/${folder}/**`),
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'real',
          include: SUITES_OF_REAL_PARTS.filter((folder) => folder !== 'browser').map(
            (folder) => `test/${folder}/**/*.test.ts`,
          ),
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
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
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
          include: ['test/freeswitch/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
