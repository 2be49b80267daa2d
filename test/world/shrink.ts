/** The shortest story that still fails: drops faults, first many at once and then one by one, as long as the same oracle is violated. */
import type { Fault } from './faults.ts';
import { type Result, World, type WorldOptions } from './world.ts';

/** Worlds that may be played for it. */
const TRIES = 60;

export async function shrunk(failed: Result, options: WorldOptions): Promise<Result> {
  const { violation } = failed;
  if (!violation) return failed;
  let tries = TRIES;
  let best = failed;
  // What comes after the violation had no part in it.
  let plan: readonly Fault[] = failed.plan.filter((f) => f.atMs <= violation.atMs);
  const fails = async (of: readonly Fault[]): Promise<boolean> => {
    if (tries-- <= 0) return false;
    const result = await new World({ ...options, plan: of }).run();
    if (result.violation?.oracle !== violation.oracle) return false;
    best = result;
    return true;
  };
  if (await fails([])) return best;
  for (let size = Math.ceil(plan.length / 2); size >= 1 && tries > 0; size = Math.floor(size / 2)) {
    for (let from = plan.length - size; from > -size && tries > 0; from -= size) {
      const start = Math.max(0, from);
      const fewer = plan.filter((_, i) => i < start || i >= start + size);
      if (fewer.length < plan.length && (await fails(fewer))) plan = fewer;
    }
  }
  return best;
}
