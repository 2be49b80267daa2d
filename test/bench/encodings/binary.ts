/** A binary form, as small as one gets without compressing: names by number, whole numbers by bytes, hex as bytes, a repeated text once. */
import { NAMES } from './names.ts';

const NUMBER_OF = new Map(NAMES.map((name, i) => [name, i]));
const HEX = /^(?:[0-9a-f]{2}){8,}$/;
const [NULL, FALSE, TRUE, NUMBER, TEXT, BYTES, AGAIN, LIST, OBJECT, DOUBLE] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

export class BinaryWriter {
  readonly #buffer = Buffer.allocUnsafe(16_384);
  readonly #texts = new Map<string, number>();
  #at = 0;

  write(value: unknown): Buffer {
    this.#any(value);
    return Buffer.from(this.#buffer.subarray(0, this.#at));
  }

  #any(value: unknown): void {
    if (value === null || value === undefined) this.#byte(NULL);
    else if (value === false) this.#byte(FALSE);
    else if (value === true) this.#byte(TRUE);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'string') this.#text(value);
    else if (Array.isArray(value)) {
      this.#byte(LIST);
      this.#whole(value.length);
      for (const v of value) this.#any(v);
    } else {
      const fields = Object.entries(value).filter(([, v]) => v !== undefined);
      this.#byte(OBJECT);
      this.#whole(fields.length);
      for (const [name, v] of fields) {
        const known = NUMBER_OF.get(name);
        this.#whole(known === undefined ? 0 : known + 1);
        if (known === undefined) this.#text(name);
        this.#any(v);
      }
    }
  }

  #byte(byte: number): void {
    this.#buffer[this.#at++] = byte;
  }

  #whole(value: number): void {
    let left = value;
    while (left >= 128) {
      this.#byte((left % 128) + 128);
      left = Math.floor(left / 128);
    }
    this.#byte(left);
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && value >= 0) {
      this.#byte(NUMBER);
      this.#whole(value);
      return;
    }
    this.#byte(DOUBLE);
    this.#at = this.#buffer.writeDoubleLE(value, this.#at);
  }

  #text(text: string): void {
    const before = this.#texts.get(text);
    if (before !== undefined) {
      this.#byte(AGAIN);
      this.#whole(before);
      return;
    }
    this.#texts.set(text, this.#texts.size);
    const isHex = HEX.test(text);
    this.#byte(isHex ? BYTES : TEXT);
    const length = isHex ? text.length / 2 : Buffer.byteLength(text);
    this.#whole(length);
    this.#at += this.#buffer.write(text, this.#at, isHex ? 'hex' : 'utf8');
  }
}

export class BinaryReader {
  readonly #buffer: Buffer;
  readonly #texts: string[] = [];
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  read(): unknown {
    const kind = this.#buffer[this.#at++];
    switch (kind) {
      case NULL:
        return null;
      case FALSE:
        return false;
      case TRUE:
        return true;
      case NUMBER:
        return this.#whole();
      case DOUBLE:
        this.#at += 8;
        return this.#buffer.readDoubleLE(this.#at - 8);
      case AGAIN:
        return this.#texts[this.#whole()];
      case LIST:
        return Array.from({ length: this.#whole() }, () => this.read());
      case OBJECT: {
        const made: Record<string, unknown> = {};
        for (let left = this.#whole(); left > 0; left--) {
          const number = this.#whole();
          const name = number === 0 ? (this.read() as string) : (NAMES[number - 1] as string);
          made[name] = this.read();
        }
        return made;
      }
      default:
        return this.#text(kind === BYTES ? 'hex' : 'utf8');
    }
  }

  #whole(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.#buffer[this.#at++] as number;
      value += (byte % 128) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
  }

  #text(as: 'hex' | 'utf8'): string {
    const length = this.#whole();
    const text = this.#buffer.toString(as, this.#at, this.#at + length);
    this.#at += length;
    this.#texts.push(text);
    return text;
  }
}
