import { createHash, timingSafeEqual } from 'node:crypto';

/** Whether both are equal, in a time that reveals neither where they differ nor how long they are. */
export function sameSecret(a: string | Uint8Array, b: string | Uint8Array): boolean {
  const hash = (secret: string | Uint8Array) => createHash('sha256').update(secret).digest();
  return timingSafeEqual(hash(a), hash(b));
}
