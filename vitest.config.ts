/**
 * Two projects. `fast`: no PBX, all at once. `real`: every file starts an Asterisk of its own, so one at a time.
 * `npm test` brings that Asterisk first (test/run.ts).
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/asterisk/**', 'test/e2e/**', 'test/crash/**'],
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'real',
          include: ['test/asterisk/**/*.test.ts', 'test/e2e/**/*.test.ts', 'test/crash/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 300_000,
          // One Asterisk at a time: two of them, two pushwakes and the phones on two cores stall each other past the guard.
          maxWorkers: 1,
          maxConcurrency: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
