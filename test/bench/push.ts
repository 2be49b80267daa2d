/**
 * What a push costs, beside a bare client; what a call feels of 20,000 refreshes and of a flood of reports; what is lost and
 * repeated when the service says goodbye.
 */
import type { Result, Suite } from './bench.ts';
import { cost } from './push/cost.ts';
import { flood } from './push/flood.ts';
import { goodbye } from './push/goodbye.ts';
import { overtaking } from './push/overtaking.ts';

const PARTS = { cost, overtaking, goodbye, flood } as const;

export const push: Suite = async (progress, options) => {
  const only = options.get('only')?.split(',');
  const results: Result[] = [];
  for (const [name, part] of Object.entries(PARTS)) {
    if (!only || only.includes(name)) results.push(...(await part(progress)));
  }
  return results;
};
