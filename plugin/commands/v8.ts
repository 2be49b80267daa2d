/** What V8 is told when pushwake starts. A V8 that does not know a flag prints a line and goes on. */
import { setFlagsFromString } from 'node:v8';

/**
 * A heap may grow by half of what is alive, in per cent, before the old generation is collected. V8's own choice is up to four times what is alive: it takes what a
 * large machine has, and the PBX beside us needs it.
 */
export function growHeapSlowly(): void {
  setFlagsFromString('--heap-growing-percent=50');
}

/**
 * What a call runs is compiled after 20 calls in place of some hundreds, and what V8 needs to know for that is noted from the first one on. A small site has some hundred
 * calls a day, with seconds or hours between them, and each caller waits for the push of a sleeping phone (ADR 0146).
 */
export function compileEarly(): void {
  setFlagsFromString('--no-lazy-feedback-allocation');
  setFlagsFromString('--invocation-count-for-maglev=20');
}
