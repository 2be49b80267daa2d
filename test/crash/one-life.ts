/**
 * What the children of the crash tests have in common: the real runtime over the real store in a folder that outlives them, and the kill at the
 * n-th crossing of a boundary. Time, PBX and push service are the test's. Arguments: folder, boundary, how many-th time, then the child's own.
 */
import { join } from 'node:path';
import { randomId, systemClock } from '../../adapters/clock/system/index.ts';
import { create } from '../../adapters/store/sqlite/index.ts';
import type { Clock } from '../../plugin/ports/clock.ts';
import { onBoundary } from '../../plugin/runtime/bindings/crash-points.ts';
import type { Runtime } from '../../plugin/runtime/runtime.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { type SmallRuntime, smallRuntime } from '../support/small-runtime.ts';

const [folder = '', boundary = '', nth = '0', ...own] = process.argv.slice(2);

/** A file of the test's. */
export const fileOf = (name: string): string => join(folder, name);
export const ownArguments: readonly string[] = own;

let crossings = 0;
onBoundary((at) => {
  if (at === boundary && ++crossings === Number(nth)) process.kill(process.pid, 'SIGKILL');
});

export function runtimeOf(
  parts: Pick<SmallRuntime, 'links' | 'service' | 'policy' | 'messages'> & { clock: Clock },
): Runtime {
  const log = new RecordedLog();
  return smallRuntime({
    ...parts,
    log,
    // The writer's supervision needs real time; only what the bindings live by is the test's.
    store: create({ path: fileOf('bindings.db') }, { clock: systemClock(), log, name: 'sqlite' }),
    randomHex: randomId,
  });
}
