/**
 * Makes inputs out of inputs, from a seed: those that show an outcome which was not there before are mutated further. No coverage of code is
 * measured; the outcomes that the targets name are enough to get behind each parser's first refusal.
 */
import { Chance } from '../world/chance.ts';
import type { FuzzTarget } from './targets.ts';

/** Time that this thread has been given by the processor, in ms: other work of the machine does not count. */
function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** An input may keep the main thread for this long at most, in ms. */
export const LONGEST = 50;
const LONGEST_INPUT = 64 * 1024;
const POOL = 400;

export interface Finding {
  readonly target: string;
  readonly what: string;
  readonly input: Buffer;
}

export class Fuzzer {
  readonly target: FuzzTarget;
  readonly outcomes = new Map<string, Buffer>();
  tried = 0;
  slowestMs = 0;
  readonly #chance: Chance;
  readonly #pool: Buffer[];
  /** Seeds and corpus: tried as they are, before anything is made of them. */
  readonly #given: number;

  constructor(target: FuzzTarget, seed: number, corpus: readonly Buffer[]) {
    this.target = target;
    this.#chance = new Chance(seed, target.name);
    this.#pool = [...target.seeds.map((text) => Buffer.from(text, 'latin1')), ...corpus];
    this.#given = this.#pool.length;
  }

  /** Tries this number of inputs. Answers the first that breaks a rule. */
  async round(inputs: number): Promise<Finding | undefined> {
    for (let i = 0; i < inputs; i++) {
      const first = this.tried < this.#given ? this.#pool[this.tried] : undefined;
      const found = await this.try(first ?? this.#next());
      if (found) return found;
    }
    return undefined;
  }

  async try(input: Buffer): Promise<Finding | undefined> {
    this.tried++;
    const finding = (what: string): Finding => ({ target: this.target.name, what, input });
    let ms = Number.POSITIVE_INFINITY;
    // What else the thread has to do, as the garbage collector, comes at any time: an input is slow if it is slow each time.
    const longest = this.target.longestMs ?? LONGEST;
    for (let times = 0; times < 3 && ms > longest; times++) {
      const begunMs = threadMs();
      try {
        const outcome = await this.target.run(input);
        if (!this.outcomes.has(outcome)) {
          this.outcomes.set(outcome, input);
          this.#pool.push(input);
          if (this.#pool.length > POOL) this.#pool.splice(this.#given, 1);
        }
      } catch (error) {
        return finding(
          error instanceof Error && error.name === 'Broken'
            ? error.message
            : `crash: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
      }
      ms = threadMs() - begunMs;
    }
    this.slowestMs = Math.max(this.slowestMs, ms);
    return ms > longest ? finding(`takes ${ms.toFixed(0)} ms`) : undefined;
  }

  #next(): Buffer {
    const chance = this.#chance;
    let input = chance.pick(this.#pool);
    for (let left = chance.int(1, 6); left > 0; left--) input = this.#changed(input);
    return input.subarray(0, LONGEST_INPUT);
  }

  #changed(input: Buffer): Buffer {
    const chance = this.#chance;
    const at = chance.int(0, input.length);
    const to = Math.min(input.length, at + chance.spread(1, 64));
    const word = () => Buffer.from(chance.pick(this.target.words), 'utf8');
    switch (chance.int(0, 6)) {
      case 0:
        return Buffer.concat([input.subarray(0, at), word(), input.subarray(at)]);
      case 1:
        return Buffer.concat([input.subarray(0, at), word(), input.subarray(to)]);
      case 2:
        return Buffer.concat([input.subarray(0, at), input.subarray(to)]);
      case 3: {
        const copy = Buffer.from(input);
        if (copy.length > 0) copy[Math.min(at, copy.length - 1)] = chance.int(0, 255);
        return copy;
      }
      case 4:
        return Buffer.concat([
          input.subarray(0, at),
          ...Array.from({ length: chance.spread(2, 400) }, () => input.subarray(at, to)),
          input.subarray(at),
        ]);
      case 5: {
        const other = chance.pick(this.#pool);
        return Buffer.concat([input.subarray(0, at), other.subarray(chance.int(0, other.length))]);
      }
      default:
        return Buffer.concat([
          input.subarray(0, at),
          Buffer.from(chance.hex(chance.int(1, 4)), 'hex'),
          input.subarray(at),
        ]);
    }
  }
}
