/** How much memory V8 takes before it collects garbage. */
import { setFlagsFromString } from 'node:v8';

/**
 * A heap may grow by half of what is alive, in per cent, before the old generation is collected. V8's own choice is up to four times what is alive: it takes what a
 * large machine has, and the PBX beside us needs it. One V8 that does not know the flag prints a line and goes on.
 */
export function growHeapSlowly(): void {
  setFlagsFromString('--heap-growing-percent=50');
}
