/** What a running pushwake shows when nothing is wrong, for tests that change one thing of it. */
import type { Health } from '../../plugin/http/health.ts';
import type { Summary } from '../../plugin/ports/status.ts';

export const quietSummary = (change: Partial<Summary> = {}): Summary => ({
  ready: true,
  links: { office: true },
  waiting: 0,
  sensors: {},
  ...change,
});

export const quietHealth = (change: Partial<Health> = {}): Health => ({
  ...quietSummary(),
  version: '0.1.0',
  mode: 'full',
  services: [],
  alarms: [],
  brakes: [],
  notBound: [],
  ...change,
});
