import { hash, timingSafeEqual } from 'node:crypto';

const digest = (secret: string | Uint8Array) => hash('sha256', secret, 'buffer');

/** Whether both are equal, in a time that reveals neither where they differ nor how long they are. */
export function sameSecret(a: string | Uint8Array, b: string | Uint8Array): boolean {
  return timingSafeEqual(digest(a), digest(b));
}
