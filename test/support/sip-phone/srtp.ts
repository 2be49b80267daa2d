/** What a phone sends by SRTP (RFC 3711) with AES_CM_128_HMAC_SHA1_80: enough for a tone of a few minutes. */
import { createCipheriv, createHmac } from 'node:crypto';

/** Master key and salt, as `a=crypto … inline:` carries them. */
export const SRTP_KEY_BYTES = 30;

export class SrtpSender {
  readonly #cipherKey: Buffer;
  readonly #salt: Buffer;
  readonly #authKey: Buffer;
  #rollovers = 0;
  #lastSequence = -1;

  constructor(inline: Buffer) {
    const [key, salt] = [inline.subarray(0, 16), inline.subarray(16, SRTP_KEY_BYTES)];
    const derived = (label: number, bytes: number): Buffer => {
      const iv = Buffer.concat([salt, Buffer.alloc(2)]);
      iv[7]! ^= label;
      return keystream(key, iv, Buffer.alloc(bytes));
    };
    this.#cipherKey = derived(0, 16);
    this.#authKey = derived(1, 20);
    this.#salt = derived(2, 14);
  }

  /** `packet`: RTP with a header of twelve bytes, in the order of its sequence numbers. */
  protect(packet: Buffer): Buffer {
    const sequence = packet.readUInt16BE(2);
    if (sequence < this.#lastSequence) this.#rollovers++;
    this.#lastSequence = sequence;
    const iv = Buffer.concat([this.#salt, Buffer.alloc(2)]);
    for (let i = 0; i < 4; i++) iv[4 + i]! ^= packet[8 + i]!;
    const index = Buffer.alloc(6);
    index.writeUInt32BE(this.#rollovers, 0);
    index.writeUInt16BE(sequence, 4);
    for (let i = 0; i < 6; i++) iv[8 + i]! ^= index[i]!;
    const sent = Buffer.concat([packet.subarray(0, 12), keystream(this.#cipherKey, iv, packet.subarray(12))]);
    const tag = createHmac('sha1', this.#authKey).update(sent).update(index.subarray(0, 4)).digest().subarray(0, 10);
    return Buffer.concat([sent, tag]);
  }
}

function keystream(key: Buffer, iv: Buffer, data: Buffer): Buffer {
  return createCipheriv('aes-128-ctr', key, iv).update(data);
}
