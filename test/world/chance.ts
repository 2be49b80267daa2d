/**
 * Chance from a seed: the same seed gives the same draws on every machine. Each actor of the world has a stream of its own, made of the
 * seed and its name, so that a fault which is dropped does not change what all the others draw.
 */

/** Mixes a text into 32 bits (xmur3). */
function hashOf(text: string): number {
  let h = 1_779_033_703 ^ text.length;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 3_432_918_353);
    h = (h << 13) | (h >>> 19);
  }
  h = Math.imul(h ^ (h >>> 16), 2_246_822_507);
  h = Math.imul(h ^ (h >>> 13), 3_266_489_909);
  return (h ^ (h >>> 16)) >>> 0;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** A stream of draws (sfc32: small, fast, passes PractRand). */
export class Chance {
  readonly #name: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, name = 'world') {
    this.#name = `${seed} ${name}`;
    this.#a = hashOf(`a ${this.#name}`);
    this.#b = hashOf(`b ${this.#name}`);
    this.#c = hashOf(`c ${this.#name}`);
    for (let i = 0; i < 12; i++) this.next();
  }

  /** A stream of its own, the same however many draws were made here. */
  fork(name: string): Chance {
    return new Chance(hashOf(`${this.#name} ${name}`), name);
  }

  /** 0 ≤ x < 1. */
  next(): number {
    const t = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return (t >>> 0) / 4_294_967_296;
  }

  /** Whether something of this probability happens. */
  happens(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number, both ends included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  /** Whole milliseconds between the two, small ones as likely as large ones by order of magnitude. */
  spread(fromMs: number, toMs: number): number {
    return Math.round(fromMs * (toMs / fromMs) ** this.next());
  }

  /** Time to the next event of a Poisson process, in whole ms. */
  wait(meanMs: number): number {
    return Math.max(1, Math.round(-Math.log(1 - this.next()) * meanMs));
  }

  pick<T>(of: readonly T[]): T {
    const found = of[this.int(0, of.length - 1)];
    if (found === undefined) throw new RangeError('nothing to pick from');
    return found;
  }

  /** Lower-case hex of this many bytes. */
  hex(bytes: number): string {
    let text = '';
    for (let i = 0; i < bytes; i++) text += HEX[this.int(0, 255)];
    return text;
  }
}
